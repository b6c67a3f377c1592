#!/usr/bin/env bash
# All tests, the way CI runs them: set-up, format, release build without warnings and with the import graph checked,
# then every test in release. Leaves no server behind. Arguments go to `swift test`, such as --filter JobsTests.
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
if [ "$#" -gt 0 ]; then
    swift test "${flags[@]}" --skip-build "$@"
    exit
fi
# Fault tests stop and kill what they start: others beside them on two cores would make each other wait.
swift test "${flags[@]}" --skip-build --skip '^FaultTests\.'
swift test "${flags[@]}" --skip-build --filter '^FaultTests\.'
