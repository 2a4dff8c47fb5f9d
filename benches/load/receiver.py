"""A receiver under load, and the deliveries it is sent: signed by Python, as the service would."""

import hashlib
import hmac
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

SECRET = "whsec_of_the_load"
PATH = "/agentmail/webhook"
LIMIT = 256 * 1024
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
with open(os.path.join(ROOT, "examples", "sample.json"), "rb") as sample:
    SAMPLE = sample.read()


def signed(body, secret=SECRET, age=0):
    """The headers of a delivery: names and values."""
    timestamp = str(int(time.time()) - age)
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-AgentMail-Timestamp": timestamp, "X-AgentMail-Signature": f"v1={mac}"}


def head(headers):
    lines = [f"POST {PATH} HTTP/1.1", "Host: localhost"] + [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines + ["", ""]).encode()


def status(connection):
    """Reads an answer; returns its status, 0 if none came."""
    answer = b""
    try:
        while b"\r\n\r\n" not in answer and (piece := connection.recv(4096)):
            answer += piece
    except ConnectionResetError:
        pass  # What came before it counts.
    return int(answer.split()[1]) if answer else 0


class Receiver:
    """A binary on a free port of the loopback interface, which logs refusals at warn into a file."""

    def __init__(self, name, **settings):
        self.name = name
        self.log = tempfile.TemporaryFile()
        environment = dict(os.environ, WEBHOOK_SIGNING_SECRET=SECRET, LISTEN="127.0.0.1:0",
                           RUST_LOG="agentmail=warn,agentmail_examples::environment=info", **settings)
        binary = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", name)
        self.process = subprocess.Popen([binary], env=environment, stdout=self.log)
        while not (address := re.search(rb"http://127\.0\.0\.1:(\d+)", os.pread(self.log.fileno(), 4096, 0))):
            if self.process.poll() is not None:
                raise SystemExit(f"{name} ended with status {self.process.returncode}")
            time.sleep(0.01)
        self.port = int(address[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def deliver(self):
        """Sends a genuine delivery on a connection of its own; returns the status."""
        with self.connect() as connection:
            headers = signed(SAMPLE) | {"Content-Length": len(SAMPLE), "Connection": "close"}
            connection.sendall(head(headers) + SAMPLE)
            return status(connection)

    def peak(self):
        """The most memory it has held, in bytes."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()
