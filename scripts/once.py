#!/usr/bin/env python3
"""Checks that two processes of a receiver that share a Redis server handle each message once.

Usage: scripts/once.py BINARY             copies at the same time, a failing handler, a process killed while
                                          it handles a message, TLS, a server that cannot be used
       scripts/once.py BINARY --outages   50,000 deliveries by a sender that retries, while the Redis server is
                                          frozen, killed, restarted and out of memory. Takes minutes.

BINARY is `axum_redis` with its features `cluster` and `tls`. Every run of its handler logs the message, and this script counts
these lines. It starts the Redis server on a free port, with a new folder for its data.
"""

import http.client
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import receivers
from receivers import PATH, Receiver, check, now, signed

RAN = re.compile(r'mail.message_id="([^"]+)"')


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Redis:
    """A server that writes to disk before it responds."""

    def __init__(self, folder, *options):
        self.port, self.folder, self.options = free_port(), folder, options
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
             "--appendonly", "yes", "--appendfsync", "always", *self.options], stdout=subprocess.DEVNULL)
        while True:
            try:
                return self.query("PING")
            except OSError:
                assert self.process.poll() is None, "redis-server has ended"
                time.sleep(0.05)

    def query(self, *words):
        """Sends an inline command and returns the first line of the response."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.makefile("rb").readline()

    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait()


def mail(message):
    return f'{{"type":"mail.received","agent_id":"my-agent","message_id":"{message}","sender_verified":true}}'.encode()


def runs(*receivers):
    """Returns how often the handler ran for each message, in all processes."""
    counts = {}
    for receiver in receivers:
        for line in list(receiver.log):
            if ran := RAN.search(line):
                counts[ran[1]] = counts.get(ran[1], 0) + 1
    return counts


class Sender:
    """Sends on one connection to each receiver, and connects again if a connection breaks."""

    def __init__(self, *receivers):
        self.turns = itertools.cycle(receivers)
        self.connections = {}

    def send(self, message):
        """Returns the status of the response, or `None` without a response. Each call uses the next receiver."""
        receiver, body = next(self.turns), mail(message)
        connection = self.connections.setdefault(
            receiver, http.client.HTTPConnection(receiver.host, receiver.port, timeout=60))
        try:
            headers = {name: value.decode() for name, value in signed(now(), body)}
            connection.request("POST", PATH, body, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            connection.close()
            return None


def copies_at_once_are_handled_once(redis, binary, messages=200, copies=64):
    processes = [Receiver(binary, REDIS_URL=redis.url()) for _ in range(2)]
    statuses, start = [], threading.Barrier(copies)

    def work(number):
        sender = Sender(*processes[number % 2:], *processes[:number % 2])
        for message in range(messages):
            start.wait()
            statuses.append(sender.send(f"copy-{message}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(copies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handled = sum(process.handled() for process in processes)
    check("exit statuses", [process.stop() for process in processes], [0, 0])
    check("every run", runs(*processes), {f"copy-{message}": 1 for message in range(messages)})
    check("handled", handled, messages)
    check("responses", (len(statuses), set(statuses) <= {200, 503}), (messages * copies, True))
    print(f"{messages} messages, {copies} copies of each at the same time to two processes: {statuses.count(200)} x 200, {statuses.count(503)} x 503")


def a_failed_message_is_handled_again(redis, binary):
    process = Receiver(binary, REDIS_URL=redis.url(), HANDLER_FAILURES="2")
    sender = Sender(process)
    check("responses", [sender.send("failing") for _ in range(5)], [500, 500, 200, 200, 200])
    process.stop()
    check("runs", runs(process), {"failing": 3})


def a_message_is_handled_again_after_its_process_was_killed(redis, binary):
    victim = Receiver(binary, REDIS_URL=redis.url(), LEASE_SECONDS="3", HANDLER_MILLIS="3600000")
    other = Receiver(binary, REDIS_URL=redis.url(), LEASE_SECONDS="3")
    threading.Thread(target=lambda: Sender(victim).send("killed")).start()
    while not runs(victim):
        time.sleep(0.02)
    sender = Sender(other)
    check("while its handler runs", sender.send("killed"), 503)
    victim.process.kill()
    check("just after the kill", sender.send("killed"), 503)
    while (status := sender.send("killed")) == 503:
        time.sleep(0.1)
    check("after the lease", status, 200)
    check("another copy", sender.send("killed"), 200)
    other.stop()
    check("runs of the other process", runs(other), {"killed": 1})
    victim.process.wait()


def error_at_start(binary, **variables):
    """Starts a receiver that must end by itself, and returns what it prints."""
    environment = dict(os.environ, WEBHOOK_SIGNING_SECRET=receivers.SECRET, LISTEN="127.0.0.1:0", **variables)
    ended = subprocess.run([binary], env=environment, capture_output=True, text=True, timeout=60)
    check("exit status", ended.returncode, 1)
    return ended.stdout + ended.stderr


def over_tls_as_a_user_with_few_rights(binary):
    with tempfile.TemporaryDirectory() as folder:
        key, certificate, port = f"{folder}/key.pem", f"{folder}/certificate.pem", free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"],
                       check=True, capture_output=True)
        redis = Redis(folder, "--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
                      "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no")
        rights = "+evalsha +eval +get +set +del +pexpire +info".split()
        redis.query("ACL", "SETUSER", "receiver", "on", ">pass-word", "~agentmail:*", *rights)
        url = f"rediss://receiver:pass-word@localhost:{port}"
        process = Receiver(binary, REDIS_URL=url, SSL_CERT_FILE=certificate, HANDLER_FAILURES="1")
        sender = Sender(process)
        check("trusted certificate", [sender.send("trusted") for _ in range(3)], [500, 200, 200])
        process.stop()
        check("the password in the log", "pass-word" in "".join(process.log), False)
        error = error_at_start(binary, REDIS_URL=url, SSL_CERT_FILE="/dev/null")
        check("untrusted certificate", "cannot be reached: invalid peer certificate" in error, True)
        check("the password in the error", "pass-word" in error, False)
        redis.kill()


def a_process_that_cannot_claim_does_not_start(binary):
    for url, cause in [
        (f"redis://:pass-word@127.0.0.1:{free_port()}", "the Redis server cannot be reached: Connection refused"),
        (f"redis-cluster://:pass-word@127.0.0.1:{free_port()}", "the Redis cluster cannot be reached: Connection refused"),
        (f"redis-sentinel://:pass-word@127.0.0.1:{free_port()}/name?sentinel_password=pass-word", "the Sentinel cannot be reached: Connection refused"),
        ("redis-sentinel://:pass-word@127.0.0.1", "REDIS_URL: the address of the Redis server has no valid name of a primary"),
    ]:
        error = error_at_start(binary, REDIS_URL=url)
        check(f"the error names the cause: {error}", cause in error, True)
        check("the password in the error", "pass-word" in error, False)


def a_server_that_may_evict_is_named_in_the_log(binary):
    for policy in ["allkeys-lru", "noeviction"]:
        with tempfile.TemporaryDirectory() as folder:
            redis = Redis(folder, "--maxmemory-policy", policy)
            process = Receiver(binary, REDIS_URL=redis.url())
            check(f"a delivery with {policy}", Sender(process).send("evicted"), 200)
            while policy != "noeviction" and "may evict" not in "".join(process.log):
                time.sleep(0.05)
            process.stop()
            check(f"a warning with {policy}", "may evict" in "".join(process.log), policy != "noeviction")
            redis.kill()


def a_dead_connection_that_stays_open_is_replaced(binary):
    """A proxy stops forwarding the first connection to the server, and keeps it open."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as proxy:
        redis, silent, sockets = Redis(folder), threading.Event(), []

        def forward(source, target, dies):
            while piece := source.recv(65536):
                if not (dies and silent.is_set()):
                    target.sendall(piece)

        def accept():
            while True:
                client, _ = proxy.accept()
                server = socket.create_connection(("127.0.0.1", redis.port))
                for source, target in [(client, server), (server, client)]:
                    threading.Thread(target=forward, args=(source, target, not sockets), daemon=True).start()
                sockets.extend([client, server])

        threading.Thread(target=accept, daemon=True).start()
        process = Receiver(binary, REDIS_URL=f"redis://127.0.0.1:{proxy.getsockname()[1]}")
        sender = Sender(process)
        check("before", sender.send("before"), 200)
        silent.set()
        check("while the connection is dead", sender.send("while"), 503)
        while sender.send("while") != 200:
            pass
        process.stop()
        check("runs", runs(process), {"before": 1, "while": 1})
        redis.kill()


def outages(binary, deliveries=50_000, workers=64):
    """Repeats four kinds of outage until all deliveries of a sender that retries are accepted."""
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(folder)
        processes = [Receiver(binary, REDIS_URL=redis.url()) for _ in range(2)]
        pending, retries, lock = iter(range(deliveries)), {}, threading.Lock()
        done, down = [0], threading.Event()

        def work(number):
            sender = Sender(*processes[number % 2:], *processes[:number % 2])
            while True:
                with lock:
                    message = next(pending, None)
                if message is None:
                    return
                while (status := sender.send(f"m-{message}")) != 200:
                    with lock:
                        retries[status] = retries.get(status, 0) + 1
                    time.sleep(0.1)
                with lock:
                    done[0] += 1

        def handled():
            return sum(process.handled() for process in processes)

        def outage(name, begin, end, seconds):
            begin()
            time.sleep(0.5)  # Handlers that already have a claim end.
            before, refused = handled(), retries.get(503, 0)
            time.sleep(seconds)
            check(f"{name}: handled during the outage", handled() - before, 0)
            check(f"{name}: refused with 503", retries.get(503, 0) > refused, True)
            end()

        def stop():
            redis.process.send_signal(signal.SIGTERM)
            redis.process.wait()

        kinds = [
            ("frozen", lambda: redis.process.send_signal(signal.SIGSTOP), lambda: redis.process.send_signal(signal.SIGCONT)),
            ("killed", redis.kill, redis.start),
            ("stopped", stop, redis.start),
            ("out of memory", lambda: redis.query("CONFIG", "SET", "maxmemory", "1kb"), lambda: redis.query("CONFIG", "SET", "maxmemory", "0")),
        ]
        threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        count = 0
        for name, begin, end in itertools.cycle(kinds):
            goal = done[0] + deliveries // 10
            while done[0] < goal and any(thread.is_alive() for thread in threads):
                time.sleep(0.05)
            if done[0] > deliveries * 9 // 10:
                break
            outage(name, begin, end, 4)
            count += 1
        for thread in threads:
            thread.join()
        check("exit statuses", [process.stop() for process in processes], [0, 0])
        seen = runs(*processes)
        lost = deliveries - len(seen)
        twice = sum(1 for times in seen.values() if times > 1)
        check("(lost, handled twice)", (lost, twice), (0, 0))
        check("outages", count >= len(kinds), True)
        redis.kill()
        print(f"{deliveries} deliveries over {count} outages: {lost} lost, {twice} handled twice; retries by status: {retries}")
        for process in processes:
            print(re.sub(r"^.*?(DedupeStats)", r"\1", process.log[-1].strip()))


def main(binary, option=None):
    if option == "--outages":
        outages(binary)
        a_dead_connection_that_stays_open_is_replaced(binary)
    else:
        with tempfile.TemporaryDirectory() as folder:
            redis = Redis(folder)
            try:
                copies_at_once_are_handled_once(redis, binary)
                a_failed_message_is_handled_again(redis, binary)
                a_message_is_handled_again_after_its_process_was_killed(redis, binary)
            finally:
                redis.kill()
        over_tls_as_a_user_with_few_rights(binary)
        a_process_that_cannot_claim_does_not_start(binary)
        a_server_that_may_evict_is_named_in_the_log(binary)
    print(f"{receivers.passed} passed, {len(receivers.failures)} failed")
    return 1 if receivers.failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
