"""vector_peers.py -- FAISS and hnswlib as libraries: what they build, and their search at every effort.

One thread, AVX2 (asserted), one query at a time where a batch would share work (FAISS's coarse quantiser), a batch
where it would not (graphs), so that Python's part of a call is small. Seconds are CPU seconds of the process.
"""
import os
import subprocess
import sys
import time

import faiss
import hnswlib
import numpy as np

from vector_data import NEAREST, SEED

M, EF_BUILD = 16, 200
EFFORTS_EF = (10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
EFFORTS_PROBES = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 1536, 2048)


def assert_avx2():
    """Before anything is timed: the level, as the library itself says, and what hnswlib was built with."""
    level = faiss.SIMDConfig.get_level_name()
    if level != "AVX2":
        sys.exit("vectors: FAISS runs with %s, not AVX2" % level)
    built = subprocess.run(["objdump", "-d", hnswlib.__file__], check=True, stdout=subprocess.PIPE).stdout
    if b"ymm" not in built or b"zmm" in built:
        sys.exit("vectors: hnswlib was not built for AVX2")
    faiss.omp_set_num_threads(1)


def nlist_of(rows):
    """The power of two next to twice the root."""
    return 1 << max(4, int(round(np.log2(2 * rows ** .5))))


class Timed:
    """CPU seconds of a build."""

    def __enter__(self):
        self.began = time.process_time()
        return self

    def __exit__(self, *_):
        self.seconds = time.process_time() - self.began


class Ivf:
    """An IVF index, with or without a re-rank by full vectors; centroids and full vectors are shared by all."""

    def __init__(self, name, index, data, flat, refine, bytes_row):
        self.name, self.refine, self.bytes_row, self.ivf = name, refine, bytes_row, index
        with Timed() as t:
            some = np.random.default_rng(SEED).choice(data.rows, min(data.rows, 65536), replace=False)
            index.train(np.ascontiguousarray(data.base[np.sort(some)]))
            # Made while the index is empty, as it has no rows itself; those of `flat` become its own below.
            self.index = faiss.IndexRefineFlat(index) if refine else index
            all_rows(index, data)
        self.build_seconds = t.seconds
        if refine:
            self.index.own_refine_index = False
            self.index.refine_index = flat
            self.index.ntotal = index.ntotal

    def efforts(self):
        for deep in self.refine or (0,):
            for probes in EFFORTS_PROBES:
                if probes <= self.ivf.nlist:
                    yield ("probes %d refine x%d" % (probes, deep) if deep else "probes %d" % probes), (probes, deep)

    def search(self, queries, effort):
        self.ivf.nprobe, deep = effort
        if deep:
            self.index.k_factor = float(deep)
        ids = np.full((len(queries), NEAREST), -1, np.int64)
        d = np.zeros((len(queries), NEAREST), np.float32)
        calls = [(faiss.swig_ptr(queries[i]), faiss.swig_ptr(d[i]), faiss.swig_ptr(ids[i])) for i in range(len(ids))]
        search = self.index.search_c
        began = time.process_time()
        for q, to_d, to_i in calls:
            search(1, q, NEAREST, to_d, to_i)
        return ids, time.process_time() - began


class Graph:
    """An HNSW of either library; building takes long, so it is kept beside the set, with its seconds."""

    def __init__(self, name, data):
        self.name, self.bytes_row = name, data.dim * 4 + 2 * M * 4 + 4 * M // (M - 1)
        path = os.path.join(data.folder, "%s-m%d-ef%d" % (name.replace(" ", "-"), M, EF_BUILD))
        if not os.path.exists(path + ".seconds"):
            with Timed() as t:
                self._build(data)
            self._save(path)
            with open(path + ".seconds", "w") as f:
                f.write("%f" % t.seconds)
        else:
            self._load(path, data)
        with open(path + ".seconds") as f:
            self.build_seconds = float(f.read())
        self.bytes_row = os.path.getsize(path) / data.rows

    def efforts(self):
        return [("ef %d" % ef, ef) for ef in EFFORTS_EF]


class FaissHnsw(Graph):
    def _build(self, data):
        faiss.omp_set_num_threads(2)
        self.index = faiss.IndexHNSWFlat(data.dim, M)
        self.index.hnsw.efConstruction = EF_BUILD
        all_rows(self.index, data)
        faiss.omp_set_num_threads(1)

    def _save(self, path):
        faiss.write_index(self.index, path)

    def _load(self, path, data):
        self.index = faiss.read_index(path)

    def search(self, queries, effort):
        self.index.hnsw.efSearch = effort
        began = time.process_time()
        _, ids = self.index.search(queries, NEAREST)
        return ids, time.process_time() - began


class Hnswlib(Graph):
    def _build(self, data):
        self.index = hnswlib.Index("l2", data.dim)
        self.index.init_index(data.rows, M=M, ef_construction=EF_BUILD, random_seed=SEED)
        for at in range(0, data.rows, 50000):
            self.index.add_items(data.base[at:at + 50000], num_threads=2)

    def _save(self, path):
        self.index.save_index(path)

    def _load(self, path, data):
        self.index = hnswlib.Index("l2", data.dim)
        self.index.load_index(path)

    def search(self, queries, effort):
        self.index.set_ef(effort)
        began = time.process_time()
        ids, _ = self.index.knn_query(queries, NEAREST, num_threads=1)
        return ids.astype(np.int64), time.process_time() - began


def ivf_kinds(data):
    """(name, make(quantiser, nlist), refine factors, bytes of a row's code)."""
    d = data.dim
    m = d // 2 if d <= 128 else d // 4  # 4 bits each: about the bytes of RaBitQ's bit a dimension.
    deep = (4, 16) if d > 128 else (4, 16, 48)
    return [
        ("faiss IVFFlat", lambda q, n: faiss.IndexIVFFlat(q, d, n), None, 4 * d),
        ("faiss IVFPQ%dx4fs+refine" % m, lambda q, n: faiss.IndexIVFPQFastScan(q, d, n, m, 4), (4, 16), m / 2),
        ("faiss IVFRaBitQfs+refine", lambda q, n: faiss.IndexIVFRaBitQFastScan(q, d, n), deep, d / 8 + 8),
    ] + ([("faiss IVFRaBitQ2fs+refine", lambda q, n: faiss.IndexIVFRaBitQFastScan(
        q, d, n, faiss.METRIC_L2, 32, True, 2), (4, 16), d / 4 + 16)] if d <= 128 else [])


def all_rows(index, data):
    for at in range(0, data.rows, 50000):
        index.add(np.ascontiguousarray(data.base[at:at + 50000]))
    return index


def libraries(data, only=None):
    """Yields each peer in turn; one that is let go leaves memory."""
    wanted = lambda name: only is None or any(o.lower() in name.lower() for o in only)  # noqa: E731
    for name, kind in (("hnswlib", Hnswlib), ("faiss HNSW", FaissHnsw)):
        if wanted(name):
            yield kind(name, data)
    kinds = [kind for kind in ivf_kinds(data) if wanted(kind[0])]
    if not kinds:
        return
    nlist = nlist_of(data.rows)
    some = np.random.default_rng(SEED).choice(data.rows, min(data.rows, 64 * nlist), replace=False)
    with Timed() as t:
        coarse = faiss.Kmeans(data.dim, nlist, niter=10, seed=SEED, min_points_per_centroid=1)
        coarse.train(np.ascontiguousarray(data.base[np.sort(some)]))
    quantiser, flat = faiss.IndexFlatL2(data.dim), None
    quantiser.add(coarse.centroids)
    for name, make, refine, bytes_row in kinds:
        if refine and flat is None:
            flat = all_rows(faiss.IndexFlatL2(data.dim), data)
        peer = Ivf(name, make(quantiser, nlist), data, flat, refine, bytes_row)
        peer.borrowed = quantiser, flat
        peer.build_seconds += t.seconds
        yield peer


def timed(peer, queries, effort, seconds_least=.25):
    """QPS of a CPU second, over as many rounds as make so many seconds."""
    seconds = rounds = 0
    while seconds < seconds_least:
        seconds += peer.search(queries, effort)[1]
        rounds += 1
    return rounds * len(queries) / seconds


def sweep(peer, data, queries, targets, note):
    """[(label, recall, QPS of a CPU second, effort)] of the efforts that matter: for every depth of re-ranking
    upwards until the last target is met, or more no longer helps."""
    q, rows, recalls = np.ascontiguousarray(data.queries[:queries]), [], {}
    for label, effort in peer.efforts():
        so_far = recalls.setdefault(effort[1] if isinstance(effort, tuple) else 0, [])
        if so_far and (so_far[-1] >= max(targets) or len(so_far) > 5 and so_far[-1] - so_far[-4] < 1e-3):
            continue
        so_far.append(data.recall(peer.search(q, effort)[0]))
        if so_far[-1] < min(targets) - .05:
            continue
        rows.append((label, so_far[-1], timed(peer, q, effort), effort))
        note("  %s: %s: recall %.4f, %.0f a CPU second" % (peer.name, *rows[-1][:3]))
    return rows or [("none", max(max(r) for r in recalls.values()), 0, None)]
