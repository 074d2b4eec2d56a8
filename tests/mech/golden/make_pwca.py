# SPDX-License-Identifier: MIT
"""pwca.gold: make_pwca.py FOLDER_OF_score.py > pwca.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, hk, n, nk, n2, d, dv in ((1, 2, 2, 5, 7, 4, 8, 8), (2, 4, 2, 33, 40, 65, 16, 24),
                                   (1, 3, 1, 35, 129, 1, 16, 8), (1, 2, 2, 4, 6, 0, 8, 8)):
    heads = "%d/%d" % (h, hk)
    case = gold.Case("pwca b=%d h=%s q=%d k=%d d=%d/%d" % (b, heads, n, max(nk, n2), d, dv), 6.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, hk, nk, d))
    v = case.make("v", "kv", 3, (b, hk, nk, dv))
    k2 = case.make("k2", "kv", 4, (b, hk, n2, d))
    v2 = case.make("v2", "kv", 5, (b, hk, n2, dv))
    out, _, lse = score.attention(q, np.concatenate([k, k2], 2), np.concatenate([v, v2], 2))
    case.expect("out", out)
    case.expect("lse", lse)
    case.write()
