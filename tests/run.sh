#!/usr/bin/env bash
# run.sh -- runs several test programs and sums their closing lines.
#
#   tests/run.sh table [name...]    the stages of a table (tests/stages), or those named
#   tests/run.sh -- program...      each program, without arguments
#
# Every program prints TAP and closes with "N passed, N failed". The last line here has the
# same form and is the sum. A program that says nothing of the kind, says it failed nothing
# but exits non-zero, or runs out of time, counts as one failure more; the others still run.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=${TEST_LOGS:-build/test-logs}
mkdir -p "$logs"
passed=0 failed=0 summary=()

run_one() { # name seconds command...
    local name=$1 seconds=$2 started=$SECONDS log rc closing ok bad why=
    shift 2
    log=$logs/$(tr -c 'A-Za-z0-9_.\n-' _ <<<"$name").log
    [ -n "${TEST_NESTED:-}" ] || printf '\n== %s: %s\n' "$name" "$*"
    # timeout ends the process group, so what a hung program has started ends with it.
    TEST_NESTED=1 timeout -k 10 "$seconds" "$@" </dev/null 2>&1 | tee "$log"
    rc=${PIPESTATUS[0]}
    # A stage that is a make says below the closing line that a recipe failed.
    closing=$(grep -vE '^make(\[[0-9]+\])?: ' "$log" | tail -n 1 | grep -E '^[0-9]+ passed, [0-9]+ failed$' || true)
    if [ -n "$closing" ]; then
        ok=${closing%% *} bad=${closing#*, } bad=${bad%% *}
    else
        ok=0 bad=1 why="no closing line"
    fi
    if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then why="out of time after $seconds s"; fi
    if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1 why=${why:-exit status $rc though nothing failed}
    fi
    if [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ]; then bad=1 why="no test ran"; fi
    passed=$((passed + ok)) failed=$((failed + bad))
    summary+=("$(printf '%-28s %5d s %6d passed %4d failed%s' "$name" $((SECONDS - started)) \
                 "$ok" "$bad" "${why:+  ($why)}")")
}

if [ "${1:-}" = -- ]; then
    shift
    for program in "$@"; do
        run_one "${program##*/tests/}" "${TEST_SECONDS:-600}" "$program"
    done
else
    table=$1
    shift
    while read -r name seconds command; do
        case "$name" in '' | '#'*) continue ;; esac
        if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
        # Words of the table are plain: no quoting, split at spaces.
        # shellcheck disable=SC2086
        run_one "$name" "$seconds" $command
    done <"$table"
fi

printf '\n'
printf '%s\n' "${summary[@]+"${summary[@]}"}"
if [ $((passed + failed)) -eq 0 ]; then
    echo "nothing ran" >&2
    failed=1
fi
[ -n "${TEST_NESTED:-}" ] || echo "$passed passed, $failed failed" >"$logs/closing"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
