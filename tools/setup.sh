#!/usr/bin/env bash
# setup.sh -- installs the distribution packages that are missing (Debian, Ubuntu).
#
#   tools/setup.sh build     what the server needs to be built
#   tools/setup.sh test      what the tests need besides
#
# Does nothing, quickly, when all is there. Starts no service: while packages are installed a
# policy-rc.d refuses every start, and it goes away again afterwards. Packages whose purpose is
# a service are not installed at all; tools/peers.sh unpacks those under build/peers.
set -euo pipefail

# A bare word is a package; "command:package" is wanted only when the command is not there,
# however it may have come to the machine.
build=(gcc:gcc make:make pkg-config:pkg-config libc6-dev libcurl4-openssl-dev libssl-dev
       libzstd-dev libjemalloc-dev libroaring-dev libxxhash-dev liburing-dev ca-certificates)
test=(tclsh:tcl clang:clang clang-format:clang-format clang-tidy:clang-tidy
      libclang-rt-14-dev spin:spin libhiredis-dev redis-cli:redis-tools
      python3:python3 python3-venv openssl:openssl curl:curl xz:xz-utils ps:procps dpkg-dev
      node:nodejs npm:npm go:golang-go)

case "${1:-build}" in
build) want=("${build[@]}") ;;
test) want=("${build[@]}" "${test[@]}") ;;
*) echo "usage: tools/setup.sh build|test" >&2; exit 2 ;;
esac

packages=() missing=()
for w in "${want[@]}"; do
    case "$w" in
    *:*) command -v "${w%%:*}" >/dev/null 2>&1 || missing+=("${w#*:}") ;;
    *) packages+=("$w") ;;
    esac
done
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
            sed -n 's/^installed //p' || true)
for p in "${packages[@]}"; do
    grep -qxF -e "$p" <<<"$installed" || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "setup: these packages are missing, and there is neither root nor sudo to" \
             "install them: ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"

policy=/usr/sbin/policy-rc.d placed=0
unplace() { if [ "$placed" = 1 ]; then ${as_root[@]+"${as_root[@]}"} rm -f "$policy"; fi; }
trap unplace EXIT
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | ${as_root[@]+"${as_root[@]}"} tee "$policy" >/dev/null
    placed=1
    ${as_root[@]+"${as_root[@]}"} chmod 755 "$policy"
fi

apt() {
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 -qq "$@" </dev/null
}
apt install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
    apt update
    apt install -y --no-install-recommends "${missing[@]}"
}
