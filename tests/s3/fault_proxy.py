#!/usr/bin/env python3
"""fault_proxy.py -- an HTTP proxy between a server and S3 on loopback that makes trouble.

    fault_proxy.py PORT CONTROL_PORT TARGET_PORT [SEED]

It understands requests, so it can do what a TCP proxy cannot: forward a request and lose its
answer, or hold one back until long after its sender has given up. Prints "ready".

The control port takes lines and answers each with one line, "ok" or "error ...":

    rule METHOD WORD COUNT ACTION [ARG]   the next COUNT requests of METHOD (* for any) whose
                                          path holds WORD (* for any); rules are tried in order
    chance METHOD WORD P ACTION [ARG]     each such request with probability P, from the seed
    clear                                 no rules any more
    stats                                 requests=N forwarded=N and one NAME=N an action

Actions:
    delay S          forwards at once; the answer waits S seconds
    hold S           the request waits S seconds and is then forwarded, also when its sender
                     is gone
    drop-request     closes the connection; nothing is forwarded
    drop-response    forwards; closes the connection instead of answering
    503              answers SlowDown; nothing is forwarded
    500              answers InternalError; nothing is forwarded
    409              answers ConditionalRequestConflict; nothing is forwarded
    404              answers NoSuchKey; nothing is forwarded
    200-error        answers 200 with an <Error> in its body; nothing is forwarded
    late-500         forwards, and answers InternalError all the same
    duplicate        forwards twice; the first answer goes back
    truncate         forwards; half of the answer's body, then closes
    flip             forwards; one bit of the answer's body is another
"""
import asyncio
import random
import sys

HEAD_MAX = 65536


def error_answer(status, reason, code):
    body = ('<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code>'
            "<Message>fault proxy</Message></Error>" % code).encode()
    return ("HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
            % (status, reason, len(body))).encode() + body


SLOW_DOWN = error_answer(503, "Slow Down", "SlowDown")
INTERNAL = error_answer(500, "Internal Server Error", "InternalError")


def header(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None

CANNED = {
    "503": SLOW_DOWN,
    "500": INTERNAL,
    "409": error_answer(409, "Conflict", "ConditionalRequestConflict"),
    "404": error_answer(404, "Not Found", "NoSuchKey"),
    "200-error": error_answer(200, "OK", "InternalError"),
}


async def read_head(reader):
    """Up to and with the empty line; b"" when the other side has closed."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as e:
        if e.partial:
            raise
        return b""


async def read_request(reader):
    head = await read_head(reader)
    if not head:
        return None
    method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    body = await reader.readexactly(int(header(head, b"content-length") or 0))
    return method, path, head, body


async def read_chunks(reader):
    raw = b""
    while True:
        line = await reader.readline()
        raw += line
        size = int(line.split(b";")[0], 16)
        raw += await reader.readexactly(size + 2)
        if size == 0:
            return raw


async def read_answer(reader, method):
    """(head, body); the body as it was on the wire."""
    head = await read_head(reader)
    if not head:
        raise ConnectionError("no answer")
    status = int(head.split(b" ", 2)[1])
    if status == 100:
        return await read_answer(reader, method)
    if method == "HEAD" or status in (204, 304):
        return head, b""
    if (header(head, b"transfer-encoding") or b"").lower() == b"chunked":
        return head, await read_chunks(reader)
    length = header(head, b"content-length")
    if length is None:
        return head, await reader.read(-1)
    return head, await reader.readexactly(int(length))


class Rule:
    def __init__(self, method, word, count, chance, action, arg):
        self.method, self.word, self.count, self.chance = method, word, count, chance
        self.action, self.arg = action, arg

    def takes(self, method, path, rnd):
        if self.method not in ("*", method) or (self.word != "*" and self.word not in path):
            return False
        if self.chance is not None:
            return rnd.random() < self.chance
        if self.count == 0:
            return False
        self.count -= 1
        return True


class Proxy:
    ACTIONS = ("delay", "hold", "drop-request", "drop-response", "late-500", "duplicate",
               "truncate", "flip", *CANNED)

    def __init__(self, target, seed):
        self.target, self.rnd = target, random.Random(seed)
        self.rules, self.stats = [], {}

    def count(self, name):
        self.stats[name] = self.stats.get(name, 0) + 1

    async def forward(self, method, head, body):
        self.count("forwarded")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target, limit=1 << 20)
        try:
            writer.write(head)
            writer.write(body)
            await writer.drain()
            return await read_answer(reader, method)
        finally:
            writer.close()

    def pick(self, method, path):
        for rule in self.rules:
            if rule.takes(method, path, self.rnd):
                self.count(rule.action)
                return rule.action, rule.arg
        return None, 0.0

    async def answer(self, method, path, head, body):
        """The bytes to send, and whether to close after them."""
        action, arg = self.pick(method, path)
        if action == "drop-request":
            return b"", True
        if action in CANNED:
            return CANNED[action], False
        if action == "hold":
            await asyncio.sleep(arg)
        answer_head, answer_body = await self.forward(method, head, body)
        if action == "duplicate":
            await self.forward(method, head, body)
        if action == "delay":
            await asyncio.sleep(arg)
        if action == "drop-response":
            return b"", True
        if action == "late-500":
            return INTERNAL, False
        if action == "truncate":
            return answer_head + answer_body[:len(answer_body) // 2], True
        if action == "flip" and answer_body:
            changed = bytearray(answer_body)
            changed[self.rnd.randrange(len(changed))] ^= 1 << self.rnd.randrange(8)
            answer_body = bytes(changed)
        return answer_head + answer_body, header(answer_head, b"content-length") is None and \
            header(answer_head, b"transfer-encoding") is None and method != "HEAD" and \
            answer_head.split(b" ", 2)[1] not in (b"204", b"304")

    async def serve(self, reader, writer):
        try:
            while (request := await read_request(reader)) is not None:
                self.count("requests")
                # The sender may go away meanwhile; what was asked for happens all the same.
                data, close = await asyncio.shield(asyncio.create_task(self.answer(*request)))
                writer.write(data)
                await writer.drain()
                if close:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ValueError, OSError):
            pass
        finally:
            writer.close()

    def command(self, words):
        if words == ["clear"]:
            self.rules = []
        elif words == ["stats"]:
            return " ".join("%s=%d" % item for item in sorted(self.stats.items())) or "none"
        elif len(words) in (5, 6) and words[0] in ("rule", "chance") and words[4] in self.ACTIONS:
            arg = float(words[5]) if len(words) == 6 else 0.0
            rule = words[0] == "rule"
            self.rules.append(Rule(words[1], words[2], int(words[3]) if rule else 0,
                                   None if rule else float(words[3]), words[4], arg))
        else:
            return "error: " + " ".join(words)
        return "ok"

    async def control(self, reader, writer):
        while line := await reader.readline():
            try:
                reply = self.command(line.decode("ascii", "replace").split())
            except ValueError as e:
                reply = "error: %s" % e
            writer.write(reply.encode() + b"\n")
            await writer.drain()
        writer.close()


async def main(port, control, target, seed):
    proxy = Proxy(target, seed)
    data = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=HEAD_MAX)
    orders = await asyncio.start_server(proxy.control, "127.0.0.1", control)
    print("ready", flush=True)
    async with data, orders:
        await asyncio.gather(data.serve_forever(), orders.serve_forever())


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    try:
        asyncio.run(main(*map(int, sys.argv[1:4]), int(sys.argv[4]) if len(sys.argv) == 5 else 1))
    except KeyboardInterrupt:
        pass
