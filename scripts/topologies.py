"""Starts a Redis cluster, or a set under Sentinel, on free ports. The scripts and benches use it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

FAIL_AFTER = 2000  # milliseconds


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for this: {what}"
        time.sleep(0.05)


def encoded(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Node:
    """A server or a Sentinel in a folder of its own."""

    def __init__(self, folder, *arguments):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(dir=folder)
        self.arguments = [argument.format(port=self.port, folder=self.folder) for argument in arguments]
        self.connection = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["redis-server", *self.arguments], stdout=subprocess.DEVNULL)

        def responds():
            assert self.process.poll() is None, "redis-server has ended"
            try:
                return self.query("PING")
            except (OSError, RuntimeError):
                return False

        until(responds, "redis-server responds")

    def query(self, *words):
        """Sends a command and returns the reply."""
        try:
            return self.exchange([words])[0]
        except OSError:  # The server has closed the connection, for example because it is a replica now.
            return self.exchange([words])[0]

    def exchange(self, commands):
        """Sends commands in one go and returns the replies."""
        try:
            if not self.connection:
                self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
                self.replies = self.connection.makefile("rb")
            self.connection.sendall(b"".join(map(encoded, commands)))
            return [self.reply() for _ in commands]
        except OSError:
            self.connection = None
            raise

    def reply(self):
        line = self.replies.readline()
        if not line:
            raise ConnectionError("the server has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.replies.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def info(self, section):
        lines = self.query("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def is_primary(self):
        return self.info("replication")["role"] == "master"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.connection = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def written(self):
        """Returns the last value of each key that the append-only file of a server has. The server may be frozen or
        dead: it writes before it responds."""
        values = {}
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(self.folder, copy, dirs_exist_ok=True)
            other = Node.__new__(Node)
            other.port, other.folder, other.connection = free_port(), copy, None
            other.arguments = ["--port", str(other.port), "--dir", copy, "--appendonly", "yes", "--save", ""]
            other.start()
            values = other.records()
            other.kill()
        return values

    def records(self):
        keys = self.query("KEYS", "agentmail:*")
        values = self.exchange([["GET", key] for key in keys])
        return {key: value for key, value in zip(keys, values) if value}


def server_options(fsync):
    return ["--port", "{port}", "--dir", "{folder}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
            "--appendfsync", fsync, "--repl-diskless-sync-delay", "0"]


class Cluster:
    """Three primaries, and one replica of each."""

    scheme = "redis-cluster"

    def __init__(self, folder, fsync="everysec"):
        buses = [free_port() for _ in range(6)]
        self.nodes = [Node(folder, *server_options(fsync), "--cluster-enabled", "yes", "--cluster-port", str(bus),
                           "--cluster-node-timeout", str(FAIL_AFTER)) for bus in buses]
        for node, bus in zip(self.nodes, buses):
            self.nodes[0].query("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        until(lambda: all(len(node.query("CLUSTER", "NODES").splitlines()) == 6 for node in self.nodes), "all nodes have met")
        for number, (primary, replica) in enumerate(zip(self.nodes[:3], self.nodes[3:])):
            primary.query("CLUSTER", "ADDSLOTSRANGE", 16384 * number // 3, 16384 * (number + 1) // 3 - 1)
            replica.query("CLUSTER", "REPLICATE", primary.query("CLUSTER", "MYID"))
        self.until_whole()

    def servers(self):
        return self.nodes

    def url(self):
        return "redis-cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def primaries(self):
        return [node for node in self.nodes if node.is_primary()]

    def replica_of(self, primary):
        return next(node for node in self.nodes if node.info("replication").get("master_port") == str(primary.port))

    def until_whole(self):
        """Waits until each primary has a replica that follows it."""
        def is_whole():
            infos = [node.info("replication") for node in self.nodes]
            online = [info for info in infos if "state=online" in info.get("slave0", "")]
            states = [b"cluster_state:ok" in node.query("CLUSTER", "INFO") for node in self.nodes]
            return all(states) and len(online) == 3

        until(is_whole, "each primary has a replica")

    def move_slots(self, count):
        """Moves slots with their keys from one primary to another. Returns how many it has moved."""
        self.until_whole()
        source, target, *_ = self.primaries()
        ids = [node.query("CLUSTER", "MYID") for node in (source, target)]
        ranges = [line.split()[8:] for line in source.query("CLUSTER", "NODES").decode().splitlines() if "myself" in line][0]
        first, _, last = next(text for text in ranges if "[" not in text).partition("-")
        slots = range(int(first), min(int(first) + count, int(last or first) + 1))
        for moved, slot in enumerate(slots):
            try:
                target.query("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
                source.query("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
                while keys := source.query("CLUSTER", "GETKEYSINSLOT", slot, 100):
                    source.query("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
                for node in (target, source):
                    node.query("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
            except RuntimeError as error:  # On a busy machine, one of the two may have failed over meanwhile.
                print(f"a slot was not moved: {error}")
                return moved
        return len(slots)


class Sentinels:
    """A primary, a replica, and three Sentinels."""

    scheme = "redis-sentinel"

    def __init__(self, folder, fsync="everysec"):
        primary = Node(folder, *server_options(fsync))
        replica = Node(folder, *server_options(fsync), "--replicaof", "127.0.0.1", str(primary.port))
        self.nodes = [primary, replica]
        until(lambda: "state=online" in primary.info("replication").get("slave0", ""), "the replica follows")
        self.sentinels = [self.sentinel(folder, primary) for _ in range(3)]
        known = "slaves=1,sentinels=3"
        until(lambda: all(known in node.info("sentinel")["master0"] for node in self.sentinels), "the Sentinels have met")

    @staticmethod
    def sentinel(folder, primary):
        file = os.path.join(tempfile.mkdtemp(dir=folder), "sentinel.conf")
        with open(file, "w") as configuration:
            configuration.write(f"bind 127.0.0.1\nsentinel monitor claims 127.0.0.1 {primary.port} 2\n"
                                f"sentinel down-after-milliseconds claims {FAIL_AFTER}\nsentinel failover-timeout claims 5000\n")
        return Node(folder, file, "--sentinel", "--port", "{port}", "--dir", "{folder}")

    def servers(self):
        return [*self.nodes, *self.sentinels]

    def url(self):
        return "redis-sentinel://" + ",".join(f"127.0.0.1:{node.port}" for node in self.sentinels) + "/claims"

    def primaries(self):
        return [node for node in self.nodes if node.is_primary()]

    def replica_of(self, primary):
        return next(node for node in self.nodes if node is not primary)

    def until_whole(self):
        def is_whole():
            primaries = self.primaries()
            return len(primaries) == 1 and "state=online" in primaries[0].info("replication").get("slave0", "")

        until(is_whole, "the primary has a replica")
