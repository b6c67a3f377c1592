#!/usr/bin/env bash
# The demo on a fresh machine: installs missing packages, builds, trains one supernet on Fashion-MNIST and specialises
# it for three devices. The run takes about ten minutes on two cores and uses a private PostgreSQL in .ofa/ (or
# OFA_HOME).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
# shellcheck source=ops/setup.sh
source ops/setup.sh
ofa_build
ofa_run pipelines/fashion-mnist-quick.yaml "$@"
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
