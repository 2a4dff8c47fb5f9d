#!/usr/bin/env python3
"""Runs the commands of docs/after-an-outage.md that find missed mails, against an inbox that has missed two.

Usage: scripts/outage.py BINARY (`transactional_inbox`)
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

binary = os.path.abspath(sys.argv[1])
os.chdir(os.path.join(os.path.dirname(__file__), ".."))
with open("docs/after-an-outage.md") as guide:
    [snippet] = re.findall(r"^```sh\n(.*?)^```", guide.read(), re.DOTALL | re.MULTILINE)


def mail(message_id):
    return json.dumps({"type": "mail.received", "agent_id": "my-agent", "message_id": message_id, "subject": "s"})


def send(url, body):
    timestamp = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-AgentMail-Timestamp": timestamp, "X-AgentMail-Signature": f"v1={signature}"}
    request = urllib.request.Request(url + "/agentmail/webhook", body.encode(), headers)
    assert urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).status == 200


taken = ["msg-1", "msg-2", 'a "quoted" | one,\n with a line end', "säkerhet"]
missed = ["msg-3", "another\tone"]
with tempfile.TemporaryDirectory() as folder:
    environment = dict(os.environ, WEBHOOK_SIGNING_SECRET=SECRET, LISTEN="127.0.0.1:0", INBOX="inbox.db")
    environment.pop("RUST_LOG", None)
    receiver = subprocess.Popen([binary], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://\S+", receiver.stdout.readline())[0]
        for message_id in taken:
            send(url, mail(message_id))
        with open(os.path.join(folder, "dlq.jsonl"), "w") as queue:
            queue.writelines(mail(message_id) + "\n" for message_id in missed + taken[1:] + missed)
        # While the receiver runs, as an operator would.
        run = subprocess.run(["bash", "-euc", snippet], cwd=folder, capture_output=True, text=True)
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        assert run.returncode == 0 and sorted(lines) == sorted(["my-agent", each] for each in missed), run
    finally:
        receiver.terminate()
        receiver.wait()
print(f"found the {len(missed)} missed mails")
