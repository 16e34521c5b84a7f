#!/usr/bin/env python3
"""crash.py -- nothing acknowledged is lost: many connections write with full pipelines, the server is
killed at a random moment, started again, and what it holds is compared with what it had answered.

Every connection owns its keys. Its operations form a sequence of which the server may have executed any
prefix that is not shorter than what it acknowledged: a lost reply counts as either outcome. A MULTI is one
operation, so half a transaction is no prefix.

    crash.py [--rounds N] [--connections N] [--pipeline N] [--seed N] [--store S] [--seconds S]
             [--option NAME VALUE]... [--fault-control PORT --fault "RULE"...]

With --fault-control the store stands behind tests/s3/fault_proxy.py, which gets the rules before the
first start; its counts are printed, and trouble that never came is a failure.
"""
import argparse
import copy
import os
import random
import selectors
import shutil
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from resp import Client, Error, Null, Parser, encode  # noqa: E402
from server import Server  # noqa: E402

KEYS, FIELDS, ELEMENTS, FILES, DIM = 8, 5, 6, 6, 4
MEMBERS, ENTRIES, FAR = 300, 60, 4102444800000  # A sorted set outgrows its listpack; a stream keeps so many; 2100.


class State:
    """What one connection's keys hold."""

    def __init__(self):
        self.keys, self.ttl, self.hash, self.vectors, self.files = {}, set(), {}, {}, {}
        self.pairs, self.snapshots = {}, set()
        self.timed, self.zset, self.list, self.stream = set(), {}, [], []

    def __eq__(self, other):
        return self.__dict__ == other.__dict__

    def diff(self, other):
        return "; ".join("%s: expected %r, found %r" % (k, v, other.__dict__[k])
                         for k, v in self.__dict__.items() if v != other.__dict__[k])


class Op:
    """Commands to send (one, or a MULTI), and what they change."""

    def __init__(self, commands, apply):
        self.commands, self.apply = commands, apply
        self.left = len(commands)


class Worker:
    KINDS = {"set": 30, "del": 8, "expire": 5, "hset": 12, "multi": 10, "vadd": 6, "vrem": 3, "write": 8,
             "mv": 4, "snapshot": 0.15, "hexpire": 4, "zadd": 10, "zrem": 3, "push": 5, "pop": 3, "xadd": 6}

    def __init__(self, number, rnd, snapshots, without=()):
        self.kinds = {k: v for k, v in self.KINDS.items()
                      if k not in without and (k != "snapshot" or snapshots)}
        self.without = without
        self.n, self.rnd, self.count = number, rnd, 0
        self.state = State()      # after all acknowledged operations
        self.sent = []            # operations not acknowledged yet, in order
        self.acked = 0

    def name(self, kind, i):
        return "%s:%d:%d" % (kind, self.n, i)

    def next(self):
        self.count += 1
        r, value = self.rnd, "v%d-%d-%s" % (self.n, self.count, "x" * self.rnd.choice((0, 5, 200, 3000)))
        i = r.randrange(KEYS)
        key = self.name("k", i)
        kind = r.choices(list(self.kinds), list(self.kinds.values()))[0]
        if kind == "set":
            def apply(s):
                s.keys[key] = value.encode()
                s.ttl.discard(key)
            return Op([("SET", key, value)], apply)
        if kind == "del":
            def apply(s):
                s.keys.pop(key, None)
                s.ttl.discard(key)
            return Op([("DEL", key)], apply)
        if kind == "expire":
            def apply(s):
                if key in s.keys:
                    s.ttl.add(key)
            return Op([("EXPIRE", key, 1000000)], apply)
        if kind == "hset":
            field = "f%d" % r.randrange(FIELDS)

            def apply(s):
                s.hash[field.encode()] = value.encode()
                s.timed.discard(field.encode())
            return Op([("HSET", self.name("h", 0), field, value)], apply)
        if kind == "multi":
            def apply(s):
                s.pairs["a"] = s.pairs["b"] = value.encode()
            return Op([("MULTI",), ("SET", self.name("pa", 0), value), ("SET", self.name("pb", 0), value),
                       ("EXEC",)], apply)
        if kind in ("hexpire", "zadd", "zrem", "push", "pop", "xadd"):
            return self.next_collection(kind, value)
        return self.next_module(kind, value)

    def next_collection(self, kind, value):
        r, n = self.rnd, self.count
        if kind == "hexpire":
            field = b"f%d" % r.randrange(FIELDS)

            def apply(s):
                if field in s.hash:
                    s.timed.add(field)
            return Op([("HPEXPIREAT", self.name("h", 0), FAR, "FIELDS", 1, field)], apply)
        member = b"m%03d" % r.randrange(MEMBERS) + b"x" * 300
        if kind == "zadd":
            def apply(s):
                s.zset[member] = n
            return Op([("ZADD", self.name("z", 0), n, member)], apply)
        if kind == "zrem":
            def apply(s):
                s.zset.pop(member, None)
            return Op([("ZREM", self.name("z", 0), member)], apply)
        if kind == "push":
            def apply(s):
                s.list.append(value.encode())
            return Op([("RPUSH", self.name("l", 0), value)], apply)
        if kind == "pop":
            def apply(s):
                del s.list[:1]
            return Op([("LPOP", self.name("l", 0))], apply)

        def apply(s):
            s.stream = (s.stream + [(b"%d-1" % n, value.encode())])[-ENTRIES:]
        return Op([("XADD", self.name("st", 0), "MAXLEN", ENTRIES, "%d-1" % n, "f", value)], apply)

    def next_module(self, kind, value):
        r = self.rnd
        if kind == "vadd":
            element = "e%d" % r.randrange(ELEMENTS)
            attr = '{"n":%d}' % self.count
            values = [r.choice((-1, 1)) * r.randint(1, 9) for _ in range(DIM)]

            def apply(s):
                s.vectors[element.encode()] = attr.encode()
            return Op([("VADD", self.name("vs", 0), "VALUES", DIM) + tuple(values) +
                       (element, "SETATTR", attr)], apply)
        if kind == "vrem":
            element = "e%d" % r.randrange(ELEMENTS)

            def apply(s):
                s.vectors.pop(element.encode(), None)
            return Op([("VREM", self.name("vs", 0), element)], apply)
        if kind == "write":
            path = "/d%d/f%d" % (r.randrange(2), r.randrange(FILES))
            data = value * r.choice((1, 1, 40))

            def apply(s):
                s.files[path] = data.encode()
            return Op([("FS.WRITE", self.name("vol", 0), path, data, "PARENTS")], apply)
        if kind == "mv":
            a, b = "/d0/f%d" % r.randrange(FILES), "/d0/f%d" % r.randrange(FILES)

            def apply(s):
                if a in s.files and a != b:
                    s.files[b] = s.files.pop(a)
            return Op([("FS.MV", self.name("vol", 0), a, b)], apply)
        name = "s%d-%d" % (self.n, self.count)

        def apply(s):
            s.snapshots.add(name.encode())
        return Op([("SNAPSHOT", "CREATE", name)], apply)

    def answered(self, reply):
        """One reply has come: the oldest operation gets it."""
        op = self.sent[0]
        if isinstance(reply, Error) and not str(reply).startswith(("ENOENT", "ENOTDIR")):
            raise AssertionError("connection %d: %s to %r" % (self.n, reply, op.commands[0][:2]))
        op.left -= 1
        if op.left == 0:
            op.apply(self.state)
            self.sent.pop(0)
            self.acked += 1


def run_load(server, workers, pipeline, seconds, rnd, checkpoint):
    """Writes until the kill. Returns when the server is dead."""
    sel = selectors.DefaultSelector()
    for w in workers:
        w.sock = socket.create_connection(("127.0.0.1", server.port))
        w.sock.setblocking(False)
        w.parser, w.out = Parser(), b""
        sel.register(w.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, w)
    end, killed = time.monotonic() + seconds, False
    asked = not checkpoint
    live = set(workers)
    while live:
        now = time.monotonic()
        if not asked and now > end - 0.03:
            with socket.create_connection(("127.0.0.1", server.port)) as s:
                s.sendall(encode("BGSAVE"))
                s.recv(100)
            asked = True
        if not killed and now >= end:
            server.kill()
            killed = True
        for key, events in sel.select(0.01 if not killed else 0.5):
            w = key.data
            try:
                if not killed and events & selectors.EVENT_WRITE:
                    fill(w, pipeline)
                if events & selectors.EVENT_READ:
                    data = w.sock.recv(1 << 18)
                    if not data:
                        raise ConnectionResetError
                    for reply in w.parser.feed(data):
                        w.answered(reply)
            except BlockingIOError:
                pass
            except (ConnectionResetError, BrokenPipeError):
                sel.unregister(w.sock)
                w.sock.close()
                live.discard(w)
                if not killed:
                    raise AssertionError("the server closed connection %d by itself\n%s" % (w.n, server.tail()))


def fill(w, pipeline):
    while len(w.sent) < pipeline:
        op = w.next()
        w.sent.append(op)
        w.out += b"".join(encode(*c) for c in op.commands)
    if w.out:
        n = w.sock.send(w.out)
        w.out = w.out[n:]


def observe(c, w, snapshots):
    """What the server holds of this connection's keys now."""
    s = State()
    names = [w.name("k", i) for i in range(KEYS)]
    hashes = "hset" not in w.without
    replies = c.pipeline([("GET", k) for k in names] + [("TTL", k) for k in names] +
                         [("HGETALL", w.name("h", 0)) if hashes else ("EXISTS", "none"), ("GET", w.name("pa", 0)), ("GET", w.name("pb", 0))])
    for i, k in enumerate(names):
        if replies[i] is not None:
            s.keys[k] = replies[i]
        if replies[KEYS + i] > 0:
            s.ttl.add(k)
    flat = replies[2 * KEYS]
    s.hash = dict(zip(flat[::2], flat[1::2])) if hashes else {}
    if hashes:
        fields = sorted(s.hash)
        times = c("HPEXPIRETIME", w.name("h", 0), "FIELDS", len(fields), *fields) if fields else []
        if any(t not in (FAR, -1) for t in times):
            raise AssertionError("connection %d: expiries %r" % (w.n, times))
        s.timed = {f for f, t in zip(fields, times) if t == FAR}
    flat = c("ZRANGE", w.name("z", 0), 0, -1, "WITHSCORES")
    s.zset = {m: int(score) for m, score in zip(flat[::2], flat[1::2])}
    s.list = c("LRANGE", w.name("l", 0), 0, -1)
    s.stream = [(i, f[1]) for i, f in c("XRANGE", w.name("st", 0), "-", "+")]
    if replies[-2] is not None or replies[-1] is not None:
        s.pairs = {"a": replies[-2], "b": replies[-1]}
    for e in range(ELEMENTS if "vadd" not in w.without else 0):
        name = "e%d" % e
        if c("VISMEMBER", w.name("vs", 0), name):
            s.vectors[name.encode()] = c("VGETATTR", w.name("vs", 0), name)
    for d in range(2 if "write" not in w.without else 0):
        for f in range(FILES):
            path = "/d%d/f%d" % (d, f)
            try:
                data = c("FS.READ", w.name("vol", 0), path)
            except Error as e:
                if not str(e).startswith(("ENOENT", "ENOTDIR")):
                    raise
                continue
            if data is not None:
                s.files[path] = data
    s.snapshots = {n for n in snapshots if n.startswith(b"s%d-" % w.n)}
    return s


def check(server, workers):
    c = server.client()
    snapshots = [dict(zip(m[::2], m[1::2]))[b"name"] for m in c("SNAPSHOT", "LIST")]
    for w in workers:
        found, candidate = observe(c, w, snapshots), w.state
        unknown = list(w.sent)
        while True:
            if candidate == found:
                break
            if not unknown:
                raise AssertionError("connection %d: no state between the acknowledged and the sent one is "
                                     "there: %s" % (w.n, w.state.diff(found)))
            candidate = copy.deepcopy(candidate)
            unknown.pop(0).apply(candidate)
        w.state, w.sent = found, []
    c.close()


class Proxy:
    """The fault proxy's control port: the rules go in, the counts come out."""

    def __init__(self, port, rules):
        self.file = socket.create_connection(("127.0.0.1", port)).makefile("rw")
        self.rules = rules
        self.ask("clear")
        self.before = self.counts()
        for rule in rules:
            self.ask(rule)

    def ask(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        reply = self.file.readline().strip()
        if reply.startswith("error"):
            raise RuntimeError("the fault proxy does not take %r: %s" % (line, reply))
        return reply

    def counts(self):
        words = self.ask("stats").split()
        return {w.split("=")[0]: int(w.split("=")[1]) for w in words if "=" in w}

    def report(self):
        after = self.counts()
        made = {k: v - self.before.get(k, 0) for k, v in after.items()}
        print("# " + " ".join("%s=%d" % item for item in sorted(made.items())), flush=True)
        for rule in self.rules:
            if made.get(rule.split()[4], 0) == 0:
                raise AssertionError("the trouble never came: %s" % rule)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--connections", type=int, default=20)
    p.add_argument("--pipeline", type=int, default=32)
    p.add_argument("--seconds", type=float, default=0.8, help="of load a round, at most")
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--store", default="file:./data")
    p.add_argument("--option", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    p.add_argument("--fault-control", type=int, default=None, help="port of the fault proxy")
    p.add_argument("--fault", action="append", default=[], help="a rule for the fault proxy")
    p.add_argument("--without", default="", help="kinds of operations to leave out: set,del,vadd,...")
    p.add_argument("--binary", default=None)
    p.add_argument("--keep", action="store_true")
    a = p.parse_args()
    seed = a.seed if a.seed is not None else random.randrange(1 << 32)
    rnd = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="cove-crash-")
    options = [word for name, value in a.option for word in ("--" + name, value)]
    server = Server(folder, a.store, options, binary=a.binary)
    workers = [Worker(i, random.Random(rnd.random()), i % 4 == 0,
                      a.without.split(",")) for i in range(a.connections)]
    passed = failed = in_checkpoint = 0
    print("# seed %d" % seed, flush=True)
    try:
        proxy = Proxy(a.fault_control, a.fault) if a.fault_control else None
        for r in range(a.rounds):
            if server.process is None:
                server.start()
            checkpoint = r % 5 == 1
            in_checkpoint += checkpoint
            run_load(server, workers, a.pipeline, rnd.uniform(0.05, a.seconds), rnd, checkpoint)
            server.start()
            check(server, workers)
            passed += 1
        print("ok - %d rounds, %d of them in a checkpoint, %d acknowledged writes, none lost"
              % (passed, in_checkpoint, sum(w.acked for w in workers)), flush=True)
        if proxy is not None:
            proxy.report()
    except (AssertionError, RuntimeError, OSError) as e:
        failed = 1
        print("not ok - round %d, seed %d: %s\n# folder %s" % (passed, seed, e, folder), flush=True)
    finally:
        server.kill()
        if a.fault_control:
            Proxy(a.fault_control, [])
        if not failed and not a.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (1 - failed, failed))
    return failed


if __name__ == "__main__":
    sys.exit(main())
