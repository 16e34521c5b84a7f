#!/usr/bin/env bash
# run.sh -- two owners of one store, over a folder and over S3. OWNERS_ROUNDS=50 for the large one.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/s3/gateway.sh
rounds=${OWNERS_ROUNDS:-10}
binary=${B:-build}/cove-server

gateway_begin
summed "two owners over a folder" python3 tests/owners/owners.py --binary "$binary" --rounds "$rounds"
fault=0 control=0
gateway_start && fault=$((S3_PORT + 1)) control=$((S3_PORT + 2)) &&
    gateway_helper fault python3 tests/s3/fault_proxy.py "$fault" "$control" "$S3_PORT" ||
    { echo "not ok - the gateway did not start"; echo "$passed passed, $((failed + 1)) failed"; exit 1; }
summed "two owners over S3" python3 tests/owners/owners.py --binary "$binary" --rounds "$rounds" \
    --store "s3://$S3_BUCKET/owners" --option store-endpoint "$S3_ENDPOINT" \
    --held-endpoint "http://127.0.0.1:$fault" --held-control "$control"
closing
