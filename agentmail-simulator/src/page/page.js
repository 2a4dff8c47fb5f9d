// The page of the simulator. It uses the API and its event stream, and nothing else.
// Each text goes into the document as text: no string is ever parsed as HTML.

// ---- Elements ----------------------------------------------------------------------------------

const BOOLEANS = new Set(["checked", "disabled", "open", "required", "selected", "multiple", "readonly"]);

/** Makes an element. `on…` properties are handlers; they are kept beside the element, so that
 *  `morph` can replace them. */
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  element.handlers = {};
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.handlers[name.slice(2)] = value;
    else if (name === "value" && tag !== "option") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
    if (BOOLEANS.has(name) && value) element[name] = true;
  }
  element.append(...children.flat(9).filter((it) => it !== null && it !== undefined && it !== false));
  if (tag === "select" && properties.value !== undefined) element.value = properties.value;
  return element;
}

for (const kind of ["click", "submit", "input", "change", "toggle", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (kind === "input" || kind === "change") event.target.isChanged = true;
    for (let at = event.target; at; at = at.parentNode) {
      const handler = at.handlers?.[kind];
      if (handler) return handler(event);
    }
  }, kind === "toggle");
}

/** Changes an element so that it is like another one. What has the focus, what is open and what a
 *  person has typed stay. */
function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || (from.id ?? "") !== (to.id ?? "")) {
    from.replaceWith(to);
    return;
  }
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  from.handlers = to.handlers;
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  if (["INPUT", "SELECT", "TEXTAREA"].includes(from.nodeName) && !from.isChanged) {
    from.value = to.value;
    from.checked = to.checked;
  }
  if (from.nodeName === "TEXTAREA" || (from.nodeName === "SELECT" && from.isChanged)) return;
  morphChildren(from, to);
}

function morphChildren(from, to) {
  const byId = new Map([...from.children].filter((it) => it.id).map((it) => [it.id, it]));
  let at = from.firstChild;
  for (const child of [...to.childNodes]) {
    const same = at && !at.id && !child.id && at.nodeName === child.nodeName ? at : null;
    const match = child.id ? byId.get(child.id) : same;
    if (!match) {
      from.insertBefore(child, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else from.insertBefore(match, at);
    morph(match, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const $ = (id) => document.getElementById(id);

let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").textContent = ""; }, 8000);
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} was copied.`);
  } catch {
    toast("The browser does not allow the page to copy. Open the text below, and copy it from there.");
  }
}

// ---- The API -----------------------------------------------------------------------------------

const model = {
  token: sessionStorage.getItem("operator-token"),
  agents: [],
  counts: { pending: 0, delivered: 0, dead: 0 },
  activity: [],
  lastEvent: 0,
};

class Refused extends Error {
  constructor(status, detail, field) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

/** Calls the API. With `as`, as an agent: the calls of the vendor's guide need its token. */
async function api(method, path, { query = {}, json, raw, as, text } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  const headers = {};
  const token = as ? model.agents.find((it) => it.agent_id === as)?.token : model.token;
  if (token) headers.authorization = `Bearer ${token}`;
  if (json !== undefined) headers["content-type"] = "application/json";
  if (raw !== undefined) headers["content-type"] = "message/rfc822";
  const body = json !== undefined ? JSON.stringify(json) : raw;
  let response;
  try {
    response = await fetch(path + search, { method, headers, body });
  } catch {
    throw new Refused(0, "The simulator does not respond. Is it still running?");
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Refused(response.status, problem.detail ?? `The status is ${response.status}.`, problem.field);
  }
  if (response.status === 204) return null;
  return text ? response.text() : response.json();
}

const id = encodeURIComponent;

// ---- The event stream --------------------------------------------------------------------------

/** Reads server-sent events with `fetch`, because an EventSource can send no token. It continues
 *  after the last event that it has read, like an EventSource. */
async function stream() {
  for (let pause = 250; ; pause = Math.min(pause * 2, 4000)) {
    try {
      await readStream(() => { pause = 250; });
    } catch {
      // The connection has ended. It is made again after a pause.
    }
    setStream("cut", "Reconnecting");
    await delay(pause);
  }
}

/** The simulator sends a comment every 15 seconds. Without one, the connection is dead. */
const SILENCE = 40_000;

async function readStream(connected) {
  const abort = new AbortController();
  let watch;
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => abort.abort(), SILENCE);
  };
  alive();
  const headers = { "last-event-id": String(model.lastEvent) };
  if (model.token) headers.authorization = `Bearer ${model.token}`;
  try {
    const response = await fetch("/events", { headers, signal: abort.signal });
    if (!response.ok) throw new Error("no stream");
    connected();
    setStream("live", "Live");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      frames.forEach(readFrame);
    }
  } finally {
    clearTimeout(watch);
    abort.abort();
  }
}

function readFrame(frame) {
  const field = (name) => {
    const line = frame.split("\n").find((it) => it.startsWith(`${name}:`));
    return line?.slice(name.length + 1).trimStart();
  };
  if (field("event") === "gap") {
    model.activity.length = 0;
    model.lastEvent = 0;
    loadAgents().then(refresh, refresh);
    return;
  }
  const data = field("data");
  if (!data) return;
  const event = JSON.parse(data);
  model.lastEvent = event.id;
  model.activity.unshift(event);
  model.activity.length = Math.min(model.activity.length, 500);
  happened(event);
}

function setStream(state, text) {
  $("stream").className = `stream ${state}`;
  if ($("stream-text").textContent !== text) $("stream-text").textContent = text;
}

const delay = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

let isDue = false;
let isRefreshing = false;
/** Reads the view again: at once, and then at most four times a second. One reading ends before the
 *  next one begins, so that a slow one is shown too. */
async function refresh() {
  isDue = true;
  if (isRefreshing) return;
  isRefreshing = true;
  try {
    while (isDue) {
      isDue = false;
      await show();
      await delay(250);
    }
  } finally {
    isRefreshing = false;
  }
}

function happened(event) {
  if (event.kind === "agent.created" || event.kind === "webhook.changed") loadAgents().then(refresh, refresh);
  if (event.agent_id === route().agent) refresh();
}

// ---- Routes ------------------------------------------------------------------------------------

/** `#/AGENT/VIEW/ID?filter=…`. Each part of the page has an address. */
function route() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [agent = "", view = "deliveries", item = ""] = path.split("/").map(decoded);
  const known = model.agents.some((it) => it.agent_id === agent);
  return {
    agent: known || !model.agents.length ? agent : model.agents[0].agent_id,
    view: view || "deliveries",
    item,
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function link(view, item = "", query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${id(route().agent)}/${view}${item ? `/${id(item)}` : ""}${search}`;
}

const VIEWS = [
  ["deliveries", "Deliveries"], ["mails", "Mails"], ["dead-letters", "Dead letters"], ["rules", "Rules"],
  ["webhook", "Webhook"], ["faults", "Faults"], ["activity", "Activity"],
];

let shown = "";
let turn = 0;

/** Shows the view of the address. If it is shown already, the focus and what is open stay. */
async function show() {
  const { agent, view, item, query } = route();
  const place = `${agent}/${view}/${item}`;
  const isShown = shown === place;
  const mine = ++turn;
  let content;
  try {
    const make = views[view] ?? (() => missing("There is no such view."));
    const [made] = await Promise.all([make({ agent, item, query, isShown }), loadCounts(agent)]);
    content = made;
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof Unchanged) {
      showChrome(agent, view);
      return;
    }
    if (!(error instanceof Refused)) throw error;
    // What is shown stays while the simulator does not respond. The dot says so.
    if (isShown && error.status === 0) return;
    content = error.status === 401 ? login() : missing(error.message);
  }
  if (mine !== turn) return;
  showChrome(agent, view);
  const holder = h("main", {}, content);
  if (shown === place) {
    morphChildren($("main"), holder);
  } else {
    const wasShown = shown;
    shown = place;
    $("main").replaceChildren(...holder.childNodes);
    // After a click, the focus is where a screen reader continues to read.
    const heading = $("main").querySelector("[data-focus]") ?? $("main").querySelector("h1");
    if (wasShown && heading) {
      heading.tabIndex = -1;
      heading.focus({ preventScroll: false });
    }
  }
  const heading = $("main").querySelector("h1")?.textContent ?? "";
  document.title = `${heading} · AgentMail simulator`;
}

/** The next time, the view is made from nothing: what was typed is saved. */
function renew() {
  shown = "renewed";
  return show();
}

function showChrome(agent, view) {
  const options = model.agents.map((it) =>
    h("option", { value: it.agent_id, selected: it.agent_id === agent }, it.agent_id));
  const select = h("select", { id: "agent" }, options);
  if (document.activeElement !== $("agent")) {
    morph($("agent"), select);
    $("agent").value = agent;
  }
  $("agent").handlers = { change: () => { location.hash = `#/${id($("agent").value)}/${route().view}`; } };
  $("agent").isChanged = false;
  $("compose").href = link("compose");
  $("assumptions").href = link("about");
  const items = VIEWS.map(([name, title]) => {
    const number = { "dead-letters": model.counts.dead, deliveries: model.counts.pending }[name];
    const what = name === "deliveries" ? " pending" : "";
    const count = number ? h("span", { class: name === "dead-letters" ? "count bad" : "count" }, `${number}${what}`) : null;
    const current = view === name ? "page" : null;
    return h("li", {}, h("a", { id: `view-${name}`, href: link(name), "aria-current": current }, title, count));
  });
  morph($("views"), h("ul", { id: "views" }, items));
}

async function loadAgents() {
  model.agents = (await api("GET", "/agents")).agents;
}

const hasWebhook = (agent) => Boolean(model.agents.find((it) => it.agent_id === agent)?.has_webhook);

async function loadCounts(agent) {
  if (agent) model.counts = (await api("GET", "/deliveries/overview", { query: { agent_id: agent, limit: 1 } })).counts;
}

// ---- Small parts -------------------------------------------------------------------------------

function missing(text) {
  return h("div", { class: "card empty" }, h("h1", {}, "Not found"), h("p", {}, text));
}

function clock(text, withDate = false) {
  if (!text) return null;
  const date = new Date(text);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const shownDate = withDate ? `${date.toLocaleDateString()} ` : "";
  return h("time", { datetime: text, title: text }, shownDate + time);
}

const STATES = { pending: ["wait", "…", "Pending"], delivered: ["good", "✓", "Delivered"], dead: ["bad", "✕", "Dead letter"] };

function stateChip(state) {
  const [style, mark, text] = STATES[state];
  return h("span", { class: `chip ${style}` }, h("span", { "aria-hidden": "true" }, mark), text);
}

function statusChip(status, error) {
  if (status === null || status === undefined) return error ? h("span", { class: "chip bad" }, "no response") : null;
  const isGood = status >= 200 && status < 300 && !error;
  return h("span", { class: `chip ${isGood ? "good" : "bad"}` }, String(status));
}

const faultChip = (fault) => (fault ? h("span", { class: "chip wait" }, `fault ${fault}`) : null);

/** The text of a mail. Its direction is its own, and it cannot turn other text around: characters
 *  that change the direction are shown as their numbers. */
function foreign(text, otherwise) {
  if (!text) return h("span", { class: "quiet" }, otherwise);
  const plain = text.replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g,
    (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return h("bdi", { dir: "auto" }, plain);
}

function facts(entries) {
  const given = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, given.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

const field = (fieldId, title, control, hint) =>
  h("div", { class: "field" }, h("label", { for: fieldId }, title), control,
    hint ? h("p", { class: "hint", id: `${fieldId}-hint` }, hint) : null);

const check = (fieldId, title, checked, properties = {}) =>
  h("label", { class: "check", for: fieldId }, h("input", { type: "checkbox", id: fieldId, checked, ...properties }), title);

const block = (label, text) =>
  h("pre", { tabindex: "0", role: "group", "aria-label": label, class: "verbatim" }, text);

const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".") : "");

/** Runs what a button or a form does, and shows why it failed. */
async function attempt(action, { place = "problem" } = {}) {
  const box = $(place);
  box?.replaceChildren();
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (box) box.replaceChildren(h("p", { class: "error", id: `${place}-text` }, error.message));
    else toast(error.message);
    const named = error.field ? document.querySelector(`[data-field="${CSS.escape(error.field)}"]`) : null;
    if (named) {
      named.setAttribute("aria-invalid", "true");
      named.focus();
    }
  }
}

const problemBox = () => h("div", { id: "problem", role: "alert" });

const submit = (action) => (event) => {
  event.preventDefault();
  event.target.querySelectorAll("[aria-invalid]").forEach((it) => it.removeAttribute("aria-invalid"));
  attempt(action);
};

const list = (text) => text.split(",").map((it) => it.trim()).filter(Boolean);

// ---- Views -------------------------------------------------------------------------------------

const views = {};

const TITLES = { pending: "Pending", delivered: "Delivered", dead: "Dead letters" };

views.deliveries = async ({ agent, item, query }) => {
  const [page, detail, webhook] = await Promise.all([
    api("GET", "/deliveries/overview", {
      query: { agent_id: agent, state: query.state, text: query.text, before: query.before, limit: 100 },
    }),
    item ? deliveryDetail(item, query).catch(gone("The delivery is no longer kept.")) : null,
    hasWebhook(agent),
  ]);
  const { counts, deliveries, more } = page;
  const total = counts.pending + counts.delivered + counts.dead;
  if (!total && !item) return firstSteps(webhook);
  const segment = (state, title, count) =>
    h("li", {}, h("a", {
      id: `state-${state || "all"}`, href: link("deliveries", "", { state, text: query.text }),
      "aria-current": (query.state ?? "") === state ? "true" : null,
    }, `${title} ${count}`));
  return [
    h("div", { class: "head" }, h("h1", {}, "Deliveries")),
    h("div", { class: `split${item ? " has-detail" : ""}` },
      h("section", { class: "list", "aria-label": "List of deliveries" },
        h("div", { class: "filters" },
          h("ul", { class: "segments", "aria-label": "State" },
            segment("", "All", total), segment("pending", TITLES.pending, counts.pending),
            segment("delivered", TITLES.delivered, counts.delivered), segment("dead", TITLES.dead, counts.dead)),
          searchForm(query)),
        deliveries.length
          ? h("ol", { class: "rows", id: "rows" }, deliveries.map((it) => deliveryRow(it, item, query)))
          : h("p", { class: "card empty" }, "No delivery matches."),
        pager("deliveries", query, more, deliveries.at(-1)?.delivery_id)),
      h("div", { class: "detail" }, detail ?? h("p", { class: "card empty" }, "Choose a delivery to see its attempts."))),
  ];
};

const gone = (text) => (error) => {
  if (error.status !== 404) throw error;
  return h("div", { class: "card empty" }, h("h2", { "data-focus": true }, text));
};

const optional = (promise) => promise.catch((error) => {
  if (error.status !== 404) throw error;
  return null;
});

function searchForm(query) {
  const search = () => { location.hash = link("deliveries", "", { state: query.state, text: $("search").value.trim() }); };
  return h("form", { role: "search", id: "search-form", onsubmit: (event) => { event.preventDefault(); search(); } },
    h("div", { class: "search" },
      h("input", { id: "search", type: "search", "aria-label": "Subject or sender", placeholder: "Subject or sender",
        maxlength: "200", value: query.text ?? "" }),
      h("button", { id: "search-button" }, "Search")));
}

function pager(view, query, more, last) {
  if (!more && !query.before) return null;
  return h("nav", { class: "actions pager", "aria-label": "Pages" },
    query.before ? h("a", { class: "button", id: "newest", href: link(view, "", { ...query, before: "" }) }, "Newest") : null,
    more ? h("a", { class: "button", id: "older", href: link(view, "", { ...query, before: last }) }, "Older") : null);
}

function deliveryRow(it, current, query) {
  return h("li", { id: `row-${it.delivery_id}` },
    h("a", {
      class: "row", id: `open-${it.delivery_id}`, href: link("deliveries", it.delivery_id, query),
      "aria-current": it.delivery_id === current ? "true" : null,
    },
      h("span", { class: "line whole" }, h("span", { class: "subject" }, foreign(it.subject, "(no subject)")),
        h("span", { class: "end" }, clock(it.created_at))),
      h("span", { class: "line" }, h("span", { class: "sender" }, foreign(it.sender, "(no sender)")),
        h("span", { class: "end chips" }, faultChip(it.fault), statusChip(it.status, it.error), stateChip(it.state))),
      it.state === "pending" && it.attempts_made
        ? h("span", { class: "why" }, `Attempt ${it.attempts_made} failed. The next one: `, clock(it.next_attempt_at)) : null));
}

function firstSteps(webhook) {
  const step = (isDone, title, text, ...more) =>
    h("li", { class: isDone ? "done" : null }, h("h2", {}, title, isDone ? h("span", { class: "quiet small" }, " (done)") : null),
      h("p", { class: "quiet" }, text), ...more);
  return [
    h("div", { class: "head" }, h("h1", {}, "Deliveries"), h("p", {}, "No delivery yet. Three steps lead to the first one.")),
    h("div", { class: "card narrow" }, h("ol", { class: "steps" },
      step(Boolean(webhook), "Set the webhook", "Say where your receiver listens. The page then shows the signing secret, once.",
        h("p", {}, h("a", { class: webhook ? "button" : "button primary", href: link("webhook"), id: "to-webhook" },
          webhook ? "Show the webhook" : "Set the webhook"))),
      step(false, "Start your receiver", "Give it the secret, for example in the variable WEBHOOK_SIGNING_SECRET."),
      step(false, "Send a mail", "Compose one, or drop an .eml file. Its delivery appears here.",
        h("p", {}, h("a", { class: webhook ? "button primary" : "button", href: link("compose"), id: "to-compose" }, "Compose a mail"))))),
  ];
}

// One delivery, with its attempts.

const openAttempts = new Map();

async function deliveryDetail(deliveryId, query) {
  const delivery = await api("GET", `/deliveries/${id(deliveryId)}`);
  const message = await optional(api("GET", `/messages/${id(delivery.message_id)}`));
  const numbers = delivery.attempts.map((it) => it.number);
  const open = openAttempts.get(deliveryId) ?? new Set(numbers.slice(-1));
  const explained = new Map(await Promise.all(numbers.filter((it) => open.has(it)).map(async (number) =>
    [number, await optional(api("GET", `/deliveries/${id(deliveryId)}/attempts/${number}`))])));
  const subject = message?.subject;
  return h("article", { class: "card", id: `delivery-${deliveryId}`, "aria-label": `Delivery ${deliveryId}` },
    h("a", { class: "button back", href: link("deliveries", "", query), id: "back" }, "Back to the list"),
    h("div", { class: "stack" },
      h("h2", { "data-focus": true }, foreign(subject, "(no subject)")),
      h("div", { class: "line" },
        h("div", { class: "chips" }, stateChip(delivery.state),
          delivery.redrives ? h("span", { class: "chip" }, `redriven ${delivery.redrives} ×`) : null),
        delivery.state === "dead"
          ? h("button", { class: "primary", id: "redrive", onclick: () => redrive(deliveryId) }, "Redrive") : null)),
    delivery.reason ? h("p", { class: "error" }, sentence(delivery.reason)) : null,
    facts([
      ["Delivery", h("code", {}, deliveryId)],
      ["Sender", foreign(message?.sender, "none")],
      ["Mail", h("a", { href: link("mails", delivery.message_id), id: "to-mail" }, h("code", {}, delivery.message_id))],
      ["Rule", delivery.rule_id ? h("a", { href: link("rules", delivery.rule_id) }, delivery.rule_id) : "none: the agent's webhook"],
      ["Created", clock(delivery.created_at, true)],
      ["Next attempt", clock(delivery.next_attempt_at)],
      ["Attempts", String(delivery.attempts_made)],
    ]),
    h("h2", {}, "Attempts"),
    delivery.attempts.length ? null : h("p", { class: "quiet" }, "The first attempt has not ended yet."),
    h("div", { class: "stack" }, delivery.attempts.toReversed().map((it) =>
      attemptPart(deliveryId, it, open, explained.get(it.number)))));
}

function attemptPart(deliveryId, it, open, explained) {
  const exchange = it.exchanges[0];
  const ontoggle = (event) => {
    if (event.target.id !== `attempt-${it.number}` || event.target.open === open.has(it.number)) return;
    if (event.target.open) open.add(it.number);
    else open.delete(it.number);
    openAttempts.set(deliveryId, open);
    show();
  };
  return h("details", { class: "attempt", id: `attempt-${it.number}`, open: open.has(it.number), ontoggle },
    h("summary", { id: `attempt-${it.number}-summary` }, h("span", { class: "chips" }, h("strong", {}, `Attempt ${it.number}`),
      statusChip(exchange?.response?.status, exchange?.error), faultChip(it.fault),
      h("span", { class: "quiet small" }, clock(it.started_at), ` · ${it.duration_ms} ms`))),
    explained ? h("div", { class: "inside" },
      explained.explanation ? refusalPart(explained.explanation, it.number) : null,
      exchange?.error ? h("section", { class: "part" }, h("h3", {}, "No response"), h("p", { class: "error" }, sentence(exchange.error))) : null,
      it.exchanges.map((exchange, index) => exchangePart(exchange, index)),
      stepsPart(explained.signature_steps),
      repeatPart(explained)) : null);
}

function refusalPart(explanation, number) {
  const { receiver } = explanation;
  const said = receiver ? [receiver.code, receiver.detail ?? receiver.title, receiver.hint].filter(Boolean).join(": ") : "";
  return h("div", { class: "callout" },
    h("h3", {}, "Why it was refused"),
    h("p", {}, h("strong", {}, sentence(explanation.summary))),
    h("p", {}, "What to do: ", sentence(explanation.fix)),
    said ? h("p", {}, "The receiver says: ", h("bdi", { dir: "auto" }, said)) : null,
    h("details", { class: "more", id: `diagnosis-${number}` }, h("summary", {}, `The diagnosis: ${explanation.causes.length || "no"} cause${explanation.causes.length === 1 ? "" : "s"} in the request`),
      h("div", { class: "inside" },
        explanation.causes.length ? h("ul", {}, explanation.causes.map((cause) => h("li", {},
          h("p", {}, h("code", {}, cause.code), ` (${cause.certainty}): ${sentence(cause.sentence)}`),
          h("p", { class: "small" }, `Fix: ${sentence(cause.fix)}`)))) : null,
        h("p", { class: "small" }, sentence(explanation.tried)))));
}

const PURPOSES = { delivery: "", copy: " (the copy)", replay: " (the replay)" };

function exchangePart({ purpose, request, response }, index) {
  const which = PURPOSES[purpose];
  return [
    h("section", { class: "part" }, h("h3", {}, `Request${which}`),
      h("p", {}, h("code", {}, `POST ${request.url}`)),
      headerTable(request.headers, `Headers of the request${which}`),
      block(`Body of the request${which}`, request.body),
      h("p", { class: "quiet small" }, `${request.body_bytes} bytes`, request.body.length < request.body_bytes && request.body_bytes > 16_384 ? "; the first 16 KiB are shown" : "")),
    response ? h("section", { class: "part" }, h("h3", {}, `Response${which}`),
      h("p", {}, statusChip(response.status)),
      headerTable(response.headers, `Headers of the response${which}`),
      response.body ? block(`Body of the response${which}`, response.body) : h("p", { class: "quiet small" }, "The body is empty."),
      response.truncated ? h("p", { class: "quiet small" }, "The first 4 KiB are shown.") : null) : null,
  ];
}

function headerTable(headers, label) {
  if (!headers.length) return h("p", { class: "quiet small" }, "No headers.");
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
    h("table", { class: "headers" }, h("tbody", {}, headers.map((it) =>
      h("tr", {}, h("th", { scope: "row" }, it.name), h("td", {}, it.value))))));
}

function stepsPart(steps) {
  return h("section", { class: "part" }, h("h3", {}, "How the signature was made"),
    steps.length
      ? h("ol", { class: "steps" }, steps.map((it) => h("li", {}, h("strong", {}, it.title), h("p", {}, it.detail),
        it.value ? block(it.title, it.value) : null)))
      : h("p", { class: "quiet" }, "Nothing was signed."));
}

function repeatPart({ curl, rust_test: test, attempt: { number } }) {
  return h("section", { class: "part" }, h("h3", {}, "Repeat it"),
    h("div", { class: "actions" },
      h("button", { id: `copy-curl-${number}`, onclick: () => copy(curl, "The command") }, "Copy as curl"),
      h("button", { id: `copy-test-${number}`, onclick: () => copy(test, "The test") }, "Copy as a Rust test")),
    h("p", { class: "quiet small" }, "The command has the signature of the attempt, which receivers accept for 5 minutes. The test signs again, with a secret of its own."),
    h("details", { class: "more", id: `curl-${number}` }, h("summary", {}, "Show the command"), h("div", { class: "inside" }, block("Command", curl))),
    h("details", { class: "more", id: `test-${number}` }, h("summary", {}, "Show the test"), h("div", { class: "inside" }, block("Test", test))));
}

async function redrive(deliveryId) {
  await attempt(async () => {
    await api("POST", `/deliveries/${id(deliveryId)}/redrive`);
    toast(`${deliveryId} is sent again.`);
    await show();
  });
}

// Mails.

views.mails = async ({ agent, item, query }) => {
  const [{ messages }, detail] = await Promise.all([
    api("GET", "/messages", { query: { agent_id: agent, limit: 100, before: query.before } }),
    item ? mailDetail(item, query).catch(gone("The mail is no longer kept.")) : null,
  ]);
  if (!messages.length && !item) {
    return [h("div", { class: "head" }, h("h1", {}, "Mails")),
      h("div", { class: "card empty" }, h("strong", {}, "No mail yet"), h("p", {}, "Compose one, or send it by SMTP."))];
  }
  return [
    h("div", { class: "head" }, h("h1", {}, "Mails"), h("p", {}, "Each mail that the agent received, whether or not a rule routed it.")),
    h("div", { class: `split${item ? " has-detail" : ""}` },
      h("section", { class: "list", "aria-label": "List of mails" },
        h("ol", { class: "rows" }, messages.map((it) => mailRow(it, item, query))),
        pager("mails", query, messages.length === 100, messages.at(-1)?.message_id)),
      h("div", { class: "detail" }, detail ?? h("p", { class: "card empty" }, "Choose a mail to see what the rules did with it."))),
  ];
};

function mailRow(it, current, query) {
  const routed = it.routes.filter((route) => route.delivery_id || route.outbox_ids.length).length;
  return h("li", { id: `row-${it.message_id}` },
    h("a", { class: "row", href: link("mails", it.message_id, query), "aria-current": it.message_id === current ? "true" : null, id: `open-${it.message_id}` },
      h("span", { class: "line whole" }, h("span", { class: "subject" }, foreign(it.subject, "(no subject)")),
        h("span", { class: "end" }, clock(it.received_at))),
      h("span", { class: "line" }, h("span", { class: "sender" }, foreign(it.sender, "(no sender)")),
        h("span", { class: routed ? "chip good" : "chip" }, routed ? `routed ${routed} ×` : "not routed"))));
}

async function mailDetail(messageId, query) {
  const message = await api("GET", `/messages/${id(messageId)}`);
  const ontoggle = async (event) => {
    if (event.target.id !== "raw" || !event.target.open || $("raw-text").textContent) return;
    const raw = await api("GET", `/messages/${id(messageId)}/raw`, { text: true });
    // The text of a large mail would make the page slow.
    const part = raw.slice(0, 65_536);
    $("raw-text").textContent = part + (part.length < raw.length ? "\n…" : "");
  };
  return h("article", { class: "card", "aria-label": `Mail ${messageId}`, id: `mail-${messageId}` },
    h("a", { class: "button back", href: link("mails", "", query) }, "Back to the list"),
    h("h2", { "data-focus": true }, foreign(message.subject, "(no subject)")),
    facts([
      ["Mail", h("code", {}, messageId)],
      ["Sender", foreign(message.sender, "none")],
      ["Sender verified", message.sender_verified ? "yes" : "no"],
      ["Trust tier", message.peer_trust_tier],
      ["Type of traffic", message.traffic_type],
      ["Received", clock(message.received_at, true)],
      ["Size", `${message.size} bytes`],
      ["In the bucket", h("code", {}, message.s3_key)],
    ]),
    h("h3", {}, "What each rule did"),
    h("ul", { class: "stack" }, message.routes.map((it) => h("li", {}, routePart(it)))),
    h("h3", {}, "The payload"),
    block("The payload", message.payload),
    h("details", { class: "more", id: "raw", ontoggle }, h("summary", {}, "Show the raw mail"),
      h("div", { class: "inside" }, rawBlock())));
}

/** The raw text is loaded when it is opened, so a refresh must not remove it. */
function rawBlock() {
  const old = $("raw-text");
  return h("pre", { tabindex: "0", role: "group", "aria-label": "The raw mail", class: "verbatim", id: "raw-text" }, old ? old.textContent : "");
}

function routePart(it) {
  const name = it.rule_id ?? "The agent's webhook";
  return h("div", { class: "stack" },
    h("div", { class: "chips" },
      it.rule_id ? h("a", { href: link("rules", it.rule_id) }, name) : h("span", {}, name),
      h("span", { class: `chip ${it.matched ? "good" : "bad"}` }, it.matched ? "matched" : "did not match"),
      it.delivery_id ? h("a", { href: link("deliveries", it.delivery_id), id: `to-${it.delivery_id}` }, `delivery ${it.delivery_id}`) : null,
      it.outbox_ids.length ? h("span", { class: "chip" }, `${it.outbox_ids.length} in the outbox`) : null),
    it.reason ? h("p", { class: "small" }, sentence(it.reason)) : null,
    it.failed_filters.length ? h("ul", {}, it.failed_filters.map((filter) => h("li", { class: "small" },
      h("code", {}, filter.filter), ` wants ${filter.wanted.join(" or ")}; the mail has `, foreign(filter.actual, "nothing")))) : null);
}

// Dead letters.

views["dead-letters"] = async ({ agent, query }) => {
  const { deliveries, counts, more } = await api("GET", "/deliveries/overview", { query: { agent_id: agent, state: "dead", before: query.before, limit: 100 } });
  const all = () => attempt(async () => {
    const { redriven } = await api("POST", "/dead-letters/redrive", { query: { agent_id: agent } });
    toast(`${redriven} dead letters are sent again.`);
    await show();
  });
  const title = h("h1", {}, "Dead letters");
  if (!counts.dead) {
    return [h("div", { class: "head" }, title), problemBox(),
      h("div", { class: "card empty" }, h("strong", {}, "The queue is empty"), h("p", {}, "A delivery comes here when its last attempt has failed."))];
  }
  return [
    h("div", { class: "head" }, title, h("button", { class: "primary", id: "redrive-all", onclick: all }, `Redrive all ${counts.dead}`),
      h("p", {}, "A redrive signs again, and makes all attempts again.")),
    problemBox(),
    h("ol", { class: "rows" }, deliveries.map((it) => h("li", { id: `dead-${it.delivery_id}` },
      h("div", { class: "row" },
        h("span", { class: "line whole" },
          h("a", { class: "subject", href: link("deliveries", it.delivery_id), id: `open-${it.delivery_id}` }, foreign(it.subject, "(no subject)")),
          h("span", { class: "end" }, clock(it.settled_at))),
        h("span", { class: "why" }, sentence(it.reason ?? "")),
        h("span", { class: "line" }, h("span", { class: "chips" }, faultChip(it.fault), statusChip(it.status, it.error)),
          h("button", { id: `redrive-${it.delivery_id}`, "aria-label": `Redrive ${it.delivery_id}`, onclick: () => redrive(it.delivery_id) }, "Redrive")))))),
    pager("dead-letters", query, more, deliveries.at(-1)?.delivery_id),
  ];
};

// Compose.

views.compose = async ({ agent, isShown }) => {
  if (isShown) throw new Unchanged();
  const send = async () => {
    const value = (name) => $(`mail-${name}`).value;
    const mail = { from: value("from").trim(), subject: value("subject") || null, text: value("text") };
    mail.sender_verified = $("mail-verified").checked;
    mail.peer_trust_tier = value("tier").trim() || null;
    mail.traffic_type = value("traffic").trim() || null;
    mail.rate_limited = $("mail-limited").checked;
    mail.is_duplicate = $("mail-duplicate").checked;
    const copies = Math.min(Math.max(Number.parseInt(value("copies"), 10) || 1, 1), 100);
    let message;
    for (let copy = 0; copy < copies; copy += 1) {
      message = await api("POST", "/inbound", { query: { agent_id: agent }, json: mail });
    }
    received(copies, message);
  };
  const upload = (files) => attempt(async () => {
    let message;
    for (const file of files) message = await api("POST", "/inbound", { query: { agent_id: agent }, raw: await file.arrayBuffer() });
    if (message) received(files.length, message);
  });
  const drop = {
    ondragover: (event) => { event.preventDefault(); $("drop").classList.add("over"); },
    ondragleave: () => $("drop").classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); $("drop").classList.remove("over"); upload([...event.dataTransfer.files]); },
  };
  const text = (name, properties = {}) => h("input", { id: `mail-${name}`, ...properties });
  return [
    h("div", { class: "head" }, h("h1", {}, "Compose a mail"), h("p", {}, "The simulator receives it as if it came from outside, and delivers it as the rules say.")),
    problemBox(),
    h("div", { class: "split form" },
      h("form", { class: "card", id: "mail-form", onsubmit: submit(send) },
        h("div", { class: "pair" },
          field("mail-from", "From", text("from", { type: "text", required: true, value: "user@example.com", "data-field": "from", autocomplete: "off" })),
          field("mail-to", "To", text("to", { value: `${agent}@agentmail.invalid`, readonly: true }))),
        field("mail-subject", "Subject", text("subject", { value: "Quarterly planning notes", dir: "auto", "data-field": "subject" })),
        field("mail-text", "Text", h("textarea", { id: "mail-text", dir: "auto", value: "Hello" })),
        h("fieldset", {}, h("legend", {}, "What the service knows about it"),
          check("mail-verified", "The sender is verified", true),
          h("div", { class: "pair" },
            field("mail-tier", "Trust tier", text("tier", { placeholder: "verified, for a verified sender" })),
            field("mail-traffic", "Type of traffic", text("traffic", { placeholder: "none" }))),
          check("mail-limited", "rate_limited", false),
          check("mail-duplicate", "is_duplicate", false)),
        h("div", { class: "actions" },
          h("button", { class: "primary", id: "send" }, "Send"),
          h("label", { class: "check", for: "mail-copies" }, "Copies",
            text("copies", { type: "number", min: "1", max: "100", value: "1" })))),
      h("section", { class: "card", "aria-label": "Mail from a file" },
        h("h2", {}, "From a file"),
        h("div", { class: "drop", id: "drop", ...drop },
          h("p", {}, "Drop .eml files here, or choose them."),
          h("input", { type: "file", id: "mail-file", multiple: true, accept: ".eml,message/rfc822", "aria-label": "Choose .eml files",
            onchange: (event) => upload([...event.target.files]) })),
        h("p", { class: "quiet small" }, "The page sends the bytes of the file as they are. A mail is never shown as HTML."))),
  ];
};

/** Shows where a mail has gone. */
function received(count, message) {
  const delivery = message.routes.find((it) => it.delivery_id)?.delivery_id;
  toast(count === 1 ? `Received as ${message.message_id}.` : `${count} mails were received.`);
  if (count > 1) location.hash = link("deliveries");
  else location.hash = delivery ? link("deliveries", delivery) : link("mails", message.message_id);
}

/** The view has a form, and stays as it is. */
class Unchanged extends Error {}

// The webhook.

const secrets = new Map();

views.webhook = async ({ agent }) => {
  const webhook = hasWebhook(agent) ? await optional(api("GET", "/webhook", { as: agent })) : null;
  const put = (json) => attempt(async () => {
    const set = await api("PUT", "/webhook", { as: agent, json });
    if (set.signing_secret) secrets.set(agent, set.signing_secret);
    await loadAgents();
    toast("The webhook was saved.");
    await renew();
    $("secret")?.focus();
  });
  const save = (event) => {
    event.preventDefault();
    put({ url: $("webhook-url").value.trim(), enabled: $("webhook-enabled").checked });
  };
  const remove = () => attempt(async () => {
    await api("DELETE", "/webhook", { as: agent });
    secrets.delete(agent);
    await loadAgents();
    toast("The webhook and its secret were removed.");
    await renew();
  });
  const secret = secrets.get(agent);
  const hide = () => { secrets.delete(agent); renew(); };
  return [
    h("div", { class: "head" }, h("h1", {}, "Webhook"), h("p", {}, "Where the deliveries of this agent go. The signing secret is shown at the first setup and at a rotation, and never again.")),
    problemBox(),
    h("div", { class: "stack narrow" },
      secret ? h("section", { class: "callout info secret", id: "secret", tabindex: "-1", "aria-label": "The signing secret" },
        h("h2", {}, "The signing secret"), h("p", {}, "Give it to your receiver now. The API shows it only once."),
        h("code", { id: "secret-text" }, secret),
        h("div", { class: "actions" },
          h("button", { class: "primary", id: "copy-secret", onclick: () => copy(secret, "The secret") }, "Copy the secret"),
          h("button", { id: "hide-secret", onclick: hide }, "Hide it"))) : null,
      h("form", { class: "card", id: "webhook-form", onsubmit: save },
        field("webhook-url", "URL", h("input", { id: "webhook-url", type: "url", required: true, "data-field": "url", spellcheck: "false",
          value: webhook?.url ?? "http://127.0.0.1:8080/agentmail/webhook", "aria-describedby": "webhook-url-hint" }),
        "HTTPS, or HTTP to a loopback address."),
        h("label", { class: "switch", for: "webhook-enabled" }, h("input", { type: "checkbox", role: "switch", id: "webhook-enabled", checked: webhook?.enabled ?? true }), "Enabled"),
        h("div", { class: "actions" }, h("button", { class: "primary", id: "save-webhook" }, webhook ? "Save" : "Set the webhook"))),
      webhook ? h("section", { class: "card", "aria-label": "Rotation" },
        h("h2", {}, "Rotate the secret"),
        h("p", { class: "quiet" }, "Deliveries are signed with the new secret at once. A receiver that has the old one responds with 403 until it has loaded the new one."),
        h("div", { class: "actions" },
          h("button", { id: "rotate", onclick: () => put({ rotate_secret: true }) }, "Rotate the secret"),
          h("button", { class: "danger", id: "remove-webhook", onclick: remove }, "Remove the webhook"))) : null),
  ];
};

// Rules.

views.rules = async ({ agent, item, isShown }) => {
  if (item) return ruleEditor(agent, item, isShown);
  const [rules, { messages }, { mails }] = await Promise.all([
    api("GET", "/notifications", { as: agent }),
    api("GET", "/messages", { query: { agent_id: agent, limit: 50 } }),
    api("GET", "/outbox", { query: { agent_id: agent, limit: 20 } }),
  ]);
  return [
    h("div", { class: "head" }, h("h1", {}, "Rules"), h("a", { class: "button primary", id: "new-rule", href: link("rules", "new rule") }, "Add a rule"),
      h("p", {}, "Each enabled rule whose filters match a mail routes it. While there are no rules, each mail goes to the agent's webhook.")),
    problemBox(),
    h("div", { class: "stack" },
      rules.length ? rules.map((rule) => rulePart(rule, messages)) : h("div", { class: "card empty" }, h("strong", {}, "No rules"), h("p", {}, "Each mail goes to the agent's webhook.")),
      mails.length ? h("section", { class: "card", "aria-label": "Outbox" }, h("h2", {}, "Outbox"),
        h("p", { class: "quiet" }, "What rules would send to their recipients. The simulator sends no mail."),
        h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Entries of the outbox" }, h("table", {},
          h("thead", {}, h("tr", {}, ["Time", "Recipient", "Subject", "Rule"].map((it) => h("th", { scope: "col" }, it)))),
          h("tbody", {}, mails.map((it) => h("tr", {}, h("td", {}, clock(it.at)), h("td", {}, it.recipient),
            h("td", {}, h("a", { href: link("mails", it.message_id) }, foreign(it.subject, "(no subject)"))), h("td", {}, it.rule_id))))))) : null),
  ];
};

function filterTexts(filters) {
  const texts = [];
  if (filters.sender_verified !== null) texts.push(filters.sender_verified ? "the sender is verified" : "the sender is not verified");
  for (const [name, title] of [["sender_domains", "domain"], ["trust_tiers", "trust tier"], ["traffic_types", "type of traffic"]]) {
    if (filters[name]?.length) texts.push(`${title}: ${filters[name].join(" or ")}`);
  }
  return texts;
}

function rulePart(rule, messages) {
  const routes = messages.flatMap((message) => message.routes.filter((it) => it.rule_id === rule.id).map((it) => ({ message, ...it })));
  const matched = routes.filter((it) => it.matched).length;
  const filters = filterTexts(rule.filters);
  const { webhook, email } = rule.channels;
  return h("section", { class: "card", "aria-label": `Rule ${rule.id}` },
    h("div", { class: "chips" }, h("h2", {}, rule.name || rule.id), rule.name ? h("code", {}, rule.id) : null,
      h("span", { class: rule.enabled ? "chip good" : "chip" }, rule.enabled ? "enabled" : "not enabled"),
      h("a", { class: "button", href: link("rules", rule.id), id: `edit-${rule.id}`, "aria-label": `Edit the rule ${rule.id}` }, "Edit")),
    facts([
      ["Filters", filters.length ? filters.join(", and ") : "none: every mail matches"],
      ["Webhook", webhook ? `${webhook.url ?? "the agent's webhook"}${webhook.enabled ? "" : " (not enabled)"}` : "none"],
      ["Recipients", email ? `${email.recipients.join(", ")}${email.enabled ? "" : " (not enabled)"}` : "none"],
      ["Newest mails", routes.length ? `matched ${matched} of ${routes.length}` : "none since the rule exists"],
    ]),
    routes.length ? h("details", { class: "more", id: `mails-of-${rule.id}` }, h("summary", {}, "Show what it did with each mail"),
      h("ul", { class: "inside" }, routes.slice(0, 20).map((it) => h("li", { class: "stack" },
        h("a", { href: link("mails", it.message.message_id) }, foreign(it.message.subject, "(no subject)")), routePart(it))))) : null);
}

async function ruleEditor(agent, item, isShown) {
  if (isShown) throw new Unchanged();
  const rules = await api("GET", "/notifications", { as: agent });
  const old = rules.find((it) => it.id === item);
  if (!old && item !== "new rule") return missing("There is no such rule.");
  const rule = old ?? { id: `rule-${rules.length + 1}`, name: "", enabled: true, filters: {}, channels: { webhook: { enabled: true, url: null } } };
  const { filters, channels } = rule;
  const value = (name) => $(`rule-${name}`).value.trim();
  const put = async (changed) => {
    await api("PUT", "/notifications", { as: agent, json: changed });
    location.hash = link("rules");
  };
  const save = () => {
    const verified = value("verified");
    const made = {
      id: value("id"), name: value("name"), enabled: $("rule-enabled").checked,
      filters: {
        sender_verified: verified === "" ? null : verified === "true", sender_domains: list(value("domains")),
        trust_tiers: list(value("tiers")), traffic_types: list(value("traffic")),
      },
      channels: {
        webhook: $("rule-webhook").checked ? { enabled: true, url: value("url") || null } : null,
        email: list(value("recipients")).length ? { enabled: true, recipients: list(value("recipients")) } : null,
      },
    };
    return put(old ? rules.map((it) => (it.id === item ? made : it)) : [...rules, made]);
  };
  const text = (name, title, content, hint) => field(`rule-${name}`, title, h("input", { id: `rule-${name}`, value: content ?? "" }), hint);
  return [
    h("div", { class: "head" }, h("h1", {}, old ? "Edit a rule" : "Add a rule")),
    problemBox(),
    h("form", { class: "card narrow", id: "rule-form", onsubmit: submit(save) },
      h("div", { class: "pair" }, text("id", "Id", rule.id), text("name", "Name", rule.name)),
      h("label", { class: "switch", for: "rule-enabled" }, h("input", { type: "checkbox", role: "switch", id: "rule-enabled", checked: rule.enabled }), "Enabled"),
      h("fieldset", {}, h("legend", {}, "Filters"), h("p", { class: "quiet small" }, "All filters must match. An empty one matches every mail."),
        h("div", { class: "pair" },
          field("rule-verified", "Sender", h("select", { id: "rule-verified", value: String(filters.sender_verified ?? "") },
            h("option", { value: "" }, "any"), h("option", { value: "true" }, "verified"), h("option", { value: "false" }, "not verified"))),
          text("domains", "Domains of senders", filters.sender_domains?.join(", "), "Separated by commas."),
          text("tiers", "Trust tiers", filters.trust_tiers?.join(", "), "Separated by commas."),
          text("traffic", "Types of traffic", filters.traffic_types?.join(", "), "Separated by commas."))),
      h("fieldset", {}, h("legend", {}, "Channels"),
        check("rule-webhook", "Deliver to a webhook", Boolean(channels.webhook)),
        text("url", "URL", channels.webhook?.url, "Empty: the agent's webhook."),
        text("recipients", "Recipients", channels.email?.recipients.join(", "), "Mail addresses, separated by commas. They appear in the outbox.")),
      h("div", { class: "actions" }, h("button", { class: "primary", id: "save-rule" }, "Save"),
        h("a", { class: "button", href: link("rules") }, "Cancel"),
        old ? h("button", { type: "button", class: "danger", id: "remove-rule", onclick: () => attempt(() => put(rules.filter((it) => it.id !== item))) }, "Remove") : null)),
  ];
}

// Faults.

views.faults = async ({ agent }) => {
  const query = { agent_id: agent };
  const { faults, available } = await api("GET", "/faults", { query });
  const set = (fault) => attempt(async () => {
    if (!$(`fault-${fault}`).checked) {
      await optional(api("DELETE", `/faults/${fault}`, { query }));
      toast(`The fault ${fault} is off.`);
    } else {
      const first = Number.parseInt($(`first-${fault}`).value, 10);
      await api("PUT", "/faults", { query, json: {
        fault, probability: Number($(`probability-${fault}`).value) / 100, seed: Number($(`seed-${fault}`).value) || 0,
        first_attempts: first > 0 ? first : null,
      } });
      toast(`The fault ${fault} is on.`);
    }
    document.querySelectorAll(`[data-of="${fault}"]`).forEach((it) => { it.isChanged = false; });
    await show();
  });
  const off = () => attempt(async () => {
    await api("DELETE", "/faults", { query });
    toast("All faults are off.");
    await renew();
  });
  return [
    h("div", { class: "head" }, h("h1", {}, "Faults"), h("button", { id: "faults-off", onclick: off, disabled: !faults.length }, "Turn all off"),
      h("p", {}, "What the simulator does wrong on purpose. A fault is chosen for each attempt, by its probability and its seed: a run with the same mails and the same seed has the same faults.")),
    problemBox(),
    h("ul", { class: "rows" }, available.map(({ fault, description }) => {
      const plan = faults.find((it) => it.fault === fault);
      const number = (name, title, value, properties) => h("label", { for: `${name}-${fault}` }, title,
        h("input", { type: "number", id: `${name}-${fault}`, value: value ?? "", "data-of": fault, "aria-label": `${title} of ${fault}`,
          onchange: () => { if ($(`fault-${fault}`).checked) set(fault); }, ...properties }));
      return h("li", { class: "fault", id: `fault-row-${fault}` },
        h("div", {},
          h("label", { class: "switch", for: `fault-${fault}` },
            h("input", { type: "checkbox", role: "switch", id: `fault-${fault}`, checked: Boolean(plan), "data-of": fault,
              "aria-describedby": `about-${fault}`, onchange: () => set(fault) }), fault),
          h("p", { class: "quiet small", id: `about-${fault}` }, `A receiver gets ${description}.`)),
        h("div", { class: "settings" },
          number("probability", "Percent", plan ? Math.round(plan.probability * 1000) / 10 : 100, { min: "0", max: "100", step: "any" }),
          number("seed", "Seed", plan?.seed ?? 0, { min: "0", step: "1" }),
          number("first", "First attempts", plan?.first_attempts, { min: "1", step: "1", placeholder: "all" })));
    })),
  ];
};

// Activity.

views.activity = async ({ agent }) => {
  const events = model.activity.filter((it) => it.agent_id === agent);
  const newest = events.slice(0, 200);
  return [
    h("div", { class: "head" }, h("h1", {}, "Activity"), h("p", {}, "What has happened, from the event stream. The newest is the first.")),
    newest.length
      ? h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Events" }, h("table", {},
        h("thead", {}, h("tr", {}, ["Time", "Event", "Of", "Result"].map((it) => h("th", { scope: "col" }, it)))),
        h("tbody", {}, newest.map((it) => h("tr", { id: `event-${it.id}` },
          h("td", {}, clock(it.at)), h("td", { class: "whole" }, it.kind),
          h("td", { class: "whole" }, it.delivery_id ? h("a", { href: link("deliveries", it.delivery_id) }, it.delivery_id)
            : it.message_id ? h("a", { href: link("mails", it.message_id) }, it.message_id) : ""),
          h("td", {}, h("span", { class: "chips" }, it.attempt ? h("span", { class: "small" }, `attempt ${it.attempt}`) : null,
            statusChip(it.status), faultChip(it.fault), it.state ? stateChip(it.state) : null)))))))
      : h("div", { class: "card empty" }, h("strong", {}, "Nothing has happened yet")),
  ];
};

// About.

views.about = async () => {
  const about = await api("GET", "/about");
  const { settings } = about;
  return [
    h("div", { class: "head" }, h("h1", {}, "What is assumed")),
    h("div", { class: "card narrow" },
      h("p", {}, "The vendor's guide does not say everything. Where it says nothing, this simulator assumes:"),
      h("ol", { class: "steps" }, about.assumptions.map((it) => h("li", {}, h("p", {}, it)))),
      facts([
        ["Version", about.version],
        ["Attempts", String(settings.attempts)],
        ["Pauses", `from ${settings.first_pause_ms} ms to ${settings.longest_pause_ms} ms`],
        ["Time of an attempt", `${settings.timeout_ms} ms`],
        ["Retries", settings.keep_timestamp ? "repeat the first signature" : "are signed again"],
        ["Mails that are kept", String(settings.max_messages)],
        ["Folder of the bucket", h("code", {}, about.bucket_folder)],
      ]),
      h("p", {}, h("a", { href: "/openapi.json" }, "The description of the API"))),
  ];
};

// Without an operator's token, nothing can be shown.

function login() {
  const enter = (event) => {
    event.preventDefault();
    model.token = $("token").value.trim();
    sessionStorage.setItem("operator-token", model.token);
    shown = "";
    start();
  };
  return [
    h("div", { class: "head" }, h("h1", {}, "Operator's token")),
    h("form", { class: "card narrow", onsubmit: enter },
      field("token", "Token", h("input", { id: "token", type: "password", required: true, autocomplete: "off", "aria-describedby": "token-hint" }),
        model.token ? "The simulator does not accept this token." : "The value of AGENTMAIL_OPERATOR_TOKEN. The page keeps it until its tab is closed."),
      h("div", { class: "actions" }, h("button", { class: "primary", id: "enter" }, "Enter"))),
  ];
}

// ---- Start -------------------------------------------------------------------------------------

let isStreaming = false;

async function start() {
  try {
    await loadAgents();
  } catch (error) {
    setStream("cut", "Not connected");
    $("main").replaceChildren(...h("div", {}, error.status === 401 ? login() : missing(error.message)).childNodes);
    if (error.status !== 401) setTimeout(start, 2000);
    return;
  }
  if (!isStreaming) {
    isStreaming = true;
    // The newest events of the past fill the view of the activity.
    const { last_event: last } = await api("GET", "/deliveries/overview", { query: { limit: 1 } });
    model.lastEvent = Math.max(0, last - 200);
    stream();
  }
  await show();
}

$("skip").handlers = { click: (event) => { event.preventDefault(); $("main").focus(); } };
window.addEventListener("hashchange", () => show());
start();
