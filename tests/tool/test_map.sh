#!/bin/sh
# SPDX-License-Identifier: MIT
# Pictures of `attn map`: their pixels, and what is refused.
#
#     test_map.sh ATTN NPYFILE PNGFILE
set -u

attn=$1
npy=$2
png=$3
case $attn in /*) ;; *) attn=$PWD/$attn ;; esac
case $npy in /*) ;; *) npy=$PWD/$npy ;; esac
case $png in /*) ;; *) png=$PWD/$png ;; esac
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT TERM
cd "$dir" || exit 99

failed=0
count=0

fail()
{
    failed=$((failed + 1))
    echo "FAIL $*"
    sed 's/^/     stderr: /' err
}

# draw TEXT ARGS...: succeeds and prints TEXT.
draw()
{
    text=$1
    shift
    count=$((count + 1))
    name="attn map $*"
    "$attn" map "$@" >out 2>err || fail "$name: exit code $?"
    [ -s err ] && fail "$name: said something"
    grep -qF -e "$text" out || fail "$name: said '$(cat out)', expected '$text'"
}

# pixels FILE EXPECTED X Y...
pixels()
{
    file=$1
    expected=$2
    shift 2
    found=$("$png" "$file" "$@" 2>err) || fail "$name: $file is damaged"
    [ "$found" = "$expected" ] || fail "$name: pixels $* are $found, expected $expected"
}

# refuse CODE TEXT ARGS...
refuse()
{
    code=$1
    text=$2
    shift 2
    count=$((count + 1))
    "$attn" map "$@" >out 2>err
    found=$?
    [ $found -eq "$code" ] || fail "attn map $*: exit code $found, expected $code"
    grep -qF -e "$text" err || fail "attn map $*: the message lacks '$text'"
    [ -s out ] && fail "attn map $*: wrote to stdout"
    [ -e new.png ] || [ -e new.svg ] && fail "attn map $*: left a file behind"
}

none=f4f4f4 some=f0a030 all=3060a0 frame=808080

### Tiles: 4 x 4 of 16, frames of one pixel around cells of 10.

draw '6 full, 4 partial, 6 empty of 16 tiles of 16 x 16; 62.5 % computed' \
    'softmax q=64 causal' --tile 16 --scale 10 --out a.png
pixels a.png '42 42'
pixels a.png "$frame $some $none $all $frame $all $some" 0 5 1 1 11 1 1 11 41 41 30 40 40 40
draw '10 full, 0 partial, 6 empty of 16' softmax q=4 k=4 causal --tile=1 --out b.png --scale 1
pixels b.png "$all $none $all $all" 1 1 2 1 1 2 4 4
# the last tiles are short; queries and keys of their own
draw ' of 12 tiles of 10 x 20;' softmax q=35 k=50 window=0,0 --tile 10,20 --out c.png --scale 2
pixels c.png '8 10'

### What comes in files: masks, lengths, lists, gates; by head and sequence.

"$npy" make mask.npy '|b1' 1,2,2,2 1 0 1 1 0 0 0 1
draw '3 full, 0 partial, 1 empty' softmax h=2 q=2 k=2 --mask mask.npy --tile 1 --out d.png
draw '1 full, 0 partial, 3 empty' softmax h=2 q=2 k=2 --mask mask.npy --tile 1 --head 1 --out d.png
"$npy" make len.npy '<i4' 2 4 2
draw '8 full, 0 partial, 0 empty' softmax q=4 k=4 --k-len len.npy --seq 1 --tile 1 --out e.png
"$npy" make gate.npy '<f4' 1,1,4 1 0 0.5 0
draw '2 full, 0 partial, 2 empty' softmax q=4 k=4 --gate gate.npy --tile 1,4 --out f.png
"$npy" make offsets.npy '<i4' 1,1,3 0 1 3
"$npy" make index.npy '<i4' 3 1 0 1
draw '3 full, 0 partial, 1 empty' 'softmax q=8 k=8 any=list[4,4]' --list-offsets offsets.npy \
    --list-index index.npy --tile 4 --out g.png

### Probabilities: 1/4 and 3/4, and nothing.

"$npy" make q.npy '<f4' 1,1,2,1 1
"$npy" make k.npy '<f4' 1,1,2,1 0 1.0986122886681098
draw 'largest probability 1: query 0, key 0' softmax q=2 k=2 d=1 causal --q q.npy --k k.npy --probs \
    --out h.png --scale 3
pixels h.png '8 8'
pixels h.png "ffffff 080c30" 4 1 1 1
draw 'largest probability 0.75' softmax --q q.npy --k k.npy --v k.npy --probs --out h.svg
grep -q '</svg>' h.svg && grep -q '0.75, the largest' h.svg || fail "h.svg lacks its legend"

### SVG has the problem, the axes and a legend.

draw '6 full' 'softmax q=64 causal' --tile 16 --out a.svg
for text in 'softmax b=1 h=1 q=64 k=64 d=64 causal (sequence 0, head 0)' '>queries<' '>keys<' \
    'computed: 6' 'computed and masked: 4' 'skipped: 6'; do
    grep -qF -e "$text" a.svg || fail "a.svg lacks '$text'"
done
[ "$(grep -c '#3060a0' a.svg)" -eq 4 ] || fail "a.svg: expected 3 runs and the legend"

### Bad command lines and problems.

refuse 2 'a problem is needed' --out new.png
refuse 2 '--out FILE is needed' softmax q=8
refuse 2 'ends in .png or .svg' softmax q=8 --out new.jpg
refuse 2 "unknown option 'nothing'" --nothing
refuse 2 'nearest is' softmax q=8 casual --out new.png
refuse 1 'q' softmax causal --out new.png
refuse 2 'k is inf' softmax q=8 k=inf --out new.png
refuse 1 'head is 3, expected 0 to 1' softmax h=2 q=8 --head 3 --out new.png
refuse 1 'seq is 2, expected 0 to 0' softmax b=1 q=8 --seq 2 --out new.png
refuse 2 "--tile is '0'" softmax q=8 --tile 0 --out new.png
refuse 2 "--tile is '4,x'" softmax q=8 --tile 4,x --out new.png
refuse 2 "--scale is '0'" softmax q=8 --scale 0 --out new.png
refuse 1 'a larger --tile' softmax q=40000 --tile 1 --out new.png
refuse 1 'take PNG' softmax q=1024 --tile 1 --out new.svg
refuse 2 '--list_index FILE is needed' 'softmax q=8 any=list[4,4]' --list-offsets offsets.npy --out new.png
refuse 2 '--q FILE is needed: probabilities' softmax q=8 --probs --out new.png
refuse 2 '--tile is given' softmax q=8 --probs --tile 4 --out new.png
refuse 2 'the problem is packed' softmax q=8 packed --out new.png
refuse 1 'the plan has stages' moh h=4 q=8 k=8 d=8 moh_active=2 --out new.png
refuse 1 'a recurrence' scan h=2 q=8 d=8 --out new.png
refuse 1 'cannot be written' softmax q=8 --out nowhere/new.png

# An old file stays where there is no new one.
echo old >new.png
"$attn" map softmax q=8 --head 9 h=2 --out new.png >out 2>err && fail "head 9 of 2"
[ "$(cat new.png)" = old ] || fail "new.png was touched"

echo "$count runs, $failed failed"
[ $failed -eq 0 ]
