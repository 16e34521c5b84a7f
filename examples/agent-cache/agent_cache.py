#!/usr/bin/env python3
"""An agent's cache: answers with a TTL, the nearest earlier question, a workspace that can branch.

    make run                        in another terminal
    pip install redis
    examples/agent-cache/agent_cache.py "How do I boil an egg?"

It runs offline: the embedding below is a hash of the question's word stems and letter groups, and
the answers come from a function of the caller's. With a model, replace both; the rest stays.
"""
import hashlib
import json
import math
import re
import sys

import redis

DIMENSIONS = 256
STOP = set("a an the is are do does did i you we to of in on at for how what please can my me it".split())


def stem(word):
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[:-len(ending)]
    return word


def features(text):
    """(feature, weight): the stems count most, groups of three letters forgive spelling."""
    words = [stem(w) for w in re.findall(r"[a-z0-9]+", text.lower()) if w not in STOP]
    for word in words:
        yield "w:" + word, 1.0
        padded = "^" + word + "$"
        for i in range(len(padded) - 2):
            yield "g:" + padded[i:i + 3], 0.3


def embed(text):
    """A direction in DIMENSIONS dimensions: every feature adds to one of them, up or down."""
    vector = [0.0] * DIMENSIONS
    for feature, weight in features(text):
        h = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "big")
        vector[(h >> 1) % DIMENSIONS] += weight if h & 1 else -weight
    norm = math.sqrt(sum(x * x for x in vector))
    if norm == 0:  # No word in it: a direction of its own, so that nothing is near.
        vector[0] = norm = 1.0
    return [x / norm for x in vector]


class AgentCache:
    """Keys: NAME:a:ID hashes with a TTL, NAME:q the vector set of their questions, NAME:files the
    workspace. `near` is the least VSIM score, (1 + cosine) / 2, at which a question is the same."""

    def __init__(self, r, name="agent", ttl=3600, near=0.85):
        self.r, self.name, self.ttl, self.near = r, name, ttl, near
        self.questions, self.volume = name + ":q", name + ":files"

    def _key(self, id):
        return "%s:a:%s" % (self.name, id)

    def remember(self, question, answer):
        id = hashlib.blake2b(question.encode(), digest_size=8).hexdigest()
        vector = embed(question)
        with self.r.pipeline(transaction=True) as p:  # All of it or nothing.
            p.hset(self._key(id), mapping={"question": question, "answer": answer})
            p.expire(self._key(id), self.ttl)
            p.execute_command("VADD", self.questions, "VALUES", len(vector), *vector, id,
                              "SETATTR", json.dumps({"words": len(question.split())}))
            p.execute()
        return id

    def nearest(self, question, count=3):
        """(question, answer, score) of the nearest one that has not expired, or None. A vector
        whose answer is gone goes, too."""
        # redis-py fails on the empty array that VSIM answers when there is no set, in RESP3.
        while self.r.exists(self.questions):
            found = self.r.vset().vsim(self.questions, embed(question), with_scores=True, count=count)
            gone = []
            for id, score in sorted((found or {}).items(), key=lambda x: -x[1]):
                if score < self.near:
                    return None
                entry = self.r.hgetall(self._key(id))
                if entry:
                    return entry["question"], entry["answer"], score
                gone.append(id)
            if not gone:
                return None
            for id in gone:
                self.r.vset().vrem(self.questions, id)
        return None

    def ask(self, question, answerer):
        """(answer, "cached" or "fresh"). What is fresh is remembered and noted in the workspace."""
        hit = self.nearest(question)
        if hit is not None:
            return hit[1], "cached"
        answer = answerer(question)
        id = self.remember(question, answer)
        self.write("/answers/%s.md" % id, "# %s\n\n%s\n" % (question, answer))
        return answer, "fresh"

    # The workspace.

    def write(self, path, text):
        return self.r.execute_command("FS.WRITE", self.volume, path, text, "PARENTS")

    def read(self, path):
        return self.r.execute_command("FS.READ", self.volume, path)

    def list(self, path="/"):
        names, cursor = [], "0"
        while True:
            cursor, page = self.r.execute_command("FS.LS", self.volume, path, "CURSOR", cursor)
            names += page
            if cursor == "0":  # A cursor is a word, not always a number.
                return names

    def attempt(self, name, work):
        """Runs work(cache) in a fork of everything and drops the fork, whatever comes of it: keys,
        vectors and files of the real workspace stay as they are. Returns what work returns."""
        snapshot, branch = name + ".base", name + ".try"
        self.r.execute_command("SNAPSHOT", "CREATE", snapshot)
        # A pool whose connections all select the fork: a database of redis-py may be a name.
        options = dict(self.r.connection_pool.connection_kwargs, db=branch)
        r = redis.Redis(connection_pool=redis.ConnectionPool(**options))
        try:
            self.r.execute_command("SNAPSHOT", "FORK", snapshot, branch)
            return work(AgentCache(r, self.name, self.ttl, self.near))
        finally:
            r.connection_pool.disconnect()
            for command in (("DROPDB", branch), ("DELETE", snapshot)):
                try:
                    self.r.execute_command("SNAPSHOT", *command)
                except redis.ResponseError:
                    pass  # The fork was never made.


def main():
    cache = AgentCache(redis.Redis(decode_responses=True))
    for question in sys.argv[1:] or ("How do I boil an egg?", "how to boil eggs", "Why is the sky blue?"):
        answer, whence = cache.ask(question, lambda q: "This would be a model's answer to: " + q)
        print("%s\n    %s (%s)" % (question, answer, whence))
    print("workspace: %s" % ", ".join(cache.list("/answers")))
    left = cache.attempt("demo", lambda c: (c.write("/answers/draft.md", "risky"), c.list("/answers"))[1])
    print("in a fork: %s" % ", ".join(left))
    print("afterwards: %s" % ", ".join(cache.list("/answers")))


if __name__ == "__main__":
    main()
