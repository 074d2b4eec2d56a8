#!/bin/sh
# SPDX-License-Identifier: MIT
# The history in docs/symbols-in-versions against the headers, and both against
# tests/abi/layout.c and its parts: no public name without its version, none that vanished,
# none whose value or type is not written down.
# usage: check_versions.sh LIST LAYOUT HEADER...
set -eu
export LC_ALL=C

here=$(dirname "$0")
list=$1 layout=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
fail() {
    echo "error: $*"
    failed=1
}

"$here/header_names.sh" "$@" >"$tmp/kinds"
awk '{ print $2 }' "$tmp/kinds" | sort >"$tmp/headers"
awk '!/^#/ && NF { print $1 }' "$list" | sort >"$tmp/list"

for name in $(uniq -d "$tmp/list"); do
    fail "$list: $name is there twice"
done
for name in $(uniq "$tmp/list" | comm -23 "$tmp/headers" -); do
    fail "$list: $name is in the headers, expected a line with its version"
done
for name in $(uniq "$tmp/list" | comm -13 "$tmp/headers" -); do
    fail "$list: $name is no longer in the headers: names stay until the SONAME changes"
done

# Each under the heading of its kind, in order.
awk -v file="$list" '
FNR == NR { kind[$2] = $1 "s"; next }
/^# (functions|types|constants)$/ { heading = $2; last = "" }
/^#/ || !NF { next }
$1 in kind && kind[$1] != heading {
    printf "error: %s:%d: %s is under %s, expected %s\n", file, FNR, $1, heading, kind[$1]
    bad = 1
}
$1 <= last { printf "error: %s:%d: %s after %s, expected order\n", file, FNR, $1, last; bad = 1 }
{ last = $1 }
END { exit bad }' "$tmp/kinds" "$list" || failed=1

# Versions are numbers X.Y up to the one in version.h.
version=$(cat "$@" | sed -n 's/^#define ATTN_VERSION_M[A-Z]* \([0-9]*\)$/\1/p' | paste -sd. -)
awk -v now="$version" -v file="$list" '
function number(text, part) { split(text, part, "."); return part[1] * 1000 + part[2] }
/^#/ || !NF { next }
{
    for (i = 2; i <= NF; i++)
        if ($i !~ /^[0-9]+\.[0-9]+$/ || number($i) > number(now)) {
            printf "error: %s:%d: %s is no version up to %s\n", file, FNR, $i, now
            bad = 1
        }
    if (NF < 2 || NF > 3) {
        printf "error: %s:%d: expected NAME SINCE [DEPRECATED]\n", file, FNR
        bad = 1
    }
}
END { exit bad }' "$list" || failed=1

# Macros that are no numbers of the binary interface need no line there.
for name in $(grep -v -x -e ATTN_API -e ATTN_STATUS_LIST -e 'ATTN_VERSION.*' "$tmp/headers"); do
    case $name in
    attn_ctx | attn_desc | attn_plan | attn_state) ;; # opaque
    *) grep -q "(\(.* \)*$name\>" "${layout%.c}"* || fail "$layout: has nothing about $name" ;;
    esac
done

echo "$(wc -l <"$tmp/headers") public names in version $version"
exit $failed
