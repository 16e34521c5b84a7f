#!/usr/bin/env bash
# run.sh -- the same random commands to Redis and to Cove, once with each kind of acknowledgement; then whole
# RDB files both ways.
#
#   tests/compat/run.sh [seed]      COMPAT_SECONDS=40 for each, or COMPAT_COMMANDS=500000 of them; a seed repeats
#                                   what a run printed
set -uo pipefail
cd "$(dirname "$0")/../.."
export COVE_SERVER=${B:-build}/cove-server
COVE_SERVER=$(realpath "$COVE_SERVER")
passed=0 failed=0
# Its own lines, and its closing line's sums.
summed() {
    echo "# $1"
    local out
    out=$("${@:2}" 2>&1)
    sed '$d' <<<"$out"
    if [[ ${out##*$'\n'} =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        echo "${out##*$'\n'}"
        failed=$((failed + 1))
    fi
}
bound=(--seconds "${COMPAT_SECONDS:-40}")
[ -z "${COMPAT_COMMANDS:-}" ] || bound=(--commands "$COMPAT_COMMANDS")
for ack in memory store; do
    summed "ack $ack" python3 tests/compat/differential.py --ack "$ack" "${bound[@]}" ${1:+--seed "$1"}
done
summed "RDB files" python3 tests/compat/rdb_files.py ${1:+--seed "$1"}
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
