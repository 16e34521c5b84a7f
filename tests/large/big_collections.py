#!/usr/bin/env python3
"""big_collections.py -- collections of ten million elements: built, read, stored, evicted, loaded, overwritten,
expired and deleted, and the loop's turns meanwhile in its thread's own CPU time.

    big_collections.py [--size small|full] [--elements N] [--types list,set,hash,zset] [--folder F]

small: 100,000 elements. Contents are compared in both sizes, turns judged in the full one."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import large  # noqa: E402
from large import Turns, check, encode, info, say, shuffled  # noqa: E402

BATCH, PIPELINE, CONNECTIONS, PROBES = 20, 16, 8, 2000


def member(i):
    return b"member:%08d" % i


class Kind:
    """How one type is filled, asked for one element, and what comes."""

    def __init__(self, name, add, size, ask, want):
        self.name, self.add, self.size, self.ask, self.want = name, add, size, ask, want


def several(command, key, first, n, *parts):
    return encode(command, key, *[p(i) for i in range(first, first + n) for p in parts])


KINDS = {
    "list": Kind("list", lambda k, i, n: several("RPUSH", k, i, n, member), "LLEN",
                 lambda k, i: ("LINDEX", k, i), member),
    "set": Kind("set", lambda k, i, n: several("SADD", k, i, n, member), "SCARD",
                lambda k, i: ("SISMEMBER", k, member(i)), lambda i: 1),
    "hash": Kind("hash", lambda k, i, n: several("HSET", k, i, n, member, lambda j: b"v%d" % j), "HLEN",
                 lambda k, i: ("HGET", k, member(i)), lambda i: b"v%d" % i),
    "zset": Kind("zset", lambda k, i, n: several("ZADD", k, i, n, lambda j: b"%d" % shuffled(j, 1 << 24), member), "ZCARD",
                 lambda k, i: ("ZSCORE", k, member(i)), lambda i: b"%d" % shuffled(i, 1 << 24)),
}


# What writes as many elements as the collection has: its name, the command, and how many it answers.
STORED = {
    "set": [("intersection stored", ("SINTERSTORE", "to", "big:set", "big:set"), lambda n: n),
            ("difference stored", ("SDIFFSTORE", "to", "big:set", "none"), lambda n: n)],
    "zset": [("union stored", ("ZUNIONSTORE", "to", "2", "big:zset", "none"), lambda n: n),
             ("range stored", ("ZRANGESTORE", "to", "big:zset", "0", "-1"), lambda n: n),
             ("ranks removed", ("ZREMRANGEBYRANK", "to", "1", "-2"), lambda n: n - 2)],
}


def build(s, c, kind, key, n):
    def share(w):
        for first in range(w * BATCH, n, 2 * BATCH):
            count = min(BATCH, n - first)
            yield kind.add(key, first, count), lambda r: isinstance(r, int), 1
    # A list keeps the order of one connection alone.
    shares, connections = ([iter(one(kind, key, n))], 1) if kind.name == "list" else ([share(0), share(1)], CONNECTIONS)
    _, wrong, why, _ = large.transfer(s.port, shares, connections)
    check("%s of %d elements is built" % (kind.name, n), wrong == 0 and c(kind.size, key) == n, why or c(kind.size, key))


def one(kind, key, n):
    step = BATCH * PIPELINE
    for first in range(0, n, step):
        parts = [kind.add(key, i, min(BATCH, n - i)) for i in range(first, min(first + step, n), BATCH)]
        yield b"".join(parts), lambda r: isinstance(r, int), len(parts)


def probe(c, kind, key, n, what):
    wrong = 0
    for i in range(PROBES):
        at = shuffled(i * 7919 % n, n)
        wrong += c(*kind.ask(key, at)) != kind.want(at)
    check("%s: %d elements read %s are right" % (kind.name, PROBES, what), wrong == 0, wrong)


def gone(c, key):
    end = time.monotonic() + 60
    while c("EXISTS", key) and time.monotonic() < end:
        time.sleep(0.01)
    return c("EXISTS", key) == 0


def collection(s, c, kind, n, full):
    turns = Turns(c, full)
    key = "big:" + kind.name

    def step(what, fn):
        started = time.monotonic()
        fn()
        turns.phase("%s: %s" % (kind.name, what), started)

    step("built", lambda: build(s, c, kind, key, n))
    step("stored", lambda: c("SAVE"))
    fields = info(c)
    before = fields["bytes_pages"]
    limit = fields["used_memory"] - before * 3 // 4
    step("evicted", lambda: (c("CONFIG", "SET", "maxmemory", limit), time.sleep(10 if full else 1)))
    check("%s: most of it has left memory" % kind.name, info(c)["bytes_pages"] < before // 2,
          "%d of %d bytes" % (info(c)["bytes_pages"], before))
    step("loaded in part", lambda: probe(c, kind, key, n, "from the store"))
    c("CONFIG", "SET", "maxmemory", "0")
    for what, command, answer in STORED.get(kind.name, ()):
        step(what, lambda: check("%s: %s" % (kind.name, what), c(*command) == answer(n), command))
    c("DEL", "to")
    step("copied", lambda: c("COPY", key, key + ":copy"))
    step("its copy overwritten", lambda: c("SET", key + ":copy", "x"))
    step("deleted", lambda: (c("DEL", key), time.sleep(2)))
    step("built again", lambda: build(s, c, kind, key, n))
    step("expired", lambda: (c("PEXPIRE", key, 1), check("%s: it expires" % kind.name, gone(c, key)), time.sleep(2)))
    step("built once more", lambda: build(s, c, kind, key, n))
    step("overwritten", lambda: (c("SET", key, "x"), time.sleep(2)))
    step("stored without it", lambda: c("SAVE"))
    check("%s: its pages are gone" % kind.name, info(c)["bytes_pages"] < 1 << 20, info(c)["bytes_pages"])
    c("DEL", key, key + ":copy")
    turns.judge(kind.name)


def main(args, folder):
    n = args.elements or (10000000 if args.full else 100000)
    for name in (args.types or ",".join(KINDS)).split(","):
        s = large.server(os.path.join(folder, name), "--ack", "memory")
        c = s.client(timeout=900)
        collection(s, c, KINDS[name], n, args.full)
        c.close()
        s.kill()
        large.servers.remove(s)


if __name__ == "__main__":
    a = large.arguments("collections of many elements", elements=int, types=str)
    large.run(a, main)
