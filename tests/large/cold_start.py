#!/usr/bin/env python3
"""cold_start.py -- the first correct answer after a start does not wait for the size of the data.

    cold_start.py [--size small|full] [--gigabytes N] [--folder F]

A store of 10 MB and a large one (200 MB, or 10 GB) are filled, and get the same log tail (8 or 60 MiB).
After kill -9, and after SHUTDOWN, the time from the start of the process to the first correct GET of a
random key is measured, with what was read from the store until then. The full size is smaller where the
disk has no room, and says so."""
import os
import random
import shutil
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import large  # noqa: E402
from large import MIB, Client, Server, blob, check, encode, info, key, say, value  # noqa: E402

ROUNDS, TAIL_KEYS = 9, 1 << 30  # The tail's keys have numbers of their own.
OPTIONS = ["--maxmemory", "256mb", "--checkpoint-interval", "0", "--checkpoint-log-bytes", "64mb"]


class Cold(Server):
    """Is ready when a key has been read."""

    def wait_ready(self, wait):
        started = time.monotonic()
        while time.monotonic() - started < wait:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended with %s\n%s" % (self.process.returncode, self.tail()))
            try:
                c = Client(self.port, timeout=wait)
                got = c.pipeline([("GET", self.ask)])[0]
                if got == self.want:
                    self.seconds = time.monotonic() - started
                    self.client_first = c
                    return
                c.close()
                if not isinstance(got, large.Error):
                    raise AssertionError("%s: a wrong answer, %r" % (self.ask, got))
            except OSError:
                pass
            time.sleep(0.002)
        raise RuntimeError("no answer after %d s\n%s" % (wait, self.tail()))


def fill(port, small, big):
    write = [large.batches(range(w, small, 2), 64, lambda i: encode("SET", key(i), value(i)), lambda i: b"+OK\r\n")
             for w in range(2)]
    done, _, why, _ = large.transfer(port, write, 8)
    check("%d small keys are written" % small, done == small, why or done)
    write = [large.each(range(w, big, 2), lambda i: encode("SET", "big:%d" % i, blob(i, MIB)), lambda i: b"+OK\r\n")
             for w in range(2)]
    done, _, why, _ = large.transfer(port, write, 4)
    check("%d values of 1 MiB are written" % big, done == big, why or done)


def tail(port, n):
    write = [large.batches(range(TAIL_KEYS + w, TAIL_KEYS + n, 2), 64, lambda i: encode("SET", key(i), value(i)),
                           lambda i: b"+OK\r\n") for w in range(2)]
    done, _, why, _ = large.transfer(port, write, 8)
    check("a log tail of %d writes is there" % n, done == n, why or done)


def start(folder, options, rnd, small, big, tail_n, kind, end):
    """Seconds until the first correct answer, bytes and requests of one start, and what opening took.
    Keys of the tail are asked for, too."""
    s = Cold(folder, options=options)
    large.servers.append(s)
    number = rnd.randrange(big if kind == 1 else tail_n if kind == 2 else small)
    s.ask = "big:%d" % number if kind == 1 else key(number + (TAIL_KEYS if kind == 2 else 0))
    s.want = blob(number, MIB) if kind == 1 else value(number + (TAIL_KEYS if kind == 2 else 0))
    s.start(120)
    fields = info(s.client_first)
    end(s)
    large.servers.remove(s)
    return s.seconds, fields["store_bytes_read"], fields["store_requests_get"], fields["tier_open_us"]


def shutdown(s):
    # SHUTDOWN waits until what was replayed has been written.
    try:
        s.client(timeout=120)("SHUTDOWN")
    except Exception:
        pass
    s.process.wait(120)


def prepare(folder, what, small, big, tail_n):
    s = large.server(folder, *OPTIONS)
    started = time.monotonic()
    fill(s.port, small, big)
    c = s.client(timeout=600)
    c("SAVE")
    packs = info(c)["tier_packs"]
    c.close()
    shutdown(s)
    large.servers.remove(s)
    # Without a limit: no checkpoint because of dirty memory.
    s = large.server(folder, "--checkpoint-interval", "0", "--checkpoint-log-bytes", "0")
    c = s.client()
    tail(s.port, tail_n)
    fields = info(c)
    say("%s: filled in %.0f s, %d packs, tail of %.1f MiB", what, time.monotonic() - started,
        packs, fields["tier_log_since_checkpoint_bytes"] / MIB)
    check("%s: the tail is not in a checkpoint" % what, fields["tier_log_since_checkpoint_bytes"] > tail_n * 100,
          fields["tier_log_since_checkpoint_bytes"])
    s.kill()
    large.servers.remove(s)


def clean(folder):
    """Replays the tail once more; its end writes it."""
    s = large.server(folder, *OPTIONS)
    shutdown(s)
    large.servers.remove(s)


def measure(stores, rnd, how, end):
    """The two stores take turns, so that both see the same machine."""
    rows = {what: [] for what, *_ in stores}
    for i in range(ROUNDS):
        for what, folder, small, big, tail_n in stores:
            rows[what].append(start(folder, OPTIONS, rnd, small, big, tail_n, i % 3, end))
    for what, got in rows.items():
        seconds, read, gets, opened = zip(*got)
        say("%s, after %s: first correct GET after %s s, of that opening %s ms; %s bytes read from the store in %s "
            "requests", what, how, " ".join("%.3f" % t for t in seconds), " ".join("%.0f" % (us / 1000) for us in opened),
            " ".join(map(str, read)), " ".join(map(str, gets)))
    return [(statistics.median(r[0] for r in got), max(r[0] for r in got), max(r[1] for r in got))
            for got in rows.values()]


def main(args, folder):
    rnd = random.Random(args.seed)
    big = int((args.gigabytes or (10 if args.full else 0.2)) * 1024 * 0.95)
    free = shutil.disk_usage(folder).free // MIB
    if big * 3 > free:
        big = free // 3
        say("the disk has %d MiB: only %d MiB are written", free, big)
    tail_n = 380000 if args.full else 50000
    stores = [("10 MB", os.path.join(folder, "few"), 10000, 9, tail_n),
              ("%d MB" % big, os.path.join(folder, "many"), 500000 if args.full else 20000, big, tail_n)]
    for what, where, *sizes in stores:
        prepare(where, what, *sizes)
    os.sync()  # What the disk still has to do for the filling is not part of a start.
    for how, end, limit in (("kill -9", Server.kill, 3), ("SHUTDOWN", shutdown, 1)):
        if how == "SHUTDOWN":
            for _, where, *_ in stores:
                clean(where)
        few, many = measure(stores, rnd, how, end)
        if args.full:
            check("after %s the first correct GET comes within %d s" % (how, limit), many[1] <= limit,
                  "%.3f s" % many[1])
            check("after %s it takes at most 1.5 times as long as at 10 MB" % how, many[0] <= 1.5 * few[0],
                  "%.3f s, at 10 MB %.3f s" % (many[0], few[0]))
        check("after %s what is read from the store does not grow with the data" % how,
              many[2] <= 2 * few[2] + 4 * MIB, "%d bytes, at 10 MB %d" % (many[2], few[2]))


if __name__ == "__main__":
    a = large.arguments("cold start", gigabytes=float)
    large.run(a, main)
