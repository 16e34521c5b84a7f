#!/usr/bin/env python3
"""examples/agent-cache against a server that is killed once; started by harness.py."""
import os
import sys
import time

import redis

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "examples", "agent-cache"))
from agent_cache import AgentCache, embed

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
count = 0


def check(sentence, got, want=True):
    global count
    count += 1
    if got == want:
        print("ok %d - %s" % (count, sentence), flush=True)
    else:
        print("not ok %d - %s: got %r, want %r" % (count, sentence, got, want), flush=True)


asked = []


def model(question):
    asked.append(question)
    return "answer %d" % len(asked)


def hits(cache):
    check("the first question is fresh", cache.ask("How do I boil an egg?", model), ("answer 1", "fresh"))
    check("the same question is cached", cache.ask("How do I boil an egg?", model), ("answer 1", "cached"))
    check("one with the same words is cached", cache.ask("how to boil eggs", model), ("answer 1", "cached"))
    check("another one is not", cache.ask("Why is the sky blue?", model), ("answer 2", "fresh"))
    check("nor a third", cache.ask("Which compiler builds the kernel?", model), ("answer 3", "fresh"))
    check("the model was asked three times", len(asked), 3)
    question, answer, score = cache.nearest("boiling an egg")
    check("the nearest earlier question", (question, answer), ("How do I boil an egg?", "answer 1"))
    check("its score is over the threshold", cache.near <= score <= 1)
    check("a question without words is nobody's neighbour", cache.nearest("?!"), None)
    check("the embedding is deterministic and of length 1",
          (embed("a b c") == embed("a b c"), abs(sum(x * x for x in embed("kernel")) - 1) < 1e-9), (True, True))


def lifetimes(r, cache):
    ids = r.keys("agent:a:*")
    check("every answer has a TTL", all(0 < r.ttl(k) <= cache.ttl for k in ids) and len(ids), 3)
    brief = AgentCache(r, "brief", ttl=1)
    check("a brief one", brief.ask("What time is it?", lambda q: "noon"), ("noon", "fresh"))
    check("it is there at first", brief.ask("What time is it?", lambda q: "later"), ("noon", "cached"))
    time.sleep(1.2)
    check("and expires", brief.ask("What time is it?", lambda q: "later"), ("later", "fresh"))
    check("its vector was replaced, not doubled", r.vset().vcard("brief:q"), 1)
    brief.r.delete(*r.keys("brief:a:*"))
    check("a vector without an answer is removed", (brief.nearest("What time is it?"), r.exists("brief:q")),
          (None, 0))


def workspace(cache):
    check("every fresh answer is a file", len(cache.list("/answers")), 3)
    cache.write("/plan.md", "step one")
    check("the workspace reads back", cache.read("/plan.md"), "step one")
    names = ["%04d" % i for i in range(1200)]
    with cache.r.pipeline(transaction=False) as p:
        for name in names:
            p.execute_command("FS.WRITE", cache.volume, "/many/" + name, name, "PARENTS")
        p.execute()
    check("a long folder is listed page by page", cache.list("/many") == names)


def everything(cache):
    keys = sorted(k for k in cache.r.scan_iter("*"))
    return (keys, cache.r.vset().vcard(cache.questions), cache.list("/answers"), cache.read("/plan.md"))


def forks(cache):
    before = everything(cache)

    def work(fork):
        check("a fork has everything", everything(fork), before)
        fork.ask("Is this a risk?", lambda q: "yes")
        fork.write("/plan.md", "a wild idea")
        fork.r.delete(*list(fork.r.scan_iter("agent:a:*")))
        return everything(fork)

    after = cache.attempt("wild", work)
    check("the fork was changed", (after[1], len(after[2]), after[3]), (before[1] + 1, 4, "a wild idea"))
    check("nothing of it stays", everything(cache), before)

    def fail(fork):
        fork.write("/plan.md", "half")
        raise ValueError("gave up")

    try:
        cache.attempt("wild", fail)
        check("the error comes through", False)
    except ValueError:
        check("the error comes through, the name can be used again", everything(cache), before)
    check("no snapshot is left", cache.r.execute_command("SNAPSHOT", "LIST"), [])
    return before


def main():
    r = redis.Redis(port=PORT, protocol=PROTOCOL, decode_responses=True)
    cache = AgentCache(r)
    hits(cache)
    lifetimes(r, cache)
    workspace(cache)
    before = forks(cache)
    print("KILL", flush=True)
    sys.stdin.readline()
    check("all of it is there after kill -9", everything(cache), before)
    check("a cached answer is still cached", cache.ask("how to boil eggs", model), ("answer 1", "cached"))
    before = forks(cache)
    check("and it can branch again", everything(cache), before)
    print("1..%d" % count)


main()
