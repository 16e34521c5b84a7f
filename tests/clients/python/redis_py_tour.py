#!/usr/bin/env python3
"""The tour with redis-py, unchanged: its own methods where it has them, else execute_command."""
import math
import sys

import redis

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
WORDS = {"king": 1.0, "queen": 1.01, "prince": 1.02, "castle": 1.5, "tea": 2.5, "river": 4.0}
count = 0


def check(sentence, got, want):
    global count
    count += 1
    if got == want:
        print("ok %d - %s" % (count, sentence), flush=True)
    else:
        print("not ok %d - %s: got %r, want %r" % (count, sentence, got, want), flush=True)


def vector(seed):
    return [round(math.sin(seed * (i + 1)), 6) for i in range(100)]


def pairs(reply):
    """A map, which RESP2 has as a flat list, as a dict with names as str."""
    flat = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))
    return {k.decode(): v for k, v in flat.items()}


def refused(function, *args):
    try:
        return function(*args)
    except redis.ResponseError as error:
        return str(error)


def fill(r):
    check("SET answers OK", r.set("greeting", "hello"), True)
    check("GET reads it", r.get("greeting"), b"hello")
    check("bytes go through as they are", (r.set("raw", bytes(range(256))), r.get("raw")),
          (True, bytes(range(256))))
    check("a TTL is set", (r.set("brief", 1, ex=100), 98 <= r.ttl("brief") <= 100), (True, True))
    check("HSET counts new fields", r.hset("user:1", mapping={"name": "Ada", "lang": "C"}), 2)
    check("HGETALL is a dict", r.hgetall("user:1"), {b"name": b"Ada", b"lang": b"C"})
    added = [r.vset().vadd("words", vector(seed), word, attributes={"len": len(word)})
             for word, seed in WORDS.items()]
    check("VADD adds", added, [1] * len(WORDS))
    check("VADD VALUES by hand updates", int(r.execute_command(
        "VADD", "words", "VALUES", 100, *vector(1.0), "king", "SETATTR", '{"len":4}')), 0)
    check("the set's size", (r.vset().vcard("words"), r.vset().vdim("words")), (6, 100))


def search(r):
    found = r.vset().vsim("words", "king", with_scores=True, count=5)
    check("VSIM finds five", len(found), 5)
    best = [k.decode() for k, _ in sorted(found.items(), key=lambda x: -x[1])][:3]
    check("VSIM ranks", best, ["king", "queen", "prince"])
    check("VSIM's own score is 1", abs(found[b"king"] - 1) < 0.01, True)
    reply = r.execute_command("VSEARCH", "words", "K", 5, "ELE", "king", "FILTER", ".len < 6",
                              "WITHSCORES", "WITHATTRIBS")
    rows = ([[k] + v for k, v in reply.items()] if isinstance(reply, dict)
            else [reply[i:i + 3] for i in range(0, len(reply), 3)])
    check("VSEARCH filters", sorted(row[0] for row in rows), [b"king", b"queen", b"river", b"tea"])
    check("VSEARCH's first row", (rows[0][0], abs(float(rows[0][1]) - 1) < 0.01, rows[0][2]),
          (b"king", True, b'{"len":4}'))
    check("its scores are doubles in RESP3", isinstance(rows[0][1], float), PROTOCOL == 3)


def files(r):
    version, size = r.execute_command("FS.WRITE", "agent1", "/src/main.c", "int main(){}", "PARENTS")
    check("FS.WRITE answers version and size", (version > 0, size), (True, 12))
    check("FS.READ", r.execute_command("FS.READ", "agent1", "/src/main.c"), b"int main(){}")
    cursor, entries = r.execute_command("FS.LS", "agent1", "/src", "WITHSTAT")
    check("FS.LS ends", cursor, b"0")
    (name, stat), = [entries[0:2]] if isinstance(entries[0], bytes) else entries
    check("FS.LS WITHSTAT", (name, pairs(stat)["size"], pairs(stat)["type"]),
          (b"main.c", 12, b"file"))
    check("TYPE of a volume", r.type("agent1"), b"volume")
    message = refused(r.execute_command, "FS.READ", "agent1", "/none")
    check("a missing file is an error", "ENOENT" in str(message), True)


def change(r):
    check("SET again", r.set("greeting", "bye"), True)
    check("HSET again", r.hset("user:1", "lang", "Rust"), 0)
    check("VREM", r.vset().vrem("words", "queen"), 1)
    check("VADD another", r.vset().vadd("words", vector(1.005), "emperor"), 1)
    check("FS.WRITE again", r.execute_command("FS.WRITE", "agent1", "/src/main.c", "changed")[1], 7)
    check("FS.WRITE another", r.execute_command("FS.WRITE", "agent1", "/new", b"\0\xff")[1], 2)
    with r.pipeline(transaction=True) as p:
        check("MULTI and EXEC", p.set("a", 1).incrby("a", 41).hset("h", "f", "v").execute(),
              [True, 42, 1])


def state(r):
    return (r.get("greeting"), r.hget("user:1", "lang"), sorted(r.vset().vsim("words", "king", count=3)),
            r.execute_command("FS.READ", "agent1", "/src/main.c"),
            r.execute_command("FS.LS", "agent1", "/")[1], r.get("a"))


BEFORE = (b"hello", b"C", [b"king", b"prince", b"queen"], b"int main(){}", [b"src"], None)
AFTER = (b"bye", b"Rust", [b"emperor", b"king", b"prince"], b"changed", [b"new", b"src"], b"42")


def branches(r):
    check("SNAPSHOT FORK", r.execute_command("SNAPSHOT", "FORK", "before", "branch"), b"OK")
    one = redis.Redis(port=PORT, protocol=PROTOCOL, single_connection_client=True)
    check("SELECT of a fork", one.execute_command("SELECT", "branch") in (True, b"OK"), True)
    check("the fork has what was there", state(one), BEFORE)
    one.set("greeting", "from the branch")
    check("the fork can be written", one.get("greeting"), b"from the branch")
    one.close()
    check("the fork is apart", state(r), AFTER)
    safety = r.execute_command("SNAPSHOT", "RESTORE", "before")
    check("SNAPSHOT RESTORE names a safety snapshot", safety.startswith(b"before"), True)
    check("all is back", state(r), BEFORE)
    names = [pairs(s)["name"] for s in r.execute_command("SNAPSHOT", "LIST")]
    check("SNAPSHOT LIST", names, [b"before", safety])


def rest(r):
    check("an error is the client's exception", "WRONGTYPE" in str(refused(r.hget, "greeting", "x")), True)
    r.mset({"key:%d" % i: i for i in range(500)})
    check("SCAN sees every key", len(set(r.scan_iter("key:*", count=50))), 500)
    check("a pipeline", r.pipeline(transaction=False).get("key:1").get("key:499").execute(), [b"1", b"499"])
    check("INFO is parsed", (r.info()["redis_mode"], r.info("keyspace")["db0"]["keys"] > 500),
          ("standalone", True))
    check("CLIENT ACK", r.execute_command("CLIENT", "ACK", "memory") in (True, b"OK"), True)


def main():
    r = redis.Redis(port=PORT, protocol=PROTOCOL)
    fill(r)
    search(r)
    files(r)
    check("SNAPSHOT CREATE", pairs(r.execute_command("SNAPSHOT", "CREATE", "before"))["name"], b"before")
    change(r)
    check("all is changed", state(r), AFTER)
    print("KILL", flush=True)
    sys.stdin.readline()
    check("every acknowledged change is there after kill -9", state(r), AFTER)
    branches(r)
    rest(r)
    print("1..%d" % count)


main()
