#!/usr/bin/env bash
# run.sh -- the crash tests, in the size that `make test` takes; CRASH_ROUNDS=100 for the large one.
set -u
cd "$(dirname "$0")/../.."
rounds=${CRASH_ROUNDS:-10}
passed=0 failed=0
run() { # sentence, command...
    echo "# $1"
    shift
    local out
    out=$("$@" 2>&1) || true
    echo "$out" | sed '$d'
    local sums
    sums=$(echo "$out" | tail -n 1)
    if [[ $sums =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        echo "$sums"
        failed=$((failed + 1))
    fi
}
run "kill -9 at a random moment, over a folder" \
    python3 tests/crash/crash.py --rounds "$rounds"
run "the same with one client's pipeline and small batches" \
    python3 tests/crash/crash.py --rounds "$((rounds / 2))" --connections 4 --pipeline 4
run "the disk is full, and then it is not" \
    python3 tests/crash/full.py
run "a vector set with an index, killed in the middle of inserts and splits" \
    python3 tests/crash/vectors.py --rounds "$(((rounds + 1) / 2))"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
