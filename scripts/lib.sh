# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Helpers shared by the scripts beside this file. To be sourced by bash, after
# `set -euo pipefail`; nothing is done until a function is called.

# say TEXT...: one line of progress.
say() {
    printf '==> %s\n' "$*"
}

# die TEXT...: say what is wrong on stderr and end the script.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# as_root CMD...: run a command as root, through sudo where needed.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for: $* (not root, and there is no sudo)"
    fi
}

# need_apt PKG...: install the Debian or Ubuntu packages that are not there yet.
need_apt() {
    command -v dpkg-query >/dev/null ||
        die "not a Debian or Ubuntu system; please install by hand what matches: $*"
    local pkg state missing=()
    for pkg in "$@"; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$pkg" 2>/dev/null) || state=none
        [ "$state" = installed ] || missing+=("$pkg")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing with apt: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >/dev/null || die "apt-get could not install: ${missing[*]}"
}

# ensure_venv DIR: make a Python virtual environment unless it is there.
ensure_venv() {
    [ ! -x "$1/bin/pip" ] || return 0
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        need_apt python3-venv
        hash -r
    fi
    say "making a Python environment in $1"
    python3 -m venv --clear "$1"
}

# meson_ok CMD: whether it runs and is meson 1.0 or newer.
meson_ok() {
    local version
    version=$("$1" --version 2>/dev/null) || return 1
    [ "${version%%.*}" -ge 1 ] 2>/dev/null
}

# ensure_meson VENV: set MESON to a meson of at least 1.0: that of the system if it
# will do, else one installed into the virtual environment.
ensure_meson() {
    need_apt ninja-build
    for MESON in meson "$1/bin/meson"; do
        if meson_ok "$MESON"; then
            return 0
        fi
    done
    ensure_venv "$1"
    say "installing meson into $1 (the system has none, or one older than 1.0)"
    "$1/bin/pip" install --quiet --disable-pip-version-check 'meson>=1.0'
    meson_ok "$MESON" || die "$MESON: does not run, or is older than 1.0"
}

# up_to_date STAMP PATH...: whether nothing under the paths is newer than the stamp.
up_to_date() {
    local stamp=$1
    shift
    [ -e "$stamp" ] && [ -z "$(find "$@" -newer "$stamp" -print -quit)" ]
}
