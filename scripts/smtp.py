#!/usr/bin/env python3
"""Runs the commands of the section "Mail by SMTP" in docs/simulator.md.

Usage: scripts/smtp.py FOLDER    a folder with the programs, such as target/debug

The ports are free ones. The mails of Python's smtplib and of curl must arrive in the log of a receiver, as typed
events. A recipient that is no agent must be refused.
"""

import json
import os
import re
import smtplib
import subprocess
import sys
import tempfile
import urllib.request

from simulator import ROOT, free_port

SECTION = "## Mail by SMTP"


def blocks():
    with open(os.path.join(ROOT, "docs", "simulator.md"), encoding="utf-8") as page:
        section = page.read().split(f"\n{SECTION}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def call(url, method="GET", body=None):
    headers = {"authorization": "Bearer token", "content-type": "application/json"}
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=70) as response:
        return json.load(response)


def refused_recipient(port):
    with smtplib.SMTP("127.0.0.1", port) as server:
        try:
            server.sendmail("user@example.com", ["nobody@localhost"], "From: a@b.c\r\n\r\n")
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients["nobody@localhost"][0]
    return None


def main(folder):
    programs = os.path.realpath(folder)
    api, smtp, endpoint = free_port(), free_port(), free_port()
    start, *mails = blocks()
    assert "--smtp 127.0.0.1:2525" in start and len(mails) == 2, "the commands of the page have changed"
    start = start.replace("cargo run -p agentmail-simulator --",
                          f"exec {programs}/agentmail-simulator --listen 127.0.0.1:{api} --agent my-agent=token")
    with tempfile.TemporaryDirectory() as folder:
        processes = []

        def run(command, **more):
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, **more))
            return processes[-1]

        try:
            simulator = run(["bash", "-c", start.replace(":2525", f":{smtp}")])
            assert "listens at" in simulator.stdout.readline(), "the simulator has ended"
            url = f"http://127.0.0.1:{api}"
            secret = call(f"{url}/webhook", "PUT", {"url": f"http://127.0.0.1:{endpoint}/agentmail/webhook"})
            environment = dict(os.environ, WEBHOOK_SIGNING_SECRET=secret["signing_secret"],
                               LISTEN=f"127.0.0.1:{endpoint}")
            receiver = run([f"{programs}/axum_layer"], env=environment)
            while "listening" not in (line := receiver.stdout.readline()):
                assert line, "the receiver has ended"
            for mail in mails:
                subprocess.run(["bash", "-euc", mail.replace("2525", str(smtp))], cwd=folder, check=True, timeout=30)
            call(f"{url}/readyz?wait=30s")
            deliveries = call(f"{url}/deliveries/overview")["deliveries"]
            code = refused_recipient(smtp)
        finally:
            for process in processes:
                process.terminate()
        log = receiver.stdout.read()
    print(log)
    results = [(it["subject"], it["state"], it["status"]) for it in reversed(deliveries)]
    print(*results, sep="\n")
    failed = [name for name, passed in [
        ("both mails are delivered with 200", results == [("From Python", "delivered", 200),
                                                          ("From curl", "delivered", 200)]),
        ("the receiver's log: two mails", log.count("mail received") == 2),
        ("550 for a recipient that is no agent", code == 550),
    ] if not passed]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
