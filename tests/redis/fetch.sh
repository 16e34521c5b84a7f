#!/usr/bin/env bash
# fetch.sh -- gets Redis's source package from the distribution, and says where it is unpacked.
#
# Goes to build/redis-suite, once. apt works there in folders of its own, on a copy of this machine's
# sources turned into deb-src lines: what the machine has set up stays as it is. The package is
# checked by apt against the distribution's keys.
set -euo pipefail
cd "$(dirname "$0")/../.."
into=$PWD/build/redis-suite

unpacked() { ls -d "$into"/redis-7.0.*/ 2>/dev/null | head -n 1 || true; }
found=$(unpacked)
if [ -z "$found" ]; then
    mkdir -p "$into"/apt/{sources,state/lists/partial,cache/archives/partial}
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -f "$f" ] && grep -qE '(debian\.org|ubuntu\.com)' "$f" || continue
        sed -e 's/^Types:.*/Types: deb-src/' -e 's/^deb /deb-src /' "$f" >"$into/apt/sources/${f##*/}"
    done
    apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$into/apt/sources"
         -o "Dir::State=$into/apt/state" -o Dir::State::status=/var/lib/dpkg/status
         -o "Dir::Cache=$into/apt/cache" -o "APT::Sandbox::User=$(id -un)")
    "${apt[@]}" update >&2
    (cd "$into" && "${apt[@]}" source --only-source redis >&2)
    rm -rf "$into/apt"
    found=$(unpacked)
fi
[ -n "$found" ] || { echo "fetch: the distribution's redis is not 7.0: set REDIS_SUITE" >&2; exit 1; }
echo "$found"
