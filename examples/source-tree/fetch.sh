#!/usr/bin/env bash
# fetch.sh -- the sources of a distribution package, unpacked; prints the folder.
#
#   examples/source-tree/fetch.sh [PACKAGE] [INTO]       curl, build/data/source
#
# apt downloads and verifies them. The machine's own package sources stay as they are: the list, what
# apt fetches and what it remembers stand under INTO.
set -euo pipefail
package=${1:-curl}
into=${2:-$(cd "$(dirname "$0")/../.." && pwd)/build/data/source}
done_file=$into/$package/done

if [ -s "$done_file" ] && [ -d "$(cat "$done_file")" ]; then
    cat "$done_file"
    exit
fi

# shellcheck disable=SC1091
. /etc/os-release
case $ID in
debian) url=http://deb.debian.org/debian keys=/usr/share/keyrings/debian-archive-keyring.gpg ;;
ubuntu) url=http://archive.ubuntu.com/ubuntu keys=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;;
*) echo "fetch.sh knows where Debian and Ubuntu keep their sources, not $ID" >&2; exit 1 ;;
esac

rm -rf "${into:?}/$package"
mkdir -p "$into/$package" "$into/lists/partial" "$into/cache/archives/partial"
into=$(cd "$into" && pwd)
echo "deb-src [signed-by=$keys] $url $VERSION_CODENAME main" >"$into/sources.list"
apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$into/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$into/lists" -o Dir::Cache="$into/cache" -o APT::Sandbox::User=root \
        -o Acquire::Languages=none -o Acquire::Retries=3 "$@" >>"$into/apt.log" 2>&1 || {
        tail -n 5 "$into/apt.log" >&2
        echo "fetch.sh: apt-get $1 failed, see $into/apt.log" >&2
        exit 1
    }
}
: >"$into/apt.log"
apt update
cd "$into/$package"
apt source --download-only "$package"
mkdir tree
for archive in ./*.orig.tar.*; do
    case $archive in *.asc) continue ;; esac
    tar -xf "$archive" -C tree
done
set -- tree/*/
[ $# -eq 1 ] && [ -d "$1" ] || { echo "fetch.sh: $package has no single source tree" >&2; exit 1; }
echo "$into/$package/${1%/}" >"$done_file"
cat "$done_file"
