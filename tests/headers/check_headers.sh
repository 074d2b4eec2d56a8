#!/bin/sh
# SPDX-License-Identifier: MIT
# Each public header alone, and twice, through a compiler with every warning an
# error.
# usage: check_headers.sh LANGUAGE STANDARD INCLUDE_DIR HEADER... -- COMPILER...
set -eu

language=$1 standard=$2 include=$3
shift 3
headers=
while [ "$1" != -- ]; do
    headers="$headers $1"
    shift
done
shift

failed=0
for path in $headers; do
    name=attn/${path##*/}
    if printf '#include <%s>\n#include <%s>\nextern int something;\n' "$name" "$name" |
        "$@" -x "$language" "-std=$standard" -Wall -Wextra -Wshadow -Wundef -Werror -pedantic \
            -I"$include" -fsyntax-only -; then
        echo "ok: <$name> as $standard"
    else
        echo "error: <$name> does not stand alone as $standard"
        failed=1
    fi
done
exit $failed
