# SPDX-License-Identifier: MIT
"""rcmha.gold: make_rcmha.py FOLDER_OF_score.py > rcmha.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, n, d, dv, is_causal in ((1, 2, 6, 8, 8, True), (2, 2, 35, 16, 8, True),
                                  (1, 1, 9, 4, 4, False)):
    case = gold.Case("rcmha b=%d h=%d q=%d k=%d d=%d/%d %s query_table_zero=%d q_bias_content "
                     "query_table_bias" % (b, h, n, n, d, dv, "causal" if is_causal else "", n),
                     12.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, h, n, d))
    v = case.make("v", "kv", 3, (b, h, n, dv))
    r = case.make("query_table", "row", 4, (h, 2 * n, d))
    u = case.make("q_bias_content", "row", 5, (h, d))
    beta = case.make("query_table_bias", "row", 6, (h, 2 * n))
    convs = [(case.make("conv_" + x, "row", 7 + i, (w, 3)),
              case.make("conv_%s_bias" % x, "row", 10 + i, (w,)))
             for i, (x, w) in enumerate((("q", d), ("k", d), ("v", dv)))]
    vis = np.tril(np.ones((n, n), bool)) if is_causal else None
    # the table's middle is where the function has distance 0
    case.expect("out", score.rcmha(q, k, v, convs, r, u, beta, vis=vis))
    case.write()
