#!/bin/bash -eu
# One fuzzer for each property of tests/fuzzing, with seeds and a dictionary for those that take messages.
# OSS-Fuzz and ClusterFuzzLite run it in their images, which have compile_python_fuzzer, Atheris and $OUT.
pip3 install .

seeds=$(mktemp -d)
python3 -m otterproof check reference --only interop --transcripts "$seeds/transcripts" --jobs 1
python3 -m otterproof corpus "$seeds/transcripts" --messages "$seeds/messages" --dictionary "$OUT/otr.dict"

for property in $(python3 -m tests.fuzzing); do
    fuzzer=fuzz_${property//-/_}
    cat >"$fuzzer.py" <<PYTHON
import sys

import atheris
import tests.fuzzing.properties
from tests.fuzzing.__main__ import main

sys.exit(main(["$property", *sys.argv[1:]]))
PYTHON
    compile_python_fuzzer "$fuzzer.py" --collect-all otterproof
    case $property in
    codec | receive)
        (cd "$seeds/messages" && zip -q "$OUT/${fuzzer}_seed_corpus.zip" ./*)
        cp "$OUT/otr.dict" "$OUT/$fuzzer.dict"
        ;;
    esac
done
