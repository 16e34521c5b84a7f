#!/usr/bin/env python3
"""owners.py -- two servers, one store: the older is stopped (SIGSTOP) under a stream of writes, a newer one
opens the store, writes and acknowledges; then the older goes on (SIGCONT).

It was stopped for longer than it takes to notice, so it must answer nothing any more, no write, no read, no
error, also no write that had reached the store before the stop; and exit with status 3 and the reason in
its log. What either acknowledged is there in the end. The newer is the next round's older.

Writes are SET r<round>:<connection>:<n>, in order, so what the newer finds of a connection is a prefix, not
shorter than what the older had answered.

    owners.py [--rounds N] [--store S] [--option NAME VALUE]... [--seed N] [--binary FILE]
              [--held-endpoint URL --held-control PORT]

Kinds of rounds, in turn:
    stream    stopped at a random moment
    put       stopped in the middle of a PUT: over `file` while a temporary file stands in the store; over
              S3 while the fault proxy holds the request back. Then, half the time, the held request
              reaches the store before the newer opens, half the time after
    lease     as stream, with read-lease
    idle      with read-lease and without a write under way: the older ends by itself

With --held-endpoint, servers reach the store through the fault proxy in rounds of kind `put` while they
are the older; S3 has no such rounds without it.
"""
import argparse
import os
import random
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from crash import Proxy  # noqa: E402
from resp import Error, Parser, encode  # noqa: E402
from server import Server  # noqa: E402

CONNECTIONS, PIPELINE, LEASE_MS, AFTER = 8, 64, 500, 200
STOPPED_SECONDS = 1.2    # A server notices that it was stopped after one second.
EXIT_SECONDS = 40        # The older's end after it goes on: one request, with its retries.
STOP_TRIES = 400


class Writer:
    """One connection's stream: SET r<round>:<number>:<n> <n>, n from 0."""

    def __init__(self, server, label):
        self.label, self.sent, self.acked, self.out = label, 0, 0, b""
        self.closed = False
        self.parser = Parser()
        self.refused = []
        self.sock = socket.create_connection(("127.0.0.1", server.port))
        self.sock.setblocking(False)

    def key(self, n):
        return "%s:%d" % (self.label, n)

    def fill(self, pipeline):
        while self.sent - self.acked - len(self.refused) < pipeline:
            self.out += encode("SET", self.key(self.sent), "%d-%s" % (self.sent, "x" * (self.sent % 300)))
            self.sent += 1
        self.push()

    def push(self):
        try:
            if self.out and not self.closed:
                self.out = self.out[self.sock.send(self.out):]
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True

    def read(self):
        try:
            data = b"" if self.closed else self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        for reply in self.parser.feed(data):
            if isinstance(reply, Error):
                self.refused.append(str(reply))
            elif reply != "OK":
                raise AssertionError("%s: %r to a SET" % (self.label, reply))
            elif self.refused:
                raise AssertionError("%s: OK after %s" % (self.label, self.refused[0]))
            else:
                self.acked += 1


class Reader(Writer):
    """Asks for one key and keeps what is answered; `values` are those that were no error."""

    def __init__(self, server, key):
        super().__init__(server, "reader")
        self.key_name, self.values = key, []

    def ask(self):
        self.out += encode("GET", self.key_name)
        self.push()

    def read(self):
        try:
            data = b"" if self.closed else self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        for reply in self.parser.feed(data):
            (self.refused if isinstance(reply, Error) else self.values).append(reply)


def turn(writers, seconds, pipeline=0):
    """Reads, and writes up to `pipeline` commands a connection ahead, for so long."""
    sel = selectors.DefaultSelector()
    for w in writers:
        if not w.closed:
            sel.register(w.sock, selectors.EVENT_READ, w)
    end = time.monotonic() + seconds
    while time.monotonic() < end and sel.get_map():
        for w in [k.data for k in sel.get_map().values()]:
            if pipeline:
                w.fill(pipeline)
            if w.closed:
                sel.unregister(w.sock)
        for key, _ in sel.select(0.002):
            key.data.read()
            if key.data.closed:
                sel.unregister(key.fileobj)
    sel.close()


class Test:
    def __init__(self, a, folder):
        self.a, self.folder, self.rnd = a, folder, random.Random(a.seed)
        self.known = {}            # acknowledged by anybody: key -> value
        self.round, self.acked, self.in_put, self.in_store = 0, 0, 0, 0
        self.servers, self.started = 0, []
        self.file = a.store.startswith("file:")

    def server(self, kind):
        """One in a folder of its own, made for being the older in a round of this kind."""
        self.servers += 1
        folder = os.path.join(self.folder, "server%d" % self.servers)
        os.mkdir(folder)
        options = ["--checkpoint-log-bytes", "2mb"]    # Checkpoints happen, and openings stay short.
        for name, value in self.a.option:
            if name == "store-endpoint" and kind == "put":
                value = self.a.held_endpoint
            options += ["--" + name, value]
        if kind in ("lease", "idle"):
            options += ["--read-lease", str(LEASE_MS)]
        s = Server(folder, self.a.store, options, binary=self.a.binary)
        self.started.append(s)
        return s.start()

    def stop_in_put(self, older, writers, proxy):
        if proxy is not None:
            turn(writers, self.rnd.uniform(0.05, 0.4), PIPELINE)
            before = proxy.counts().get("hold", 0)
            proxy.ask("rule PUT log/ 1 hold %g" % self.hold)
            end = time.monotonic() + 10
            while proxy.counts().get("hold", 0) == before and time.monotonic() < end:
                turn(writers, 0.005, PIPELINE)
            older.signal(signal.SIGSTOP)
            if proxy.counts().get("hold", 0) == before:
                raise AssertionError("no PUT came to the proxy")
            return
        tmp = os.path.join(self.a.store[len("file:"):], "tmp")
        for _ in range(STOP_TRIES):
            turn(writers, self.rnd.uniform(0.001, 0.02), PIPELINE)
            older.signal(signal.SIGSTOP)
            wait_state(older, "T")
            if os.listdir(tmp):
                return
            older.signal(signal.SIGCONT)
        raise AssertionError("never stopped within a PUT")

    def play(self, older, kind, next_kind):
        """One round; returns the newer."""
        self.round += 1
        writers = [Writer(older, "r%d:%d" % (self.round, i)) for i in range(CONNECTIONS)]
        c = older.client()
        c("SET", "seen", str(self.round))
        c.close()
        reader = Reader(older, "seen")
        self.known["seen"] = str(self.round).encode()
        proxy = None
        if kind == "put":
            proxy = Proxy(self.a.held_control, []) if self.a.held_control else None
            self.hold = self.rnd.choice((0.3, 8))
            self.stop_in_put(older, writers, proxy)
            self.in_put += 1
        elif kind == "idle":
            turn(writers, 0.2, PIPELINE)
            while any(w.acked < w.sent for w in writers):
                turn(writers, 0.05)
            older.signal(signal.SIGSTOP)
        else:
            turn(writers, self.rnd.uniform(0.05, 0.6), PIPELINE)
            for w in writers:
                w.fill(PIPELINE)
            older.signal(signal.SIGSTOP)
        wait_state(older, "T")
        stopped = time.monotonic()
        turn(writers, 0.05)        # What it had answered before it stopped.
        if proxy is not None and self.hold < 1:
            time.sleep(0.6)        # The held request happens before the newer opens.
        try:
            newer = self.server(next_kind)
            self.takeover(older, newer, writers, reader, kind, stopped)
        finally:
            if older.process.poll() is None:
                older.kill()
        if proxy is not None and self.hold > 1:
            time.sleep(0.5)        # Whatever is still held comes now or later: it is fenced off.
        self.check(newer, "after round %d" % self.round)
        for w in writers + [reader]:
            w.sock.close()
        return newer

    def takeover(self, older, newer, writers, reader, kind, stopped):
        found = self.adopt(newer, writers)
        c = newer.client()
        for n in range(AFTER):     # Some of them overwrite what the older wrote.
            key = "n%d:%d" % (self.round, n) if n % 2 else writers[n % CONNECTIONS].key(n)
            value = "newer-%d-%d" % (self.round, n)
            c("SET", key, value)
            self.known[key] = value.encode()
        c("SET", "seen", "newer-%d" % self.round)
        self.known["seen"] = b"newer-%d" % self.round
        c.close()
        self.acked += AFTER
        before = [(w.acked, len(w.refused)) for w in writers]
        self.in_store += sum(n - w.acked for n, w in zip(found, writers))
        if kind in ("lease", "idle"):
            time.sleep(LEASE_MS / 1000 + 0.1)
        if kind != "idle":
            for w in writers:      # These come after the newer has opened.
                w.fill(2 * PIPELINE)
        for _ in range(10):
            reader.ask()
        time.sleep(max(0, stopped + STOPPED_SECONDS - time.monotonic()))
        older.signal(signal.SIGCONT)
        self.watch(older, writers, reader)
        for w, (acked, refused) in zip(writers, before):
            if w.acked > acked:
                raise AssertionError("the older answered %s after it had been stopped" % w.key(w.acked - 1))
            if len(w.refused) > refused:
                raise AssertionError("the older answered a write: %s" % w.refused[refused])
        if reader.values or reader.refused:
            raise AssertionError("the older answered a read: %r" % (reader.values + reader.refused)[0])

    def watch(self, older, writers, reader):
        """Until the older has ended: with status 3, and with the reason in its log."""
        end = time.monotonic() + EXIT_SECONDS
        while older.process.poll() is None and time.monotonic() < end:
            reader.ask()
            turn(writers + [reader], 0.01)
        turn(writers + [reader], 0.3)
        status = older.process.poll()
        if status != 3:
            raise AssertionError("the older ended with %s, not with 3\n%s" % (status, older.tail()))
        if "another owner" not in older.tail():
            raise AssertionError("the older's log does not say why it ended:\n%s" % older.tail())

    def adopt(self, newer, writers):
        """How many of each connection's writes the newer has: a prefix, not shorter than the answers."""
        found, c = [], newer.client()
        for w in writers:
            values = c.pipeline([("GET", w.key(n)) for n in range(w.sent)])
            wrong = [v for v in values if isinstance(v, Error)]
            if wrong:
                raise AssertionError("%s: the newer answers a GET with %s" % (w.label, wrong[0]))
            count = next((n for n, v in enumerate(values) if v is None), len(values))
            if any(v is not None for v in values[count:]):
                raise AssertionError("%s: a hole at %d" % (w.label, count))
            if count < w.acked:
                raise AssertionError("%s: %d answered by the older, %d found" % (w.label, w.acked, count))
            for n, v in enumerate(values[:count]):
                if not v.startswith(b"%d-" % n):
                    raise AssertionError("%s holds %r" % (w.key(n), v[:40]))
                self.known[w.key(n)] = v
            self.acked += w.acked
            found.append(count)
        c.close()
        return found

    def check(self, server, when):
        c = server.client()
        keys = list(self.known)
        for i in range(0, len(keys), 500):
            part = keys[i:i + 500]
            for key, v in zip(part, c.pipeline([("GET", k) for k in part])):
                if v != self.known[key]:
                    raise AssertionError("%s: %s holds %r, expected %r" % (when, key, v, self.known[key]))
        c.close()


def wait_state(server, letter):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with open("/proc/%d/stat" % server.process.pid, encoding="latin-1") as f:
            if f.read().rsplit(")", 1)[1].split()[0] == letter:
                return
        time.sleep(0.0005)
    raise AssertionError("the server is not in state " + letter)


def run(a, folder):
    t = Test(a, folder)
    kinds = ["stream", "put", "lease", "put", "idle"] if t.file or a.held_control else \
            ["stream", "lease", "stream", "idle"]
    kind_of = [kinds[r % len(kinds)] for r in range(a.rounds + 1)]
    current = t.server(kind_of[0])
    try:
        for r in range(a.rounds):
            started = time.monotonic()
            current = t.play(current, kind_of[r], kind_of[r + 1])
            print("# round %d, %s: %.1f s" % (r + 1, kind_of[r], time.monotonic() - started), flush=True)
        current.kill()
        current.start()
        t.check(current, "after a restart")
        if a.rounds >= len(kinds) and "put" in kinds and t.in_put == 0:
            raise AssertionError("no round was in the middle of a PUT")
    finally:
        for s in t.started:
            s.kill()
    print("ok - %d rounds, %d of them within a PUT: %d acknowledged writes, all there; nothing was answered after "
          "a stop, also not %d writes that were in the store" % (a.rounds, t.in_put, t.acked, t.in_store), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    p.add_argument("--store", default=None)
    p.add_argument("--option", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    p.add_argument("--held-endpoint", default=None)
    p.add_argument("--held-control", type=int, default=None)
    p.add_argument("--binary", default=None)
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="cove-owners-")
    if a.store is None:
        a.store = "file:" + os.path.join(folder, "store")
    print("# seed %d" % a.seed, flush=True)
    failed = 0
    try:
        run(a, folder)
    except Exception as e:  # Whatever it is, it is this test's failure.
        failed = 1
        print("not ok - seed %d: %s: %s\n# folder %s" % (a.seed, type(e).__name__, e, folder), flush=True)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (1 - failed, failed))
    return failed


if __name__ == "__main__":
    sys.exit(main())
