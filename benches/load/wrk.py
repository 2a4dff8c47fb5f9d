"""Runs wrk, which repeats one request, and returns its counts."""

import json
import os
import shutil
import subprocess
import tempfile

from receiver import head

# `wrk` counts every status above 399 as a status error.
SCRIPT = """
function request() return REQUEST end
function done(summary, latency)
  io.write(string.format('{"requests": %d, "refused": %d, "broken": %d, "seconds": %f, "p50": %f, "p99": %f}',
    summary.requests, summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def install():
    """Installs wrk from Debian's packages if it is missing."""
    if not shutil.which("wrk"):
        print("missing: wrk; installing it needs Debian's apt-get, as root or by sudo")
        as_root = [] if os.getuid() == 0 else ["sudo"]
        subprocess.run([*as_root, "apt-get", "update", "-q"], check=True)
        subprocess.run([*as_root, "apt-get", "install", "-qy", "wrk"], check=True)


def literal(text):
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'


def wrk(receiver, headers, body, seconds, connections):
    """Returns the counts, with latencies in milliseconds. wrk adds the Content-Length if the headers have none."""
    request = head({"Content-Length": len(body)} | headers) + body
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"REQUEST = {literal(request)}\n{SCRIPT}")
        script.flush()
        run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script.name,
                              f"http://127.0.0.1:{receiver.port}/"], check=True, capture_output=True, text=True)
    counted = json.loads(run.stdout[run.stdout.index("{"):])
    return counted | {"rate": counted["requests"] / counted["seconds"]}
