# SPDX-License-Identifier: MIT
"""selectors.gold: make_selectors.py FOLDER_OF_routed.py > selectors.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
from clear import finish, inputs, try_seeds  # noqa: E402


def moba(b, h, hk, nq, nk, d, dv, block, top):
    def build(seed):
        x = gold.Case("moba b=%d h=%d/%d q=%d k=%d d=%d/%d moba_block=%d moba_top=%d"
                      % (b, h, hk, nq, nk, d, dv, block, top), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, nq, nk, d, dv)
        rows = routed.Rows.from_lists(routed.ref_moba_lists(q, k, block, top), block, nk)
        return finish(x, q, k, v, rows.mask(h, nq, nk), True)
    try_seeds(build)


def quest(b, h, hk, nk, d, dv, page, budget):
    def build(seed):
        x = gold.Case("quest b=%d h=%d/%d q=1 k=%d d=%d/%d%s quest_budget=%d"
                      % (b, h, hk, nk, d, dv, "" if page == 16 else " quest_page=%d" % page, budget), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, 1, nk, d, dv)
        out, lists = routed.ref_quest(q, k, v, page, budget)
        x.expect("out", out)
        rows = routed.Rows.from_lists(lists, page, nk)
        x.expect("lse", routed.attention(q, k, v, vis=rows.mask(h, 1, nk))[1])
        return x
    try_seeds(build)


def biformer(b, heads, side, region, top, d, dv):
    """An image of side x side tokens; the library gets them region by region."""
    def build(seed):
        n, m = side * side, region * region
        x = gold.Case("biformer b=%d h=%d q=%d k=%d d=%d/%d biformer_region=%d biformer_top=%d"
                      % (b, heads, n, n, d, dv, m, top), 8.0)
        q, k, v = inputs(x, seed, b, heads, heads, n, n, d, dv)
        count = side // region

        def image(t):  # [B,H,N,D] in the order of regions -> [B,H*D,side,side]
            t = t.reshape(b, heads, count, count, region, region, t.shape[3])
            t = t.transpose(0, 1, 6, 2, 4, 3, 5)
            return t.reshape(b, heads * t.shape[2], side, side)

        out, graph = routed.ref_bra(image(q), image(k), image(v), heads, (region, region), top)
        out = out.reshape(b, heads, dv, count, region, count, region)
        out = out.transpose(0, 1, 3, 5, 4, 6, 2).reshape(b, heads, n, dv)
        x.expect("out", out)
        return x
    try_seeds(build)


def biformer_lines(b, heads, height, width, region, top, d, dv, scale=None):
    """An image whose tokens come line by line; region: its height and width."""
    def build(seed):
        n = height * width
        x = gold.Case("biformer b=%d h=%d q=%d k=%d d=%d/%d biformer_region=%d biformer_top=%d"
                      " biformer_columns=%d biformer_width=%d%s"
                      % (b, heads, n, n, d, dv, region[0] * region[1], top, width, region[1],
                         "" if scale is None else " scale=%g" % scale), 8.0)
        q, k, v = inputs(x, seed, b, heads, heads, n, n, d, dv)

        def image(t):  # [B,H,N,D] -> [B,H*D,height,width]
            return t.swapaxes(2, 3).reshape(b, -1, height, width)

        out, _ = routed.ref_bra(image(q), image(k), image(v), heads, region, top, scale)
        x.expect("out", out.reshape(b, heads, dv, n).swapaxes(2, 3))
        return x
    try_seeds(build)


def xattention(b, h, hk, n, d, dv, block, stride, threshold):
    """threshold: one for all heads, or a list of each head's."""
    each = threshold if isinstance(threshold, list) else [threshold] * h

    def build(seed):
        x = gold.Case("xattention b=%d h=%d/%d q=%d k=%d d=%d/%d xattention_block=%d"
                      " xattention_stride=%d %s xattention_norm=2"
                      % (b, h, hk, n, n, d, dv, block, stride,
                         "xattention_threshold=%g" % threshold if each is not threshold else
                         "xattention_thresholds=[%s]" % ",".join("%g" % t for t in each)), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, n, n, d, dv)
        vis = np.zeros((b, h, n, n), bool)
        for i in range(b):
            for j in range(h):
                blocks, sums = routed.ref_xattention_blocks(q[i, j], k[i, j // (h // hk)], block,
                                                            stride, each[j], 2.0)
                vis[i, j] = routed.blocks_to_vis(blocks, block, n)
                edge(watch_of(), sums, blocks, each[j])
        return finish(x, q, k, v, vis, True)
    try_seeds(build)


def watch_of():
    return routed.topk.__self__


def edge(watch, sums, blocks, threshold):
    """Counts rows whose kept share is near what is needed, or whose scores are
    near each other."""
    for row, taken in zip(sums, blocks):
        kept = np.sort(row[taken])
        need = threshold * row.sum()
        for c in (kept.sum(), kept[1:].sum()):
            watch.close += abs(c - need) < 1e-4 * row.sum()
        inside = np.sort(row[row > 0])
        watch.close += (np.diff(inside) < 1e-6 * row.sum()).any()


moba(1, 2, 1, 40, 40, 8, 8, 4, 3)
moba(2, 4, 2, 9, 75, 16, 8, 8, 4)      # the last rows of longer sequences, a short block
moba(1, 2, 2, 1, 131, 8, 8, 16, 3)     # decode
moba(1, 2, 1, 33, 33, 8, 4, 5, 1)      # the own block alone
quest(2, 4, 2, 200, 16, 8, 16, 4)
quest(1, 2, 2, 65, 8, 8, 4, 5)
quest(1, 2, 1, 40, 8, 8, 16, 9)        # all pages
biformer(1, 2, 8, 2, 3, 8, 4)
biformer(2, 1, 6, 3, 2, 8, 4)
biformer(1, 2, 6, 3, 4, 8, 4)          # all regions
biformer_lines(2, 2, 6, 8, (3, 4), 2, 8, 4)
biformer_lines(1, 2, 5, 7, (2, 3), 3, 8, 4, 0.5)  # smaller regions at the edges
xattention(1, 2, 1, 96, 8, 4, 16, 4, 0.6)
xattention(1, 2, 2, 128, 16, 4, 32, 8, 0.8)
xattention(1, 4, 2, 96, 8, 4, 16, 4, [0.3, 0.9, 1.1, 0.55])
