#!/usr/bin/env bash
# vectors.sh -- `make bench-vectors`: vector sets side by side with libraries and Redis 8; installs the peers of
# peers.txt into build/bench/venv first. A peer that cannot be had fails it loudly.
#
#   tests/bench/vectors.sh [arguments of vectors.py]
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=build/bench/venv
pins=tests/bench/peers.txt

install() {
    rm -rf "$venv"
    python3 -m venv "$venv"
    grep -Ev '^(#|hnswlib)' "$pins" >"$venv/first.txt"
    "$venv/bin/pip" -q --disable-pip-version-check install -r "$venv/first.txt"
    # Its own build asks for -march=native, which would be AVX-512 on some machines and not on others.
    HNSWLIB_NO_NATIVE=1 CFLAGS=-march=x86-64-v3 CXXFLAGS=-march=x86-64-v3 "$venv/bin/pip" -q --disable-pip-version-check install \
        --no-build-isolation --no-binary hnswlib --no-cache-dir "$(grep '^hnswlib' "$pins")"
    cp "$pins" "$venv/installed.txt"
}

if ! cmp -s "$pins" "$venv/installed.txt"; then
    install || { echo "vectors: a peer of $pins cannot be had" >&2; exit 1; }
fi
# One thread each, and no kernels beyond AVX2.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=2 OPENBLAS_CORETYPE=Haswell FAISS_SIMD_LEVEL=AVX2
exec "$venv/bin/python" tests/bench/vectors.py "$@"
