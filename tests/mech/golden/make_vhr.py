# SPDX-License-Identifier: MIT
"""vhr.gold: make_vhr.py FOLDER_OF_score.py > vhr.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, hk, n, nk, n2, d, dv, words, alpha, filtered in (
        (1, 4, 4, 1, 9, 5, 8, 8, "", 2.0, True),
        (2, 8, 2, 5, 40, 17, 16, 12, " causal vhr_alpha=1.5", 1.5, True),
        (1, 7, 1, 33, 65, 33, 8, 16, " vhr_filter=0 vhr_alpha=0.25", 0.25, False),
        (1, 16, 4, 3, 12, 3, 8, 8, " causal scale=2", 2.0, True),
        (2, 1, 1, 2, 3, 1, 4, 4, "", 2.0, True),
        (1, 6, 6, 4, 129, 0, 8, 8, " vhr_alpha=3", 3.0, True)):
    case = gold.Case("vhr b=%d h=%d/%d q=%d k=%d d=%d/%d%s" % (b, h, hk, n, nk, d, dv, words), 12.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, hk, nk, d))
    v = case.make("v", "kv", 3, (b, hk, nk, dv))
    q2 = case.make("q2", "q", 4, (b, h, 1, d))
    k2 = case.make("k2", "kv", 5, (b, hk, n2, d))
    # with the values of every third and fourth head small, outliers come up
    v2 = case.make("v2", "kv", 6, (b, hk, n2, dv))
    scale = 2.0 if "scale" in words else None
    vis = score.causal(n, nk) if "causal" in words else None
    out, _, lse = score.attention(q, k, v, scale=scale, vis=vis)
    last = score.attention(q[:, :, -1:], k, v, scale=scale)[0][:, :, 0]
    text = (score.attention(q2, k2, v2, scale=scale)[0] if n2 else np.zeros((b, h, 1, dv)))[:, :, 0]
    factors = np.ones((b, h))
    for x in range(b):
        distance, size = score.vhd(last[x], text[x]), (text[x] ** 2).sum(-1)
        if h > 1:
            # nothing near a threshold, or rounding would decide
            far = distance.mean() + distance.std(ddof=1)
            large = size.mean() + size.std(ddof=1)
            assert np.abs(distance - far).min() > 1e-3 * far
            assert n2 == 0 or np.abs(size - large).min() > 1e-3 * large
            order = np.sort(distance)
            assert np.diff(order)[(h - 1) // 2:h // 2 + 1].min() > 1e-3 * order[h // 2]
            factors[x] = score.vhr_gate(last[x], text[x], alpha, filtered)
            sys.stderr.write("%s: %d filtered\n" % (words, ((distance > far) & (size > large)).sum()))
    case.expect("out", out * factors[:, :, None, None])
    case.expect("lse", lse)
    case.expect("factors", factors)
    case.write()
