#!/usr/bin/env bash
# run.sh -- `make bench`: side by side with peers, in one run; a peer that cannot be had fails it loudly.
#
#   tests/bench/run.sh [--quick]
set -euo pipefail
cd "$(dirname "$0")/../.."
echo "machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(uname -r)"
echo "cove: $(build/cove-server --version)   peer: $("$(tools/peers.sh redis-server | tail -n 1)" --version)"
python3 tests/bench/kv.py "$@"
python3 tests/bench/files.py
# Durable writes once more, over a real S3 server on this machine.
. tests/s3/gateway.sh
gateway_begin
gateway_start || { echo "the S3 gateway did not start" >&2; exit 1; }
python3 tests/bench/kv.py --s3 "s3://$S3_BUCKET/bench" --endpoint "$S3_ENDPOINT" "$@"
