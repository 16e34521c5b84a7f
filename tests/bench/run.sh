#!/usr/bin/env bash
# run.sh -- `make bench`: side by side with peers, in one run; a peer that cannot be had fails it loudly.
set -eu
cd "$(dirname "$0")/../.."
echo "machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(uname -r)"
echo "cove: $(build/cove-server --version)   peer: $("$(tools/peers.sh redis-server | tail -n 1)" --version)"
python3 tests/bench/kv.py "$@"
