#!/usr/bin/env python3
"""State belongs to someone: no mutable global, and nothing undetermined behind an interface's back.

Looks at the built objects, so that nothing hides in a macro. Exceptions are rows of
mutable-globals.allow and calls.allow beside this file, each with its reason; a row that is
not needed any more fails too.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap

HERE = "tests/style"
pairs, missing = tap.objects()
tap.check("every source is built", missing)

# --- Mutable globals: symbols in writable sections. Constant tables of pointers are in
# .data.rel.ro, which nm calls data too; objdump tells the section.
allow, unreasoned = tap.allow_table(HERE + "/mutable-globals.allow")
SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$")
WRITABLE = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)")
found, used = [], set()
for source, built in pairs:
    for line in tap.run("objdump", "-t", built).stdout.splitlines():
        m = SYMBOL.match(line)
        # Objects, commons, and what is thread-local, which objdump gives no letter.
        if not m or m.group(4).startswith(".") or \
                "O" not in m.group(1) and not re.match(r"\*COM\*|\.t(bss|data)", m.group(2)):
            continue
        name = re.sub(r"\.\d+$", "", m.group(4))
        if not WRITABLE.match(m.group(2)):
            continue
        if (source, name) in allow:
            used.add((source, name))
        else:
            found.append("%s: %s in %s" % (source, name, m.group(2)))
stale = ["%s %s is in mutable-globals.allow, but is gone" % k for k in sorted(set(allow) - used)]
tap.check("no mutable globals but those of mutable-globals.allow", found + stale + unreasoned)

outside = []
for path in tap.files("server", "modules", ends=(".h",)):
    for line in re.findall(r"\bextern\b[^;({]*;", tap.code_of(tap.read(path))):
        if not re.search(r"\bconst\b[^*]*;|\*\s*const\b", line):
            outside.append("%s: %s" % (path, " ".join(line.split())))
tap.check("nothing mutable is extern in a header", outside)

# --- Calls that only their interface makes.
OWNERS = [
    ("the clock", r"time|clock|clock_gettime|gettimeofday|ftime|timespec_get",
     r"server/base/clock\.c"),
    ("randomness", r"s?rand|s?random|rand_r|random_r|[dejlmn]rand48|getrandom|getentropy|RAND_bytes|arc4random\w*",
     r"server/base/rnd\.c"),
    ("memory", r"malloc|calloc|realloc|reallocarray|free|strn?dup|v?asprintf|posix_memalign|aligned_alloc|\w+allocx|getline",
     r"server/base/mem\w*\.c"),
    ("files", r"open|openat|creat|fopen|freopen|fdopen|unlink|unlinkat|rename\w*|link|linkat|symlink|mkdir|mkdirat|rmdir|opendir|scandir|fsync|fdatasync|sync_file_range|f?truncate|flock|mkstemp|tmpfile|mmap|p?writev?|pread|pwrite|p?readv",
     r"server/(objstore/(fsys\w*|s3_creds)|base/log|event/\w+|boot\w*|main)\.c"),
    ("sockets", r"socket|socketpair|bind|connect|accept4?|listen|getaddrinfo|epoll_\w+|poll|ppoll|select|eventfd|timerfd_\w+|pipe2?|send\w*|recv\w*",
     r"server/event/\w+\.c"),
    # Locks of what is shared between the loop and its workers; keyspace and above have none.
    ("threads", r"pthread_(create|mutex_\w+|cond_\w+|rwlock_\w+|detach|join)|thrd_\w+|mtx_\w+|sem_\w+",
     r"server/(event|objstore)/\w+\.c"),
    ("S3's transfers", r"curl_\w+", r"server/objstore/s3\w*\.c"),
    ("waiting", r"sleep|usleep|nanosleep|clock_nanosleep", r"-"),
    ("processes", r"fork|vfork|clone|system|popen|posix_spawnp?|exec[lv]p?e?", r"server/boot_process\.c"),
    ("signals and exits", r"signal|sigaction|exit|_exit|_Exit|quick_exit|setrlimit|setsid|chdir|umask",
     r"server/(main|boot\w*)\.c"),
]
NEVER = (r"gets|strcpy|strcat|strncat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|scanf|fscanf|"
         r"alloca|tmpnam|mktemp|asctime|ctime|gmtime|localtime|gethostbyname|setjmp|_setjmp|longjmp|setenv|putenv")


def plain(name):
    """The name as written: without what _FORTIFY_SOURCE and large files make of it."""
    name = name.split("@")[0]
    name = re.sub(r"^__isoc99_", "", name)
    name = re.sub(r"^__(\w+)_chk$", r"\1", name)
    name = re.sub(r"^__(open|openat)(64)?_2$", r"\1", name)
    return re.sub(r"(?<=\D)64$", "", name)


calls_allow, unreasoned = tap.allow_table(HERE + "/calls.allow")
calls_used = set()
# Of the machine code: what LTO knows of a file leaves out what the compiler has a name for, free() for one.
calls = {source: {plain(l.split()[-1])
                  for l in tap.run("nm", "--plugin", "/dev/null", "-u", built).stdout.splitlines() if l.strip()}
         for source, built in pairs}


def allowed(source, call):
    if (source, call) in calls_allow:
        calls_used.add((source, call))
        return True
    return False


for what, pattern, owner in OWNERS:
    found = []
    for source, names in calls.items():
        if re.fullmatch(owner, source):
            continue
        found += ["%s calls %s()" % (source, n) for n in sorted(names)
                  if re.fullmatch(pattern, n) and not allowed(source, n)]
    tap.check("%s: only their interface calls them" % what, found)
found = ["%s calls %s()" % (source, n) for source, names in calls.items() for n in sorted(names)
         if re.fullmatch(NEVER, n) and not allowed(source, n)]
# The text as well: the compiler turns atoi() into strtol().
for path in tap.files("server", "modules"):
    for name in re.findall(r"(?<![\w.>])(%s)\s*\(" % NEVER, tap.code_of(tap.read(path))):
        if (path, name) not in calls_allow:
            found.append("%s writes %s()" % (path, name))
found = sorted(set(found))
tap.check("no call that has no bound, or keeps hidden state", found)
stale = ["%s %s is in calls.allow, but is gone" % k for k in sorted(set(calls_allow) - calls_used)]
tap.check("calls.allow has no row without need", stale + unreasoned)
tap.done()
