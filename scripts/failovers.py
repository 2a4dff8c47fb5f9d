#!/usr/bin/env python3
"""Counts the messages that two processes lose or handle twice while the primaries of their Redis fail over.

Usage: scripts/failovers.py BINARY cluster|sentinel [--wait] [--messages N]

BINARY is `axum_redis` with its feature `cluster`. A sender sends N messages (20,000) to both processes, and each one until it
gets 200. It also sends copies: of each message seconds later, and of every tenth at the same time. Meanwhile slots move
(in the cluster), and a primary is killed, is frozen, and comes back as a replica. Just before, it is cut off from its
replica for a moment, so that the replica lacks its last writes. With --wait, the processes wait for a replica (`WAIT 1`).

The test fails if a message is lost. It fails if more messages are handled twice than the failed primaries had keys whose
last write the replica lacked, and with --wait if any is.
"""

import argparse
import collections
import itertools
import re
import sys
import tempfile
import threading
import time

import receivers
import topologies
from once import Sender, runs
from receivers import Receiver, check

LATE = 4  # seconds


class Traffic:
    """Sends messages and copies, each until it gets 200."""

    def __init__(self, processes, messages, workers=32):
        self.pending, self.late = collections.deque(range(messages)), collections.deque()
        self.lock, self.statuses, self.accepted = threading.Lock(), collections.Counter(), 0
        self.messages, self.slowest = messages, 0
        turns = [processes[number % 2:] + processes[:number % 2] for number in range(workers)]
        self.threads = [threading.Thread(target=self.work, args=(Sender(*turn), Sender(*turn))) for turn in turns]
        for thread in self.threads:
            thread.start()

    def work(self, sender, other):
        while job := self.next():
            kind, message = job
            if kind == "new" and message % 10 == 0:
                copy = threading.Thread(target=self.send, args=(other, message))
                copy.start()
                self.send(sender, message)
                copy.join()
            else:
                self.send(sender, message)
            if kind == "new":
                self.late.append((time.monotonic() + LATE, message))

    def next(self):
        while True:
            with self.lock:
                if self.late and self.late[0][0] <= time.monotonic():
                    return "copy", self.late.popleft()[1]
                if self.pending:
                    return "new", self.pending.popleft()
                if not self.late:
                    return None
            time.sleep(0.05)

    def send(self, sender, message):
        began = time.monotonic()
        while (status := sender.send(f"m-{message}")) != 200:
            with self.lock:
                self.statuses[status] += 1
            time.sleep(0.1)
        with self.lock:
            self.accepted += 1
            self.slowest = max(self.slowest, time.monotonic() - began)

    def done(self):
        return self.messages - len(self.pending)

    def until(self, done):
        topologies.until(lambda: self.done() >= min(done, self.messages), f"{done} messages are sent", 600)

    def join(self):
        for thread in self.threads:
            thread.join()


def fail(topology, kind):
    """Lets a primary fail and come back. Returns the keys whose last write the replica lacks, and for how long the primary
    was away."""
    primary = topology.primaries()[0]
    replica = topology.replica_of(primary)
    # The replica gets no more writes, as on a slow network. It is elected although it lacks them.
    replica.freeze()
    primary.query("CLIENT", "KILL", "TYPE", "replica")
    time.sleep(0.3)
    began = time.monotonic()
    primary.kill() if kind == "killed" else primary.freeze()
    replica.thaw()
    # It becomes the primary seconds later.
    if topology.scheme == "redis-cluster":
        replica.query("READONLY")
    kept = replica.records()
    topologies.until(replica.is_primary, "the replica is the primary")
    seconds = time.monotonic() - began
    lost = {key for key, value in primary.written().items() if kept.get(key) != value}
    time.sleep(1)
    primary.start() if kind == "killed" else primary.thaw()
    topology.until_whole()
    check(f"{kind}: the old primary is a replica", primary.is_primary(), False)
    return lost, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("topology", choices=["cluster", "sentinel"])
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--messages", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        topology = {"cluster": topologies.Cluster, "sentinel": topologies.Sentinels}[arguments.topology](folder)
        try:
            run(arguments, topology)
        finally:
            for server in topology.servers():
                server.kill()
    print(f"{receivers.passed} passed, {len(receivers.failures)} failed")
    return 1 if receivers.failures else 0


def run(arguments, topology):
    processes = [Receiver(arguments.binary, REDIS_URL=topology.url(), REDIS_WAIT=str(int(arguments.wait))) for _ in range(2)]
    traffic = Traffic(processes, arguments.messages)
    faults, moved, lost = collections.Counter(), 0, 0
    for number, kind in enumerate(itertools.cycle(["killed", "frozen"]), 1):
        traffic.until(arguments.messages * number // 6)
        if traffic.done() > arguments.messages * 9 // 10 and number > 2:
            break
        if arguments.topology == "cluster":
            moved += topology.move_slots(500)
        keys, seconds = fail(topology, kind)
        print(f"a primary is {kind}: {seconds:.1f} s until its replica is the primary, which lacks the last write of {len(keys)} keys",
              flush=True)
        faults[kind] += 1
        lost += len(keys)
    traffic.join()
    check("exit statuses", [process.stop() for process in processes], [0, 0])
    seen = runs(*processes)
    final = {}
    for primary in topology.primaries():
        final.update(primary.records())
    missing = arguments.messages - len(seen)
    twice = sum(1 for times in seen.values() if times > 1)
    extra = sum(seen.values()) - len(seen)
    check("lost messages", missing, 0)
    check("each kind of fault", set(faults), {"killed", "frozen"})
    check("records of handled messages at the end", len(final), arguments.messages)
    check("slots moved", moved > 0, arguments.topology == "cluster")
    if arguments.wait:
        check("handled twice", twice, 0)
    else:
        check("handled twice, at most what the failovers lost", extra <= lost, True)
    print(f"{arguments.topology}{', WAIT 1' if arguments.wait else ''}: {arguments.messages} messages, {traffic.accepted} accepted deliveries,"
          f" {dict(faults)}, {moved} slots moved: {missing} lost, {twice} handled twice ({extra} runs more);"
          f" the failovers lost {lost} writes; retries by status: {dict(traffic.statuses)}; slowest {traffic.slowest:.1f} s")
    for process in processes:
        print(re.sub(r"^.*?(DedupeStats)", r"\1", process.log[-1].strip()))


if __name__ == "__main__":
    sys.exit(main())
