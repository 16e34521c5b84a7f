#!/usr/bin/env bash
# run.sh -- the programs of this folder, each in the size of the first argument: small (default) or full.
set -u
cd "$(dirname "$0")/../.."
size=${1:-small}
passed=0 failed=0
# vectors.py computes what is right with numpy.
python=python3
if ! python3 -c 'import numpy' 2>/dev/null; then
    venv=build/large/venv python=build/large/venv/bin/python
    "$python" -c 'import numpy' 2>/dev/null || {
        python3 -m venv "$venv" && "$venv/bin/pip" -q --disable-pip-version-check install "$(grep '^numpy' tests/bench/peers.txt)"
    } || python=python3
fi
for program in more_keys big_values cold_start snapshot_work big_collections turns_of_commands vectors; do
    echo "# $program, $size"
    sums=
    while IFS= read -r line; do
        [ -z "$sums" ] || echo "$sums"
        sums=$line
    done < <("$python" tests/large/$program.py --size "$size" 2>&1)
    if [[ $sums =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        echo "$sums"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
