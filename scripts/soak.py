#!/usr/bin/env python3
"""Sends many mails through the simulator to two receivers that fail, and checks that none is lost.

Usage: scripts/soak.py [--mails N] [--seed N]    100,000 mails by default. Takes minutes.

- Each mail goes to two receivers, by two rules. A receiver gives 10 % of the deliveries 500, and 2 % no response.
- The simulator has faults too: forged, duplicated and connection_cut, with a seed.
- The receivers and the simulator (with --data) are killed and restarted during the run.

Then each mail that was accepted must have been handled by both receivers, or be a dead letter. After a redrive, all
must have been handled. The memory of the simulator must be flat. A second, shorter run with the same seed must have
the same fault in each attempt that both runs made.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"), "release")
TOKEN = "soak"
POSTERS = 4
FAULTS = {"forged": 0.02, "duplicated": 0.02, "connection_cut": 0.01}
# The memory of the simulator may be larger at the end than in the middle of the run by this factor.
FLAT = 1.2


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Process:
    """A program that listens on one port, and can be killed and started again."""

    def __init__(self, *command, **variables):
        self.command, self.environment = command, {**os.environ, **variables}
        self.kills = -1
        self.restart()

    def restart(self, pause=0):
        if self.kills >= 0:
            self.process.kill()
            self.process.wait()
            time.sleep(pause)
        self.kills += 1
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.DEVNULL)
        host, port = self.address()
        while True:
            assert self.process.poll() is None, f"{self.command[0]} has ended"
            try:
                return socket.create_connection((host, port)).close()
            except OSError:
                time.sleep(0.02)

    def memory(self):
        """Returns the resident memory in MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


class Receiver(Process):
    def __init__(self, folder, name, secret, seed):
        self.port = free_port()
        self.file = os.path.join(folder, name)
        super().__init__(os.path.join(TARGET, "flaky_receiver"), WEBHOOK_SIGNING_SECRET=secret, FAIL="10", HANG="2",
                         SEED=str(seed), HANDLED=self.file, LISTEN=f"127.0.0.1:{self.port}")

    def address(self):
        return "127.0.0.1", self.port

    def url(self):
        return f"http://127.0.0.1:{self.port}/agentmail/webhook"

    def handled(self):
        with open(self.file) as lines:
            return {line.strip() for line in lines}


class Simulator(Process):
    def __init__(self, folder):
        self.port = free_port()
        super().__init__(os.path.join(TARGET, "agentmail-simulator"), "--listen", f"127.0.0.1:{self.port}", "--agent",
                         f"my-agent={TOKEN}", "--data", os.path.join(folder, "simulator.db"), "--max", "3000",
                         "--max-pending", "2000", "--attempts", "8", "--first-pause", "50ms", "--longest-pause", "2s",
                         "--timeout", "1s", RUST_LOG="warn")

    def address(self):
        return "127.0.0.1", self.port

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, method, path, body=None, connection=None):
        """Returns the status and the body. Tries again while the simulator restarts."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        while True:
            try:
                connection = connection or self.connect()
                connection.request(method, path, json.dumps(body) if body is not None else None, headers)
                response = connection.getresponse()
                return response.status, json.loads(response.read() or "null")
            except (OSError, http.client.HTTPException):
                connection = None
                time.sleep(0.05)


class Run:
    """One run. `faults` has the fault of each attempt: (number of the mail, rule, attempt) -> name or None."""

    def __init__(self, mails, seed, kill):
        self.mails, self.seed, self.kill = mails, seed, kill
        self.accepted, self.faults, self.attempts, self.memory = {}, {}, 0, []
        self.left, self.lock, self.done = mails, threading.Lock(), False

    def run(self, folder):
        self.simulator = Simulator(folder)
        call = self.simulator.call
        _, webhook = call("PUT", "/webhook", {"url": "http://127.0.0.1:9/"})
        self.receivers = [Receiver(folder, name, webhook["signing_secret"], self.seed) for name in ("first", "second")]
        call("PUT", "/notifications", [
            {"id": f"rule-{number}", "channels": {"webhook": {"enabled": True, "url": receiver.url()}}}
            for number, receiver in enumerate(self.receivers)])
        for fault, probability in FAULTS.items():
            call("PUT", "/faults", {"fault": fault, "probability": probability, "seed": self.seed})
        threads = [threading.Thread(target=self.post, daemon=True) for _ in range(POSTERS)]
        threads.append(threading.Thread(target=self.follow, daemon=True))
        for thread in threads:
            thread.start()
        self.disturb(threads[:-1])
        while self.pending():
            self.show("settling")
            time.sleep(0.5)
        time.sleep(1)  # the last events
        self.done = True
        return self.check()

    def post(self):
        connection = self.simulator.connect()
        while True:
            with self.lock:
                if not self.left:
                    return
                self.left -= 1
            mail = {"from": "user@example.com", "subject": "soak"}
            while True:
                status, message = self.simulator.call("POST", "/inbound", mail, connection)
                if status == 202:
                    break
                assert status == 503, message
                time.sleep(0.05)
            self.accepted[message["message_id"]] = message["number"]

    def follow(self):
        """Reads the events, and continues after a restart with Last-Event-ID."""
        last = "0"
        while not self.done:
            try:
                connection = self.simulator.connect()
                connection.request("GET", "/events", headers={"Authorization": f"Bearer {TOKEN}", "Last-Event-ID": last})
                for line in connection.getresponse():
                    if line.startswith(b"id: "):
                        last = line[4:].strip().decode()
                    elif line.startswith(b"data: ") and b'"delivery.attempted"' in line:
                        event = json.loads(line[6:])
                        if "attempt" in event:
                            # Each mail has two deliveries, so the parity of the number is that of the rule.
                            rule = int(event["delivery_id"].removeprefix("dlv-")) % 2
                            self.attempts += 1
                            self.faults[event["message_id"], rule, event["attempt"]] = event.get("fault")
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)

    def disturb(self, posters):
        """Kills one after another, until all mails are posted."""
        victims = [self.receivers[0], self.simulator, self.receivers[1], self.receivers[0], self.simulator]
        victims = victims if self.kill else []
        marks = [self.mails * (number + 1) // (len(victims) + 1) for number in range(len(victims))]
        while any(thread.is_alive() for thread in posters):
            if marks and len(self.accepted) >= marks[0]:
                marks.pop(0)
                victim = victims.pop(0)
                victim.restart(pause=0.2 if victim is self.simulator else 1.0)
            self.memory.append(self.simulator.memory())
            self.show("sending")
            time.sleep(0.2)
        assert not victims, "nobody was killed: too few mails"

    def show(self, what):
        text = f"{what}: {len(self.accepted):,} of {self.mails:,} mails, {self.attempts:,} attempts, " \
               f"{self.memory[-1]:.0f} MiB"
        if sys.stderr.isatty():
            done = 30 * len(self.accepted) // self.mails
            print(f"\r[{'#' * done}{'.' * (30 - done)}] {text}  ", end="", file=sys.stderr, flush=True)

    def pending(self):
        return self.simulator.call("GET", "/readyz")[1]["pending"]

    def check(self):
        if sys.stderr.isatty():
            print(file=sys.stderr)
        _, listed = self.simulator.call("GET", "/dead-letters?limit=1000")
        dead = {(letter["message_id"], letter["rule_id"]) for letter in listed["deliveries"]}
        assert len(listed["deliveries"]) < 1000, "too many dead letters to list"
        lost = self.missing(dead)
        print(f"{len(self.accepted):,} mails, {self.attempts:,} attempts, {len(dead):,} dead letters; killed: simulator "
              f"{self.simulator.kills}, receivers {', '.join(str(it.kills) for it in self.receivers)}")
        print(f"lost: {len(lost)}")
        self.simulator.call("DELETE", "/faults")
        while self.simulator.call("POST", "/dead-letters/redrive")[1]["redriven"]:
            while self.pending():
                time.sleep(0.2)
        late = self.missing(set())
        print(f"not handled after the redrive: {len(late)}")
        return not lost and not late and self.is_flat()

    def missing(self, dead):
        """Returns what was neither handled nor is among these dead letters."""
        return [(message, number) for number, receiver in enumerate(self.receivers)
                for message in self.accepted.keys() - receiver.handled() if (message, f"rule-{number}") not in dead]

    def is_flat(self):
        size = -(-len(self.memory) // 10)
        tenths = [max(self.memory[at:at + size]) for at in range(0, len(self.memory), size)]
        print(f"memory of the simulator in MiB, the most in each tenth of the run: {[round(it) for it in tenths]}")
        middle, end = max(tenths[3:6], default=0), max(tenths[6:], default=0)
        return end <= middle * FLAT or not self.kill

    def stop(self):
        for process in (self.simulator, *self.receivers):
            process.process.kill()
            process.process.wait()

    def by_number(self):
        return {(self.accepted[message], rule, attempt): fault for (message, rule, attempt), fault in self.faults.items()
                if message in self.accepted}


def soak(mails, seed, kill):
    run = Run(mails, seed, kill)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            passed = run.run(folder)
        finally:
            run.stop()
    print(f"{time.monotonic() - started:.0f} s\n")
    return run, passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    subprocess.run(["cargo", "build", "-q", "--locked", "--release", "-p", "agentmail-simulator", "-p", "agentmail-simulated",
                    "--features", "agentmail-simulator/data", "--bins"], cwd=ROOT, check=True)
    first, passed = soak(arguments.mails, arguments.seed, kill=True)
    second, again = soak(max(arguments.mails // 10, 1_000), arguments.seed, kill=False)
    one, other = first.by_number(), second.by_number()
    both = one.keys() & other.keys()
    different = [key for key in both if one[key] != other[key]]
    faulty = sum(1 for key in both if one[key])
    print(f"the same seed: {len(both):,} attempts in both runs, {faulty:,} with a fault, {len(different)} differ")
    if not (passed and again and both and faulty and not different):
        sys.exit("failed")
    print("No mail was lost.")


if __name__ == "__main__":
    main()
