# SPDX-License-Identifier: MIT
"""selectors_prefill.gold: make_selectors_prefill.py FOLDER_OF_routed.py > ..."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
from clear import finish, inputs, try_seeds  # noqa: E402


def near(values, edge):
    """Is a number too near the edge for f32?"""
    return (np.abs(np.asarray(values) - edge) < 3e-5 * max(1.0, abs(edge))).any()


def flex(b, h, hk, n, d, dv, block, gamma, tau, least, kind):
    def build(seed):
        x = gold.Case("flexprefill b=%d h=%d/%d q=%d k=%d d=%d/%d flexprefill_block=%d"
                      " flexprefill_gamma=%g flexprefill_tau=%g flexprefill_min=%d"
                      % (b, h, hk, n, n, d, dv, block, gamma, tau, least), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, n, n, d, dv, 1 / 32)
        vis = np.zeros((b, h, n, n), bool)
        watch, kinds = routed.topk.__self__, set()
        for i in range(b):
            for j in range(h):
                qh, kh = q[i, j], k[i, j // (h // hk)]
                act, found = routed.ref_flexprefill_blocks(qh, kh, block, gamma, tau,
                                                           -(-least // block))
                kinds.add(found)
                vis[i, j] = routed.blocks_to_vis(act, block, n)
                for s in routed.ref_last_q_stats(qh, kh, block):
                    watch.close += near(np.cumsum(-np.sort(-s)), gamma)
                nb = -(-n // block)
                a = routed.block_mean(qh, block) @ routed.block_mean(kh, block).T * d ** -0.5
                a = routed.softmax(np.where(np.tril(np.ones((nb, nb), bool)), a, -np.inf)).ravel()
                if found == "query_aware":
                    watch.close += near(np.cumsum(-np.sort(-a)), gamma * nb)
        watch.close += kinds != kind
        return finish(x, q, k, v, vis, True)
    try_seeds(build)


def stripes(b, h, hk, n, d, dv, columns, slashes, last, first, close, tile):
    def build(seed):
        x = gold.Case("minference b=%d h=%d/%d q=%d k=%d d=%d/%d minference_vertical=%d"
                      " minference_slash=%d minference_last=%d minference_first=%d"
                      " minference_near=%d minference_tile=%d"
                      % (b, h, hk, n, n, d, dv, columns, slashes, last, first, close, tile), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, n, n, d, dv, 1 / 32)
        vis = np.zeros((b, h, n, n), bool)
        for i in range(b):
            for j in range(h):
                vis[i, j] = routed.ref_minference_vertical_slash(
                    q[i, j], k[i, j // (h // hk)], columns, slashes, last, first, close, tile)
        return finish(x, q, k, v, vis, True)
    try_seeds(build)


def blocks(b, h, hk, n, d, dv, tile, top):
    def build(seed):
        x = gold.Case("minference b=%d h=%d/%d q=%d k=%d d=%d/%d minference_pattern=block_sparse"
                      " minference_blocks=%d minference_tile=%d"
                      % (b, h, hk, n, n, d, dv, top, tile), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, n, n, d, dv, 1 / 32)
        vis = np.zeros((b, h, n, n), bool)
        for i in range(b):
            for j in range(h):
                act = routed.ref_minference_block_sparse(q[i, j], k[i, j // (h // hk)], top, tile)
                vis[i, j] = routed.blocks_to_vis(act, tile, n)
        return finish(x, q, k, v, vis, True)
    try_seeds(build)


flex(1, 2, 1, 96, 8, 4, 16, 0.5, 0.0, 16, {"vertical_slash"})
flex(1, 2, 2, 91, 16, 4, 8, 0.4, 0.0, 8, {"vertical_slash"})       # a short block
flex(1, 2, 1, 90, 8, 4, 16, 0.6, 1.0, 16, {"query_aware"})
flex(1, 4, 2, 80, 8, 4, 16, 0.7, 0.08, 32, {"query_aware", "vertical_slash"})
stripes(1, 2, 1, 130, 8, 2, 30, 50, 16, 3, 4, 16)
stripes(1, 2, 2, 101, 8, 2, 34, 50, 20, 5, 8, 1)
stripes(1, 1, 1, 20, 8, 8, 40, 60, 64, 30, 100, 8)                 # fewer keys than anything
blocks(1, 2, 1, 96, 8, 4, 16, 3)
