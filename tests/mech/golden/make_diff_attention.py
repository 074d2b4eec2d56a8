# SPDX-License-Identifier: MIT
"""diff_attention.gold: make_diff_attention.py FOLDER_OF_score.py > diff_attention.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

LOGIT = 6.0
for b, h, g, nq, nk, d, dv, causal in ((1, 2, 2, 5, 5, 8, 16, True), (2, 2, 1, 3, 33, 16, 12, True),
                                       (1, 4, 2, 7, 65, 8, 16, False)):
    for weight in (False, True):
        text = "diff_attention b=%d h=%d/%d/%d q=%d k=%d d=%d/%d" % (b, 2 * h, 2 * g, g, nq, nk, d,
                                                                    dv)
        init = 0.2 if not weight else 0.5
        case = gold.Case(text + (" causal" if causal else "") +
                         (" out_norm_weight diff_attention_init=0.5" if weight else ""), LOGIT)
        q = case.make("q", "q", 1, (b, 2 * h, nq, d))
        k = case.make("k", "kv", 2, (b, 2 * g, nk, d))
        v = case.make("v", "kv", 3, (b, g, nk, dv))
        w = case.make("out_norm_w", "row", 4, (dv,)) if weight else None
        lam = np.array([0.25]) if not weight else np.arange(1, h + 1) * 0.125
        case.give("diff_lambda", "row", lam)
        vis = score.causal(nq, nk) if causal else None
        out = [score.diff_attention(q, k, v, x, init, w, vis) for x in lam]
        case.expect("out", out[0] if len(lam) == 1
                    else np.stack([out[i][:, i] for i in range(h)], 1))
        case.write()
