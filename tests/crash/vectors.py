#!/usr/bin/env python3
"""vectors.py -- a vector set with an index survives kills in the middle of inserts, splits and the first build.

Connections write with full pipelines (adds, new vectors for old names, removals, each on names of its own); the
server is killed at a random moment and started again. For each name that was answered: it is there with the vector
that was answered last (or a later one that was sent), or gone if its removal was; the set's own check passes, and
elements find themselves. Checkpoints are made while it runs.

    vectors.py [--rounds N] [--connections N] [--pipeline N] [--seed N] [--dim N]
"""
import argparse
import os
import random
import shutil
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from resp import Closed, Error  # noqa: E402
from server import Server  # noqa: E402

CENTRES = 80


def vector(number, dim):
    """The vector of a number: any run makes the same."""
    r = random.Random(number)
    centre = random.Random(-1 - number % CENTRES)
    return struct.pack("<%df" % dim, *[centre.gauss(0, 4) + r.gauss(0, 1) for _ in range(dim)])


class Writer(threading.Thread):
    """Its names, and what the server may hold of each: the last answered number, and those sent after it."""

    def __init__(self, server, index, a, state):
        super().__init__(daemon=True)
        self.server, self.index, self.a, self.state = server, index, a, state
        self.answered, self.fault = 0, None
        self.random = random.Random(a.seed * 1000 + index + state["round"] * 100000)

    def one(self):
        """A command, the name, and what the name is after it: a number, or None for gone."""
        names, r = self.state["names"], self.random
        if names and r.random() < 0.15:
            name = r.choice(names)
            if r.random() < 0.4:
                return ("VREM", "v", name), name, None
        else:
            name = "w%d:%d" % (self.index, len(names))
            names.append(name)
        self.state["next"] += 1
        number = self.index + self.state["next"] * 1000
        return ("VADD", "v", "FP32", vector(number, self.a.dim), name, "XDISTANCE_METRIC", "L2"), name, number

    def run(self):
        may = self.state["may"]
        try:
            c = self.server.client()
            while True:
                batch = [self.one() for _ in range(self.a.pipeline)]
                for _, name, number in batch:
                    may.setdefault(name, [None]).append(number)
                for (_, name, number), reply in zip(batch, c.pipeline([b[0] for b in batch])):
                    if isinstance(reply, Error):
                        raise RuntimeError("an error: %s" % reply)
                    may[name] = may[name][may[name].index(number, 1 if len(may[name]) > 1 else 0):]
                    self.answered += 1
        except (OSError, Closed):
            pass
        except RuntimeError as e:
            self.fault = e


def check(server, states, a, r):
    """Returns how many names were compared."""
    c, n = server.client(), 0
    for state in states:
        names = list(state["may"])
        for i in range(0, len(names), 200):
            part = names[i:i + 200]
            for name, got in zip(part, c.pipeline([("VEMB", "v", x, "RAW") for x in part])):
                n += 1
                allowed = state["may"][name]
                if got is None:
                    assert None in allowed, "%s is lost: it may be %r" % (name, allowed)
                    state["may"][name] = [None]
                    continue
                kept = [x for x in allowed if x is not None and same(got, vector(x, a.dim), a.dim)]
                assert kept, "%s has another vector than any of %r" % (name, allowed)
                state["may"][name] = [kept[-1]]
    check_reply = c("DEBUG", "CHECK")
    assert check_reply == "OK", check_reply
    alive = [x for s in states for x in s["may"] if s["may"][x] != [None]]
    assert c("VCARD", "v") == len(alive), "%d elements, not %d" % (c("VCARD", "v"), len(alive))
    lost = 0
    for name in r.sample(alive, min(300, len(alive))):
        lost += c("VSEARCH", "v", "K", "1", "ELE", name)[:1] != [name.encode()]
    assert lost <= 6, "%d of 300 elements do not find themselves" % lost
    info = c("VINFO", "v", "FULL")
    c.close()
    return n, dict(zip(info[::2], info[1::2]))


def same(raw, blob, dim):
    """RAW: quantisation, bytes, norm, range; Q8."""
    x = struct.unpack("<%df" % dim, blob)
    norm, span = float(raw[2]), float(raw[3])
    got = [(b - 256 if b > 127 else b) / 127.0 * span * norm for b in raw[1]]
    worst = max(abs(p - q) for p, q in zip(got, x))
    return worst <= norm * span / 100


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=6)
    p.add_argument("--connections", type=int, default=6)
    p.add_argument("--pipeline", type=int, default=32)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--dim", type=int, default=16)
    a = p.parse_args()
    print("# seed %d" % a.seed)
    r, folder = random.Random(a.seed), tempfile.mkdtemp(prefix="cove-vectors-")
    server = Server(folder, options=["--enable-debug-command", "yes"])
    states = [{"names": [], "may": {}, "next": 0, "round": 0} for _ in range(a.connections)]
    failed, answered, compared, info = 0, 0, 0, {}
    try:
        for number in range(a.rounds):
            server.start()
            for s in states:
                s["round"] = number
            writers = [Writer(server, i, a, s) for i, s in enumerate(states)]
            for w in writers:
                w.start()
            end = time.monotonic() + (4 if number == 0 else r.uniform(0.3, 2.5))
            while time.monotonic() < end:
                time.sleep(0.05)
                if r.random() < 0.05:
                    try:
                        server.client()("BGSAVE")
                    except (OSError, Closed, Error):
                        pass
            server.kill()
            for w in writers:
                w.join()
                answered += w.answered
                if w.fault is not None:
                    raise w.fault
            server.start()
            n, info = check(server, states, a, r)
            compared += n
            server.kill()
        assert info[b"index" if b"index" in info else "index"] in (b"ready", "ready"), "no index was made: %r" % info
        print("# %d rounds, %d answered, %d names compared, nothing lost; %r" % (a.rounds, answered, compared, info))
    except (AssertionError, RuntimeError, OSError, Closed, Error) as e:
        failed = 1
        print("not ok - %s: %s\n# folder %s, seed %d\n%s" % (type(e).__name__, e, folder, a.seed, server.tail()))
    finally:
        server.kill()
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (1 - failed, failed))
    return failed


if __name__ == "__main__":
    sys.exit(main())
