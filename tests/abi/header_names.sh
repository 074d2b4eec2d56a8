#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints every public name that C headers declare, one a line: "function NAME",
# "constant NAME" (enumerators and macros) or "type NAME", sorted.
# usage: header_names.sh HEADER...
set -eu
export LC_ALL=C

awk -v strings=0 -f "$(dirname "$0")/../../scripts/strip_comments.awk" "$@" | awk '
# Neither includes nor guards are names of the interface.
/^#include/ { next }
/^#(ifndef|define) ATTN_[A-Z0-9_]*(_H|FROZEN_[0-9_]*)$/ { next }
# A macro that lives for a few lines only.
/^#undef / { gone[$2] = 1 }
# One row of the status list.
/^ *X\(/ {
    name = $0
    sub(/^ *X\(/, "", name)
    sub(/,.*/, "", name)
    seen["constant ATTN_" name] = 1
}
{
    code = $0
    while (match(code, /[A-Za-z_][A-Za-z_0-9]*/)) {
        name = substr(code, RSTART, RLENGTH)
        code = substr(code, RSTART + RLENGTH)
        if (name ~ /^ATTN_[A-Z0-9]/)
            seen["constant " name] = 1
        else if (name ~ /^attn_/)
            seen[(code ~ /^ *\(/ ? "function " : "type ") name] = 1
    }
}
END {
    for (entry in seen) {
        split(entry, word, " ")
        if (!(word[2] in gone))
            print entry
    }
}' | sort
