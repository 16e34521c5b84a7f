"""pair.py -- a Cove and a Redis side by side: runs the same steps on both and compares each reply.

A step is (connection, kind, arguments):
    cmd     a command
    cold    arguments are not used: Cove alone puts everything into the store and drops its memory
    sleep   milliseconds
    expire  PEXPIRE key 1, and a wait until it has passed
    pop     a command that takes elements by chance: both go on with what Redis has then
    scan    a SCAN without its cursor, walked to its end
    cross   a key: what each dumps the other restores
    block   a blocking command of connection 1, then commands of connection 0, then CLIENT UNBLOCK
    raw     bytes on a connection of their own
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "crash")]
import payload
from server import Server, free_port
from wire import Closed, Wire

DEFAULTS = (("hash-max-listpack-entries", 128), ("hash-max-listpack-value", 64), ("list-max-listpack-size", -2),
            ("set-max-intset-entries", 512), ("zset-max-listpack-entries", 128), ("zset-max-listpack-value", 64),
            ("maxmemory-policy", "noeviction"))
CONNECTIONS = 2
BATCH_BYTES = 16384
UNORDERED = {b"GEOSEARCH", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"KEYS", b"HKEYS", b"HVALS"}
NEAR = {b"TTL": 1, b"PTTL": 5000, b"EXPIRETIME": 1, b"PEXPIRETIME": 5000}
BY_CHANCE = {b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER", b"RANDOMKEY", b"SPOP"}


class Difference(Exception):
    def __init__(self, at, step, redis, cove):
        Exception.__init__(self, "step %d" % at)
        self.at, self.step, self.redis, self.cove = at, step, redis, cove


class RedisEnded(Exception):
    """Redis has crashed, and stands again: of this sequence nothing can be said."""


class Parted(Exception):
    """From here on the two servers hold different data, as expected."""


def expected(kind):
    """Replies that may differ: the rows of expected-differences whose first field is `kind`."""
    with open(os.path.join(HERE, "expected-differences"), "rb") as f:
        rows = [line.rstrip(b"\n").split(b"\t") for line in f]
    return [re.compile(row[1], re.S) for row in rows if row[0] == kind]


def flat(reply):
    return reply[1] if isinstance(reply[1], list) else None


def same(args, redis, cove):
    """Whether both replies to one command say the same."""
    if redis == cove:
        return True
    if redis[0] != cove[0] or redis[0] == "-":
        return False
    name = args[0].upper()
    one, other = redis[1], cove[1]
    if name in BY_CHANCE:
        return same_by_chance(args, one, other)
    if name in NEAR and isinstance(one, int):
        return one >= 0 and other >= 0 and abs(one - other) <= NEAR[name]
    if name == b"OBJECT" and args[1].upper() in (b"IDLETIME", b"FREQ", b"REFCOUNT"):
        return redis[0] == ":"
    if name == b"MEMORY":
        return redis[0] == ":"
    if name == b"TIME":
        return True
    if name == b"DUMP":  # What is in it, is compared where everything is read.
        return one is not None and other is not None and payload.read(one) == payload.read(other)
    if one is None or other is None or not isinstance(one, list) or len(one) != len(other):
        return False
    if name in UNORDERED or unsorted(args):
        return sorted(one) == sorted(other)
    if name == b"ZSCAN":
        flat = [[item[1] for item in reply[1][1]] for reply in (one, other)] if one[0] == other[0] else [[], [1]]
        return sorted(zip(flat[0][::2], flat[0][1::2])) == sorted(zip(flat[1][::2], flat[1][1::2]))
    if name == b"HGETALL":
        return sorted(zip(one[::2], one[1::2])) == sorted(zip(other[::2], other[1::2]))
    if name == b"CONFIG":
        return sorted(zip(one[::2], one[1::2])) == sorted(zip(other[::2], other[1::2]))
    return False


def unsorted(args):
    """SORT of all in the order in which it is, which for a set is none."""
    words = [a.upper() for a in args]
    return words[0] in (b"SORT", b"SORT_RO") and b"LIMIT" not in words and b"BY" in words[2:-1] \
        and b"*" not in words[words.index(b"BY", 2) + 1]


def same_by_chance(args, one, other):
    """As many as there, and of the same shape; when all have to come, the same."""
    if (one is None) != (other is None):
        return False
    if not isinstance(one, list):
        return True
    if len(one) != len(other):
        return False
    shape = [r[0] for r in one] == [r[0] for r in other]
    whole = args[0].upper() == b"SPOP" and args[2:] == [b"100000"]
    return shape and (not whole or sorted(one) == sorted(other))


class Peer:
    """One of the two servers, and the connections to it."""

    def __init__(self, port):
        self.port, self.wires, self.control = port, [], None

    def open(self, protocol):
        self.close()
        self.control = Wire(self.port)
        self.control.call("FLUSHALL")
        for name, value in DEFAULTS:
            self.control.call("CONFIG", "SET", name, value)
        self.wires = [Wire(self.port) for _ in range(CONNECTIONS)]
        if protocol == 3:
            for w in self.wires:
                w.call("HELLO", "3")

    def health(self, pid):
        """For the report of a reply that does not come: is it there, does it work, does it answer?"""
        told = "process %d" % pid
        try:
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            told = "state %s, %s ticks" % (fields[0], int(fields[11]) + int(fields[12]))
            wire = Wire(self.port, 5)
            return "%s, %r, %s" % (told, wire.call("PING"), self.clients())
        except (Closed, OSError) as e:
            return "%s: %s" % (told, e)

    def clients(self):
        """For the report of a reply that does not come."""
        try:
            return self.control.call("CLIENT", "LIST")[1].decode()
        except (Closed, OSError) as e:
            return str(e)

    def close(self):
        for w in self.wires + ([self.control] if self.control else []):
            w.close()
        self.wires, self.control = [], None


class Pair:
    def __init__(self, cove_options=()):
        room = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="cove-compat-", dir=room)
        self.expected, self.parting = expected(b"differential"), expected(b"differential-end")
        # What is dead goes at once: the store of a long run would fill the memory that it lies in.
        self.server = Server(self.folder, port=free_port(),
                             options=["--enable-debug-command", "yes", "--gc-grace", "1"] + list(cove_options))
        program = subprocess.run([os.path.join(ROOT, "tools", "peers.sh"), "redis-server"], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout.split("\n")[-2]
        port = free_port()
        self.command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
                        self.folder, "--enable-debug-command", "yes"]
        self.server.start()
        self.redis, self.cove = Peer(port), Peer(self.server.port)
        self.replies = self.colds = 0
        self.start_redis()

    def start_redis(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(500):
            try:
                Wire(self.redis.port).close()
                break
            except OSError:
                time.sleep(0.01)

    def redis_ended(self):
        """Its exit status, once it stands again; None: it has not ended."""
        try:
            status = self.process.wait(0.1)  # A connection may tell before the process is gone.
        except subprocess.TimeoutExpired:
            return None
        self.start_redis()
        return status

    def stop(self):
        self.redis.close()
        self.cove.close()
        self.process.kill()
        self.process.wait()
        status = self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status

    # ---- one sequence ----------------------------------------------------------------------------

    def run(self, steps, protocol):
        """Runs the steps on two empty servers; raises the first Difference."""
        try:
            self.walk(steps, protocol)
        except Parted:
            pass
        except (Difference, Closed, OSError):
            status = self.redis_ended()
            if status is None:
                raise
            raise RedisEnded("redis-server ended with %d" % status)

    def walk(self, steps, protocol):
        self.queued = [None] * CONNECTIONS
        self.lapsed = set()  # Keys whose time has passed: when they go, the servers choose.
        for peer in (self.redis, self.cove):
            peer.open(protocol)
        i = 0
        while i < len(steps):
            connection, kind, args = steps[i]
            if kind != "cmd":
                try:
                    getattr(self, "step_" + kind)(i, steps[i])
                except (OSError, Closed) as e:
                    raise Difference(i, steps[i], "%s; %s" % (e, self.redis.health(self.process.pid)),
                                     self.cove.health(self.server.process.pid))
                i += 1
                continue
            first, size = i, 0
            while i < len(steps) and steps[i][:2] == (connection, "cmd") and size < BATCH_BYTES:
                size += sum(map(len, steps[i][2])) + 16 * len(steps[i][2])
                i += 1
            self.batch(first, steps[first:i], connection)

    def batch(self, first, steps, connection):
        for peer in (self.redis, self.cove):
            peer.wires[connection].send([args for _, _, args in steps])
        for at, step in enumerate(steps, first):
            self.judge(at, step, self.read(at, step, self.redis, connection), self.read(at, step, self.cove, connection))

    def read(self, at, step, peer, connection):
        try:
            return peer.wires[connection].read()
        except (Closed, OSError) as e:
            if peer is self.cove and self.server.process.poll() is not None:
                raise Difference(at, step, "(asks nothing of the kind)", "the server ended: " + self.server.tail())
            return "!", "%s %s" % (e, peer.clients())

    def judge(self, at, step, redis, cove):
        """Compares the replies to one step. Those of EXEC are compared as those of what was queued."""
        connection, _, args = step
        self.replies += 1
        name, queue = args[0].upper(), self.queued[connection]
        self.note_lapsed(args)
        if name == b"EXEC" and queue is not None:
            self.queued[connection] = None
            ones, others = flat(redis), flat(cove)
            if ones is not None and others is not None and len(ones) == len(others) == len(queue):
                for command, one, other in zip(queue, ones, others):
                    self.compare(at, step, command, one, other)
                return
        elif redis == ("+", b"QUEUED"):
            queue.append(args)
        elif name == b"MULTI" and redis == ("+", b"OK"):
            self.queued[connection] = []
        elif name in (b"DISCARD", b"RESET") and redis[0] == "+":
            self.queued[connection] = None
        self.compare(at, step, args, redis, cove)

    def note_lapsed(self, args):
        if args[0].upper() == b"SET" and len(args) > 3:  # EXAT may be in the past.
            self.lapsed.add(args[1])

    def compare(self, at, step, args, redis, cove):
        if same(args, redis, cove) or (self.lapsed and args[0].upper() in (b"DBSIZE", b"OBJECT", b"MEMORY")):
            return
        # A long argument must not hide those behind it.
        told = b"%s\t%s\t%s" % (b" ".join(a[:100] for a in args)[:1000], repr(redis).encode()[:1000], repr(cove).encode()[:1000])
        if any(row.search(told) for row in self.parting):
            raise Parted()
        if not any(row.search(told) for row in self.expected):
            raise Difference(at, step, redis, cove)

    def both(self, at, step, args, connection=0):
        """One command on both, compared; the replies."""
        replies = []
        for peer in (self.redis, self.cove):
            peer.wires[connection].send([args])
        for peer in (self.redis, self.cove):
            replies.append(self.read(at, step, peer, connection))
        self.compare(at, step, args, *replies)
        return replies

    # ---- steps that are more than a command ------------------------------------------------------

    def step_cold(self, at, step):
        self.colds += 1
        reply = self.cove.control.call("DEBUG", "RELOAD")
        if reply != ("+", b"OK"):
            raise Difference(at, step, ("+", b"OK"), reply)

    def step_sleep(self, at, step):
        time.sleep(int(step[2][0]) / 1000)

    def step_expire(self, at, step):
        if self.queued[step[0]] is None:
            self.both(at, step, [b"PEXPIRE", step[2][0], b"1"], step[0])
            self.lapsed.add(step[2][0])
            time.sleep(0.004)

    def step_pop(self, at, step):
        connection, _, args = step
        if self.queued[connection] is not None:
            return
        self.both(at, step, args, connection)
        redis, cove = self.redis.wires[connection], self.cove.wires[connection]
        payload = redis.call("DUMP", args[1])
        if payload[1] is None or payload[0] == "-":
            return
        left = redis.call("PEXPIRETIME", args[1])[1]
        for wire in (redis, cove):
            wire.call("DEL", args[1])
            reply = wire.call("RESTORE", args[1], max(left, 0), payload[1], "ABSTTL")
            if reply != ("+", b"OK"):
                raise Difference(at, step, ("+", b"OK"), ("RESTORE of what Redis dumped", reply))

    def step_scan(self, at, step):
        connection, _, args = step
        if self.queued[connection] is not None:
            return
        cursor_at = 1 if args[0] == b"SCAN" else 2
        found = []
        for peer in (self.redis, self.cove):
            elements, cursor, calls = set(), b"0", 0
            while True:
                reply = peer.wires[connection].call(*(args[:cursor_at] + [cursor] + args[cursor_at:]))
                if reply[0] != "*":
                    elements = reply
                    break
                cursor, got, calls = reply[1][0][1], reply[1][1][1], calls + 1
                elements.update(zip(got[::2], got[1::2]) if args[0] == b"HSCAN" else got)
                if cursor == b"0" or calls > 100000:
                    break
            found.append(elements)
        if found[0] != found[1]:
            raise Difference(at, step, *found)

    def step_cross(self, at, step):
        connection, _, (key,) = step
        if self.queued[connection] is not None:
            return
        redis, cove = self.redis.wires[connection], self.cove.wires[connection]
        payloads = [w.call("DUMP", key) for w in (redis, cove)]
        self.compare(at, step, [b"DUMP", key], *payloads)
        if payloads[0][0] == "-" or payloads[0][1] is None:
            return
        for wire, payload, whose in ((redis, payloads[1], "Cove's"), (cove, payloads[0], "Redis's")):
            reply = wire.call("RESTORE", "crossed", 0, payload[1], "REPLACE")
            if reply != ("+", b"OK"):
                raise Difference(at, step, ("+", b"OK"), ("RESTORE of %s payload" % whose, reply))
        self.contents(at, step, b"crossed", connection, ordered=payloads[0][1][0] not in (2, 4))
        self.both(at, step, [b"DEL", b"crossed"], connection)

    def contents(self, at, step, key, connection, ordered=True):
        kind = self.both(at, step, [b"TYPE", key], connection)[0][1]
        self.both(at, step, [b"OBJECT", b"ENCODING", key], connection)
        if ordered:
            self.both(at, step, [b"DUMP", key], connection)
        read = {b"string": [b"GET", key], b"hash": [b"HGETALL", key], b"list": [b"LRANGE", key, b"0", b"-1"],
                b"set": [b"SMEMBERS", key], b"zset": [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
                b"stream": [b"XRANGE", key, b"-", b"+"]}.get(kind)
        if read:
            self.both(at, step, read, connection)
        self.both(at, step, [b"PEXPIRETIME", key], connection)

    def step_everything(self, at, step):
        """All that is in the databases a step can reach. Ends transactions."""
        for connection in range(CONNECTIONS):
            if self.queued[connection] is not None:
                self.both(at, step, [b"DISCARD"], connection)
                self.queued[connection] = None
        lapsed, self.lapsed = self.lapsed, set()
        for db in (b"0", b"1", b"15"):
            self.both(at, step, [b"SELECT", db])
            for key in lapsed:
                self.both(at, step, [b"EXISTS", key])
            keys = self.both(at, step, [b"KEYS", b"*"])[0][1]
            self.both(at, step, [b"DBSIZE"])
            for _, key in sorted(keys):
                self.contents(at, step, key, 0)
        reply = self.cove.control.call("DEBUG", "CHECK")
        if reply != ("+", b"OK"):
            raise Difference(at, step, ("+", b"OK"), ("DEBUG CHECK", reply))

    def step_block(self, at, step):
        _, _, (blocking, *others) = step
        if self.queued[0] is not None or self.queued[1] is not None:
            return
        outcomes = []
        for peer in (self.redis, self.cove):
            waiting, wire = peer.wires[1], peer.wires[0]
            number = waiting.call("CLIENT", "ID")[1]
            waiting.send([blocking])
            for _ in range(2000):
                if b"blocked_clients:0\r" not in peer.control.call("INFO", "clients")[1] or self.readable(waiting):
                    break
            outcome = []
            for command in others:
                self.note_lapsed(command)
                wire.send([command])
                outcome.append(self.read(at, step, peer, 0))
            peer.control.call("CLIENT", "UNBLOCK", number)
            outcome.append(self.read(at, step, peer, 1))
            outcomes.append(outcome)
        for command, redis, cove in zip(others + [blocking], *outcomes):
            self.compare(at, step, command, redis, cove)

    @staticmethod
    def readable(wire):
        if wire.pos < len(wire.buf):
            return True
        wire.sock.setblocking(False)
        try:
            return bool(wire.sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            wire.sock.settimeout(20)

    def step_raw(self, at, step):
        """What comes back until the server ends the connection, or has nothing more to say."""
        got = []
        for peer in (self.redis, self.cove):
            with socket.create_connection(("127.0.0.1", peer.port), 10) as s:
                s.sendall(step[2][0] + b"\r\n")
                s.shutdown(socket.SHUT_WR)
                data = b""
                try:
                    while True:
                        more = s.recv(65536)
                        if not more:
                            break
                        data += more
                except OSError as e:
                    data += repr(e).encode()
                got.append(data)
        if got[0] != got[1]:
            raise Difference(at, step, *got)
