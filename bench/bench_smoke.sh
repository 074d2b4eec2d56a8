#!/bin/sh
# SPDX-License-Identifier: MIT
# Does attn-bench work? Runs it for a moment and looks at the form of what it
# writes. No time is judged.
set -eu

bench=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
    echo "bench_smoke: $1" >&2
    exit 1
}

"$bench" --seconds 0.01 --all-solvers --plot "$dir/plot.svg" --json - \
    "softmax h=2 n=64 d=32 causal" "softmax h=4/2 q=1 k=inf d=16 window=9,0" --k 100 \
    "gla h=2 n=64 d=16" "rwkv7 b=2 h=2 n=1 d=16" "linear_attention h=2 n=64 d=16" \
    >"$dir/rows.json" 2>"$dir/table" || { cat "$dir/table" >&2; fail "failed"; }

# One object a line; all keys in every one, each followed by a number, a text
# or null; commas between the lines and not after the last.
awk '
BEGIN {
    n = split("problem solver isa threads ns_median ns_min gflops gbps of_peak of_bandwidth " \
              "of_sgemm of_materialised skipped speedup", key, " ")
    value = "(\"[^\"\\\\]*\"|null|-?[0-9]+(\\.[0-9]+)?(e[-+][0-9]+)?)"
}
function bad(why) { print "line " NR ": " why ": " $0; failed = 1 }
NR == 1 { if ($0 != "[") bad("no array"); next }
$0 == "]" { closed = NR; if (comma) bad("comma before the end"); next }
{
    if (closed) bad("text behind the array")
    if (rows++ && !comma) bad("no comma before")
    comma = sub(/,$/, "")
    rest = $0
    for (i = 1; i <= n; i++) {
        start = i == 1 ? "^  \\{" : "^, "
        if (!match(rest, start "\"" key[i] "\": " value)) { bad("no " key[i]); next }
        rest = substr(rest, RLENGTH + 1)
    }
    if (rest != "}") bad("more than the keys")
    if ($0 ~ /n=64 d=32 causal/ && $0 !~ /"skipped": 0\.492188,/) bad("skipped")
}
END {
    if (!closed) { print "no end of the array"; failed = 1 }
    if (rows < 5) { print "only " rows + 0 " rows"; failed = 1 }
    exit failed
}' "$dir/rows.json" || { cat "$dir/rows.json" >&2; fail "the JSON is not as expected"; }

grep -q '</svg>' "$dir/plot.svg" || fail "the plot has no end"

"$bench" --random 2 --seed 7 --seconds 0 --json "$dir/random.json" >"$dir/table" 2>&1 ||
    { cat "$dir/table" >&2; fail "--random failed"; }
grep -q '"chosen": true, "of_best": ' "$dir/random.json" || fail "--random has no choice"

"$bench" --suite cache --k 128 --seconds 0 --json "$dir/cache.json" >"$dir/table" 2>&1 ||
    { cat "$dir/table" >&2; fail "--suite cache failed"; }
grep -q 'all but 64 keys shared.*"speedup": [0-9]' "$dir/cache.json" || fail "no speedup of pairs"

status=0
"$bench" "softmax h=2" >/dev/null 2>&1 || status=$?
[ "$status" = 1 ] || fail "an incomplete problem gives exit code $status, expected 1"
status=0
"$bench" --suite nonsense >/dev/null 2>&1 || status=$?
[ "$status" = 2 ] || fail "an unknown suite gives exit code $status, expected 2"
echo ok
