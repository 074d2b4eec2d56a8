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


def x_state(seed, h, count, d):
    return gold.formula(seed + 4, (h, count, d + 1)) + 1 / 16


routing(1, 2, 40, 40, 8, 4, 4, 10, True)
routing(2, 3, 33, 33, 16, 8, 3, 7, True, eps=0.5)
routing(1, 2, 24, 24, 8, 4, 5, 12, False)                   # rows in several clusters
routing(2, 2, 26, 19, 8, 4, 3, 6, False, shared=False)
routing(2, 2, 30, 30, 8, 4, 3, 8, True, decay=0.9)
routing(1, 2, 21, 25, 8, 4, 2, 9, False, shared=False, decay=0.5)
