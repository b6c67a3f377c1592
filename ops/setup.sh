#!/usr/bin/env bash
# Functions that the other scripts in ops source: they check that Swift is installed, and install missing packages of
# Debian or Ubuntu with apt-get, using sudo unless the user is root. If the installation is impossible, they print the
# command to run.

ofa_packages=(pkg-config libpq-dev libssl-dev libopenblas-dev liblz4-dev zlib1g-dev libjpeg-dev libpng-dev postgresql dataset-fashion-mnist)
# Packages for tests only.
ofa_test_packages=(pgbouncer faketime lz4 tmux man-db mandoc)

# Prints those of the given packages that are not installed.
ofa_missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

ofa_install() {
    local missing line
    mapfile -t missing < <(ofa_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    line="apt-get install -y --no-install-recommends ${missing[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "ofa: this machine has no apt-get; install by hand what these packages hold: ${missing[*]}" >&2
        return 1
    fi
    local run=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
            echo "ofa: packages are missing and this user may not install them. As root, run:" >&2
            echo "    apt-get update && $line" >&2
            return 1
        fi
        run=(sudo)
    fi
    echo "ofa: installing ${missing[*]}" >&2
    if ! { "${run[@]}" apt-get update -q >&2 && "${run[@]}" env DEBIAN_FRONTEND=noninteractive bash -c "$line" >&2; }; then
        echo "ofa: the installation failed. As root, run:" >&2
        echo "    apt-get update && $line" >&2
        return 1
    fi
}

ofa_check_swift() {
    local version
    if ! command -v swift >/dev/null; then
        echo "ofa: Swift is not installed; get 6.1 or newer from https://www.swift.org/install" >&2
        return 1
    fi
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -n 1)
    if [ "$(printf '%s\n6.1\n' "${version:-0}" | sort -V | head -n 1)" != 6.1 ]; then
        echo "ofa: Swift ${version:-of unknown version} is too old; 6.1 or newer is needed (https://www.swift.org/install)" >&2
        return 1
    fi
}

# Puts promtool, which checks metrics and alerts, into ~/.cache/ofa, from the distribution's package prometheus. The
# package is not installed, because that would start its services. Without promtool its tests are skipped.
ofa_promtool() {
    local cache="$HOME/.cache/ofa" folder
    if command -v promtool >/dev/null || [ -x "$cache/promtool" ]; then return 0; fi
    folder=$(mktemp -d)
    if (cd "$folder" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb .) >/dev/null 2>&1 \
        && mkdir -p "$cache" && install -m 755 "$folder/usr/bin/promtool" "$cache/promtool"; then
        echo "ofa: promtool is in $cache" >&2
    else
        echo "ofa: the package prometheus cannot be downloaded; tests with promtool are skipped" >&2
    fi
    rm -rf -- "$folder"
}

# `ofa_setup` checks Swift and installs the packages that builds and runs need. `ofa_setup tests` also installs the
# packages that only tests need.
ofa_setup() {
    local packages=("${ofa_packages[@]}")
    if [ "${1:-}" = tests ]; then packages+=("${ofa_test_packages[@]}"); fi
    { ofa_check_swift && ofa_install "${packages[@]}"; } || return 1
    if [ "${1:-}" = tests ]; then ofa_promtool; fi
}

# Calls `ofa_setup`, builds the program ofa, and sets the variable `ofa` to the path of the program.
ofa_build() {
    ofa_setup
    echo "ofa: building (a few minutes the first time)" >&2
    swift build -c release --product ofa >&2
    ofa=$(swift build -c release --show-bin-path)/ofa
}

# Runs a pipeline with the given arguments, and sets `status`. Exit code 2 means that a network exceeds a limit on this
# machine: the network is kept and marked, and the run is complete. Other failures end the script.
ofa_run() {
    status=0
    "$ofa" run "$@" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 2 ] || exit "$status"
}
