#!/usr/bin/env bash
# Checks exported ONNX models in other runtimes, for ten random subnets of each parity fixture's supernet. Each model
# must pass onnx.checker. On 2,000 test images of Fashion-MNIST and 200 drawn pictures, the logits of ONNX Runtime and
# of OpenVINO must differ from ours by at most 1e-4 times the network's largest logit, and top-1 must be the same. Three
# subnets of each supernet are also compared in eight bits: ONNX Runtime's integer operators must give the same top-1 for
# at least 99.5 % of the images of Fashion-MNIST. Takes three to four minutes on two cores. Needs a release build of the tests (ops/test.sh makes it), fixtures of all three
# families, and Python packages, which the script installs from PyPI in a virtual environment outside the repository
# (OFA_ONNX_VENV). If there are no fixtures, if Python or its venv module is not installed, or if pip cannot reach its
# package index, the script says that nothing was checked, and succeeds; any other problem is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
packages=(onnx onnxruntime openvino numpy pillow)
venv=${OFA_ONNX_VENV:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ofa/onnx-venv}
python=$venv/bin/python

skip() {
    echo "check-onnx: NOT CHECKED: $1" >&2
    exit 0
}

fail() {
    echo "check-onnx: FAILED: $1" >&2
    exit 1
}

# The folders in which ONNXExportTests looks for fixtures.
has_fixtures() {
    local folders=(../shared/fixtures/*/ ../shared/families/*/)
    if [ -n "${OFA_FIXTURES:-}" ]; then IFS=: read -r -a folders <<<"$OFA_FIXTURES"; fi
    for folder in "${folders[@]}"; do
        if [ -d "$folder" ]; then return 0; fi
    done
    return 1
}

# What pip says if it cannot connect to its index, or gets no answer.
unreachable='NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError'

imports() {
    "$python" -c 'import onnx, onnxruntime, openvino, numpy, PIL' 2>/dev/null
}

has_fixtures || skip "no parity fixtures (OFA_FIXTURES)"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if ! imports; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 with its venv module is not installed"
    python3 -m venv "$venv" >"$out/log" 2>&1 || fail "python3 -m venv $venv: $(tail -n 1 "$out/log")"
    "$python" -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 "${packages[@]}" \
        >"$out/log" 2>&1 || {
        grep -q -E "$unreachable" "$out/log" && skip "only because pip cannot reach its package index"
        tail -n 5 "$out/log" >&2
        fail "pip cannot install ${packages[*]}"
    }
    imports || fail "the packages in $venv cannot be imported"
fi
"$python" -m pip list --disable-pip-version-check 2>/dev/null | grep -E '^(onnx|onnxruntime|openvino|numpy) ' >&2 || true

bin=$(swift build -c release --show-bin-path)
"$bin/ofa" dataset draw "$out/drawn" --classes 10 --train 1 --test 20 >&2
"$python" ops/check-onnx.py prepare "$out" "${OFA_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}" "$out/drawn"
OFA_ONNX_FOLDER=$out swift test -c release -Xswiftc -enable-testing --skip-build --filter ONNXExportTests >"$out/log" 2>&1 || {
    tail -n 40 "$out/log" >&2
    exit 1
}
compgen -G "$out/*.onnx" >/dev/null || fail "there are fixtures, but ONNXExportTests wrote no model"
"$python" ops/check-onnx.py compare "$out"
