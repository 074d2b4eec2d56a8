#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include whom in src/. Layers, from the top:
#
#     api > mech > plan > solvers > state > problem > kernels > simd
#         > thread, cpu > base
#
# A file includes its own layer and those below. Besides: only thread/blas.c
# knows a BLAS, kernels and simd never see a context, solvers and kernels never
# see a descriptor, and examples see public headers only.
# usage: check_layers.sh [SOURCE_ROOT]
set -eu
export LC_ALL=C

root=${1:-$(dirname "$0")/..}
cd "$root"
strip=scripts/strip_comments.awk
failed=0

list=$(mktemp)
trap 'rm -f "$list"' EXIT
find src -name '*.[ch]' -o -name '*.def' | sort >"$list"

while read -r file; do
    awk -v strings=0 -f "$strip" "$file" | awk -v file="$file" '
    BEGIN {
        n = split("api mech plan solvers state problem kernels simd thread base", name, " ")
        for (i = 1; i <= n; i++)
            rank[name[i]] = i
        rank["cpu"] = rank["thread"]
        split(file, part, "/")
        layer = part[2]
        if (!(layer in rank))
            fault("src/" layer " is no layer; known: api mech plan solvers state problem " \
                  "kernels simd thread cpu base", 1)
    }
    function fault(text, line) {
        printf "error: %s:%d: %s\n", file, line ? line : FNR, text
        bad = 1
    }
    /^ *# *include *"/ {
        target = $0
        sub(/^[^"]*"/, "", target)
        sub(/".*/, "", target)
        if (target == "config.h")
            next
        if (split(target, dir, "/") != 2 || !(dir[1] in rank))
            fault("includes \"" target "\", expected \"layer/file\" or \"config.h\"")
        else if (rank[dir[1]] < rank[layer])
            fault(layer " includes \"" target "\" of the higher layer " dir[1])
        if (target ~ /\.c$/ && layer != "kernels")
            fault("includes \"" target "\": only kernels/ has sources to be included")
        if (target == "base/ctx.h" && (layer == "kernels" || layer == "simd"))
            fault(layer " includes \"" target "\": kernels never see a context")
    }
    /^ *# *include *<.*(blas|lapack)/ && file != "src/thread/blas.c" {
        fault("includes a BLAS header, expected that only in src/thread/blas.c")
    }
    /(^|[^a-z_])(cblas|openblas)_[a-z]/ && file != "src/thread/blas.c" {
        fault("names a BLAS function, expected that only in src/thread/blas.c")
    }
    /(^|[^A-Za-z_0-9])attn_ctx([^A-Za-z_0-9]|$)/ && (layer == "kernels" || layer == "simd") {
        fault(layer " names attn_ctx: kernels never see a context")
    }
    /(^|[^A-Za-z_0-9])attn_desc([^A-Za-z_0-9]|$)/ && rank[layer] >= rank["solvers"] {
        fault(layer " names attn_desc: below the planner there is only the problem")
    }
    END { exit bad }' || failed=1
done <"$list"

# Internal headers are not installed, so nobody could build such an example.
for file in examples/*.[ch]; do
    [ -f "$file" ] || continue
    for name in $(sed -n 's/^ *# *include *"\(.*\)".*/\1/p' "$file"); do
        [ -f "${file%/*}/$name" ] || {
            echo "error: $file: includes \"$name\", expected <attn/...> or a file beside it"
            failed=1
        }
    done
done

echo "$(wc -l <"$list") files of src looked at"
exit $failed
