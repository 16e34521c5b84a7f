#!/usr/bin/env bash
# run.sh -- the tour with the client libraries that people use, each unchanged and at a pinned version.
#
#   tests/clients/run.sh [name...]     all of them, or those named: redis-py node-redis ioredis
#                                      go-redis hiredis agent-cache
#
# The sources and the lock files are in the repository; what is downloaded goes to build/clients and
# stays there until a lock file changes. node 18 and go 1.19, which Debian 12 has, are enough; the
# current node-redis, ioredis and go-redis want newer ones, and run, too, where those are there.
set -uo pipefail
cd "$(dirname "$0")/../.."
here=tests/clients
into=$PWD/build/clients
passed=0 failed=0
mkdir -p "$into"

say() { echo "# $*"; }
fail() {
    echo "not ok - $*"
    failed=$((failed + 1))
}

# installed NAME FILE... -- COMMAND: runs the command unless it has worked before with these files.
installed() {
    local name=$1 files=() want
    shift
    while [ "$1" != -- ]; do files+=("$1"); shift; done
    shift
    want=$(cat "${files[@]}" | sha256sum)
    [ "$(cat "$into/$name.done" 2>/dev/null)" = "$want" ] && return 0
    say "installing for $name"
    # Once more when a download broke off.
    "$@" >"$into/$name.log" 2>&1 || "$@" >>"$into/$name.log" 2>&1 || {
        tail -n 15 "$into/$name.log"
        fail "$name cannot be installed: see build/clients/$name.log"
        return 1
    }
    echo "$want" >"$into/$name.done"
}

tour() { # name, protocol, command...
    local out closing
    out=$(python3 $here/harness.py "$@" 2>&1)
    closing=$(tail -n 1 <<<"$out")
    sed '$d' <<<"$out"
    if [[ $closing =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        fail "$1: its run has no closing line: $closing"
    fi
}

install_python() {
    python3 -m venv --clear "$into/venv" && "$into/venv/bin/pip" install -q --disable-pip-version-check \
        --require-hashes --only-binary :all: -r $here/python/requirements.txt
}
install_node() {
    mkdir -p "$into/node" && cp $here/node/package.json $here/node/package-lock.json "$into/node/" &&
        npm ci --prefix "$into/node" --ignore-scripts --no-audit --no-fund
}
go_build() { # output, further flags: in the module's folder; nothing outside build/ is touched
    local output=$1
    shift
    (cd $here/go && GOPATH=$into/gopath GOMODCACHE=$into/gopath/pkg/mod GOCACHE=$into/gocache \
        GOTOOLCHAIN=local GOFLAGS=-modcacherw go build -mod=readonly -buildvcs=false "$@" -o "$output" .)
}
install_hiredis() {
    "${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
        -Wstrict-prototypes -Werror -o "$into/hiredis_tour" $here/hiredis_tour.c -lhiredis -lm
}

major() { # "v18.19.0" or "go version go1.19.8 linux": 18, 19
    case "$1" in
    v*) echo "$1" | sed 's/^v\([0-9]*\).*/\1/' ;;
    *) echo "$1" | sed 's/.*go1\.\([0-9]*\).*/\1/' ;;
    esac
}

run_redis_py() {
    installed python $here/python/requirements.txt -- install_python || return
    for protocol in 2 3; do
        tour redis-py $protocol "$into/venv/bin/python" $here/python/redis_py_tour.py
    done
}
run_agent_cache() {
    installed python $here/python/requirements.txt -- install_python || return
    for protocol in 2 3; do
        tour agent-cache $protocol "$into/venv/bin/python" $here/python/agent_cache_test.py
    done
}
node_is_fit() {
    command -v node >/dev/null && command -v npm >/dev/null || { fail "$1 needs node and npm"; return 1; }
    [ "$(major "$(node --version)")" -ge 18 ] || { fail "$1 needs node 18, here is $(node --version)"; return 1; }
    installed node $here/node/package.json $here/node/package-lock.json -- install_node
}
version_of() { # package: its version, as the lock has it
    node -p "require('$into/node/node_modules/$1/package.json').version"
}
run_node() { # name, script, package, protocols...
    local name=$1 script=$2 package=$3 version
    shift 3
    version=$(version_of "$package")
    for protocol in "$@"; do
        tour "$name $version" "$protocol" env NODE_PATH="$into/node/node_modules" \
            node "$here/node/$script" "$package"
    done
}
run_node_redis() {
    node_is_fit node-redis || return
    run_node node-redis node_redis_tour.js redis 2 3
    if [ "$(major "$(node --version)")" -ge 20 ]; then
        run_node node-redis node_redis_tour.js redis-current 2 3
    else
        say "node-redis 6 wants node 20, here is $(node --version)"
    fi
}
run_ioredis() {
    node_is_fit ioredis || return
    run_node ioredis ioredis_tour.js ioredis 2    # Version 5 speaks RESP2 alone.
    if [ "$(major "$(node --version)")" -ge 20 ]; then
        run_node ioredis ioredis_tour.js ioredis-current 2 3
    else
        say "ioredis 6 wants node 20, here is $(node --version)"
    fi
}
run_go_redis() {
    command -v go >/dev/null || { fail "go-redis needs go"; return; }
    local minor wants
    minor=$(major "$(go version)")
    wants=$(sed -n 's/^go 1\.\([0-9]*\).*/\1/p' $here/go/go-current.mod)
    installed go $here/go/go.mod $here/go/go.sum $here/go/tour.go -- go_build "$into/go_tour" || return
    for protocol in 2 3; do
        tour "$(sed -n 's/^require .*\(go-redis\).v9 v/\1 /p' $here/go/go.mod)" $protocol "$into/go_tour"
    done
    if [ "$minor" -lt "$wants" ]; then
        say "the current go-redis wants go 1.$wants, here is 1.$minor"
        return
    fi
    installed go-current $here/go/go-current.mod $here/go/go-current.sum $here/go/tour.go -- \
        go_build "$into/go_tour_current" -modfile=go-current.mod || return
    for protocol in 2 3; do
        tour "$(sed -n 's/^require .*\(go-redis\).v9 v/\1 /p' $here/go/go-current.mod)" $protocol \
            "$into/go_tour_current"
    done
}
run_hiredis() {
    installed hiredis $here/hiredis_tour.c -- install_hiredis || return
    tour hiredis 2 "$into/hiredis_tour"
    if grep -qs REDIS_REPLY_MAP /usr/include/hiredis/read.h; then
        tour hiredis 3 "$into/hiredis_tour"
    else
        say "this hiredis speaks RESP2 alone; 1.0 was the first with RESP3"
    fi
}

[ $# -gt 0 ] || set -- redis-py node-redis ioredis go-redis hiredis agent-cache
for name in "$@"; do
    case "$name" in
    redis-py | node-redis | ioredis | go-redis | hiredis | agent-cache) "run_${name//-/_}" ;;
    *) fail "there is no client $name" ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
