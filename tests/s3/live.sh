#!/bin/bash
# live.sh -- the S3 store against a real gateway: plain, through TLS with a test CA, and through
# the fault proxy. Starts what it needs in a temporary folder, and ends it by pid.
#
#   live.sh [BINARY] [WORD]     the binary of s3_live.c; WORD picks tests by their sentence
#
# With S3_ENDPOINT set, that server is used, and none is started.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=${1:-$here/../../build/tests/s3/s3_live} word=${2:-}
port=${S3_PORT:-7480}
[ -x "$binary" ] || { echo "live: $binary is not built (make build/tests/s3/s3_live)" >&2; exit 1; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/s3-live.XXXXXX")
pids=() own=no
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    [ $own = no ] || "$here/s3-server.sh" stop "$dir/s3"
    rm -rf "$dir"
}
trap finish EXIT

# Runs a helper and waits for its "ready".
helper() {
    local log=$dir/$1.log
    shift
    : >"$log"
    "$@" >"$log" 2>&1 &
    pids+=($!)
    for _ in $(seq 100); do
        if grep -q '^ready' "$log"; then return 0; fi
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "live: $1 did not start:" >&2
    cat "$log" >&2
    return 1
}

if [ -z "${S3_ENDPOINT:-}" ]; then
    own=yes
    export S3_BYTES=${S3_BYTES:-2147483648} # The large objects of all passes together.
    settings=$("$here/s3-server.sh" start "$dir/s3" "$port")
    eval "$settings"
fi
export S3_ENDPOINT S3_BUCKET AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION
target=${S3_ENDPOINT##*:}
tls=$((port + 1)) fault=$((port + 2)) control=$((port + 3)) keys=$((port + 4))
helper tls python3 "$here/tls-front.py" "$dir/tls" "$tls" "$target"
helper fault python3 "$here/fault_proxy.py" "$fault" "$control" "$target"
helper keys python3 "$here/keys-server.py" "$keys" 4
export S3_KEYS_PORT=$keys
export S3_FAULT_ENDPOINT=http://127.0.0.1:$fault S3_FAULT_CONTROL=$control
export S3_TLS_ENDPOINT=https://127.0.0.1:$tls S3_TLS_CA=$dir/tls/ca.pem
export S3_TLS_OTHER_CA=$dir/tls/other-ca.pem

rc=0
echo "# plain"
"$binary" ${word:+"$word"} || rc=1
echo "# through TLS"
S3_ENDPOINT=$S3_TLS_ENDPOINT S3_CA=$S3_TLS_CA "$binary" "store:" || rc=1
exit $rc
