#!/usr/bin/env python3
"""All words of GloVe as a vector set: added, searched against plain arithmetic, snapshotted,
changed, killed, restarted, forked and restored.

    glove.py [--words N] [--store s3://BUCKET/PREFIX --endpoint URL]

examples/glove/load.py fetches the words (npm) and reads them; without it this fails.
"""
import argparse
import array
import heapq
import math
import operator
import os
import shutil
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "crash"), os.path.join(ROOT, "examples", "source-tree"),
                os.path.join(ROOT, "examples", "glove")]
import tap
import tree
from server import Server

ALL = 341479
QUERIES = ("king", "coffee", "xylophone")
NEAREST = 10
REMOVED = 1000
ATTRIBUTED = 2000


def floats(packed):
    return array.array("f", packed)


def exact(words, query, count):
    """The nearest by cosine, with their VSIM scores, in double precision."""
    q = floats(words[query])
    q_norm = math.sqrt(sum(map(operator.mul, q, q)))
    scores = []
    for word, packed in words.items():
        v = struct.unpack("100f", packed)
        norm = math.sqrt(sum(map(operator.mul, v, v)))
        scores.append((0.5 + sum(map(operator.mul, q, v)) / (2 * q_norm * norm) if norm else 0.5, word))
    return heapq.nlargest(count, scores)


def vsim(client, key, query, *options):
    flat = client.call("VSIM", key, "ELE", query, "COUNT", NEAREST, "WITHSCORES", *options)
    return [(float(score), name.decode()) for name, score in zip(flat[::2], flat[1::2])]


def check_search(client, words, truth, quant):
    for query in QUERIES:
        found = vsim(client, "words", query)
        known = {name for _, name in truth[query]}
        hits = sum(name in known for _, name in found)
        tap.equal("%s: %d of the %d exact neighbours of %s are found" % (quant, hits, NEAREST, query),
                  hits >= NEAREST - 1, True)
        by_name = {name: score for score, name in truth[query]}
        off = [(name, score, by_name[name]) for score, name in found
               if name in by_name and abs(score - by_name[name]) > 0.01]
        tap.check("%s: their scores are those of plain arithmetic" % query, off)


class Run:
    def __init__(self, server, words, truth):
        self.server, self.words, self.truth = server, words, truth

    def client(self, db=None):
        return tree.Client(port=self.server.port, db=db)

    def load(self, client):
        began = time.monotonic()
        added = sum(client.pipeline(("VADD", "words", "FP32", packed, word, "Q8")
                                    for word, packed in self.words.items()))
        seconds = time.monotonic() - began
        print("# %d words in %.1f s: %.0f a second" % (added, seconds, added / seconds))
        tap.equal("every word is added", added, len(self.words))
        tap.equal("VCARD and VDIM", (client.call("VCARD", "words"), client.call("VDIM", "words")),
                  (len(self.words), 100))

    def sample(self, client):
        """Each 1,000th word's vector is the one that was given, within what 8 bits can hold."""
        names = list(self.words)[::1000]
        off = []
        for name, reply in zip(names, client.pipeline(("VEMB", "words", n) for n in names)):
            given = floats(self.words[name])
            slack = max(map(abs, given)) / 100
            if reply is None or any(abs(float(x) - y) > slack for x, y in zip(reply, given)):
                off.append(name)
        tap.check("%d vectors read back as they were given" % len(names), off)

    def change(self, client):
        names = [n for n in self.words if n not in QUERIES + ("queen",)]
        self.gone = names[100:100 + REMOVED] + ["queen"]
        tap.equal("words are removed", sum(client.pipeline(("VREM", "words", n) for n in self.gone)),
                  len(self.gone))
        self.kept = names[5000:5000 + ATTRIBUTED]
        tap.equal("words get attributes", sum(client.pipeline(
            ("VSETATTR", "words", n, '{"len":%d,"i":%d}' % (len(n), i)) for i, n in enumerate(self.kept))),
            len(self.kept))
        client.call("VADD", "words", "FP32", self.words["queen"], "a new queen")
        client.call("SET", "state", "changed")

    def check_before(self, sentence, client):
        found = vsim(client, "words", "king")
        tap.equal("%s: all words, none new, no attribute" % sentence,
                  (client.call("VCARD", "words"), client.call("VEMB", "words", "a new queen"),
                   client.call("VEMB", "words", "queen") is None, client.call("VGETATTR", "words", self.kept[0]),
                   client.call("GET", "state")), (len(self.words), None, False, None, b"before"))
        tap.equal("%s: the search finds what it found" % sentence, found, self.found)

    def check_changed(self, sentence, client):
        left = [n for n, r in zip(self.gone, client.pipeline(("VISMEMBER", "words", n) for n in self.gone)) if r]
        tap.check("%s: no removed word is there" % sentence, left)
        wrong = [n for i, (n, r) in enumerate(zip(self.kept, client.pipeline(
            ("VGETATTR", "words", n) for n in self.kept))) if r != b'{"len":%d,"i":%d}' % (len(n), i)]
        tap.check("%s: every attribute is there" % sentence, wrong)
        found = [name for _, name in vsim(client, "words", "king")]
        tap.equal("%s: the new word is found, the removed one not" % sentence,
                  ("a new queen" in found, "queen" in found, client.call("VCARD", "words"),
                   client.call("GET", "state")),
                  (True, False, len(self.words) - len(self.gone) + 1, b"changed"))
        rows = client.call("VSEARCH", "words", "K", 5, "ELE", "king", "FILTER", ".len == 4 and .i >= 0",
                           "WITHATTRIBS")
        tap.check("%s: a filtered search keeps to its filter" % sentence,
                  [] if len(rows) == 10 and all(b'"len":4,' in a for a in rows[1::2]) else rows)

    def restart(self):
        self.server.kill()
        self.server.start()
        return self.client()

    def all(self):
        client = self.client()
        client.call("SET", "state", "before")
        self.load(client)
        self.sample(client)
        check_search(client, self.words, self.truth, "Q8")
        self.found = vsim(client, "words", "king")
        client.call("SNAPSHOT", "CREATE", "before")
        self.change(client)
        self.check_changed("after the changes", client)
        client = self.restart()
        self.check_changed("after kill -9", client)
        client.call("SNAPSHOT", "FORK", "before", "branch")
        fork = self.client("branch")
        self.check_before("in a fork", fork)
        fork.call("DEL", "words")
        fork.close()
        self.check_changed("beside the fork", client)
        client.call("SNAPSHOT", "RESTORE", "before")
        self.check_before("after SNAPSHOT RESTORE", client)
        client = self.restart()
        self.check_before("after another kill -9", client)
        self.sample(client)
        client.close()
        tap.equal("the server stops with 0", self.server.stop(), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int)
    parser.add_argument("--store")
    parser.add_argument("--endpoint")
    args = parser.parse_args()
    try:
        import load
    except ImportError as error:
        tap.check("examples/glove/load.py is there", [error])
        return tap.done()
    try:
        words = dict(load.words(load.fetch(os.path.join(ROOT, "build", "data")), args.words))
    except Exception as error:
        tap.check("the words are fetched", ["%s: %s" % (type(error).__name__, error)])
        return tap.done()
    tap.equal("all words are there to be added", len(words), args.words or ALL)
    truth = {query: exact(words, query, NEAREST) for query in QUERIES}
    folder = tempfile.mkdtemp(prefix="cove-glove-")
    server = Server(folder, store=args.store, options=["--store-endpoint", args.endpoint] if args.endpoint else [])
    try:
        server.start()
        Run(server, words, truth).all()
    except Exception as error:
        tap.check("the test comes to its end", ["%s: %s" % (type(error).__name__, error), server.tail()])
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
