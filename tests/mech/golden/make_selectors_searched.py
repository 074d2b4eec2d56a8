# SPDX-License-Identifier: MIT
"""selectors_searched.gold: make_selectors_searched.py FOLDER_OF_routed.py > ..."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
from clear import finish, inputs, try_seeds  # noqa: E402


def marks(lengths, n):
    """The last token of each length is a landmark; what is left is an open section."""
    is_mem = np.zeros(n, bool)
    is_mem[np.cumsum(lengths) - 1] = True
    return is_mem


def landmark_lse(s, is_mem, keep):
    """Of the top group: local tokens and the landmarks that are kept."""
    nq, nk = s.shape
    sec = np.cumsum(is_mem) - is_mem
    lse = np.full(nq, -np.inf)
    for i in range(nq):
        p = i + nk - nq
        ok = (np.arange(nk) <= p) & (sec == sec[p]) & ~is_mem
        for j in np.flatnonzero(is_mem):
            ok[j] = sec[j] < sec[p] and (keep is None or sec[j] in keep(i))
        lse[i] = routed.logsumexp(np.where(ok, s[i], -np.inf))
    return lse


def landmark(b, h, hk, nq, nk, d, dv, lengths, blocks, top, over):
    def build(seed):
        x = gold.Case("landmark b=%d h=%d/%d q=%d k=%d d=%d/%d landmark_blocks=%d%s%s"
                      % (b, h, hk, nq, nk, d, dv, blocks,
                         " landmark_top=%d" % top if top else "",
                         " landmark_over=" + over if over else ""), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, nq, nk, d, dv)
        is_mem = np.array([marks(some, nk) for some in lengths])
        x.give("landmark", "bool", is_mem)
        is_mem = np.broadcast_to(is_mem, (b, nk))
        reduce = {None: "per_head", "heads": "max_heads", "tokens": "max_tokens"}[over]
        x.expect("out", routed.ref_landmark(q, k, v, is_mem, top_k=top, reduce=reduce))
        if over is None:
            lse = np.zeros((b, h, nq))
            for i in range(b):
                m = np.flatnonzero(is_mem[i])
                for j in range(h):
                    s = d ** -0.5 * q[i, j] @ k[i, j // (h // hk)].T

                    def keep(r):
                        before = s[r, m[m < r + nk - nq]]
                        return set(int(g) for g in routed.topk(before, top))
                    lse[i, j] = landmark_lse(s, is_mem[i], keep if top else None)
            x.expect("lse", lse)
        return x
    # shares are looked at by each query of a call: the same numbers again
    try_seeds(build, ties=over is not None)


def sparsifiner(b, h, n, d, dv, budget, basis, width, top, classes):
    def build(seed):
        x = gold.Case("sparsifiner b=%d h=%d q=%d k=%d d=%d/%d sparsifiner_budget=%d"
                      " sparsifiner_basis=%d sparsifiner_width=%d sparsifiner_top=%d"
                      " sparsifiner_class=%d" % (b, h, n, n, d, dv, budget, basis, width, top,
                                                 classes), 8.0)
        q, k, v = inputs(x, seed, b, h, h, n, n, d, dv)
        wq = x.make("predict_wq", "row", seed + 3, (width, d), 1 / 64)
        wk = x.make("predict_wk", "row", seed + 4, (width, d), 1 / 64)
        bq = x.make("predict_bq", "row", seed + 5, (width,))
        bk = x.make("predict_bk", "row", seed + 6, (width,))
        down = x.make("predict_down", "row", seed + 7, (n, basis), 1 / 256)
        up = x.make("predict_up", "row", seed + 8, (n, basis))
        vis = routed.ref_sparsifiner_mask(q, k, wq, bq, wk, bk, down, up, budget, 0.02, top,
                                          n_cls=classes)
        return finish(x, q, k, v, vis, False)
    try_seeds(build)


def given(b, h, nq, d, dv, budget, classes):
    def build(seed):
        x = gold.Case("sparsifiner b=%d h=%d q=%d k=%d d=%d/%d sparsifiner_budget=%d"
                      " sparsifiner_class=%d sparsifiner_given"
                      % (b, h, nq, nq, d, dv, budget, classes), 8.0)
        q, k, v = inputs(x, seed, b, h, h, nq, nq, d, dv)
        s = x.make("select_scores", "row", seed + 3, (b, 1, nq, nq))
        vis = np.zeros((b, h, nq, nq), bool)
        vis[:, :, :classes] = True
        for i in range(b):
            for r in range(classes, nq):
                vis[i, :, r, routed.topk(s[i, 0, r], budget)] = True
        return finish(x, q, k, v, vis, False)
    try_seeds(build, ties=True)


def hip(b, h, hk, nq, nk, d, dv, tokens, q_block, k_block, window, middle=False, first=1, stride=2):
    def build(seed):
        x = gold.Case("hip b=%d h=%d/%d q=%d k=%d d=%d/%d hip_tokens=%d hip_q_block=%d"
                      " hip_k_block=%d hip_window=%d hip_first=%d hip_stride=%d%s"
                      % (b, h, hk, nq, nk, d, dv, tokens, q_block, k_block, window, first, stride,
                         " hip_middle" if middle else ""), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, nq, nk, d, dv)
        argsort = np.argsort
        near = [0]

        def watched(a, **how):
            order = argsort(a, **how)
            s = np.sort(-np.asarray(a))[::-1]
            m = len(s) // 2
            near[0] += s[m - 1] - s[m] < 2e-5 * np.abs(s[np.isfinite(s)]).max()
            return order
        np.argsort = watched
        try:
            _, vis = routed.ref_hip(q, k, v, tokens, q_block, k_block, window,
                                    rep="middle" if middle else "first", q_first=first,
                                    q_stride=stride)
        finally:
            np.argsort = argsort
        routed.topk.__self__.close += near[0]
        return finish(x, q, k, v, vis, True)
    try_seeds(build)


def spt(b, h, hk, n, d, dv, part, words, top, causal, slots=None, clamp=10.0):
    def build(seed):
        x = gold.Case("spt b=%d h=%d/%d q=%d k=%d d=%d/%d spt_part=%d spt_words=%d spt_top=%d"
                      " spt_clamp=%g%s%s"
                      % (b, h, hk, n, n, d, dv, part, words, top, clamp,
                         "" if causal else " causal=0", " spt_slots=%d" % slots if slots else ""),
                      8.0)
        q, k, v = inputs(x, seed, b, h, hk, n, n, d, dv)
        book = x.make("codebook", "row", seed + 3, (d // part, words, part), 3 / 64)
        k, v = k[:, routed.kvmap(h, hk)], v[:, routed.kvmap(h, hk)]
        out, vis = routed.ref_spt(q, k, v, book, top, causal, slots, clamp)
        s = np.clip(d ** -0.5 * np.einsum("bhid,bhjd->bhij", q, k), -clamp, clamp)
        x.expect("out", out)
        x.expect("lse", routed.logsumexp(np.where(vis, s, -np.inf)))
        return x
    # sums of exact numbers are the same in any arithmetic, and so are counts
    try_seeds(build, ties=True)


# widths whose roots are powers of 2, as logits are f32
landmark(1, 2, 1, 30, 30, 16, 4, [[6, 7, 5, 8]], 6, None, None)
landmark(2, 2, 2, 27, 27, 4, 4, [[4, 2, 9, 3], [5, 5, 5, 5, 5]], 5, 2, None)
landmark(2, 4, 2, 3, 40, 16, 4, [[6, 6, 6, 6, 6, 6]], 8, 3, None)       # decode
landmark(1, 4, 2, 33, 33, 16, 4, [[5, 6, 4, 7, 5]], 9, 2, "heads")
landmark(1, 2, 2, 29, 33, 16, 4, [[5, 6, 4, 7, 5]], 9, 2, "tokens")
sparsifiner(1, 2, 37, 8, 4, 10, 6, 4, 3, 1)
sparsifiner(2, 4, 26, 16, 4, 7, 9, 8, 8, 2)
given(2, 2, 24, 8, 4, 6, 0)
hip(1, 2, 1, 96, 96, 8, 4, 16, 8, 2, 8)
hip(1, 2, 2, 61, 61, 8, 4, 9, 8, 3, 11, True)                           # short blocks
hip(1, 2, 1, 20, 75, 8, 4, 12, 16, 1, 16, False, 0, 3)
hip(1, 2, 2, 1, 90, 8, 4, 16, 1, 2, 4, False, 0, 1)                     # decode
spt(1, 2, 1, 40, 16, 4, 4, 8, 5, True, None, 1.5)
spt(2, 2, 2, 33, 16, 8, 2, 4, 6, True, 4)
spt(1, 4, 2, 24, 8, 4, 4, 3, 3, False)
