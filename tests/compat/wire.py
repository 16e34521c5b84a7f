"""wire.py -- RESP2 and RESP3 with nothing lost: a reply is (its type byte, its content).

    ("+", b"OK")  ("-", b"ERR ...")  (":", 7)  ("$", b"bytes")  ("_", None)  ("*", [...])
    ("~", [...])  ("%", [key, value, ...])  (",", b"1.5")  ("#", b"t")  ("=", b"txt:...")  (">", [...])

The null of RESP2 keeps its kind: ("$", None) or ("*", None). A test that compares replies has to see the
difference between a status and a string, which clients hide.
"""
import socket


class Closed(Exception):
    """The connection has ended, or what came is not RESP."""


def encode(args):
    out = [b"*%d\r\n" % len(args)]
    for a in args:
        out.append(b"$%d\r\n" % len(a))
        out.append(a)
        out.append(b"\r\n")
    return b"".join(out)


class Wire:
    """One connection. Commands are sent together; replies come in order."""

    def __init__(self, port, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf, self.pos = b"", 0

    def close(self):
        self.sock.close()

    def send(self, commands):
        self.sock.sendall(b"".join(encode(c) for c in commands))

    def call(self, *args):
        self.send([[a if isinstance(a, bytes) else str(a).encode() for a in args]])
        return self.read()

    def _more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise Closed("the connection has ended")
        self.buf = self.buf[self.pos:] + data
        self.pos = 0

    def _line(self):
        while True:
            end = self.buf.find(b"\r\n", self.pos)
            if end >= 0:
                line = self.buf[self.pos:end]
                self.pos = end + 2
                return line
            self._more()

    def _bytes(self, n):
        while len(self.buf) - self.pos < n + 2:
            self._more()
        data = self.buf[self.pos:self.pos + n]
        self.pos += n + 2
        return data

    def read(self):
        line = self._line()
        kind, rest = line[:1].decode("latin-1"), line[1:]
        if kind in "+-,#(":
            return kind, rest
        if kind == ":":
            return kind, int(rest)
        if kind == "_":
            return kind, None
        if kind in "$=":
            return kind, None if rest == b"-1" else self._bytes(int(rest))
        if kind in "*~>%":
            if rest == b"-1":
                return kind, None
            return kind, [self.read() for _ in range(int(rest) * (2 if kind == "%" else 1))]
        raise Closed("not RESP: %r" % line[:80])
