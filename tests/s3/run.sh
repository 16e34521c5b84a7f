#!/usr/bin/env bash
# run.sh -- the stage of S3: the store's own test against a real gateway, plain, through TLS and
# through the fault proxy; then the server itself over the same gateway.
#
#   S3_ROUNDS=20   rounds of kill -9 over S3 (6); of each kind of trouble half as many
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/s3/gateway.sh
rounds=${S3_ROUNDS:-6}
B=${B:-build}
binary=$B/cove-server

make --no-print-directory -s "$B/tests/s3/s3_live" "$binary" || { echo "0 passed, 1 failed"; exit 1; }
gateway_begin
export S3_BYTES=${S3_BYTES:-4294967296}
gateway_start || { echo "not ok - the gateway did not start"; echo "0 passed, 1 failed"; exit 1; }
summed "the store against the gateway" tests/s3/live.sh "$B/tests/s3/s3_live"

tls=$((S3_PORT + 5)) fault=$((S3_PORT + 6)) control=$((S3_PORT + 7))
gateway_helper tls python3 tests/s3/tls-front.py "$dir/tls" "$tls" "$S3_PORT" &&
    gateway_helper fault python3 tests/s3/fault_proxy.py "$fault" "$control" "$S3_PORT" 7 ||
    { echo "$passed passed, $((failed + 1)) failed"; exit 1; }

crash() { # name, further arguments
    local name=$1
    shift
    python3 tests/crash/crash.py --binary "$binary" --store "s3://$S3_BUCKET/crash/$name" "$@"
}
plain=(--option store-endpoint "$S3_ENDPOINT")
proxy=(--option store-endpoint "http://127.0.0.1:$fault" --fault-control "$control")
half=$(((rounds + 1) / 2))

summed "kill -9 at a random moment, over S3" crash plain --rounds "$rounds" --seconds 1.5 "${plain[@]}"
summed "the tour through TLS" python3 tests/s3/tour.py --binary "$binary" \
    --store "s3://$S3_BUCKET/tour" --endpoint "https://127.0.0.1:$tls" \
    --ca "$dir/tls/ca.pem" --other-ca "$dir/tls/other-ca.pem"
summed "kill -9 while the store fails" crash failing --rounds "$half" --seconds 2 "${proxy[@]}" \
    --fault "chance * * 0.05 503" --fault "chance * * 0.03 500" --fault "chance * * 0.03 drop-request" \
    --fault "chance PUT * 0.06 409"
summed "kill -9 while the store is slow" crash slow --rounds "$half" --seconds 3 "${proxy[@]}" \
    --fault "chance * * 0.1 delay 0.5" --fault "chance PUT * 0.1 hold 0.4" --fault "chance * * 0.02 delay 2"
summed "kill -9 while the store answers late, or not, what it has done" crash late --rounds "$half" \
    --seconds 2 "${proxy[@]}" --fault "chance PUT * 0.05 drop-response" \
    --fault "chance PUT * 0.05 late-500" --fault "chance PUT * 0.05 duplicate" \
    --fault "chance PUT log/ 0.15 hold 1.5" --fault "chance GET * 0.03 truncate"
closing
