#!/usr/bin/env python3
"""files.py -- small files over RESP: one pipelined client writes, reads and stats 1 KiB files, ack memory.

The peer is redis-server with a hash a file, as programs that keep files in Redis do (HSET of path fields is
all that they get: no directories, no versions, no offsets). Printed: operations a second and server CPU each.

    files.py [--pairs 3] [--files 100000]
"""
import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kv import Client, Redis, Server, cpu_seconds  # noqa: E402
from resp import Parser, encode  # noqa: E402

PIPELINE, FOLDERS = 64, 100
DATA = "x" * 1024


def path(i):
    return "/d%d/f%d" % (i % FOLDERS, i)


COVE = {
    "write": lambda i: ("FS.WRITE", "bench", path(i), DATA, "PARENTS"),
    "read": lambda i: ("FS.READ", "bench", path(i)),
    "stat": lambda i: ("FS.STAT", "bench", path(i)),
}
REDIS = {
    "write": lambda i: ("HSET", path(i), "data", DATA, "mtime", "1700000000", "mode", "420", "size", "1024"),
    "read": lambda i: ("HGET", path(i), "data"),
    "stat": lambda i: ("HMGET", path(i), "mtime", "mode", "size"),
}


def batches(commands, files):
    """Encoded before the clock starts: the client is not what is measured."""
    for at in range(0, files, PIPELINE):
        some = range(at, min(at + PIPELINE, files))
        yield b"".join(encode(*commands(i)) for i in some), len(some)


def run(server, commands, files):
    c = Client(server.port)
    ready = list(batches(commands, files))
    cpu, started, parser = cpu_seconds(server.process.pid), time.monotonic(), Parser()
    for request, n in ready:
        c.sock.sendall(request)
        while n > 0:
            for reply in parser.feed(c.sock.recv(1 << 20)):
                if isinstance(reply, Exception):
                    raise reply
                n -= 1
    seconds = time.monotonic() - started
    cpu = cpu_seconds(server.process.pid) - cpu
    c.close()
    return files / seconds, cpu / files * 1e6


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--files", type=int, default=100000)
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="cove-bench-")
    redis = Redis(folder, ["--appendonly", "no"])
    cove = Server(folder, options=["--ack", "memory"]).start()
    print("\n## %d files of 1 KiB, one client, pipeline %d, ack memory; medians of %d pairs" % (a.files, PIPELINE, a.pairs))
    print("| operation | redis hashes k/s | cove k/s | redis us/op | cove us/op | CPU ratio |")
    print("|---|---|---|---|---|---|")
    for name in COVE:
        got = [(run(redis, REDIS[name], a.files), run(cove, COVE[name], a.files)) for _ in range(a.pairs)]
        r, c = ([statistics.median(g[i][k] for g in got) for k in (0, 1)] for i in (0, 1))
        print("| %s | %.0f | %.0f | %.2f | %.2f | **%.2f** |" % (
            name, r[0] / 1e3, c[0] / 1e3, r[1], c[1], c[1] / max(r[1], 1e-9)), flush=True)
    redis.kill()
    cove.kill()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
