#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs moh_vision ($1) on a tiny image, and on what is none.
set -eu

program=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

run() { # a program for another machine needs the emulator, words of which meson gives
    ${MESON_EXE_WRAPPER:-} "$program" "$@"
}

fail() {
    echo "test_moh_vision: $1" >&2
    exit 1
}

refuse() { # TEXT ARGS...
    text=$1
    shift
    if run "$@" >"$dir/out" 2>"$dir/err"; then fail "$* was taken"; fi
    grep -qF "$text" "$dir/err" || { cat "$dir/err" >&2; fail "$*: the message lacks '$text'"; }
}

# 6 x 4 patches and a rim that is no whole patch
run --make "$dir/in.ppm" 50 37
run "$dir/in.ppm" "$dir/use.ppm" >"$dir/out"
grep -q '^6 x 4 patches, 5 of 8 heads each$' "$dir/out" || { cat "$dir/out"; fail "sizes"; }
[ "$(grep -c 'shared: 100.0 %' "$dir/out")" = 2 ] || { cat "$dir/out"; fail "shared heads"; }
grep -q 'pairs done: 2880 of 4608' "$dir/out" || { cat "$dir/out"; fail "pairs"; }
[ "$(sed -n 2p "$dir/use.ppm" | tr -d '\0')" = '160 112' ] || fail "the picture's size"
# each patch has 3 of the 6 routed heads
awk '/routed/ { sum += $4 } END { exit !(sum > 299 && sum < 301) }' "$dir/out" ||
    { cat "$dir/out"; fail "routed heads"; }
run "$dir/in.ppm" "$dir/again.ppm" >/dev/null
cmp "$dir/use.ppm" "$dir/again.ppm"

# grey, with a comment in its header
{ printf 'P5\n# grey\n16 8\n255\n'; head -c 128 "$dir/in.ppm"; } >"$dir/grey.pgm"
run "$dir/grey.pgm" "$dir/use.ppm" | grep -q '^2 x 1 patches'

refuse 'usage' "$dir/in.ppm"
refuse 'No such file' "$dir/none.ppm" "$dir/x.ppm"
refuse 'expected PPM or PGM' "$program" "$dir/x.ppm"
refuse 'expected 8 to 1024 a side' --make "$dir/x.ppm" 4 9
head -c 300 "$dir/in.ppm" >"$dir/short.ppm"
refuse 'the file ends' "$dir/short.ppm" "$dir/x.ppm"
printf 'P6\n7 9\n255\n' >"$dir/small.ppm"
refuse '7 x 9 pixels' "$dir/small.ppm" "$dir/x.ppm"
refuse 'No such file' "$dir/in.ppm" "$dir/no/x.ppm"
[ ! -e "$dir/x.ppm" ] || fail "a refused image left a picture"
echo ok
