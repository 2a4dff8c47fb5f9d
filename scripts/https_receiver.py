#!/usr/bin/env python3
"""Checks that the simulator delivers to an HTTPS endpoint, and only to one whose certificate is valid.

Usage: scripts/https_receiver.py FOLDER    a folder with the simulator, such as target/debug

Creates a certificate authority with openssl, which the simulator trusts by SSL_CERT_FILE, and certificates of it for
`localhost` and for another name, and one of no authority. The receiver is Python's http.server.
"""

import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    """Returns the certificate and key of each receiver. The file `ca.pem` is the authority."""
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl(folder, *new, "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
    found = {}
    for name, host, issuer in [("valid", "localhost", ["-CA", "ca.pem", "-CAkey", "ca.key"]),
                               ("another name", "example.com", ["-CA", "ca.pem", "-CAkey", "ca.key"]),
                               ("no authority", "localhost", [])]:
        file = name.replace(" ", "-")
        openssl(folder, *new, *issuer, "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
                "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", f"{file}.key", "-out", f"{file}.pem")
        found[name] = (os.path.join(folder, f"{file}.pem"), os.path.join(folder, f"{file}.key"))
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def receiver(certificate, key):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # A handshake that fails is part of the check.
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def call(base, method, path, body=None):
    request = urllib.request.Request(base + path, method=method, data=body and json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json", "Authorization": "Bearer token"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
        return json.load(response)


def main(programs):
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        found = certificates(folder)
        environment = dict(os.environ, SSL_CERT_FILE=os.path.join(folder, "ca.pem"))
        environment.pop("SSL_CERT_DIR", None)
        simulator = subprocess.Popen(
            [os.path.join(programs, "agentmail-simulator"), "--listen", "127.0.0.1:0", "--agent", "my-agent=token",
             "--attempts", "1"], env=environment, stdout=subprocess.PIPE, text=True)
        try:
            base = next(match[1] for line in simulator.stdout if (match := re.search(r"listens at (http://\S+)", line)))
            threading.Thread(target=simulator.stdout.read, daemon=True).start()
            for name, (certificate, key) in found.items():
                url = f"https://localhost:{receiver(certificate, key)}/agentmail/webhook"
                call(base, "PUT", "/webhook", {"url": url, "enabled": True})
                state = "delivered" if name == "valid" else "dead"
                mail = call(base, "POST", "/inbound", {"from": "user@example.com"})
                path = f"/deliveries/latest?message_id={mail['message_id']}&state={state}&wait=30s"
                delivery = call(base, "GET", path)
                right = delivery["state"] == state and "certificate" in (delivery["reason"] or "certificate")
                failed |= not right
                print(f"{name:14} {delivery['reason'] or state}{'' if right else '   FAILED'}")
        finally:
            simulator.kill()
            simulator.wait()
    return failed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
