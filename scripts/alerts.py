#!/usr/bin/env python3
"""Provokes the alerts of docs/alerts in real receivers, which Prometheus scrapes, and draws the dashboard.

Usage: scripts/alerts.py FOLDER [--draw]    a folder with the programs, such as target/debug. Takes 6 minutes.

Both receivers of examples/metrics run at once, each with its own simulator as the sender and its own Prometheus
(Debian's, unpacked by scripts/prometheus). Each interval of the rules is shorter, see SHORTER; a second of the run is
40 of the rules. First, traffic is healthy for the equivalent of an hour, and no alert may fire. Then each condition is
provoked, its alert must fire within the time that LIMIT allows, and stop after the condition has ended. With --draw, the
data of the first receiver becomes docs/dashboard.svg.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import dashboard

ROOT = dashboard.ROOT
TOKEN = "alerts"
RECEIVERS = ["metrics_axum", "metrics_actix"]
# The intervals of the rules, and what they are here. A minute is 1.5 seconds, and an hour is 90.
SHORTER = {"[10m]": "[15s]", "[5m]": "[8s]", "offset 10m": "offset 15s", "for: 1m": "for: 1500ms", "for: 5m": "for: 8s",
           "> 3600": "> 90", "> 300": "> 8"}
HEALTHY = 90
# An alert fires within its window, its `for`, and these seconds for scrapes and evaluations.
LIMIT = 10
# Mails per second.
RATE = 4


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def until(what, condition, seconds):
    """Returns after how many seconds the condition was true."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - started


def request(port, method, path, body=None, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    return response.status, response.read()


class Run:
    def __init__(self, receiver, programs, prometheus, folder, processes):
        self.receiver, self.folder, self.processes = receiver, folder, processes
        self.simulator, self.port, self.metrics, self.prometheus = (free_port() for _ in range(4))
        self.fault_file = os.path.join(folder, "fault")
        self.sending, self.failed = threading.Event(), []
        self.start(os.path.join(programs, "agentmail-simulator"), "--listen", f"127.0.0.1:{self.simulator}", "--agent",
                   f"my-agent={TOKEN}", "--attempts", "2", "--first-pause", "500ms", "--timeout", "15s", RUST_LOG="warn")
        self.listens(self.simulator)
        url = f"http://127.0.0.1:{self.port}/agentmail/webhook"
        self.secret = self.api("PUT", "/webhook", {"url": url, "enabled": True})["signing_secret"]
        self.process = self.start(
            os.path.join(programs, receiver), WEBHOOK_SIGNING_SECRET=self.secret, LISTEN=f"127.0.0.1:{self.port}",
            METRICS=f"127.0.0.1:{self.metrics}", INBOX=os.path.join(folder, "inbox.db"), FAULT=self.fault_file,
            ATTEMPTS="1", SAMPLE_INTERVAL="250", RUST_LOG="off")
        self.listens(self.port)
        with open(dashboard.RULES, encoding="utf-8") as rules:
            text = rules.read()
        for interval, shorter in SHORTER.items():
            assert interval in text, interval
            text = text.replace(interval, shorter)
        left = re.findall(r"\[\d+m\]|offset \d+m\b|for: \d+m\b", text)
        assert not left, f"not shortened: {left}"
        with open(os.path.join(folder, "rules.yml"), "w", encoding="utf-8") as rules:
            rules.write(text)
        with open(os.path.join(folder, "prometheus.yml"), "w", encoding="utf-8") as config:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yml"],
                       "scrape_configs": [{"job_name": "agentmail",
                                           "static_configs": [{"targets": [f"127.0.0.1:{self.metrics}"]}]}]}, config)
        self.start(os.path.join(prometheus, "prometheus"), f"--config.file={folder}/prometheus.yml",
                   f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.prometheus}",
                   "--log.level=error")
        self.listens(self.prometheus)
        until("Prometheus is ready", lambda: request(self.prometheus, "GET", "/-/ready")[0] == 200, 60)
        threading.Thread(target=self.send, daemon=True).start()

    def start(self, *command, **variables):
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def listens(self, port):
        def connects():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                return True
        until(f"port {port} listens", connects, 60)

    def api(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        status, body = request(self.simulator, method, path, json.dumps(body) if body is not None else None, headers)
        assert status < 300, f"{method} {path}: {status}, {body}"
        return json.loads(body or "null")

    def send(self):
        """Sends mails while `sending` is set."""
        number = 0
        while True:
            self.sending.wait()
            number += 1
            mail = {"from": "user@example.com", "subject": f"Mail {number}", "text": "Hello"}
            with contextlib.suppress(AssertionError, OSError):  # the simulator may be full in an outage
                self.api("POST", "/inbound", mail)
            if number % 3 == 0:  # a scanner, as any receiver has
                with contextlib.suppress(OSError):
                    request(self.port, "POST", f"/agentmail/webhook?{number}", "x")
            time.sleep(1 / RATE)

    def query(self, path, **parameters):
        status, body = request(self.prometheus, "GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        assert status == 200, body
        return json.loads(body)["data"]

    def firing(self):
        alerts = self.query("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def say(self, text):
        print(f"{self.receiver}: {text}", flush=True)

    def healthy(self):
        self.sending.set()
        started, fired = time.monotonic(), set()
        while time.monotonic() - started < HEALTHY:
            fired |= self.firing()
            time.sleep(0.5)
        count = self.query("query", query='sum(agentmail_deliveries_total{code="accepted"})')["result"][0]["value"][1]
        assert int(count) > HEALTHY * RATE / 2, f"only {count} deliveries were accepted"
        assert not fired, f"healthy traffic fires {fired}"
        self.say(f"{count} deliveries in {HEALTHY} s, an hour of the rules: nothing fires")

    def provoked(self, alert, window, begin, end):
        """Provokes an alert. `window` is the time that the rule needs to see the condition, in seconds."""
        assert alert not in self.firing(), f"{alert} fires before it is provoked"
        begin()
        seconds = until(f"{alert} fires", lambda: alert in self.firing(), window + LIMIT)
        self.say(f"{alert} fires after {seconds:.0f} s, of {window + LIMIT} s allowed")
        end()
        until(f"{alert} ends", lambda: not self.firing(), 60)

    def fault(self, name, probability):
        return lambda: self.api("PUT", "/faults", {"fault": name, "probability": probability, "seed": 7})

    def work(self, fault):
        def write():
            with open(self.fault_file, "w", encoding="utf-8") as file:
                file.write(fault)
        return write

    def sign(self, age):
        """Sends a delivery that was signed some seconds ago."""
        mail = {"type": "mail.received", "agent_id": "my-agent", "message_id": f"late-{time.monotonic()}"}
        body, at = json.dumps(mail), str(int(time.time()) - age)
        mac = hmac.new(self.secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-AgentMail-Timestamp": at, "X-AgentMail-Signature": f"v1={mac}"}
        assert request(self.port, "POST", "/agentmail/webhook", body, headers)[0] == 200

    def drift(self):
        self.sending.clear()  # the simulator has the time of this machine
        threading.Thread(target=lambda: [(self.sign(120), time.sleep(0.2)) for _ in range(100)], daemon=True).start()

    def lock(self):
        """Locks the database of the inbox, as a process that hangs would."""
        self.database = sqlite3.connect(os.path.join(self.folder, "inbox.db"), isolation_level=None,
                                        check_same_thread=False)
        self.database.execute("BEGIN IMMEDIATE")

    def unlock(self):
        self.database.execute("ROLLBACK")
        self.database.close()

    def alerts(self):
        nothing = lambda: self.api("DELETE", "/faults")
        self.healthy()
        self.provoked("AgentmailMismatchShare", 15, self.fault("forged", 0.3), nothing)
        self.provoked("AgentmailUnsigned", 15, self.fault("unsigned", 0.5), nothing)
        self.provoked("AgentmailStaleOrDrifting", 15, self.fault("stale", 0.5), nothing)
        self.provoked("AgentmailStaleOrDrifting", 15, self.drift, self.sending.set)
        self.provoked("AgentmailStoreTrouble", 8, self.lock, self.unlock)
        self.provoked("AgentmailBacklog", 12, self.work("hold"), self.work(""))
        self.provoked("AgentmailDeadLetters", 15, self.work("fail"), self.work(""))
        self.provoked("AgentmailAllRefused", 17, self.fault("forged", 1), nothing)
        self.provoked("AgentmailSilence", 92, self.sending.clear, self.sending.set)
        self.ended = time.time()
        self.absent()

    def absent(self):
        self.process.kill()
        seconds = until("AgentmailAbsent fires", lambda: "AgentmailAbsent" in self.firing(), 8 + LIMIT)
        self.say(f"AgentmailAbsent fires after {seconds:.0f} s, of {8 + LIMIT} s allowed")

    def safely(self):
        try:
            self.alerts()
        except Exception as fault:  # reported by the main thread
            self.failed.append(f"{self.receiver}: {fault!r}")


def main(folder, draw):
    programs = os.path.realpath(folder)
    prometheus = subprocess.run([os.path.join(ROOT, "scripts", "prometheus")], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
    processes = []
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in RECEIVERS]
        stack.callback(lambda: [(process.kill(), process.wait()) for process in processes])
        started = time.time()
        runs = [Run(receiver, programs, prometheus, files, processes) for receiver, files in zip(RECEIVERS, folders)]
        threads = [threading.Thread(target=run.safely) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failed = [fault for run in runs for fault in run.failed]
        if draw and not failed:
            import panels
            panels.draw(runs[0].query, started, runs[0].ended, os.path.join(ROOT, "docs", "dashboard.svg"))
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--draw"]):
        sys.exit(__doc__)
    main(sys.argv[1], len(sys.argv) == 3)
