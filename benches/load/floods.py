"""Floods of requests that must be refused. Measures the memory of a receiver, and checks genuine deliveries."""

import multiprocessing
import socket
import threading
import time
from collections import Counter

from receiver import LIMIT, SAMPLE, Receiver, head, signed, status
from wrk import wrk

CONNECTIONS = 64
# How many bytes hyper reads ahead on one connection over HTTP/1 at most, by default.
READ_AHEAD = 8192 + 4096 * 100


def small(headers, body=SAMPLE):
    return lambda receiver, seconds: wrk(receiver, headers(body), body, seconds, CONNECTIONS)


def oversized(headers, piece):
    """Sends bodies that continue until the response arrives, in another process."""

    def run(receiver, seconds):
        counts = multiprocessing.Queue()
        process = multiprocessing.Process(target=send_oversized, args=(receiver, headers, piece, seconds, counts))
        process.start()
        statuses = counts.get()
        process.join()
        # A connection that the receiver closed is counted as refused: the response is lost, and the body was not read.
        refused = statuses[413] + statuses[0]
        return {"requests": statuses.total(), "refused": refused, "broken": statuses.total() - refused}

    return run


def send_oversized(receiver, headers, piece, seconds, counts):
    statuses, until = Counter(), time.monotonic() + seconds

    def send():
        while time.monotonic() < until:
            with receiver.connect() as connection:
                try:
                    connection.sendall(head(signed(SAMPLE) | headers))
                    for _ in range(2 * LIMIT // 0x10000):
                        connection.sendall(piece)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # The response may still be readable.
                statuses[status(connection)] += 1
                wait_for_end(connection)

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.put(statuses)


def wait_for_end(connection):
    """Waits until the receiver has closed the connection, so that it has at most one connection per thread."""
    try:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(0x10000):
            pass
    except OSError:
        pass  # The receiver has closed it first.


FLOODS = {
    "forged": small(lambda body: signed(body, "another secret")),
    "forged, bodies of the limit": small(lambda body: signed(body, "another secret"), b"x" * LIMIT),
    "stale": small(lambda body: signed(body, age=3_600)),
    "unsigned": small(lambda body: {"Content-Type": "application/json", "X-AgentMail-Unsigned": "1"}),
    "too long, declared": oversized({"Content-Length": 10 << 30}, b"x" * 0x10000),
    "too long, chunked": oversized({"Transfer-Encoding": "chunked"}, b"10000\r\n" + b"x" * 0x10000 + b"\r\n"),
}


def flood(name, kind, seconds):
    """Floods a new receiver. Returns a row, and the faults."""
    # One arena, because glibc's malloc otherwise keeps unused memory for each thread.
    receiver = Receiver(name, MALLOC_ARENA_MAX="1")
    try:
        first = receiver.deliver()
        idle = receiver.peak()
        statuses, waits, over = Counter(), [], threading.Event()

        def deliver():
            while not over.is_set():
                started = time.monotonic()
                statuses[receiver.deliver()] += 1
                waits.append(time.monotonic() - started)
                time.sleep(0.01)

        genuine = threading.Thread(target=deliver)
        genuine.start()
        try:
            counted = FLOODS[kind](receiver, seconds)
        finally:
            over.set()
            genuine.join()
        peak = receiver.peak()
    finally:
        receiver.stop()

    bound = 1.2 * idle + CONNECTIONS * (2 * LIMIT + READ_AHEAD)
    row = {"receiver": name, "flood": kind, "requests": counted["requests"], "refused": counted["refused"],
           "genuine": statuses.total(), "accepted": statuses[200], "slowest_ms": max(waits, default=0) * 1e3,
           "idle": idle, "peak": peak, "bound": bound}
    faults = []
    if first != 200 or statuses.total() == 0 or statuses[200] != statuses.total():
        faults.append(f"genuine deliveries got the statuses {dict(statuses)}, the first got {first}")
    if peak > bound:
        faults.append(f"the receiver used {peak} bytes, more than {bound:.0f}")
    # When its time ends, wrk does not wait for the responses to its last requests.
    if counted["refused"] + CONNECTIONS < counted["requests"] or counted["refused"] == 0:
        faults.append(f"not all of the flood was refused: {counted}")
    return row, [f"{name}, {kind}: {fault}" for fault in faults]


def show(row):
    mib = lambda of: f"{row[of] / (1 << 20):.1f}"
    print(f"{row['receiver']:18} {row['flood']:28} {row['refused']:8} refused, {row['accepted']:4} of {row['genuine']:4} genuine accepted"
          f" (slowest {row['slowest_ms']:6.1f} ms), peak {mib('peak'):>5} MiB, idle {mib('idle'):>4}, bound {mib('bound')}")
