#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes the declarations of all public headers, in reading order and without
# comments, to attn-X.Y/attn_X_Y.h beside this script. Old applications are
# compiled with that file for ever, so it is written until X.Y.0 is tagged and
# never after.
# usage: freeze.sh
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
include=$here/../../include
number() {
    sed -n "s/^#define ATTN_VERSION_$1 \([0-9]*\)\$/\1/p" "$include/attn/version.h"
}
major=$(number MAJOR) minor=$(number MINOR)
if [ -n "$(git -C "$here" tag --list "v$major.$minor.*" 2>/dev/null)" ]; then
    echo "freeze.sh: $major.$minor is released, its interface cannot be written again" >&2
    exit 1
fi

out=$here/attn-$major.$minor/attn_${major}_$minor.h
guard=ATTN_FROZEN_${major}_$minor
mkdir -p "${out%/*}"
{
    echo '/* SPDX-License-Identifier: MIT */'
    echo "/* The interface of $major.$minor; made by tests/abi/freeze.sh, not to be edited. */"
    echo "#ifndef $guard"
    echo "#define $guard"
    sed -n 's/^#include <\(attn\/.*\)>$/\1/p' "$include/attn/attn.h" | while read -r name; do
        echo
        awk -f "$here/../../scripts/strip_comments.awk" "$include/$name" | awk '
        /^#include <attn\// || /^#(ifndef|define) ATTN_[A-Z_]*_H$/ { next }
        { line[++n] = $0 }
        # The last #endif closes the guard.
        /^#endif/ { last = n }
        END { for (i = 1; i < last; i++) print line[i] }'
    done | awk 'NF && $0 !~ /^ *\\$/ { if (gap) print ""; gap = 0; print; next } { gap = NF == 0 }'
    echo
    echo '#endif'
} >"$out.new"
mv "$out.new" "$out"
echo "$out: $(wc -l <"$out") lines"
