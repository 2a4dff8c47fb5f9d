"""A receiver under load, and deliveries that Python has signed as the service does."""

import hashlib
import hmac
import os
import re
import secrets
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
    """Returns the headers of a delivery: names and values."""
    timestamp = str(int(time.time()) - age)
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-AgentMail-Timestamp": timestamp, "X-AgentMail-Signature": f"v1={mac}"}


def head(headers, path=PATH):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost"] + [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines + ["", ""]).encode()


def unique(number, path=PATH):
    """Returns deliveries of mails that are all different, with bodies of 500 bytes."""
    requests = []
    for _ in range(number):
        message = secrets.token_hex(8)
        body = f'{{"type":"mail.received","agent_id":"agent-{message[0]}","message_id":"m-{message}","subject":"'
        body = f'{body:x<498}"}}'.encode()
        requests.append(head(signed(body) | {"Content-Length": len(body)}, path) + body)
    return requests


def status(connection):
    """Reads a response. Returns its status, or 0 without a response."""
    response = b""
    try:
        while b"\r\n\r\n" not in response and (piece := connection.recv(4096)):
            response += piece
    except ConnectionResetError:
        pass  # The bytes before the reset are the response.
    return int(response.split()[1]) if response else 0


class Receiver:
    """A binary on a free port of the loopback interface, which logs refusals at warn into a file."""

    def __init__(self, name, **settings):
        self.name = name
        self.log = tempfile.TemporaryFile()
        # A port that is free now, because at this level the log does not say where the receiver listens.
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        environment = dict(os.environ, WEBHOOK_SIGNING_SECRET=SECRET, LISTEN=f"127.0.0.1:{self.port}",
                           RUST_LOG="agentmail=warn") | settings
        binary = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", name)
        self.process = subprocess.Popen([binary], env=environment, stdout=self.log)
        while not self.listens():
            if self.process.poll() is not None:
                raise SystemExit(f"{name} ended with status {self.process.returncode}")
            time.sleep(0.01)

    def listens(self):
        try:
            with self.connect() as connection:
                # Without a listener, a connection to a local port can be connected to itself.
                return connection.getsockname() != connection.getpeername()
        except ConnectionRefusedError:
            return False

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def deliver(self):
        """Sends a genuine delivery on a new connection. Returns the status."""
        with self.connect() as connection:
            headers = signed(SAMPLE) | {"Content-Length": len(SAMPLE), "Connection": "close"}
            connection.sendall(head(headers) + SAMPLE)
            return status(connection)

    def peak(self):
        """Returns the peak memory in bytes."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()
