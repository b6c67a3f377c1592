#!/usr/bin/env bash
# Checks the dashboard in a real browser (Chromium without a window): every page that links lead to, at 1280 and 390 pixels,
# light and dark, for sideways scrolling, console messages and accessibility (axe-core); pages without JavaScript; a page
# that updates while its run trains; the specialise form up to its network; cancel and retry; hostile names. Screenshots
# are left in the folder OFA_SCREENS (default .build/dashboard). Takes about four minutes on two cores. Needs a release
# build of ofa, and Python packages, which the script installs from PyPI in a virtual environment outside the repository
# (OFA_WEB_VENV). If there is no browser or pip cannot reach its package index, the script says that nothing was checked,
# and succeeds; any other problem is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
packages=(selenium axe-playwright-python)
venv=${OFA_WEB_VENV:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ofa/web-venv}
python=$venv/bin/python

skip() {
    echo "check-dashboard: NOT CHECKED: $1" >&2
    exit 0
}

fail() {
    echo "check-dashboard: FAILED: $1" >&2
    exit 1
}

# What pip says if it cannot connect to its index, or gets no answer.
unreachable='NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError'

# The package with axe-core is a file beside a module that would need a browser of its own; only the file is used.
ready() {
    "$python" -c 'import selenium' 2>/dev/null &&
        compgen -G "$venv/lib/python3*/site-packages/axe_playwright_python/axe.min.js" >/dev/null
}

for program in chromium chromedriver; do
    command -v "$program" >/dev/null || skip "$program is not installed (packages chromium and chromium-driver)"
done
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if ! ready; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 with its venv module is not installed"
    python3 -m venv "$venv" >"$out/log" 2>&1 || fail "python3 -m venv $venv: $(tail -n 1 "$out/log")"
    for options in "selenium" "--no-deps axe-playwright-python"; do
        # shellcheck disable=SC2086 # the options are words
        "$python" -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 $options >"$out/log" 2>&1 || {
            grep -q -E "$unreachable" "$out/log" && skip "only because pip cannot reach its package index"
            tail -n 5 "$out/log" >&2
            fail "pip cannot install ${packages[*]}"
        }
    done
    ready || fail "the packages in $venv are not usable"
fi
axe=$(compgen -G "$venv/lib/python3*/site-packages/axe_playwright_python/axe.min.js" | head -1)
bin=$(swift build -c release --show-bin-path)
[ -x "$bin/ofa" ] || fail "there is no release build: ops/test.sh or ops/demo.sh makes it"
screens=${OFA_SCREENS:-.build/dashboard}
mkdir -p "$screens"
"$python" ops/check-dashboard.py "$bin/ofa" "$axe" "$screens" "$out"
