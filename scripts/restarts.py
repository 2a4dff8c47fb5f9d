#!/usr/bin/env python3
"""Checks that receivers end within their limits, keep idle connections, and restart without a loss.

Usage: scripts/restarts.py FOLDER             about half a minute
       scripts/restarts.py FOLDER --minute    idle for a minute, and more restarts: a few minutes

FOLDER has the binaries of the examples.

- Each receiver gets SIGTERM while a client has sent a part of a request, waits for its response, or has
  read a part of it.
- Each receiver gets deliveries on connections that have been idle, through a relay that adds a delay.
- Two processes of each framework are restarted in turn behind nginx, as docs/deploy.md says, while
  deliveries arrive.

It starts nginx and a Redis server on free ports, with new folders.
"""

import collections
import contextlib
import itertools
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import receivers
from once import Redis, Sender, free_port, mail, runs
from receivers import PATH, Receiver, check, now, signed

BOTH = ["axum_layer", "actix_middleware"]
ALL = [*BOTH, "axum_extractor", "actix_extractor", "axum_redis", "rotate", "transactional_inbox"]
# A supervisor kills a process that has not ended. This is the default in Kubernetes.
GRACE_SECONDS = 30


class Examples:
    """Starts examples, each with a folder of its own."""

    def __init__(self, binaries, folder, redis):
        self.binaries, self.folder, self.redis = binaries, folder, redis

    def start(self, name, **variables):
        own = tempfile.mkdtemp(dir=self.folder)
        secret = os.path.join(own, "secret")
        with open(secret, "w") as file:
            file.write(receivers.SECRET)
        return Receiver(os.path.join(self.binaries, name), WEBHOOK_SIGNING_SECRET_FILE=secret,
                        INBOX=os.path.join(own, "inbox.db"), REDIS_URL=self.redis.url(), **variables)


NUMBERS = itertools.count()


def request():
    """Returns a delivery of a new message."""
    body = mail(f"message-{next(NUMBERS)}")
    lines = [f"POST {PATH} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value.decode()}" for name, value in signed(now(), body)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def first_line(connection):
    """Returns the first line of a response, or `None` without a response."""
    try:
        return connection.recv(4096).split(b"\r\n")[0].decode() or None
    except OSError:
        return None


OK = "HTTP/1.1 200 OK"


# What a client has done when its receiver gets SIGTERM.

def connected(connection):
    pass


def half_a_head(connection):
    connection.sendall(request()[:30])


def half_a_head_after_a_response(connection):
    idle(connection)
    half_a_head(connection)


def half_a_body(connection):
    connection.sendall(request()[:-10])


def idle(connection):
    connection.sendall(request())
    check("before the wait", first_line(connection), OK)


def half_a_response(connection):
    """Sends requests until the receiver cannot send the responses, because nobody reads them."""
    connection.settimeout(0.5)
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"GET /handled HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
    connection.recv(1)


def ends(examples, name, stage, times):
    receiver = examples.start(name)
    with receiver.connect() as connection:
        stage(connection)
        time.sleep(0.2)  # until the receiver has read this
        started = time.monotonic()
        receiver.process.send_signal(signal.SIGTERM)
        try:
            receiver.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            receiver.process.kill()
        check(f"{name}, {stage.__name__}: exit status", receiver.stop(), 0)
        times[stage.__name__].append(time.monotonic() - started)


def each_receiver_ends_within_its_limit(examples):
    times = collections.defaultdict(list)
    stages = [connected, half_a_head, half_a_head_after_a_response, half_a_body, idle, half_a_response]
    in_parallel([(ends, examples, name, stage, times) for name in ALL for stage in stages])
    for stage, each in times.items():
        print(f"{len(each)} receivers with SIGTERM at {stage}: ended within {max(each):.1f} s")


def a_running_handler_ends_and_is_recorded(examples):
    """One client waits for its response. Another one has disconnected."""
    receiver = examples.start("axum_redis", HANDLER_MILLIS="3000")
    with receiver.connect() as waiting, receiver.connect() as leaving:
        for connection in [waiting, leaving]:
            connection.sendall(request())
        while len(ran := runs(receiver)) < 2:
            time.sleep(0.02)
        leaving.close()
        receiver.process.send_signal(signal.SIGTERM)
        check("the response of a running handler", first_line(waiting), OK)
        check("exit status with a running handler", receiver.stop(), 0)
    other = examples.start("axum_redis")
    check("copies after the end", [Sender(other).send(message) for message in ran], [200, 200])
    other.stop()
    check("runs of copies after the end", runs(other), {})
    print("a running handler: its response arrives, and the message is recorded, also without its client")


def a_want_of_descriptors_does_not_end_a_receiver(examples, name):
    receiver = examples.start(name)
    check(f"{name}: before a want of descriptors", Sender(receiver).send("before"), 200)
    limit = len(os.listdir(f"/proc/{receiver.process.pid}/fd")) + 10
    resource.prlimit(receiver.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    with contextlib.ExitStack() as many:
        for _ in range(40):
            many.enter_context(receiver.connect())
        time.sleep(0.5)
    check(f"{name}: after a want of descriptors", Sender(receiver).send("descriptors"), 200)
    check(f"{name}: exit status after a want of descriptors", receiver.stop(), 0)
    if name.startswith("axum"):
        check(f"{name}: it is in the log", "cannot accept a connection" in "".join(receiver.log), True)


class Relay:
    """Passes bytes on, 50 ms later in each direction."""

    def __init__(self, receiver):
        self.receiver = receiver
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client = self.listener.accept()[0]
            for pair in [(client, server := self.receiver.connect()), (server, client)]:
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    @staticmethod
    def pass_on(source, target):
        source.settimeout(None)
        while True:
            try:
                data = source.recv(65536)
                time.sleep(0.05)
                if not data:
                    return target.shutdown(socket.SHUT_WR)
                target.sendall(data)
            except OSError:
                return [each.close() for each in (source, target)]


def idle_then_send(relay, seconds, responses):
    """Like a proxy, it does not use a connection that is known to be closed, and never repeats a POST."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=60) as connection:
        connection.sendall(request())
        check("before idling", first_line(connection), OK)
        time.sleep(seconds)
        if select.select([connection], [], [], 0)[0]:
            responses["closed before it was used"] += 1
            return
        try:
            connection.sendall(request())
            responses[first_line(connection)] += 1
        except OSError:
            responses[None] += 1


def idle_connections_are_kept(examples, seconds):
    responses, started = collections.Counter(), []
    for name in ALL:
        started.append(examples.start(name))
        relay = Relay(started[-1])
        # Around the time after which a receiver might close the connection.
        for number in range(20):
            started.append((idle_then_send, relay, seconds - 0.2 + number / 50, responses))
    in_parallel([each for each in started if isinstance(each, tuple)])
    for receiver in started:
        if isinstance(receiver, Receiver):
            receiver.stop()
    check(f"deliveries after {seconds} idle seconds", responses, {OK: 20 * len(ALL)})
    print(f"{20 * len(ALL)} deliveries after {seconds} idle seconds: {dict(responses)}")


class Nginx:
    """A proxy with one worker in front of receivers on these ports."""

    def __init__(self, folder, ports):
        self.folder, self.ports, self.port = folder, ports, free_port()
        self.configure(down=None)
        self.process = subprocess.Popen([nginx(), "-p", folder, "-c", "nginx.conf", "-e", "error.log"])
        while not self.listens():
            assert self.process.poll() is None, "nginx has ended"
            time.sleep(0.05)

    def configure(self, down):
        servers = "".join(
            f"server 127.0.0.1:{port}{' down' if port == down else ''};" for port in self.ports)
        with open(os.path.join(self.folder, "nginx.conf"), "w") as file:
            file.write(f"""
                {'user root;' if os.geteuid() == 0 else ''}
                daemon off; worker_processes 1; pid nginx.pid;
                events {{ worker_connections 1024; }}
                http {{
                    log_format one "$status $upstream_status";
                    access_log access.log one;
                    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                    upstream receivers {{ {servers} keepalive 32; }}
                    server {{
                        listen 127.0.0.1:{self.port};
                        location / {{
                            proxy_pass http://receivers;
                            proxy_http_version 1.1;
                            proxy_set_header Connection "";
                        }}
                    }}
                }}""")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def workers(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return set(children.read().split())

    def reload(self, down):
        """Takes a port out, or none. Returns when no worker uses the former configuration."""
        self.configure(down)
        former = self.workers()
        self.process.send_signal(signal.SIGHUP)
        while former & self.workers():
            time.sleep(0.05)

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        with open(os.path.join(self.folder, "access.log")) as log:
            return collections.Counter(log.read().splitlines())


def nginx():
    path = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    return path or sys.exit("nginx is missing: install Debian's package nginx")


def keep_sending(port, stop, statuses):
    while not stop.is_set():
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            text = request().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
            connection.sendall(text)
            statuses[first_line(connection)] += 1
        time.sleep(0.003)


def restarts_lose_nothing(examples, name, restarts):
    started = [examples.start(name), examples.start(name)]
    current = list(started)
    proxy = Nginx(tempfile.mkdtemp(dir=examples.folder), [each.port for each in started])
    statuses, stop = collections.Counter(), threading.Event()
    threads = [threading.Thread(target=keep_sending, args=(proxy.port, stop, statuses)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(restarts):
        old = current[number % 2]
        # The steps of docs/deploy.md, "Restart without losing deliveries".
        proxy.reload(down=old.port)
        check(f"{name}: exit status", old.stop(), 0)
        started.append(examples.start(name, LISTEN=f"127.0.0.1:{old.port}"))
        current[number % 2] = started[-1]
        proxy.reload(down=None)
    stop.set()
    for thread in threads:
        thread.join()
    in_log = proxy.stop()
    for receiver in current:
        receiver.stop()
    sent = statuses.total()
    check(f"{name}: responses", statuses, {OK: sent})
    check(f"{name}: responses, and what nginx got", in_log, {"200 200": sent})
    handled = runs(*started)
    check(f"{name}: deliveries, and most runs of one", (len(handled), max(handled.values())), (sent, 1))
    print(f"{name}: {restarts} restarts behind nginx, {sent} deliveries: {dict(in_log)}")


def in_parallel(calls):
    def run(call, *arguments):
        try:
            call(*arguments)
        except Exception as error:
            check(f"{call.__name__} {arguments}", repr(error), None)

    threads = [threading.Thread(target=run, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(arguments):
    minute = "--minute" in arguments
    [binaries] = [each for each in arguments if each != "--minute"]
    nginx()
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(tempfile.mkdtemp(dir=folder))
        examples = Examples(binaries, folder, redis)
        try:
            in_parallel([
                (each_receiver_ends_within_its_limit, examples),
                (a_running_handler_ends_and_is_recorded, examples),
                *((a_want_of_descriptors_does_not_end_a_receiver, examples, name) for name in BOTH),
                (idle_connections_are_kept, examples, 60 if minute else 6),
                *((restarts_lose_nothing, examples, name, 50 if minute else 6) for name in BOTH),
            ])
        finally:
            redis.kill()
    print(f"{receivers.passed} passed, {len(receivers.failures)} failed")
    return 1 if receivers.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
