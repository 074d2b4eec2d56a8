#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the real `attn` on small files with results known by hand.
#
#     test_tool.sh ATTN NPYFILE
#
# ATTN is the program, NPYFILE the helper made of npyfile.c.
set -u

attn=$1
npy=$2
case $attn in /*) ;; *) attn=$PWD/$attn ;; esac
case $npy in /*) ;; *) npy=$PWD/$npy ;; esac
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT TERM
cd "$dir" || exit 99
mkdir log

failed=0
count=0
name=

fail()
{
    failed=$((failed + 1))
    echo "FAIL $name: $*"
    sed 's/^/     stderr: /' log/err
}

# run CODE ARGS...: attn must end with CODE; output goes to log/out, log/err.
run()
{
    want=$1
    shift
    count=$((count + 1))
    name="attn $*"
    "$attn" "$@" >log/out 2>log/err
    code=$?
    if [ "$code" -ne "$want" ]; then
        fail "exit code $code, expected $want"
    fi
}

# ok ARGS...: succeeds and says nothing.
ok()
{
    run 0 "$@"
    if [ -s log/out ] || [ -s log/err ]; then
        fail "said something: $(cat log/out)"
    fi
}

# refuse CODE TEXT ARGS...: fails with a message that holds TEXT, writes nothing.
refuse()
{
    code_wanted=$1
    text=$2
    shift 2
    run "$code_wanted" "$@"
    if [ -s log/out ]; then
        fail "wrote to stdout"
    fi
    if ! grep -qF -e "$text" log/err; then
        fail "the message lacks '$text'"
    fi
    if ! grep -q '^attn: ' log/err; then
        fail "the message does not begin with 'attn: '"
    fi
    if [ -e new.npy ]; then
        fail "left new.npy behind"
        rm -f new.npy
    fi
}

# says TEXT: the last run's stdout holds TEXT.
says()
{
    if ! grep -qF -e "$1" log/out; then
        fail "stdout lacks '$1'"
    fi
}

# is FILE TYPE SHAPE TOLERANCE VALUES...
is()
{
    if ! "$npy" check "$@" 2>log/err; then
        fail "a wrong result in $1"
    fi
    rm -f "$1"
}

make()
{
    "$npy" make "$@" || exit 99
}

### One head, one number per key: q.k = 0 or ln 3, so the weights are 1/4, 3/4.

make q.npy '<f4' 1,1,2,1 1
make k.npy '<f4' 1,1,2,1 0 1.0986122886681098
make v.npy '<f4' 1,1,2,1 8 4
ok run softmax --q q.npy --k k.npy --v v.npy --out o.npy
is o.npy '<f4' 1,1,2,1 1e-6 5 5
ok run 'softmax causal' --q q.npy --k k.npy --v v.npy --out o.npy --lse l.npy --probs p.npy
is o.npy '<f4' 1,1,2,1 1e-6 8 5
is l.npy '<f4' 1,1,2 1e-6 0 1.3862943611198906
is p.npy '<f4' 1,1,2,2 1e-6 1 0 .25 .75
ok run softmax b=1 h=1 q=2 k=inf d=1 scale=2 --q=q.npy --k=k.npy --v=v.npy --out=o.npy
is o.npy '<f4' 1,1,2,1 1e-6 4.4
ok run 'softmax window=0,0' --q q.npy --k k.npy --v v.npy --out o.npy \
    --scores-raw r.npy --scores_biased s.npy --entropy e.npy --colsum c.npy
is o.npy '<f4' 1,1,2,1 0 8 4
is r.npy '<f4' 1,1,2,2 1e-6 0 1.0986123
is s.npy '<f4' 1,1,2,2 1e-6 0 -inf -inf 1.0986123
is e.npy '<f4' 1,1,2 1e-6 0
is c.npy '<f4' 1,1,2 1e-6 1

# An old file stays until the new one is whole; threads and ISA change nothing.
echo old >o.npy
ok run softmax --q q.npy --k k.npy --v v.npy --out o.npy --threads 2 --isa c
is o.npy '<f4' 1,1,2,1 1e-6 5 5

### What the roles need is declared by giving them.

make bias.npy '<f4' 1,1,1,2 1.0986122886681098 0
make mask.npy '|b1' 1,1,2,2 1 0 0 0
make len.npy '<i4' 1 1
make sink.npy '<f4' 1 0
ok run softmax --q q.npy --k k.npy --v v.npy --bias bias.npy --out o.npy
is o.npy '<f4' 1,1,2,1 1e-6 6
ok run softmax --q q.npy --k k.npy --v v.npy --mask mask.npy --out o.npy --lse l.npy
is o.npy '<f4' 1,1,2,1 0 8 0
is l.npy '<f4' 1,1,2 0 0 -inf
ok run softmax --q q.npy --k k.npy --v v.npy --k-len len.npy --out o.npy
is o.npy '<f4' 1,1,2,1 0 8
ok run softmax --q q.npy --k k.npy --v v.npy --k_len len.npy --sink-logits sink.npy --out o.npy
is o.npy '<f4' 1,1,2,1 1e-6 4

### Types, orders, layouts, packed sequences.

make q8.npy '<f8' 1,1,2,1 1
make k8.npy '<f8' 1,1,2,1 0 1.0986122886681098
make v8.npy '<f8' 1,1,2,1 8 4
ok run softmax --q q8.npy --k k8.npy --v v8.npy --out o.npy --lse l.npy
is o.npy '<f8' 1,1,2,1 1e-14 5
is l.npy '<f8' 1,1,2 1e-14 1.3862943611198906
make q2.npy '<f2' 1,1,2,1 0
make v2.npy '<f2' 1,1,2,1 1 2
ok run softmax --q q2.npy --k q2.npy --v v2.npy --out o.npy --lse l.npy
is o.npy '<f2' 1,1,2,1 0 1.5
is l.npy '<f4' 1,1,2 1e-6 0.69314718
make qb.npy bf16 1,1,2,1 0
make vb.npy bf16 1,1,2,1 1 2
ok run softmax --q qb.npy --k qb.npy --v vb.npy --dtype bf16 --out o.npy
is o.npy bf16 1,1,2,1 0 1.5
ok run softmax --q q.npy --k qb.npy --v vb.npy --dtype bf16 --out o.npy
is o.npy '<f4' 1,1,2,1 1e-6 1.5

# [1,2 tokens,2 heads,1]: head 0 has values 1 3, head 1 has 10 30.
make zero.npy '<f4' 1,2,2,1 0
make vn.npy '<f4' 1,2,2,1 1 10 3 30
ok run 'softmax causal' --layout bnhd --q zero.npy --k zero.npy --v vn.npy --out o.npy --lse l.npy
is o.npy '<f4' 1,2,2,1 1e-5 1 10 2 20
is l.npy '<f4' 1,2,2 1e-6 0 0.69314718
# The same numbers as [B,H,N,D] in Fortran order: their last index is slowest.
make vf.npy '<f4F' 1,2,2,1 1 10 3 30
ok run 'softmax causal' --q zero.npy --k zero.npy --v vf.npy --out o.npy
is o.npy '<f4' 1,2,2,1 1e-5 1 2 10 20

# Two query heads on one key head, values wider than keys, no queries at all.
make q22.npy '<f4' 1,2,1,1 0
make v13.npy '<f4' 1,1,2,3 1 2 3 5 6 7
ok run softmax --q q22.npy --k k.npy --v v13.npy --out o.npy
is o.npy '<f4' 1,2,1,3 1e-6 3 4 5
make q0.npy '<f4' 1,1,0,1 0
ok run softmax --q q0.npy --k k.npy --v v.npy --out o.npy --lse l.npy
is o.npy '<f4' 1,1,0,1 0 0
is l.npy '<f4' 1,1,0 0 0

# Two sequences of 1 and 2 tokens end to end.
make pz.npy '<f4' 1,1,3,1 0
make pv.npy '<f4' 1,1,3,1 1 2 4
make off.npy '<i8' 3 0 1 3
ok run softmax --q pz.npy --k pz.npy --v pv.npy --q-offsets off.npy --k-offsets off.npy \
    --out o.npy --probs p.npy
is o.npy '<f4' 1,1,3,1 1e-6 1 3 3
is p.npy '<f4' 2,1,2,2 1e-6 1 0 0 0 .5 .5 .5 .5
refuse 2 '--k_offsets is needed' run softmax --q pz.npy --k pz.npy --v pv.npy \
    --q-offsets off.npy --out new.npy

### A mechanism without Q, K and V: the problem says the sizes. One key of latent
### 3 and value 2 x 3; the score does not matter.
make mn.npy '<f4' 1,1,1,1 5
make mp.npy '<f4' 1,1,1,2 1 2
make ml.npy '<f4' 1,1,1,3 3 4 5
make mw.npy '<f4' 1,1,1 2
set -- run 'mla h=1 q=1 k=1 d=3/1 mla_rank=1 mla_rope_dim=2' --q_nope mn.npy --q_pe mp.npy \
    --latent ml.npy --mla_wuk mw.npy
ok "$@" --mla_wuv mw.npy --out o.npy
is o.npy '<f4' 1,1,1,1 1e-6 6
refuse 2 '--mla_wuv FILE is needed' "$@" --out new.npy
refuse 2 '--k FILE is needed, or the sizes' run softmax --q q.npy --v v.npy --out new.npy

### Wrong command lines: exit code 2 and the nearest name.

refuse 2 "the nearest is 'run'" rnu
refuse 2 "the nearest is '--version'" --verson
refuse 2 'a command is needed'
refuse 2 "'threads'" run softmax --q q.npy --k k.npy --v v.npy --out new.npy --treads 2
refuse 2 "'scores_raw'" run softmax --q q.npy --k k.npy --v v.npy --out new.npy --score-raw x
refuse 2 "unknown option 'q'" run softmax -q q.npy
refuse 2 'causal' run 'softmax casual' --q q.npy --k k.npy --v v.npy --out new.npy
refuse 2 'softmax' run softmix --q q.npy --k k.npy --v v.npy --out new.npy
refuse 2 '--out FILE is needed' run softmax --q q.npy --k k.npy --v v.npy
refuse 2 'a problem is needed' run --q q.npy --k k.npy --v v.npy --out new.npy
refuse 2 'given twice' run softmax --q q.npy --q k.npy
refuse 2 '--out needs a value' run softmax --q q.npy --out
refuse 2 "expected bf16" run softmax --q q.npy --k k.npy --v v.npy --out new.npy --dtype f32
refuse 2 "expected bhnd or bnhd" run softmax --q q.npy --k k.npy --v v.npy --out new.npy --layout x
refuse 2 "expected a number" run softmax --q q.npy --k k.npy --v v.npy --out new.npy --threads 2x
refuse 2 "'avx2'" run softmax --q q.npy --k k.npy --v v.npy --out new.npy --isa avx3
refuse 2 'are the same file' run softmax --q q.npy --k k.npy --v v.npy --out new.npy --lse new.npy
refuse 2 "takes no words, found 'softmax'" info softmax
refuse 2 "takes no value" info --params=yes
refuse 2 "'softmax'" explain softmx h=1 q=1 k=1 d=1
refuse 2 'flash' explain softmax h=1 q=1 k=1 d=1 solver=flahs

### Files and problems that cannot be served: exit code 1, nothing written.

refuse 1 'no.npy: cannot be opened' run softmax --q no.npy --k k.npy --v v.npy --out new.npy
printf 'not an array' >bad.npy
refuse 1 'bad.npy: the file does not begin' run softmax --q bad.npy --k k.npy --v v.npy \
    --out new.npy
head -c 100 q.npy >cut.npy
refuse 1 'cut.npy: ' run softmax --q cut.npy --k k.npy --v v.npy --out new.npy
refuse 1 'say --dtype bf16' run softmax --q qb.npy --k qb.npy --v vb.npy --out new.npy
refuse 1 'rank 1, expected 4: [B,H,N,D]' run softmax --q len.npy --k k.npy --v v.npy --out new.npy
make k3.npy '<f4' 1,1,2,3 0
refuse 1 'k has extent 3' run softmax --q q.npy --k k3.npy --v v.npy --out new.npy
refuse 1 'no/dir/o.npy cannot be written' run softmax --q q.npy --k k.npy --v v.npy \
    --out new.npy --lse no/dir/o.npy
refuse 1 'log cannot be written' run softmax --q q.npy --k k.npy --v v.npy --out log
refuse 1 '/dev/null cannot be written' run softmax --q q.npy --k k.npy --v v.npy --out /dev/null
echo old >o.npy
refuse 1 'k_len has' run softmax --q q.npy --k k.npy --v v.npy --k-len off.npy --out o.npy
if [ "$(cat o.npy)" != old ]; then
    fail "changed o.npy"
fi
rm -f o.npy

### wisdom.

run 0 wisdom softmax h=2 q=1 k=20 d=8 blas=never
says 'attn-wisdom 1'
says 'softmax h=2 q=1 k=20 d=8 blas=never | '
ok wisdom softmax h=2 q=1 k=20 d=8 blas=never --out found --effort exhaustive
printf 'nonsense\n' >>found
run 0 explain softmax h=2 q=1 k=20 d=8 blas=never --wisdom found
says 'chosen: by wisdom'
grep -q 'found: line 3 of the wisdom: .* (left out)' log/err || fail 'the damaged line was not named'
run 0 explain softmax h=2 q=1 k=20 d=8 blas=never
says 'chosen: by estimate'
run 0 wisdom --wisdom found
says 'softmax h=2 q=1 k=20 d=8 blas=never | '
refuse 2 'a problem is needed' wisdom
refuse 2 'effort' wisdom softmax h=2 q=1 k=20 d=8 --effort much
refuse 1 'nowhere cannot be read' wisdom --wisdom nowhere
refuse 1 'gone/found cannot be written' wisdom --wisdom found --out gone/found

### explain, info, help.

run 0 explain softmax h=4/2 q=64 k=inf d=8 causal --q 1 --k 100
says 'softmax h=4/2 q=64 k=inf d=8 causal'
says '..inf'
run 0 explain 'softmax h=1 q=1 k=1 d=1 solver=reference' --threads 2
says reference
run 0 explain 'softmax h=1 q=0 k=0 d=1'
refuse 1 'q' explain softmax h=1 q=8 k=8 d=1 --q 9
run 0 info --params --roles
says 'mechanisms: cache softmax'
says 'reference'
says 'window_left'
says 'scores_raw'
run 0 --version
says "attn "
run 0 --help
says 'explain'
for command in run explain wisdom info; do
    run 0 $command --help
    says "usage: attn $command"
done
if [ -c /dev/full ]; then
    count=$((count + 1))
    name='attn --help >/dev/full'
    "$attn" --help >/dev/full 2>log/err
    [ $? -eq 1 ] || fail "a full disk looks like success"
fi

# No temporary file is left.
rest=$(ls | grep -F '.npy.')
name='leftovers'
[ -z "$rest" ] || fail "$rest"

echo "$count runs, $failed failed"
[ "$failed" -eq 0 ]
