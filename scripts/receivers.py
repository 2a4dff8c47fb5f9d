#!/usr/bin/env python3
"""Sends receivers deliveries that independent tools have signed, and tampered copies of these.

Usage: scripts/receivers.py BINARY...

Python's hmac and openssl sign. Raw sockets and curl send. The crates under test do neither. Each BINARY is
started on a free port of the loopback interface.
"""

import hashlib
import hmac
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

SECRET = "whsec_of_receivers_py"
PATH = "/agentmail/webhook"
LIMIT = 256 * 1024
MAIL = b'{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1","subject":"S\xc3\xa9ance"}'
TIMESTAMP, SIGNATURE = "X-AgentMail-Timestamp", "X-AgentMail-Signature"

failures = []
passed = 0


def check(name, actual, expected):
    global passed
    if actual == expected:
        passed += 1
    else:
        failures.append(f"{name}: {actual!r} instead of {expected!r}")
        print("FAILED", failures[-1])


def now():
    return int(time.time())


def sign(timestamp, body, secret=SECRET):
    text = str(timestamp).encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class Receiver:
    def __init__(self, binary, **variables):
        environment = {**os.environ, "WEBHOOK_SIGNING_SECRET": SECRET, "LISTEN": "127.0.0.1:0", **variables}
        environment.pop("RUST_LOG", None)
        self.process = subprocess.Popen([binary], env=environment, stdout=subprocess.PIPE, text=True)
        self.log = []
        while not (address := re.search(r"http://([\d.]+):(\d+)", line := self.process.stdout.readline())):
            assert line, f"{binary} has ended before it listened"
            self.log.append(line)
        self.host, self.port = address[1], int(address[2])
        # Reads the whole log, so that the pipe never fills.
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stdout))
        self.reader.start()

    def url(self):
        return f"http://{self.host}:{self.port}{PATH}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait()
        self.reader.join()
        return status

    def peak_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=30)

    def exchange(self, request):
        """Sends raw bytes. Returns the status and the body of the response."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_response(connection)

    def post(self, headers, body):
        return self.exchange(head(headers, len(body)) + body)

    def handled(self):
        request = f"GET /handled HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n"
        return int(self.exchange(request.encode())[1])


def head(headers, length=None):
    lines = [f"POST {PATH} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close"]
    lines += [name.encode() + b": " + value for name, value in headers]
    lines += [] if length is None else [f"Content-Length: {length}".encode()]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def read_response(connection):
    response = b""
    try:
        while piece := connection.recv(65536):
            response += piece
    except ConnectionResetError:
        pass  # The bytes before the reset are the response.
    if not response:
        return None, b""
    top, _, body = response.partition(b"\r\n\r\n")
    return int(top.split()[1]), body


def signed(timestamp, body, secret=SECRET):
    text = str(timestamp)
    return [(TIMESTAMP, text.encode()), (SIGNATURE, sign(text, body, secret).encode())]


def independent_tools_are_accepted(receiver):
    count = 0
    variants = [
        MAIL,
        b'{\r\n  "type": "mail.received",\r\n  "agent_id": "a", "message_id": "m"\r\n}\r\n',
        b'{"message_id":"m","agent_id":"a","type":"mail.received"}',
        b' {"type":"mail.received","agent_id":"a","message_id":"\\u00e9"} ',
        b'{"type":"another.event"}',
    ]
    for i, body in enumerate(variants):
        check(f"signed by Python, variant {i}", receiver.post(signed(now(), body), body), (200, b""))
        count += 1
        for j, other in enumerate(variants):
            if i != j:
                response = receiver.post(signed(now(), body), other)
                check(f"signature of variant {i} on variant {j}", response, (403, b""))

    stamp = str(now())
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-r"],
        input=stamp.encode() + b"." + MAIL, capture_output=True, check=True,
    ).stdout.split()[0].decode()
    for name, body, status in [("signed by openssl, sent by curl", MAIL, "200"), ("signed by openssl, then tampered with", MAIL + b" ", "403")]:
        output = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "-o", "/dev/stdout", "-w", "%{http_code}", "--data-binary", "@-",
             "-H", f"{TIMESTAMP}: {stamp}", "-H", f"{SIGNATURE}: v1={digest}", receiver.url()],
            input=body, capture_output=True, check=True,
        ).stdout.decode()
        check(name, output, status)
    count += 1

    good = signed(now(), MAIL)
    upper = [good[0], (SIGNATURE, b"v1=" + good[1][1][3:].upper())]
    listed = [good[0], (SIGNATURE, b"v2=x, v1=" + b"0" * 64 + b" ,  " + good[1][1])]
    lower = [(name.lower(), value) for name, value in good]
    with_unsigned = good + [("X-AgentMail-Unsigned", b"1")]
    for name, headers in [("upper-case hex", upper), ("a list", listed), ("lower-case names", lower),
                          ("a signature and the unsigned header", with_unsigned)]:
        check(name, receiver.post(headers, MAIL), (200, b""))
        count += 1
    for age in (-290, 290):
        check(f"age {age}", receiver.post(signed(now() - age, MAIL), MAIL), (200, b""))
        count += 1
    return count


def tampering_is_refused(receiver):
    stamp = now()
    stamp_line, signature_line = signed(stamp, MAIL)
    signature = signature_line[1]
    flipped = signature[:-1] + (b"0" if signature[-1:] != b"0" else b"1")
    cases = {
        "no headers": [],
        "no timestamp": [signature_line],
        "no signature": [stamp_line],
        "unsigned": [stamp_line, ("X-AgentMail-Unsigned", b"1")],
        "another secret": signed(stamp, MAIL, "another secret"),
        "an hour old": signed(stamp - 3600, MAIL),
        "an hour ahead": signed(stamp + 3600, MAIL),
        "another timestamp": [(TIMESTAMP, str(stamp - 1).encode()), signature_line],
        "another last digit": [stamp_line, (SIGNATURE, flipped)],
        "one digit short": [stamp_line, (SIGNATURE, signature[:-1])],
        "empty signature": [stamp_line, (SIGNATURE, b"")],
        "empty v1": [stamp_line, (SIGNATURE, b"v1=")],
        "no scheme": [stamp_line, (SIGNATURE, signature[3:])],
        "sha256=": [stamp_line, (SIGNATURE, b"sha256=" + signature[3:])],
        "obs-text signature": [stamp_line, (SIGNATURE, b"v1=\xff\xfe")],
        "obs-text timestamp": [(TIMESTAMP, b"\xc2\xb9"), signature_line],
        "a valid signature, then a wrong one": [stamp_line, signature_line, (SIGNATURE, b"v1=" + b"0" * 64)],
        "a wrong signature, then the valid one": [stamp_line, (SIGNATURE, b"v1=" + b"0" * 64), signature_line],
        "the signed timestamp, then another": [stamp_line, (TIMESTAMP, b"1"), signature_line],
        "another timestamp, then the signed one": [(TIMESTAMP, b"1"), stamp_line, signature_line],
        "9 items": [stamp_line, (SIGNATURE, b"v2=x," * 8 + signature)],
        "a malformed v1 after a valid one": [stamp_line, (SIGNATURE, signature + b",v1=00")],
    }
    # Each of these has a valid signature over its own bytes.
    for text in [f"+{stamp}", f"-{stamp}", f"0{stamp}", f"{stamp}.0", f"{stamp}abc", f"{stamp}000", "1.7e9", "NaN",
                 "0x65", "1_7", "-9223372036854775808", str(2**63), str(2**64 + stamp), "1" * 400,
                 "".join(chr(ord(digit) + 0xFEE0) for digit in str(stamp))]:
        cases[f"timestamp {text[:24]}"] = [(TIMESTAMP, text.encode()), (SIGNATURE, sign(text, MAIL).encode())]
    for name, headers in cases.items():
        check(name, receiver.post(headers, MAIL), (403, b""))

    shifted = [(TIMESTAMP, f"{stamp}.1".encode()), (SIGNATURE, sign(stamp, b"1.{}").encode())]
    check("a dot moved between timestamp and body", receiver.post(shifted, b"{}"), (403, b""))

    for name, body in [("empty", b""), ("not JSON", b"x"), ("not UTF-8", b"\xff"), ("a BOM", b"\xef\xbb\xbf" + MAIL),
                       ("an array", b'["mail.received","a","m"]'), ("no ids", b'{"type":"mail.received"}')]:
        check(f"authentic, but {name}", receiver.post(signed(now(), body), body), (422, b""))


def limits_hold(receiver):
    full = MAIL[:-1] + b',"x":"' + b"x" * (LIMIT - len(MAIL) - 7) + b'"}'
    check("a body of exactly the limit", receiver.post(signed(now(), full), full), (200, b""))
    before = receiver.peak_kib()

    for length in (LIMIT + 1, 10 << 30, 2**63):
        request = head(signed(now(), MAIL), length)
        check(f"Content-Length {length}, nothing sent", receiver.exchange(request), (413, b""))

    # 64 connections declare 256 KiB each, and send one byte.
    waiting = [receiver.connect() for _ in range(64)]
    for connection in waiting:
        connection.sendall(head(signed(now(), MAIL), LIMIT) + b"{")
    # The response to an endless chunked body comes as soon as the limit is passed. After the response,
    # actix-http reads and discards what the client sends, and hyper closes the connection.
    sent = 0
    with receiver.connect() as connection:
        connection.sendall(head(signed(now(), MAIL) + [("Transfer-Encoding", b"chunked")]))
        try:
            while sent < 64 << 20 and not select.select([connection], [], [], 0)[0]:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
            status = int(connection.recv(12).split()[1])
        except (BrokenPipeError, ConnectionResetError):
            status = 413  # The server has closed the connection: the response is lost, and the body was not read.
    check(f"an endless body, of which {sent} bytes were sent", (status, sent < 64 << 20), (413, True))
    check("a genuine delivery in the meantime", receiver.post(signed(now(), MAIL), MAIL), (200, b""))

    grown = receiver.peak_kib() - before
    declared = 64 * LIMIT // 1024
    check(f"peak memory grew by {grown} KiB, {declared} KiB were declared", grown < declared // 4, True)
    print(f"  peak memory {before} KiB, and {grown} KiB more after declared lengths of {declared} KiB and 10 GiB")

    # The 64 connections have sent no more. Each gets 408 after the body timeout of ten seconds.
    check("stalled bodies", {read_response(connection)[0] for connection in waiting}, {408})
    for connection in waiting:
        connection.close()
    with receiver.connect() as connection:
        connection.sendall(head(signed(now(), MAIL), len(MAIL)) + MAIL[:10])
        connection.shutdown(socket.SHUT_WR)
        check("a body that breaks off", read_response(connection)[0] in (400, None), True)
    check("a genuine delivery afterwards", receiver.post(signed(now(), MAIL), MAIL), (200, b""))
    return 3


def statuses(responses):
    """Returns the statuses in a stream of responses, without 1xx."""
    return [int(line.split()[1]) for line in re.findall(rb"^HTTP/1\.[01] [2-5]\d\d[^\r]*", responses, re.MULTILINE)]


def unusual_requests_on_the_wire_are_safe(receiver):
    """Sends raw bytes. Each request gets the expected status or a closed connection, never 5xx or a hang."""

    def raw(headers, body=b"", more=(), connection=b"close"):
        lines = [f"POST {PATH} HTTP/1.1".encode(), b"Host: localhost", b"Connection: " + connection]
        lines += [name.encode() + b": " + value for name, value in headers] + list(more)
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def exchange(pieces, half_close=False, pause=0.002):
        with receiver.connect() as connection:
            connection.settimeout(20)
            responses = b""
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    responses += piece
            except TimeoutError:
                return ["hangs"], responses
            except OSError:
                pass  # The server has closed the connection.
        return statuses(responses), responses

    def chunks(body, size=7):
        parts = [body[i:i + size] for i in range(0, len(body), size)]
        return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)

    count = 0
    genuine = lambda **more: raw(signed(now(), MAIL), MAIL, [b"Content-Length: %d" % len(MAIL)], **more)
    forged = lambda **more: raw(signed(now(), MAIL, "another secret"), MAIL, [b"Content-Length: %d" % len(MAIL)], **more)
    chunked = lambda body, *more: raw(signed(now(), MAIL), body, [b"Transfer-Encoding: chunked", *more])

    # Well-formed requests must get exactly these statuses.
    whole = genuine()
    for name, pieces, expected, handled in [
        ("byte by byte", [whole[i:i + 1] for i in range(len(whole))], [200], 1),
        ("cut within the head", [whole[:60], whole[60:]], [200], 1),
        ("cut before the body", [whole[:-len(MAIL)], whole[-len(MAIL):]], [200], 1),
        ("two in one write", [genuine(connection=b"keep-alive") + genuine()], [200, 200], 2),
        ("a genuine delivery after a forged one", [forged(connection=b"keep-alive") + genuine()], [403, 200], 1),
        ("a forged delivery after a genuine one", [genuine(connection=b"keep-alive") + forged()], [200, 403], 1),
        ("chunked", [chunked(chunks(MAIL) + b"0\r\n\r\n")], [200], 1),
        ("chunked, with an extension", [chunked(b"%x;name=value\r\n%s\r\n0\r\n\r\n" % (len(MAIL), MAIL))], [200], 1),
        ("chunked, with trailers", [chunked(chunks(MAIL) + b"0\r\nX-AgentMail-Unsigned: 1\r\n\r\n", b"Trailer: X-AgentMail-Unsigned")], [200], 1),
        ("chunked, signed in the trailers only", [raw([], chunks(MAIL) + b"0\r\n" + b"".join(
            name.encode() + b": " + value + b"\r\n" for name, value in signed(now(), MAIL)) + b"\r\n", [b"Transfer-Encoding: chunked"])], [403], 0),
        ("chunked and forged", [raw(signed(now(), MAIL, "another secret"), chunks(MAIL) + b"0\r\n\r\n", [b"Transfer-Encoding: chunked"])], [403], 0),
        ("an unsigned GET", [f"GET {PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()], None, 0),
    ]:
        seen, _ = exchange(pieces, pause=0.0005)
        wanted = seen if expected is None and seen and seen[0] in (403, 404, 405) else expected
        check(f"wire: {name}", seen, wanted)
        count += handled

    check("wire: half-closed after the body", exchange([forged()], half_close=True)[0] in ([403], []), True)
    seen, responses = exchange([genuine().replace(b"Host:", b"Expect: 100-continue\r\nHost:", 1)])
    check("wire: Expect: 100-continue", (seen, b" 100 " in responses), ([200], True))
    count += 1
    expecting = raw([], b"", [b"Expect: 100-continue", b"Content-Length: 100"])
    # actix-http always requests the body. hyper requests it when it is read, and here it is not read.
    check("wire: Expect: 100-continue, unsigned", exchange([expecting])[0], [403])

    # For malformed requests, the server may respond itself or close the connection. It must accept the next
    # request.
    broken = {
        "a chunk size that is not a number": chunked(b"zz\r\n{}\r\n0\r\n\r\n"),
        "a negative chunk size": chunked(b"-2\r\n{}\r\n0\r\n\r\n"),
        "a chunk size beyond 64 bits": chunked(b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        "a chunk without its end": chunked(b"2\r\n{}X\r\n0\r\n\r\n"),
        "Content-Length twice": raw(signed(now(), MAIL), MAIL, [b"Content-Length: 2", b"Content-Length: %d" % len(MAIL)]),
        "a negative Content-Length": raw(signed(now(), MAIL), MAIL, [b"Content-Length: -1"]),
        "Content-Length and chunked": raw([], chunks(MAIL) + b"0\r\n\r\n", [b"Content-Length: 3", b"Transfer-Encoding: chunked"]),
        "a header without a colon": raw(signed(now(), MAIL), MAIL, [b"nonsense"]),
        "a folded signature": raw([signed(now(), MAIL)[0]], MAIL, [b"X-AgentMail-Signature:", b" " + signed(now(), MAIL)[1][1]]),
        "a zero byte in the signature": raw([(SIGNATURE, b"v1=\x00"), (TIMESTAMP, b"1")], MAIL),
        "a header of 1 MiB": raw([("X", b"x" * (1 << 20))]),
        "10,000 headers": raw([("X", b"x")] * 10_000),
        "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
        "an empty line": b"\r\n\r\n",
    }
    for name, request in broken.items():
        seen, _ = exchange([request], half_close=True)
        refused = all(status in (400, 403, 413, 422, 431) for status in seen if status != "hangs") and "hangs" not in seen
        check(f"wire: {name}: {seen}", refused, True)
        check(f"wire: a genuine delivery after {name}", receiver.post(signed(now(), MAIL), MAIL), (200, b""))
        count += 1
    half = genuine()[:-5]
    check("wire: half-closed within the body", exchange([half], half_close=True)[0] in ([400], []), True)
    check("wire: a genuine delivery after that", receiver.post(signed(now(), MAIL), MAIL), (200, b""))
    return count + 1


def a_wrong_secret_is_reported_in_one_sentence(binary):
    for secret, sentence in [(None, "Error: WEBHOOK_SIGNING_SECRET: the environment variable is not set"),
                             ("secret\n", "Error: WEBHOOK_SIGNING_SECRET: the signing secret has whitespace")]:
        environment = {name: value for name, value in os.environ.items() if name != "WEBHOOK_SIGNING_SECRET"}
        if secret is not None:
            environment["WEBHOOK_SIGNING_SECRET"] = secret
        run = subprocess.run([binary], env=environment, capture_output=True, text=True, timeout=60)
        outcome = (run.returncode, run.stdout, run.stderr.startswith(sentence), run.stderr.count("\n"))
        check(f"started with {secret!r}", outcome, (1, "", True, 1))


def main(binaries):
    for binary in binaries:
        name = os.path.basename(binary)
        print(f"{name}:")
        a_wrong_secret_is_reported_in_one_sentence(binary)
        receiver = Receiver(binary)
        try:
            count = independent_tools_are_accepted(receiver)
            tampering_is_refused(receiver)
            count += unusual_requests_on_the_wire_are_safe(receiver)
            count += limits_hold(receiver)
            check("GET /handled", receiver.handled(), count)
        finally:
            status = receiver.stop()
        check("exit status on SIGTERM", status, 0)
        log = "".join(receiver.log)
        for code in ["missing_signature", "missing_timestamp", "unsigned", "duplicate_signature", "duplicate_timestamp",
                     "malformed_signature", "malformed_timestamp", "unsupported_scheme", "stale", "too_far_ahead",
                     "mismatch", "body_too_large", "body_timeout", "malformed_json", "unexpected_payload"]:
            check(f"{code} in the log", f'code="{code}"' in log, True)
        for never in [SECRET, "S\u00e9ance"]:
            check(f"{never} in the log", never in log, False)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures or not binaries else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
