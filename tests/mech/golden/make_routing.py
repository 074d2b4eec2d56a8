# SPDX-License-Identifier: MIT
"""routing.gold: make_routing.py FOLDER_OF_routed.py > ..."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
from clear import try_seeds  # noqa: E402


def near(x, mu):
    """Has a row two centroids that are equally near, for f32?"""
    s = np.sort(np.einsum("bhnd,hkd->bhnk", x, mu), -1)
    return (s[..., -1] - s[..., -2] < 2e-5 * np.abs(s).max()).sum() if mu.shape[1] > 1 else 0


def routing(b, h, nq, nk, d, dv, count, window, causal, shared=True, eps=None, decay=None):
    def build(seed):
        x = gold.Case("routing b=%d h=%d q=%d k=%d d=%d/%d routing_clusters=%d routing_window=%d%s%s%s%s"
                      % (b, h, nq, nk, d, dv, count, window, " causal" if causal else "",
                         "" if shared else " routing_shared=0",
                         "" if eps is None else " routing_eps=%g" % eps,
                         "" if decay is None else " routing_update routing_decay=%g" % decay),
                      2.0 * d)
        q = x.make("q", "q", seed, (b, h, nq, d))
        k = x.make("k", "kv", seed if shared else seed + 1, (b, h, nk, d))
        v = x.make("v", "kv", seed + 2, (b, h, nk, dv))
        mu = x.make("centroids", "row", seed + 3, (h, count, d))
        out, _ = routed.ref_routing(q, k, v, mu, window, causal, shared,
                                    1e-2 if eps is None else eps)
        x.expect("out", out)
        if decay is not None:
            state = np.abs(x_state(seed, h, count, d))
            x.give("centroid_state", "row", state)
            ema, total = state[..., d], state[..., :d]
            for rows in [q] if shared else [q, k]:
                rows = routed.layer_norm_plain(rows)
                routed.topk.__self__.close += near(rows, mu)
                mu, ema, total = routed.ref_kmeans_update(rows, mu, ema, total, decay)
            x.expect("new_centroids", mu)
            x.expect("new_centroid_state", np.concatenate([total, ema[..., None]], -1))
        return x
    try_seeds(build)


def picked(scores, window, strided):
    """The rows of a cluster, rising: the best, or each so many of all in that order."""
    window = min(window, len(scores))
    if not strided:
        return routed.topk(scores, window)
    order = np.argsort(-scores, kind="stable")
    places = np.arange(0, len(scores), len(scores) // window)[:window]
    gaps = -np.diff(scores[order])
    gaps = np.concatenate([gaps[places[places > 0] - 1], gaps[places[places < len(gaps)]]])
    routed.topk.__self__.close += (gaps < 2e-5 * np.abs(scores).max()).sum()
    return np.sort(order[places])


def by_rank(b, h, nq, nk, d, dv, count, window, options, strided=False, shared=True, lengths=None):
    """Variants of clusters whose causal and terms go by the rank of rows in them."""
    causal = "causal" in options

    def build(seed):
        x = gold.Case("routing b=%d h=%d q=%d k=%d d=%d/%d routing_clusters=%d routing_window=%d %s"
                      % (b, h, nq, nk, d, dv, count, window, options), 2.0 * d)
        q = x.make("q", "q", seed, (b, h, nq, d))
        k = x.make("k", "kv", seed if shared else seed + 1, (b, h, nk, d))
        v = x.make("v", "kv", seed + 2, (b, h, nk, dv))
        mu = x.make("centroids", "row", seed + 3, (h, count, d))
        rows, line = np.zeros((h, 9, d)), np.zeros((h, 9))
        if "query_table" in options:
            rows = x.make("query_table", "row", seed + 4, (h, 9, d), 1 / 64)
        if "bias_table" in options:
            line = x.make("bias_table", "row", seed + 5, (h, 9))
        if lengths:
            x.give("q_len", "i32", np.array(lengths))
            x.give("k_len", "i32", np.array(lengths))
        qn, kn = routed.layer_norm_plain(q), routed.layer_norm_plain(k)
        out, times = np.zeros((b, h, nq, dv)), np.zeros((b, h, nq, 1))
        for at in np.ndindex(b, h, count):
            n, head, c = at
            end = lengths[n] if lengths else max(nq, nk)
            qs, ks, centroid = qn[n, head, :end], kn[n, head, :end], mu[head, c]
            qi = picked(qs @ centroid, window, strided)
            ki = qi if shared else picked(ks @ centroid, window, strided)
            apart = np.arange(len(ki))[None] - np.arange(len(qi))[:, None]
            cell = np.clip(apart + 4, 0, 8)
            term = np.einsum("id,ijd->ij", qs[qi], rows[head][cell]) + line[head][cell]
            o, _ = routed.attention(qs[None, None, qi], ks[None, None, ki],
                                    v[n, head][None, None, ki], scale=1.0, bias=term,
                                    vis=apart <= 0 if causal else None)
            out[n, head, qi] += o[0, 0]
            times[n, head, qi] += 1
        x.expect("out", out / (times + 1e-2))
        return x
    try_seeds(build)


def x_state(seed, h, count, d):
    return gold.formula(seed + 4, (h, count, d + 1)) + 1 / 16


routing(1, 2, 40, 40, 8, 4, 4, 10, True)
routing(2, 3, 33, 33, 16, 8, 3, 7, True, eps=0.5)
routing(1, 2, 24, 24, 8, 4, 5, 12, False)                   # rows in several clusters
routing(2, 2, 26, 19, 8, 4, 3, 6, False, shared=False)
routing(2, 2, 30, 30, 8, 4, 3, 8, True, decay=0.9)
routing(1, 2, 21, 25, 8, 4, 2, 9, False, shared=False, decay=0.5)
by_rank(1, 2, 41, 41, 8, 4, 4, 10, "causal routing_strided", strided=True)
by_rank(1, 2, 30, 23, 8, 4, 3, 7, "causal routing_shared=0 routing_ranked", shared=False)
by_rank(1, 2, 26, 26, 8, 4, 3, 9, "causal query_table query_table_zero=4 bias_table table_zero=4")
by_rank(2, 2, 25, 25, 8, 4, 3, 12, "", lengths=[9, 20])   # clusters of all rows, and of some
