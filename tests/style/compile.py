#!/usr/bin/env python3
"""Headers compile alone, and nothing draws a warning, under gcc and under clang."""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap

# The warnings of the Makefile, so that there is one list.
words = re.search(r"^WARN = ((?:.*\\\n)*.*)", tap.read("Makefile"), re.M).group(1)
FLAGS = words.replace("\\\n", " ").split() + ["-std=c11", "-D_GNU_SOURCE", "-Iserver", "-I.",
                                              "-Itests", "-Werror", "-fsyntax-only"]


def compile_one(job):
    compiler, path = job
    if path.endswith(".h"):
        # Included by a file that holds nothing else; the declaration keeps that file from
        # being empty, which pedantic compilers mind.
        alone = '#include "%s"\nextern int alone_;\n' % path
        done = subprocess.run([compiler, *FLAGS, "-Wno-unused-function", "-xc", "-"],
                              input=alone, capture_output=True, text=True)
    else:
        done = tap.run(compiler, *FLAGS, path)
    if done.returncode == 0:
        return None
    first = [l for l in done.stderr.splitlines() if "error" in l or "warning" in l][:3]
    return "%s: %s: %s" % (compiler, path, " | ".join(first) or "exit %d" % done.returncode)


def compile_all(compiler, paths):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [f for f in pool.map(compile_one, [(compiler, p) for p in paths]) if f]


headers = tap.files("server", "modules", "tests", ends=(".h",))
sources = tap.files("server", "modules", "tests", ends=(".c",))
for compiler in ("gcc", "clang"):
    tap.check("every header compiles alone with %s" % compiler, compile_all(compiler, headers))
    tap.check("every source compiles without a warning with %s" % compiler,
              compile_all(compiler, sources))
tap.done()
