#!/usr/bin/env python3
"""snapshot_work.py -- SNAPSHOT CREATE and FORK cost the same small work at any size, and what they hold
outlives its original.

    snapshot_work.py [--size small|full] [--gigabytes N] [--folder F]

At 10 MB and at 200 MB (10 GB) in the store, and with 100,000 (a million) keys changed since the last
checkpoint, the requests that the store counts are read right before and right after the command; nobody
else uses the server, and no checkpoint may start by itself. Then everything is overwritten, written to
the store and collected, the server is killed, and fork and snapshot are read back whole from the store."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import large  # noqa: E402
from large import MIB, blob, check, encode, info, key, say, shuffled, value  # noqa: E402

GC_ROUNDS = 5
OPS = ("put", "get", "head", "list", "delete")
# No checkpoint of its own accord while what is dirty is small, and no collection in the background.
# The present and two forks, all different, are more than a machine's memory.
OPTIONS = ("--checkpoint-interval", "0", "--checkpoint-log-bytes", "0", "--gc-grace", "86400", "--maxmemory", "4gb")


def write(port, small, big, salt=b""):
    shares = [large.batches(range(w, small, 2), 64, lambda i: encode("SET", key(i), value(i, salt=salt)),
                            lambda i: b"+OK\r\n") for w in range(2)]
    done, _, why, _ = large.transfer(port, shares, 8)
    check("%d small keys are written" % small, done == small, why or done)
    shares = [large.each(range(w, big, 2), lambda i: encode("SET", "big:%d" % i, blob(i, MIB, salt)),
                         lambda i: b"+OK\r\n") for w in range(2)]
    done, _, why, _ = large.transfer(port, shares, 4)
    check("%d values of 1 MiB are written" % big, done == big, why or done)


def read(what, port, small, big, salt=b"", database=None):
    """Reads all and compares."""
    first = encode("SELECT", database) if database is not None else encode("PING")
    hello = b"+OK\r\n" if database is not None else b"+PONG\r\n"
    shares = [large.batches((shuffled(i, small) for i in range(w, small, 2)), 64,
                            lambda i: encode("GET", key(i)),
                            lambda i: b"$100\r\n%s\r\n" % value(i, salt=salt)) for w in range(2)]
    done, _, why, _ = large.transfer(port, shares, 8, (first, hello))
    shares = [large.each(range(w, big, 2), lambda i: encode("GET", "big:%d" % i),
                         lambda i: b"$%d\r\n%s\r\n" % (MIB, blob(i, MIB, salt))) for w in range(2)]
    done2, _, why2, _ = large.transfer(port, shares, 4, (first, hello))
    check("%s reads back whole and equal" % what, done == small and done2 == big,
          repr(why or why2)[:300] if why or why2 else "%d keys, %d values of 1 MiB" % (done, done2))


def calm(c):
    """Waits until the server does nothing by itself."""
    last, same, end = None, 0, time.monotonic() + 120
    while same < 5 and time.monotonic() < end:
        fields = info(c)
        now = [fields["store_requests_" + op] for op in OPS] + [fields["tier_checkpoint_running"]]
        same = same + 1 if now == last and fields["tier_checkpoint_running"] == 0 else 0
        last = now
        time.sleep(0.1)
    return same >= 5


def cost(c, what, *command):
    """The requests of one command."""
    check("%s: the server is idle" % what, calm(c))
    before = info(c)
    started = time.perf_counter()
    c(*command)
    took = time.perf_counter() - started
    after = info(c)
    delta = {op: after["store_requests_" + op] - before["store_requests_" + op] for op in OPS}
    written = after["store_bytes_written"] - before["store_bytes_written"]
    read = after["store_bytes_read"] - before["store_bytes_read"]
    say("%s, %s: %s; %d bytes written, %d read; %.1f ms; %d bytes dirty", what, " ".join(command[:2]),
        ", ".join("%s %d" % kv for kv in delta.items() if kv[1]) or "no request", written, read, took * 1000,
        before["bytes_dirty"])
    check("%s: %s makes no checkpoint" % (what, " ".join(command[:2])),
          after["tier_checkpoints"] == before["tier_checkpoints"] and after["tier_checkpoint_running"] == 0)
    check("%s: %s is one or two small writes" % (what, " ".join(command[:2])),
          1 <= delta["put"] <= 2 and written <= 64 << 10, "%d, %d bytes" % (delta["put"], written))
    check("%s: %s reads no page" % (what, " ".join(command[:2])), delta["get"] == 0 and read == 0,
          "%d, %d bytes" % (delta["get"], read))
    return delta


def one(folder, what, small, big, dirty):
    """The costs of CREATE and FORK, clean and dirty; then what they hold is checked."""
    s = large.server(folder, *OPTIONS)
    c = s.client(timeout=900)
    write(s.port, small, big)
    c("SAVE")
    costs = {}
    for state in ("clean", "%d keys dirty" % dirty):
        where, tag = "%s, %s" % (what, state), "c" if state == "clean" else "d"
        if state != "clean":
            write(s.port, dirty, 0, b"dirty")
            check("%s: nothing has been written since" % where, info(c)["bytes_dirty"] > dirty * 100,
                  info(c)["bytes_dirty"])
        costs[tag, "CREATE"] = cost(c, where, "SNAPSHOT", "CREATE", "snap-" + tag)
        costs[tag, "FORK"] = cost(c, where, "SNAPSHOT", "FORK", "snap-" + tag, "fork-" + tag)
    write(s.port, max(small, dirty), big, b"later")
    keys = c("DBSIZE")
    c("SAVE")
    collect(c, what)
    c.close()
    s.kill()
    large.servers.remove(s)
    # Nothing is in memory any more.
    s = large.server(folder, *OPTIONS)
    c = s.client(timeout=900)
    check("%s: all keys are there after kill -9" % what, c("DBSIZE") == keys, c("DBSIZE"))
    read("%s: the fork of the clean snapshot" % what, s.port, small, big, database="fork-c")
    read("%s: the changed keys of the dirty snapshot's fork" % what, s.port, dirty, 0, b"dirty", "fork-d")
    read("%s: the other keys of the dirty snapshot's fork" % what, s.port, 0, big, b"", "fork-d")
    read("%s: the present" % what, s.port, max(small, dirty), big, b"later")
    c("SNAPSHOT", "RESTORE", "snap-c")
    read("%s: the restored snapshot" % what, s.port, small, big)
    check("%s: RESTORE brings back the number of keys" % what, c("DBSIZE") == small + big, c("DBSIZE"))
    c.close()
    s.kill()
    large.servers.remove(s)
    return costs


def collect(c, what):
    """What is found is published by the next checkpoint, and deleted by the run after that; every
    checkpoint leaves the roots before it as garbage, so there is always a little."""
    c("CONFIG", "SET", "gc-grace", "0")  # What nothing reaches may go at once.
    deleted, before = 0, 0
    for i in range(GC_ROUNDS):
        fields = c("SNAPSHOT", "GC")
        result = dict(zip([f.decode() for f in fields[::2]], fields[1::2]))
        deleted += result["objects_deleted"]
        before = before or result["bytes_dead"]
        c("SAVE")
    say("%s: %d objects collected, %d are live, %d dead with %.1f MiB (before: %.1f MiB)", what, deleted,
        result["objects_live"], result["objects_dead"], result["bytes_dead"] / MIB, before / MIB)
    check("%s: what nothing reaches any more has been collected" % what, deleted > 0, deleted)


def main(args, folder):
    big = int((args.gigabytes or (10 if args.full else 0.15)) * 1024 * 0.95)
    free = shutil.disk_usage(folder).free // MIB
    if big * 4 > free:
        big = free // 4
        say("the disk has %d MiB: only %d MiB are written", free, big)
    dirty = 1000000 if args.full else 100000
    few = one(os.path.join(folder, "few"), "10 MB", 10000, 9, dirty)
    shutil.rmtree(os.path.join(folder, "few"))
    many = one(os.path.join(folder, "many"), "%d MB" % big, 500000 if args.full else 50000, big, dirty)
    for how in few:
        check("%s costs the same requests at both sizes (%s)" % (how[1], "dirty" if how[0] == "d" else "clean"),
              few[how] == many[how] == few["c", how[1]], "%s, %s" % (few[how], many[how]))


if __name__ == "__main__":
    a = large.arguments("snapshots in constant work", gigabytes=float)
    large.run(a, main)
