#!/usr/bin/env python3
"""Cuts the power of a process that stores messages, and counts the lost ones: proofs/inbox/power_cut/power_cut.py [--cuts N]

`shim.c` logs each write and each sync of a real run, and each message that would have got 200. This script replays the
log up to a random place, and drops what was not synced: all of it, a random part of the writes, or random sectors of
512 bytes. Names of files follow the syncs of their folder. The store then opens what is left.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
SECTOR = 512
LOSSES = ["everything", "whole writes", "sectors"]


class File:
    """A file: what is on the disk, and the changes since the last sync."""

    def __init__(self):
        self.durable = bytearray()
        self.pending = []

    def sync(self):
        for change in self.pending:
            apply(self.durable, change)
        self.pending = []

    def after_cut(self, loss, chance):
        content = bytearray(self.durable)
        for change in self.pending if loss != "everything" else []:
            kind, at, data = change
            if kind == "write" and loss == "sectors":
                for begin in range(0, len(data), SECTOR):
                    if chance.random() < 0.5:
                        apply(content, ("write", at + begin, data[begin:begin + SECTOR]))
            elif chance.random() < 0.5:
                apply(content, change)
        return content


def apply(content, change):
    kind, at, data = change
    if kind == "truncate":
        del content[at:]
        content.extend(bytes(at - len(content)))
    else:
        content.extend(bytes(max(0, at - len(content))))
        content[at:at + len(data)] = data


class Disk:
    """The files of a folder, as the calls so far have left them."""

    def __init__(self, directory_syncs):
        self.directory_syncs = directory_syncs
        self.names = {}
        self.durable_names = {}
        self.pending_names = []
        self.acknowledged = []
        self.syncs = 0

    def replay(self, record):
        kind, *fields = record
        if kind == "A":
            self.acknowledged += fields[0].decode().split()
        elif kind == "C":
            self.names[fields[0]] = File()
            self.pending_names.append((fields[0], self.names[fields[0]]))
        elif kind == "U":
            self.names.pop(fields[0], None)
            self.pending_names.append((fields[0], None))
        elif kind == "W":
            self.names[fields[0]].pending.append(("write", fields[1], fields[2]))
        elif kind == "T":
            self.names[fields[0]].pending.append(("truncate", fields[1], b""))
        elif kind == "S" and fields[0] == ".":
            self.syncs += 1
            if self.directory_syncs:
                for name, file in self.pending_names:
                    self.durable_names[name] = file
                self.pending_names = []
        elif kind == "S":
            self.syncs += 1
            if fields[0] in self.names:
                self.names[fields[0]].sync()

    def after_cut(self, loss, chance, folder):
        names = dict(self.durable_names)
        for name, file in self.pending_names if loss != "everything" else []:
            if chance.random() < 0.5:
                names[name] = file
        for name, file in names.items():
            if file is not None and not name.endswith(("-shm", ".lock")):
                with open(os.path.join(folder, name), "wb") as target:
                    target.write(file.after_cut(loss, chance))


def records(path):
    with open(path, "rb") as file:
        while line := file.readline():
            kind, *fields = line.decode().split()
            if kind == "A":
                yield kind, file.read(int(fields[0]))
            elif kind == "W":
                yield kind, fields[0], int(fields[1]), file.read(int(fields[2]))
            elif kind == "T":
                yield kind, fields[0], int(fields[1])
            else:
                yield kind, fields[0]


def run(binary, shim, mode, messages, folder):
    """Stores messages in a process, and returns the records of its calls."""
    data, log = os.path.join(folder, "data"), os.path.join(folder, "log")
    os.mkdir(data)
    environment = dict(os.environ, LD_PRELOAD=shim, POWER_CUT_FOLDER=data, POWER_CUT_LOG=log)
    command = [binary, "store", mode, os.path.join(data, "inbox.db"), str(messages)]
    subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return list(records(log))


def lost_after(binary, log, cuts, chance, directory_syncs=True):
    """Cuts the power at random places. Returns at how many of them messages are lost, and how many in all."""
    # Before the first acknowledgement, nothing can be lost.
    first = next(at for at, record in enumerate(log) if record[0] == "A") + 1
    places = sorted(chance.randint(first, len(log)) for _ in range(cuts))
    disk, at, bad_cuts, lost, partial = Disk(directory_syncs), 0, 0, 0, 0
    for number, place in enumerate(places):
        for record in log[at:place]:
            disk.replay(record)
        at = place
        loss = LOSSES[number % len(LOSSES)]
        partial += loss != "everything" and any(file.pending for file in disk.names.values())
        with tempfile.TemporaryDirectory() as folder:
            disk.after_cut(loss, chance, folder)
            found = subprocess.run([binary, "list", os.path.join(folder, "inbox.db")], capture_output=True, text=True)
            # A database that cannot be opened has lost everything.
            keys = set(found.stdout.split()) if found.returncode == 0 else set()
        missing = sum(key not in keys for key in disk.acknowledged)
        bad_cuts += missing > 0
        lost += missing
    return bad_cuts, lost, partial


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    build = ["cargo", "build", "-q", "--locked", "-p", "agentmail-inbox-proofs", "--bin", "inbox_power_cut"]
    subprocess.run(build, cwd=ROOT, check=True)
    binary = os.path.join(ROOT, "target", "debug", "inbox_power_cut")
    chance = random.Random(arguments.seed)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        shim = os.path.join(folder, "shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, os.path.join(HERE, "shim.c"), "-ldl"], check=True)
        for mode, directory_syncs, must_lose in [
            ("inbox", True, False),
            ("off", True, True),
            ("normal", True, True),
            ("inbox", False, True),
        ]:
            with tempfile.TemporaryDirectory() as place:
                log = run(binary, shim, mode, arguments.messages, place)
            bad_cuts, lost, partial = lost_after(binary, log, arguments.cuts, chance, directory_syncs)
            count = lambda kind: sum(record[0] == kind for record in log)
            acknowledged = sum(len(record[1].split()) for record in log if record[0] == "A")
            name = mode if directory_syncs else f"{mode}, without syncs of the folder"
            print(f"{name}: {acknowledged} messages got 200, {count('S')} syncs, {count('W')} writes; {arguments.cuts} cuts, "
                  f"{partial} of them with a part of the unsynced writes: messages lost at {bad_cuts} cuts, {lost} in all",
                  flush=True)
            failed |= (lost > 0) != must_lose or acknowledged != arguments.messages
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
