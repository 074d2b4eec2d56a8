# SPDX-License-Identifier: MIT
"""birdie.gold: make_birdie.py FOLDER_OF_linear.py > birdie.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import linear  # noqa: E402


def mask_of(n, starts, lengths):
    """Samples from `starts` on with prefixes of those lengths."""
    mask = np.full(n, 2)
    for i, length in zip(starts, lengths):
        mask[i:i + length] = 0
        if i > 0:
            mask[i] = 1
    return mask


def merge(x):
    """[B,H,T,D] -> [B,T,H D]"""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


# b, h, n, dv, masks (None: no mask)
for b, h, n, d, masks in (
        (1, 2, 33, 8, [mask_of(33, [0], [20])]),
        (2, 4, 20, 3, [mask_of(20, [0, 9], [5, 7]), mask_of(20, [0], [0])]),
        (1, 2, 5, 70, None),
        (1, 2, 130, 3, [mask_of(130, [0, 40, 77], [17, 30, 1])]),
        (1, 2, 1, 4, None)):
    case = gold.Case("birdie b=%d h=%d q=%d d=%d" % (b, h, n, d))
    x = case.make("v", "kv", 1, (b, h, n, d))
    f = 0.5 + gold.formula(2, (b, h, n, d), 1 / 64)
    f[..., 0] = 1.0
    case.give("forget", "kv", f)
    mask = np.zeros((b, n), int)
    if masks is not None:
        mask = np.array(masks)
        case.give("birdie_mask", "i32", mask)
    out = linear.birdie_scan(merge(f), merge(x), mask)
    case.expect("out", out.reshape(b, n, h, d).transpose(0, 2, 1, 3))
    case.write()

# two sequences end to end
case = gold.Case("birdie b=2 h=2 q=30 d=6 packed")
x = case.make("v", "kv", 1, (1, 2, 44, 6))
f = 0.5 + gold.formula(2, (1, 2, 44, 6), 1 / 64)
case.give("forget", "kv", f)
cuts, mask = [0, 14, 44], np.concatenate([mask_of(14, [0], [9]), mask_of(30, [0], [30])])[None]
case.give("birdie_mask", "i64", mask)
case.give("q_offsets", "i32", np.array(cuts))
out = [linear.birdie_scan(merge(f[:, :, i:j]), merge(x[:, :, i:j]), mask[:, i:j])
       for i, j in zip(cuts, cuts[1:])]
case.expect("out", np.concatenate(out, 1).reshape(1, 44, 2, 6).transpose(0, 2, 1, 3))
case.write()

# states of d x dv numbers
for b, h, n, d, dv, words, causal_from in (
        (1, 2, 33, 8, 8, "decay=channel gate=logsigmoid", [20]),
        (2, 2, 70, 4, 4, "decay=channel gate=logsigmoid gate_divisor=2 scale=0.5", [70, 0]),
        (1, 6, 65, 5, 3, "decay=token gate=logsigmoid", [64]),
        (1, 2, 64, 8, 4, "", [13]),
        (1, 2, 5, 16, 33, "decay=head", [3])):
    case = gold.Case("birdie birdie_form=matrix b=%d h=%d q=%d d=%d/%d %s" % (b, h, n, d, dv, words))
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, h, n, d))
    v = case.make("v", "kv", 3, (b, h, n, dv))
    g = None
    if "channel" in words:
        g = linear.gla_gate(case.make("g", "row", 4, (b, h, n, d)), 2.0 if "_divisor" in words
                            else 16.0)
    if "token" in words:
        g = linear.gla_gate(case.make("g", "row", 4, (b, h, n)))
    if "head" in words:
        g = -np.arange(1.0, h + 1) / 8
        case.give("g", "row", g)
    mask = np.where(np.arange(n)[None] < np.array(causal_from)[:, None], 0, 2)
    case.give("birdie_mask", "i32", mask)
    case.expect("out", linear.birdie_gla(q, k, v, g, causal_from, 0.5 if "scale" in words else 1.0))
    case.write()
