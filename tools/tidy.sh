#!/usr/bin/env bash
# tidy.sh -- clang-tidy over server/ and modules/, or over the files named. Any finding fails.
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0 failed=0 number=0
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(find server modules -name '*.c' | sort); fi
for file in "${files[@]}"; do
    number=$((number + 1))
    if out=$(clang-tidy --quiet "$file" -- -std=c11 -D_GNU_SOURCE -Iserver -I. 2>/dev/null); then
        echo "ok $number - $file is tidy"
        passed=$((passed + 1))
    else
        sed 's/^/# /' <<<"$out"
        echo "not ok $number - $file is tidy"
        failed=$((failed + 1))
    fi
done
echo "1..$number"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$number" -gt 0 ]
