#!/usr/bin/env python3
"""Runs the commands of the section "Develop against the simulator" in agentmail-simulator/README.md.

Usage: scripts/simulator.py FOLDER    a folder with the programs, such as target/debug

The ports are free ones, and the pauses between attempts are short. A mail must arrive in the receiver's log, a
rotation must lead to 403 and to a dead letter, and a redrive must deliver it.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
SECTION = "# Develop against the simulator"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def blocks():
    with open(os.path.join(ROOT, "agentmail-simulator", "README.md"), encoding="utf-8") as page:
        section = page.read().split(f"\n{SECTION}\n")[1].split("\n# ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def main(folder):
    programs = os.path.realpath(folder)
    api, endpoint = free_port(), free_port()
    start, *steps = blocks()
    start = start.replace("cargo run -p agentmail-simulator --",
                          f"exec {programs}/agentmail-simulator --listen 127.0.0.1:{api} --first-pause 20ms")
    commands = "".join(f"echo '== step {number}'\n{step}" for number, step in enumerate(steps, 1))
    commands = commands.replace(":8026", f":{api}").replace(":8080", f":{endpoint}").replace(
        "cargo run -p agentmail-examples-rotate", f"LISTEN=127.0.0.1:{endpoint} {programs}/rotate >log")
    # The receiver must listen before the first mail.
    commands = commands.replace("echo '== step 2'", "until grep -q listening log; do sleep 0.1; done; echo '== step 2'")
    commands += "kill %1; echo '== log'; cat log\n"
    with tempfile.TemporaryDirectory() as folder:
        simulator = subprocess.Popen(["bash", "-c", start], stdout=subprocess.PIPE, text=True)
        try:
            assert "listens at" in simulator.stdout.readline(), "the simulator has ended"
            done = subprocess.run(["bash", "-euo", "pipefail", "-m", "-c", commands], cwd=folder, text=True,
                                  stdout=subprocess.PIPE, timeout=120)
        finally:
            simulator.kill()
            simulator.wait()
    print(done.stdout)
    out, log = done.stdout.split("== log")
    failed = [name for name, passed in [
        ("the commands", done.returncode == 0),
        ("step 2: delivered with 200", re.search(r'"state": "delivered",\s+"statuses": \[\s+200', out)),
        ("step 3: a dead letter after 403", "the status 403" in out.split("== step 3")[1]),
        ("step 4: delivered", '"delivered"' in out.split("== step 4")[1]),
        ("the log: three mails", log.count("mail received") == 3),
        ("the log: refusals", "mismatch" in log),
    ] if not passed]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
