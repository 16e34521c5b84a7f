"""What the style tests share: the files of the project, and TAP with its closing line.

Each check is a name and the list of its findings; it passes when there are none.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("B", "build")
os.chdir(ROOT)

passed = failed = 0


def check(sentence, findings, notes=()):
    global passed, failed
    for note in notes:
        print("# %s" % note)
    for finding in findings:
        print("# %s" % finding)
    if findings:
        failed += 1
    else:
        passed += 1
    print("%sok %d - %s" % ("not " if findings else "", passed + failed, sentence), flush=True)


def done():
    print("1..%d\n%d passed, %d failed" % (passed + failed, passed, failed))
    sys.exit(1 if failed or not passed else 0)


def files(*roots, ends=(".c", ".h")):
    found = []
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(f for f in folders if f not in ("node_modules", "__pycache__"))
            found += [os.path.join(folder, n) for n in sorted(names) if n.endswith(ends)]
    return found


def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def repository():
    """What is in the repository, or would be with the next `git add`."""
    out = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"],
                         check=True, capture_output=True).stdout
    names = [n for n in out.decode().split("\0") if n]
    return sorted(n for n in names if os.path.isfile(n))


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_of(text):
    """The text with comments and the insides of strings blanked; lines stay where they are."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return TOKEN.sub(blank, text)


def allow_table(path):
    """Rows `file name reason...` of a table of exceptions; every one must say why."""
    rows, bad = {}, []
    for number, line in enumerate(read(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 3:
            bad.append("%s:%d: no reason is given" % (path, number))
        else:
            rows[(words[0], words[1])] = words[2]
    return rows, bad


def objects():
    """(source, object) of every source of the server and the modules, and what is not built."""
    pairs, missing = [], []
    for source in files("server", "modules", ends=(".c",)):
        built = os.path.join(BUILD, source[:-2] + ".o")
        if os.path.exists(built):
            pairs.append((source, built))
        else:
            missing.append("%s is not built" % built)
    return pairs, missing


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)
