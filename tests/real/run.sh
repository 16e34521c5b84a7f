#!/usr/bin/env bash
# run.sh -- real input: all words of GloVe as a vector set, a distribution source package as a volume.
#
#   tests/real/run.sh [file|s3|file,s3]      over a folder (the default), over a real S3 server, or both
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/s3/gateway.sh
read -ra stores <<<"$(tr , ' ' <<<"${*:-file}")"
gateway_begin
for store in "${stores[@]}"; do
    case $store in
    file)
        summed "a source tree, over a folder" python3 tests/real/source_tree.py
        summed "all words, over a folder" python3 tests/real/glove.py
        ;;
    s3)
        export S3_BYTES=${S3_BYTES:-4294967296}
        if gateway_start; then
            summed "a source tree, over S3" python3 tests/real/source_tree.py \
                --store "s3://$S3_BUCKET/tree" --endpoint "$S3_ENDPOINT"
            summed "all words, over S3" python3 tests/real/glove.py \
                --store "s3://$S3_BUCKET/glove" --endpoint "$S3_ENDPOINT"
        else
            echo "not ok - the S3 server did not start"
            failed=$((failed + 1))
        fi
        ;;
    *)
        echo "not ok - there is no store $store: file, s3"
        failed=$((failed + 1))
        ;;
    esac
done
closing
