#!/usr/bin/env bash
# run.sh -- runs each fuzz target named, FUZZ_SECONDS each, first over its seeds. With FUZZ_SEED=n it is
# nearly the same row of inputs each time (addresses differ), and ends after a number that most machines
# manage in the time: a faster one does not come to others. Without it every run is another.
#
# Seeds are in tests/fuzz/corpus/<name>/; a finding belongs there once it is fixed. What a run
# discovers is kept in build/fuzz/found/ so that the next goes on from it; inputs that fail are left in build/fuzz/failed/.
set -uo pipefail
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-10}
passed=0 failed=0 number=0
inputs_of() {
    case $1 in
    disk) echo 1200 ;;
    value) echo 6000 ;;
    keyspace) echo 40000 ;;
    *) echo 200000 ;;
    esac
}
mkdir -p build/fuzz/failed
for target in "$@"; do
    name=${target%_fuzz}
    number=$((number + 1))
    seeds=tests/fuzz/corpus/$name
    found=build/fuzz/found/$name
    runs=-1
    if [ -n "${FUZZ_SEED:-}" ]; then
        found=build/fuzz/seeded/$name
        runs=$(inputs_of "$name")
        rm -rf "$found"
    fi
    mkdir -p "$found"
    log=build/fuzz/$name.log
    sentence="$name withstands its seeds and, for at most $seconds s, inputs made from them"
    if ! ls "$seeds"/* >/dev/null 2>&1; then
        echo "# $seeds holds no seed"
        echo "not ok $number - $sentence"
        failed=$((failed + 1))
        continue
    fi
    # The seeds alone first: a run cut short by a slow machine has still tried them all.
    if "build/fuzz/tests/fuzz/$target" -runs=0 -timeout=10 -rss_limit_mb=1024 \
            -artifact_prefix=build/fuzz/failed/"$name"- "$seeds" >"$log" 2>&1 &&
       "build/fuzz/tests/fuzz/$target" -max_total_time="$seconds" -runs="$runs" -seed="${FUZZ_SEED:-0}" -timeout=10 \
            -rss_limit_mb=1024 -max_len="${FUZZ_LEN:-16384}" -print_final_stats=1 \
            -artifact_prefix=build/fuzz/failed/"$name"- "$found" "$seeds" >>"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
        echo "# $name: ${runs:-0} inputs, $(find "$found" -type f | wc -l) kept"
        echo "ok $number - $sentence"
        passed=$((passed + 1))
    else
        tail -n 40 "$log" | sed 's/^/# /'
        echo "not ok $number - $sentence"
        failed=$((failed + 1))
    fi
done
[ "$number" -gt 0 ] || { echo "# there is no fuzz target"; failed=1; }
echo "1..$number"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
