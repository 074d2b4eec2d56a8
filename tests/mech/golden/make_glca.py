# SPDX-License-Identifier: MIT
"""glca.gold: make_glca.py FOLDER_OF_score.py > glca.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, hk, n, nk, d, dv, ratio in ((1, 2, 2, 20, 20, 8, 8, 0.1), (2, 4, 2, 70, 65, 16, 24, 0.3)):
    case = gold.Case("glca b=%d h=%d/%d q=%d k=%d d=%d/%d" % (b, h, hk, n, nk, d, dv), 6.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, hk, nk, d))
    v = case.make("v", "kv", 3, (b, hk, nk, dv))
    rows, out = score.glca(q, k, v, np.sin(np.arange(n) * 1.7), ratio)
    case.give("rows", "i32", rows[None])
    case.expect("out", out)
    case.write()
