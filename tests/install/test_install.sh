#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the library under a new prefix and builds programs against it that
# know nothing but the name "attn": what a packager and an application see.
# usage: test_install.sh SOURCE_DIR BLAS MESON...    with CC, and CXX or nothing
set -eu
export LC_ALL=C

source=$1 blas=$2
shift 2
here=$source/tests/install
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
prefix=$tmp/prefix
failed=0
fail() {
    echo "error: $*"
    failed=1
}

"$@" setup "$tmp/build" "$source" --prefix="$prefix" --libdir=lib -Dtests=disabled \
    -Dtools=disabled -Ddefault_library=both -Dblas="$blas" >"$tmp/log" 2>&1 &&
    "$@" install -C "$tmp/build" >>"$tmp/log" 2>&1 || {
    cat "$tmp/log"
    echo "error: the library cannot be installed"
    exit 1
}
grep -i 'warning:' "$tmp/log" || true

# Exactly these files, and nothing from the build.
major=$(sed -n 's/^#define ATTN_ABI \([0-9]*\)$/\1/p' "$source/include/attn/version.h")
{
    (cd "$source/include" && ls attn/*.h | sed 's|^|include/|')
    printf 'lib/libattn.%s\n' a so "so.$major"
    echo lib/pkgconfig/attn.pc
} | sort >"$tmp/expected"
(cd "$prefix" && find . ! -type d | sed 's|^\./||' | sort) >"$tmp/found"
diff "$tmp/expected" "$tmp/found" || fail "other files than expected are installed (> found)"
readelf -d "$prefix/lib/libattn.so" | grep -q "SONAME.*\[libattn\.so\.$major\]" ||
    fail "SONAME is not libattn.so.$major"
if readelf -d "$prefix/lib/libattn.so" | grep -e RPATH -e RUNPATH; then
    fail "the installed library has a run path"
fi

# attn.pc. Only that folder and the system's are searched.
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
pc() {
    pkg-config "$@" attn
}
expect() {
    case " $2 " in
    *" $3 "*) ;;
    *) fail "pkg-config $1 gives '$2', expected '$3' in it" ;;
    esac
}
version=$(sed -n 's/^#define ATTN_VERSION_[A-Z]* \([0-9]*\)$/\1/p' \
    "$source/include/attn/version.h" | paste -sd. -)
pc --validate || fail "attn.pc is not valid"
expect --modversion "$(pc --modversion)" "$version"
expect --cflags "$(pc --cflags)" "-I$prefix/include"
expect --libs "$(pc --libs)" "-L$prefix/lib"
expect --libs "$(pc --libs)" -lattn
expect "--libs --static" "$(pc --libs --static)" -lm
expect "--variable=prefix" "$(pc --variable=prefix)" "$prefix"
expect "--variable=libdir" "$(pc --variable=libdir)" "$prefix/lib"
case $(pc --libs) in
*blas* | *-lm* | *pthread*) fail "pkg-config --libs gives '$(pc --libs)', expected only libattn" ;;
esac
needs=$(readelf -d "$prefix/lib/libattn.so" | grep -c 'NEEDED.*blas' || true)
says=$(pc --print-requires-private | grep -c blas || true)
[ "$needs" = "$says" ] || fail "Requires.private has $says BLAS, the library needs $needs"

# Programs: against the shared library, and against the static one alone.
mkdir "$tmp/static"
cp "$prefix/lib/libattn.a" "$tmp/static"
# OpenBLAS's own file may ask for a Fortran library that only its static form
# needs and that need not be installed; ours must be there.
static_libs() {
    for word in $(pc --static --define-variable=libdir="$tmp/static" --libs); do
        case $word in
        -lattn | -lm | -pthread | -lpthread | -lopenblas) ;;
        -l*) echo 'int main(void) { return 0; }' >"$tmp/empty.c"
            $CC -o "$tmp/empty" "$tmp/empty.c" "$word" 2>/dev/null || continue ;;
        esac
        echo "$word"
    done
}
# build_and_run KIND COMPILER... SOURCE
build_and_run() {
    kind=$1
    shift
    if [ "$kind" = static ]; then
        libs=$(static_libs)
    else
        libs="$(pc --libs) -Wl,-rpath,$(pc --variable=libdir)"
    fi
    # Flags are words.
    # shellcheck disable=SC2046,SC2086
    "$@" -Wall -Wextra -Werror $(pc --cflags) -o "$tmp/consumer" $libs -lm ||
        { fail "$kind: does not build: $*"; return 0; }
    "$tmp/consumer" || { fail "$kind: fails: $*"; return 0; }
    linked=$(readelf -d "$tmp/consumer" | grep -c 'NEEDED.*libattn' || true)
    [ "$kind:$linked" = static:0 ] || [ "$kind:$linked" = shared:1 ] ||
        fail "$kind: $linked shared libattn needed by the program"
}
for kind in shared static; do
    build_and_run $kind $CC -std=c11 "$here/consumer.c"
    [ -z "${CXX-}" ] || build_and_run $kind $CXX -std=c++11 "$here/consumer.cpp"
done
exit $failed
