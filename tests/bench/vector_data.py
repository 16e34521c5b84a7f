"""vector_data.py -- the sets of vectors that are searched, their queries, and which answers are right.

A set is made once and kept under build/bench/vectors: base and query as rows of float32, for cosine of
length 1, so that L2 ranks them alike and every peer can use L2. Queries are never among the rows.
"""
import os
import shutil
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(ROOT, "build", "bench", "vectors")
SEED, NEAREST, QUERIES = 1, 10, 2000
# Name: kind, metric, rows at scale 1. All of GloVe is 341,479 words, QUERIES of them taken out.
SETS = {
    "glove100k": ("glove", "cosine", 100000),
    "glove": ("glove", "cosine", 341479 - QUERIES),
    "sift1m": ("sift", "l2", 1000000),
    "text50k": ("text", "cosine", 50000),
    "text200k": ("text", "cosine", 200000),
    "text1m": ("text", "cosine", 1000000),
}
DIM = {"glove": 100, "sift": 128, "text": 768}


def exact(base, queries, k=NEAREST, rows=None):
    """(indices, squared distances) of the k nearest rows of each query, of all or of the given rows. Blocks in
    float32 choose more than k, float64 ranks those: an expanded square loses what tells near ones apart."""
    rows = np.arange(len(base)) if rows is None else np.asarray(rows)
    keep = min(4 * k, len(rows))
    norms = (queries ** 2).sum(1)[:, None]
    best_d = np.full((len(queries), 0), 0, np.float32)
    best_i = np.full((len(queries), 0), 0, np.int64)
    step = max(1000, (1 << 28) // max(4 * len(queries), 4 * base.shape[1]))
    for at in range(0, len(rows), step):
        some = rows[at:at + step]
        block = np.asarray(base[some[0]:some[-1] + 1] if some[-1] - some[0] + 1 == len(some) else base[some])
        d = norms + (block ** 2).sum(1)[None, :] - 2 * (queries @ block.T)
        if d.shape[1] > keep:
            part = np.argpartition(d, keep - 1, axis=1)[:, :keep]
            d, ids = np.take_along_axis(d, part, 1), some[part]
        else:
            ids = np.broadcast_to(some, d.shape)
        best_d, best_i = np.hstack([best_d, d]), np.hstack([best_i, ids])
        if best_d.shape[1] > keep:
            part = np.argpartition(best_d, keep - 1, axis=1)[:, :keep]
            best_d, best_i = np.take_along_axis(best_d, part, 1), np.take_along_axis(best_i, part, 1)
    sure = distances(base, queries, best_i)
    order = np.argsort(sure, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(best_i, order, 1), np.take_along_axis(sure, order, 1)


def distances(base, queries, ids):
    """Squared distances in double precision of each query's ids; -1 is no answer and infinitely far."""
    out = np.full(ids.shape, np.inf)
    for i, (q, some) in enumerate(zip(queries.astype(np.float64), ids)):
        some = np.asarray(some)
        there = some >= 0
        out[i, there] = ((np.asarray(base[some[there]], np.float64) - q) ** 2).sum(1)
    return out


class VectorSet:
    def __init__(self, name, scale=1.0):
        self.kind, self.metric, rows = SETS[name]
        self.name, self.dim = name, DIM[self.kind]
        self.rows = max(int(rows * scale), 2000)
        self.folder = os.path.join(CACHE, "%s-%d-seed%d" % (self.kind, self.rows, SEED))
        if not os.path.isdir(self.folder):
            self._make()
        self.base = np.memmap(os.path.join(self.folder, "x.base.f32"), np.float32, "r").reshape(-1, self.dim)
        self.queries = np.fromfile(os.path.join(self.folder, "x.query.f32"), np.float32).reshape(-1, self.dim)
        self.clusters = None if self.kind == "glove" else \
            np.fromfile(os.path.join(self.folder, "x.cluster.i32"), np.int32)
        if len(self.base) != self.rows or len(self.queries) != QUERIES:
            sys.exit("vectors: %s is not whole: remove it" % self.folder)

    def _make(self):
        fresh = self.folder + ".new"
        shutil.rmtree(fresh, ignore_errors=True)
        os.makedirs(fresh)
        if self.kind == "glove":
            self._make_glove(fresh)
        else:
            subprocess.run([os.path.join(ROOT, "build", "tests", "bench", "vectors_data"), self.kind, str(self.rows),
                            str(QUERIES), str(SEED), os.path.join(fresh, "x")], check=True)
        os.rename(fresh, self.folder)

    def _make_glove(self, folder):
        """The commonest words; the queries are drawn from among them and leave the set."""
        sys.path.insert(0, os.path.join(ROOT, "examples", "glove"))
        import load
        archive = load.fetch(os.path.join(ROOT, "build", "data"))
        raw = b"".join(packed for _, packed in load.words(archive, self.rows + QUERIES))
        x = np.frombuffer(raw, np.float32).reshape(-1, self.dim)
        if len(x) != self.rows + QUERIES:
            sys.exit("vectors: %d words were wanted, %d are there" % (self.rows + QUERIES, len(x)))
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        x = x / np.where(norms == 0, 1, norms)
        out = np.random.default_rng(SEED).choice(len(x), QUERIES, replace=False)
        x[out].tofile(os.path.join(folder, "x.query.f32"))
        np.delete(x, out, axis=0).tofile(os.path.join(folder, "x.base.f32"))

    def truth(self):
        """The distance of the k-th nearest of each query, from the cache or computed."""
        path = os.path.join(self.folder, "truth.npy")
        if not os.path.exists(path):
            np.save(path + ".new.npy", exact(self.base, self.queries)[1][:, -1])
            os.rename(path + ".new.npy", path)
        return np.load(path)

    def recall(self, ids, first=0):
        """Mean recall of the answers to the queries from `first` on."""
        some = slice(first, first + len(ids))
        return recall(self.base, self.queries[some], ids, self.truth()[some])


def recall(base, queries, ids, kth, k=NEAREST):
    """Of the first queries, as many as were answered. kth: the distance of each one's last right answer, the k-th.
    One as near as that is right: equal distances have no order."""
    ids = np.asarray(ids)
    queries, kth = queries[:len(ids)], kth[:len(ids)]
    d = distances(base, queries, ids)
    # 1e-6: what float32 of a unit vector leaves of a distance.
    return float((d <= kth[:, None] * (1 + 1e-6) + 1e-12).sum() / (k * len(queries)))


def check():
    """exact() and recall() on what can be told without them; every figure hangs on these two."""
    rng = np.random.default_rng(SEED)
    base, queries = rng.normal(size=(700, 8)).astype(np.float32), rng.normal(size=(5, 8)).astype(np.float32)
    base[1::7] = base[0]
    for rows in (np.arange(700), np.arange(3, 700, 9), np.arange(6)):
        k = min(NEAREST, len(rows))
        ids, d = exact(base, queries, k, rows)
        plain = np.sort(((base[rows].astype(np.float64)[None] - queries[:, None]) ** 2).sum(2), axis=1)[:, :k]
        assert np.allclose(d, plain, rtol=1e-12), "distances"
        assert np.isin(ids, rows).all() and all(len(set(some)) == k for some in ids.tolist()), "answers"
        assert recall(base, queries, ids, d[:, -1], k) == 1, "right answers"
        ids[:, 0] = -1
        assert abs(recall(base, queries, ids, d[:, -1], k) - (k - 1) / k) < 1e-12, "one of k is missing"
