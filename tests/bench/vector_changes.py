"""vector_changes.py -- sections of vectors.py that write: inserts, updates and deletes, streams.

The rule of all: an element is found as soon as its reply has come, and what is found after many changes is as good
as what a set that was built afresh from the same rows finds.
"""
import itertools
import sys
import time

import numpy as np

from vector_data import NEAREST, SEED, VectorSet, exact, recall
from vector_servers import CLIENTS, KEY, PIPELINE, Cove, Redis8, drive, encode, parse, run_queries, search, write_all

WINDOW = 10         # Seconds.
CHECK_EVERY = 1000  # Elements.
QUERIES = 200
EFFORT = ("RECALL", .95)
PROBES = ("PROBES", 16)  # The same for both: EFFORT may take more of them where clusters have grown worse.


def load_redis(redis, base, attributes=None):
    added, seconds, cpu = write_all(redis, (redis.add(i, v, attributes and attributes[i]) for i, v in enumerate(base)))
    assert added == len(base), added
    return seconds, cpu


def slowest_window(stamps, seconds):
    """The least elements a second over any WINDOW seconds; stamps: (time, elements). A run that is shorter is one."""
    if seconds <= WINDOW:
        return sum(n for _, n in stamps) / seconds
    times = np.array([t for t, _ in stamps])
    counts = np.concatenate([[0], np.cumsum([n for _, n in stamps])])
    starts = np.arange(0, seconds - WINDOW, .5)
    at = counts[np.searchsorted(times, starts + WINDOW)] - counts[np.searchsorted(times, starts)]
    return float(at.min()) / WINDOW


def insert_checked(engine, base, seconds_most, effort):
    """VADDs by 16 clients x pipelines of 16; each CHECK_EVERYth element is searched for right after its reply, over
    the same connection, and must come first. Rows added, seconds, CPU seconds, slowest window, checks, misses."""
    stamps, wrong, checks = [], [], 0
    end = time.monotonic() + seconds_most

    def batches():
        for at in range(0, len(base), PIPELINE):
            if time.monotonic() > end:
                return
            some = range(at, min(at + PIPELINE, len(base)))
            yield ("add", some), b"".join(encode(*engine.add(i, base[i])) for i in some)

    def done(tag, replies):
        nonlocal checks
        kind, some = tag
        if kind == "check":
            names = parse(replies)[0]
            if not names or int(names[0]) != some:
                wrong.append(some)
            return None
        if sum(parse(replies)) != len(some):
            sys.exit("vectors: elements were not added")
        stamps.append((time.monotonic(), len(some)))
        due = [i for i in some if i % CHECK_EVERY == 0]
        if not due:
            return None
        checks += 1
        return ("check", due[0]), encode(*engine.query(base[due[0]].tobytes(), effort))

    cpu, began = engine.cpu(), time.monotonic()
    seconds = drive(engine.address(), batches(), CLIENTS, done)
    cpu = engine.cpu() - cpu
    stamps = [(t - began, n) for t, n in stamps]
    return sum(n for _, n in stamps), seconds, cpu, slowest_window(stamps, seconds), checks, wrong


def fresh_recall(base, rows, queries, kth, efforts):
    """Recall at each effort of a new server that was given the rows at once, in an order of chance."""
    engine = Cove("NOQUANT")
    engine.load(base, np.random.default_rng(SEED).permutation(rows))
    got = [recall(base, queries, run_queries(engine, queries, effort).ids, kth) for effort in efforts]
    engine.close()
    return got


def section_inserts(report, args):
    data = VectorSet("text200k", args.scale)
    report.title("Inserts: VADD FP32 of %d dimensions, 16 clients x pipelines of 16; every %d-th element is queried "
                 "at once" % (data.dim, CHECK_EVERY))
    report.table("server", "rows", "rows/s", "slowest %d s" % WINDOW, "rows/s of a CPU second", "checked", "not first",
                 "s until all is indexed", "recall after", "recall fresh")
    queries = data.queries[:QUERIES]
    engines = [(Cove("NOQUANT", options=("--ack", "store")), EFFORT, 300),
               (Redis8(options=("--appendonly", "yes", "--appendfsync", "always")), (200, True), 60)]
    for engine, effort, most in engines:
        rows, seconds, cpu, slowest, checks, wrong = insert_checked(engine, data.base, most, effort)
        kth = exact(data.base, queries, NEAREST, np.arange(rows))[1][:, -1]
        settled = engine.settle() if isinstance(engine, Cove) else 0
        got = recall(data.base, queries, search(engine, queries, effort).ids, kth)
        fresh = fresh_recall(data.base, np.arange(rows), queries, kth, [EFFORT])[0] if isinstance(engine, Cove) else None
        name = engine.name + (", ack store" if isinstance(engine, Cove) else ", appendfsync always")
        report.line(name, rows, "%.0f" % (rows / seconds), "%.0f" % slowest, "%.0f" % (rows / cpu), checks, len(wrong),
                    "%.1f" % settled, "%.4f" % got, "-" if fresh is None else "%.4f" % fresh, section="inserts",
                    server=name, rows=rows, rate=rows / seconds, slowest=slowest, rate_cpu=rows / cpu, checks=checks,
                    wrong=wrong, settled=settled,
                    recall=got, fresh=fresh)
        engine.close()
    bulk = Cove("NOQUANT", options=("--ack", "store"))
    if bulk.has_bulk():
        seconds, cpu = bulk.load(data.base)
        report.line("cove VMADD, ack store", data.rows, "%.0f" % (data.rows / seconds), "-", "%.0f" % (data.rows / cpu),
                    "-", "-", "-", "-", "-", section="inserts", server="cove VMADD", rate=data.rows / seconds,
                    rate_cpu=data.rows / cpu)
    else:
        report.note("cove has no VMADD.")
    bulk.close()


def judged(report, engine, base, live, queries, step, seconds, cpu, changes):
    """A line of what was changed and what is found when the server has come to rest, beside a fresh build of the live
    rows."""
    before = engine.cpu()
    seconds += engine.settle()
    cpu += engine.cpu() - before
    kth = exact(base, queries, NEAREST, live)[1][:, -1]
    found = search(engine, queries, EFFORT)
    there = found.ids[found.ids >= 0]
    dead = int((~np.isin(there, live)).sum())
    got = recall(base, queries, found.ids, kth)
    same = recall(base, queries, run_queries(engine, queries, PROBES).ids, kth)
    fresh, fresh_same = fresh_recall(base, live, queries, kth, [EFFORT, PROBES])
    used = engine.memory()[0] / len(live)
    report.line(step, len(live), "%.0f" % (changes / seconds), "%.0f" % (changes / max(cpu, .01)), "%.4f" % got,
                "%.4f" % fresh, "%.4f" % same, "%.4f" % fresh_same, dead, "%.0f" % found.qps_cpu, "%.0f" % used,
                section=report.section, step=step, live=len(live), rate=changes / seconds,
                rate_cpu=changes / max(cpu, .01), recall=got, fresh=fresh,
                same=same, fresh_same=fresh_same, dead=dead, qps_cpu=found.qps_cpu, used=used)


COLUMNS = ("step", "elements", "changes/s", "changes of a CPU second", "recall at RECALL 0.95", "fresh", "at PROBES 16",
           "fresh", "removed ones found", "QPS a CPU second", "used bytes each")


def section_updates(report, args):
    """A tenth moves to other vectors, three tenths go, a tenth comes back."""
    data = VectorSet("text50k", args.scale)
    report.title("Updates and deletes: %d x %d" % (data.rows, data.dim))
    report.section = "updates"
    report.table(*COLUMNS)
    engine, rng, queries = Cove("NOQUANT"), np.random.default_rng(SEED), data.queries[:QUERIES]
    base = np.array(data.base)
    seconds, cpu = engine.load(base)
    judged(report, engine, base, np.arange(len(base)), queries, "loaded", seconds, cpu, len(base))
    order = rng.permutation(len(base))
    tenth = len(base) // 10
    moved, gone, back = order[:tenth], order[tenth:4 * tenth], order[tenth:2 * tenth]
    base[moved] = base[rng.permutation(moved)]
    added, seconds, cpu = write_all(engine, (engine.add(i, base[i]) for i in moved))
    assert added == 0, "an update is no new element"
    judged(report, engine, base, np.arange(len(base)), queries, "a tenth updated", seconds, cpu, tenth)
    removed, seconds, cpu = write_all(engine, (("VREM", KEY, str(i)) for i in gone))
    assert removed == len(gone), removed
    live = np.setdiff1d(np.arange(len(base)), gone)
    judged(report, engine, base, live, queries, "three tenths removed", seconds, cpu, len(gone))
    added, seconds, cpu = write_all(engine, (engine.add(i, base[i]) for i in back))
    assert added == tenth, added
    judged(report, engine, base, np.union1d(live, back), queries, "a tenth added again", seconds, cpu, tenth)
    engine.close()


def section_streaming(report, args):
    """Cluster by cluster, so that each insert falls where the last did and the centres drift; then a window of half
    the set slides over it; then half of what is there goes."""
    data = VectorSet("text50k", args.scale)
    report.title("Streaming: %d x %d, cluster by cluster" % (data.rows, data.dim))
    report.section = "streaming"
    report.table(*COLUMNS)
    engine, queries = Cove("NOQUANT"), data.queries[:QUERIES]
    order = np.argsort(data.clusters, kind="stable")
    half = len(order) // 2
    added, seconds, cpu = write_all(engine, (engine.add(i, data.base[i]) for i in order[:half]))
    assert added == half, added
    judged(report, engine, data.base, np.sort(order[:half]), queries, "clusters in turn", seconds, cpu, half)
    pairs = zip(order[half:], order)
    slide = itertools.chain.from_iterable(
        ((engine.add(new, data.base[new])), ("VREM", KEY, str(old))) for new, old in pairs)
    changed, seconds, cpu = write_all(engine, slide)
    live = np.sort(order[len(order) - half:])
    judged(report, engine, data.base, live, queries, "a window slid", seconds, cpu, changed)
    gone = np.random.default_rng(SEED).permutation(live)[:half // 2]
    removed, seconds, cpu = write_all(engine, (("VREM", KEY, str(i)) for i in gone))
    assert removed == len(gone), removed
    judged(report, engine, data.base, np.setdiff1d(live, gone), queries, "half removed", seconds, cpu, len(gone))
    engine.close()
