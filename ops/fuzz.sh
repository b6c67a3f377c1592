#!/usr/bin/env bash
# Feeds seeded mutations to every parser of data sets, pictures, weights, predictors and architectures: at least INPUTS
# inputs for each (default a million, which takes about an hour). A finding is printed with its seed and case; add its input to the
# corpus. If the clang of this Swift toolchain links libFuzzer, libFuzzer then tests the picture decoders for SECONDS
# (default 60).
#   ops/fuzz.sh [INPUTS] [SECONDS]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
inputs=${1:-1000000}
seconds=${2:-60}
if [[ ! $inputs =~ ^[1-9][0-9]*$ || ! $seconds =~ ^[0-9]+$ ]]; then
    echo "usage: ops/fuzz.sh [INPUTS] [SECONDS]" >&2
    exit 64
fi
# shellcheck source=ops/setup.sh
source ops/setup.sh
ofa_setup

flags=(-c release -Xswiftc -enable-testing)
echo "ofa: building the tests in release" >&2
swift build "${flags[@]}" --build-tests >&2
# Each test runs a fraction of OFA_FUZZ_CASES inputs. The number after a suite is the reciprocal of the smallest
# fraction among the suite's tests.
while read -r suite factor; do
    echo "ofa: $suite, at least $inputs inputs for every parser" >&2
    OFA_FUZZ_CASES=$((inputs * factor)) swift test "${flags[@]}" --skip-build --filter "$suite"
done <<TEXT
PictureMutationTests 20
FormsFuzzTests 100
PictureShardTests/mutated 200
InterchangeFuzzTests/checkpoints 10
InterchangeFuzzTests/pickles 20
InterchangeFuzzTests/safetensors 20
InterchangeFuzzTests/supernets 50
CommandFuzzTests/importing 20
SupernetFileTests/mutated 200
SearchFuzzTests 20
MeasuredNetworksTests/mutated 20
ArchitectureTests/mutated 20
TEXT

fuzzer=$(mktemp -d)
trap 'rm -rf "$fuzzer"' EXIT
clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang
sanitizers=-fsanitize=fuzzer,address,undefined
echo 'int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n) { return b && n > 1 ? 0 : 0; }' >"$fuzzer/try.c"
if ! "$clang" "$sanitizers" "$fuzzer/try.c" -o "$fuzzer/try" 2>"$fuzzer/log"; then
    echo "ofa: libFuzzer does not link with $clang; skipped:" >&2
    head -3 "$fuzzer/log" >&2
    exit
fi
"$clang" -O1 -g "$sanitizers" -ISources/CPictures -ISources/CPictures/include \
    ops/fuzz/pictures.c Sources/CPictures/*.c -ljpeg -lpng -lm -o "$fuzzer/pictures"
mkdir "$fuzzer/found" "$fuzzer/findings"
if ! "$fuzzer/pictures" -max_len=65536 -rss_limit_mb=512 -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$fuzzer/findings/" "$fuzzer/found" ops/fuzz/corpus/jpeg ops/fuzz/corpus/png; then
    kept=$(mktemp -d)
    cp "$fuzzer"/findings/* "$kept"
    echo "ofa: libFuzzer found something; the input is in $kept: add it to ops/fuzz/corpus" >&2
    exit 1
fi
