#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From a fresh Debian 12 or Ubuntu 24.04 machine to all tests run: the C library's
# suites quick and full, and the Python binding's.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"

usage() {
    cat <<'TEXT'
usage: scripts/test.sh [--quick]

Installs what is missing with apt (as root, or with sudo), builds libattn under
build-test/ with warnings as errors, and runs its tests; --quick runs only those
that take seconds. Nothing else on the system is changed.
If ATTN_ONNX names a folder of ONNX operator test vectors, those run as well.
TEXT
}

suites=(quick full)
case "${1-}" in
"") ;;
--quick) suites=(quick) ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    die "unknown argument '$1'"
    ;;
esac

build=$root/build-test
venv=$build/venv
lib=$build/lib
mkdir -p "$build"

say "1/4 tools"
need_apt gcc g++ libc6-dev pkg-config libopenblas-dev check binutils
ensure_meson "$venv"

say "2/4 building into $lib"
options=(-Dwerror=true -Dtests=enabled "-Donnx_vectors=${ATTN_ONNX-}"
    --prefix "$build/prefix" --libdir lib)
if [ -e "$lib/build.ninja" ]; then
    "$MESON" configure "$lib" "-Donnx_vectors=${ATTN_ONNX-}"
else
    "$MESON" setup "$lib" "$root" "${options[@]}"
fi
"$MESON" compile -C "$lib"

failed=0
run_suite() { # NAME
    "$MESON" test -C "$lib" --suite "attn:$1" --print-errorlogs --logbase "log-$1" || failed=1
}

say "3/4 tests of the library"
for suite in "${suites[@]}"; do
    say "suite $suite"
    run_suite "$suite"
done

say "4/4 tests of the Python binding"
ensure_venv "$venv"
"$MESON" install -C "$lib" --quiet
"$venv/bin/pip" install --quiet --disable-pip-version-check numpy ml_dtypes pytest
ATTN_LIBRARY=$build/prefix/lib/libattn.so PYTHONPATH=$root/bindings/python \
    "$venv/bin/python" -m pytest -q -p no:cacheprovider "$root/bindings/python/tests" \
    "$root/bench/tests" "$root/examples/smollm2/tests" || failed=1

[ "$failed" = 0 ] || die "some tests failed"
say "all tests passed"
