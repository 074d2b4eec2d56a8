#!/bin/sh
# SPDX-License-Identifier: MIT
# What a compiler does not see: line lengths, blanks, names, banned calls, and
# sources without a test. Every fault is one line, file:line first.
# usage: check_source.sh [SOURCE_ROOT]
set -eu
export LC_ALL=C

root=${1:-$(dirname "$0")/..}
cd "$root"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
fail() {
    echo "error: $*"
    failed=1
}

# Everything but what is built, fetched or generated from elsewhere.
find . \( -name .git -o -name .cache -o -name __pycache__ -o -name '*.egg-info' \
    -o -name .venv -o -name node_modules -o -name .pytest_cache -o -name .mypy_cache \
    -o -path './build*' -o -path './tests/fuzz/corpus' \) -prune -o -type f -print |
    sed 's|^\./||' | sort >"$tmp/all"
grep -E '\.(c|h|cpp|def|py|sh|awk|build|toml|rs|go|map)$|(^|/)meson_options\.txt$' "$tmp/all" \
    >"$tmp/text" || true
# The frozen interfaces are generated.
grep -E '\.(c|h|cpp|def)$' "$tmp/text" | grep -v '^tests/abi/attn-' >"$tmp/c" || true

# Layout of text.
xargs awk '
function fault(text) { printf "error: %s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
/\t/ && FILENAME !~ /\.go$/ { fault("a tab, expected spaces") }
/[ \t\r]$/ { fault("blanks at the end of the line") }
END { exit bad }' <"$tmp/text" || failed=1
# Each file as its name and its last byte.
xargs tail -c 1 /dev/null <"$tmp/text" | awk '
/^==> .* <==$/ { file = $2; next }
$0 != "" { printf "error: %s: no newline at the end of the file\n", file; bad = 1 }
END { exit bad }' || failed=1

xargs awk '
function fault(text, line) { printf "error: %s:%d: %s\n", FILENAME, line, text; bad = 1 }
{ most = FILENAME ~ /^include\// ? 80 : 100 }
length($0) > most { fault(length($0) " columns, expected at most " most, FNR) }
FNR == 901 { fault("expected at most 900 lines", FNR) }
# Examples are shown in full in the documentation.
FNR == 1 && FILENAME !~ /^examples\// && $0 != "/* SPDX-License-Identifier: MIT */" {
    fault("expected /* SPDX-License-Identifier: MIT */", FNR)
}
END { exit bad }' <"$tmp/c" || failed=1

# Names of C sources and scripts say where they are: none is there twice. Public
# headers are known by <attn/...>, so src/ may have one of the same name.
grep -v -e '^tests/abi/attn-' -e '^include/' "$tmp/text" | grep -E '\.(c|h|cpp|def|sh|awk)$' | awk -F/ '
$NF in seen { printf "error: %s: the name is taken by %s\n", $0, seen[$NF]; bad = 1 }
{ seen[$NF] = $0 }
$NF ~ /[A-Z]/ { printf "error: %s: expected a name in lower case\n", $0; bad = 1 }
END { exit bad }' || failed=1

# Include guards: the path below include/ or src/, ATTN_ in front; in src/ also
# ATTN__ like other internal macros. The list of instruction sets is read several
# times and has none.
grep -E '^(include|src)/.*\.h$' "$tmp/c" | grep -v -x src/kernels/isa_list.h |
    xargs awk -v where=1 -f scripts/strip_comments.awk | awk '
function check() {
    if (file == "")
        return
    guard = file
    sub(/^(include\/attn|src)\//, "", guard)
    gsub(/[\/.]/, "_", guard)
    guard = toupper(guard)
    if (first != "#ifndef ATTN_" guard "#define ATTN_" guard &&
        (file ~ /^include/ || first != "#ifndef ATTN__" guard "#define ATTN__" guard)) {
        printf "error: %s:1: expected the guard ATTN_%s\n", file, guard
        bad = 1
    }
}
{
    at = index($0, ":")
    if (substr($0, 1, at - 1) != file) {
        check()
        file = substr($0, 1, at - 1)
        first = ""
        lines = 0
    }
    sub(/^[^:]*:[0-9]*: /, "")
    if ($0 != "" && lines++ < 2)
        first = first $0
}
END {
    check()
    exit bad
}' || failed=1

# Calls that a library does not make. The heap has one door; hooks are called
# through pointers and are not meant.
grep '^src/' "$tmp/c" | xargs awk -v strings=0 -v where=1 -f scripts/strip_comments.awk | awk '
BEGIN {
    n = split("malloc calloc realloc reallocarray free posix_memalign aligned_alloc alloca " \
              "strdup strndup abort exit _exit _Exit quick_exit assert raise printf fprintf " \
              "vprintf vfprintf sprintf vsprintf puts fputs putchar putc fputc perror strcpy " \
              "strcat strncpy strncat gets scanf sscanf strtok rand srand setlocale getenv " \
              "setenv putenv system fork signal longjmp setjmp atexit", name, " ")
    for (i = 1; i <= n; i++)
        banned[name[i]] = 1
}
{
    at = index($0, ": ")
    place = substr($0, 1, at - 1)
    rest = substr($0, at + 2)
    while (match(rest, /[A-Za-z_][A-Za-z_0-9]* *\(/)) {
        before = substr(rest, 1, RSTART - 1)
        word = substr(rest, RSTART, RLENGTH - 1)
        rest = substr(rest, RSTART + RLENGTH)
        sub(/ +$/, "", word)
        if (!(word in banned) || before ~ /(\.|->|format\()$/)
            continue
        if (place ~ /^src\/base\/memory\.c:/ && (word == "free" || word == "posix_memalign"))
            continue
        printf "error: %s: calls %s, which the library does not do\n", place, word
        bad = 1
    }
}
END { exit bad }' || failed=1

# Every algorithm and mechanism is spoken of in some test.
find tests -name '*.c' -o -name '*.h' -o -name '*.sh' -o -name meson.build | sort >"$tmp/tests"
xargs cat <"$tmp/tests" | tr -c 'a-z0-9_' '\n' | sed 's/^test_//' | sort -u >"$tmp/words"
for file in src/solvers/*.c src/mech/*.c; do
    name=${file##*/}
    name=${name%.c}
    grep -qx "$name" "$tmp/words" || fail "$file:1: no file under tests/ names '$name'"
done

echo "$(wc -l <"$tmp/text") files looked at, $(wc -l <"$tmp/c") of them C"
exit $failed
