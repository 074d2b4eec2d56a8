# SPDX-License-Identifier: MIT
"""flow.gold: make_flow.py FOLDER_OF_linear.py > flow.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import linear  # noqa: E402

SCALE = 1 / 8

for b, h, nq, nk, d, dv, words, eps, clamp in (
        (1, 2, 40, 64, 8, 8, "", 1e-6, 1.0),
        (1, 1, 65, 65, 16, 8, " flow_clamp=5", 1e-6, 5.0),
        (1, 1, 5, 129, 33, 12, " flow_clamp=0.25 flow_eps=0.125", 0.125, 0.25),
        (1, 3, 1, 1, 8, 8, "", 1e-6, 1.0),
        (1, 2, 7, 0, 8, 8, "", 1e-6, 1.0),
        (1, 1, 63, 63, 4, 17, " causal", 1e-6, 1.0),
        (2, 1, 64, 64, 8, 4, " causal flow_clamp=10", 1e-6, 10.0),
        (1, 1, 65, 65, 33, 8, " causal flow_eps=0.5 flow_clamp=0.5", 0.5, 0.5),
        (1, 2, 1, 1, 8, 8, " causal", 1e-6, 1.0),
        (1, 1, 1000, 1000, 4, 1, " causal", 1e-6, 1.0)):
    case = gold.Case("flow_attention b=%d h=%d q=%d k=%d d=%d/%d%s" % (b, h, nq, nk, d, dv, words))
    q = case.make("q", "q", 1, (b, h, nq, d), SCALE)
    k = case.make("k", "kv", 2, (b, h, nk, d), SCALE)
    v = case.make("v", "kv", 3, (b, h, nk, dv))
    if nk == 0:
        out = np.zeros((b, h, nq, dv))
    elif "causal" in words:
        out = linear.flow_attention_causal(q, k, v, eps, clamp)[0]
    else:
        out = linear.flow_attention(q, k, v, eps, clamp)
    case.expect("out", out)
    case.write()

# rows that are padding count in no sum
case = gold.Case("flow_attention b=2 h=2 q=9 k=20 d=8")
q, k = case.make("q", "q", 1, (2, 2, 9, 8), SCALE), case.make("k", "kv", 2, (2, 2, 20, 8), SCALE)
v = case.make("v", "kv", 3, (2, 2, 20, 8))
case.give("q_len", "i32", np.array([9, 4]))
case.give("k_len", "i64", np.array([13, 20]))
out = np.zeros((2, 2, 9, 8))
for i, (n, m) in enumerate(((9, 13), (4, 20))):
    out[i, :, :n] = linear.flow_attention(q[i:i + 1, :, :n], k[i:i + 1, :, :m], v[i:i + 1, :, :m])
case.expect("out", out)
case.write()

# sequences that lie end to end, one of them without tokens; resets
case = gold.Case("flow_attention b=3 h=2 n=70 d=8 causal packed")
q, k, v = (case.make(r, t, s, (1, 2, 100, 8), SCALE)
           for r, t, s in (("q", "q", 1), ("k", "kv", 2), ("v", "kv", 3)))
cuts = [0, 30, 30, 100]
case.give("q_offsets", "i32", np.array(cuts))
case.expect("out", np.concatenate([linear.flow_attention_causal(
    q[:, :, i:j], k[:, :, i:j], v[:, :, i:j])[0] for i, j in zip(cuts, cuts[1:])], 2))
case.write()

case = gold.Case("flow_attention b=1 h=2 n=100 d=8/4 causal reset")
q, k, v = (case.make(r, t, s, (1, 2, 100, w), SCALE)
           for r, t, s, w in (("q", "q", 1, 8), ("k", "kv", 2, 8), ("v", "kv", 3, 4)))
cuts = [0, 1, 30, 71, 100]
reset = np.zeros((1, 100))
reset[0, cuts[1:-1]] = 1
case.give("reset", "u8", reset)
case.expect("out", np.concatenate([linear.flow_attention_causal(
    q[:, :, i:j], k[:, :, i:j], v[:, :, i:j])[0] for i, j in zip(cuts, cuts[1:])], 2))
case.write()
