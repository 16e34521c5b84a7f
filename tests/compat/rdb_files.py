#!/usr/bin/env python3
"""rdb_files.py -- whole RDB files both ways: what the distribution's Redis saves, --import takes in; what --export
writes, Redis loads. Every key, value and expiry is compared; what is damaged is refused and changes nothing.

    rdb_files.py [--seed N]"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "crash")]
import payload
from server import Server, free_port
from wire import Wire

FAR = 4102444800000  # 2100
DATABASES = 16
results = []


def check(name, ok, what=""):
    results.append(bool(ok))
    print("%sok %d - %s%s" % ("" if ok else "not ", len(results), name, "" if what == "" else " (%s)" % (what,)), flush=True)


class Redis:
    def __init__(self, folder, rdb="dump.rdb"):
        program = subprocess.run([os.path.join(ROOT, "tools", "peers.sh"), "redis-server"], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout.split("\n")[-2]
        self.port = free_port()
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--dbfilename", rdb,
             "--enable-debug-command", "yes"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                w = Wire(self.port)
                loading = w.call("PING")[0] == "-"
                w.close()
                if not loading:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def stop(self):
        self.process.kill()
        self.process.wait()


def fill(port, rng):
    """Values of every kind that the grammar knows, small and large, in three databases; some expire."""
    w = Wire(port)
    for db in (0, 1, 9):
        w.call("SELECT", db)
        for i in range(400):
            w.call("SET", "string:%d" % i, b"x" * rng.choice((0, 1, 10, 200, 5000)) + str(rng.random()).encode())
            w.call("SET", "number:%d" % i, rng.randrange(-2 ** rng.choice((7, 15, 31, 62)), 2 ** rng.choice((7, 15, 31, 62))))
        for i in range(40):
            n = rng.choice((1, 5, 100, 700))
            w.call("RPUSH", "list:%d" % i, *[b"e%d" % k * rng.choice((1, 1, 1, 40)) for k in range(n)])
            w.call("HSET", "hash:%d" % i, *[b"%d:%d" % (k // 2, rng.randrange(100)) for k in range(2 * n)])
            w.call("SADD", "set:%d" % i, *[b"m%d" % k for k in range(n)])
            w.call("SADD", "ints:%d" % i, *[b"%d" % (k * 37) for k in range(n)])
            w.call("ZADD", "zset:%d" % i, *[v for k in range(n) for v in (b"%d" % (k * 7919 % 1000), b"m%d" % k)])
            for k in range(1, min(n, 120)):
                w.call("XADD", "stream:%d" % i, "%d-1" % k, "field", b"v%d" % k)
            w.call("XGROUP", "CREATE", "stream:%d" % i, "group", "0", "MKSTREAM")
            w.call("XREADGROUP", "GROUP", "group", "consumer", "COUNT", "7", "STREAMS", "stream:%d" % i, ">")
            w.call("PFADD", "hll:%d" % i, *[b"%d" % k for k in range(n)])
        for i in range(0, 400, 5):
            w.call("PEXPIREAT", "string:%d" % i, FAR + i)
        for i in range(0, 40, 3):
            w.call("PEXPIREAT", "hash:%d" % i, FAR + i)
    w.call("SET", b"\x00\xff key\r\n", b"\r\n\x00")
    w.call("APPEND", "long", b"0123456789" * 300000)
    w.close()


def contents(port):
    """{(database, key): (payload without its accidents, expiry)}"""
    w, out = Wire(port), {}
    for db in range(DATABASES):
        w.call("SELECT", db)
        keys = [k for _, k in w.call("KEYS", "*")[1]]
        w.send([[c, k] for k in keys for c in (b"DUMP", b"PEXPIRETIME")])
        for k in keys:
            kind, dump = w.read()
            expiry = w.read()[1]
            if kind != "-":  # A volume.
                out[db, k] = (payload.read(dump), expiry)
    w.close()
    return out


def cove(folder, *args):
    done = subprocess.run([os.environ.get("COVE_SERVER") or os.path.join(ROOT, "build", "cove-server"), "--port", "0",
                           "--dir", folder, "--store", "file:./data"] + list(args),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=120)
    return done.returncode, done.stdout.decode(errors="replace")


def same(what, one, other):
    wrong = [k for k in one.keys() | other.keys() if one.get(k) != other.get(k)]
    check("%s: %d keys with their values and expiries" % (what, len(one)), not wrong and len(one) > 0, wrong[:3] or "")


def damaged(folder, rng, path):
    """Each of these is refused before anything is written."""
    with open(path, "rb") as f:
        good = f.read()
    cases = [("an empty file", b""), ("no RDB file", b"HELLO" + good[5:]), ("a later version", good[:5] + b"0099" + good[9:]),
             ("version 0", good[:5] + b"0000" + good[9:]), ("a file cut short", good[:len(good) // 2]),
             ("a wrong checksum", good[:-1] + bytes([good[-1] ^ 1])), ("bytes behind the end", good + b"x"),
             ("an impossible length", good[:9] + b"\xfe\x00\x00\x81" + b"\xff" * 8 + good[20:]),
             ("an unknown type", good[:9] + b"\xfe\x00\xc7\x01k" + good[9:])]
    for _ in range(20):
        at = rng.randrange(9, len(good))
        cases.append(("a bit changed at byte %d" % at, good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1:]))
    room = os.path.join(folder, "bad")
    os.mkdir(room)
    refused = 0
    for name, data in cases:
        with open(os.path.join(folder, "bad.rdb"), "wb") as f:
            f.write(data)
        status, log = cove(room, "--import", os.path.join(folder, "bad.rdb"))
        ok = status == 1 and "bad.rdb: " in log and not os.path.exists(os.path.join(room, "data"))
        refused += ok
        if not ok or not name.startswith("a bit"):
            check("%s is refused, and no store is touched" % name, ok, log.splitlines()[-1][-120:])
    check("also 20 files with one bit changed", refused == len(cases), "%d of %d" % (refused, len(cases)))
    status, log = cove(room, "--import", os.path.join(folder, "none.rdb"))
    check("a file that is not there is told", status == 1 and "none.rdb: No such file" in log)
    status, log = cove(room, "--import", path, "--databases", "4")
    check("keys in a database that there is not are told", status == 1 and "set databases" in log)
    status, log = cove(room, "--import")
    check("--import without a name is told", status == 1 and "missing" in log)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    seed = parser.parse_args().seed
    seed = random.randrange(1 << 30) if seed is None else seed
    print("# seed %d" % seed)
    rng = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="cove-rdb-")
    redis = server = None
    try:
        redis = Redis(folder)
        fill(redis.port, rng)
        before = contents(redis.port)
        w = Wire(redis.port)
        w.call("SET", "late", "1", "PX", "1")
        w.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        w.call("SAVE")
        w.close()
        redis.stop()
        dump = os.path.join(folder, "dump.rdb")
        damaged(folder, rng, dump)
        time.sleep(0.01)
        status, log = cove(folder, "--import", dump)
        check("the file of Redis is imported", status == 0 and "keys are in the store" in log, log.splitlines()[-2][-80:])
        server = Server(folder, options=["--requirepass", "secret", "--requirepass", ""]).start()
        same("after --import", before, contents(server.port))
        w = Wire(server.port)
        w.call("SET", "string:1", "replaced by the next import")
        w.call("SET", "own", "kept")
        w.call("FS.WRITE", "volume", "/a", "b")
        w.close()
        server.stop()
        status, log = cove(folder, "--import", dump, "--requirepass", "x", "--rename-command", "restore", "")
        check("a second time, with a password and a renamed command", status == 0, log.splitlines()[-1])
        server.start()
        now = contents(server.port)
        check("keys of the same name are replaced, others stay", now.pop((0, b"own"), None) is not None)
        same("after the second --import", before, now)
        server.stop()
        status, log = cove(folder, "--export", os.path.join(folder, "out.rdb"))
        check("a volume is left out of --export, and told", status == 1 and "1 keys are left out" in log)
        server.start()
        w = Wire(server.port)
        w.call("DEL", "volume", "own")
        w.close()
        server.stop()
        status, log = cove(folder, "--export", os.path.join(folder, "out.rdb"))
        check("all keys are exported", status == 0 and not os.path.exists(os.path.join(folder, "out.rdb.tmp")),
              log.splitlines()[-2][-80:])
        redis = Redis(folder, "out.rdb")
        same("Redis has loaded what was exported", before, contents(redis.port))
        status, log = cove(folder, "--export", os.path.join(folder, "none", "out.rdb"))
        check("a folder that is not there is told", status == 1 and "No such file" in log)
    finally:
        if redis is not None:
            redis.stop()
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
