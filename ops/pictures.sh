#!/usr/bin/env bash
# The second demo: installs missing packages, builds, draws a folder of pictures in .ofa/ (or OFA_HOME), trains one
# supernet on these pictures and specialises it for three devices. Arguments are passed to `ofa run`. With
# `--set stages.data.folder=~/my-pictures --set space.classes=N` it trains on your own pictures, and draws none.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
# shellcheck source=ops/setup.sh
source ops/setup.sh
ofa_build
case "$*" in
*stages.data.folder=*) ;;
*)
    "$ofa" dataset draw "${OFA_HOME:-.ofa}/pictures" --classes 20 --train 200 --test 50 >&2
    [ -z "${OFA_HOME:-}" ] || set -- --set "stages.data.folder=$OFA_HOME/pictures" "$@"
    ;;
esac
ofa_run pipelines/pictures.yaml "$@"
cat <<TEXT

Look at the pictures that were learnt, and at what was made of them:

    cd $here
    $ofa status
    $ofa dataset show pictures-dataset -o sheet.png
    $ofa artifacts list --kind subnet

A network for a device of your own, and the costs:

    $ofa device add my-board --kind microcontroller --max-flash-kb 900 --max-peak-memory-kb 100
    $ofa specialize --device my-board --wait --html my-board.html
    $ofa cost

Your own folder, with the pictures of each class in a folder named for it:

    ops/pictures.sh --set stages.data.folder=~/my-pictures --set space.classes=N

The private database is still running; $ofa db stop ends it.
TEXT
exit "$status"
