#!/usr/bin/env python3
"""vectors.py -- the index of vector sets at size: what a vector takes in memory, sets larger than memory,
searches that find nothing in memory, and inserts by many clients.

    vectors.py [--size small|full] [--only PART] [--rows N] [--folder F]

    memory    1,000,000 x 768 (small: 20,000) by VMADD; then the vectors leave memory, and the index stays
    larger    10,000,000 x 96 floats under 2 GiB (small: 100,000 under 32 MiB), searched against the exact answers
    cold      200,000 x 768 (small: 20,000) over an S3 server that answers each GET 30 ms late: store rounds a
              search, with nothing in memory and with the routing in memory
    inserts   1,000,000 x 768 (small: 20,000) by VADD, 16 connections x pipelines of 16, acknowledged by the store;
              every 1,000th element is searched for in the same pipeline, and must come first
    filters   200,000 x 96 (small: 20,000): what lets 100, 10, 1 and 0.1 % through, by chance, only what is near to the
              queries, and only what is far from them: all that is asked for is found, against the exact answers
    streaming 200,000 x 96 (small: 40,000) in the order of their clusters, then a window that slides, then half of
              them goes: each element is found by its own vector, and recall is that of a fresh build
    recall    200,000 x 128 by L2 and 200,000 x 768 (small: 20,000 x 96): what RECALL asks for is
              held, for 1, 10 and 100 neighbours, with filters, after changes and after a restart, and costs as much
              as is asked for; 1,000 queries that are no elements, so that no curve was measured with them

The rows are those of tests/bench/vectors_data.c. Sizes, counts and recall are judged, and in the full size the loop's
turns in its thread's own CPU time; what the clock says is printed."""
import contextlib
import os
import shlex
import socket
import subprocess
import sys
import threading
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import large  # noqa: E402
from large import MIB, Turns, check, encode, info, say  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEY, NEAREST, NAME, BULK = b"v", 10, 12, 200
CHECK_EVERY, PIPELINE, CONNECTIONS, WINDOW = 1000, 16, 16, 10
# Of a vector of 768 dimensions. A row of the index has 108; the rest is centroids, and blocks that are not full.
INDEX_BYTES, ALL_BYTES = 130, 180
DELAY = 0.03
BELOW = .02  # So much less than the target may be found, on the average.
DEBUG = ("--enable-debug-command", "local")


# ---- rows

class Rows:
    """So many rows of a kind, and queries that are not among them."""

    def __init__(self, folder, kind, dim, rows, queries, seed):
        prefix = os.path.join(folder, "%s-%d" % (kind, rows))
        program = os.path.join(ROOT, os.environ.get("B", "build"), "tests", "bench", "vectors_data")
        subprocess.run([program, kind, str(rows), str(queries), str(seed), prefix], check=True)
        self.cluster = np.fromfile(prefix + ".cluster.i32", np.int32)[:rows]
        os.unlink(prefix + ".cluster.i32")
        self.n, self.dim = rows, dim
        self.base = np.memmap(prefix + ".base.f32", np.float32, "r").reshape(-1, dim)
        self.queries = np.fromfile(prefix + ".query.f32", np.float32).reshape(-1, dim)

    def remove(self):
        os.unlink(self.base.filename)

    def nearest(self, queries):
        """The distance of each query's last right answer: of unit vectors, 2 - 2 times the product. Products in
        float32 choose more than are wanted, float64 ranks those."""
        best = np.full((len(queries), 0), 0, np.float32)
        ids = np.full((len(queries), 0), 0, np.int64)
        step, keep = 100000, 4 * NEAREST
        for at in range(0, self.n, step):
            block = np.asarray(self.base[at:at + step])
            d = -(queries @ block.T)
            part = np.argpartition(d, min(keep, d.shape[1]) - 1, axis=1)[:, :keep]
            best = np.hstack([best, np.take_along_axis(d, part, 1)])
            ids = np.hstack([ids, part + at])
            part = np.argpartition(best, min(keep, best.shape[1]) - 1, axis=1)[:, :keep]
            best, ids = np.take_along_axis(best, part, 1), np.take_along_axis(ids, part, 1)
        return np.sort([distances(self.base, q, i) for q, i in zip(queries, ids)], axis=1)[:, NEAREST - 1]

    def recall(self, queries, found, last):
        """One that is as near as the last right answer is right: equal distances have no order."""
        right = 0
        for q, names, d in zip(queries, found, last):
            got = distances(self.base, q, np.array([int(n) for n in names], np.int64))
            right += int((got <= d * (1 + 1e-6) + 1e-12).sum())
        return right / (NEAREST * len(queries))


def distances(base, q, ids):
    return ((np.asarray(base[ids], np.float64) - q.astype(np.float64)) ** 2).sum(1)


def packed(rows, at, n):
    """(name, vector) of n rows as arguments of a request, in one array."""
    blob = 4 * rows.dim
    head, middle = b"$%d\r\n" % NAME, b"\r\n$%d\r\n" % blob
    out = np.empty(n, [("head", "V%d" % len(head)), ("name", "u1", NAME), ("middle", "V%d" % len(middle)),
                       ("vector", np.float32, rows.dim), ("end", "V2")])
    out["head"], out["middle"], out["end"] = np.void(head), np.void(middle), np.void(b"\r\n")
    number = np.arange(at, at + n)
    for i in range(NAME):
        out["name"][:, NAME - 1 - i] = number // 10 ** i % 10 + 48
    out["vector"] = rows.base[at:at + n]
    return out


def name(i):
    return b"%012d" % i


def bulk(rows, first, last, options):
    """VMADDs of rows [first, last)."""
    for at in range(first, last, BULK):
        n = min(BULK, last - at)
        words = encode("VMADD", KEY, *options, "FP32", rows.dim, n).split(b"\r\n", 1)[1]
        yield b"*%d\r\n" % (5 + len(options) + 2 * n) + words + packed(rows, at, n).tobytes(), b":%d\r\n" % n, 1


def adds(rows, worker, workers):
    """Pipelines of VADD; a search for every CHECK_EVERYth element follows its own VADD."""
    blob = 4 * rows.dim
    first = b"*5\r\n" + encode("VADD", KEY, "FP32").split(b"\r\n", 1)[1] + b"$%d\r\n" % blob
    out = np.empty(PIPELINE, [("first", "V%d" % len(first)), ("vector", np.float32, rows.dim),
                              ("middle", "V%d" % len(b"\r\n$12\r\n")), ("name", "u1", NAME), ("end", "V2")])
    out["first"], out["middle"], out["end"] = np.void(first), np.void(b"\r\n$12\r\n"), np.void(b"\r\n")
    for at in range(worker * PIPELINE, rows.n, workers * PIPELINE):
        n = min(PIPELINE, rows.n - at)
        out["vector"][:n] = rows.base[at:at + n]
        for i in range(NAME):
            out["name"][:n, NAME - 1 - i] = np.arange(at, at + n) // 10 ** i % 10 + 48
        due = -at % CHECK_EVERY
        if due >= n:
            yield out[:n].tobytes(), b":1\r\n" * n, n
            continue
        search = encode(*query(rows.base[at + due]), "K", 1)
        yield (out[:due + 1].tobytes() + search + out[due + 1:n].tobytes(),
               b":1\r\n" * (due + 1) + b"*1\r\n$12\r\n" + name(at + due) + b"\r\n" + b":1\r\n" * (n - due - 1), n)


def query(vector):
    return ("VSEARCH", KEY, "FP32", vector.tobytes())


# ---- servers

def facts(reply):
    text = [x.decode() if isinstance(x, bytes) else x for x in reply]
    return dict(zip(text[::2], text[1::2]))


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def busy(pid):
    """Does a thread run, or wait for a core or a disk?"""
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/stat" % (pid, task)) as f:
                if f.read().rsplit(")", 1)[1].split()[0] in "RD":
                    return True
        except OSError:  # It has ended meanwhile.
            pass
    return False


def settle(s, most=3600):
    """Until what the server does by itself, indexing above all, is done: for a second nearly no CPU was taken and
    hardly ever a thread waited for it."""
    began, c = time.monotonic(), s.client(timeout=600)
    while time.monotonic() - began < most:
        cpu, waits = cpu_seconds(s.process.pid), 0
        for _ in range(20):
            time.sleep(.05)
            waits += busy(s.process.pid)
        if waits <= 2 and cpu_seconds(s.process.pid) - cpu <= .05 and facts(c("VINFO", KEY, "FULL"))["settled"] == 1:
            return time.monotonic() - began - 1
    raise RuntimeError("the server is at work still after %d s" % most)


def load(s, rows, *options):
    """Seconds until all rows were there, and until all was settled."""
    half = rows.n // 2 // BULK * BULK
    shares = [bulk(rows, 0, half, options), bulk(rows, half, rows.n, options)]
    _, wrong, why, seconds = large.transfer(s.port, shares, 2)
    check("every VMADD adds all of its elements", wrong == 0, why or "%.0f s, %.0f rows/s" % (seconds, rows.n / seconds))
    return seconds, seconds + settle(s)


def search(c, queries, *options):
    """(names of each query, milliseconds of each)."""
    found, ms = [], []
    for q in queries:
        began = time.monotonic()
        found.append(c(*query(q), "K", NEAREST, *options))
        ms.append((time.monotonic() - began) * 1e3)
    return found, ms


def say_ms(what, ms):
    say("%s: p50 %.2f ms, p99 %.2f ms", what, large.percentile(ms, .5), large.percentile(ms, .99))


# ---- parts

def memory(args, folder):
    rows = Rows(folder, "text", 768, args.rows or (1000000 if args.full else 20000), 100, args.seed)
    options = ("--maxmemory", "4gb" if args.full else "512mb", *DEBUG)
    s = large.server(folder, *options)
    c = s.client(timeout=600)
    turns, began = Turns(c, args.full), time.monotonic()
    loaded, settled = load(s, rows)
    say("%d rows there after %.1f s, all settled after %.1f s", rows.n, loaded, settled)
    turns.phase("VMADD, until all is settled", began)
    turns.judge("VMADD")
    c("SAVE")
    c("DEBUG", "DROP-CLEAN", "FIRST")
    full = facts(c("VINFO", KEY, "FULL"))
    check("the vectors leave memory, and the index does not", full["resident-vectors"] == 0 and full["resident-index"] > 0)
    found, ms = search(c, rows.queries)
    say_ms("a search, vectors cold at first, recall %.4f" % rows.recall(rows.queries, found, rows.nearest(rows.queries)), ms)
    c.close()
    check("the server ends", s.stop(600) == 0)
    s = large.server(folder, *options)
    c = s.client(timeout=600)
    before = info(c)
    # All of the index, and all buckets of names: each has some two hundred.
    c(*query(rows.queries[0]), "K", 1, "PROBES", full["clusters"])
    for at in range(0, rows.n // 10, 1000):
        c.pipeline([("VISMEMBER", KEY, "nobody:%d" % (at + i)) for i in range(1000)])
    c("DEBUG", "DROP-CLEAN", "FIRST")
    time.sleep(12 if args.full else 0)  # What is freed goes back to the system in ten seconds.
    now, again = info(c), facts(c("VINFO", KEY, "FULL"))
    used, rss = ((now[f] - before[f]) / rows.n for f in ("used_memory", "used_memory_rss"))
    index = again["resident-index"] / rows.n
    say("bytes a vector, %d clusters in %d pages: index %.1f, all pages %.1f, used_memory %.1f, resident %.1f",
        again["clusters"], again["pages"], index, again["resident-bytes"] / rows.n, used, rss)
    check("after a start all of the index comes back", again["resident-index"] >= full["resident-index"])
    check("codes, factors, lists and centroids take at most %d bytes a vector" % INDEX_BYTES, index <= INDEX_BYTES,
          "%.1f" % index)
    slack = 0 if args.full else MIB / rows.n  # What does not grow with the set.
    check("all that is in memory takes at most %d bytes a vector" % ALL_BYTES, used <= ALL_BYTES + slack, "%.1f" % used)
    if args.full:
        check("the process grows by at most %d bytes a vector" % ALL_BYTES, rss <= ALL_BYTES, "%.1f" % rss)
    c.close()
    s.kill()


def larger(args, folder):
    n = args.rows or (10000000 if args.full else 100000)
    rows = Rows(folder, "word", 96, n, 1000 if args.full else 300, args.seed)
    limit = 2048 * MIB if args.full else 32 * MIB
    s = large.server(folder, "--maxmemory", str(limit), *DEBUG)
    resident = large.Memory(s.process.pid)
    c = s.client(timeout=600)
    loaded, settled = load(s, rows, "NOQUANT")
    say("%d rows there after %.1f s, all settled after %.1f s", n, loaded, settled)
    check("VCARD counts them", c("VCARD", KEY) == n, c("VCARD", KEY))
    before = info(c)
    found, ms = search(c, rows.queries, "RECALL", "0.95")
    now = info(c)
    say_ms("a search", ms)
    full = facts(c("VINFO", KEY, "FULL"))
    say("pages fetched a search: %.1f, while it was filled: %d; bytes in memory: index %d, vectors %d; clusters %d, probes %d",
        (now["page_fetches"] - before["page_fetches"]) / len(ms), before["page_fetches"], full["resident-index"],
        full["resident-vectors"], full["clusters"], full["probes"])
    check("the set is larger than memory", n * 4 * rows.dim > full["resident-vectors"] * 5 // 4)
    got = rows.recall(rows.queries, found, rows.nearest(rows.queries))
    least = .95 if args.full else .93  # Where queries are few, so many are chance.
    check("recall@%d of %d queries is at least %.2f" % (NEAREST, len(found), least), got >= least, "%.4f" % got)
    resident.over.set()
    resident.join()
    most = limit * 23 // 20 + (0 if args.full else 48 * MIB)
    check("resident memory stays under %d MiB" % (most // MIB), 0 < resident.peak <= most,
          "%.1f MiB, of them %.1f may be used" % (resident.peak / MIB, limit / MIB))
    check("no checkpoint failed", now["tier_checkpoint_failures"] == 0)
    c.close()
    s.kill()


@contextlib.contextmanager
def gateway(folder):
    """An S3 server, and a proxy before it whose answers to GET come DELAY late. Yields the options of a store behind
    either."""
    here = os.path.join(ROOT, "tests", "s3")
    port = int(subprocess.run(["bash", "-c", ". tests/s3/gateway.sh; gateway_port"], cwd=ROOT, check=True,
                              capture_output=True).stdout)
    own, proxy = os.path.join(folder, "s3"), None
    lines = subprocess.run([os.path.join(here, "s3-server.sh"), "start", own, str(port)], check=True,
                           env=dict(os.environ, S3_BYTES=str(4 << 30)), capture_output=True, text=True).stdout
    try:
        env = dict(line.split("=", 1) for word in lines.splitlines() for line in shlex.split(word))
        os.environ.update({k: v for k, v in env.items() if k.startswith("AWS_")})
        proxy = subprocess.Popen([sys.executable, os.path.join(here, "fault_proxy.py"), str(port + 1), str(port + 2),
                                  str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if proxy.stdout.readline() != b"ready\n":
            raise RuntimeError("the proxy did not start")
        with socket.create_connection(("127.0.0.1", port + 2)) as orders:
            orders.sendall(b"chance GET * 1 delay %g\n" % DELAY)
            if orders.recv(100) != b"ok\n":
                raise RuntimeError("the proxy does not take the delay")
        store = ("--store", "s3://%s/vectors" % env["S3_BUCKET"], "--store-endpoint")
        yield store + (env["S3_ENDPOINT"],), store + ("http://127.0.0.1:%d" % (port + 1),)
    finally:
        if proxy is not None:
            proxy.kill()
            proxy.wait()
        subprocess.run([os.path.join(here, "s3-server.sh"), "stop", own], check=False)


def profiled(c, vector, *options):
    """(store rounds, milliseconds) of one search."""
    began = time.monotonic()
    reply = c(*query(vector), "K", NEAREST, "PROFILE", *options)
    return facts(reply[1])["store-rounds"], (time.monotonic() - began) * 1e3


def cold(args, folder):
    rows = Rows(folder, "text", 768, args.rows or (200000 if args.full else 20000), 20, args.seed)
    with gateway(folder) as (near, far):
        s = large.server(os.path.join(folder, "filled"), "--maxmemory", "1gb", *near)
        load(s, rows)
        s.client(timeout=600)("SAVE")
        check("the server that filled the store ends", s.stop(600) == 0)
        fresh, first, opened, routed = [], [], [], []
        for i in range(3):
            s = large.server(os.path.join(folder, "fresh%d" % i), "--maxmemory", "1gb", *DEBUG, *far)
            c = s.client(timeout=600)
            fresh.append(profiled(c, rows.queries[i]))
            c.close()
            s.kill()
        s = large.server(os.path.join(folder, "cold"), "--maxmemory", "1gb", *DEBUG, *far)
        c = s.client(timeout=600)
        for i in range(0, len(rows.queries), 2):
            c("DEBUG", "DROP-CLEAN")
            first.append(profiled(c, rows.queries[i]))
            routed.append(profiled(c, rows.queries[i + 1]))
            c("DEBUG", "DROP-CLEAN")
            c("VISMEMBER", KEY, "nobody")  # The key and its page table.
            opened.append(profiled(c, rows.queries[i]))
        for what, got, most in (("the routing in memory", routed, 3), ("the page table in memory", opened, 4),
                                ("nothing in memory", first, 4),
                                ("a server that has just started", fresh, 4)):
            rounds, ms = [r for r, _ in got], [t for _, t in got]
            say("%s: %s store rounds, p50 %.0f ms", what, " ".join(map(str, sorted(set(rounds)))),
                large.percentile(ms, .5))
            check("%s: a search takes at most %d store rounds" % (what, most), 0 < max(rounds) <= most, max(rounds))
        c.close()
        s.kill()


class Sampler(threading.Thread):
    """How many elements there are, twice a second."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.client, self.over, self.samples = s.client(timeout=600), threading.Event(), []
        self.began = time.monotonic()
        self.start()

    def run(self):
        while not self.over.wait(.5):
            self.samples.append((time.monotonic() - self.began, self.client("VCARD", KEY)))

    def slowest(self):
        """The least elements a second over WINDOW seconds; of a shorter run, over all."""
        self.over.set()
        self.join()
        t, n = np.array(self.samples).T
        ends = np.searchsorted(t, t + WINDOW)
        rates = [(n[e] - n[i]) / (t[e] - t[i]) for i, e in enumerate(ends) if e < len(t)]
        return min(rates) if rates else n[-1] / t[-1]


def updates(rows, worker, workers, n):
    """The first n elements get their neighbours' vectors."""
    for at in range(worker * PIPELINE, n, workers * PIPELINE):
        some = range(at, min(at + PIPELINE, n))
        yield (b"".join(encode("VADD", KEY, "FP32", rows.base[(i + 1) % n].tobytes(), name(i)) for i in some),
               b":0\r\n" * len(some), len(some))


def removals(rows, worker, workers, n):
    for at in range(worker * PIPELINE, n, workers * PIPELINE):
        some = range(at, min(at + PIPELINE, n))
        yield b"".join(encode("VREM", KEY, name(i)) for i in some), b":1\r\n" * len(some), len(some)


def changes(s, c, rows, turns):
    """Updates while another client searches, then deletes."""
    for what, make in (("updates beside searches", updates), ("deletes", removals)):
        n, began, got, searches = rows.n // 10, time.monotonic(), [], 0
        shares = [make(rows, w, 2, n) for w in range(2)]
        writer = threading.Thread(target=lambda: got.extend(large.transfer(s.port, shares, CONNECTIONS // 2)))
        writer.start()
        while make == updates and writer.is_alive():
            c.pipeline([(*query(q), "K", NEAREST) for q in rows.queries[:PIPELINE]])
            searches += PIPELINE
        writer.join()
        done, wrong, why, seconds = got
        say("%s: %.0f/s, %.0f searches/s", what, n / seconds, searches / seconds)
        check("%s: each is done" % what, wrong == 0, why or "")
        settle(s)
        turns.phase(what, began)


def inserts(args, folder):
    rows = Rows(folder, "text", 768, args.rows or (1000000 if args.full else 20000), 400, args.seed)
    options = ("--ack", "store", "--maxmemory", "4gb" if args.full else "512mb", *DEBUG)
    found = []
    for how in ("VADD", "VMADD"):
        s = large.server(os.path.join(folder, how), *options)
        c = s.client(timeout=600)
        if how == "VADD":
            turns, began, sampler = Turns(c, args.full), time.monotonic(), Sampler(s)
            _, wrong, why, seconds = large.transfer(s.port, [adds(rows, w, 2) for w in range(2)], CONNECTIONS // 2)
            say("%.0f rows/s, in the slowest %d s %.0f", rows.n / seconds, WINDOW, sampler.slowest())
            turns.phase("VADD", began)
            check("every VADD adds its element, and each %dth is found first at once" % CHECK_EVERY, wrong == 0, why or "")
            began = time.monotonic()
            say("all settled %.1f s later", settle(s))
            turns.phase("until all is settled", began)
        else:
            load(s, rows)
        check("%s: VCARD counts them" % how, c("VCARD", KEY) == rows.n, c("VCARD", KEY))
        found.append(search(c, rows.queries, "RECALL", "0.95")[0])
        if how == "VADD":
            changes(s, c, rows, turns)
            turns.judge(how)
        c.close()
        s.kill()
    last = rows.nearest(rows.queries)
    grown, fresh = (rows.recall(rows.queries, f, last) for f in found)
    check("what has grown finds as much as a fresh build, within 0.02", grown >= fresh - .02,
          "%.4f, fresh %.4f" % (grown, fresh))


# ---- filters

SHARES = (1, .1, .01, .001)


def attributes(s, places):
    """Each element is told its places in some orders: elements below a number in one of them are a share of all."""
    c, names = s.client(timeout=600), list(places)
    for at in range(0, len(places[names[0]]), 1000):
        c.pipeline([("VSETATTR", KEY, name(at + i), "{%s}" % ",".join('"%s":%d' % (n, places[n][at + i]) for n in names))
                    for i in range(min(1000, len(places[names[0]]) - at))])
    c.close()


def place(order):
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order))
    return out


def filters(args, folder):
    n = args.rows or (200000 if args.full else 20000)
    rows = Rows(folder, "word", 96, n, 1000, args.seed)  # Stored as they are, so that the exact answers are right.
    base = np.asarray(rows.base)
    near = np.argsort(((base - rows.queries[0]) ** 2).sum(1))
    far = np.argsort(((rows.queries - rows.queries[0]) ** 2).sum(1))
    places = {"chance": place(np.random.default_rng(args.seed).permutation(n)), "near": place(near)}
    ask = 200 if args.full else 100
    s = large.server(folder, "--maxmemory", "1gb", *DEBUG)
    load(s, rows, "NOQUANT")
    attributes(s, places)
    c = s.client(timeout=600)
    turns = Turns(c, args.full)
    for what, field, queries in (("by chance", "chance", rows.queries[:ask]), ("near to the queries", "near", rows.queries[far[:ask]]),
                                 ("far from the queries", "near", rows.queries[far[-ask:]])):
        for share in SHARES:
            most = round(share * n)
            match = np.flatnonzero(places[field] < most)
            part = -2 * (queries @ base[match].T) + (base[match] ** 2).sum(1)
            keep = np.argpartition(part, min(4 * NEAREST, len(match)) - 1, axis=1)[:, :4 * NEAREST]
            last = np.sort([distances(base, q, match[k]) for q, k in zip(queries, keep)], axis=1)[:, NEAREST - 1]
            began = time.monotonic()
            found, ms = search(c, queries, "FILTER", ".%s < %d" % (field, most))
            seconds = time.monotonic() - began
            turns.phase("%g %%, %s" % (100 * share, what), began)
            got = rows.recall(queries, found, last)
            label = "%g %% that are %s" % (100 * share, what)
            profile = facts(c(*query(queries[-1]), "K", NEAREST, "FILTER", ".%s < %d" % (field, most), "PROFILE")[1])
            say("%s: %.0f searches/s, p99 %.2f ms, recall %.4f; the last: %s", label, len(ms) / seconds,
                large.percentile(ms, .99), got, ", ".join("%s %d" % (k, profile[k]) for k in ("probes", "scanned", "reranked", "filtered")))
            check("%s: all that is asked for is found, and matches" % label,
                  all(len(f) == NEAREST and (places[field][[int(x) for x in f]] < most).all() for f in found))
            if share == 1:  # These queries lie in one place: the index may hold less there than on the average.
                plain = rows.recall(queries, search(c, queries)[0], last)
                check("%s: recall@%d is what it is without a filter" % (label, NEAREST), got >= plain - .005,
                      "%.4f, without %.4f" % (got, plain))
            else:
                least = .95 - BELOW
                check("%s: recall@%d is at least %.2f" % (label, NEAREST, least), got >= least, "%.4f" % got)
    turns.judge("filters")
    c.close()
    s.kill()


# ---- streaming

def alive(s, rows, ids, what):
    """Each of these finds itself, and recall among them is that of a fresh build of them."""
    c = s.client(timeout=600)
    check("%s: VCARD counts them" % what, c("VCARD", KEY) == len(ids), c("VCARD", KEY))
    settle(s)
    lost, full = 0, facts(c("VINFO", KEY, "FULL"))
    for at in range(0, len(ids), 200):
        some = ids[at:at + 200]
        for i, reply in zip(some, c.pipeline([(*query(rows.base[i]), "K", 1) for i in some])):
            # Another one with the same vector is as good.
            lost += len(reply) != 1 or (int(reply[0]) != i and distances(rows.base, rows.base[i], [int(reply[0])])[0] > 1e-9)
    sizes = [facts(r[1])["scanned"] for r in c.pipeline([(*query(rows.base[i]), "K", 1, "PROBES", 1, "PROFILE")
                                                        for i in ids[::10]])]
    check("%s: each element finds itself" % what, lost == 0, "%d do not" % lost)
    check("%s: clusters have at most 320 rows, and 40 elements on the average" % what,
          max(sizes) <= 320 and len(ids) >= 40 * full["clusters"], "%d, %.1f" % (max(sizes), len(ids) / full["clusters"]))
    live = np.asarray(rows.base)[ids]
    part = np.argpartition(-(rows.queries @ live.T), 4 * NEAREST, axis=1)[:, :4 * NEAREST]
    last = np.sort([distances(live, q, k) for q, k in zip(rows.queries, part)], axis=1)[:, NEAREST - 1]
    grown = rows.recall(rows.queries, search(c, rows.queries)[0], last)
    c.close()
    return grown, last


def streaming(args, folder):
    n = args.rows or (200000 if args.full else 40000)
    rows = Rows(folder, "word", 96, n, 1000 if args.full else 400, args.seed)
    order = np.argsort(rows.cluster, kind="stable")
    window = n * 3 // 5 // BULK * BULK
    s = large.server(os.path.join(folder, "s"), "--maxmemory", "1gb", *DEBUG)
    c = s.client(timeout=600)

    def add(ids):
        for at in range(0, len(ids), BULK):
            some = ids[at:at + BULK]
            c("VMADD", KEY, "FP32", rows.dim, len(some), *[x for i in some for x in (name(i), rows.base[i].tobytes())])

    def remove(ids):
        for at in range(0, len(ids), BULK):
            c.pipeline([("VREM", KEY, name(i)) for i in ids[at:at + BULK]])

    def fresh(ids, what, grown, last):
        other = large.server(os.path.join(folder, "fresh-" + what.replace(" ", "-")), "--maxmemory", "1gb", *DEBUG)
        o = other.client(timeout=600)
        mixed = np.random.default_rng(args.seed).permutation(ids)
        for at in range(0, len(mixed), BULK):
            some = mixed[at:at + BULK]
            o("VMADD", KEY, "FP32", rows.dim, len(some), *[x for i in some for x in (name(i), rows.base[i].tobytes())])
        settle(other)
        got = rows.recall(rows.queries, search(o, rows.queries)[0], last)
        check("%s: recall is that of a fresh build, within 0.02" % what, grown >= got - .02, "%.4f, fresh %.4f" % (grown, got))
        o.close()
        other.kill()

    turns, began = Turns(c, args.full), time.monotonic()
    add(order[:window])
    say("cluster by cluster: %.0f rows/s", window / (time.monotonic() - began))
    turns.phase("cluster by cluster", began)
    began = time.monotonic()
    fresh(order[:window], "cluster by cluster", *alive(s, rows, order[:window], "cluster by cluster"))
    turns.phase("searches", began)
    began = time.monotonic()
    for at in range(window, n, BULK):
        add(order[at:at + BULK])
        remove(order[at - window:at - window + BULK])
    turns.phase("a window that passes", began)
    began = time.monotonic()
    fresh(order[n - window:], "a window that has passed", *alive(s, rows, order[n - window:], "a window that has passed"))
    turns.phase("searches, again", began)
    left = order[n - window:]
    kept = np.random.default_rng(args.seed).random(window) < .5
    began = time.monotonic()
    remove(left[~kept])
    turns.phase("deletes", began)
    turns.judge("streaming")
    fresh(left[kept], "half of them", *alive(s, rows, left[kept], "half of them"))
    c.close()
    s.kill()


# ---- recall

TARGETS = (.80, .90, .95, .99)
HELD = 1000  # Queries.
CHANGED = (.2, .1)  # Of the rows, so many are replaced by other elements, and so many get another vector.


class Live:
    """The elements that are there: row[i] is the row of element i's vector; none: -1."""

    def __init__(self, rows, n):
        self.rows, self.row = rows, np.where(np.arange(rows.n) < n, np.arange(rows.n), -1)

    def last(self, k, elements):
        """The distance of each query's k-th nearest, among these elements."""
        base = np.asarray(self.rows.base)[self.row[elements]]
        half, keep = (base ** 2).sum(1) / 2, min(2 * k + 30, len(base) - 1)
        out = []
        for at in range(0, HELD, 100):  # As many products as memory holds.
            q = self.rows.queries[at:at + 100]
            part = np.argpartition(half - q @ base.T, keep, axis=1)[:, :keep]
            out += [np.partition(distances(base, x, some), k - 1)[k - 1] for x, some in zip(q, part)]
        return np.array(out)

    def recall(self, k, found, last):
        """Of each query. A name that is not there is no answer."""
        out = []
        for q, names, d in zip(self.rows.queries, found, last):
            row = self.row[[int(x) for x in names]]
            out.append((distances(self.rows.base, q, row[row >= 0]) <= d * (1 + 1e-6) + 1e-12).sum() / k)
        return np.array(out)


def asked(c, rows, *options):
    """The names that are found of every query, and the codes scanned of each."""
    found, scanned = [], []
    for at in range(0, HELD, 50):
        for names, profile in c.pipeline([(*query(q), *options, "PROFILE") for q in rows.queries[at:at + 50]]):
            found.append(names)
            scanned.append(facts(profile)["scanned"])
    return found, scanned


def hold_targets(c, live, what, k=NEAREST, filter_=(), elements=None):
    """Returns the codes scanned for each target."""
    scanned, last = [], live.last(k, np.flatnonzero(live.row >= 0) if elements is None else elements)
    for target in TARGETS:
        found, codes = asked(c, live.rows, "K", k, "RECALL", target, *filter_)
        got = live.recall(k, found, last)
        scanned.append(sum(codes) / len(codes))
        check("%s: recall@%d asked for as %.2f is at least %.2f on the average" % (what, k, target, target - BELOW),
              got.mean() >= target - BELOW, "%.4f, a tenth has at most %.2f; %.0f codes" % (got.mean(), np.quantile(got, .1),
                                                                                          scanned[-1]))
    return scanned


def change(c, live, n, seed):
    """Elements go, others come, and some get another vector, all of them by chance."""
    rng, rows = np.random.default_rng(seed), live.rows
    fresh = np.arange(n, rows.n)
    come, moved = fresh[:round(CHANGED[0] * n)], fresh[round(CHANGED[0] * n):]
    order = rng.permutation(n)
    gone, other = order[:len(come)], order[len(come):len(come) + len(moved)]
    for kind, some, vectors in (("VREM", gone, gone), ("VADD", come, come), ("VADD", other, moved)):
        for at in range(0, len(some), BULK):
            pairs = zip(some[at:at + BULK], vectors[at:at + BULK])
            replies = c.pipeline([(kind, KEY, name(i)) if kind == "VREM" else
                                  (kind, KEY, "FP32", rows.base[j].tobytes(), name(i), *live.options) for i, j in pairs])
            if any(r != (0 if some is other else 1) for r in replies):
                raise RuntimeError("%s answers %r" % (kind, replies))
        live.row[some] = -1 if kind == "VREM" else vectors


def recall_of(args, where, kind, dim, n, options):
    folder, rows = os.path.join(where, kind), Rows(where, kind, dim, round(n * (1 + sum(CHANGED))), HELD, args.seed)
    live, at_first = Live(rows, n), np.arange(n)
    live.options = options
    s = large.server(folder, "--maxmemory", "2gb", *DEBUG)
    c = s.client(timeout=600)
    what = "%d x %d" % (n, dim)
    for at in range(0, n, BULK):
        some = range(at, min(at + BULK, n))
        c("VMADD", KEY, *options, "FP32", dim, len(some), *[x for i in some for x in (name(i), rows.base[i].tobytes())])
    place = np.random.default_rng(args.seed).permutation(n)
    attributes(s, {"chance": place})
    say("%s: settled after %.1f s", what, settle(s))
    scanned = hold_targets(c, live, what)
    check("%s: codes scanned grow with the target" % what, scanned == sorted(set(scanned)), scanned)
    check("%s: 0.80 scans at most half of what 0.99 does" % what, 2 * scanned[0] <= scanned[-1], scanned)
    for k in (1, 100):
        hold_targets(c, live, what, k)
    for share in (.5, .1, .01):
        most = round(share * n)
        hold_targets(c, live, "%s, of %g %%" % (what, 100 * share), NEAREST, ("FILTER", ".chance < %d" % most),
                     at_first[place < most])
    change(c, live, n, args.seed)
    hold_targets(c, live, what + ", just changed")
    settle(s)
    hold_targets(c, live, what + ", changed, at rest")
    c("SAVE")
    before = facts(c("VINFO", KEY, "FULL"))
    c.close()
    check("the server ends", s.stop(600) == 0)
    s = large.server(folder, "--maxmemory", "2gb", *DEBUG)
    c = s.client(timeout=600)
    after, same = facts(c("VINFO", KEY, "FULL")), ("settled", "measured-size", "probes", "clusters")
    check("%s: what was settled and measured is so after a restart" % what,
          after["settled"] == 1 and all(before[f] == after[f] for f in same), "; ".join(
              "%s %s, %s" % (f, before[f], after[f]) for f in same))
    hold_targets(c, live, what + ", after a restart")
    for k in (1, 100):
        hold_targets(c, live, what + ", after a restart", k)
    c.close()
    s.kill()
    rows.remove()


def recall(args, folder):
    n = args.rows or (200000 if args.full else 20000)
    l2, cosine = ("NOQUANT", "XDISTANCE_METRIC", "L2"), ("NOQUANT",)
    for kind, dim, options in ((("sift", 128, l2), ("text", 768, cosine)) if args.full else (("word", 96, cosine),)):
        recall_of(args, folder, kind, dim, n, options)


PARTS = {"memory": memory, "larger": larger, "cold": cold, "inserts": inserts, "filters": filters,
         "streaming": streaming, "recall": recall}


def main(args, folder):
    for part, run in PARTS.items():
        if args.only in (None, part):
            say("%s, %s", part, args.size)
            where = os.path.join(folder, part)
            os.mkdir(where)
            run(args, where)


if __name__ == "__main__":
    a = large.arguments("vector sets at size", only=str, rows=int)
    large.run(a, main)
