#!/usr/bin/env bash
# Installs ofa with its manual pages and shell completions, below ~/.local, or below /usr/local for root.
#
#   ops/install.sh [--prefix DIR] [--program FILE]
#   ops/install.sh --uninstall [--prefix DIR]
#
# --program takes a built program in place of a new build. --uninstall removes what was installed below the same folder.
set -euo pipefail

prefix=$HOME/.local program= uninstall=
if [ "$(id -u)" -eq 0 ]; then prefix=/usr/local; fi
while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --program)
            [ -n "${2:-}" ] || { echo "ofa: $1 needs a value" >&2; exit 64; }
            if [ "$1" = --prefix ]; then prefix=$2; else program=$2; fi
            shift 2
            ;;
        --uninstall) uninstall=yes; shift ;;
        -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "ofa: unknown option $1; see ops/install.sh --help" >&2; exit 64 ;;
    esac
done
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac

man=$prefix/share/man
bash=$prefix/share/bash-completion/completions/ofa
zsh=$prefix/share/zsh/site-functions/_ofa
fish=$prefix/share/fish/vendor_completions.d/ofa.fish

if [ -n "$uninstall" ]; then
    # Pages of subcommands that a newer version no longer has are removed too.
    rm -f "$prefix/bin/ofa" "$man/man1/ofa.1" "$man"/man1/ofa-*.1 "$bash" "$zsh" "$fish"
    for folder in "$prefix/bin" "$man/man1" "$man" "${bash%/*}" "${bash%/*/*}" "${zsh%/*}" "${zsh%/*/*}" \
        "${fish%/*}" "${fish%/*/*}" "$prefix/share"; do
        rmdir "$folder" 2>/dev/null || true
    done
    echo "ofa: removed from $prefix" >&2
    exit 0
fi

if [ -z "$program" ]; then
    cd "$(dirname "$0")/.."
    . ops/setup.sh
    ofa_build
    program=$ofa
fi

mkdir -p "$prefix/bin" "$man" "${bash%/*}" "${zsh%/*}" "${fish%/*}"
# A running ofa keeps its file: the new one is put in its place.
install -m 755 "$program" "$prefix/bin/.ofa.new"
mv -f "$prefix/bin/.ofa.new" "$prefix/bin/ofa"
rm -f "$man/man1/ofa.1" "$man"/man1/ofa-*.1
"$prefix/bin/ofa" manual "$man" >/dev/null
"$prefix/bin/ofa" --generate-completion-script bash >"$bash"
"$prefix/bin/ofa" --generate-completion-script zsh >"$zsh"
"$prefix/bin/ofa" --generate-completion-script fish >"$fish"

echo "ofa: installed $prefix/bin/ofa; man ofa, and completions for bash, zsh and fish" >&2
case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) echo "ofa: $prefix/bin is not in PATH: add it in the profile of your shell" >&2 ;;
esac
