"""Runs wrk with one request or with many, and returns its counts."""

import json
import os
import shutil
import subprocess
import tempfile

from receiver import head

# `wrk` counts every status above 399 as a status error.
DONE = """
function done(summary, latency)
  io.write(string.format('{"requests": %d, "refused": %d, "broken": %d, "seconds": %f, "p50": %f, "p99": %f}',
    summary.requests, summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""
ONE = "function request() return REQUEST end"
# Reads requests from a file: for each one, its length on a line, and then its bytes.
MANY = """
local file, requests, at = io.open(FILE, "rb"), {}, 0
for length in function() return file:read("*n", 1) end do
  requests[#requests + 1] = file:read(length)
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""


def install(*packages):
    """Installs Debian's packages that are missing. Each has a program with its name."""
    if missing := [package for package in packages if not shutil.which(package)]:
        print(f"missing: {', '.join(missing)}; installing needs Debian's apt-get, as root or by sudo")
        as_root = [] if os.getuid() == 0 else ["sudo"]
        subprocess.run([*as_root, "apt-get", "update", "-q"], check=True)
        subprocess.run([*as_root, "apt-get", "install", "-qy", *missing], check=True)


def literal(text):
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'


def run(receiver, script, seconds, connections):
    """Returns the counts, with latencies in milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script + DONE)
        file.flush()
        run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", file.name,
                              f"http://127.0.0.1:{receiver.port}/"], check=True, capture_output=True, text=True)
    counted = json.loads(run.stdout[run.stdout.index("{"):])
    return counted | {"rate": counted["requests"] / counted["seconds"]}


def wrk(receiver, headers, body, seconds, connections):
    """Repeats one request. wrk adds the Content-Length if the headers have none."""
    request = head({"Content-Length": len(body)} | headers) + body
    return run(receiver, f"REQUEST = {literal(request)}\n{ONE}", seconds, connections)


def wrk_unique(receiver, requests, seconds, connections):
    """Sends the requests of a list, each once. Begins again if there are too few."""
    with tempfile.NamedTemporaryFile() as file:
        for request in requests:
            file.write(b"%d\n%b" % (len(request), request))
        file.flush()
        return run(receiver, f"FILE = {literal(file.name.encode())}\n{MANY}", seconds, connections)
