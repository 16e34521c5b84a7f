#!/usr/bin/env python3
"""tour.py -- a short tour of the server over an S3 store behind TLS: strings, hashes, vectors, files,
snapshots; killed, started again, forked, restored. With another authority's certificate it must not start.

    tour.py --store s3://bucket/prefix --endpoint https://... --ca FILE --other-ca FILE [--binary FILE]
"""
import argparse
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from server import Server  # noqa: E402


def same(what, got, want):
    if got != want:
        raise AssertionError("%s: %r, expected %r" % (what, got, want))


def fill(c):
    same("SET", c("SET", "greeting", "hello"), "OK")
    same("HSET", c("HSET", "user:1", "name", "Ada", "lang", "C"), 2)
    for i, word in enumerate(("king", "queen", "apple")):
        values = [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]][i]
        same("VADD", c("VADD", "words", "VALUES", 3, *values, word, "SETATTR",
                       '{"len":%d}' % len(word)), 1)
    c("FS.WRITE", "agent1", "/src/main.c", "int main(){}", "PARENTS")
    same("SNAPSHOT CREATE", type(c("SNAPSHOT", "CREATE", "before")), list)


def check(c, where):
    same(where + ": GET", c("GET", "greeting"), b"hello")
    same(where + ": HGETALL", c("HGETALL", "user:1"), [b"name", b"Ada", b"lang", b"C"])
    same(where + ": VSIM", c("VSIM", "words", "ELE", "king", "COUNT", 2), [b"king", b"queen"])
    same(where + ": FS.READ", c("FS.READ", "agent1", "/src/main.c"), b"int main(){}")


def change(c):
    c("SET", "greeting", "changed")
    c("DEL", "user:1")
    c("VREM", "words", "king")
    c("FS.WRITE", "agent1", "/src/main.c", "changed")


def tour(a, folder):
    options = ["--store-endpoint", a.endpoint, "--store-ca-file", a.ca]
    s = Server(folder, a.store, options, binary=a.binary)
    try:
        s.start()
        c = s.client()
        fill(c)
        check(c, "first")
        change(c)
        c.close()
        s.kill()
        s.start()
        c = s.client()
        same("after kill -9", c("GET", "greeting"), b"changed")
        same("SNAPSHOT FORK", c("SNAPSHOT", "FORK", "before", "branch"), "OK")
        same("SELECT", c("SELECT", "branch"), "OK")
        check(c, "fork")
        same("SELECT", c("SELECT", "0"), "OK")
        c("SNAPSHOT", "RESTORE", "before")
        check(c, "restored")
        c.close()
        same("exit status", s.stop(), 0)
        s.start()
        c = s.client()
        check(c, "started again")
        c.close()
    finally:
        s.kill()


def stranger(a, folder):
    """Whoever cannot show a certificate of ours is not talked to."""
    s = Server(folder, a.store, ["--store-endpoint", a.endpoint, "--store-ca-file", a.other_ca],
               binary=a.binary)
    try:
        s.start(wait=90)
    except RuntimeError:
        same("exit status", s.process.poll(), 1)
        if "certificate" not in s.tail() and "SSL" not in s.tail():
            raise AssertionError("the log does not say what is wrong:\n%s" % s.tail())
        return
    finally:
        s.kill()
    raise AssertionError("the server trusts a certificate of another authority")


def main():
    p = argparse.ArgumentParser()
    for name in ("--store", "--endpoint", "--ca", "--other-ca"):
        p.add_argument(name, required=True)
    p.add_argument("--binary", default=None)
    a = p.parse_args()
    failed = 0
    for test, sentence in ((tour, "the tour works through TLS with the test's authority"),
                           (stranger, "a certificate of another authority is refused, and the log says so")):
        folder = tempfile.mkdtemp(prefix="cove-tour-")
        try:
            test(a, folder)
            print("ok - " + sentence, flush=True)
        except Exception as e:  # Whatever it is, it is this test's failure.
            failed += 1
            print("not ok - %s: %s: %s" % (sentence, type(e).__name__, e), flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (2 - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
