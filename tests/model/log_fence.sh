#!/usr/bin/env bash
# log_fence.sh -- checks log_fence.pml with spin, as it is or with one rule broken.
#
#   log_fence.sh [-DOWNERS=n] [-DNO_FILL ...]
#
# Exit status 0: no error in all states that there are. 1: an error was found. 2: it could not be
# checked (no spin, no compiler, out of memory or depth), which never counts as right.
set -uo pipefail
model=$(cd "$(dirname "$0")" && pwd)/log_fence.pml
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
spin -a "$@" "$model" >spin.log 2>&1 || { cat spin.log; exit 2; }
${CC:-cc} -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM="${MODEL_MB:-3000}" -o pan pan.c || exit 2
./pan -m100000 >pan.log 2>&1 || { cat pan.log; exit 2; }
grep -E 'errors:|assertion|states, stored' pan.log
if grep -q 'errors: 0' pan.log; then
    if grep -qE 'max search depth too small|reached -DMEMLIM|Search not completed' pan.log; then
        cat pan.log
        exit 2
    fi
    exit 0
fi
exit 1
