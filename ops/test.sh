#!/usr/bin/env bash
# Runs what CI runs: installs packages, checks the format, builds in release and runs every test. The script fails if
# the build has warnings, or if a module imports a module that its target does not list. Arguments, such as
# --filter JobsTests, are passed to `swift test` and select the tests to run. No server runs afterwards.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
# shellcheck source=ops/setup.sh
source ops/setup.sh
ofa_setup tests

echo "ofa: checking the format" >&2
swift format lint --strict --parallel --recursive Package.swift Sources Tests

echo "ofa: building the tests in release" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
flags=(-c release -Xswiftc -enable-testing)
swift build "${flags[@]}" --build-tests --explicit-target-dependency-import-check error 2>&1 | tee "$log"
if grep -E '(Sources|Tests)/.*warning:' "$log"; then
    echo "ofa: the build has warnings; mend them" >&2
    exit 1
fi

# Runs tests. If some fail, their failures are printed again at the end, because the log has thousands of lines.
run_tests() {
    if ! swift test "${flags[@]}" --skip-build "$@" > >(tee "$log") 2>&1; then
        sleep 1 # for the rest of the log
        echo "ofa: what failed:" >&2
        grep -A 3 -E 'recorded an issue|error:|Fatal error' "$log" | grep -v -E '^(◇|✔)' >&2 || tail -40 "$log" >&2
        exit 1
    fi
}

if [ "$#" -gt 0 ]; then
    run_tests "$@"
    exit
fi
# Fault tests run separately: they freeze and kill their processes, which would delay other tests on two cores.
run_tests --skip '^FaultTests\.'
run_tests --filter '^FaultTests\.'
echo "ofa: comparing exported models in other runtimes" >&2
ops/check-onnx.sh
