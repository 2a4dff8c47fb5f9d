//! The page, used as a person uses it.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{collections::BTreeSet, path::Path};

use agentmail_page::{Browser, Hand, Look, Proxy, World};
use agentmail_simulator::{Fault, FaultPlan, Mail, Simulator};
use serde_json::{Value, json};

/// How the page may look.
const LOOKS: [Look; 4] = [Look::WIDE, Look::WIDE.in_dark(), Look::PHONE, Look::PHONE.in_dark()];

/// The view fits into each window, in both colour schemes. With `PAGE_PICTURES`, a picture of each
/// is written into that folder.
async fn check_view(browser: &Browser, look: Look, view: &str) {
    for other in LOOKS {
        browser.look(other).await;
        check_look(browser, other, view).await;
        if let Some(folder) = std::env::var_os("PAGE_PICTURES") {
            let scheme = if other.dark { "dark" } else { "light" };
            let name = format!("{view}-{}-{scheme}.png", other.width).replace(' ', "-");
            std::fs::write(Path::new(&folder).join(name), browser.picture().await).unwrap();
        }
    }
    browser.look(look).await;
}

async fn check_look(browser: &Browser, look: Look, view: &str) {
    let width = browser.run("return document.documentElement.scrollWidth", &[]).await;
    assert!(width.as_u64().unwrap() <= u64::from(look.width), "{view}: {width} pixels wide");
    let dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
    assert_eq!(browser.run(dark, &[]).await, look.dark, "{view}");
    let colours = "const style = getComputedStyle(document.body); \
        const sum = (it) => it.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0); \
        return sum(style.backgroundColor) < sum(style.color)";
    assert_eq!(browser.run(colours, &[]).await, look.dark, "{view}: the text has another colour");
}

async fn clipboard(browser: &Browser) -> String {
    let script = "const done = arguments[0]; \
        navigator.clipboard.readText().then(done, (it) => done(`${it}`))";
    browser.run_async(script).await.as_str().unwrap().to_owned()
}

/// Opens the view of a delivery: on a phone, the list is not beside it.
async fn open(browser: &Browser, delivery: &str) {
    browser.press("view-deliveries").await;
    browser.press(&format!("open-{delivery}")).await;
    browser.see_in(&format!("#delivery-{delivery}"), delivery).await;
}

async fn compose(browser: &Browser, from: &str, subject: &str) {
    browser.press("compose").await;
    browser.write("mail-from", from).await;
    browser.write("mail-subject", subject).await;
    browser.press("send").await;
}

/// Every task, from an empty simulator to a redrive.
async fn tour(hand: Hand, look: Look) {
    let world = World::start().await;
    let browser = Browser::open(&world.simulator.url(), hand, look).await;

    // The empty page leads to the webhook, which shows its secret once.
    browser.see("Three steps lead to the first one").await;
    browser.see_in("#stream", "Live").await;
    check_view(&browser, look, "the empty page").await;
    browser.press("to-webhook").await;
    browser.write("webhook-url", "http://example.com/").await;
    browser.press("save-webhook").await;
    browser.see_in("[role=alert]", "must be HTTPS").await;
    browser.write("webhook-url", &world.receiver.url).await;
    browser.press("save-webhook").await;
    browser.see("The API shows it only once").await;
    let secret = browser.run("return document.getElementById('secret-text').textContent", &[]);
    let secret = secret.await.as_str().unwrap().to_owned();
    browser.press("copy-secret").await;
    browser.see_in("#toast", "The secret was copied").await;
    assert_eq!(clipboard(&browser).await, secret);
    world.receiver.load(&secret);
    check_view(&browser, look, "the webhook").await;
    browser.press("hide-secret").await;
    browser.until("return !document.getElementById('secret-text')").await;

    // A mail arrives at the receiver.
    compose(&browser, "user@example.com", "Quarterly planning").await;
    browser.see_in("#delivery-dlv-1", "Delivered").await;
    assert_eq!(world.receiver.subjects(), ["Quarterly planning"]);
    check_view(&browser, look, "a delivery").await;
    for text in [
        "Request",
        "Response",
        "x-agentmail-signature",
        "How the signature was made",
        "HMAC-SHA256",
    ] {
        browser.see_in("#attempt-1", text).await;
    }

    // The request as a command, which the receiver accepts.
    browser.press("copy-curl-1").await;
    browser.see_in("#toast", "The command was copied").await;
    let command = clipboard(&browser).await;
    let output = tokio::process::Command::new("bash").args(["-c", &command]).output();
    let output = String::from_utf8(output.await.unwrap().stdout).unwrap();
    assert!(output.starts_with("HTTP/1.1 200"), "{command}\n{output}");
    assert_eq!(world.receiver.subjects().len(), 2);
    browser.press("copy-test-1").await;
    browser.see_in("#toast", "The test was copied").await;
    let test = clipboard(&browser).await;
    assert!(test.contains("#[tokio::test]") && test.contains("gets_200"), "{test}");

    // A file, chosen and dropped.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mail.eml");
    std::fs::write(&file, "From: file@example.com\r\nSubject: From a file\r\n\r\nHi\r\n").unwrap();
    browser.press("compose").await;
    check_view(&browser, look, "compose").await;
    browser.choose_file("mail-file", file.to_str().unwrap()).await;
    browser.see_in("#delivery-dlv-2", "From a file").await;
    browser.press("compose").await;
    browser.see_in("#drop", "Drop .eml files here").await;
    let drop = "const data = new DataTransfer(); \
        const mail = 'From: drop@example.com\\r\\nSubject: Dropped\\r\\n\\r\\n'; \
        data.items.add(new File([mail], 'a.eml')); \
        document.getElementById('drop').dispatchEvent( \
            new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: data}))";
    browser.run(drop, &[]).await;
    browser.see_in("#delivery-dlv-3", "Dropped").await;

    // A delivery that another client causes appears live.
    browser.press("view-deliveries").await;
    browser.see_in("#rows", "Dropped").await;
    world.agent.receive(Mail::new("live@example.com").with_subject("Live")).await.unwrap();
    browser.see_in("#row-dlv-4", "Delivered").await;

    // A rotation: 403, an explanation, the new secret, and a redrive.
    browser.press("view-webhook").await;
    browser.press("rotate").await;
    browser.see("The API shows it only once").await;
    let new = browser.run("return document.getElementById('secret-text').textContent", &[]);
    let new = new.await.as_str().unwrap().to_owned();
    assert_ne!(new, secret);
    compose(&browser, "user@example.com", "After the rotation").await;
    browser.see_in("#delivery-dlv-5", "Dead letter").await;
    browser.see_in("#attempt-3", "Why it was refused").await;
    browser.see_in("#attempt-3", "the secret was rotated at").await;
    browser.see_in("#attempt-3", "The receiver says: mismatch").await;
    check_view(&browser, look, "a refusal").await;
    world.receiver.load(&new);
    browser.press("redrive").await;
    browser.see_in("#delivery-dlv-5", "Delivered").await;
    browser.see_in("#attempt-4", "200").await;

    // A fault as a switch, with its seed, and the queue of dead letters.
    browser.press("view-faults").await;
    browser.write("seed-forged", "7").await;
    browser.press("fault-forged").await;
    browser.see_in("#toast", "The fault forged is on").await;
    check_view(&browser, look, "the faults").await;
    let faults = "return fetch('/faults?agent_id=my-agent').then((it) => it.json())";
    let faults = browser.run(faults, &[]).await;
    assert_eq!(faults["faults"], json!([{"fault": "forged", "probability": 1, "seed": 7}]));
    for subject in ["Forged 1", "Forged 2", "Forged 3"] {
        compose(&browser, "user@example.com", subject).await;
        browser.see_in(".detail", "Dead letter").await;
    }
    browser.see_in("#attempt-3", "The fault `forged` is on").await;
    browser.press("view-faults").await;
    browser.press("fault-forged").await;
    browser.see_in("#toast", "The fault forged is off").await;
    browser.press("view-dead-letters").await;
    browser.see("Redrive all 3").await;
    check_view(&browser, look, "the dead letters").await;
    browser.press("redrive-dlv-6").await;
    browser.see("Redrive all 2").await;
    browser.press("redrive-all").await;
    browser.see("The queue is empty").await;
    for subject in ["Forged 1", "Forged 2", "Forged 3"] {
        assert!(world.receiver.subjects().iter().any(|it| it == subject), "{subject}");
    }

    // A rule, and why it did not match.
    browser.press("view-rules").await;
    browser.press("new-rule").await;
    browser.write("rule-id", "partners").await;
    browser.write("rule-domains", "partner.example").await;
    check_view(&browser, look, "a rule").await;
    browser.press("save-rule").await;
    browser.see("domain: partner.example").await;
    compose(&browser, "user@elsewhere.example", "No partner").await;
    browser.see_in(".detail", "did not match").await;
    browser
        .see_in(".detail", "sender_domains wants partner.example; the mail has elsewhere.example")
        .await;
    check_view(&browser, look, "a mail").await;
    browser.press("view-rules").await;
    browser.see("matched 0 of 1").await;
    check_view(&browser, look, "the rules").await;
    browser.press("edit-partners").await;
    browser.press("remove-rule").await;
    browser.see("No rules").await;

    // The activity has every event, and each view has an address.
    browser.press("view-activity").await;
    browser.see("delivery.redriven").await;
    check_view(&browser, look, "the activity").await;
    open(&browser, "dlv-5").await;
    let address = browser.run("return location.href", &[]).await;
    browser.goto("about:blank").await;
    browser.goto(address.as_str().unwrap()).await;
    browser.see_in("#delivery-dlv-5", "After the rotation").await;
    browser.press("attempt-3-summary").await;
    browser.see_in("#attempt-3", "Why it was refused").await;
    browser.close().await;
}

#[tokio::test]
async fn each_task_works_by_mouse_on_a_dark_phone() {
    tour(Hand::Mouse, Look::PHONE.in_dark()).await;
}

#[tokio::test]
async fn each_task_works_by_keyboard_on_a_light_wide_page() {
    tour(Hand::Keyboard, Look::WIDE).await;
}

#[tokio::test]
async fn a_mail_is_text_and_no_request_leaves_the_simulator() {
    let world = World::start().await;
    world.connect().await;
    let trap = &world.receiver.trap;
    let attack = format!(
        "<img src=\"{trap}\" onerror=\"window.attacked=1\"><script>window.attacked=1</script>"
    );
    let subject = format!("{attack} \u{202e}\u{2066}");
    let mail = Mail::new("user@example.com").with_subject(subject).with_html(&attack);
    let mail = world.agent.receive(mail.with_text(&attack)).await.unwrap();
    mail.delivery().await.unwrap();
    let url = world.simulator.url();
    let browser = Browser::open(&url, Hand::Mouse, Look::WIDE).await;

    for view in [
        "deliveries/dlv-1",
        &format!("mails/{}", mail.message_id()),
        "dead-letters",
        "rules",
        "webhook",
        "faults",
        "activity",
        "about",
        "compose",
    ] {
        browser.goto(&format!("{url}/#/my-agent/{view}")).await;
        browser.until("return document.querySelector('h1') !== null").await;
        let elements =
            "return document.querySelectorAll('main img, main script, main iframe').length";
        assert_eq!(browser.run(elements, &[]).await, 0, "{view}");
    }
    browser.goto(&format!("{url}/#/my-agent/mails/{}", mail.message_id())).await;
    browser.see_in(".detail", "<img src=").await;
    browser.see_in(".detail", "\\u202e\\u2066").await;
    browser.run("document.getElementById('raw').open = true", &[]).await;
    browser.see_in("#raw-text", "window.attacked=3D1</script>").await;

    assert_eq!(browser.run("return window.attacked ?? null", &[]).await, Value::Null);
    let refused = "try { document.body.innerHTML = '<b>a</b>'; return 'parsed' } \
                   catch (error) { return error.name }";
    assert_eq!(browser.run(refused, &[]).await, "TypeError", "a string is never HTML");
    let elsewhere = format!(
        "const done = arguments[0]; const image = new Image(); image.src = '{trap}'; \
         fetch('{trap}').then(() => done('sent'), () => done('refused'))"
    );
    assert_eq!(browser.run_async(&elsewhere).await, "refused", "by the Content-Security-Policy");
    assert_eq!(world.receiver.trapped(), 0);
    let loaded = browser
        .run("return performance.getEntriesByType('resource').map((it) => it.name)", &[])
        .await;
    let loaded: Vec<_> = loaded.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let foreign: Vec<_> = loaded
        .iter()
        .filter(|it| !it.starts_with(&url) && !it.starts_with(trap.as_str()))
        .collect();
    assert!(loaded.len() > 10 && foreign.is_empty(), "{foreign:?}");
    browser.close().await;
}

#[tokio::test]
async fn with_an_operators_token_the_page_asks_for_it() {
    let builder = Simulator::builder().with_operator_token("operator");
    let simulator = builder.with_agent("my-agent", None).start().await.unwrap();
    let browser = Browser::open(&simulator.url(), Hand::Keyboard, Look::WIDE).await;

    browser.see("Operator's token").await;
    browser.write("token", "a guess").await;
    browser.press("enter").await;
    browser.see("The simulator does not accept this token").await;
    browser.write("token", "operator").await;
    browser.press("enter").await;
    browser.see("Three steps lead to the first one").await;
    browser.see_in("#stream", "Live").await;
    browser.reload().await;
    browser.see("Three steps lead to the first one").await;
    browser.close().await;
}

#[tokio::test]
async fn a_stream_that_is_cut_resumes_without_losing_a_line() {
    let world = World::start().await;
    world.connect().await;
    let proxy = Proxy::start(world.simulator.address()).await;
    let browser =
        Browser::open(&format!("{}/#/my-agent/activity", proxy.url()), Hand::Mouse, Look::WIDE)
            .await;
    browser.see_in("#stream", "Live").await;
    // The dot says what happens to the stream.
    let watch = "window.dots = []; new MutationObserver(() => \
        window.dots.push(document.getElementById('stream-text').textContent)) \
        .observe(document.getElementById('stream'), \
            {subtree: true, childList: true, characterData: true})";
    browser.run(watch, &[]).await;

    for round in 0..5 {
        proxy.cut();
        for number in 0..3 {
            let mail =
                Mail::new("user@example.com").with_subject(format!("Round {round}, {number}"));
            world.agent.receive(mail).await.unwrap().delivery().await.unwrap();
        }
        browser.see_in("#stream", "Live").await;
        let newest = format!("dlv-{}", (round + 1) * 3);
        browser.see_in("main tbody tr:first-child", &newest).await;
    }

    let dots = browser.run("return window.dots", &[]).await;
    let dots: Vec<_> = dots.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(dots, ["Reconnecting", "Live"].repeat(5), "the dot");
    let ids = "return [...document.querySelectorAll('main tbody tr')] \
        .map((it) => Number(it.id.slice(6)))";
    let ids = browser.run(ids, &[]).await;
    let shown: Vec<u64> = ids.as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
    let sorted: BTreeSet<u64> = shown.iter().copied().collect();
    assert_eq!(shown.len(), sorted.len(), "no line twice");
    // The agent, its webhook, and for each mail: received, created, attempted.
    assert_eq!(sorted, (1..=2 + 15 * 3).collect(), "each line once");
    browser.close().await;
}

#[tokio::test]
async fn a_list_of_10_000_deliveries_stays_usable() {
    let world = World::start().await;
    world.connect().await;
    // 100 rules make 100 deliveries of each mail.
    let rules = (0..100).map(|number| {
        agentmail_simulator::Rule::new(format!("rule-{number}")).with_agents_webhook()
    });
    world.agent.set_rules(rules).await.unwrap();
    for number in 0..100 {
        let mail = Mail::new("user@example.com").with_subject(format!("Mail {number:03}"));
        world.agent.receive(mail).await.unwrap().settled().await.unwrap();
    }
    world.agent.set_rules([]).await.unwrap();
    let url = world.simulator.url();
    let browser = Browser::open(&url, Hand::Mouse, Look::WIDE).await;

    browser.see_in("#state-all", "All 10000").await;
    let elements = browser.run("return document.querySelectorAll('*').length", &[]).await;
    assert!(elements.as_u64().unwrap() < 2_500, "{elements} elements");
    let rows = "return document.querySelectorAll('#rows > li').length === 100";
    browser.until(rows).await;
    // From page to page, by search, and to the oldest delivery.
    browser.press("older").await;
    browser.see_in("#rows", "Mail 098").await;
    browser.until("return document.getElementById('open-dlv-9900') !== null").await;
    browser.press("newest").await;
    browser.write("search", "mail 000").await;
    browser.press("search-button").await;
    browser.see_in("#rows", "Mail 000").await;
    browser.press("open-dlv-100").await;
    browser.see_in("#delivery-dlv-100", "Mail 000").await;
    // A new delivery is shown at once, while many others happen.
    browser.goto(&format!("{url}/#/my-agent/deliveries")).await;
    browser.see_in("#state-all", "All 10000").await;
    world.agent.set_fault(FaultPlan::new(Fault::Duplicated)).await.unwrap();
    for _ in 0..100 {
        world.agent.receive(Mail::new("user@example.com").with_subject("More")).await.unwrap();
    }
    world.agent.receive(Mail::new("user@example.com").with_subject("The newest")).await.unwrap();
    browser.see_in("#rows > li:first-child", "The newest").await;
    browser.see_in("#state-all", "All 10101").await;
    browser.until(rows).await;
    let tasks = "return performance.getEntriesByType('resource') \
        .filter((it) => it.name.includes('overview?') && it.name.includes('limit=100')) \
        .map((it) => Math.round(it.duration))";
    println!("milliseconds of each reading of the list: {}", browser.run(tasks, &[]).await);
    browser.close().await;
}
