#!/usr/bin/env bash
# tidy.sh -- clang-tidy over server/ and modules/, or over the files named. Any finding fails.
#
# The files are looked at side by side, one for each processor; each leaves its findings and its
# verdict in a temporary folder under its number, and they are told in the order of the files.
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0 failed=0 number=0
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(find server modules -name '*.c' | sort); fi
found=$(mktemp -d) || exit 1
trap 'rm -rf "$found"' EXIT

# Numbers and names go in pairs. A verdict that is missing counts as a failure below.
for file in "${files[@]}"; do
    number=$((number + 1))
    printf '%s\0%s\0' "$number" "$file"
done | FOUND=$found xargs -0 -r -n 2 -P "$(nproc)" bash -c '
    clang-tidy --quiet "$2" -- -std=c11 -D_GNU_SOURCE -Iserver -I. >"$FOUND/$1" 2>/dev/null &&
        : >"$FOUND/$1.tidy"
    exit 0' tidy

for file in "${files[@]}"; do
    number=$((number + 1))
    if [ -e "$found/$number.tidy" ]; then
        echo "ok $number - $file is tidy"
        passed=$((passed + 1))
    else
        [ -s "$found/$number" ] && sed 's/^/# /' "$found/$number"
        echo "not ok $number - $file is tidy"
        failed=$((failed + 1))
    fi
done
echo "1..$number"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$number" -gt 0 ]
