#!/usr/bin/env python3
"""Runs one client's tour against a server of its own, which it kills and restarts in the middle.

    harness.py NAME PROTOCOL PROGRAM [ARG...]

The program gets the port and the protocol (2 or 3) behind its arguments. It prints TAP lines, and
once, after it has changed everything, the line KILL: the server then gets kill -9, starts again on
the same port, and the program reads a line from its standard input and goes on with the client
that it has.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "crash"))
from server import Server, free_port

SECONDS_MAX = 120


def tour(server, command, label):
    """(passed, failed) of one program's tour."""
    passed = failed = kills = 0
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(SECONDS_MAX, child.kill)
    watchdog.start()
    try:
        for line in child.stdout:
            line = line.rstrip()
            if line == "KILL":
                server.kill()
                server.start()
                kills += 1
                child.stdin.write("started again\n")
                child.stdin.flush()
            elif line.startswith("not ok"):
                failed += 1
                print("not ok - %s:%s" % (label, line[6:]), flush=True)
            elif line.startswith("ok"):
                passed += 1
            else:
                print("# " + line, flush=True)
        status = child.wait()
    finally:
        watchdog.cancel()
        child.kill()
        child.wait()
    for good, sentence in ((status == 0, "its program ends well, not with %s" % status),
                           (kills == 1, "the server was killed once, not %d times" % kills),
                           (passed > 20, "the tour was walked: %d steps" % passed)):
        passed, failed = passed + good, failed + (not good)
        if not good:
            print("not ok - %s: %s" % (label, sentence), flush=True)
    return passed, failed


def main():
    name, protocol, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    folder = tempfile.mkdtemp(prefix="cove-clients-")
    server = Server(folder, port=free_port())
    label = "%s, RESP%s" % (name, protocol)
    passed, failed = 0, 1
    try:
        server.start()
        passed, failed = tour(server, command + [str(server.port), protocol], label)
        if server.stop() != 0:
            failed += 1
            print("not ok - %s: the server stops with 0, not %s" % (label, server.process.returncode))
    finally:
        server.kill()
        if failed:
            print("# the server's last words:\n%s" % server.tail())
        shutil.rmtree(folder, ignore_errors=True)
        print("%sok - %s" % ("not " if failed else "", label))
        print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
