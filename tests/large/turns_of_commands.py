#!/usr/bin/env python3
"""turns_of_commands.py -- the longest turn of the loop that one command over very many elements causes, in the
loop thread's own CPU time.

    turns_of_commands.py [--size small|full] [--elements N] [--only text,text] [--folder F]

small: 40,000 elements, full: a million. A command runs up to TRIES times, and its shortest longest turn counts:
what else runs on the machine can only make it longer. Those of ONE_TURN are measured and not judged."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import large  # noqa: E402
from large import check, encode, info, say, shuffled  # noqa: E402

TRIES, TURN_MAX_US, BATCH = 3, 5000, 500
# What is done in one turn, however much it is: dumps, draws of different elements, results that are ordered by
# distance, counts of bits, what looks into everything.
ONE_TURN = ("DEBUG", "DUMP", "KEYS", "FLUSHALL", "HRANDFIELD hash 1", "HRANDFIELD hash 4", "ZRANDMEMBER zset 1",
            "ZRANDMEMBER zset 4", "GEO", "BITCOUNT", "BITPOS", "PFADD", "PFCOUNT", "PFMERGE", "XINFO", "XREADGROUP several",
            "XTRIM", "XADD M")


def member(i):
    return b"member:%08d" % i


def score(i):
    return b"%d" % shuffled(i, 1 << 24)


def entry(i):
    return b"%d-1" % (i + 1)


class Plain:
    """A connection that sends what is given, and throws replies away as they come: the client is to be no brake."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 600)
        self.room, self.mark = bytearray(1 << 20), encode("ECHO", "end of the reply")

    def __call__(self, request):
        """The first bytes of the reply, and how many there are."""
        end, first, last, n = b"$16\r\nend of the reply\r\n", b"", b"", 0
        self.sock.sendall(request + self.mark)
        while last != end:
            got = self.sock.recv_into(self.room)
            if got == 0:
                raise RuntimeError("the server closed the connection")
            first = first if n > 0 else bytes(self.room[:min(got, 200)])
            last = (last + bytes(self.room[max(0, got - len(end)):got]))[-len(end):]
            n += got
        return first, n - len(end)


def build(c, key, command, parts, n, batch=BATCH):
    """Fills a collection: parts(i) are the arguments of one element."""
    for at in range(0, n, batch * 20):
        commands = [(command, key) + tuple(a for i in range(b, min(b + batch, n)) for a in parts(i))
                    for b in range(at, min(at + batch * 20, n), batch)]
        c.pipeline(commands)


def fill(c, n):
    build(c, "list", "RPUSH", lambda i: (member(i),), n)
    build(c, "set", "SADD", lambda i: (member(i),), n)
    build(c, "set2", "SADD", lambda i: (member(i + n // 2),), n)
    build(c, "ints", "SADD", lambda i: (i * 7,), n)
    build(c, "hash", "HSET", lambda i: (member(i), b"v%d" % i), n)
    build(c, "zset", "ZADD", lambda i: (score(i), member(i)), n)
    build(c, "lex", "ZADD", lambda i: (b"0", member(i)), n)
    build(c, "geo", "GEOADD", lambda i: (b"%.4f" % (i % 1000 / 500), b"%.4f" % (i // 1000 % 1000 / 500), member(i)), n // 4)
    for at in range(0, n, 5000):
        c.pipeline([("XADD", "stream", entry(i), "f", member(i)) for i in range(at, min(at + 5000, n))])
    for at in range(0, 4):
        c.pipeline([("PFADD", "hll%d" % i, *range(i, i + 2000, 3)) for i in range(at * 250, at * 250 + 250)])


def rows(n, some, big):
    """(name, what is done before, the command). some: arguments of one command; big: bytes of a long string."""
    ids = [entry(i) for i in range(some)]
    few = ids[:min(10000, some)]
    copies = {k: ("COPY", k, k + ":c", "REPLACE") for k in ("list", "set", "hash", "zset", "stream")}
    group = [copies["stream"], ("XGROUP", "CREATE", "stream:c", "g", "0")]
    delivered = group + [("XREADGROUP", "GROUP", "g", "a", "COUNT", some, "STREAMS", "stream:c", ">")]
    out = [(" ".join(str(a) for a in r), [], r) for r in [
        ("LRANGE", "list", 0, -1), ("HGETALL", "hash"), ("HKEYS", "hash"), ("HVALS", "hash"),
        ("SMEMBERS", "set"), ("SMEMBERS", "ints"), ("SORT", "list", "ALPHA"),
        ("SINTER", "set", "set2"), ("SUNION", "set", "set2"), ("SDIFF", "set", "set2"), ("SDIFF", "set2", "set"),
        ("SINTERCARD", "2", "set", "set2"),
        ("ZRANGE", "zset", 0, -1), ("ZRANGE", "zset", 0, -1, "WITHSCORES"), ("ZRANGE", "zset", 0, -1, "REV"),
        ("ZRANGE", "zset", "-inf", "inf", "BYSCORE"), ("ZRANGE", "lex", "-", "+", "BYLEX"),
        ("ZREVRANGE", "zset", 0, -1), ("ZRANGEBYSCORE", "zset", "-inf", "inf", "WITHSCORES"),
        ("ZRANGEBYLEX", "lex", "-", "+"), ("ZUNION", 2, "zset", "lex"), ("ZINTER", 2, "zset", "lex", "WITHSCORES"),
        ("ZDIFF", 2, "zset", "set2"), ("ZINTERCARD", 2, "zset", "lex"),
        ("ZRANGESTORE", "to", "zset", 0, -1), ("ZUNIONSTORE", "to", 2, "zset", "lex"),
        ("ZINTERSTORE", "to", 2, "zset", "lex"), ("ZDIFFSTORE", "to", 2, "zset", "set2"),
        ("SINTERSTORE", "to", "set", "set2"), ("SUNIONSTORE", "to", "set", "set2"), ("SDIFFSTORE", "to", "set", "set2"),
        ("XRANGE", "stream", "-", "+"), ("XREVRANGE", "stream", "+", "-"), ("XREAD", "STREAMS", "stream", "0"),
        ("XREAD", "STREAMS", "stream", "stream", "0", "0"), ("XINFO", "STREAM", "stream", "FULL", "COUNT", "0"),
        ("HRANDFIELD", "hash", n), ("HRANDFIELD", "hash", -n, "WITHVALUES"), ("HRANDFIELD", "hash", some), ("ZRANDMEMBER", "zset", n, "WITHSCORES"),
        ("ZRANDMEMBER", "zset", -n), ("SRANDMEMBER", "set", n), ("SRANDMEMBER", "set", -n),
        ("HSCAN", "hash", 0, "COUNT", n), ("SSCAN", "set", 0, "COUNT", n), ("ZSCAN", "zset", 0, "COUNT", n),
        ("GEOSEARCH", "geo", "FROMLONLAT", 1, 1, "BYRADIUS", 300, "km", "WITHDIST", "ASC"),
        ("GEOSEARCHSTORE", "to", "geo", "FROMLONLAT", 1, 1, "BYRADIUS", 300, "km"),
        ("LPOS", "list", "nothing"), ("LPOS", "list", member(5), "COUNT", 0), ("LINSERT", "list", "BEFORE", "nothing", "x"),
        ("COPY", "zset", "to", "REPLACE"), ("DUMP", "list"), ("DUMP", "zset"), ("DUMP", "hash"), ("DUMP", "set"), ("DUMP", "stream"),
        ("PFMERGE", "to") + tuple("hll%d" % i for i in range(1000)), ("PFCOUNT",) + tuple("hll%d" % i for i in range(1000)),
        ("OBJECT", "ENCODING", "list"), ("MEMORY", "USAGE", "zset", "SAMPLES", 0),
        ("DEBUG", "DIGEST-VALUE", "zset"), ("DEBUG", "OBJECT", "zset"), ("DEBUG", "DIGEST"),
    ]]
    out += [
        ("SADD many", [], ("SADD", "to:s") + tuple(member(i) for i in range(some))),
        ("SADD many again", [], ("SADD", "set") + tuple(member(i) for i in range(some))),
        ("SREM many", [copies["set"]], ("SREM", "set:c") + tuple(member(i) for i in range(some))),
        ("SMISMEMBER many", [], ("SMISMEMBER", "set") + tuple(member(i) for i in range(some))),
        ("HSET many", [], ("HSET", "to:h") + tuple(a for i in range(some) for a in (member(i), b"v"))),
        ("HMGET many", [], ("HMGET", "hash") + tuple(member(i) for i in range(some))),
        ("HDEL many", [copies["hash"]], ("HDEL", "hash:c") + tuple(member(i) for i in range(some))),
        ("ZADD many", [], ("ZADD", "to:z") + tuple(a for i in range(some) for a in (score(i), member(i)))),
        ("ZREM many", [copies["zset"]], ("ZREM", "zset:c") + tuple(member(i) for i in range(some))),
        ("ZMSCORE many", [], ("ZMSCORE", "zset") + tuple(member(i) for i in range(some))),
        ("RPUSH many", [], ("RPUSH", "to:l") + tuple(member(i) for i in range(some))),
        ("LPUSH many", [], ("LPUSH", "to:l") + tuple(member(i) for i in range(some))),
        ("GEOADD many", [], ("GEOADD", "to:g") + tuple(a for i in range(some) for a in (b"1.%d" % i, b"1.1", member(i)))),
        ("PFADD many", [], ("PFADD", "to:p") + tuple(member(i) for i in range(some))),
        ("MSET many", [], ("MSET",) + tuple(a for i in range(some) for a in (b"k%d" % i, b"v%d" % i))),
        ("MGET many", [], ("MGET",) + tuple(b"k%d" % i for i in range(some))),
        ("EXISTS many", [], ("EXISTS",) + tuple(b"k%d" % i for i in range(some))),
        ("TOUCH many", [], ("TOUCH",) + tuple(b"k%d" % i for i in range(some))),
        ("KEYS *", [], ("KEYS", "*")), ("KEYS none", [], ("KEYS", "none*")), ("SCAN COUNT", [], ("SCAN", 0, "COUNT", 1000000)),
        ("SCAN MATCH COUNT", [], ("SCAN", 0, "MATCH", "none*", "COUNT", 1000000)),
        ("DEL many", [], ("DEL",) + tuple(b"k%d" % i for i in range(some))),
        ("MSET many again", [], ("MSET",) + tuple(a for i in range(some) for a in (b"k%d" % i, b"v%d" % i))),
        ("MSETNX many", [], ("MSETNX",) + tuple(a for i in range(some) for a in (b"n%d" % i, b"v%d" % i))),
        ("UNLINK many", [], ("UNLINK",) + tuple(b"k%d" % i for i in range(some))),
        ("LPOP many", [copies["list"]], ("LPOP", "list:c", some)),
        ("LPOP all", [copies["list"]], ("LPOP", "list:c", n)),
        ("LMPOP many", [copies["list"]], ("LMPOP", 1, "list:c", "RIGHT", "COUNT", n)),
        ("LTRIM half", [copies["list"]], ("LTRIM", "list:c", n // 4, n // 4 * 3)),
        ("LREM none", [copies["list"]], ("LREM", "list:c", 0, "nothing")),
        ("ZPOPMIN many", [copies["zset"]], ("ZPOPMIN", "zset:c", some)),
        ("ZPOPMAX most", [copies["zset"]], ("ZPOPMAX", "zset:c", n - 1)),
        ("ZMPOP many", [copies["zset"]], ("ZMPOP", 1, "zset:c", "MIN", "COUNT", n)),
        ("ZREMRANGEBYRANK", [copies["zset"]], ("ZREMRANGEBYRANK", "zset:c", 10, n - 10)),
        ("ZREMRANGEBYSCORE", [copies["zset"]], ("ZREMRANGEBYSCORE", "zset:c", 10, "inf")),
        ("SPOP many", [copies["set"]], ("SPOP", "set:c", some)),
        ("DEL a copy", [copies["list"]], ("DEL", "list:c")),
        ("RENAME", [copies["list"]], ("RENAME", "list:c", "list:d")),
        ("XREADGROUP", group, ("XREADGROUP", "GROUP", "g", "a", "STREAMS", "stream:c", ">")),
        ("XREADGROUP several", group, ("XREADGROUP", "GROUP", "g", "a", "STREAMS", "stream:c", "stream:c", ">", ">")),
        ("XACK", delivered, ("XACK", "stream:c", "g", *ids)),
        ("XDEL", delivered, ("XDEL", "stream:c", *ids)),
        ("XDELEX", delivered, ("XDELEX", "stream:c", "DELREF", "IDS", len(ids), *ids)),
        ("XACKDEL", delivered, ("XACKDEL", "stream:c", "g", "DELREF", "IDS", len(ids), *ids)),
        ("XCLAIM", delivered, ("XCLAIM", "stream:c", "g", "b", 0, *few)),
        ("XCLAIM JUSTID", delivered, ("XCLAIM", "stream:c", "g", "b", 0, *ids, "JUSTID")),
        ("XAUTOCLAIM", delivered, ("XAUTOCLAIM", "stream:c", "g", "b", 0, "0", "COUNT", some)),
        ("XPENDING", delivered, ("XPENDING", "stream:c", "g", "-", "+", some)),
        ("XTRIM MAXLEN", delivered, ("XTRIM", "stream:c", "MAXLEN", 10)),
        ("XTRIM DELREF", delivered, ("XTRIM", "stream:c", "MAXLEN", 10, "DELREF")),
        ("XTRIM ACKED", delivered, ("XTRIM", "stream:c", "MAXLEN", 10, "ACKED")),
        ("XADD MAXLEN", [copies["stream"]], ("XADD", "stream:c", "MAXLEN", 10, "*", "f", "v")),
        ("XADD MINID", [copies["stream"]], ("XADD", "stream:c", "MINID", entry(n - 10), "*", "f", "v")),
        ("XGROUP DESTROY", delivered, ("XGROUP", "DESTROY", "stream:c", "g")),
        ("XGROUP DELCONSUMER", delivered, ("XGROUP", "DELCONSUMER", "stream:c", "g", "a")),
        ("XADD many fields", [], ("XADD", "to:x", "*") + tuple(a for i in range(some // 10) for a in (b"f%d" % i, b"v"))),
        ("SETRANGE far", [("DEL", "far")], ("SETRANGE", "far", big - 1, "x")),
        ("SETBIT far", [("DEL", "far")], ("SETBIT", "far", big * 8 - 1, "1")),
        ("GET", [], ("GET", "far")), ("GETRANGE", [], ("GETRANGE", "far", 0, -1)),
        ("APPEND", [], ("APPEND", "far", "x")), ("STRLEN", [], ("STRLEN", "far")),
        ("BITCOUNT", [], ("BITCOUNT", "far")), ("BITPOS", [], ("BITPOS", "far", 1)),
        ("BITOP NOT", [], ("BITOP", "NOT", "to:b", "far")), ("BITOP AND", [], ("BITOP", "AND", "to:b", "far", "to:b")),
        ("SET long", [], ("SET", "long", b"x" * (big // 4))), ("APPEND long", [], ("APPEND", "long", b"x" * (big // 8))),
        ("MGET long", [], ("MGET", "long", "long")), ("GETDEL", [], ("GETDEL", "long")),
        ("DUMP long", [], ("DUMP", "far")),
        ("FLUSHALL", [], ("FLUSHALL",)),
    ]
    return out


def measure(c, plain, row):
    name, before, command = row
    request, best = encode(*command), None
    for _ in range(TRIES):
        for b in before:
            plain(encode(*b))
        c("CONFIG", "RESETSTAT")
        first, n = plain(request)
        now = info(c)
        turn = now["loop_turn_cpu_us_max"], now["loop_turns"], now["loop_turns_over_1ms"], n, first
        best = turn if best is None or turn[0] < best[0] else best
        if turn[0] <= TURN_MAX_US or name == "FLUSHALL":
            break
    return best


def main(args, folder):
    n = args.elements or (1000000 if args.full else 40000)
    some, big = n // 10, (512 if args.full else 16) << 20
    s = large.server(folder, "--ack", "memory", "--enable-debug-command", "yes")
    c, plain = s.client(timeout=900), Plain(s.port)
    fill(c, n)
    for row in rows(n, some, big):
        if args.only and not any(o in row[0] for o in args.only.split(",")):
            continue
        us, turns, slow, length, first = measure(c, plain, row)
        say("%-60s %8d us, %4d over 1 ms of %5d turns, %9d bytes %s", row[0][:60], us, slow, turns, length, first[:40] if first[:1] == b"-" else "")
        if not row[0].startswith(ONE_TURN):
            check("%s: no turn takes more than 5 ms" % row[0], us <= TURN_MAX_US, us)
    c.close()


if __name__ == "__main__":
    a = large.arguments("longest turns of commands", elements=int, only=str)
    large.run(a, main)
