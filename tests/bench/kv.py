#!/usr/bin/env python3
"""kv.py -- side by side with the distribution's redis-server, in one run.

Both servers run at the same time on loopback; redis-benchmark loads one, then the other, in interleaved
pairs, and the ratio of a pair is what counts: the machine may be noisy, but it is the same noise. Printed:
server CPU per request (user and system, from /proc), requests per second, p50 and p99, of strings and of other
types; then durable SETs, memory per key, and memory per element of small and large collections.

    kv.py [--pairs 9] [--scale 1.0] [--quick] [--only speed|types|durable|memory]
    kv.py --s3 s3://bucket/prefix --endpoint URL    durable SETs over that store only
"""
import argparse
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "crash"))
from server import ROOT, Server, free_port  # noqa: E402
from resp import Client, Error  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def peer(program):
    out = subprocess.run([os.path.join(ROOT, "tools", "peers.sh"), program], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return out.strip().splitlines()[-1]


class Redis:
    """The distribution's redis-server, or another program that takes its options."""

    def __init__(self, folder, options, program=None, wait=20):
        self.port = free_port()
        self.process = subprocess.Popen(
            [program or peer("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder,
             "--save", ""] + options, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + wait
        while True:
            try:
                Client(self.port)("PING")
                return
            except (OSError, Error):  # An error: it is loading.
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait()


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def bench(server, args, requests, clients=50, pipeline=1):
    before = cpu_seconds(server.process.pid)
    out = subprocess.run([peer("redis-benchmark"), "-p", str(server.port), "-n", str(requests), "-c",
                          str(clients), "-P", str(pipeline), "--csv"] + args, check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    cpu = cpu_seconds(server.process.pid) - before
    row = out.strip().splitlines()[-1]
    cells = [c.strip('"') for c in re.findall(r'"[^"]*"', row)]
    return {"cpu": cpu / requests * 1e6, "rps": float(cells[1]), "p50": float(cells[4]), "p99": float(cells[6])}


RAND = "__rand_int__"
# Name, what redis-benchmark is asked for, and a part of the usual number of requests.
STRINGS = [("get", ["-t", "get"], 1), ("set", ["-t", "set"], 1), ("hset", ["-t", "hset"], 1), ("incr", ["-t", "incr"], 1),
           ("mset", ["-t", "mset"], 4)]
TYPES = [("lpush", ["LPUSH", "list", "x" * 64], 1), ("lpop", ["LPOP", "list"], 1),
         ("lrange 100", ["LRANGE", "long", "0", "99"], 8), ("sadd", ["SADD", "set", "element:" + RAND], 1),
         ("zadd", ["ZADD", "zset", RAND, "element:" + RAND], 1), ("zrange 100", ["ZRANGE", "zset", "5000", "5099"], 8),
         ("hset", ["HSET", "hash", "field:" + RAND, "x" * 64], 1), ("xadd", ["XADD", "stream", "*", "field", "x" * 64], 1),
         ("xrange 100", ["XRANGE", "stream", "-", "+", "COUNT", "100"], 8)]


def fill_types(port):
    """So that reads have something to read, and a sorted set is not a small one."""
    c = Client(port)
    c("RPUSH", "long", *["x" * 64] * 1000)
    for i in range(0, 500000, 1000):
        c("ZADD", "zset", *[v for k in range(i, i + 1000) for v in (str(k * 7 % 500000), "element:%012d" % k)])
    c.pipeline([("XADD", "stream", "*", "field", "x" * 64)] * 1000)
    c.close()


def speed(title, tests, pipelines, pairs, scale, fill=None, rand=100000, targets="at most 1.0", worst_target="at most 1.15"):
    folder = tempfile.mkdtemp(prefix="cove-bench-")
    redis = Redis(folder, ["--appendonly", "no"])
    cove = Server(folder, options=["--ack", "memory"]).start()
    ratios = []
    if fill is not None:
        for s in (redis, cove):
            fill(s.port)
    print("## %s: ack memory beside redis-server without persistence; %d interleaved pairs, medians" % (title, pairs))
    print("| test | P | redis krps | cove krps | redis p50/p99 ms | cove p50/p99 ms | redis us/op | cove us/op | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for pipeline, base in pipelines:
        for name, args, part in tests:
            n = int(base * scale) // part
            args = ["-d", "64", "-r", str(rand)] + args
            for s in (redis, cove):
                bench(s, args, max(n // 4, 1000), pipeline=pipeline)
            got = [(bench(redis, args, n, pipeline=pipeline), bench(cove, args, n, pipeline=pipeline))
                   for _ in range(pairs)]
            ratio = statistics.median(c["cpu"] / max(r["cpu"], 1e-9) for r, c in got)
            ratios.append((ratio, name, pipeline))
            med = lambda i, k: statistics.median(g[i][k] for g in got)  # noqa: E731
            print("| %s | %d | %.0f | %.0f | %.2f/%.2f | %.2f/%.2f | %.2f | %.2f | **%.2f** |" % (
                name, pipeline, med(0, "rps") / 1e3, med(1, "rps") / 1e3, med(0, "p50"), med(0, "p99"),
                med(1, "p50"), med(1, "p99"), med(0, "cpu"), med(1, "cpu"), ratio), flush=True)
    mean = math.exp(sum(math.log(r) for r, _, _ in ratios) / len(ratios))
    worst = max(ratios)
    print("\ngeometric mean of the CPU ratios %.3f (target: %s), worst %.2f (%s at P=%d; target: %s)\n"
          % (mean, targets, worst[0], worst[1], worst[2], worst_target))
    redis.kill()
    cove.kill()
    shutil.rmtree(folder, ignore_errors=True)


def durable(pairs, scale, where, options=()):
    """Both at the same load; the store's place is what differs from a local append-only file."""
    folder = tempfile.mkdtemp(prefix="cove-bench-")
    redis = Redis(folder, ["--appendonly", "yes", "--appendfsync", "always"])
    cove = Server(folder, options=["--ack", "store"] + list(options)).start(120)
    print("\n## Durable SETs a second: ack store over %s beside appendfsync always; median of %d pairs" % (where, pairs))
    print("| clients | P | redis | cove | ratio | cove p50/p99 ms |")
    print("|---|---|---|---|---|---|")
    slow = 0.1 if where != "file" else 1  # A PUT takes tens of milliseconds there.
    for clients, pipeline, n in ((1, 1, 2000), (50, 1, 40000), (50, 16, 200000)):
        n = max(int(n * scale * slow), 100 * clients if slow == 1 else 20 * clients * pipeline)
        args = ["-t", "set", "-d", "64", "-r", "100000"]
        got = [(bench(redis, args, n, clients, pipeline), bench(cove, args, n, clients, pipeline))
               for _ in range(pairs)]
        med = lambda i, k: statistics.median(g[i][k] for g in got)  # noqa: E731
        print("| %d | %d | %.0f | %.0f | **%.2f** | %.1f/%.1f |" % (
            clients, pipeline, med(0, "rps"), med(1, "rps"), med(1, "rps") / med(0, "rps"), med(1, "p50"),
            med(1, "p99")), flush=True)
    redis.kill()
    cove.kill()
    shutil.rmtree(folder, ignore_errors=True)


def rss(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) * 1024


def used(port):
    return int(re.search(rb"used_memory:(\d+)", Client(port)("INFO", "memory")).group(1))


def memory(n):
    folder = tempfile.mkdtemp(prefix="cove-bench-")
    print("\n## Memory per key: %d keys of 16 bytes with 64-byte values (used, resident)" % n)
    for name, server in (("redis", Redis(folder, [])),
                         ("cove", Server(folder, options=["--ack", "memory"]).start())):
        time.sleep(1)
        before = used(server.port), rss(server.process.pid)
        c = Client(server.port)
        for i in range(0, n, 1000):
            c.pipeline([("SET", "key:%012d" % j, "%064d" % j) for j in range(i, i + 1000)])
        c.close()
        time.sleep(5)
        after = used(server.port), rss(server.process.pid)
        print("%s: %.1f, %.1f bytes a key" % (name, (after[0] - before[0]) / n, (after[1] - before[1]) / n), flush=True)
        server.kill()
    shutil.rmtree(folder, ignore_errors=True)


def text(i):
    return "element:%012d" % i


# Name, command, and what it takes for element i.
ELEMENTS = [("list", "RPUSH", lambda i: [text(i)]), ("set", "SADD", lambda i: [text(i)]),
            ("set of numbers", "SADD", lambda i: [str(i * 7919)]), ("hash", "HSET", lambda i: [text(i), "%016d" % i]),
            ("zset", "ZADD", lambda i: [str(i * 7919 % 1000003), text(i)]),
            ("stream", "XADD", lambda i: ["*", "field", "%016d" % i])]


def fill_elements(c, command, args, key, first, n):
    if command == "XADD":
        return [(command, key, *args(i)) for i in range(first, first + n)]
    return [(command, key, *[a for i in range(first, first + n) for a in args(i)])]


def settled(port):
    """used_memory when what the fill left behind is given back: replies, buffers, an old table of a rehash."""
    last = used(port)
    for _ in range(20):
        time.sleep(0.3)
        now = used(port)
        if abs(now - last) < 10000:
            return now
        last = now
    return last


def bytes_per_element(port, command, args, sizes):
    """Of collections of these sizes, all filled before the difference is taken."""
    c = Client(port, timeout=300)
    c("FLUSHALL")
    before, batch = settled(port), []
    for number, size in enumerate(sizes):
        for first in range(0, size, 100):
            batch += fill_elements(c, command, args, "k%09d" % number, first, min(100, size - first))
            if len(batch) >= 100:
                c.pipeline(batch)
                batch = []
    c.pipeline(batch)
    c.close()
    return (settled(port) - before) / sum(sizes)


def elements(n):
    folder = tempfile.mkdtemp(prefix="cove-bench-")
    redis = Redis(folder, [])
    cove = Server(folder, options=["--ack", "memory"]).start()
    print("\n## Memory per element: texts of 20 bytes (values of 16) in %d collections of 10, and in one of %d; "
          "used_memory, with the keys" % (n // 10, n))
    print("| type | redis, of 10 | cove, of 10 | ratio | redis, large | cove, large | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, command, args in ELEMENTS:
        cells = []
        for sizes in ([10] * (n // 10), [n]):
            r, c = (bytes_per_element(s.port, command, args, sizes) for s in (redis, cove))
            cells.append("%.1f | %.1f | **%.2f**" % (r, c, c / r))
        print("| %s | %s |" % (name, " | ".join(cells)), flush=True)
    redis.kill()
    cove.kill()
    shutil.rmtree(folder, ignore_errors=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--pairs", type=int, default=9)
    p.add_argument("--scale", type=float, default=1.0)
    p.add_argument("--keys", type=int, default=1000000)
    p.add_argument("--quick", action="store_true", help="3 pairs, a tenth of the requests and keys")
    p.add_argument("--only", choices=("speed", "types", "durable", "memory"))
    p.add_argument("--s3", help="a store: only durable SETs over it")
    p.add_argument("--endpoint", default="")
    a = p.parse_args()
    if a.quick:
        a.pairs, a.scale, a.keys = 3, 0.2, 100000
    half = max(a.pairs // 2, 1)
    if a.s3:
        durable(half, a.scale, "S3", ["--store", a.s3, "--store-endpoint", a.endpoint])
        return
    if a.only in (None, "speed"):
        speed("Speed", STRINGS, ((1, 60000), (16, 240000), (64, 480000)), a.pairs, a.scale)
    if a.only in (None, "types"):
        speed("Types", TYPES, ((1, 60000), (16, 240000)), a.pairs, a.scale, fill_types, 500000, "at most 1.0, zadd 0.6", "none")
    if a.only in (None, "durable"):
        durable(half, a.scale, "file")
    if a.only in (None, "memory"):
        memory(a.keys)
        elements(a.keys // 2)


if __name__ == "__main__":
    main()
