#!/usr/bin/env python3
"""What is in the repository: words that have no place in it, mirrors of server/, stages for all."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap

FILES = tap.repository()
# Written in halves, so that this file does not find itself.
WORDS = [r"(?<![\w.])/wo" r"rk/", r"(?<![\w.])/ro" r"ot/", r"(?i)\bcla" r"ude\b", r"(?i)\banth" r"ropic\b",
         r"(?i)\bchat" r"gpt\b", r"(?i)\bai[- ]gen" r"erated\b", r"(?i)\bas an a" r"i\b",
         r"(?i)\bissue\s+#?\d", r"(?i)/tmp/br" r"ief"]
# Names of other projects' tests, as they call them.
NAMES_OF_OTHERS = ("tests/compat/",)
BYTES_MAX = 1 << 20

words, big, binary, modes, paths = [], [], [], [], []
for path in FILES:
    if os.path.getsize(path) > BYTES_MAX:
        big.append("%s has %d bytes" % (path, os.path.getsize(path)))
        continue
    text = tap.read(path)
    for pattern in WORDS:
        if "sue" in pattern and path.startswith(NAMES_OF_OTHERS):
            continue
        for m in re.finditer(pattern, text):
            words.append("%s:%d: %s" % (path, text.count("\n", 0, m.start()) + 1, m.group(0)))
    if text.startswith("#!") and not os.access(path, os.X_OK):
        modes.append("%s starts with #! and cannot be executed" % path)
    if path.startswith(("build/", "data/")) or path.endswith((".o", ".a", ".rdb")):
        binary.append(path)
tap.check("no path of a machine and no word about how it was written", words)
tap.check("no file is over %d bytes" % BYTES_MAX, big)
tap.check("what is built is not in the repository", binary)
tap.check("scripts can be executed", modes)

# A unit test is named after the file it tests, with a subject of its own behind it if it
# likes (file_powerloss_test.c of file.c), or opens with "mirrors no file: why".
strays, untested = [], []
for path in tap.files("tests/unit", ends=(".c",)):
    parts = path.split("/")
    if len(parts) != 4 or not path.endswith("_test.c"):
        strays.append("%s is not tests/unit/<layer>/<name>_test.c" % path)
        continue
    top = "server" if os.path.isdir("server/" + parts[2]) else "modules"
    words = parts[3][:-len("_test.c")].split("_")
    mirrored = "%s/%s/%s" % (top, parts[2], "_".join(words))
    while len(words) > 1 and not os.path.exists(mirrored + ".c"):
        words.pop()
        mirrored = "%s/%s/%s" % (top, parts[2], "_".join(words))
    head = " ".join(tap.read(path)[:1500].replace("*", " ").split())
    if not (os.path.exists(mirrored + ".c") or os.path.exists(mirrored + ".h")) \
            and not re.search(r"mirrors no file: \w", head):
        strays.append("%s mirrors neither %s.c nor .h, and does not say why" % (path, mirrored))
for path in tap.files("server", "modules", ends=(".c",)):
    parts = path.split("/")
    if len(parts) == 3 and not os.path.exists("tests/unit/%s/%s_test.c" % (parts[1], parts[2][:-2])):
        untested.append(path)
tap.check("every unit test mirrors a file of server/ or says why not", strays,
          ["no unit test of the same name: %s" % p for p in untested])

# A folder of tests that no stage runs is a test that cannot fail.
RUN_BY = {"unit": "test-unit", "model": "test-model", "golden": "test-golden", "style": "test-style",
          "sim": "sim", "torture": "torture", "fuzz": "fuzz", "clients": "test-clients",
          "redis": "test-redis", "compat": "test-compat", "s3": "test-s3", "crash": "test-crash", "owners": "test-owners", "real": "test-real",
          "large": "test-sizes"}
OUTSIDE = {"bench": "make bench judges times, not behaviour"}
stages = tap.read("tests/stages")
idle = []
for folder in sorted({p.split("/")[1] for p in FILES
                      if re.match(r"tests/[^/]+/(.*_(test|fuzz)\.c|run\.\w+|.*\.py|.*\.js|.*\.go)$", p)}):
    if folder in OUTSIDE:
        continue
    target = RUN_BY.get(folder)
    if target is None:
        idle.append("tests/%s: say in repository.py which target runs it" % folder)
    elif not re.search(r"^\w\S*\s+\d+\s+make\b.* %s( |$)" % target, stages, re.M):
        idle.append("tests/%s: no stage of tests/stages runs `make %s`" % (folder, target))
tap.check("every folder of tests has a stage", idle)
tap.done()
