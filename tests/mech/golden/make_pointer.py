# SPDX-License-Identifier: MIT
"""pointer.gold: make_pointer.py FOLDER_OF_score.py > pointer.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, n, nk, a, masked in ((1, 3, 7, 8, False), (2, 5, 40, 6, True)):
    case = gold.Case("pointer b=%d h=1 q=%d k=%d d=%d%s want=probs,scores_biased"
                     % (b, n, nk, a, " mask" if masked else ""), 12.0)
    dec = case.make("q", "q", 1, (b, 1, n, a))
    enc = case.make("k", "kv", 2, (b, 1, nk, a))
    w = case.make("pointer_w", "row", 3, (1, a))
    vis = None
    if masked:
        vis = (np.arange(b * n * nk).reshape(b, 1, n, nk) * 7) % 3 != 0
        vis[0, 0, 1] = False  # nothing left to point at
        case.give("mask", "u8", vis.astype(np.uint8))
    one = np.eye(a)
    u, p = score.pointer_scores(enc[:, 0], dec[:, 0], one, one, w[0], vis)
    case.expect("probs", p[:, None])
    case.expect("scores_biased", u[:, None] if vis is None else np.where(vis, u[:, None], -np.inf))
    case.write()
