#!/usr/bin/env python3
"""Writes cases.json: deliveries, and the response that every receiver must give to each.

Python's hmac makes the signatures. In the texts, each character from U+0000 to U+00FF is one byte.

Usage: proofs/conformance/cases.py > proofs/conformance/cases.json
"""

import hashlib
import hmac
import json
import re

NOW = 1_700_000_000
SECRET = "whsec_test_secret"
TIMESTAMP, SIGNATURE, UNSIGNED = "X-AgentMail-Timestamp", "X-AgentMail-Signature", "X-AgentMail-Unsigned"
MAIL = '{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1","subject":"hello"}'
LIMIT = 4096

cases = []


def mac(timestamp, body, secret=SECRET):
    text = str(timestamp).encode("latin-1") + b"." + body.encode("latin-1")
    return hmac.new(secret.encode("latin-1"), text, hashlib.sha256).hexdigest()


def sign(timestamp, body, secret=SECRET):
    return "v1=" + mac(timestamp, body, secret)


def both(timestamp, body, secret=SECRET):
    return [[TIMESTAMP, str(timestamp)], [SIGNATURE, sign(timestamp, body, secret)]]


def shorten(frames):
    """Writes each long run of one character in a frame as {"text", "times"}, which keeps the file readable."""
    shortened = []
    for frame in frames:
        pieces = [{"text": match[1], "times": len(match[0])} if match[1] else match[0]
                  for match in re.finditer(r"(.)\1{999,}|(?:(?!(.)\2{999}).)+", frame, re.DOTALL)]
        shortened.append(pieces if len(pieces) > 1 or frame and isinstance(pieces[0], dict) else frame)
    return shortened


def digest(*parts):
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


def message_key(body):
    """Identifies the message of a body: by type and ids for a mail whose ids are plain, else by its bytes."""
    data = body.encode("latin-1")
    try:
        members = json.loads(data, object_pairs_hook=list)
    except ValueError:
        members = []
    values = {name: [value for other, value in members if other == name] for name in ("type", "agent_id", "message_id")} \
        if all(isinstance(member, tuple) for member in members) else {}
    try:
        (kind,), (agent,), (message,) = values.values()
        if kind == "mail.received" and agent and message:
            return digest(kind.encode(), agent.encode(), message.encode())
    except (AttributeError, UnicodeEncodeError, ValueError):
        pass  # An id is absent, duplicated, no text, or has a surrogate that is alone.
    return hashlib.sha256(data).hexdigest()


def case(family, name, status, code=None, *, headers=None, body=MAIL, frames=None, end="complete", now=NOW,
         response=None, takes="event", threats=(), path="/", key=None, **config):
    if status == 200:
        key = key or message_key(body if frames is None else "".join(frames))
    cases.append({
        "family": family, "name": name, "threats": list(threats), "takes": takes,
        "path": path, "headers": both(NOW, body) if headers is None else headers,
        "frames": shorten([body] if frames is None else frames), "end": end,
        "now": now, "config": config,
        "expected": {"status": status, "code": code, "body": response if status != 200 or response else "msg-1",
                     "message_key": key},
    })


def accepted(family, name, **more):
    case(family, name, 200, **more)


def refused(family, name, code, **more):
    case(family, name, 403, code, **more)


# -- Signatures ------------------------------------------------------------------------------------
good = both(NOW, MAIL)
stamp, signature = good
hexed = signature[1][3:]


def with_signature(value):
    return [stamp, [SIGNATURE, value]]


accepted("signature", "genuine")
accepted("signature", "upper-case hex", headers=with_signature("v1=" + hexed.upper()), threats=[18])
accepted("signature", "mixed-case hex", headers=with_signature("v1=" + hexed[:32].upper() + hexed[32:]))
accepted("signature", "header names in lower case", headers=[[name.lower(), value] for name, value in good])
accepted("signature", "header names in upper case", headers=[[name.upper(), value] for name, value in good])
accepted("signature", "a list, the valid signature first", headers=with_signature(f"v1={hexed},v1={'0' * 64}"))
accepted("signature", "a list, the valid signature last", headers=with_signature(f"v1={'0' * 64},v1={hexed}"))
accepted("signature", "spaces around the items", headers=with_signature(f"v2=x ,  v1={hexed}  , v3=y"))
accepted("signature", "another scheme first", headers=with_signature(f"v0=zz,v1={hexed}"))
accepted("signature", "another scheme with odd text", headers=with_signature(f"v1={hexed},sha-3=a=b;\xff"))
accepted("signature", "other schemes of letters, digits, dots, dashes and underscores",
         headers=with_signature(f"Ed25519-sha_2.x=1,v1={hexed}"))
accepted("signature", "eight items", headers=with_signature("v2=x," * 7 + f"v1={hexed}"))
for name, value, code in [
    ("empty header", "", "malformed_signature"),
    ("no digits", "v1=", "malformed_signature"),
    ("63 digits", f"v1={hexed[:63]}", "malformed_signature"),
    ("65 digits", f"v1={hexed}0", "malformed_signature"),
    ("128 digits", f"v1={hexed}{hexed}", "malformed_signature"),
    ("one byte less", f"v1={hexed[:62]}", "malformed_signature"),
    ("half of the digits", f"v1={hexed[:32]}", "malformed_signature"),
    ("not hex", f"v1={hexed[:63]}g", "malformed_signature"),
    ("0x and 62 digits", f"v1=0x{hexed[2:]}", "malformed_signature"),
    ("0x and 64 digits", f"v1=0x{hexed}", "malformed_signature"),
    ("a sign among the digits", f"v1=+{hexed[1:]}", "malformed_signature"),
    ("quoted", f'v1="{hexed}"', "malformed_signature"),
    ("a space after the equals sign", f"v1= {hexed}", "malformed_signature"),
    ("a space before the equals sign", f"v1 ={hexed}", "malformed_signature"),
    ("no scheme", hexed, "malformed_signature"),
    ("an empty scheme", f"={hexed}", "malformed_signature"),
    ("an empty item", f"v1={hexed},", "malformed_signature"),
    ("semicolons", f"v1={hexed};v1={hexed}", "malformed_signature"),
    ("nine items", "v2=x," * 8 + f"v1={hexed}", "malformed_signature"),
    ("a malformed v1 before a valid one", f"v1=00,v1={hexed}", "malformed_signature"),
    ("a malformed v1 after a valid one", f"v1={hexed},v1=00", "malformed_signature"),
    ("only another scheme", f"v2={hexed}", "unsupported_scheme"),
    ("the scheme of another service", f"sha256={hexed}", "unsupported_scheme"),
    ("an upper-case scheme", f"V1={hexed}", "unsupported_scheme"),
    ("a scheme that begins with v1", f"v10={hexed}", "unsupported_scheme"),
    ("zeros", "v1=" + "0" * 64, "mismatch"),
    ("the first digit flipped", "v1=" + ("1" if hexed[0] == "0" else "0") + hexed[1:], "mismatch"),
    ("the last digit flipped", f"v1={hexed[:63]}" + ("1" if hexed[63] == "0" else "0"), "mismatch"),
    ("eight wrong signatures", ",".join(["v1=" + "0" * 64] * 8), "mismatch"),
]:
    refused("signature", name, code, headers=with_signature(value), threats=[3] if "less" in name or "half" in name or "no digits" in name else [])
for name, body, key in [
    ("over the body without the timestamp", None, SECRET), ("with another secret", MAIL, "another secret"),
    ("with the secret decoded from hex", MAIL, "\xde\xad"), ("with a line end after the secret", MAIL, SECRET + "\n"),
]:
    text = hmac.new(key.encode("latin-1"), MAIL.encode() if body is None else f"{NOW}.{MAIL}".encode(), hashlib.sha256)
    refused("signature", name, "mismatch", headers=with_signature("v1=" + text.hexdigest()), threats=[5] if body is None else [16])
refused("signature", "plain SHA-256, without a key", "mismatch",
        headers=with_signature("v1=" + hashlib.sha256(f"{NOW}.{MAIL}".encode()).hexdigest()), threats=[1])
refused("signature", "with an empty key", "mismatch", headers=both(NOW, MAIL, ""), threats=[1])

# -- Presence ---------------------------------------------------------------------------------------
refused("presence", "no header", "missing_signature", headers=[], threats=[2])
refused("presence", "no signature", "missing_signature", headers=[stamp], threats=[2])
refused("presence", "no timestamp", "missing_timestamp", headers=[signature], threats=[2, 5])
refused("presence", "headers of another service", "missing_signature",
        headers=[["Svix-Id", "msg"], ["Svix-Timestamp", str(NOW)], ["Svix-Signature", "v1,AAAA"]])
for name, header, bad in [("signature", signature, "v1=" + "0" * 64), ("signature", signature, "v1=00"),
                          ("timestamp", stamp, str(NOW - 1)), ("timestamp", stamp, "x")]:
    code = f"duplicate_{name}"
    twin = [header[0].lower(), bad]
    refused("presence", f"{name}: valid, then {bad[:6]}", code, headers=good + [twin], threats=[14])
    refused("presence", f"{name}: {bad[:6]}, then valid", code, headers=[twin] + good, threats=[14])
refused("presence", "signature: duplicated", "duplicate_signature", headers=good + [signature], threats=[14])
refused("presence", "timestamp: duplicated", "duplicate_timestamp", headers=good + [stamp], threats=[14])
refused("presence", "unsigned, and no other header", "unsigned", headers=[[UNSIGNED, "1"]], threats=[2])
refused("presence", "unsigned, with a timestamp", "unsigned", headers=[stamp, [UNSIGNED, "1"]])
refused("presence", "unsigned, duplicated", "unsigned", headers=[[UNSIGNED, "1"], [UNSIGNED, "1"]])
refused("presence", "unsigned: 0", "missing_signature", headers=[stamp, [UNSIGNED, "0"]])
refused("presence", "unsigned, with a forged signature", "mismatch",
        headers=both(NOW, MAIL, "another secret") + [[UNSIGNED, "1"]])
refused("presence", "unsigned, with an empty signature", "malformed_signature",
        headers=[stamp, [SIGNATURE, ""], [UNSIGNED, "1"]])
accepted("presence", "unsigned, with a valid signature", headers=good + [[UNSIGNED, "1"]])

refused("presence", "both malformed", "malformed_timestamp", headers=[[TIMESTAMP, "x"], [SIGNATURE, "y"]])
refused("presence", "a signature of another scheme, no timestamp", "missing_timestamp", headers=[[SIGNATURE, "v2=x"]])

# -- Timestamps: each is correctly signed over its own bytes --------------------------------------------
for text in ["", f"+{NOW}", f"-{NOW}", f"0{NOW}", f"{NOW}.", f"{NOW}.0", f".{NOW}", f"{NOW}abc", f"{NOW},{NOW}", "1.7e9", "17e8", "NaN",
             "Infinity", "0x6553f100", "1_700_000_000", "1,700,000,000", f"{NOW} {NOW}", "now", "00",
             "-9223372036854775808", str(2**64), str(2**64 + NOW), "1" * 400, "2023-11-14T22:13:20Z",
             "".join(chr(ord(digit) + 0xFEE0) for digit in str(NOW)).encode().decode("latin-1"),
             "\u00b9700000000", "17000\xff0000"]:
    refused("timestamp", f"{text[:24]!a}, {len(text)} bytes", "malformed_timestamp", headers=both(text, MAIL), threats=[6, 7, 11])
for text in [str(NOW * 1000), str(10**12), str(2**63), str(2**63 - 1), str(2**64 - 1), "9" * 19]:
    refused("timestamp", text, "too_far_ahead", headers=both(text, MAIL), threats=[7, 8])
for text in ["0", "1", "9"]:
    refused("timestamp", text, "stale", headers=both(text, MAIL))
refused("timestamp", "another time than was signed", "mismatch", headers=[[TIMESTAMP, str(NOW - 1)], signature], threats=[5])
refused("timestamp", "a dot moved from the body", "malformed_timestamp", body="{}",
        headers=[[TIMESTAMP, f"{NOW}.1"], [SIGNATURE, sign(NOW, "1.{}")]], threats=[9])
case("timestamp", "the body that the dot was moved from", 422, "malformed_json", body="1.{}", threats=[9])

# -- Freshness ----------------------------------------------------------------------------------------
for name, now, tolerance in [
    ("300 s old", NOW + 300, {}), ("300 s ahead", NOW - 300, {}), ("no difference", NOW, {}),
    ("exactly max_age", NOW + 60, {"max_age": 60, "max_ahead": 5}), ("exactly max_ahead", NOW - 5, {"max_age": 60, "max_ahead": 5}),
    ("no difference allowed, and none", NOW, {"max_age": 0, "max_ahead": 0}),
    ("a month allowed", NOW + 2_592_000, {"max_age": 2_592_000, "max_ahead": 0}),
]:
    accepted("freshness", name, now=now, **tolerance)
for name, now, code, tolerance in [
    ("301 s old", NOW + 301, "stale", {}), ("301 s ahead", NOW - 301, "too_far_ahead", {}),
    ("one past max_age", NOW + 61, "stale", {"max_age": 60, "max_ahead": 5}),
    ("one past max_ahead", NOW - 6, "too_far_ahead", {"max_age": 60, "max_ahead": 5}),
    ("no difference allowed, one second old", NOW + 1, "stale", {"max_age": 0, "max_ahead": 0}),
    ("no difference allowed, one second ahead", NOW - 1, "too_far_ahead", {"max_age": 0, "max_ahead": 0}),
    ("the receiver's clock at 1970", 0, "too_far_ahead", {}), ("the receiver's clock at its maximum", 2**64 - 1, "stale", {}),
]:
    refused("freshness", name, code, now=now, threats=[8], **tolerance)
refused("freshness", "the maximum time, signed and received at that time, forged", "mismatch",
        headers=both(2**64 - 1, MAIL, "another secret"), now=2**64 - 1, threats=[7])
accepted("freshness", "the maximum time, signed and received at that time", headers=both(2**64 - 1, MAIL), now=2**64 - 1)
accepted("freshness", "1970, signed and received at that time", headers=both(0, MAIL), now=0)
refused("freshness", "stale and forged", "stale", headers=both(NOW, MAIL, "another secret"), now=NOW + 301)

# -- Secrets ------------------------------------------------------------------------------------------
OLD_AND_NEW = {"secrets": [["new", "the new secret"], ["old", "the old secret"]]}
for label in ("new", "old"):
    accepted("secrets", f"the {label} secret of two", headers=both(NOW, MAIL, f"the {label} secret"), label=label, **OLD_AND_NEW)
refused("secrets", "neither secret of two", "mismatch", **OLD_AND_NEW)
accepted("secrets", "signed with both secrets", label="new",
         headers=[stamp, [SIGNATURE, sign(NOW, MAIL, "the old secret") + "," + sign(NOW, MAIL, "the new secret")]], **OLD_AND_NEW)
FOUR = {"secrets": [[name, f"secret {name}"] for name in "abcd"]}
accepted("secrets", "the last secret of four", headers=both(NOW, MAIL, "secret d"), label="d", **FOUR)
refused("secrets", "a fifth secret", "mismatch", headers=both(NOW, MAIL, "secret e"), **FOUR)
for name, secret in [("looks like base64", "whsec_c2VjcmV0"), ("looks like hex", "deadbeef"), ("two words", "two words"),
                     ("longer than a block", "k" * 200), ("exactly a block", "k" * 64), ("one byte", "k"), ("not ASCII", "\xc3\xbc")]:
    accepted("secrets", f"a secret that {name}", headers=both(NOW, MAIL, secret), secrets=[["default", secret]], threats=[16])

for name, now, end, accepts in [("in its last second", NOW, NOW, True), ("one second past its end", NOW, NOW - 1, False),
                                ("before its end", NOW, NOW + 1, True), ("past its end by the receiver's clock, not by the sender's", NOW + 1, NOW, False),
                                ("with the maximum end", NOW, 2**64 - 1, True)]:
    case("secrets", f"the old secret, {name}", 200 if accepts else 403, None if accepts else "mismatch", now=now, threats=[35],
         headers=both(NOW, MAIL, "the old secret"), label="old", ends={"old": end}, **OLD_AND_NEW)
accepted("secrets", "the new secret, past the end of the old one", headers=both(NOW, MAIL, "the new secret"), label="new", ends={"old": 0}, **OLD_AND_NEW)

# -- Sources: secrets that are looked up by the agent in the path ----------------------------------------
TENANTS = {"tenants": {"my-agent": "secret of mine", "your-agent": "secret of yours", "an agent": "secret of another"}}
MINE, YOURS = "/agents/my-agent/webhook", "/agents/your-agent/webhook"


def mail_of(agent):
    return json.dumps({"type": "mail.received", "agent_id": agent, "message_id": "msg-1"})


accepted("source", "my secret at my path", path=MINE, headers=both(NOW, MAIL, "secret of mine"), **TENANTS)
accepted("source", "your secret at your path", path=YOURS, body=mail_of("your-agent"),
         headers=both(NOW, mail_of("your-agent"), "secret of yours"), **TENANTS)
accepted("source", "an agent whose id is percent-encoded in the path", path="/agents/an%20agent/webhook", body=mail_of("an agent"),
         headers=both(NOW, mail_of("an agent"), "secret of another"), **TENANTS)
accepted("source", "a query after the path", path=MINE + "?agent=your-agent", headers=both(NOW, MAIL, "secret of mine"), **TENANTS)
for name, path, secret in [("my secret at your path", YOURS, "secret of mine"), ("your secret at my path", MINE, "secret of yours"),
                           ("no tenant's secret", MINE, SECRET)]:
    refused("source", name, "mismatch", path=path, headers=both(NOW, MAIL, secret), threats=[33], **TENANTS)

NAMELESS = '{"type":"mail.received","message_id":"msg-1"}'
for name, body, status, code in [
    ("another agent", mail_of("your-agent"), 403, "other_agent"),
    ("the agent in another case", mail_of("My-Agent"), 403, "other_agent"),
    ("a list of agents", mail_of(["my-agent"]), 403, "other_agent"),
    ("two agents", MAIL[:-1] + ',"agent_id":"your-agent"}', 403, "other_agent"),
    ("my agent twice", MAIL[:-1] + ',"agent_id":"my-agent"}', 403, "other_agent"),
    ("an agent with a lone surrogate", mail_of("my-agent\ud800"), 403, "other_agent"),
    ("another agent in an event of another type", '{"type":"mail.bounced","agent_id":"your-agent"}', 403, "other_agent"),
    # No agent is named: the event belongs to the tenant. A mail is refused as a payload.
    ("no agent", NAMELESS, 422, "unexpected_payload"),
    ("an agent of null", mail_of(None), 422, "unexpected_payload"),
    ("an empty agent", mail_of(""), 422, "unexpected_payload"),
    ("my agent in a nested object", '{"mail":{"agent_id":"my-agent"}}', 422, "unexpected_payload"),
    # Not an object: refused in the same way as without tenants.
    ("an array", '["mail.received","my-agent","msg-1"]', 422, "unexpected_payload"),
    ("no JSON", "my-agent", 422, "malformed_json"),
    ("no UTF-8", MAIL.replace("hello", "\xff"), 422, "malformed_json"),
    ("an empty body", "", 422, "malformed_json"),
    ("a byte order mark", "\xef\xbb\xbf" + MAIL, 422, "malformed_json"),
    ("NaN", MAIL[:-1] + ',"x":NaN}', 422, "malformed_json"),
]:
    case("source", f"my secret, my path, and {name}", status, code, path=MINE, body=body, headers=both(NOW, body, "secret of mine"), threats=[33], **TENANTS)
    case("source", f"the same for a single tenant: {name}", status, code, body=body, agent="my-agent", threats=[33])
for name, body in [("no agent", '{"type":"mail.bounced"}'), ("an agent of null", '{"type":"mail.bounced","agent_id":null}')]:
    accepted("source", f"another type of event, and {name}", path=MINE, body=body, response="mail.bounced", headers=both(NOW, body, "secret of mine"), **TENANTS)
accepted("source", "a single tenant, and its agent", agent="my-agent")
OTHER = '{"type":"mail.bounced","agent_id":"my-agent"}'
accepted("source", "another type of event, and its agent", path=MINE, body=OTHER, response="mail.bounced", headers=both(NOW, OTHER, "secret of mine"), **TENANTS)
refused("source", "a forgery for another agent: the signature comes first", "mismatch", path=MINE, body=mail_of("your-agent"), **TENANTS)
for name, path in [("an unknown tenant", "/agents/nobody/webhook"), ("a name in other case", "/agents/MY-AGENT/webhook")]:
    refused("source", name, "unknown_tenant", path=path, headers=both(NOW, MAIL, "secret of mine"), **TENANTS)
for name, path in [("no tenant in the path", "/agents//webhook"), ("a path of another form", "/"), ("two segments", "/agents/my-agent/x/webhook"),
                   ("a name that is not UTF-8", "/agents/%ff/webhook")]:
    refused("source", name, "missing_tenant", path=path, headers=both(NOW, MAIL, "secret of mine"), **TENANTS)
refused("source", "an unknown tenant, and stale: the lookup comes first", "unknown_tenant", path="/agents/nobody/webhook", now=NOW + 301, **TENANTS)
refused("source", "an unknown tenant, and unsigned: the headers come first", "missing_signature", path="/agents/nobody/webhook", headers=[], threats=[34], **TENANTS)
refused("source", "a known tenant, and stale", "stale", path=MINE, now=NOW + 301, **TENANTS)
case("source", "a known tenant, and too long", 413, "body_too_large", path=MINE, body_limit=10, **TENANTS)
case("source", "a known tenant, and a body that stalls", 408, "body_timeout", path=MINE, frames=[], end="stalled", **TENANTS)
for state, code in [("failing", "lookup_failed"), ("stalled", "lookup_timeout")]:
    case("source", f"a {state} store", 503, code, path=MINE, headers=both(NOW, MAIL, "secret of mine"), store=state, **TENANTS)
    case("source", f"a {state} store, and the body stalls", 503, code, path=MINE, frames=[], end="stalled", store=state, **TENANTS)
    refused("source", f"a {state} store, and unsigned", "missing_signature", path=MINE, headers=[], store=state, threats=[34], **TENANTS)
    refused("source", f"a {state} store, and malformed", "malformed_signature", path=MINE, headers=with_signature("v1=00"), store=state, threats=[34], **TENANTS)

# -- Bodies: the MAC covers bytes ----------------------------------------------------------------------
variants = {
    "compact": MAIL,
    "pretty": '{\n  "type": "mail.received",\n  "agent_id": "my-agent",\n  "message_id": "msg-1",\n  "subject": "hello"\n}',
    "CRLF": '{\r\n"type":"mail.received","agent_id":"my-agent","message_id":"msg-1","subject":"hello"}\r\n',
    "a line end after it": MAIL + "\n",
    "a space before it": " " + MAIL,
    "reordered": '{"subject":"hello","message_id":"msg-1","agent_id":"my-agent","type":"mail.received"}',
    "escaped": MAIL.replace("hello", "\\u0068ello"),
}
for name, body in variants.items():
    accepted("body", name, body=body)
    for other, other_body in variants.items():
        if name != other:
            refused("body", f"signature of {name}, {other} sent", "mismatch", headers=both(NOW, body), body=other_body, threats=[10])
accepted("body", "UTF-8", body=MAIL.replace("hello", "S\u00e9ance \u2709".encode().decode("latin-1")))
accepted("body", "in frames of one byte", frames=list(MAIL))
accepted("body", "in two frames", frames=[MAIL[:10], MAIL[10:]])
accepted("body", "with empty frames", frames=["", MAIL[:10], "", MAIL[10:], ""])
refused("body", "the last byte missing", "mismatch", frames=[MAIL[:-1]], threats=[10])
refused("body", "empty", "mismatch", frames=[], threats=[10])
refused("body", "one byte added", "mismatch", frames=[MAIL, "\x00"], threats=[10])
refused("body", "one bit flipped", "mismatch", frames=[MAIL.replace("hello", "hellp")])
GZIP = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x2a\xa9\x2c\x48\x55\xb2\x52\xca\x2f\xc9\x48\x2d\x52\xaa\x05\x00\x31\xee\x4e\x5f\x10\x00\x00\x00"
case("body", "compressed: verified as sent, never decompressed", 422, "malformed_json", body=GZIP,
     headers=both(NOW, GZIP) + [["Content-Encoding", "gzip"]], threats=[10])
accepted("body", "any content type", headers=good + [["Content-Type", "text/plain; charset=utf-16"]])

# -- Limits ---------------------------------------------------------------------------------------------
at_limit = MAIL[:-1] + ',"x":"' + "x" * (LIMIT - len(MAIL) - 7) + '"}'
assert len(at_limit) == LIMIT
over = at_limit[:-2] + 'x"}'
length = lambda value: [["Content-Length", str(value)]]
accepted("limits", "exactly the limit", body=at_limit, body_limit=LIMIT)
accepted("limits", "exactly the limit, declared", body=at_limit, headers=both(NOW, at_limit) + length(LIMIT), body_limit=LIMIT)
accepted("limits", "exactly the limit, in frames", body=at_limit, frames=[at_limit[i:i + 100] for i in range(0, LIMIT, 100)], body_limit=LIMIT)
for name, more in [("one over", {}), ("one over, declared", {"headers": both(NOW, over) + length(LIMIT + 1)}),
                   ("one over, declared as shorter", {"headers": both(NOW, over) + length(3)}),
                   ("one over, in frames", {"frames": [over[i:i + 100] for i in range(0, LIMIT + 1, 100)]}),
                   ("one over, declared in odd text", {"headers": both(NOW, over) + length("many")}),
                   ("only declared as one over", {"headers": good + length(LIMIT + 1), "body": MAIL}),
                   ("declared as 10 GiB", {"headers": good + length(10 << 30), "body": MAIL}),
                   ("declared as 2^64 - 1", {"headers": good + length(2**64 - 1), "body": MAIL})]:
    more.setdefault("body", over)
    case("limits", name, 413, "body_too_large", body_limit=LIMIT, threats=[12], **more)
case("limits", "over the limit, and forged", 413, "body_too_large", headers=both(NOW, over, "another secret"), body=over, body_limit=LIMIT)
refused("limits", "over the limit, and stale", "stale", body=over, now=NOW + 301, body_limit=LIMIT)
refused("limits", "over the limit, and unsigned", "missing_signature", headers=length(10 << 30), body=over, body_limit=LIMIT)
DEFAULT = MAIL[:-1] + ',"x":"' + "x" * (262_144 - len(MAIL) - 7) + '"}'
accepted("limits", "the default limit exactly", body=DEFAULT)
case("limits", "the default limit, one over", 413, "body_too_large", headers=good + length(262_145), threats=[12])
MIB = "x" * (1 << 20)
case("limits", "1 MiB within a limit of 1 MiB", 422, "malformed_json", body=MIB, body_limit=1 << 20, threats=[27])
refused("limits", "1 MiB, the last byte changed", "mismatch", body=MIB[:-1] + "y", headers=both(NOW, MIB), body_limit=1 << 20, threats=[27])
case("limits", "no byte allowed, none sent", 422, "malformed_json", body="", body_limit=0)
case("limits", "no byte allowed, one sent", 413, "body_too_large", body="x", body_limit=0)
case("limits", "stalled at once", 408, "body_timeout", frames=[], end="stalled", threats=[13])
case("limits", "stalled half-way", 408, "body_timeout", frames=[MAIL[:20]], end="stalled", threats=[13])
case("limits", "stalled after the last byte", 408, "body_timeout", frames=[MAIL], end="stalled", threats=[13])
case("limits", "broken at once", 400, "unreadable_body", frames=[], end="broken")
case("limits", "broken half-way", 400, "unreadable_body", frames=[MAIL[:20]], end="broken")
case("limits", "broken after the last byte", 400, "unreadable_body", frames=[MAIL], end="broken")
refused("limits", "stale, and the body stalls", "stale", frames=[], end="stalled", now=NOW + 301)

# -- Payloads ---------------------------------------------------------------------------------------------
IDS = '"agent_id":"my-agent","message_id":"msg-1"'
TYPE = '"type":"mail.received"'


def valid(name, body, response="msg-1", takes="event", **more):
    accepted("payload", name, body=body, response=response, takes=takes, **more)


def invalid(name, body, code="unexpected_payload", takes="event", threats=(25,)):
    case("payload", name, 422, code, body=body, takes=takes, threats=threats)


valid("only the required members", f"{{{TYPE},{IDS}}}", threats=[24])
valid("only the required members, as a mail", f"{{{TYPE},{IDS}}}", takes="mail", threats=[24])
NULLS = ",".join(f'"{name}":null' for name in ["sender", "subject", "timestamp", "sender_verified", "peer_trust_tier",
                                                  "rate_limited", "is_duplicate", "s3_bucket", "s3_key"])
valid("null for every optional member", f"{{{TYPE},{IDS},{NULLS}}}", threats=[24])
valid("an unknown member", f'{{{TYPE},{IDS},"new":{{"deep":[1,2,{{}}]}}}}', threats=[24])
valid("an unknown member, 100,000 deep", f'{{{TYPE},{IDS},"new":{"[" * 100_000}{"]" * 100_000}}}', threats=[24],
      key=digest(b"mail.received", b"my-agent", b"msg-1"))
valid("an unknown trust tier", f'{{{TYPE},{IDS},"peer_trust_tier":"partner"}}', takes="mail", threats=[24])
valid("a trust tier in upper case", f'{{{TYPE},{IDS},"peer_trust_tier":"VERIFIED"}}', takes="mail")
valid("a time with a fraction", f'{{{TYPE},{IDS},"timestamp":"2026-04-16T12:00:00.123456+02:00"}}', threats=[24])
valid("an unknown type", '{"type":"mail.bounced","agent_id":{"new":"shape"}}', response="mail.bounced", threats=[24])
valid("the type last", f"{{{IDS},{TYPE}}}")
invalid("an unknown type, as a mail", f'{{"type":"mail.bounced",{IDS}}}', takes="mail")
for takes in ("event", "mail"):
    invalid(f"empty, as {takes}", "", "malformed_json", takes)
    invalid(f"not JSON, as {takes}", "hello", "malformed_json", takes)
    invalid(f"the last byte missing, as {takes}", MAIL[:-1], "malformed_json", takes)
    invalid(f"two objects, as {takes}", MAIL + MAIL, "malformed_json", takes)
    invalid(f"a byte order mark, as {takes}", "\xef\xbb\xbf" + MAIL, "malformed_json", takes)
    invalid(f"UTF-16, as {takes}", MAIL.encode("utf-16-le").decode("latin-1"), "malformed_json", takes)
    invalid(f"not UTF-8 in a text, as {takes}", MAIL.replace("hello", "\xff"), "malformed_json", takes)
    invalid(f"not UTF-8 in an unknown member, as {takes}", f'{{{TYPE},{IDS},"x":"\xff"}}', "malformed_json", takes)
    valid(f"a lone surrogate, as {takes}", MAIL.replace("hello", "\\ud800"), takes=takes, threats=[36])
    valid(f"a lone surrogate in an unknown name, as {takes}", f'{{{TYPE},{IDS},"\\udc00":1}}', takes=takes, threats=[36])
    valid(f"a lone surrogate in an id, as {takes}", f'{{{TYPE},"agent_id":"my-agent","message_id":"m\\ud83dx"}}',
          response="m\ufffdx", takes=takes, threats=[36])
    for number in ("1e999", "-1E+400", "9" * 400):
        valid(f"{number[:7]} in an unknown field, as {takes}", f'{{{TYPE},{IDS},"x":[{number}]}}', takes=takes, threats=[36])
        valid(f"{number[:7]} in an optional field, as {takes}", f'{{{TYPE},{IDS},"timestamp":{number}}}', takes=takes, threats=[36])
    for name, value in [("sender_verified", '"true"'), ("rate_limited", "0"), ("timestamp", "1776340800"), ("is_duplicate", '{"of":"msg-0"}'),
                        ("sender", '{"email":"user@example.com"}'), ("peer_trust_tier", "3"), ("subject", "[]"), ("s3_key", "false")]:
        valid(f"{name} of another type, as {takes}", f'{{{TYPE},{IDS},"{name}":{value}}}', takes=takes, threats=[24])
    invalid(f"an array, as {takes}", '["mail.received","my-agent","msg-1"]', takes=takes)
    invalid(f"null, as {takes}", "null", takes=takes)
    invalid(f"a number, as {takes}", "1e400", takes=takes)
    invalid(f"an empty object, as {takes}", "{}", takes=takes)
    invalid(f"no type, as {takes}", f"{{{IDS}}}", takes=takes)
    invalid(f"a type of null, as {takes}", f'{{"type":null,{IDS}}}', takes=takes)
    invalid(f"no agent, as {takes}", f'{{{TYPE},"message_id":"m"}}', takes=takes)
    invalid(f"no message, as {takes}", f'{{{TYPE},"agent_id":"a"}}', takes=takes)
    invalid(f"an empty agent, as {takes}", f'{{{TYPE},"agent_id":"","message_id":"m"}}', takes=takes)
    invalid(f"an empty message, as {takes}", f'{{{TYPE},"agent_id":"a","message_id":""}}', takes=takes)
    invalid(f"an id of another type, as {takes}", f'{{{TYPE},"agent_id":1,"message_id":"m"}}', takes=takes)
    invalid(f"a message of another type, as {takes}", f'{{{TYPE},"agent_id":"a","message_id":7}}', takes=takes)
    invalid(f"an optional field twice, as {takes}", f'{{{TYPE},{IDS},"subject":"a","subject":"b"}}', takes=takes)
    invalid(f"a member twice, as {takes}", f'{{{TYPE},{IDS},"message_id":"msg-2"}}', takes=takes)
    invalid(f"the type twice, as {takes}", f'{{{TYPE},{IDS},"type":"mail.bounced"}}', takes=takes)

# -- Identity: the key of each accepted case, and of those that share ids ---------------------------------------------
for status in ("delivered", "opened", "bounced"):
    body = f'{{"type":"mail.status",{IDS},"status":"{status}"}}'
    accepted("identity", f"an event of another type, {status}", body=body, response="mail.status", threats=[40])
for name, body in {
    "other members": f'{{{TYPE},{IDS},"is_duplicate":true}}',
    "escaped ids": f'{{{TYPE},"agent_id":"my\\u002dagent","message_id":"\\u006dsg-1"}}',
    "an id with a NUL": f'{{{TYPE},"agent_id":"my-agent","message_id":"m\\u0000sg"}}',
    "an id of 10 kB": f'{{{TYPE},"agent_id":"my-agent","message_id":"{"m" * 10_000}"}}',
    "a colon in the first id": f'{{{TYPE},"agent_id":"a:b","message_id":"c"}}',
    "a colon in the second id": f'{{{TYPE},"agent_id":"a","message_id":"b:c"}}',
    "a lone surrogate in the agent": f'{{{TYPE},"agent_id":"a\\udc00","message_id":"m"}}',
    "a pair of surrogates in an id": f'{{{TYPE},"agent_id":"a","message_id":"\\ud83d\\ude00"}}',
}.items():
    accepted("identity", name, body=body, response=json.loads(body)["message_id"].encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
             threats=[40] if "surrogate" in name else [18])
assert len({case["expected"]["message_key"] for case in cases if case["family"] == "identity"}) == 10

# -- Codings: the header is not signed, and nothing is decompressed ------------------------------------------------------
for coding in ("gzip", "br", "identity", "nonsense"):
    header = [["Content-Encoding", coding]]
    accepted("coding", f"{coding}, on a body that is plain", headers=good + header, threats=[10])
    case("coding", f"{coding}, signed as compressed", 422, "malformed_json", body=GZIP, headers=both(NOW, GZIP) + header, threats=[10])
    refused("coding", f"{coding}, compressed after it was signed", "mismatch", body=GZIP, headers=good + header, threats=[10])

names = [(case["family"], case["name"]) for case in cases]
assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
print('{"origin": "proofs/conformance/cases.py: Python\'s hmac", "cases": [')
print(",\n".join(json.dumps(case) for case in cases))
print("]}")
