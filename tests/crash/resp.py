"""resp.py -- a small RESP2 client for the crash tests: pipelines, replies in order, nothing hidden."""
import socket


class Error(Exception):
    """An error reply of the server."""


class Closed(Exception):
    """The connection has ended."""


def encode(*args):
    out = [b"*%d\r\n" % len(args)]
    for a in args:
        if isinstance(a, str):
            a = a.encode()
        elif not isinstance(a, bytes):
            a = str(a).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(a), a))
    return b"".join(out)


class Parser:
    """Feeds on bytes, yields whole replies; a partial one waits."""

    def __init__(self):
        self.buf = b""

    def feed(self, data):
        self.buf += data
        replies, pos = [], 0
        while True:
            got = self._one(pos)
            if got is None:
                break
            value, pos = got
            replies.append(value)
        self.buf = self.buf[pos:]
        return replies

    def _one(self, pos):
        end = self.buf.find(b"\r\n", pos)
        if end < 0:
            return None
        kind, line = self.buf[pos:pos + 1], self.buf[pos + 1:end]
        pos = end + 2
        if kind == b"+":
            return line.decode(), pos
        if kind == b"-":
            return Error(line.decode()), pos
        if kind == b":":
            return int(line), pos
        if kind == b"$":
            n = int(line)
            if n < 0:
                return Null, pos
            if len(self.buf) < pos + n + 2:
                return None
            return self.buf[pos:pos + n], pos + n + 2
        if kind == b"*":
            n = int(line)
            if n < 0:
                return Null, pos
            items = []
            for _ in range(n):
                got = self._one(pos)
                if got is None:
                    return None
                item, pos = got
                items.append(None if item is Null else item)
            return items, pos
        raise Closed("not RESP: %r" % self.buf[pos - 20:pos + 20])


class _Null:
    def __repr__(self):
        return "null"


Null = _Null()


class Client:
    """A blocking client."""

    def __init__(self, port, host="127.0.0.1", timeout=30):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.parser, self.ready = Parser(), []

    def send(self, *args):
        self.sock.sendall(encode(*args))

    def read(self):
        while not self.ready:
            data = self.sock.recv(1 << 16)
            if not data:
                raise Closed("the server closed the connection")
            self.ready += self.parser.feed(data)
        value = self.ready.pop(0)
        return None if value is Null else value

    def __call__(self, *args):
        self.send(*args)
        value = self.read()
        if isinstance(value, Error):
            raise value
        return value

    def pipeline(self, commands):
        self.sock.sendall(b"".join(encode(*c) for c in commands))
        return [self.read() for _ in commands]

    def close(self):
        self.sock.close()
