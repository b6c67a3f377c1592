#!/usr/bin/env bash
# The long form of the fault tests: each runs for the given seconds. Prints a table of the faults, the numbers of jobs,
# and the audits. Arguments: seconds per test (60), then arguments of `swift test`.
#   ops/fault-tests.sh 600 --filter KillStorm
# OFA_FAULT_SEED reproduces the random choices of one test.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
seconds=${1:-60}
if [[ ! $seconds =~ ^[0-9]+$ ]] || ((seconds == 0)); then
    echo "usage: ops/fault-tests.sh [SECONDS] [swift test arguments]" >&2
    exit 64
fi
shift || true
if (($# == 0)); then set -- --filter FaultTests; fi
# shellcheck source=ops/setup.sh
source ops/setup.sh
ofa_setup tests

log=$(mktemp)
trap 'rm -f "$log"' EXIT
flags=(-c release -Xswiftc -enable-testing)
echo "ofa: building the tests in release" >&2
swift build "${flags[@]}" --build-tests >&2
echo "ofa: fault tests of $seconds seconds each" >&2
status=0
OFA_FAULT_SECONDS=$seconds swift test "${flags[@]}" --skip-build --no-parallel "$@" 2>&1 | tee "$log" >&2 || status=$?

# A test's line comes before its verdict, because tests run one after the other.
awk -F ' *[|] *' '
    BEGIN {
        print "| test | seconds | disturbances | jobs | audit |"
        print "|---|---|---|---|---|"
    }
    /^fault table [|]/ { row[++rows] = "| " $2 " | " $3 " | " $4 " | " $5 " | "; pending++; next }
    /recorded an issue/ { bad = 1 }
    /^.* Test ".*(passed|failed) after/ {
        for (i = rows - pending + 1; i <= rows; i++) print row[i] (/ failed after/ || bad ? "FAILED" : "clean") " |"
        pending = 0; bad = 0
    }
    END { for (i = rows - pending + 1; i <= rows; i++) print row[i] "not ended |" }
' "$log"
exit "$status"
