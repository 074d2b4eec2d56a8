#!/bin/sh
# SPDX-License-Identifier: MIT
# One set of names in four places: the functions of the headers, the version
# script, what the shared library exports, and what the static library shows.
# usage: check_symbols.sh MAP SHARED STATIC HEADER...   (- for a library not built)
set -eu
export LC_ALL=C

here=$(dirname "$0")
map=$1 shared=$2 static=$3
shift 3
nm=${NM:-nm}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# compare WHAT FILE: FILE must hold the names of the headers.
compare() {
    comm -23 "$tmp/headers" "$2" | sed "s|^|error: in the headers but not in $1: |"
    comm -13 "$tmp/headers" "$2" | sed "s|^|error: in $1 but not in the headers: |"
    cmp -s "$tmp/headers" "$2" || failed=1
    echo "$(wc -l <"$2") functions in $1"
}

"$here/header_names.sh" "$@" | sed -n 's/^function //p' >"$tmp/headers"
[ -s "$tmp/headers" ] || { echo "error: no function found in $*"; exit 1; }

if grep -n '[*?]' "$map" | grep -v -e '^[0-9]*: *\*;$' -e '/\*'; then
    echo "error: the line above in $map is a pattern, expected whole names"
    failed=1
fi
sed -n 's/^ *\(attn_[a-z0-9_]*\);$/\1/p' "$map" | sort >"$tmp/map"
uniq -d "$tmp/map" >"$tmp/twice"
if [ -s "$tmp/twice" ]; then
    sed "s|^|error: twice in $map: |" "$tmp/twice"
    failed=1
fi
compare "$map" "$tmp/map"

if [ "$shared" != - ]; then
    # Nodes of the version script are listed as absolute symbols.
    "$nm" -D --defined-only "$shared" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
        sort >"$tmp/shared"
    compare "$shared" "$tmp/shared"
    if "$nm" -D --defined-only "$shared" | awk '$2 != "A" && $3 !~ /@@ATTN_[0-9]/' | grep .; then
        echo "error: the names above have no version in $shared"
        failed=1
    fi
fi

if [ "$static" != - ]; then
    # Programs that link statically share one name space with it. Sanitizers
    # and coverage add names of their own, with two leading underscores.
    "$nm" -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 { print $3 }' |
        grep -v -e '^attn_' -e '^__' >"$tmp/foreign" || true
    if [ -s "$tmp/foreign" ]; then
        sed "s|^|error: global in $static without the prefix attn_: |" "$tmp/foreign"
        failed=1
    fi
    "$nm" -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 { print $3 }' |
        grep '^attn_[^_]' | sort >"$tmp/static"
    compare "$static" "$tmp/static"
fi
exit $failed
