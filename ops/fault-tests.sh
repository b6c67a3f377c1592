#!/usr/bin/env bash
# Runs the fault tests at full size. The first argument, in seconds (default 60), sets how long some tests run, and how
# many rounds others run; further arguments are passed to `swift test`. Prints a table with each test's numbers of
# disturbances (such as kills) and of jobs, and its verdict.
#   ops/fault-tests.sh 600 --filter KillStorm
# OFA_FAULT_SEED repeats one test's random choices; the test prints its seed.
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
echo "ofa: fault tests at full size, $seconds seconds" >&2
status=0
OFA_FAULT_SECONDS=$seconds swift test "${flags[@]}" --skip-build --no-parallel "$@" 2>&1 | tee "$log" >&2 || status=$?

# Tests run one after the other, so a test's lines of the table come before its verdict in the log.
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
