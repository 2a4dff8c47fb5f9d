#!/usr/bin/env python3
"""Runs the shell snippets of the README in order, on a free port instead of 8080.

The snippet with `scripts/test` is left out, because `scripts/test` runs this script.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

os.chdir(os.path.join(os.path.dirname(__file__), ".."))

with open("README.md") as readme:
    snippets = re.findall(r"^```sh\n(.*?)^```", readme.read(), re.DOTALL | re.MULTILINE)

# A text that is in the snippet, and texts that must be in its output.
expected = [
    ("agentmail-examples-tour", ["genuine    200       200"]),
    ("scripts/test", None),
    ("agentmail-simulator", None),
    ("--bin axum_layer", None),
    ("agentmail-cli -- send", ["200"]),
]
assert len(snippets) == len(expected), f"{len(snippets)} snippets instead of {len(expected)}"

with socket.create_server(("127.0.0.1", 0)) as free:
    address = f"127.0.0.1:{free.getsockname()[1]}"

receiver = None
passed = 0
try:
    for snippet, (mark, outputs) in zip(snippets, expected):
        assert mark in snippet, f"{mark!r} is not in:\n{snippet}"
        snippet = snippet.replace("127.0.0.1:8080", address)
        if mark == "--bin axum_layer":
            receiver = subprocess.Popen(
                ["bash", "-c", snippet], env=dict(os.environ, LISTEN=address), stdout=subprocess.PIPE,
                text=True, start_new_session=True,
            )
            assert address in receiver.stdout.readline(), "the receiver does not listen"
        elif mark == "agentmail-simulator":
            command = f"exec {snippet.strip()} -- --listen 127.0.0.1:0"
            simulator = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, text=True)
            try:
                url = simulator.stdout.readline().split()[-1]
                with urllib.request.urlopen(url) as page:
                    assert "<title>AgentMail simulator</title>" in page.read().decode(), "the page is missing"
            finally:
                simulator.terminate()
            passed += 1
        elif outputs:
            run = subprocess.run(["bash", "-euc", snippet], capture_output=True, text=True)
            for output in outputs:
                assert run.returncode == 0 and output in run.stdout, f"{snippet}\n{run.stdout}{run.stderr}"
            passed += 1
finally:
    if receiver:
        os.killpg(receiver.pid, signal.SIGTERM)
print(f"{passed} passed, 0 failed")
sys.exit(0)
