#!/usr/bin/env python3
"""differential.py -- the same random commands to Cove and to the distribution's Redis 7.0; every reply compared.

    differential.py [--seed N] [--seconds S | --sequences N | --commands N] [--steps N]

A sequence is a run of steps (pair.py) drawn from a grammar (grammar.py) and a seed, on two empty servers, over
RESP2 or RESP3. In between Cove alone drops its memory, so that its replies come from the store. A sequence
that differs is shrunk and printed as the commands that show it; the seed printed first repeats a run.
--commands: until so many replies have been compared, however long that takes.
"""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]
from grammar import Grammar
from pair import Difference, Pair, RedisEnded

SHRINK_RUNS_MAX = 400
SHRINK_SECONDS_MAX = 30
REDIS_ENDS_MAX = 20  # It has faults of its own: DUMP of some streams ends it.
RAW = [b"PING", b"ping  \t ", b"", b"SET a 'b c'", b"SET a \"x\\x41\\n\\q\"", b"ECHO \"a\"b", b"ECHO \"a", b"ECHO 'it\\'s'", b"*0",
       b"*-1", b"*1\r\n$4\r\nPING", b"*1\r\n$5\r\nPING", b"*1\r\n:4", b"*x", b"*1048577", b"*2147483648", b"*1\r\n$-1", b"*1\r\n$x",
       b"*1\r\n$536870913", b"*2\r\n$4\r\nECHO\r\n$3\r\na\x00b", b"*1\r\n$0\r\n", b"*3\r\n$3\r\nGET", b"QUIT\r\nPING",
       b"MULTI\r\nSET a 1\r\nGET\r\nEXEC", b"*1\r\n$4\r\nPINGxx\r\n", b"HELLO 4", b"HELLO x", b"GET a b\r\nGET",
       b"NOSUCH a b", b"nosuch" * 50 + b" a", b"NOSUCH " + b"y" * 200 + b" z", b"POST / HTTP/1.1", b"Host: x"]


def draw_step(rng, g, cold):
    connection = 1 if rng.random() < 0.12 else 0
    r = rng.random()
    if r < cold:
        return connection, "cold", []
    r = rng.random()
    if r < 0.005:
        return connection, "expire", [g.draw_k()]
    if r < 0.02:
        args = [b"SPOP", g.draw_t()] + rng.choice(([], [b"%d" % rng.choice((0, 1, 2, 30))]))
        return connection, "pop", args
    if r < 0.04:
        scan = rng.choice(([b"SCAN"], [b"HSCAN", g.draw_h()], [b"SSCAN", g.draw_t()]))
        if rng.random() < 0.5:
            scan += [b"MATCH", g.draw_pattern()]
        if rng.random() < 0.5:
            scan += [b"COUNT", rng.choice((b"1", b"7", b"1000", b"0", b"x"))]
        if scan[0] == b"SCAN" and rng.random() < 0.3:
            scan += [b"TYPE", rng.choice((b"string", b"hash", b"list", b"set", b"zset", b"odd"))]
        return connection, "scan", scan
    if r < 0.06:
        return connection, "cross", [g.draw_k()]
    if r < 0.07:
        blocking = g.blocking(b"30")
        safe = [c for c in (g.command() for _ in range(6)) if c[0].upper() not in
                (b"MULTI", b"SELECT", b"SPOP", b"EXEC", b"DISCARD", b"SWAPDB")]
        return 0, "block", [blocking] + safe + [[b"RPUSH", g.draw_l(), b"x", b"y"]]
    if r < 0.075:
        return 0, "raw", [rng.choice(RAW)]
    if g.big and r < 0.12:
        return connection, "cmd", g.bulky()
    return connection, "cmd", g.command()


def draw_sequence(seed, steps):
    """The steps and the protocol of one sequence."""
    rng = random.Random(seed)
    g = Grammar(rng, big=rng.random() < 0.4)
    cold = rng.choice((0, 0, 0.01, 0.05, 0.3, 0.9))
    if rng.random() < 0.6:  # Mostly of a few families, so that more of it meets.
        keep = [line for line in g.lines if rng.random() < 0.35]
        g.lines = keep if keep else g.lines
    # A list keeps the size of node it was made with in Redis: one size for all of them.
    size = rng.choice((b"-2", b"-2", b"-1", b"-5", b"1", b"3", b"128"))
    sequence = [(0, "cmd", [b"CONFIG", b"SET", b"list-max-listpack-size", size])]
    sequence += [draw_step(rng, g, cold) for _ in range(steps)]
    return sequence + [(0, "everything", [])], rng.choice((2, 3))


# ---- shrinking -----------------------------------------------------------------------------------


class Shrinker:
    def __init__(self, pair, protocol):
        self.pair, self.protocol = pair, protocol
        self.runs, self.until = 0, time.monotonic() + SHRINK_SECONDS_MAX

    def differs(self, steps):
        """The difference that the steps show, if they show one."""
        self.runs += 1
        try:
            self.pair.run(steps, self.protocol)
        except Difference as d:
            return d
        except RedisEnded:
            pass
        return None

    def over(self):
        return self.runs >= SHRINK_RUNS_MAX or time.monotonic() > self.until

    def shrink(self, steps, difference):
        steps = steps[:difference.at + 1]
        size = max(1, len(steps) // 2)
        while size >= 1 and not self.over():
            i, cut = 0, False
            while i < len(steps) and not self.over():
                less = steps[:i] + steps[i + size:]
                found = self.differs(less)
                if found is not None:
                    steps, difference, cut = less[:found.at + 1], found, True
                else:
                    i += size
            if not cut or size > 1:
                size //= 2
        return self.shrink_arguments(steps, difference)

    def shrink_arguments(self, steps, difference):
        """Long argument lists are halved while that shows a difference still."""
        for i in range(len(steps)):
            size = 2 * (len(steps[i][2]) // 4)
            while size >= 2 and not self.over() and i < len(steps):
                connection, kind, args = steps[i]
                if kind != "cmd" or len(args) <= size + 2:
                    break
                less = steps[:i] + [(connection, kind, args[:-size])] + steps[i + 1:]
                found = self.differs(less)
                if found is not None:
                    steps, difference = less[:found.at + 1], found
                else:
                    size //= 2
                    size -= size % 2
        return steps, difference


def shown(value, most=600):
    text = repr(value)
    return text if len(text) <= most else "%s... (%d characters)" % (text[:most], len(text))


def report(seed, protocol, steps, difference):
    print("not ok - seed %d, RESP%d: the same replies; %d steps show where not" % (seed, protocol, len(steps)))
    for connection, kind, args in steps:
        words = " ".join(shown(a, 90)[1:] if isinstance(a, bytes) else shown(a, 300) for a in args[:24])
        print("#   %d> %s%s%s" % (connection, "" if kind == "cmd" else "(%s) " % kind, words,
                                  "" if len(args) <= 24 else " ... %d arguments" % len(args)))
    print("# Redis: %s\n# Cove:  %s" % (shown(difference.redis), shown(difference.cove)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--sequences", type=int, default=1000000)
    parser.add_argument("--commands", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--ack", default=None)
    parser.add_argument("--reports", type=int, default=10)
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    print("# seed %d" % first, flush=True)
    ack = options.ack or random.Random(first).choice(("store", "memory"))
    pair = Pair(["--ack", ack])
    passed = failed = ended = 0
    until = time.monotonic() + (options.seconds if options.commands == 0 else float("inf"))
    try:
        for seed in range(first, first + options.sequences):
            if time.monotonic() > until or failed >= options.reports or 0 < options.commands <= pair.replies:
                break
            steps, protocol = draw_sequence(seed, options.steps)
            try:
                pair.run(steps, protocol)
                passed += 1
            except Difference as d:
                failed += 1
                if pair.server.process.poll() is not None:
                    report(seed, protocol, steps[max(0, d.at - 20):d.at + 1], d)
                    break
                report(seed, protocol, *Shrinker(pair, protocol).shrink(steps, d))
            except RedisEnded as e:
                ended += 1
                print("# seed %d: %s: nothing is said of it" % (seed, e), flush=True)
                if ended > REDIS_ENDS_MAX:
                    failed += 1
                    print("not ok - Redis ends at most %d times" % REDIS_ENDS_MAX)
                    break
    finally:
        status = pair.stop()
    if status != 0:
        failed += 1
        print("not ok - the server stops with 0, not %s" % status)
    print("# %d replies were compared, %d times from a cold start of the memory, ack %s" % (pair.replies, pair.colds, ack))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
