#!/usr/bin/env python3
"""Checks that a receiver in Flask, which follows the guide's rule, accepts deliveries of the simulator.

Usage: scripts/flask_receiver.py FOLDER    a folder with the simulator, such as target/debug

The receiver is the dozen lines of RECEIVER. It must respond with 200 to a delivery, and with 403 to each fault that
its verification can detect. Installs Flask with pip, in a folder of its own.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import venv

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"))

RECEIVER = '''
import hashlib, hmac, os, time
from flask import Flask, request
app = Flask(__name__)

@app.post("/agentmail/webhook")
def webhook():
    timestamp = request.headers.get("X-AgentMail-Timestamp", "")
    signed = timestamp.encode() + b"." + request.get_data()
    secret = os.environ["WEBHOOK_SIGNING_SECRET"].encode()
    expected = "v1=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()
    fresh = timestamp.isdigit() and abs(time.time() - int(timestamp)) <= 300
    genuine = hmac.compare_digest(expected, request.headers.get("X-AgentMail-Signature", ""))
    return ("", 200) if fresh and genuine else ("", 403)

app.run(port=0)
'''

# The fault, and the responses that an attempt with it must get.
FAULTS = {
    "forged": [403], "stale": [403], "future": [403], "unsigned": [403], "truncated": [403], "old_secret": [403],
    "recoded_body": [403], "replayed": [200, 200], "duplicated": [200, 200], "reordered": [200], "oversized": [200],
    "wrong_agent_id": [200], "field_type": [200],
}


def install():
    python = os.path.join(TARGET, "flask", "bin", "python")
    if not os.path.exists(python):
        venv.create(os.path.join(TARGET, "flask"), with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "flask==3.1.2"], check=True)
    return python


def line_with(process, pattern):
    """Reads lines until one has the pattern, and returns its first group."""
    while line := process.stdout.readline():
        if found := re.search(pattern, line):
            return found[1]
    sys.exit(f"{process.args[0]} has ended")


def call(url, method="GET", body=None):
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data, headers, method=method), timeout=70) as response:
        return json.loads(response.read() or "null")


def main(folder):
    python = install()
    simulator = subprocess.Popen(
        [os.path.join(folder, "agentmail-simulator"), "--listen", "127.0.0.1:0", "--agent", "my-agent=token",
         "--attempts", "1"], stdout=subprocess.PIPE, text=True)
    flask = None
    try:
        api = line_with(simulator, r"listens at (http://\S+)")
        secret = call(f"{api}/webhook", "PUT", {"url": "http://127.0.0.1:9/"})["signing_secret"]
        flask = subprocess.Popen([python, "-c", RECEIVER], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 env={**os.environ, "WEBHOOK_SIGNING_SECRET": secret})
        call(f"{api}/webhook", "PUT", {"url": line_with(flask, r"(http://127\.0\.0\.1:\d+)") + "/agentmail/webhook"})
        failed = 0
        for fault, expected in [(None, [200]), *FAULTS.items(), (None, [200])]:
            call(f"{api}/faults", "DELETE")
            if fault:
                call(f"{api}/faults", "PUT", {"fault": fault})
            mail = call(f"{api}/inbound", "POST", {"from": "user@example.com", "subject": "Séance"})
            call(f"{api}/readyz?wait=60s")
            delivery = call(f"{api}/deliveries/latest?message_id={mail['message_id']}")
            statuses = [exchange["response"]["status"] for exchange in delivery["attempts"][0]["exchanges"]]
            print(f"{fault or 'no fault':16} {statuses}")
            failed += statuses != expected
        sys.exit(f"{failed} failed" if failed else None)
    finally:
        for process in filter(None, [simulator, flask]):
            process.kill()
            process.wait()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
