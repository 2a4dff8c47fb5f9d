#!/usr/bin/env python3
"""Checks that a refusal reaches a client that is still sending, also through nginx with its default settings.

Usage: scripts/nginx.py [--times N] BINARY...

Each case is tried N times, by default 30.

A server that responds and closes the connection while a body arrives resets the connection. The reset can overtake
the response, and nginx then reports 502. Each BINARY is started on a free port, with nginx in front of it.
"""

import collections
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time

import receivers
from once import free_port
from receivers import LIMIT, MAIL, PATH, Receiver, check, head, now, signed, statuses

KIB = 1024


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@contextlib.contextmanager
def nginx_before(port):
    """Starts nginx with its default settings, and yields its port."""
    with tempfile.TemporaryDirectory() as folder:
        own = free_port()
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};"
                             for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{folder}/conf", "w") as conf:
            conf.write(f"""daemon off; {"user root;" if os.getuid() == 0 else ""} pid {folder}/pid;
events {{}}
http {{ access_log off; {temporary}
  server {{ listen 127.0.0.1:{own}; location / {{ proxy_pass http://127.0.0.1:{port}; }} }} }}""")
        process = subprocess.Popen(["nginx", "-c", f"{folder}/conf", "-e", f"{folder}/log"])
        try:
            while not listens(own):
                assert process.poll() is None, "nginx has ended"
                time.sleep(0.05)
            yield own
        finally:
            process.terminate()
            process.wait()


def post(port, headers, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", PATH, body, {name: value.decode() for name, value in headers})
        return connection.getresponse().status
    except ConnectionError:
        return "no response"
    finally:
        connection.close()


def refusals_arrive_through_nginx(name, port, times):
    for kib in (100, 200, 255, 300, 500, 900, 1023):
        body = b"x" * (kib * KIB)
        too_long = len(body) > LIMIT
        for case, headers, status in [
            ("genuine, but too long", signed(now(), body), 413 if too_long else 422),
            ("unsigned", [], 403),
            ("an hour old", signed(now() - 3600, body), 403),
            ("signed with another secret", signed(now(), body, "another secret"), 413 if too_long else 403),
        ]:
            seen = collections.Counter(post(port, headers, body) for _ in range(times))
            check(f"{name}: {kib} KiB, {case}", seen, {status: times})


def what_cannot_be_read_in_time_costs_nothing(name, receiver):
    def exchange(request):
        started = time.monotonic()
        with receiver.connect() as connection:
            connection.sendall(request)
            response = b""
            # Until the status, not until the end: actix-http waits for the rest after it has responded.
            while not statuses(response):
                response += connection.recv(KIB)
        return statuses(response)[0], time.monotonic() - started

    before = receiver.peak_kib()
    for case, request, limit in [
        ("a stalled body", head([], 100 * KIB) + b"x", 5),
        ("a stalled chunked body", head([("Transfer-Encoding", b"chunked")]) + b"1\r\nx\r\n", 5),
        ("Expect: 100-continue", head([("Expect", b"100-continue")], 100 * KIB), 5),
        ("10 GiB declared", head(signed(now(), MAIL), 10 << 30) + b"x" * 1000, 5),
    ]:
        seen = [exchange(request) for _ in range(3)]
        slowest = max(time for _, time in seen)
        print(f"  {case}: {slowest * 1000:.0f} ms")
        expected = 413 if "declared" in case else 403
        # The response comes long before the body timeout of 10 seconds, which would be 408.
        check(f"{name}: {case}", ({status for status, _ in seen}, slowest < limit), ({expected}, True))
    grown = receiver.peak_kib() - before
    check(f"{name}: peak memory grew by {grown} KiB", grown < 1024, True)


def main(arguments):
    times, binaries = 30, arguments
    if arguments[:1] == ["--times"]:
        times, binaries = int(arguments[1]), arguments[2:]
    for binary in binaries:
        name = os.path.basename(binary)
        print(f"{name}:")
        receiver = Receiver(binary)
        try:
            with nginx_before(receiver.port) as port:
                check(f"{name}: genuine", post(port, signed(now(), MAIL), MAIL), 200)
                refusals_arrive_through_nginx(name, port, times)
            what_cannot_be_read_in_time_costs_nothing(name, receiver)
        finally:
            receiver.stop()
    print(f"{receivers.passed} passed, {len(receivers.failures)} failed")
    return 1 if receivers.failures or not binaries else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
