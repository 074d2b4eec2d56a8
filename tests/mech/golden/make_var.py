# SPDX-License-Identifier: MIT
"""var.gold: make_var.py FOLDER_OF_score.py > var.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

TEXT, TEXT_SINK, IMAGE_SINK, IMAGE = range(4)


def one(b, h, hk, n, nk, d, dv, image, sinks, p=0.6, rho=0.5, summ=0.2, words="", causal=True):
    case = gold.Case("var b=%d h=%d/%d q=%d k=%d d=%d/%d scale=0.4%s%s"
                     % (b, h, hk, n, nk, d, dv, " causal" if causal else "", words), 8.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, hk, nk, d))
    v = case.make("v", "kv", 3, (b, hk, nk, dv))
    classes = np.zeros((1, nk), int)
    classes[0, image[0]:image[1]] = IMAGE
    for j in sinks:
        classes[0, j] = IMAGE_SINK if image[0] <= j < image[1] else TEXT_SINK
    case.give("class_k", "u8", classes)
    off = nk - n
    vis = np.arange(nk)[None] <= np.arange(n)[:, None] + off if causal else np.ones((n, nk), bool)
    _, P, lse = score.attention(q, k, v, scale=0.4, vis=vis)
    changed = 0
    img = slice(*image)
    visual = np.nonzero(classes[0] == IMAGE_SINK)[0]
    for x in range(b):
        if not len(visual):
            continue
        chosen = score.var_heads(P[x], img, visual, rho, summ)
        mass = P[x][:, :, img].sum(-1)
        part = P[x][:, :, visual].sum(-1) / (P[x][:, :, img] + 1e-6).sum(-1)
        after = np.arange(n) + off >= image[1]
        # nothing near a threshold, or rounding would decide
        assert np.abs(mass[:, after] - summ).min() > 1e-5 and np.abs(part[:, after] - rho).min() > 1e-5
        for y in range(h):
            new = score.redistribute(P[x, y], [j for j in sinks], np.arange(*image), p)
            rows = chosen[y] & after
            changed += rows.sum()
            P[x, y] = np.where(rows[:, None], new, P[x, y])
    assert changed or not len(visual)
    factor = 0.5 if "out_scale" in words else 1
    case.expect("out", factor * np.einsum("bhij,bhjd->bhid", P, v.repeat(h // hk, 1)))
    case.expect("lse", lse)
    case.write()


one(1, 2, 2, 14, 14, 8, 8, (3, 9), (0, 4))
one(2, 4, 2, 9, 40, 16, 12, (5, 30), (0, 2, 7, 11), p=0.25, rho=0.3, summ=0.05,
    words=" var_p=0.25 var_rho=0.3 var_summ=0.05")
one(1, 2, 1, 33, 33, 8, 8, (2, 20), (0, 1))  # no image sink: nothing happens
one(1, 3, 3, 1, 65, 8, 4, (1, 64), (0, 3), summ=0.1, words=" var_summ=0.1")
one(1, 2, 2, 14, 14, 8, 8, (3, 9), (0, 4), words=" out_scale=0.5")
