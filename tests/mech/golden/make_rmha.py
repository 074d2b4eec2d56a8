# SPDX-License-Identifier: MIT
"""rmha.gold: make_rmha.py FOLDER_OF_score.py > rmha.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402


def causal(n, nk):
    return np.arange(nk)[None] <= np.arange(n)[:, None] + nk - n


# Transformer-XL: biases of queries for both products; labml: one, and of rows.
for b, h, n, nk, d, dv, zero, xl in ((1, 2, 5, 7, 8, 8, 6, True), (2, 2, 33, 40, 16, 24, 40, True),
                                     (1, 3, 20, 20, 8, 4, 19, False), (1, 2, 1, 9, 8, 8, 8, False)):
    own = "q_bias_table" if xl else "query_table_bias"
    case = gold.Case("rmha b=%d h=%d q=%d k=%d d=%d/%d causal query_table_zero=%d q_bias_content %s"
                     % (b, h, n, nk, d, dv, zero, own), 12.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, h, nk, d))
    v = case.make("v", "kv", 3, (b, h, nk, dv))
    r = case.make("query_table", "row", 4, (h, zero + nk, d))
    u = case.make("q_bias_content", "row", 5, (h, d))
    more = case.make(own, "row", 6, (h, d) if xl else (h, zero + nk))
    s = score.xl_scores(q, k, r, u, more if xl else None, None if xl else more, zero=zero)
    p, lse = score.softmax_rows(s, causal(n, nk))
    case.expect("out", score.apply_p(p, v))
    case.expect("lse", lse)
    case.write()
