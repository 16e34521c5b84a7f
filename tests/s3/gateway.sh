# gateway.sh -- to be sourced: one S3 server and helpers for a stage's tests, in a temporary folder,
# ended by pid when the stage ends, however it ends.
#
#   gateway_begin            makes $dir, and sees to its end
#   gateway_start            starts the S3 server on a free port and exports what reaches it:
#                            S3_ENDPOINT S3_BUCKET AWS_*; S3_PORT, with S3_PORT+1 .. +9 free
#   gateway_helper NAME CMD  runs a helper and waits for its "ready"
#   summed SENTENCE CMD      runs a test program, shows it, and adds up every closing line in it
#   closing                  the closing line of all; exit status 1 when anything failed
gateway_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gateway_pids=() gateway_own=no
passed=0 failed=0

gateway_end() {
    for pid in ${gateway_pids[@]+"${gateway_pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
    wait ${gateway_pids[@]+"${gateway_pids[@]}"} 2>/dev/null
    [ $gateway_own = no ] || "$gateway_here/s3-server.sh" stop "$dir/s3"
    rm -rf "$dir"
}

gateway_begin() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/cove-s3.XXXXXX")
    trap gateway_end EXIT
    trap 'exit 1' INT TERM
}

# A port with nine free ones behind it, and two for the monitor 20,000 above.
gateway_port() {
    python3 - <<'PY'
import random
import socket

def free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False

while True:
    base = random.randrange(6500, 12000, 10)
    if all(free(p) for p in [*range(base, base + 10), base + 20000, base + 20001]):
        print(base)
        break
PY
}

gateway_start() {
    local settings
    S3_PORT=$(gateway_port)
    gateway_own=yes
    settings=$("$gateway_here/s3-server.sh" start "$dir/s3" "$S3_PORT") || return 1
    eval "$settings"
    export S3_PORT S3_ENDPOINT S3_BUCKET AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION
}

gateway_helper() {
    local log=$dir/$1.log
    shift
    : >"$log"
    "$@" >"$log" 2>&1 &
    gateway_pids+=($!)
    for _ in $(seq 100); do
        if grep -q '^ready' "$log"; then return 0; fi
        kill -0 "${gateway_pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "a helper did not start: $*" >&2
    cat "$log" >&2
    return 1
}

summed() {
    local log rc ok bad closings started=$SECONDS
    echo "# $1"
    shift
    log=$(mktemp "$dir/summed.XXXXXX")
    "$@" >"$log" 2>&1 </dev/null
    rc=$?
    grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$log"
    closings=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log")
    ok=$(awk '{n += $1} END {print n + 0}' <<<"$closings")
    bad=$(awk '{n += $3} END {print n + 0}' <<<"$closings")
    if [ -z "$closings" ] || { [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
        echo "not ok - exit status $rc: $*"
        bad=$((bad + 1))
    fi
    passed=$((passed + ok)) failed=$((failed + bad))
    echo "# $ok passed, $bad failed in $((SECONDS - started)) s"
}

closing() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
