#!/usr/bin/env python3
"""big_values.py -- more data than memory in large pieces: strings of 1 MiB, and a volume.

    big_values.py [--size small|full] [--values N] [--files N] [--maxmemory MIB] [--folder F]

small: 200 strings and 400 files under 48 MiB; full: 4,000 strings and 6,000 files under 256 MiB."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import large  # noqa: E402
from large import MIB, blob, check, encode, info, say, shuffled  # noqa: E402

VALUE, CONNECTIONS = MIB, 4


def bulk(data):
    return b"$%d\r\n%s\r\n" % (len(data), data)


def file_path(i):
    return "/dir%d/sub%d/file%d.bin" % (i % 7, i % 31, i)


def file_size(i):
    """Most are small, some are large."""
    return 1 + (i * 7919) % (16 << 10) if i % 4 else 200000 + (i * 104729) % (MIB // 2)


def compare(port, what, n, ask, want):
    order = [shuffled(i, n) for i in range(n)]
    done, wrong, first, seconds = large.transfer(
        port, [large.each(order[w::2], ask, want) for w in range(2)], CONNECTIONS)
    check("every %s reads back as it was written" % what, wrong == 0 and done == n,
          repr(first)[:300] if first else "%d of %d" % (done, n))
    return seconds


def strings(s, c, n):
    say("strings: %d of %d bytes", n, VALUE)
    done, wrong, first, seconds = large.transfer(
        s.port, [large.each(range(w, n, 2), lambda i: encode("SET", "big:%d" % i, blob(i, VALUE)),
                               lambda i: b"+OK\r\n") for w in range(2)], CONNECTIONS)
    say("written in %.1f s, %.1f MiB/s", seconds, n * VALUE / MIB / seconds)
    check("every SET of 1 MiB is answered OK", wrong == 0 and done == n, first or "%d of %d" % (done, n))
    before = info(c)
    seconds = compare(s.port, "string of 1 MiB", n, lambda i: encode("GET", "big:%d" % i),
                      lambda i: bulk(blob(i, VALUE)))
    after = info(c)
    from_store(before, after, n * VALUE, seconds)


class Sized:
    """The answer to FS.WRITE: a version, and the size."""

    def __init__(self, size):
        self.size = size

    def __call__(self, reply):
        return isinstance(reply, list) and len(reply) == 2 and reply[1] == self.size


def volume(s, c, n):
    total = sum(file_size(i) for i in range(n))
    say("volume: %d files, %.1f MiB", n, total / MIB)
    write = [large.each(range(w, n, 2),
                           lambda i: encode("FS.WRITE", "vol", file_path(i), blob(i, file_size(i), b"f"), "PARENTS"),
                           lambda i: Sized(file_size(i))) for w in range(2)]
    done, wrong, first, seconds = large.transfer(s.port, write, CONNECTIONS)
    say("written in %.1f s, %.1f MiB/s", seconds, total / MIB / seconds)
    check("every FS.WRITE is answered with its length", wrong == 0 and done == n, first or "%d of %d" % (done, n))
    before = info(c)
    seconds = compare(s.port, "file", n, lambda i: encode("FS.READ", "vol", file_path(i)),
                      lambda i: bulk(blob(i, file_size(i), b"f")))
    after = info(c)
    from_store(before, after, total, seconds)


def from_store(before, after, total, seconds):
    delta = {k: after[k] - before[k] for k in ("reads_hot", "reads_cold", "page_fetches", "store_requests_get",
                                               "store_bytes_read")}
    say("read back in %.1f s, %.1f MiB/s: %s", seconds, total / MIB / seconds,
        ", ".join("%s %d" % kv for kv in delta.items()))
    check("most of it came from the store", delta["store_bytes_read"] > total // 2,
          "%.1f of %.1f MiB" % (delta["store_bytes_read"] / MIB, total / MIB))


def main(args, folder):
    maxmemory = (args.maxmemory or (256 if args.full else 48)) * MIB
    for what, part, n in (("strings", strings, args.values or (4000 if args.full else 200)),
                          ("volume", volume, args.files or (6000 if args.full else 1200))):
        s = large.server(os.path.join(folder, what), "--maxmemory", str(maxmemory))
        c = s.client()
        memory = large.Memory(s.process.pid)
        part(s, c, n)
        memory.judge(what, maxmemory)
        after = info(c)
        check("%s: no checkpoint failed, nothing was corrupt" % what,
              after["tier_checkpoint_failures"] == 0 and after["tier_slots_corrupt"] == 0)
        c.close()
        s.kill()


if __name__ == "__main__":
    a = large.arguments("large values and files", values=int, files=int, maxmemory=int)
    large.run(a, main)
