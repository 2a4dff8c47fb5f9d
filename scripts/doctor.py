#!/usr/bin/env python3
"""Runs `agentmail-webhook doctor` against receivers that are well, and against receivers that are broken on purpose.

Usage: scripts/doctor.py CLI RECEIVER...

Each RECEIVER is an example receiver: the doctor must find no fault. Then the first RECEIVER is put behind proxies that
break it, and a receiver of Python has faults that a library does not have: the doctor must name each fault.
"""

import gzip
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECRET = "whsec_of_doctor_py"
PATH = "/agentmail/webhook"
ENVIRONMENT = {**os.environ, "WEBHOOK_SIGNING_SECRET": SECRET, "LISTEN": "127.0.0.1:0", "NO_COLOR": "1"}
failures = []
passed = 0


class Receiver:
    """An example receiver on a free port."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        while not (address := re.search(r"http://(127\.0\.0\.1:\d+)", line := self.process.stdout.readline())):
            assert line, f"{binary} has ended before it listened"
        self.address = address[1]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A doctor may close a connection before it has read the response."""


def serve(handler):
    """Serves on a free port of the loopback interface, and returns its address."""
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    """A receiver that checks in the order of the library, with one fault."""

    protocol_version = "HTTP/1.1"
    clock = 0
    limit = 256 * 1024
    forged = 403
    unverified = False

    def do_POST(self):
        status = self.judge()
        self.send_response(status)
        self.send_header("content-length", "0")
        self.send_header("connection", "close")
        self.end_headers()

    def do_GET(self):
        self.do_POST()

    def judge(self):
        if self.command != "POST":
            return 405
        timestamp, signature = self.headers.get("x-agentmail-timestamp"), self.headers.get("x-agentmail-signature")
        length = int(self.headers.get("content-length", 0))
        if self.unverified:
            self.rfile.read(length)
            return 200
        if not (timestamp and signature):
            return self.forged
        if abs(int(timestamp) - int(time.time() + self.clock)) > 300:
            return self.forged
        if length > self.limit:
            return 413
        if "100-continue" in self.headers.get("expect", ""):
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(length)
        expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest("v1=" + expected, signature):
            return self.forged
        try:
            json.loads(body)
        except ValueError:
            return 422
        return 200

    def handle_expect_100(self):
        # The checks of the head come first, as in the library.
        return True

    def log_message(self, *arguments):
        pass


def faulty(**fault):
    return serve(type("Faulty", (Handler,), fault))


def proxy(target, change_body=lambda body, headers: body, drops=(), redirects=False):
    """Serves a proxy that changes requests."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            if redirects:
                self.send_response(308)
                self.send_header("location", f"https://example.com{self.path}")
                self.send_header("content-length", "0")
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items()
                       if name.lower() not in ("host", "content-length", "expect", "connection", *drops)}
            body = change_body(body, headers)
            connection = http.client.HTTPConnection(target, timeout=20)
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            content = response.read()
            self.send_response(response.status)
            self.send_header("content-length", str(len(content)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *arguments):
            pass

    return serve(Proxy)


def parser(body, headers):
    """Parses JSON and writes it again, as a body parser does."""
    try:
        return json.dumps(json.loads(body), separators=(",", ":")).encode()
    except ValueError:
        return body


def gunzip(body, headers):
    """Decompresses a body, and removes the header that says so."""
    for name in list(headers):
        if name.lower() == "content-encoding":
            del headers[name]
            return gzip.decompress(body)
    return body


class Nginx:
    """nginx in front of a receiver."""

    def __init__(self, target, directives):
        self.folder = tempfile.mkdtemp(prefix="agentmail-doctor-")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        configuration = f"""
            daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;
            events {{}}
            http {{
              access_log off;
              client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
              fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
              server {{ listen {self.address}; {directives} location / {{ proxy_pass http://{target}; {{location}} }} }}
            }}""".replace("{location}", "")
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(configuration)
        self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", path], stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("nginx does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def doctor(address, *options, path=PATH):
    run = subprocess.run([CLI, "--json", "doctor", f"http://{address}{path}", *options], env=ENVIRONMENT,
                         capture_output=True, text=True, timeout=120)
    assert SECRET not in run.stdout + run.stderr, "the output contains the secret"
    checks = [json.loads(line) for line in run.stdout.splitlines()]
    return run.returncode, [check for check in checks if check["status"] == "fault"], checks


def check(name, right, found):
    global passed
    if right:
        passed += 1
        print(f"{name}: as expected")
    else:
        failures.append(name)
        print(f"FAILED {name}: {json.dumps(found, indent=1)}")


def well(name, address):
    for options in [(), ("--deliver",)]:
        code, faults, checks = doctor(address, *options)
        check(f"{name} {' '.join(options)}".strip(), code == 0 and not faults and len(checks) > 10, checks)


def broken(name, address, fault, text, *options, path=PATH, also=()):
    """The doctor must find this fault first, then the others in `also`, and no other."""
    code, faults, checks = doctor(address, *options, path=path)
    right = code == 1 and [each["check"] for each in faults] == [fault, *also] and text in faults[0]["detail"]
    check(name, right, checks)


def noted(name, address, note, text, *options):
    code, faults, checks = doctor(address, *options)
    notes = [each for each in checks if each["status"] == "note" and each["check"] == note]
    check(name, code == 0 and not faults and any(text in each["detail"] for each in notes), checks)


CLI, *binaries = sys.argv[1:]
receivers = [Receiver(binary) for binary in binaries]
servers = []
try:
    for binary, receiver in zip(binaries, receivers):
        well(os.path.basename(binary), receiver.address)
    target = receivers[0].address
    well("the receiver of Python", faulty())
    well("through a proxy", proxy(target))
    servers.append(Nginx(target, "client_max_body_size 2m;"))
    well("through nginx", servers[-1].address)

    broken("a path that redirects", proxy(target, redirects=True), "redirect", "308")
    broken("a path with a slash too many", target, "path", f"{target}{PATH}", path=PATH + "/")
    broken("a path without a receiver", target, "path", "no receiver", path="/nothing")
    broken("5xx on forged", faulty(forged=500), "forged", "500", also=("unsigned", "stale"))
    broken("a receiver that does not verify", faulty(unverified=True), "forged", "does not verify")
    broken("a clock that is ten minutes behind", faulty(clock=-600), "clock", "behind")
    broken("a clock that is ten minutes ahead", faulty(clock=600), "clock", "ahead of")
    broken("a clock in another time zone", faulty(clock=7200), "clock", "ahead of")
    servers.append(Nginx(target, "client_max_body_size 100k;"))
    broken("a body limit below ours, in nginx", servers[-1].address, "limit", "about 100 KiB")
    broken("a body limit below ours, in the receiver", faulty(limit=50_000), "limit", "about 48 KiB")
    broken("a proxy that drops the signature", proxy(target, drops=("x-agentmail-signature",)), "headers",
           "X-AgentMail-Signature")
    broken("a proxy that drops the timestamp", proxy(target, drops=("x-agentmail-timestamp",)), "headers",
           "X-AgentMail-Timestamp")
    broken("a body parser in front", proxy(target, parser), "genuine", "JavaScript writes", "--deliver")
    broken("decompression in front", proxy(target, gunzip), "decompression", "decompresses", "--deliver")
    # nginx compresses a response that has a body: that of the receiver of Python has none, that of this server has one.
    servers.append(Nginx(target, "client_max_body_size 2m; gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any; "
                                 "error_page 405 /page; location = /page { internal; default_type text/html; "
                                 "return 405 '%s'; } proxy_intercept_errors on;" % ("long " * 200)))
    noted("gzip in front, in nginx", servers[-1].address, "compression", "gzip")
    ENVIRONMENT["WEBHOOK_SIGNING_SECRET"] = SECRET + "x"
    broken("another secret", target, "genuine", "another secret", "--deliver")
finally:
    for each in receivers + servers:
        each.stop()
print(f"{passed} passed, {len(failures)} failed")
sys.exit(bool(failures))
