# SPDX-License-Identifier: MIT
"""imbalanced_attention.gold: make_imbalanced_attention.py FOLDER_OF_score.py > ..."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

# Classes: 0 others, 1 raised, 3 lowered. Only the last `rows` rows change.
for b, h, n, nk, d, dv, rows in ((1, 2, 5, 9, 8, 8, 1), (2, 4, 33, 40, 16, 24, 33),
                                 (1, 2, 1, 50, 8, 4, 1)):
    own = "" if rows == 1 else " class_rows=%d" % rows
    case = gold.Case("imbalanced_attention b=%d h=%d q=%d k=%d d=%d/%d causal%s"
                     % (b, h, n, nk, d, dv, own), 8.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, h, nk, d))
    v = case.make("v", "kv", 3, (b, h, nk, dv))
    classes = np.arange(nk) * 5 // nk % 4
    case.give("class_k", "u8", classes[None].astype(np.uint8))
    alpha, beta = 0.5 + 0.125 * np.arange(h), 0.25
    terms = np.zeros((2, h, 4))
    terms[0, :, 1], terms[0, :, 3] = alpha, -beta
    case.give("class_terms", "row", terms)
    s = score.scores(q, k)
    up, down = np.nonzero(classes == 1)[0], np.nonzero(classes == 3)[0]
    s[:, :, n - rows:] = score.emphasise(s[:, :, n - rows:], up, down, alpha, beta)
    vis = np.arange(nk)[None] <= np.arange(n)[:, None] + nk - n
    p, lse = score.softmax_rows(s, vis)
    case.expect("out", score.apply_p(p, v))
    case.expect("lse", lse)
    case.write()
