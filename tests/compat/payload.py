"""payload.py -- a DUMP payload without what may differ: LZF has more than one encoding of the same bytes, tables have
no order, and where a list is cut into nodes follows from how it came to be. read() gives (type, strings)."""


def lzf(data, size):
    out, i = bytearray(), 0
    while i < len(data):
        c = data[i]
        i += 1
        if c < 32:
            out += data[i:i + c + 1]
            i += c + 1
            continue
        n, back = c >> 5, (c & 31) << 8
        if n == 7:
            n += data[i]
            i += 1
        at = len(out) - (back | data[i]) - 1
        i += 1
        for k in range(n + 2):
            out.append(out[at + k])
    assert len(out) == size
    return bytes(out)


def listpack(data):
    """The elements of a listpack, as bytes."""
    assert len(data) == int.from_bytes(data[:4], "little") and data[-1] == 255
    out, at = [], 6
    while data[at] != 255:
        first, start = data[at], at
        if first < 0x80:
            element, at = b"%d" % first, at + 1
        elif first < 0xc0:
            element, at = data[at + 1:at + 1 + (first & 63)], at + 1 + (first & 63)
        elif first < 0xe0:
            value = (first & 31) << 8 | data[at + 1]
            element, at = b"%d" % (value - (1 << 13) * (value >> 12)), at + 2
        elif first < 0xf0:
            n = (first & 15) << 8 | data[at + 1]
            element, at = data[at + 2:at + 2 + n], at + 2 + n
        elif first == 0xf0:
            n = int.from_bytes(data[at + 1:at + 5], "little")
            element, at = data[at + 5:at + 5 + n], at + 5 + n
        else:
            n = {0xf1: 2, 0xf2: 3, 0xf3: 4, 0xf4: 8}[first]
            element, at = b"%d" % int.from_bytes(data[at + 1:at + 1 + n], "little", signed=True), at + 1 + n
        out.append(element)
        size = at - start
        at += 1 + (size > 127) + (size > 16383) + (size > 2097151) + (size > 268435455)
    return out


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def length(self):
        """(length or encoding, whether it is an encoding)"""
        first = self.take(1)[0]
        kind, low = first >> 6, first & 63
        if kind == 0:
            return low, False
        if kind == 1:
            return low << 8 | self.take(1)[0], False
        if kind == 3:
            return low, True
        return int.from_bytes(self.take(8 if first == 0x81 else 4), "big"), False

    def string(self):
        n, encoded = self.length()
        if not encoded:
            return self.take(n)
        if n < 3:
            return int.from_bytes(self.take(1 << n), "little", signed=True)
        packed, size = self.length()[0], self.length()[0]
        return lzf(self.take(packed), size)


def node(first, elements):
    """The entries of one node of a stream: (id, fields and values)."""
    at, out = 0, []

    def take(n=1):
        nonlocal at
        at += n
        return elements[at - n:at]
    ms, seq = int.from_bytes(first[:8], "big"), int.from_bytes(first[8:], "big")
    _, _, n = take(3)
    names = take(int(n))
    take()
    while at < len(elements):
        flags, ms_more, seq_more = (int(v) for v in take(3))
        pairs = [v for pair in zip(names, take(len(names))) for v in pair] if flags & 2 else take(2 * int(take()[0]))
        take()
        if not flags & 1:  # deleted
            out.append(((ms + ms_more) % 2 ** 64, (seq + seq_more) % 2 ** 64, pairs))
    return out


def stream(r):
    """All but the times, which are each server's own, and where the entries are cut into nodes."""
    numbers = lambda n: [r.length()[0] for _ in range(n)]
    out = [[e for _ in range(r.length()[0]) for e in node(r.string(), listpack(r.string()))]]
    out.append(numbers(8))  # length, last id, first id, greatest deleted id, entries added
    for _ in range(r.length()[0]):
        group = [r.string()] + numbers(3)
        for _ in range(r.length()[0]):
            group.append((r.take(16), r.take(8) and r.length()[0]))
        for _ in range(r.length()[0]):
            consumer = r.string()
            r.take(8)
            group.append((consumer, [r.take(16) for _ in range(r.length()[0])]))
        out.append(group)
    return out


def read(dump):
    r = Reader(dump[:-10])
    kind = r.take(1)[0]
    if kind in (0, 11, 16, 17, 20):
        strings = [r.string()]
    elif kind == 2:
        strings = sorted((r.string() for _ in range(r.length()[0])), key=repr)
    elif kind == 4:
        strings = sorted(((r.string(), r.string()) for _ in range(r.length()[0])), key=repr)
    elif kind == 5:
        strings = [(r.string(), r.take(8)) for _ in range(r.length()[0])]
    elif kind == 19:
        strings = stream(r)
    elif kind == 18:
        strings = []
        for _ in range(r.length()[0]):
            whole, node = r.length()[0] == 1, r.string()
            strings += [node] if whole else listpack(node)
    else:
        raise ValueError("a payload of type %d" % kind)
    assert r.at == len(r.data)
    return kind, dump[-10:-8], strings
