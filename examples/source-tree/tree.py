#!/usr/bin/env python3
"""A folder of thousands of files as a volume, and back.

    make run                                               in another terminal
    folder=$(examples/source-tree/fetch.sh curl)           the sources of a distribution package
    examples/source-tree/tree.py import  "$folder" curl    FS.MKDIR and FS.WRITE, pipelined
    examples/source-tree/tree.py list    curl /lib         FS.LS, page by page
    examples/source-tree/tree.py compare "$folder" curl    names, modes and every byte
    examples/source-tree/tree.py export  curl /tmp/curl    FS.READ
    redis-cli SNAPSHOT CREATE before && redis-cli SNAPSHOT FORK before branch
    examples/source-tree/tree.py --db branch compare "$folder" curl

Regular files and folders go in; how many symbolic links were left out is said. Only the Python
standard library is used.
"""
import argparse
import os
import socket
import stat
import sys
import time

PIPELINE = 200
PIPELINE_BYTES = 1 << 20


class Refused(Exception):
    """An error reply."""


class Client:
    """As much of RESP2 as this needs."""

    def __init__(self, host="127.0.0.1", port=6379, db=None):
        self.socket = socket.create_connection((host, port))
        self.file = self.socket.makefile("rb")
        if db is not None:
            self.call("SELECT", db)

    def close(self):
        self.file.close()
        self.socket.close()

    def reply(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return Refused(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def send(self, commands):
        out = bytearray()
        for command in commands:
            out += b"*%d\r\n" % len(command)
            for word in command:
                word = word if isinstance(word, bytes) else str(word).encode()
                out += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(out)

    def pipeline(self, commands):
        """The replies in order; commands may be a generator. At most PIPELINE of them, or
        PIPELINE_BYTES of arguments, are on the way at once."""
        batch, size = [], 0
        for command in commands:
            batch.append(command)
            size += sum(len(word) for word in command if isinstance(word, bytes))
            if len(batch) >= PIPELINE or size >= PIPELINE_BYTES:
                yield from self._round(batch)
                batch, size = [], 0
        if batch:
            yield from self._round(batch)

    def _round(self, batch):
        self.send(batch)
        for command in batch:
            reply = self.reply()
            if isinstance(reply, Refused):
                raise Refused("%s %r: %s" % (command[0], command[1:3], reply))
            yield reply

    def call(self, *command):
        return next(self._round([command]))


def walk(folder):
    """(path in the volume, path here, mode) of folders and files, in order, and the other things."""
    entries, others = [], []
    for here, folders, files in os.walk(os.fsencode(folder)):
        folders.sort()
        inside = here[len(os.fsencode(folder)):]
        for name in sorted(folders + files):
            path = os.path.join(here, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                entries.append((inside + b"/" + name, path, mode))
            else:
                others.append(path)
    return entries, others


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def import_tree(client, folder, volume):
    """(files, bytes, things left out)"""
    entries, others = walk(folder)
    for _ in client.pipeline(("FS.MKDIR", volume, inside, "PARENTS", "MODE", "%o" % (mode & 0o777))
                             for inside, _, mode in entries if stat.S_ISDIR(mode)):
        pass
    files = size = 0
    for _, written in client.pipeline(("FS.WRITE", volume, inside, contents(path), "MODE", "%o" % (mode & 0o777))
                                      for inside, path, mode in entries if stat.S_ISREG(mode)):
        files, size = files + 1, size + written
    return files, size, len(others)


def list_folder(client, volume, path, count=500):
    """Yields (name, stat as a dict), page by page."""
    cursor = b"0"
    while True:
        cursor, page = client.call("FS.LS", volume, path, "CURSOR", cursor, "COUNT", count, "WITHSTAT")
        for name, flat in page:
            yield name, dict(zip((k.decode() for k in flat[::2]), flat[1::2]))
        if cursor == b"0":
            return


def list_tree(client, volume, path=b"/"):
    """Yields (path, stat) of everything under a folder."""
    for name, facts in list_folder(client, volume, path):
        inside = path.rstrip(b"/") + b"/" + name
        yield inside, facts
        if facts["type"] == b"dir":
            yield from list_tree(client, volume, inside)


def compare(client, folder, volume):
    """What differs between a folder and a volume, as sentences."""
    found = []
    here = {inside: (path, mode) for inside, path, mode in walk(folder)[0]}
    there = dict(list_tree(client, volume))
    found += ["%s is not in the volume" % p.decode(errors="replace") for p in sorted(here.keys() - there.keys())]
    found += ["%s is not in the folder" % p.decode(errors="replace") for p in sorted(there.keys() - here.keys())]
    both = sorted(here.keys() & there.keys())
    for p in both:
        kind = b"dir" if stat.S_ISDIR(here[p][1]) else b"file"
        if there[p]["type"] != kind or int(there[p]["mode"], 8) & 0o777 != here[p][1] & 0o777:
            found.append("%r: here %s %o, there %s %s" % (p, kind, here[p][1], there[p]["type"], there[p]["mode"]))
    files = [p for p in both if stat.S_ISREG(here[p][1]) and there[p]["type"] == b"file"]
    for p, data in zip(files, client.pipeline(("FS.READ", volume, p) for p in files)):
        want = contents(here[p][0])
        if data != want or there[p]["size"] != len(want):
            found.append("%r: %d bytes here, %d there, not the same" % (p, len(want), len(data)))
    return found


def export(client, volume, folder):
    os.makedirs(folder)
    count = 0
    for inside, facts in list_tree(client, volume):
        path = os.fsencode(folder) + inside
        if facts["type"] == b"dir":
            os.mkdir(path)
            continue
        with open(path, "wb") as f:
            f.write(client.call("FS.READ", volume, inside))
        os.chmod(path, int(facts["mode"], 8))
        count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--db", help="a database's number, or the name of a fork")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (("import", "folder volume"), ("compare", "folder volume"), ("export", "volume folder")):
        sub = commands.add_parser(name)
        for word in words.split():
            sub.add_argument(word)
    sub = commands.add_parser("list")
    sub.add_argument("volume")
    sub.add_argument("path", nargs="?", default="/")
    args = parser.parse_args()
    client = Client(args.host, args.port, args.db)
    began = time.monotonic()
    if args.command == "import":
        print("%d files, %d bytes; %d other things left out" % import_tree(client, args.folder, args.volume))
    elif args.command == "export":
        print("%d files" % export(client, args.volume, args.folder))
    elif args.command == "list":
        for path, facts in list_tree(client, args.volume, args.path.encode()):
            print("%s %9d  %s" % (facts["mode"].decode(), facts["size"], path.decode(errors="replace")))
    else:
        found = compare(client, args.folder, args.volume)
        print("\n".join(found[:20] + ["%d differences" % len(found)]))
        if found:
            sys.exit(1)
    if args.command != "list":
        print("%.1f s" % (time.monotonic() - began))


if __name__ == "__main__":
    main()
