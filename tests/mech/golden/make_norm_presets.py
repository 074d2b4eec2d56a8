# SPDX-License-Identifier: MIT
"""norm_presets.gold: make_norm_presets.py FOLDER_OF_score.py > norm_presets.gold

relu_attention, sigmoid_attention, entmax15, sparsemax, pattention, lssa, lssar.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402


def lssar_condition(q, k, p, vis):
    """What lssar makes of errors of its scores: p (b + 1) / b, by weight."""
    d, n = q.shape[-1], vis.sum(-1, keepdims=True)
    s = score.scores(score.qk_norm(q, "l2", eps=1e-12), score.qk_norm(k, "l2", eps=1e-12), 1.0,
                     score.kv_head_map(q.shape[1], k.shape[1]),
                     np.log(d) * np.log(np.maximum(n, 1)))
    b = np.maximum(score.n_softplus_l1(s, vis) * n - 1, 0)
    weight = score.n_lssar(s, vis, p=p)
    top = np.where(b > 0, p * (b + 1) / np.where(b > 0, b, 1), 0)
    return float((weight * top).sum(-1).max()) * (1 + np.abs(s).max())


for h, hk, nq, nk, d, dv, causal in ((2, 1, 5, 9, 8, 4, True), (2, 2, 33, 33, 16, 8, True),
                                     (1, 1, 3, 129, 8, 12, False)):
    vis = score.causal(nq, nk) if causal else np.ones((nq, nk), bool)
    vis = np.broadcast_to(vis, (1, h, nq, nk))
    first = nk - nq  # rows are at positions i + nk - nq
    size = " h=%d/%d q=%d k=%d d=%d/%d" % (h, hk, nq, nk, d, dv) + (" causal" if causal else "")
    plain = [("relu_attention", "relu", dict(count="visible")),
             ("sigmoid_attention", "sigmoid", {}), ("entmax15", "entmax15", {}),
             ("sparsemax", "sparsemax", {})]
    if not causal:
        plain += [("pattention", "l2_gelu", {}), ("pattention normalizer=gelu_l2", "gelu_l2", {}),
                  ("pattention normalizer=exp_n", "exp_n", {})]
    for name, norm, more in plain:
        word, _, option = name.partition(" ")
        case = gold.Case((word + size + " " + option).strip(), 12.0)
        q = case.make("q", "q", 1, (1, h, nq, d))
        k = case.make("k", "kv", 2, (1, hk, nk, d))
        v = case.make("v", "kv", 3, (1, hk, nk, dv))
        scale = 1.0 if word == "pattention" else None
        case.expect("out", score.attention(q, k, v, scale=scale, vis=vis, norm=norm, **more)[0])
        case.write()
    for word, power in (("lssa", None), ("lssar", 15.0), ("lssar", 3.0)):
        option = " norm_power=3" if power == 3.0 else ""
        q, k = gold.formula(1, (1, h, nq, d)), gold.formula(2, (1, hk, nk, d))
        case = gold.Case(word + size + option,
                         12.0 if power is None else lssar_condition(q, k, power, vis))
        q = case.make("q", "q", 1, (1, h, nq, d))
        k = case.make("k", "kv", 2, (1, hk, nk, d))
        v = case.make("v", "kv", 3, (1, hk, nk, dv))
        n = vis.sum(-1, keepdims=True)
        row_scale = np.log(d) * np.log(n)
        more = {} if power is None else dict(p=power, first_row=first)
        norm = "softplus_l1" if power is None else "lssar"
        out = score.attention(score.qk_norm(q, "l2", eps=1e-12), score.qk_norm(k, "l2", eps=1e-12),
                              v, scale=1.0, row_scale=row_scale, vis=vis, norm=norm, **more)[0]
        if power is None:
            assert np.allclose(out, score.lssa(q, k[:, score.kv_head_map(h, hk)],
                                               v[:, score.kv_head_map(h, hk)], vis=vis)[0])
        case.expect("out", out)
        case.write()
