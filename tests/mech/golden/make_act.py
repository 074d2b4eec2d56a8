# SPDX-License-Identifier: MIT
"""act.gold: make_act.py FOLDER_OF_score.py > act.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, hk, n, d, dv, scale, words, beta, thres, heads in (
        (1, 2, 2, 12, 8, 8, 1.0, "", 0.4, 0.1, None),
        (2, 4, 2, 40, 16, 12, 0.75, " act_beta=0.25 act_threshold=0.05", 0.25, 0.05, None),
        (1, 3, 1, 65, 8, 8, 0.5, " act_heads=[0,2] act_threshold=0.02", 0.4, 0.02, (0, 2)),
        (1, 2, 2, 1, 8, 8, 1.0, "", 0.4, 0.1, None),
        (1, 2, 1, 9, 8, 8, 1.0, " out_scale=0.5", 0.4, 0.1, None),
        (1, 2, 2, 9, 8, 8, 1.0, " act_beta=0.4", 0.4, 0.1, None)):  # causal need not be said
    causal = "" if "act_beta=0.4" in words else " causal"
    case = gold.Case("act b=%d h=%d/%d q=%d k=%d d=%d/%d%s scale=%g%s"
                     % (b, h, hk, n, n, d, dv, causal, scale, words), 12.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, hk, n, d))
    v = case.make("v", "kv", 3, (b, hk, n, dv))
    _, P, lse = score.attention(q, k, v, scale=scale, vis=np.tril(np.ones((n, n), bool)))
    sinks = 0
    for x in range(b):
        for y in range(h):
            if heads is None or y in heads:
                column = P[x, y].sum(0) / (n - np.arange(n))
                # no mean near the threshold, or rounding would decide
                assert np.abs(column - thres).min() > 1e-4 * thres
                sinks += (column > thres).sum() > 1
                P[x, y] = score.act_calibrate(P[x, y], beta, thres)
    assert sinks or n == 1
    factor = 0.5 if "out_scale" in words else 1
    case.expect("out", factor * np.einsum("bhij,bhjd->bhid", P, v.repeat(h // hk, 1)))
    case.expect("lse", lse)
    case.write()
