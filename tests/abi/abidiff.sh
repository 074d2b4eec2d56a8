#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares the shared library of this tree with that of the last release tag, by
# the tool abidiff. Skipped (77) where there is no tool, no git or no tag.
# usage: abidiff.sh SOURCE_DIR
set -eu

source=$1
skip() {
    echo "skipped: $*"
    exit 77
}
command -v abidiff >/dev/null || skip "abidiff is not installed"
git -C "$source" rev-parse HEAD >/dev/null 2>&1 || skip "$source is no git checkout with commits"
tag=$(git -C "$source" describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) ||
    skip "no release tag v* before HEAD"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/old"
git -C "$source" archive "$tag" | tar -x -C "$tmp/old"

# install NAME TREE: build with debug information into $tmp/NAME.
install() {
    meson setup "$tmp/build-$1" "$2" --prefix="$tmp/$1" --libdir=lib -Dbuildtype=debug \
        -Dtests=disabled -Dtools=disabled -Ddefault_library=shared >"$tmp/log" 2>&1 &&
        meson install -C "$tmp/build-$1" >>"$tmp/log" 2>&1 && return 0
    cat "$tmp/log"
    echo "error: $1 ($2) does not build"
    exit 1
}
install "$tag" "$tmp/old"
install now "$source"

soname() {
    readelf -d "$tmp/$1/lib/libattn.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'
}
if [ "$(soname "$tag")" != "$(soname now)" ]; then
    echo "SONAME changed from $(soname "$tag") to $(soname now): nothing to be compatible with"
    exit 0
fi

# New functions are fine. Everything else that the tool sees is either an
# incompatible change or a line of libattn.abignore.
status=0
abidiff --no-added-syms --suppressions "$source/tests/abi/libattn.abignore" \
    --headers-dir1 "$tmp/$tag/include" --headers-dir2 "$tmp/now/include" \
    "$tmp/$tag/lib/libattn.so" "$tmp/now/lib/libattn.so" || status=$?
echo "abidiff $tag against this tree: status $status"
exit $((status != 0))
