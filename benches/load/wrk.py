"""Runs wrk, which repeats one request, and returns its counts."""

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


def install():
    """Installs wrk from Debian's packages if it is missing."""
    if not shutil.which("wrk"):
        print("missing: wrk; installing it needs Debian's apt-get, as root or by sudo")
        as_root = [] if os.getuid() == 0 else ["sudo"]
        subprocess.run([*as_root, "apt-get", "update", "-q"], check=True)
        subprocess.run([*as_root, "apt-get", "install", "-qy", "wrk"], check=True)


# Sends each request of a file once. A line with its length is before each.
EACH = """
local requests, at, repeated = {}, 0, false
function init()
  local file = assert(io.open(PATH, 'rb'))
  for length in file:lines() do requests[#requests + 1] = file:read(tonumber(length)) end
  file:close()
end
function request()
  at = at + 1
  if at > #requests then at, repeated = 1, true end
  if repeated then return 'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' end
  return requests[at]
end
"""


def literal(text):
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'


def wrk(receiver, headers, body, seconds, connections):
    """Returns the counts, with latencies in milliseconds. wrk adds the Content-Length if the headers have none."""
    request = head({"Content-Length": len(body)} | headers) + body
    return run(receiver, f"REQUEST = {literal(request)}\nfunction request() return REQUEST end\n", seconds, connections)


def each(receiver, requests, seconds, connections):
    """Sends each request once. If there are too few, further requests are refused. Returns the counts."""
    with tempfile.NamedTemporaryFile("wb", suffix=".http") as file:
        for request in requests:
            file.write(b"%d\n%b" % (len(request), request))
        file.flush()
        return run(receiver, f"PATH = {literal(file.name.encode())}\n{EACH}", seconds, connections)


def run(receiver, script, seconds, connections):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script + DONE)
        file.flush()
        run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", file.name,
                              f"http://127.0.0.1:{receiver.port}/"], check=True, capture_output=True, text=True)
    counted = json.loads(run.stdout[run.stdout.index("{"):])
    return counted | {"rate": counted["requests"] / counted["seconds"]}
