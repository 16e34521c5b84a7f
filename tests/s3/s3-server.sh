#!/bin/bash
# s3-server.sh -- a real S3 server for tests, on loopback, in a folder that the caller names:
# the distribution's Ceph with one monitor, one object daemon in memory and one RADOS Gateway.
#
#   s3-server.sh start DIR [PORT]   installs what is missing, starts, waits until the gateway
#                                   answers, makes a user and a bucket, then prints shell
#                                   assignments: S3_ENDPOINT S3_BUCKET AWS_ACCESS_KEY_ID
#                                   AWS_SECRET_ACCESS_KEY AWS_REGION
#   s3-server.sh stop DIR           ends the processes that start began, by their pids
#
# S3_BYTES sets the size of the object daemon's memory (1 GiB). When it is full, writes wait
# for ever; deleted objects are gone from it after some 20 s. Nothing outlives a stop.
# About 20 s to start and 270 MiB of memory.
#
# Where this gateway (16.2) differs from AWS: If-Match compares with an etag without quotes;
# If-Match on an absent name answers 412; writers that contend may see 500, to be tried again.
set -euo pipefail

PACKAGES="ceph-mon ceph-osd ceph-common radosgw curl"
command=${1:-} dir=${2:-} port=${3:-7480}
running=no

say() { echo "s3-server: $*" >&2; }
fail() {
    say "$*"
    if [ "$running" = yes ]; then stop; fi
    exit 1
}

# Runs "$@" until it succeeds, at most $1 times, a little apart.
retry() {
    local times=$1
    shift
    for _ in $(seq "$times"); do
        if "$@"; then return 0; fi
        sleep 0.5
    done
    return 1
}

end_pid() {
    local file=$1 pid
    [ -s "$file" ] || return 0
    pid=$(cat "$file")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$file"
}

stop() {
    for name in rgw osd.0 mon.a; do end_pid "$dir/run/$name.pid"; done
}

install_packages() {
    local as= log=${TMPDIR:-/tmp}/s3-server-apt.log
    for tool in ceph-mon ceph-osd ceph radosgw radosgw-admin curl; do
        command -v "$tool" >/dev/null || as=missing
    done
    [ -n "$as" ] || return 0
    as=; [ "$(id -u)" = 0 ] || as=sudo
    export DEBIAN_FRONTEND=noninteractive
    local opts="-o DPkg::Lock::Timeout=600"
    # shellcheck disable=SC2086
    { $as apt-get $opts update && $as apt-get $opts install -y --no-install-recommends $PACKAGES; } \
        >"$log" 2>&1 || fail "cannot install $PACKAGES, see $log"
}

write_conf() {
    local fsid=$1 mon=$2
    cat >"$conf" <<CONF
[global]
    fsid = $fsid
    mon_host = [v2:127.0.0.1:$mon/0,v1:127.0.0.1:$((mon + 1))/0]
    public_network = 127.0.0.0/8
    keyring = $dir/keyring
    log_file = $dir/log/\$name.log
    pid_file = $dir/run/\$type.\$id.pid
    admin_socket = $dir/run/\$name.asok
    run_dir = $dir/run
    mon_data = $dir/mon
    osd_data = $dir/osd
    rgw_data = $dir/rgw
    osd_objectstore = memstore
    memstore_device_bytes = ${S3_BYTES:-1073741824}
    osd_pool_default_size = 1
    osd_pool_default_min_size = 1
    osd_pool_default_pg_num = 4
    osd_pool_default_pg_autoscale_mode = off
    osd_crush_chooseleaf_type = 0
    mon_allow_pool_size_one = true
    # What was deleted gives its memory back soon, and not after two hours.
    rgw_gc_obj_min_wait = 10
    rgw_gc_processor_period = 10
    rgw_gc_processor_max_time = 60
CONF
}

mon_answers() { timeout 5 ceph -c "$conf" -s >/dev/null 2>&1; }
osd_is_up() { timeout 5 ceph -c "$conf" osd stat 2>/dev/null | grep -q '1 up'; }
gateway_answers() { curl -s -o /dev/null "http://127.0.0.1:$port/"; }

# cephx stays on: without it the gateway hangs.
start_mon() {
    local fsid=$1 mon=$2 ring=$dir/keyring
    ceph-authtool --create-keyring --gen-key -n mon. "$ring" --cap mon 'allow *'
    ceph-authtool --gen-key -n client.admin "$ring" --cap mon 'allow *' --cap osd 'allow *' \
        --cap mgr 'allow *' --cap mds 'allow *'
    monmaptool --create --fsid "$fsid" \
        --addv a "[v2:127.0.0.1:$mon,v1:127.0.0.1:$((mon + 1))]" "$dir/monmap"
    ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$ring"
    ceph-mon -c "$conf" -i a
    retry 60 mon_answers
}

start_osd() {
    local uuid
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph -c "$conf" osd new "$uuid"
    ceph -c "$conf" auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' \
        mgr 'allow profile osd' >>"$dir/keyring"
    # mkfs of a memory store complains and works.
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" || true
    ceph -c "$conf" osd crush add osd.0 1.0 host=localhost root=default
    ceph-osd -c "$conf" -i 0
    retry 60 osd_is_up
}

start_gateway() {
    setsid radosgw -c "$conf" -n client.admin -f \
        --rgw_frontends "beast endpoint=127.0.0.1:$port tcp_nodelay=1" \
        >>"$dir/log/rgw.out" 2>&1 </dev/null &
    echo $! >"$dir/run/rgw.pid"
    retry 120 gateway_answers
    timeout 60 radosgw-admin -c "$conf" user create --uid=test --display-name=test \
        --access-key=test-access --secret-key=test-secret
    curl -sf -o /dev/null -X PUT --aws-sigv4 aws:amz:us-east-1:s3 -u test-access:test-secret \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "http://127.0.0.1:$port/test-bucket"
}

start() {
    install_packages
    mkdir -p "$dir"
    [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty"
    dir=$(cd "$dir" && pwd)
    conf=$dir/ceph.conf
    mkdir "$dir"/{mon,osd,rgw,run,log}
    export CEPH_CONF=$conf
    running=yes
    local fsid mon=$((port + 20000)) log=$dir/log/start.log
    fsid=$(cat /proc/sys/kernel/random/uuid)
    write_conf "$fsid" "$mon"
    # Not "start_mon || fail": under || a failing line inside would not end the function.
    for part in "start_mon $fsid $mon" start_osd start_gateway; do
        set +e
        # shellcheck disable=SC2086
        (set -e; $part) >>"$log" 2>&1
        local rc=$?
        set -e
        [ $rc = 0 ] || fail "${part%% *} failed, see $log"
    done
    cat <<OUT
S3_ENDPOINT=http://127.0.0.1:$port
S3_BUCKET=test-bucket
AWS_ACCESS_KEY_ID=test-access
AWS_SECRET_ACCESS_KEY=test-secret
AWS_REGION=us-east-1
OUT
}

[ -n "$dir" ] || fail "usage: s3-server.sh start DIR [PORT] | stop DIR"
case $command in
start) start ;;
stop) stop ;;
*) fail "usage: s3-server.sh start DIR [PORT] | stop DIR" ;;
esac
