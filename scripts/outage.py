#!/usr/bin/env python3
"""Runs the commands of docs/after-an-outage.md against a receiver whose service was down and that has missed two mails.

Usage: scripts/outage.py FOLDER    the folder of `transactional_inbox` and `agentmail-webhook`
"""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

SECRET = "whsec_of_outage_py"

programs = os.path.abspath(sys.argv[1])
os.chdir(os.path.join(os.path.dirname(__file__), ".."))
with open("docs/after-an-outage.md") as guide:
    install, reconcile, look, redrive, make_due = re.findall(r"^```sh\n(.*?)^```", guide.read(), re.DOTALL | re.MULTILINE)
assert install == "cargo install --path agentmail-cli\n", install


def mail(message_id):
    return json.dumps({"type": "mail.received", "agent_id": "my-agent", "message_id": message_id, "subject": "s"})


def send(url, body):
    timestamp = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-AgentMail-Timestamp": timestamp, "X-AgentMail-Signature": f"v1={signature}"}
    request = urllib.request.Request(url + "/agentmail/webhook", body.encode(), headers)
    assert urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).status == 200


def start(folder, **variables):
    """Starts a receiver. Returns the process and its URL."""
    environment = dict(os.environ, WEBHOOK_SIGNING_SECRET=SECRET, LISTEN="127.0.0.1:0", INBOX="inbox.db", **variables)
    environment.pop("RUST_LOG", None)
    receiver = subprocess.Popen([os.path.join(programs, "transactional_inbox")], cwd=folder, env=environment,
                                stdout=subprocess.PIPE, text=True)
    return receiver, re.search(r"http://\S+", receiver.stdout.readline())[0]


def run(folder, snippet):
    """Runs the commands of a snippet in a folder."""
    environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}", USER="ann")
    return subprocess.run(["bash", "-euc", snippet], cwd=folder, capture_output=True, text=True, env=environment)


def waits_for(folder, text):
    """Waits until the commands that count and list print a text."""
    while text not in (printed := run(folder, look).stdout):
        time.sleep(0.05)
    return printed


taken = ["msg-1", "msg-2", 'a "quoted" | one,\n with a line end', "säkerhet"]
missed = ["msg-3", "another\tone"]
with tempfile.TemporaryDirectory() as folder:
    # Each attempt fails: a service that the work needs is down.
    receiver, url = start(folder, ATTEMPTS="1", FAIL_FIRST="1000")
    try:
        for message_id in taken:
            send(url, mail(message_id))
        listed = waits_for(folder, "dead: 4\n")
        assert listed.count("FAIL_FIRST asks for it") == 4 and '"msg-2"' in listed, listed

        # The service is back. The operator acts while the receiver runs.
        receiver.terminate()
        receiver.wait()
        receiver, url = start(folder)
        redriven = run(folder, redrive)
        assert (redriven.returncode, redriven.stdout) == (0, "redriven: 4\n"), redriven
        waits_for(folder, "done: 4\n")
        due = run(folder, make_due)
        assert (due.returncode, due.stdout) == (0, "redriven: 0\n"), due

        queue = [mail(message_id) for message_id in missed + taken[1:] + missed]
        with open(os.path.join(folder, "dlq.jsonl"), "w") as file:
            file.writelines(line + "\n" for line in queue + ["not JSON"])
        found = run(folder, reconcile)
        lines = [int(line.split(":")[0].removeprefix("line ")) for line in found.stdout.splitlines()]
        assert found.returncode == 1 and sorted(lines) == [1, 2, 6, 7, 8], found
        assert "line 8: unreadable" in found.stdout and found.stdout.count(": missing: mail.received") == 4, found
        for message_id in missed:
            send(url, mail(message_id))
        with open(os.path.join(folder, "dlq.jsonl"), "w") as file:
            file.writelines(line + "\n" for line in queue)
        found = run(folder, reconcile)
        assert (found.returncode, found.stdout) == (0, ""), found
    finally:
        receiver.terminate()
        receiver.wait()
print(f"redrove {len(taken)} messages, and found the {len(missed)} missed mails")
