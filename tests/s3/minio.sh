#!/usr/bin/env bash
# minio.sh -- the store and the server against MinIO at a pinned version, for `make test-large`.
# MinIO is built from its Go module, once, into build/peers: some five minutes, with Go 1.24
# or one that fetches it (1.21 and later; the 1.19 of Debian 12 does not). That of April
# 2025 creates an object on If-Match of an absent name; the server refuses to start over it.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/s3/gateway.sh
version=v0.0.0-20260212201848-7aac2a2c5b7c
B=${B:-build}
peers=$PWD/build/peers/minio-$version

make --no-print-directory -s "$B/tests/s3/s3_live" "$B/cove-server" || { echo "0 passed, 1 failed"; exit 1; }
if [ ! -x "$peers/minio" ]; then
    GOBIN=$peers go install "github.com/minio/minio@$version" ||
        { echo "not ok - MinIO does not build"; echo "0 passed, 1 failed"; exit 1; }
fi
gateway_begin
S3_PORT=$(gateway_port)
export S3_PORT S3_ENDPOINT=http://127.0.0.1:$S3_PORT S3_BUCKET=test-bucket
export AWS_ACCESS_KEY_ID=test-access AWS_SECRET_ACCESS_KEY=test-secret AWS_REGION=us-east-1
MINIO_ROOT_USER=$AWS_ACCESS_KEY_ID MINIO_ROOT_PASSWORD=$AWS_SECRET_ACCESS_KEY MINIO_UPDATE=off \
    HOME=$dir "$peers/minio" server --quiet --address "127.0.0.1:$S3_PORT" \
    --console-address "127.0.0.1:$((S3_PORT + 9))" "$dir/minio" >"$dir/minio.log" 2>&1 </dev/null &
gateway_pids+=($!)
make_bucket() {
    curl -sf -o /dev/null -X PUT --aws-sigv4 aws:amz:us-east-1:s3 -u test-access:test-secret \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$S3_ENDPOINT/$S3_BUCKET"
}
made=no
for _ in $(seq 100); do
    if make_bucket; then made=yes; break; fi
    sleep 0.2
done
[ $made = yes ] || { cat "$dir/minio.log"; echo "not ok - MinIO did not start"; echo "0 passed, 1 failed"; exit 1; }
summed "the store against MinIO" tests/s3/live.sh "$B/tests/s3/s3_live"
summed "kill -9 at a random moment, over MinIO" python3 tests/crash/crash.py --binary "$B/cove-server" \
    --rounds "${S3_ROUNDS:-6}" --seconds 1.5 --store "s3://$S3_BUCKET/crash" \
    --option store-endpoint "$S3_ENDPOINT"
closing
