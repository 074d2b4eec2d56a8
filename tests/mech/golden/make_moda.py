# SPDX-License-Identifier: MIT
"""moda.gold: make_moda.py FOLDER_OF_score.py > moda.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, hk, n, nq, d, dv, tau, base, beta, align, span in (
        (1, 2, 2, 9, 9, 8, 8, 8 ** 0.5, None, 0.0, False, 3),
        (2, 2, 2, 33, 33, 16, 4, 4.0, None, 0.0, True, 5),
        (1, 4, 2, 65, 65, 8, 4, 2.0, 0.3, 0.125, True, 4),
        (1, 2, 1, 40, 40, 8, 9, 2.0, -1.0, 0.0, False, 40),
        (1, 3, 1, 70, 3, 8, 8, 2.0, 1.5, 0.5, True, 9)):
    words = " moda_align=%d" % align if not align else ""
    words += " moda_base=%g" % base if base is not None else ""
    words += " moda_decay=%g" % beta if beta else ""
    case = gold.Case("moda b=%d h=%d/%d q=%d k=%d d=%d/%d causal scale=%.17g%s"
                     % (b, h, hk, nq, n, d, dv, 1 / tau, words), 12.0)
    q = case.make("q", "q", 1, (b, h, nq, d))
    k = case.make("k", "kv", 2, (b, hk, n, d))
    v = case.make("v", "kv", 3, (b, hk, n, dv))
    mod = np.arange(n) // span % 2
    case.give("class_q", "u8", mod[None, n - nq:])
    case.give("class_k", "u8", mod[None])
    full = np.concatenate([np.zeros((b, h, n - nq, d)), q], 2)
    rep = lambda x: x.repeat(h // hk, 1)  # noqa: E731
    # the sum over 70 positions of decay 0.5 is the same series as the library's
    both = score.moda(full, rep(k), rep(v), mod, tau, base, beta,
                      score.gram_align if align else None)
    vis, same = score.causal(n, n), score.seg_eq(mod, mod)
    kx = np.array(rep(k))
    for m in (0, 1):
        own = mod == m
        if align and own.any():
            kx[:, :, ~own] = score.gram_align(rep(k)[:, :, ~own], rep(k)[:, :, own])
    sink = None
    if base is not None:
        sink = np.array([[np.logaddexp.reduce([base - (j - 1) * beta for j in range(i + 2, n + 1)])
                          if i + 1 < n else -np.inf] for i in range(n)])[None, None]
    lses = [score.attention(full, kk, rep(v), scale=1 / tau, vis=s & vis, sink=sink)[2]
            for kk, s in ((rep(k), same), (kx, ~same))]
    for role, x, lse in (("", both[0], lses[0]), ("_cross", both[1], lses[1])):
        case.expect("out" + role, x[:, :, n - nq:])
        case.expect("lse" + role, lse[:, :, n - nq:])
    case.write()
