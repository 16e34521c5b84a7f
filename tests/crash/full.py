#!/usr/bin/env python3
"""full.py -- the disk below the file store takes no more: new writers get -MISCONF with the reason long before
a stall, those under way wait and are answered when there is room; reads go on, a start says why it cannot, nothing acknowledged is lost, and once there is room it all goes on by itself.

    full.py [--binary FILE] [--way limit|tmpfs]

Two ways to a full disk. `limit`: the kernel refuses every write to a file past a length that is set on the
running process (EFBIG); no rights needed. `tmpfs`: a file system of 24 MiB (ENOSPC), mounted by root;
where it cannot be mounted this is said, and `limit` alone has run.
"""
import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from resp import Closed, Error  # noqa: E402
from server import Server  # noqa: E402

STALL_MS, WRITERS, VALUE = 60000, 6, "x" * 20000
REFUSED_SECONDS = 6      # From the first write that waits to the first that is refused.
GO_ON_SECONDS = 8        # From room to the first new write: a retry or two of the one that waits.
FILL_SECONDS = 60


class Limit:
    name, reason = "limit", "File too large"

    def __init__(self, folder):
        self.store = os.path.join(folder, "store")

    def fill(self, server):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def room(self, server):
        if server.process.poll() is None:
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE,
                             (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self):
        pass


class Tmpfs:
    name, reason = "tmpfs", "No space left on device"

    def __init__(self, folder):
        self.mount = os.path.join(folder, "mount")
        self.store, self.ballast = os.path.join(self.mount, "store"), os.path.join(self.mount, "ballast")
        os.mkdir(self.mount)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", self.mount], check=True,
                       stderr=subprocess.PIPE)

    def fill(self, _):
        """All that is free, and what comes free while the server cleans up behind itself."""
        with open(self.ballast, "ab", buffering=0) as f:
            for size in (1 << 20, 4096):
                try:
                    while f.write(b"b" * size) == size:
                        pass
                except OSError:
                    pass

    def room(self, _):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)

    def close(self):
        subprocess.run(["umount", self.mount], check=True)


class Round:
    def __init__(self, folder, way, binary):
        self.way, self.acked, self.unknown, self.n = way, {}, [], 0
        self.server = Server(folder, "file:" + way.store, ["--commit-stall", str(STALL_MS)], binary=binary)

    def write(self, c, seconds):
        """One write: answered (OK or an error), or left waiting; then its outcome is not known yet."""
        self.n += 1
        key, value = "k%d" % (self.n % 300), "%d-%s" % (self.n, VALUE)
        c.sock.settimeout(seconds)
        try:
            c("SET", key, value)
        except TimeoutError:
            self.unknown.append((c, key, value.encode()))
            return None
        except Error as e:
            return e
        self.acked[key] = value.encode()
        return "OK"

    def until_refused(self):
        """Each writer writes until it hangs or is refused; then new ones must get a clear error."""
        end = time.monotonic() + FILL_SECONDS
        for _ in range(WRITERS):
            reply, c = "OK", self.server.client()
            while reply == "OK" and time.monotonic() < end:
                reply = self.write(c, 0.2)
        end = time.monotonic() + REFUSED_SECONDS
        while time.monotonic() < end:
            c = self.server.client()
            reply = self.write(c, 1)
            if isinstance(reply, Error):
                if not str(reply).startswith("MISCONF ") or self.way.reason not in str(reply):
                    raise AssertionError("a writer got: %s" % reply)
                return reply
            if reply == "OK":
                self.way.fill(self.server)
        raise AssertionError("writers wait, and none gets an error")

    def held(self):
        return {key for _, key, _ in self.unknown}

    def check_reads(self, c):
        keys = [k for k in self.acked if k not in self.held()][:200]
        started = time.monotonic()
        for k in keys:
            if c("GET", k) != self.acked[k]:
                raise AssertionError("%s is not what was acknowledged" % k)
        if not keys or time.monotonic() - started > 20:
            raise AssertionError("%d reads took %.1f s" % (len(keys), time.monotonic() - started))

    def check_all(self):
        """Acknowledged is there; of a write without an answer either outcome."""
        c = self.server.client()
        for k, v in self.acked.items():
            got = c("GET", k)
            if got != v and got not in [w for _, key, w in self.unknown if key == k]:
                raise AssertionError("%s holds %r, acknowledged was %r" % (k, (got or b"")[:20], v[:20]))
        c.close()

    def start_refused(self):
        """A start needs to write, too. It ends, and says why."""
        if self.way.name != "tmpfs":
            return
        try:
            self.server.start(wait=60)
        except RuntimeError:
            if self.server.process.poll() != 1 or "No space left" not in self.server.tail():
                raise AssertionError("the start ended with %s\n%s"
                                     % (self.server.process.poll(), self.server.tail())) from None
            return
        raise AssertionError("the server started on a full disk")

    def goes_on(self, server):
        """Refused until a retry of those that wait has succeeded, then taken, without anybody's help."""
        end = time.monotonic() + GO_ON_SECONDS
        while (reply := self.write(server.client(), 30)) != "OK":
            if time.monotonic() > end or not isinstance(reply, Error):
                raise AssertionError("there is room, and writes do not go on: %s" % reply)
            time.sleep(0.1)

    def play(self):
        s = self.server.start()
        c = s.client()
        for _ in range(100):
            if self.write(c, 30) != "OK":
                raise AssertionError("a write failed before the disk was full")
        self.way.fill(s)
        why = self.until_refused()
        reader = s.client()
        self.check_reads(reader)
        try:
            reader("SAVE")
            raise AssertionError("SAVE says it worked")
        except Error:
            pass
        except TimeoutError:
            reader = s.client()
        print("# writers were told: %s" % why, flush=True)
        self.way.room(s)
        for c, key, value in self.unknown:       # Those that waited have their answers now.
            c.sock.settimeout(60)
            reply = c.read()
            if reply != "OK":
                raise AssertionError("a write that had waited got %r" % reply)
        for _, key, value in self.unknown:
            self.acked[key] = value
        self.unknown = []
        self.goes_on(s)
        self.check_all()
        self.way.fill(s)
        self.until_refused()
        s.kill()
        self.start_refused()
        self.way.room(s)
        s.start()
        self.check_all()
        print("ok - %s: %d writes acknowledged, none lost" % (self.way.name, len(self.acked)), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", default=None)
    p.add_argument("--way", choices=("limit", "tmpfs"), default=None)
    a = p.parse_args()
    passed = failed = 0
    for cls in (Limit, Tmpfs):
        if a.way not in (None, cls.name):
            continue
        folder, way, r = tempfile.mkdtemp(prefix="cove-full-"), None, None
        try:
            way = cls(folder)
        except (OSError, subprocess.CalledProcessError) as e:
            print("# no tmpfs can be mounted here: %s" % getattr(e, "stderr", e), flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            r = Round(folder, way, a.binary)
            r.play()
            passed += 1
        except (AssertionError, RuntimeError, OSError, Closed, Error) as e:
            failed += 1
            print("not ok - %s: %s: %s\n# folder %s" % (cls.name, type(e).__name__, e, folder), flush=True)
            if r is not None and r.server.process is not None:
                print("# the server: %s\n%s" % (r.server.process.poll(), r.server.tail()), flush=True)
        finally:
            if r is not None:
                r.server.kill()
            way.close()
            if failed == 0:
                shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
