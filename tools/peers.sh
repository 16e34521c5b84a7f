#!/usr/bin/env bash
# peers.sh -- servers that the tests and the benchmarks compare with, unpacked under
# build/peers and never installed: an installed redis-server would be a running service.
#
#   tools/peers.sh            prints the path of redis-server, fetching it when it is missing
#   tools/peers.sh redis-cli  the same for another program of these packages
#
# The libraries it needs that the machine lacks are unpacked beside it, and a wrapper sets
# LD_LIBRARY_PATH; on a machine that has them the program itself is printed.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-redis-server}
peers=$PWD/build/peers
path=$peers/usr/bin/$program

lacking() { { ldd "$1" || true; } | grep -F 'not found' >/dev/null; }

fetch() { # package...
    local debs
    debs=$(mktemp -d)
    # Root's apt downloads as the user _apt, who must be able to write here.
    chmod 755 "$debs"
    if [ "$(id -u)" -eq 0 ] && id _apt >/dev/null 2>&1; then chown _apt "$debs"; fi
    (cd "$debs" && apt-get -qq download "$@" >&2) || {
        rm -rf "$debs"
        return 1
    }
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$peers"; done
    rm -rf "$debs"
}
fetch_updating() {
    fetch "$@" && return 0
    local as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-get -qq update >&2 && fetch "$@"
}

if [ ! -x "$path" ]; then
    mkdir -p "$peers"
    fetch_updating redis-server redis-tools
    # redis-check-rdb and -aof are links to the server in some versions: not needed here.
    [ -x "$path" ] || { echo "peers: $program is in neither package" >&2; exit 1; }
fi
if lacking "$path"; then
    arch=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
    libs=$peers/usr/lib/$arch:$peers/lib/$arch
    [ -d "$peers/usr/lib/$arch" ] || fetch_updating libatomic1 libjemalloc2 liblzf1 libssl3 libsystemd0 \
        liblua5.1-0 lua-bitop lua-cjson
    wrapper=$peers/$program
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libs" "$path" >"$wrapper.new"
    chmod 755 "$wrapper.new"
    mv "$wrapper.new" "$wrapper"
    if LD_LIBRARY_PATH=$libs lacking "$path"; then
        echo "peers: libraries are missing still:" >&2
        LD_LIBRARY_PATH=$libs ldd "$path" | grep -F 'not found' >&2
        exit 1
    fi
    path=$wrapper
fi
echo "$path"
