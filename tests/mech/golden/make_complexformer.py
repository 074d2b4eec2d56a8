# SPDX-License-Identifier: MIT
"""complexformer.gold: make_complexformer.py FOLDER_OF_score.py > complexformer.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, n, nk, d, dv, turned in ((1, 2, 5, 7, 8, 8, True), (2, 3, 20, 37, 16, 24, True),
                                   (1, 2, 9, 9, 8, 4, False)):
    case = gold.Case("complexformer b=%d h=%d q=%d k=%d d=%d/%d causal%s"
                     % (b, h, n, nk, d, dv, "" if turned else " rope=none"), 6.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, h, nk, d))
    v = case.make("v", "kv", 3, (b, h, nk, dv))
    delta = case.make("euler_delta", "row", 4, (h, d // 2))
    shift = case.make("euler_shift", "row", 5, (h, d // 2))
    freq = score.rope_inv_freq(d)[0] if turned else np.zeros(d // 2)
    s = score.cmha_scores(q, k, np.arange(n) + nk - n, np.arange(nk), delta[:, None],
                          shift[:, None], freq)
    vis = np.arange(nk)[None] <= np.arange(n)[:, None] + nk - n
    p, lse = score.softmax_rows(s, vis)
    case.expect("out", score.apply_p(p, v))
    case.expect("lse", lse)
    case.write()
