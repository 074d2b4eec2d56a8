# SPDX-License-Identifier: MIT
"""tensor_attention.gold: make_tensor_attention.py FOLDER_OF_score.py > tensor_attention.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402


def one(b, h, hk, n, nk, n2, d, dv, causal=False, scale=None):
    words = " causal" if causal else ""
    words += " scale=%g" % scale if scale is not None else ""
    case = gold.Case("tensor_attention b=%d h=%d/%d q=%d k=%d d=%d/%d%s"
                     % (b, h, hk, n, max(nk, n2), d, dv, words), 8.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, hk, nk, d))
    v = case.make("v", "kv", 3, (b, hk, nk, dv))
    k2 = case.make("k2", "kv", 4, (b, hk, n2, d))
    v2 = case.make("v2", "kv", 5, (b, hk, n2, dv))
    out = np.zeros((b, h, n, dv))
    lse = np.full((b, h, n), -np.inf)
    for x in range(b):
        for y in range(h):
            g = y // (h // hk)
            for i in range(n):
                # causal: the definition over what row i sees
                m, m2 = (i + 1, i + 1) if causal else (nk, n2)
                out[x, y, i] = score.tensor_attention(q[x, y, i:i + 1], k[x, g, :m], k2[x, g, :m2],
                                                      v[x, g, :m], v2[x, g, :m2], scale)[0]
                s = (1 / d if scale is None else scale) * np.einsum(
                    "a,ja,la->jl", q[x, y, i], k[x, g, :m], k2[x, g, :m2])
                lse[x, y, i] = s.max() + np.log(np.exp(s - s.max()).sum())
    case.expect("out", out)
    case.expect("lse", lse)
    case.write()


one(1, 2, 2, 5, 7, 4, 8, 8)
one(2, 4, 2, 9, 33, 17, 16, 12, scale=0.25)
one(1, 2, 1, 3, 90, 91, 8, 4)
one(1, 2, 2, 18, 18, 18, 8, 8, causal=True)
