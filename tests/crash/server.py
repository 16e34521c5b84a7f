"""server.py -- starts and ends build/cove-server for a test: loopback, a temporary folder, by pid."""
import os
import random
import signal
import socket
import subprocess
import time

from resp import Client, Closed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    """Below the ports that the system hands out: while nobody listens yet, connecting to one of those
    may end in a connection to itself, which then holds the port."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Server:
    def __init__(self, folder, store=None, options=(), env=None, binary=None, port=None):
        self.folder, self.options, self.env = folder, list(options), env
        self.store = store or "file:./data"
        self.binary = binary or os.environ.get("COVE_SERVER") or os.path.join(ROOT, "build", "cove-server")
        self.fixed = port  # The same one at every start; None: a free one.
        self.port, self.process, self.starts = None, None, 0

    def start(self, wait=60):
        self.port = self.fixed or free_port()
        self.starts += 1
        log = open(os.path.join(self.folder, "log.%d" % self.starts), "ab")
        args = [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder,
                "--store", self.store] + self.options
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env=dict(os.environ, **(self.env or {})))
        log.close()
        self.wait_ready(wait)
        return self

    def wait_ready(self, wait):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended with %s\n%s" % (self.process.returncode, self.tail()))
            try:
                c = Client(self.port, timeout=5)
                reply = c.pipeline([("PING",), ("DBSIZE",)])
                c.close()
                if isinstance(reply[1], int):
                    return
            except (OSError, Closed):
                pass
            time.sleep(0.01)
        raise RuntimeError("the server is not ready after %d s\n%s" % (wait, self.tail()))

    def client(self, timeout=60):
        return Client(self.port, timeout=timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, wait=60):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(wait)
            except subprocess.TimeoutExpired:
                self.kill()
        return None if self.process is None else self.process.returncode

    def tail(self, lines=15):
        path = os.path.join(self.folder, "log.%d" % self.starts)
        try:
            with open(path, "rb") as f:
                return b"\n".join(f.read().splitlines()[-lines:]).decode(errors="replace")
        except OSError:
            return ""
