#!/usr/bin/env python3
"""more_keys.py -- more keys than memory: not even the directory fits. All are loaded, read back in
another order and compared, while a hot set of 1 % is read one by one.

    more_keys.py [--size small|full] [--keys N] [--maxmemory MIB] [--folder F]

small: 300,000 keys under 24 MiB; full: 20 M keys under 256 MiB. The hot set is measured against a server
that holds only as many keys as fit, under the same load."""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import large  # noqa: E402
from large import MIB, Client, check, info, key, say, shuffled, value  # noqa: E402

PROCESSES, CONNECTIONS, PIPELINE = 2, 16, 128


def ask_set(i):
    return b"*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$100\r\n%s\r\n" % (key(i), value(i))


def ask_get(i):
    return b"*2\r\n$3\r\nGET\r\n$16\r\n%s\r\n" % key(i)


def want_get(i):
    return b"$100\r\n%s\r\n" % value(i)


class Hot(threading.Thread):
    """Reads keys of the hot set one by one and notes how long each took."""

    def __init__(self, port, hot, pace=0.001):
        super().__init__(daemon=True)
        self.client, self.hot, self.pace = Client(port), hot, pace
        self.times, self.wrong, self.over = [], 0, threading.Event()

    def run(self):
        rnd = random.Random(3)
        while not self.over.wait(self.pace):
            i = self.hot[rnd.randrange(len(self.hot))]
            start = time.perf_counter()
            got = self.client("GET", key(i))
            self.times.append(time.perf_counter() - start)
            self.wrong += got != value(i)

    def end(self):
        self.over.set()
        self.join()
        return [large.percentile(self.times, p) * 1000 for p in (0.5, 0.99)]


def load(port, n):
    shares = [large.batches(range(w, n, PROCESSES), PIPELINE, ask_set, lambda i: b"+OK\r\n")
              for w in range(PROCESSES)]
    return large.transfer(port, shares, CONNECTIONS)


def read(port, n):
    shares = [large.batches((shuffled(i, n) for i in range(w, n, PROCESSES)), PIPELINE, ask_get, want_get)
              for w in range(PROCESSES)]
    return large.transfer(port, shares, CONNECTIONS)


def all_hot(folder, n, hot, rounds):
    """The p99 of hot keys on a server that holds all of its (fewer) keys in memory."""
    s = large.server(folder)
    load(s.port, n)
    h = Hot(s.port, hot)
    h.start()
    for _ in range(rounds):
        read(s.port, n)
    p50, p99 = h.end()
    s.kill()
    return p50, p99


def main(args, folder):
    n = args.keys or (20000000 if args.full else 300000)
    maxmemory = (args.maxmemory or (256 if args.full else 24)) * MIB
    s = large.server(os.path.join(folder, "a"), "--maxmemory", str(maxmemory))
    c = s.client()
    memory = large.Memory(s.process.pid)
    done, wrong, first, seconds = load(s.port, n)
    say("loaded %d keys in %.1f s, %.0f a second; resident at most %.1f MiB", done, seconds,
        done / seconds, memory.peak / MIB)
    check("every SET is answered OK", wrong == 0 and done == n, first or "%d of %d" % (done, n))
    check("DBSIZE counts them", c("DBSIZE") == n, c("DBSIZE"))
    hot = random.Random(args.seed).sample(range(n), n // 100)
    before = info(c)
    h = Hot(s.port, hot)
    h.start()
    done, wrong, first, seconds = read(s.port, n)
    p50, p99 = h.end()
    after = info(c)
    delta = {k: after[k] - before[k] for k in ("reads_hot", "reads_cold", "page_fetches", "tier_slots_read", "store_requests_get",
                                               "store_bytes_read", "commands_parked_cold")}
    say("read %d keys in %.1f s, %.0f a second: %s", done, seconds, done / seconds,
        ", ".join("%s %d" % kv for kv in delta.items()))
    say("used_memory %.1f MiB, store %s MiB, pages %d of %d resident", after["used_memory"] / MIB,
        folder_mib(folder), after["pages_resident"], after["pages_total"])
    check("every key reads back as it was written", wrong == 0 and done == n, first or "%d of %d" % (done, n))
    check("the hot set reads back as it was written", h.wrong == 0 and len(h.times) > 100,
          "%d of %d wrong" % (h.wrong, len(h.times)))
    # reads_hot also counts the second look of a command that had waited: the rest were hot at first.
    reads = n + len(h.times)
    check("most reads met a cold page and waited for the store",
          2 * delta["reads_cold"] > reads and 2 * delta["page_fetches"] > reads,
          "of %d: %d cold, %d pages fetched" % (reads, delta["reads_cold"], delta["page_fetches"]))
    check("those pages were read from the store", delta["store_requests_get"] >= delta["page_fetches"] and
          delta["store_bytes_read"] > maxmemory,
          "%(store_requests_get)d requests, %(store_bytes_read)d bytes" % delta)
    memory.judge("loading and reading", maxmemory)
    check("no checkpoint failed", after["tier_checkpoint_failures"] == 0, after["tier_checkpoint_failures"])
    c.close()
    s.kill()
    fit = min(n, maxmemory // 400)
    hot50, hot99 = all_hot(os.path.join(folder, "b"), fit, range(0, fit, 100), max(1, (8000000 if args.full else 400000) // fit))
    say("GET of a hot key meanwhile: p50 %.2f ms, p99 %.2f ms; all hot: p50 %.2f ms, p99 %.2f ms",
        p50, p99, hot50, hot99)
    if args.full:
        check("the hot set's p99 is at most twice that of an all-hot server", p99 <= 2 * hot99,
              "%.2f ms, all hot %.2f ms" % (p99, hot99))


def folder_mib(folder):
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(path, name))
            except OSError:
                pass
    return total // MIB


if __name__ == "__main__":
    a = large.arguments("more keys than memory", keys=int, maxmemory=int)
    large.run(a, main)
