#!/usr/bin/env python3
"""An include may only point down: the folders of server/ are layers, and modules/ has one door."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap

# What each layer may include besides itself; the design's table.
BELOW = {
    "base": [],
    "event": ["base"],
    "resp": ["base"],
    "types": ["base"],
    "objstore": ["base", "event"],
    "keyspace": ["base", "types"],
    "tier": ["base", "event", "objstore", "types", "keyspace"],
    "exec": ["base", "event", "resp", "types", "keyspace", "tier"],
    "commands": ["base", "resp", "types", "keyspace", "tier", "exec"],
}
# Libraries that one place alone may see.
ONLY = {
    r"curl/": r"server/objstore/s3[a-z0-9_]*\.[ch]$",
    r"openssl/": r"server/(objstore/s3[a-z0-9_]*|base/[a-z0-9_]+|event/tls[a-z0-9_]*)\.[ch]$",
    r"jemalloc/": r"server/base/mem[a-z0-9_]*\.c$",
    r"(pthread|threads)\.h": r"server/(event|objstore)/[a-z0-9_]+\.[ch]$",
    r"sys/epoll\.h": r"server/event/[a-z0-9_]+\.c$",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def includes(path):
    return INCLUDE.findall(tap.read(path))


def reach(path, seen):
    """Every header of the server that `path` reaches."""
    for kind, name in includes(path):
        target = os.path.join("server", name)
        if kind == '"' and target not in seen and os.path.exists(target):
            seen.add(target)
            reach(target, seen)
    return seen


up, odd, unknown, library, module = [], [], [], [], []
for path in tap.files("server"):
    parts = path.split("/")
    layer = parts[1] if len(parts) > 2 else None
    if layer is not None and layer not in BELOW:
        unknown.append("%s: the layer %s is not in the table" % (path, layer))
        continue
    for kind, name in includes(path):
        if kind != '"':
            continue
        target = name.split("/")[0]
        if "modules" in name.split("/"):
            module.append("%s includes %s" % (path, name))
        elif "/" not in name:
            # module.h and the files that wire the server stand above the layers.
            if layer is not None or not os.path.exists("server/" + name):
                odd.append('%s includes "%s": write "folder/file.h"' % (path, name))
        elif not os.path.exists(os.path.join("server", name)):
            odd.append("%s includes %s, which is not there" % (path, name))
        elif layer is not None and target != layer and target not in BELOW[layer]:
            up.append("%s (%s) includes %s" % (path, layer, name))
tap.check("every folder of server/ is a layer of the table", unknown)
tap.check("no include points up between the layers of server/", up)
tap.check('project includes are written "folder/file.h"', odd)
tap.check("nothing in server/ includes a module", module)

door = reach("server/module.h", set()) if os.path.exists("server/module.h") else set()
past = []
for path in tap.files("modules"):
    own = "/".join(path.split("/")[:2])
    for kind, name in includes(path):
        if kind != '"' or name == "module.h":
            continue
        beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
        if name.startswith(own + "/") or (beside.startswith(own + "/") and os.path.exists(beside)):
            continue
        if name.startswith("base/") and os.path.join("server", name) in door:
            continue
        past.append("%s includes %s" % (path, name))
tap.check("a module sees module.h, what of base it re-exports, and its own files", past)

for path in tap.files("server", "modules"):
    for kind, name in includes(path):
        for pattern, where in ONLY.items():
            if re.match(pattern, name) and not re.match(where, path):
                library.append("%s includes <%s>" % (path, name))
tap.check("a library that one place wraps is included there alone", library)

shared = []
for path in tap.files("server", ends=(".h",)):
    for kind, name in includes(path):
        if kind == '"' and name.split("/")[-1].endswith("_internal.h"):
            shared.append("%s includes %s" % (path, name))
for path in tap.files("server"):
    for kind, name in includes(path):
        if name.endswith("_internal.h") and name.split("/")[0] != path.split("/")[1]:
            shared.append("%s includes %s" % (path, name))
tap.check("an _internal.h stays inside its folder", shared)

reached = sorted((len(reach(p, set())), p) for p in tap.files("server", ends=(".c",)))
notes = []
if reached:
    notes = ["project headers that a source reaches: median %d, most %d (%s)" %
             (reached[len(reached) // 2][0], reached[-1][0], reached[-1][1])]
cycles = ["%s reaches itself" % h for h in tap.files("server", ends=(".h",)) if h in reach(h, set())]
tap.check("no header includes itself over others", cycles, notes)
tap.done()
