#!/usr/bin/env bash
# run.sh -- Redis 7.0's own Tcl suite, in its external mode, against the server.
#
#   tests/redis/run.sh [unit...]     all of tests/redis/units, or those named
#
# The suite is not in this repository: tests/redis/fetch.sh gets it. Each unit meets a new server in
# a new folder. Tests of tests/compat/expected-differences are skipped, each with its reason; a row
# that skips nothing fails. A test that hangs fails, and its unit is run again without it.
#
#   REDIS_SUITE=folder   a source tree of Redis 7.0 to take the suite from
#   REDIS_ALL=1          run what should differ as well, and tell which of it passes
#   REDIS_COLD=1         the units of types, where every command meets data that is in the store alone
#                        (DEBUG EVICT-ALWAYS)
#   REDIS_STALL=60       seconds without a test ending that count as a hang
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
server=$(realpath "${B:-build}")/cove-server
differences=$root/tests/compat/expected-differences
stall=${REDIS_STALL:-60} hangs_max=3 unit_seconds=600
options=(--enable-debug-command yes --enable-protected-configs yes --enable-module-command yes)
if [ -n "${REDIS_COLD:-}" ]; then
    stall=${REDIS_STALL:-900} unit_seconds=7200
    options+=(--gc-grace 1) # Each write is a checkpoint: what the one before it left has to go soon.
fi
passed=0 failed=0 cold=0 hot=0

suite=${REDIS_SUITE:-$(tests/redis/fetch.sh)} || suite=
if [ ! -f "$suite/tests/test_helper.tcl" ]; then
    echo "not ok - the suite is there"
    echo "0 passed, 1 failed"
    exit 1
fi
# In memory where there is room for it: each write waits for the store, thousands of fsyncs.
shm=/dev/shm
[ -w "$shm" ] || shm=${TMPDIR:-/tmp}
work=$(mktemp -d "$shm/cove-redis.XXXXXX")
pid=
stop() {
    [ -n "$pid" ] || return 0
    kill "$pid" 2>/dev/null
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    pid=
}
trap 'stop; rm -rf "$work"' EXIT

# A copy, changed in one respect: a server without scripts or without some option is no reason to
# end a whole unit from inside start_server.
mkdir -p "$work/suite/src" "$work/suite/utils"
cp -r "$suite/tests" "$work/suite/"
mkdir -p "$work/suite/tests/tmp"
sed -i -e 's/^    r \(function flush\|script flush\|config resetstat\)$/    catch {r \1}/' \
    -e 's/^        r config set \$param \$val$/        catch {r config set $param $val}/' \
    -e 's/^        dict set saved_config \$param .*$/        catch {&}/' \
    "$work/suite/tests/support/server.tcl"
# What these keep for servers of their own (they change users) may run here: each unit has a new server.
# The first block of a file alone, as the others start theirs with options.
for unit in acl acl-v2 auth; do
    sed -i '1s/ external:skip//' "$work/suite/tests/unit/$unit.tcl"
done
# One user's rights to scripts and pub/sub are left out: a dozen tests of other things log in as it.
sed -i -e 's/antirez +eval +multi +exec$/antirez +multi +exec/' -e '/antirez resetchannels +publish$/d' \
    "$work/suite/tests/unit/acl.tcl"

answers() { # port
    timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0 && printf "PING\r\n" >&3 &&
        read -r -t 2 line <&3 && [ "${line%$'"'\\r'"'}" = +PONG ]' "$1" 2>/dev/null
}
ask() { # port, request: the reply, up to a line that ends it
    timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0 && printf "%s\r\nQUIT\r\n" "$1" >&3 && cat <&3' "$1" "$2" 2>/dev/null
}
free_port() {
    python3 -c "import sys; sys.path.insert(0, \"tests/crash\"); from server import free_port; print(free_port())"
}
start() { # log
    port=$(free_port)
    rm -rf "$work/data"
    mkdir "$work/data"
    "$server" --bind 127.0.0.1 --port "$port" --dir "$work/data" --store file:./store \
        "${options[@]}" >"$1" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 100); do
        if answers "$port"; then
            [ -z "${REDIS_COLD:-}" ] || [[ $(ask "$port" "DEBUG EVICT-ALWAYS yes") = +OK* ]]
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    return 1
}

not_ok() { # sentence
    echo "not ok - $1"
    failed=$((failed + 1))
}

count_cold() {
    local info
    info=$(ask "$port" "INFO stats" | tr -d '\r')
    cold=$((cold + $(sed -n 's/^evict_always_cold://p' <<<"$info")))
    hot=$((hot + $(sed -n 's/^evict_always_hot://p' <<<"$info")))
}

run_once() { # unit, log; runs it against a new server
    local alive=1
    : >"$2"
    if ! start "$work/server.log"; then
        not_ok "$1: the server starts"
        tail -n 5 "$work/server.log" | sed 's/^/# /'
        stop
        return
    fi
    (cd "$work/suite" && timeout -k 5 "$unit_seconds" tclsh tests/test_helper.tcl --host 127.0.0.1 --port "$port" \
        --baseport 30000 --portcount 1000 --clients 1 --durable --timeout "$stall" \
        --tags "-slow -needs:repl" --skipfile "$work/skip" --single "$1") >"$2" 2>&1 </dev/null
    answers "$port" || alive=0
    sed -i 's/\x1b\[[0-9;]*m//g' "$2"
    [ -z "${REDIS_COLD:-}" ] || count_cold
    stop
    if [ "$alive" = 0 ]; then
        not_ok "$1: the server is there at the end"
        tail -n 20 "$work/server.log" | sed 's/^/# /'
    elif ! grep -q '^\[1/1 done\]' "$2" && ! grep -q '^\[TIMEOUT\]' "$2"; then
        not_ok "$1: the unit comes to its end"
        grep -A 4 '^\[exception\]' "$2" | sed 's/^/# /'
    fi
}

# Prints the outcome of a unit's log, and sums it.
report() { # unit, log
    local name
    passed=$((passed + $(grep -c '^\[ok\]: ' "$2")))
    sed -n "s|^\[ok\]: \(.*\) ([0-9]* ms)\$|ok - $1: \1|p; s|^\[ok\]: \(.*[^)]\)\$|ok - $1: \1|p" "$2"
    while IFS= read -r name; do
        not_ok "$1: $name"
        grep -F -A 2 "[err]: $name" "$2" | sed -n '2,3p' | cut -c1-300 | sed 's/^/# /'
    done < <(sed -n '/^!!! WARNING/q; s|^\[err\]: \(.*\) in tests/unit/.*$|\1|p; s|^\[err\]: \(.*[^l]\)$|\1|p' "$2")
}

run_unit() { # unit
    local unit=$1 log=$work/log name hangs=0 stuck=() skips=()
    mapfile -t skips < <(awk -F'\t' -v u="$unit" -v c="${REDIS_COLD:+cold:$1}" \
        '$1 == u || $1 == c {print $2}' "$differences")
    : >"$work/skip"
    if [ -z "${REDIS_ALL:-}" ] && [ ${#skips[@]} -gt 0 ]; then
        printf '%s\n' "${skips[@]}" >"$work/skip"
    fi
    while :; do
        run_once "$unit" "$log"
        grep -q '^\[TIMEOUT\]' "$log" || break
        name=$(sed -n 's/^sock[^ ]* => (IN PROGRESS) //p' "$log" | head -n 1)
        stuck+=("${name:-?}")
        hangs=$((hangs + 1))
        [ -n "$name" ] && [ "$hangs" -lt "$hangs_max" ] || break
        printf '%s\n' "$name" >>"$work/skip"
    done
    report "$unit" "$log"
    for name in ${stuck[@]+"${stuck[@]}"}; do not_ok "$unit: $name (hangs)"; done
    for name in ${skips[@]+"${skips[@]}"}; do
        if [ -n "${REDIS_ALL:-}" ]; then
            grep -qF -e "[ok]: $name" "$log" && echo "# passes, though a difference is expected: $name"
        else
            grep -qxF -e "[skip]: $name" "$log" || not_ok "$unit: an expected difference is a test: $name"
        fi
    done
}

kind=unit/
[ -z "${REDIS_COLD:-}" ] || kind=unit/type/
if [ $# -gt 0 ]; then units=("$@"); else mapfile -t units < <(grep "^$kind" tests/redis/units); fi
for unit in "${units[@]}"; do
    began=$SECONDS
    run_unit "$unit"
    echo "# $unit: $((SECONDS - began)) s"
done
if [ -n "${REDIS_COLD:-}" ]; then
    sentence="of the commands that read a page, at least 95 % had to fetch it ($cold, $hot did not)"
    if [ $((cold * 100)) -ge $(((cold + hot) * 95)) ] && [ "$cold" -gt 0 ]; then
        echo "ok - $sentence"
        passed=$((passed + 1))
    else
        not_ok "$sentence"
    fi
fi
echo "# skipped, as expected differences: $(grep -cP '^unit/.*\t' "$differences")"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
