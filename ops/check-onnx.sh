#!/usr/bin/env bash
# Checks exported ONNX models in other runtimes: ten random subnets of each parity fixture's supernet pass onnx.checker,
# and ONNX Runtime's and OpenVINO's logits on 2,000 test images of Fashion-MNIST and 200 drawn pictures are ours within
# 1e-4 of the network's largest logit, with the same top-1. Needs a release build of the tests (ops/test.sh makes it),
# fixtures, and Python packages from PyPI in a virtual environment outside the repository (OFA_ONNX_VENV). Without
# fixtures, Python or PyPI the script says that nothing was checked, and succeeds. Takes two to three minutes on two cores.
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

imports() {
    "$python" -c 'import onnx, onnxruntime, openvino, numpy, PIL' 2>/dev/null
}

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if ! imports; then
    python3 -m venv "$venv" >"$out/log" 2>&1 || skip "python3 -m venv failed: $(tail -n 1 "$out/log")"
    "$python" -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 "${packages[@]}" \
        >"$out/log" 2>&1 || skip "pip cannot install ${packages[*]}: $(tail -n 1 "$out/log")"
    imports || skip "the packages in $venv cannot be imported"
fi
"$python" -m pip list --disable-pip-version-check 2>/dev/null | grep -E '^(onnx|onnxruntime|openvino|numpy) ' >&2 || true

bin=$(swift build -c release --show-bin-path)
"$bin/ofa" dataset draw "$out/drawn" --classes 10 --train 1 --test 20 >&2
"$python" ops/check-onnx.py prepare "$out" "${OFA_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}" "$out/drawn"
OFA_ONNX_FOLDER=$out swift test -c release -Xswiftc -enable-testing --skip-build --filter ONNXExportTests >"$out/log" 2>&1 || {
    tail -n 40 "$out/log" >&2
    exit 1
}
compgen -G "$out/*.onnx" >/dev/null || skip "no parity fixtures (OFA_FIXTURES)"
"$python" ops/check-onnx.py compare "$out"
