#!/usr/bin/env bash
# The demo on a fresh machine: installs missing packages, builds, trains one supernet on Fashion-MNIST and specialises
# it for three devices. The run takes about ten minutes on two cores and uses a private PostgreSQL in .ofa/ (or
# OFA_HOME).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
# shellcheck source=ops/setup.sh
source ops/setup.sh
ofa_setup
echo "ofa: building (a few minutes the first time)" >&2
swift build -c release --product ofa >&2
ofa=$(swift build -c release --show-bin-path)/ofa
# Exit code 2 means that a network misses a limit on this machine. The network is kept and marked, and the run is
# complete.
status=0
"$ofa" run pipelines/fashion-mnist-quick.yaml "$@" || status=$?
[ "$status" -eq 0 ] || [ "$status" -eq 2 ] || exit "$status"
cat <<TEXT

Add a device of your own; nothing is trained for it (the database is the one of this folder):

    cd $here
    $ofa device add my-board --kind microcontroller --max-flash-kb 200 --max-peak-memory-kb 48
    $ofa specialize --device my-board --wait --html my-board.html

The costs, also of every device as a share of the run, and the lineage of a network:

    $ofa cost
    $ofa artifacts list --kind subnet
    $ofa lineage up ARTIFACT

The private database is still running; $ofa db stop ends it.
TEXT
exit "$status"
