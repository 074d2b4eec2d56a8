# SPDX-License-Identifier: MIT
"""reversed_attention.gold: make_reversed_attention.py FOLDER_OF_score.py > reversed_attention.gold"""
import sys

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, hk, n, nk, d, dv, gated in ((1, 2, 2, 5, 7, 8, 8, True), (2, 4, 2, 33, 33, 16, 12, True),
                                      (1, 2, 1, 65, 70, 8, 8, False), (1, 3, 3, 17, 1, 8, 4, True)):
    case = gold.Case("reversed_attention b=%d h=%d/%d q=%d k=%d d=%d/%d"
                     % (b, h, hk, n, nk, d, dv), 6.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, hk, nk, d))
    v = case.make("v", "kv", 3, (b, hk, n, dv))
    g = case.make("gate", "row", 4, (b, h, n)) if gated else None
    out, _ = score.reversed_attention(q, k, v.repeat(h // hk, 1), g)
    case.expect("out", out)
    case.write()
