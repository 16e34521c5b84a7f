#!/usr/bin/env python3
"""A distribution source package as a volume: imported, listed, compared byte for byte, snapshotted,
changed, killed, restarted, forked and restored, and compared again after each.

    source_tree.py [--store s3://BUCKET/PREFIX --endpoint URL] [--package curl]

Over a folder unless --store says otherwise; the credentials are then those of the environment.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "crash"), os.path.join(ROOT, "examples", "source-tree")]
import tap
import tree
from server import Server

FILES_MIN = 2000
CHANGES = 200


def change_folder(folder, rng):
    """Changes of every kind, in the folder; the same ones as commands, as (name, words...)."""
    entries, _ = tree.walk(folder)
    files = [(inside, path) for inside, path, mode in entries if tree.stat.S_ISREG(mode)]
    commands, base = [], os.fsencode(folder)
    for inside, path in rng.sample(files, CHANGES):
        kind = rng.choice(("write", "append", "truncate", "patch", "remove"))
        data = rng.randbytes(rng.choice((1, 100, 4096, 70000)))
        size = os.path.getsize(path)
        if kind == "write":
            commands.append(("FS.WRITE", inside, data))
            mode = "wb"
        elif kind == "append":
            commands.append(("FS.APPEND", inside, data))
            mode = "ab"
        elif kind == "patch":
            at = rng.randrange(size + 1)
            commands.append(("FS.WRITE", inside, data, "OFFSET", at))
            mode = "r+b"
        elif kind == "truncate":
            to = rng.randrange(2 * size + 1)
            commands.append(("FS.TRUNCATE", inside, to))
            os.truncate(path, to)
            continue
        else:
            commands.append(("FS.RM", inside))
            os.unlink(path)
            continue
        with open(path, mode) as f:
            if kind == "patch":
                f.seek(at)
            f.write(data)
    # Folders: the largest is removed, another one is renamed, a third is copied.
    tops = sorted((name for name in os.listdir(base) if os.path.isdir(os.path.join(base, name))),
                  key=lambda name: -sum(len(f) for _, _, f in os.walk(os.path.join(base, name))))
    commands.append(("FS.RM", b"/" + tops[0], "RECURSIVE"))
    shutil.rmtree(os.path.join(base, tops[0]))
    commands.append(("FS.MV", b"/" + tops[1], b"/moved"))
    os.rename(os.path.join(base, tops[1]), os.path.join(base, b"moved"))
    commands.append(("FS.CP", b"/" + tops[2], b"/copied", "RECURSIVE"))
    shutil.copytree(os.path.join(base, tops[2]), os.path.join(base, b"copied"))
    commands.append(("FS.MKDIR", b"/empty"))
    os.mkdir(os.path.join(base, b"empty"), 0o755)
    os.chmod(os.path.join(base, b"empty"), 0o755)
    return commands


class Run:
    def __init__(self, server, original, changed):
        self.server, self.original, self.changed = server, original, changed

    def client(self, db=None):
        return tree.Client(port=self.server.port, db=db)

    def same(self, sentence, folder, db=None, volume="src"):
        client = self.client(db)
        tap.check(sentence, tree.compare(client, folder, volume))
        client.close()

    def restart(self):
        self.server.kill()
        self.server.start()

    def first_part(self, rng):
        """Import, snapshot, change."""
        client = self.client()
        files, size, others = tree.import_tree(client, self.original, "src")
        print("# %d files, %d bytes; %d symbolic links and the like are left out" % (files, size, others))
        tap.equal("a tree of thousands of files", files >= FILES_MIN, True)
        info = client.call("FS.INFO", "src")
        info = dict(zip(info[::2], info[1::2]))
        tap.equal("FS.INFO counts the bytes", info[b"bytes"], size)
        self.same("it reads back byte for byte", self.original)
        client.call("SNAPSHOT", "CREATE", "before")
        client.call("COPY", "src", "twin")
        commands = change_folder(self.changed, rng)
        replies = list(client.pipeline((c[0], "src") + c[1:] for c in commands))
        tap.equal("every change is acknowledged", len(replies), len(commands))
        client.close()

    def second_part(self):
        """Killed, restarted, forked, restored."""
        self.same("the changes read back", self.changed)
        self.restart()
        self.same("after kill -9 every acknowledged change is there", self.changed)
        self.same("a copy made before the changes has none of them", self.original, volume="twin")
        client = self.client()
        client.call("SNAPSHOT", "FORK", "before", "branch")
        self.same("a fork holds the tree of then", self.original, db="branch")
        fork = self.client("branch")
        fork.call("FS.MV", "src", b"/" + fork.call("FS.LS", "src", "/")[1][0], "/away")
        fork.call("FS.WRITE", "src", "/README", "only in the branch")
        fork.close()
        self.same("the fork's changes are its own", self.changed)
        self.restart()
        fork = self.client("branch")
        tap.equal("a fork outlives kill -9", fork.call("FS.READ", "src", "/README"), b"only in the branch")
        fork.close()
        client = self.client()
        safety = client.call("SNAPSHOT", "RESTORE", "before")
        self.same("after SNAPSHOT RESTORE the tree of then is back", self.original)
        self.restart()
        self.same("also after another kill -9", self.original)
        client = self.client()
        client.call("SNAPSHOT", "RESTORE", safety)
        self.same("and the safety snapshot leads forward again", self.changed)
        client.call("SNAPSHOT", "DROPDB", "branch")
        tap.equal("DEL takes whole volumes", client.call("DEL", "src", "twin"), 2)
        client.close()
        tap.equal("the server stops with 0", self.server.stop(), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store")
    parser.add_argument("--endpoint")
    parser.add_argument("--package", default="curl")
    args = parser.parse_args()
    fetch = subprocess.run([os.path.join(ROOT, "examples", "source-tree", "fetch.sh"), args.package],
                           capture_output=True, text=True)
    if fetch.returncode != 0:
        tap.check("the source package is fetched", [fetch.stderr.strip()])
        return tap.done()
    original = fetch.stdout.strip()
    folder = tempfile.mkdtemp(prefix="cove-tree-")
    options = ["--store-endpoint", args.endpoint] if args.endpoint else []
    server = Server(folder, store=args.store, options=options)
    try:
        changed = os.path.join(folder, "changed")
        shutil.copytree(original, changed, symlinks=True)
        server.start()
        run = Run(server, original, changed)
        run.first_part(random.Random(7))
        run.second_part()
    except Exception as error:
        tap.check("the test comes to its end", ["%s: %s" % (type(error).__name__, error), server.tail()])
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
