#!/usr/bin/env python3
"""Writes diagnosis.json: deliveries with one or two known mistakes, and the causes that a diagnosis must name.

Python's hmac, json, gzip and codecs make the mistakes; Node made those of JavaScript (javascript.json).
In the texts, each character from U+0000 to U+00FF is one byte.

Usage: proofs/conformance/diagnosis.py > proofs/conformance/diagnosis.json
"""

import base64
import datetime
import gzip
import hashlib
import hmac
import itertools
import json
import os
import zlib

NOW = 1_700_000_000
SECRET = b"whsec_dGhlIHRlc3Qgc2VjcmV0"
OTHER = b"the secret of staging"
TIMESTAMP, SIGNATURE, UNSIGNED = "X-AgentMail-Timestamp", "X-AgentMail-Signature", "X-AgentMail-Unsigned"
MAIL = {
    "type": "mail.received",
    "agent_id": "my-agent",
    "message_id": "msg-abc123",
    "sender": "user@example.com",
    "subject": "Größe < 5 / 😀",
    "timestamp": "2026-04-16T12:00:00+00:00",
    "sender_verified": True,
    "peer_trust_tier": "verified",
    "rate_limited": False,
    "is_duplicate": False,
    "s3_bucket": "my-bucket",
    "s3_key": "inbound/my-agent/msg-abc123.eml",
}
COMPACT = json.dumps(MAIL, ensure_ascii=False, separators=(",", ":")).encode()
SHORT = '{"type":"mail.received","agent_id":"a","message_id":"m","subject":"ö < /"}'.encode()
LINES = json.dumps(MAIL, ensure_ascii=False, indent=2).encode() + b"\n"
HERE = os.path.dirname(os.path.abspath(__file__))
cases = []


def text(data):
    return data.decode("latin-1")


def mac(secret, message):
    return hmac.new(secret, message, hashlib.sha256)


class Delivery:
    """What is signed and sent. A mistake changes one part of it."""

    def __init__(self, body=COMPACT):
        self.signing_secret = SECRET
        self.receiver_secret = SECRET
        self.signed_time = self.sent_time = str(NOW).encode()
        self.signed = lambda: self.signed_time + b"." + self.body
        self.body = body
        self.arrived = None
        self.headers = None
        self.more = []
        self.now = NOW

    def change_body(self, change):
        self.arrived = change(self.body if self.arrived is None else self.arrived)

    def sign(self):
        return mac(self.signing_secret, self.signed())

    def build(self):
        headers = [[TIMESTAMP, text(self.sent_time)], [SIGNATURE, "v1=" + self.sign().hexdigest()]]
        return (self.headers(self) if self.headers else headers) + self.more


def add(name, delivery, codes, certainty="proven", declared=None):
    body = delivery.body if delivery.arrived is None else delivery.arrived
    cases.append({
        "name": name,
        "secret": text(delivery.receiver_secret),
        "headers": delivery.build(),
        "body": text(body),
        "declared_length": declared,
        "now": delivery.now,
        "codes": codes,
        "certainty": certainty,
    })


def receiver_secret(change):
    def mistake(delivery):
        delivery.receiver_secret = change(delivery.receiver_secret)
    return mistake


def signing_secret(change):
    def mistake(delivery):
        delivery.signing_secret = change(delivery.signing_secret)
    return mistake


def body(change):
    return lambda delivery: delivery.change_body(change)


def signed_time(change):
    def mistake(delivery):
        delivery.signed_time = change(delivery)
    return mistake


def signed(make):
    def mistake(delivery):
        delivery.signed = lambda: make(delivery)
    return mistake


def date(spec):
    return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(spec).encode()


def dumps(**options):
    return lambda data: json.dumps(json.loads(data), **options).encode()


def php(data):
    return dumps(separators=(",", ":"))(data).replace(b"/", b"\\/")


def go(data):
    compact = dumps(separators=(",", ":"), ensure_ascii=False, sort_keys=True)(data).decode()
    return compact.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()


def unsorted_go(data):
    compact = dumps(separators=(",", ":"), ensure_ascii=False)(data).decode()
    return compact.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()


# Each mistake alone: a name, the code that must come first, and what it does to a delivery.
SECRETS = [
    ("newline", "secret_whitespace", receiver_secret(lambda s: s + b"\n")),
    ("crlf", "secret_whitespace", receiver_secret(lambda s: s + b"\r\n")),
    ("space", "secret_whitespace", receiver_secret(lambda s: b" " + s)),
    ("no-break space", "secret_whitespace", receiver_secret(lambda s: s + "\u00a0".encode())),
    ("quotes", "secret_quotes", receiver_secret(lambda s: b'"' + s + b'"')),
    ("single quotes", "secret_quotes", receiver_secret(lambda s: b"'" + s + b"'")),
    ("typographic quotes", "secret_quotes", receiver_secret(lambda s: "“".encode() + s + "”".encode())),
    ("byte order mark", "secret_byte_order_mark", receiver_secret(lambda s: b"\xef\xbb\xbf" + s)),
    ("utf-16", "secret_byte_order_mark", receiver_secret(lambda s: s.decode().encode("utf-16"))),
    ("name", "secret_name", receiver_secret(lambda s: b"WEBHOOK_SIGNING_SECRET=" + s)),
    ("export", "secret_name", receiver_secret(lambda s: b"export SECRET=" + s)),
    ("yaml", "secret_name", receiver_secret(lambda s: b"signing_secret: " + s)),
    ("json", "secret_json", receiver_secret(lambda s: json.dumps({"url": "https://example.com", "signing_secret": s.decode()}).encode())),
    ("base64", "secret_base64", receiver_secret(base64.b64encode)),
    ("hex", "secret_hex", receiver_secret(lambda s: s.hex().encode())),
    ("no prefix", "secret_prefix", receiver_secret(lambda s: s.removeprefix(b"whsec_"))),
    ("zero-width space", "secret_characters", receiver_secret(lambda s: s[:9] + "\u200b".encode() + s[9:])),
    ("literal backslash n", "secret_characters", receiver_secret(lambda s: s + b"\\n")),
    ("sender's newline", "secret_whitespace", signing_secret(lambda s: s + b"\n")),
    ("sender's quotes", "secret_quotes", signing_secret(lambda s: b'"' + s + b'"')),
    ("sender's prefix", "secret_prefix", signing_secret(lambda s: s.removeprefix(b"whsec_"))),
    ("sender's base64", "secret_base64", signing_secret(base64.b64encode)),
    ("sender's hex", "secret_hex", signing_secret(lambda s: s.hex().encode())),
]
TEXTS = [
    ("body alone", "signed_without_time", signed(lambda d: d.body)),
    ("no dot", "signed_without_dot", signed(lambda d: d.signed_time + d.body)),
    ("milliseconds are signed", "timestamp_milliseconds", signed_time(lambda d: d.sent_time + b"000")),
    ("a date is signed", "timestamp_form", signed_time(lambda d: date("%Y-%m-%dT%H:%M:%S+00:00"))),
    ("a date of JavaScript is signed", "timestamp_form", signed_time(lambda d: date("%Y-%m-%dT%H:%M:%S.000Z"))),
    ("a fraction is signed", "timestamp_form", signed_time(lambda d: str(float(NOW)).encode())),
]
BODIES = [
    ("byte order mark added", "body_byte_order_mark", body(lambda b: b"\xef\xbb\xbf" + b)),
    ("final newline added", "body_final_newline", body(lambda b: b + b"\n")),
    ("crlf at the end", "body_final_newline", body(lambda b: b + b"\r\n")),
    ("spaces around", "body_whitespace", body(lambda b: b"  " + b + b" ")),
    ("latin-1 as utf-8", "body_charset", body(lambda b: b.decode("latin-1").encode())),
    ("utf-16", "body_charset", body(lambda b: b.decode().encode("utf-16"))),
    ("gzip", "body_compressed", body(lambda b: gzip.compress(b, mtime=0))),
    ("zlib", "body_compressed", body(zlib.compress)),
    ("base64", "body_encoded", body(base64.b64encode)),
    ("json string", "body_encoded", body(lambda b: json.dumps(b.decode()).encode())),
    ("gateway", "body_encoded", body(lambda b: json.dumps({"httpMethod": "POST", "body": b.decode()}).encode())),
    ("gateway with base64", "body_encoded", body(lambda b: json.dumps(
        {"body": base64.b64encode(b).decode(), "isBase64Encoded": True}).encode())),
    ("python", "body_reserialised", body(dumps())),
    ("python, not ascii", "body_reserialised", body(dumps(ensure_ascii=False))),
    ("python, indented", "body_reserialised", body(dumps(indent=4))),
    ("python, sorted", "body_reserialised", body(dumps(sort_keys=True))),
    ("php", "body_reserialised", body(php)),
    ("go", "body_reserialised", body(go)),
]


def lines(change):
    def mistake(delivery):
        delivery.body = LINES
        delivery.change_body(change)
    return mistake


OTHER_BODIES = [
    ("byte order mark removed", "body_byte_order_mark", b"\xef\xbb\xbf" + COMPACT, lambda b: b[3:]),
    ("final newline removed", "body_final_newline", LINES, bytes.rstrip),
    ("final crlf removed", "body_final_newline", COMPACT + b"\r\n", bytes.rstrip),
    ("lf to crlf", "body_line_ends", LINES, lambda b: b.replace(b"\n", b"\r\n")),
    ("crlf to lf", "body_line_ends", LINES.replace(b"\n", b"\r\n"), lambda b: b.replace(b"\r\n", b"\n")),
    ("utf-8 to latin-1", "body_charset", "{\"subject\":\"Größe\"}".encode(), lambda b: b.decode().encode("latin-1")),
    ("utf-8 to windows-1252", "body_charset", "{\"subject\":\"5 €\"}".encode(), lambda b: b.decode().encode("cp1252")),
    ("windows-1252 as utf-8", "body_charset", "{\"subject\":\"5 €\"}".encode(), lambda b: b.decode("cp1252").encode()),
] + [
    (f"signed by {name}", "body_reserialised", make(COMPACT), dumps(separators=(",", ":"), ensure_ascii=False))
    for name, make in [
        ("python", dumps()),
        ("python, not ascii", dumps(ensure_ascii=False)),
        ("python, compact", dumps(separators=(",", ":"))),
        ("python, indented by 2", dumps(indent=2)),
        ("python, indented by 4", dumps(indent=4)),
        ("python, indented by a tab", dumps(indent="\t", ensure_ascii=False)),
        ("php", php),
        ("go, a struct", unsorted_go),
    ]
]


def singles():
    add("genuine", Delivery(), [], None)
    for family, mistakes in [("secret", SECRETS), ("signed text", TEXTS), ("body", BODIES)]:
        for name, code, mistake in mistakes:
            delivery = Delivery()
            mistake(delivery)
            add(f"{family}: {name}", delivery, [code])
    for name, code, original, change in OTHER_BODIES:
        delivery = Delivery(original)
        delivery.change_body(change)
        add(f"body: {name}", delivery, [code])
    delivery = Delivery()
    delivery.signing_secret = OTHER
    add("another secret that is given", delivery, ["other_secret"])
    delivery = Delivery()
    delivery.signing_secret = b"nobody knows it"
    add("another secret", delivery, ["unknown"], "unknown")


def javascript():
    with open(os.path.join(HERE, "javascript.json"), encoding="utf-8") as file:
        written = json.load(file)
    for name, forms in written.items():
        for form in ["stringify", "indented"]:
            original, arrived = forms["text"].encode(), forms[form].encode()
            if original == arrived:
                continue
            delivery = Delivery(original)
            delivery.arrived = arrived
            # JavaScript cannot keep these numbers, so nothing can find what was signed.
            lost = name in ["number", "large"]
            add(f"javascript: {name}, {form}", delivery, ["unknown" if lost else "body_reserialised"],
                "unknown" if lost else "proven")
            if not lost:
                delivery = Delivery(arrived)
                delivery.arrived = original
                add(f"javascript signs: {name}, {form}", delivery, ["body_reserialised"])
    # The guide's order undoes what sorting did.
    delivery = Delivery(written["compact"]["text"].encode())
    delivery.arrived = written["compact"]["sorted"].encode()
    add("javascript: sorted", delivery, ["body_reserialised"])


def headers():
    def case(name, codes, make, certainty="header_evidence", delivery=None, **options):
        delivery = delivery or Delivery()
        delivery.headers = make
        add(f"headers: {name}", delivery, codes, certainty, **options)

    time = [TIMESTAMP, str(NOW)]
    hexed = lambda d: d.sign().hexdigest()
    b64 = lambda d: base64.b64encode(d.sign().digest()).decode()
    case("none", ["header_missing"], lambda d: [])
    case("no signature", ["header_missing"], lambda d: [time])
    case("no timestamp", ["header_missing"], lambda d: [[SIGNATURE, "v1=" + hexed(d)]])
    case("unsigned", ["unsigned"], lambda d: [time, [UNSIGNED, "1"]])
    case("sha256=", ["signature_form"], lambda d: [time, [SIGNATURE, "sha256=" + hexed(d)]], "proven")
    case("bare hex", ["signature_form"], lambda d: [time, [SIGNATURE, hexed(d)]], "proven")
    case("base64", ["signature_form"], lambda d: [time, [SIGNATURE, "v1=" + b64(d)]], "proven")
    case("base64 with a comma", ["signature_form"], lambda d: [time, [SIGNATURE, "v1," + b64(d)]], "proven")
    case("quoted", ["signature_form"], lambda d: [time, [SIGNATURE, '"v1=' + hexed(d) + '"']], "proven")
    case("cut", ["signature_form"], lambda d: [time, [SIGNATURE, "v1=" + hexed(d)[:40]]])
    case("one header", ["signature_form"], lambda d: [[SIGNATURE, f"t={NOW},v1={hexed(d)}"]], "proven")
    case("signature twice", ["header_repeated"],
         lambda d: [time, [SIGNATURE, "v1=" + hexed(d)], [SIGNATURE, "v1=" + "0" * 64]], "proven")
    case("timestamp twice", ["header_repeated"], lambda d: [time, time, [SIGNATURE, "v1=" + hexed(d)]], "proven")
    case("timestamp joined", ["header_repeated"],
         lambda d: [[TIMESTAMP, f"{NOW}, {NOW}"], [SIGNATURE, "v1=" + hexed(d)]], "proven")
    case("underscores", ["header_renamed"],
         lambda d: [["X_AgentMail_Timestamp", str(NOW)], ["X_AgentMail_Signature", "v1=" + hexed(d)]])
    case("content-encoding", ["content_encoding"], lambda d: [
        time, [SIGNATURE, "v1=" + mac(SECRET, b"%d." % NOW + gzip.compress(COMPACT, mtime=0)).hexdigest()],
        ["Content-Encoding", "gzip"]])
    case("cut by declaration", ["body_cut"], lambda d: [time, [SIGNATURE, "v1=" + "0" * 64]], declared=10_000)
    # Other vendors. agentmail.to signs with Svix; the others have headers of our names.
    svix = lambda d: [["svix-id", "msg_1"], ["svix-timestamp", str(NOW)],
                      ["svix-signature", "v1," + base64.b64encode(mac(base64.b64decode(SECRET[6:]),
                                                                      b"msg_1.%d." % NOW + COMPACT).digest()).decode()]]
    case("agentmail.to", ["other_sender"], svix)
    case("standard webhooks", ["other_sender"], lambda d: [[n.replace("svix", "webhook"), v] for n, v in svix(d)])
    case("theagentmail.net", ["other_sender"], lambda d: [
        [TIMESTAMP, str(NOW * 1000 + 123)], [SIGNATURE, mac(b"theirs", COMPACT).hexdigest()]])
    case("mail4ai", ["other_sender"], lambda d: [
        ["X-AgentMail-Event", "email.received"], ["X-AgentMail-Delivery", "evt_1"], time,
        [SIGNATURE, "sha256=" + mac(b"theirs", b"%d." % NOW + COMPACT).hexdigest()]])
    case("github", ["other_sender"], lambda d: [["X-Hub-Signature-256", "sha256=" + "0" * 64]])

    def times(name, codes, certainty, sent, now=NOW):
        delivery = Delivery()
        delivery.sent_time = delivery.signed_time = sent
        delivery.now = now
        add(f"time: {name}", delivery, codes, certainty)
    times("milliseconds", ["timestamp_milliseconds"], "proven", b"%d123" % NOW)
    times("fraction", ["timestamp_form"], "proven", b"%d.5" % NOW)
    times("date", ["timestamp_form"], "proven", date("%Y-%m-%dT%H:%M:%SZ"))
    times("old", ["old_timestamp"], "header_evidence", b"%d" % NOW, NOW + 301)
    times("ahead", ["future_timestamp"], "header_evidence", b"%d" % NOW, NOW - 301)
    times("at the limit", [], None, b"%d" % NOW, NOW + 300)
    times("a word", ["timestamp_form"], "proven", b"now")


def shapes():
    def case(name, codes, change):
        delivery = Delivery()
        delivery.change_body(change)
        add(f"shape: {name}", delivery, codes, "shape_evidence")
    case("empty", ["body_empty", "unknown"], lambda b: b"")
    case("cut", ["body_cut", "unknown"], lambda b: b[:-40])
    case("replacement characters", ["body_damaged", "unknown"], lambda b: b.decode("ascii", "replace").encode())
    case("not text", ["body_damaged", "unknown"], lambda b: b[:60] + b"\xff" + b[60:])
    delivery = Delivery(json.dumps({"type": "a", "b": 1, "message_id": 2, "agent_id": 3}).encode())
    delivery.change_body(dumps(sort_keys=True))
    add("shape: sorted", delivery, ["body_sorted", "unknown"], "shape_evidence")


def unwrapped(data):
    """Returns what a gateway or a JSON string contains."""
    value = json.loads(data)
    inner = value if isinstance(value, str) else value["body"]
    return base64.b64decode(inner) if isinstance(value, dict) and value.get("isBase64Encoded") else inner.encode()


def pairs():
    """Two mistakes in one delivery. A diagnosis names both, or none."""
    families = [[("secret", *mistake) for mistake in SECRETS], [("text", *mistake) for mistake in TEXTS],
                [("body", *mistake) for mistake in BODIES]]
    every = list(itertools.chain(*families))
    for first, second in itertools.permutations(every, 2):
        if first[0] == second[0] == "text":
            continue
        if first[0] != second[0] and every.index(first) > every.index(second):
            continue  # mistakes in different parts have the same result in both orders
        both, alone, undone = Delivery(SHORT), Delivery(SHORT), Delivery(SHORT)
        try:
            for each, mistakes in [(both, [first, second]), (alone, [second]), (undone, [first])]:
                for mistake in mistakes:
                    mistake[3](each)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # the second mistake cannot be made after the first one
        codes = sorted({first[2], second[2]})
        state = lambda d: (d.receiver_secret, d.signing_secret, d.signed(), d.arrived or d.body)
        if state(both) == state(alone):
            codes = [second[2]]
        elif state(both) == state(undone):
            codes = [first[2]]
        elif state(both) == state(Delivery(SHORT)):
            continue
        if first[2] == "body_encoded" and second[2] == "body_reserialised" and unwrapped(both.arrived) == both.body:
            codes = ["body_encoded"]  # only what is around the body was written again
        if codes == ["body_final_newline", "body_whitespace"]:
            codes = ["body_whitespace"]  # a newline is whitespace
        if codes == ["secret_characters", "secret_json"] and first[2] == "secret_json":
            continue  # the character is not in the secret, but in the JSON around it
        if both.receiver_secret == both.signing_secret and {first[0], second[0]} == {"secret"}:
            continue
        add(f"pair: {first[0]} {first[1]}, then {second[0]} {second[1]}", both, codes, "pair")


singles()
javascript()
headers()
shapes()
pairs()
print(json.dumps({"origin": "proofs/conformance/diagnosis.py", "other_secret": text(OTHER), "cases": cases},
                 indent=0))
