#!/usr/bin/env python3
"""How a page of code looks: comments, widths, lengths of files and functions, names."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap

COLUMNS, COLUMNS_WIDE, COLUMNS_MAX = 90, 100, 180
FILE_LINES_MAX = 900
FUNCTION_LINES, FUNCTION_LINES_MAX = 120, 200

SOURCES = tap.files("server", "modules", "tests")
OWN = tap.files("server", "modules")


def functions(code):
    """(name, first line, lines) of every function; they end with a brace in column 0."""
    lines = code.splitlines()
    start = None
    for i, line in enumerate(lines):
        if start is None:
            if line.endswith("{") and not re.match(r"(typedef\s+)?(struct|union|enum)\b[^()]*\{$", line) \
                    and "=" not in line.split("(")[0] and not line.startswith((" ", "#", "\t", "}")):
                start = i
                name = line
            elif line.endswith("{") and re.match(r"\s+\S.*\)\s*\{$", line):
                # The last line of a signature over several.
                first = i
                while first > 0 and lines[first].startswith(" "):
                    first -= 1
                if re.match(r"\w.*\([^)]*$", lines[first]) and "=" not in lines[first].split("(")[0]:
                    start, name = first, lines[first]
        elif line.startswith("}"):
            m = re.search(r"(\w+)\s*\(", name)
            if m:
                yield m.group(1), start + 1, i - start + 1
            start = None


def spread(values):
    values = sorted(values)
    if not values:
        return "none"
    at = lambda q: values[min(len(values) - 1, int(len(values) * q))]
    return "median %d, p90 %d, p99 %d, most %d" % (at(.5), at(.9), at(.99), values[-1])


double_slash, wide, over90, over100, tabs, long_files, types, opening, todo = [], [], 0, 0, [], [], [], [], []
lengths, sizes, long_functions, too_long = [], [], [], []
asserts = total = 0
for path in SOURCES:
    text = tap.read(path)
    code = tap.code_of(text)
    lines = text.splitlines()
    for m in tap.TOKEN.finditer(text):
        if m.group(0).startswith("//"):
            double_slash.append("%s:%d" % (path, text.count("\n", 0, m.start()) + 1))
    for number, line in enumerate(lines, 1):
        over90 += len(line) > COLUMNS
        over100 += len(line) > COLUMNS_WIDE
        if len(line) > COLUMNS_MAX:
            wide.append("%s:%d: %d columns" % (path, number, len(line)))
        if "\t" in line or line != line.rstrip():
            tabs.append("%s:%d" % (path, number))
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            todo.append("%s:%d: %s" % (path, number, line.strip()))
    if len(lines) > FILE_LINES_MAX:
        long_files.append("%s: %d lines" % (path, len(lines)))
    types += ["%s: %s" % (path, m) for m in re.findall(r"\btypedef\b[^;{]*\b(\w+_t)\s*;", code)]
    types += ["%s: %s" % (path, m) for m in re.findall(r"^\}\s*(\w+_t)\s*;", code, re.M)]
    if not re.match(r"/\* \S", text):
        opening.append("%s does not open with what it is for" % path)
    for name, line, count in functions(code):
        if path in OWN:
            lengths.append(count)
        if count > FUNCTION_LINES_MAX:
            too_long.append("%s:%d: %s has %d lines" % (path, line, name, count))
        elif count > FUNCTION_LINES:
            long_functions.append("long: %s:%d: %s has %d lines" % (path, line, name, count))
    if path in OWN:
        sizes.append(len(lines))
        total += len(lines)
        asserts += len(re.findall(r"\b(?:static_)?assert(?:_slow)?\s*\(|\b_Static_assert\s*\(", code))

tap.check("comments are /* */", double_slash)
tap.check("no line is over %d columns" % COLUMNS_MAX, wide,
          ["%d lines are over %d columns, %d of them over %d" % (over90, COLUMNS, over100, COLUMNS_WIDE)])
tap.check("no tab, no space at the end of a line", tabs)
tap.check("no file is over %d lines" % FILE_LINES_MAX, long_files,
          ["lines a file of server/ and modules/: %s" % spread(sizes)])
tap.check("no function is over %d lines" % FUNCTION_LINES_MAX, too_long,
          ["lines a function: %s" % spread(lengths)] + long_functions)
tap.check("no type of ours ends in _t", types)
tap.check("every file opens with what it is for", opening)
tap.check("nothing is left for later in a comment", todo,
          ["asserts per 1,000 lines: %.1f" % (1000 * asserts / total if total else 0)])
tap.done()
