#!/usr/bin/env bash
# run.sh -- the programs of this folder, each in the size of the first argument: small (default) or full.
set -u
cd "$(dirname "$0")/../.."
size=${1:-small}
passed=0 failed=0
for program in more_keys big_values cold_start snapshot_work big_collections; do
    echo "# $program, $size"
    sums=
    while IFS= read -r line; do
        [ -z "$sums" ] || echo "$sums"
        sums=$line
    done < <(tests/large/$program.py --size "$size" 2>&1)
    if [[ $sums =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        echo "$sums"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
