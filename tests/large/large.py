"""large.py -- what the programs of this folder share: options, checks, memory samples, many connections.

Every program takes --size small|full, prints what it measured, and closes with "N passed, N failed".
Counts and contents are asserted in both sizes; times only in the full one."""
import argparse
import collections
import hashlib
import multiprocessing
import os
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "crash"))
from resp import Client, Error, Parser, encode  # noqa: E402,F401
from server import Server  # noqa: E402,F401

MIB = 1 << 20
passed, failed = 0, 0


def check(sentence, good, found=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
    print("%s %d - %s%s" % ("ok" if good else "not ok", passed + failed, sentence,
                            " (%s)" % (found,) if found != "" else ""), flush=True)
    return good


def say(text, *args):
    print("# " + (text % args if args else text), flush=True)


def arguments(text, **more):
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", default=os.environ.get("LARGE_FOLDER"), help="for the server's data")
    for name, kind in more.items():
        parser.add_argument("--" + name.replace("_", "-"), type=kind)
    args = parser.parse_args()
    args.full = args.size == "full"
    return args


def run(args, main):
    """Calls main(args, folder) with a temporary folder; ends the servers that it started."""
    folder = tempfile.mkdtemp(prefix="cove-large-", dir=args.folder)
    started = time.monotonic()
    try:
        main(args, folder)
    except Exception as e:  # a program that breaks has failed, and says how
        import traceback
        traceback.print_exc()
        check("the program runs to its end", False, e)
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    say("%.0f s", time.monotonic() - started)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


servers = []


def server(folder, *options, wait=120):
    os.makedirs(folder, exist_ok=True)
    s = Server(folder, options=list(options))
    servers.append(s)
    return s.start(wait)


def info(client, section=()):
    fields = {}
    for line in client("INFO", *(section or ("everything",))).decode().splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name] = int(value) if value.isdigit() else value
    return fields


SHARE_UNDER_1MS = 0.9999  # Of the loop's turns.


class Turns:
    """The loop's turns of one phase after the other."""

    def __init__(self, c, full):
        self.c, self.full, self.all, self.slow, self.worst, self.over = c, full, 0, 0, 0, []
        c("CONFIG", "RESETSTAT")

    def phase(self, what, started):
        now = info(self.c)
        turns, slow = now["loop_turns"], now["loop_turns_over_1ms"]
        worst, over = now["loop_turn_cpu_us_max"], now["loop_turns_over_5ms"]
        say("%-34s %6.1f s %9d turns, %5d over 1 ms, %4d over 5 ms, longest %d us", what, time.monotonic() - started,
            turns, slow, over, worst)
        self.all, self.slow, self.worst = self.all + turns, self.slow + slow, max(self.worst, worst)
        if over:
            self.over.append("%s: %d" % (what, over))
        self.c("CONFIG", "RESETSTAT")

    def judge(self, what):
        if not self.full:
            return
        check("%s: no turn takes more than 5 ms" % what, not self.over, ", ".join(self.over) or "%d us" % self.worst)
        share = 1 - self.slow / max(self.all, 1)
        check("%s: 99.99 %% of the turns stay under 1 ms" % what, share >= SHARE_UNDER_1MS,
              "%.4f %% of %d" % (share * 100, self.all))


class Memory(threading.Thread):
    """The resident memory of a process, every 100 ms."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.peak, self.samples, self.over = "/proc/%d/statm" % pid, 0, 0, threading.Event()
        self.start()

    def run(self):
        page = os.sysconf("SC_PAGE_SIZE")
        while not self.over.wait(0.1):
            try:
                with open(self.path) as f:
                    self.peak = max(self.peak, int(f.read().split()[1]) * page)
                self.samples += 1
            except (OSError, IndexError):
                return

    def judge(self, what, maxmemory):
        self.over.set()
        self.join()
        bound = maxmemory * 5 // 4 + 64 * MIB
        check("%s: resident memory stays under 1.25 x maxmemory + 64 MiB" % what,
              0 < self.peak <= bound and self.samples > 0,
              "at most %.1f MiB of %.1f in %d samples" % (self.peak / MIB, bound / MIB, self.samples))


def key(i):
    return b"key:%012d" % i


def value(i, n=100, salt=b""):
    """Bytes that only this number has and that compress to half."""
    text = hashlib.blake2b(b"%d" % i, digest_size=64, salt=salt).hexdigest().encode()
    return (text * (n // 128 + 1))[:n]


def blob(i, n, salt=b""):
    """Large values that do not compress."""
    return hashlib.shake_128(b"%d %s" % (i, salt)).digest(n)


def shuffled(i, n):
    """The i-th number below n of an order without order."""
    a = 2654435761 % n | 1
    while n % 2 == 0 and a % 5 == 0 or n % 3 == 0 and a % 3 == 0 or n % 5 == 0 and a % 5 == 0 \
            or n % 7 == 0 and a % 7 == 0:
        a += 2
    return (i * a + 12345) % n


class Line:
    """A connection with one pipeline under way at most."""

    def __init__(self, port, first=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first is not None:
            self.ask(first[0], first[1], 1)
            why = self.answer()
            if why is not None:
                raise RuntimeError(why)

    def ask(self, request, expected, count):
        self.sock.sendall(request)
        self.expected, self.count = expected, count

    def answer(self):
        """None, or what came instead. Bytes are compared as they are, a function judges parsed replies."""
        if not isinstance(self.expected, bytes):
            return self.parsed()
        parts, got = [], 0
        while got < len(self.expected):
            data = self.sock.recv(min(len(self.expected) - got, 1 << 20))
            parts.append(data)
            got += len(data)
            if not data or self.expected[got - len(data):got] != data:
                break  # The rest may never come.
        got = b"".join(parts)
        return None if got == self.expected else "expected %r, got %r" % difference(self.expected, got)

    def parsed(self):
        parser, replies = Parser(), []
        while len(replies) < self.count:
            data = self.sock.recv(1 << 20)
            if not data:
                return "the server closed the connection"
            replies += parser.feed(data)
        bad = [r for r in replies if not self.expected(r)]
        return "got %r" % bad[0] if bad else None


def difference(a, b):
    at = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
    return a[max(0, at - 60):at + 60], b[max(0, at - 60):at + 60]


def _work(port, connections, batches, first, out):
    """Sends (request, expected, count) over connections, oldest first; ends at the first wrong answer."""
    done, why, free, busy = 0, None, [], collections.deque()
    try:
        free = [Line(port, first) for _ in range(connections)]
        batches = iter(batches)
        more = True
        while why is None and (more or busy):
            batch = next(batches, None) if free and more else None
            more = more and (batch is not None or not free)
            if batch is not None:
                line = free.pop()
                line.ask(*batch)
                busy.append(line)
            elif busy:
                line = busy.popleft()
                why = line.answer()
                done += line.count if why is None else 0
                free.append(line)
    except Exception as e:
        why = repr(e)
    out.put((done, why is not None, why))


def transfer(port, shares, connections, first=None):
    """Runs each share (an iterable of (request, expected, count)) in a process of its own with
    `connections` connections, which begin with `first` (request, reply). Returns operations done, workers that met a wrong answer, what it was, seconds."""
    out, started = multiprocessing.Queue(), time.monotonic()
    workers = [multiprocessing.Process(target=_work, args=(port, connections, s, first, out), daemon=True)
               for s in shares]
    for w in workers:
        w.start()
    done = wrong = 0
    why = None
    for _ in workers:
        d, w, f = out.get()
        done, wrong, why = done + d, wrong + w, why or f
    for w in workers:
        w.join()
    return done, wrong, why, time.monotonic() - started


def batches(numbers, pipeline, request, reply):
    """Groups numbers into pipelines."""
    ask, want, n = [], [], 0
    for i in numbers:
        ask.append(request(i))
        want.append(reply(i))
        n += 1
        if n == pipeline:
            yield b"".join(ask), b"".join(want), n
            ask, want, n = [], [], 0
    if n:
        yield b"".join(ask), b"".join(want), n


def each(numbers, request, judge):
    """One command at a time: judge(i) is its reply as bytes, or a function of the parsed reply."""
    for i in numbers:
        yield request(i), judge(i), 1


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else float("nan")
