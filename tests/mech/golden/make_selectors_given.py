# SPDX-License-Identifier: MIT
"""selectors_given.gold: make_selectors_given.py FOLDER_OF_routed.py > ..."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
import score  # noqa: E402
from clear import finish, inputs, try_seeds  # noqa: E402


def compacted(x, q, k, v, lists, q_block, pairing, base):
    """Results where the keys lists[b][h][t] of a block of queries, up to the last query's own,
    have positions 0, 1, ... and the queries those of their own keys."""
    b, h, nq, d = q.shape
    hk, nk, dv = k.shape[1], k.shape[2], v.shape[3]
    freq, _ = score.rope_inv_freq(d, base)
    out, lse = np.zeros((b, h, nq, dv)), np.full((b, h, nq), -np.inf)
    for i, j in np.ndindex(b, h):
        g = j // (h // hk)
        for t, a in enumerate(range(0, nq, q_block)):
            e = min(a + q_block, nq)
            ids = np.array([key for key in lists[i][j][t] if key < e + nk - nq])
            pos = np.array([int(np.flatnonzero(ids == n + nk - nq)[0]) for n in range(a, e)])
            s = (score.rope(q[i, j, a:e], pos, freq, pairing) @
                 score.rope(k[i, g, ids], np.arange(len(ids)), freq, pairing).T) / np.sqrt(d)
            s = np.where(np.arange(len(ids)) <= pos[:, None], s, -np.inf)
            lse[i, j, a:e] = routed.logsumexp(s)
            out[i, j, a:e] = np.exp(s - lse[i, j, a:e, None]) @ v[i, g, ids]
    x.expect("out", out)
    x.expect("lse", lse)
    return x


def longheads_compact(b, h, hk, nq, nk, d, chunk, chunks, made, given, pairing, base):
    def build(seed):
        x = gold.Case("longheads b=%d h=%d/%d q=%d k=%d d=%d rope=%s rope_base=%g"
                      " longheads_chunk=%d longheads_chunks=%d%s longheads_compact"
                      % (b, h, hk, nq, nk, d, pairing, base, chunk, chunks,
                         " longheads_made" if made else ""), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, nq, nk, d, d)
        chosen = x.make("select_q", "q", seed + 3, (b, h, nq, d)) if given else q
        each = [n // (h // hk) for n in range(h)]
        if made:
            q_loc = x.make("local_q", "q", seed + 4, (b, h, nk, d))
            k_loc = x.make("local_k", "kv", seed + 5, (b, hk, nk, d))
            keys = routed.ref_longheads_chunk_keys(q_loc, k_loc[:, each], v[:, each], chunk)
        else:
            keys = x.make("select_k", "kv", seed + 4, (b, hk, nk // chunk, d))[:, each]
        lists = routed.ref_longheads_select(chosen, keys, np.arange(nk - nq, nk), chunk, chunks)
        tokens = [[[[c * chunk + o for c in row for o in range(chunk)] for row in head]
                   for head in entry] for entry in lists]
        return compacted(x, q, k, v, tokens, 1, pairing, base)
    try_seeds(build)


def tokenselect_compact(h, hk, nq, nk, d, dv, init, local, top, chunk, pairing, base):
    def build(seed):
        x = gold.Case("tokenselect b=1 h=%d/%d q=%d k=%d d=%d/%d rope=%s rope_base=%g"
                      " tokenselect_init=%d tokenselect_local=%d tokenselect_top=%d"
                      " tokenselect_chunk=%d tokenselect_compact"
                      % (h, hk, nq, nk, d, dv, pairing, base, init, local, top, chunk), 8.0)
        q, k, v = inputs(x, seed, 1, h, hk, nq, nk, d, dv)
        rows = []
        for a in range(0, nq, chunk):
            e = min(a + chunk, nq)
            seen = k[0, :, :e + nk - nq]
            rows.append(routed.ref_tokenselect(q[0, :, a:e].mean(1), seen, init, local, top))
        return compacted(x, q, k, v, [[rows] * h], chunk, pairing, base)
    try_seeds(build)


def tokenselect_again(h, hk, nk, older, d, dv, init, local, top, like):
    """A second step, older keys after the first; like: its query is like that of the first."""
    def build(seed):
        x = gold.Case("tokenselect b=1 h=%d/%d q=1 k=%d d=%d/%d tokenselect_init=%d"
                      " tokenselect_local=%d tokenselect_top=%d tokenselect_reuse=0.9"
                      % (h, hk, nk, d, dv, init, local, top), 8.0)
        q, k, v = inputs(x, seed, 1, h, hk, 1, nk, d, dv)
        other = gold.formula(seed + 3, (1, h, d))
        first = q[:, :, 0] + other / 4 if like else other - q[:, :, 0]
        cache = routed.TokenSelectCache(0.9)
        cache.step(first[0], k[0, :, :nk - older], init, local, top)
        x.give("choice_q", "row", first)
        x.give("choice_keys", "i32", cache.mid[None].astype(np.int32))
        ids, hit = cache.step(q[0, :, 0], k[0], init, local, top)
        assert hit == like
        x.expect("new_choice_keys", cache.mid[None])
        x.expect("new_choice_q", cache.q.reshape(1, h, d))
        vis = np.zeros((1, h, 1, nk), bool)
        vis[..., ids] = True
        return finish(x, q, k, v, vis, True)
    try_seeds(build)


def longheads(b, h, nq, nk, d, chunk, chunks):
    def build(seed):
        x = gold.Case("longheads b=%d h=%d q=%d k=%d d=%d longheads_chunk=%d longheads_chunks=%d"
                      % (b, h, nq, nk, d, chunk, chunks), 8.0)
        q, k, v = inputs(x, seed, b, h, h, nq, nk, d, d)
        chosen = x.make("select_q", "q", seed + 3, (b, h, nq, d))
        keys = x.make("select_k", "kv", seed + 4, (b, h, nk // chunk, d))
        lists = routed.ref_longheads_select(chosen, keys, np.arange(nk - nq, nk), chunk, chunks)
        rows = routed.Rows.from_lists(lists, chunk, nk)
        return finish(x, q, k, v, rows.mask(h, nq, nk), True)
    try_seeds(build)


def longheads_made(b, h, hk, nq, nk, d, chunk, chunks, local):
    def build(seed):
        x = gold.Case("longheads b=%d h=%d/%d q=%d k=%d d=%d longheads_chunk=%d"
                      " longheads_chunks=%d longheads_made"
                      % (b, h, hk, nq, nk, d, chunk, chunks), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, nq, nk, d, d)
        chosen = x.make("select_q", "q", seed + 3, (b, h, nq, d))
        q_loc, k_loc = q, k
        if local:
            q_loc = x.make("local_q", "q", seed + 4, (b, h, nk, d))
            k_loc = x.make("local_k", "kv", seed + 5, (b, hk, nk, d))
        each = [n // (h // hk) for n in range(h)]
        keys = routed.ref_longheads_chunk_keys(q_loc, k_loc[:, each], v[:, each], chunk)
        lists = routed.ref_longheads_select(chosen, keys, np.arange(nk - nq, nk), chunk, chunks)
        rows = routed.Rows.from_lists(lists, chunk, nk)
        return finish(x, q, k, v, rows.mask(h, nq, nk), True)
    try_seeds(build)


def hcam(b, h, nq, chunks, c, d, dv, width, top, masked):
    def build(seed):
        x = gold.Case("hcam b=%d h=%d q=%d k=%d d=%d/%d hcam_chunk=%d hcam_top=%d%s%s"
                      % (b, h, nq, chunks * c, d, dv, c, top,
                         "" if width == d else " hcam_width=%d" % width,
                         " hcam_mask" if masked else ""), 8.0)
        q, k, v = inputs(x, seed, b, h, h, nq, chunks * c, d, dv)
        rq = x.make("select_q", "q", seed + 3, (b, 1, nq, width))
        rk = x.make("select_k", "kv", seed + 4, (b, 1, chunks, width))
        mask = None
        if masked:
            mask = gold.formula(seed + 5, (b, nq, chunks)) > -1
            mask[0, nq // 2] = False
            x.give("select_mask", "bool", mask)
        x.expect("out", routed.ref_hcam(rq[:, 0], rk[:, 0], q, k.reshape(b, h, chunks, c, d),
                                        v.reshape(b, h, chunks, c, dv), top, mask))
        r = width ** -0.5 * np.einsum("bir,bmr->bim", rq[:, 0], rk[:, 0])
        r = r if mask is None else np.where(mask, r, -np.inf)
        best = np.sort(r, axis=2)[..., ::-1][..., :top]
        x.expect("lse", np.repeat(routed.logsumexp(best)[:, None], h, 1))
        return x
    try_seeds(build)


def dhsa(b, h, hk, n, d, dv, offsets, q_block, budget, first, last, window=None, tail=0):
    def build(seed):
        x = gold.Case("dhsa b=%d h=%d/%d q=%d k=%d d=%d/%d dhsa_q_block=%d dhsa_budget=%d"
                      " dhsa_global=%d dhsa_local=%d%s%s"
                      % (b, h, hk, n, n, d, dv, q_block, budget, first, last,
                         "" if window is None else " dhsa_window=%d" % window,
                         " dhsa_tail=%d" % tail if tail else ""), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, n, n, d, dv)
        x.give("select_offsets", "i32", np.array(offsets))
        lists = routed.ref_dhsa_select(q[:, :, :n - tail], k, offsets, q_block, budget, first,
                                       last, window)
        rows = routed.Rows.from_lists(lists, 1, n, q_block, h)
        mask = np.ones((b, h, n, n), bool)
        mask[:, :, :n - tail] = rows.mask(h, n - tail, n)
        return finish(x, q, k, v, mask, True)
    try_seeds(build, ties=True)


def tokenselect(h, hk, nq, nk, d, dv, init, local, top, pool):
    def build(seed):
        x = gold.Case("tokenselect b=1 h=%d/%d q=%d k=%d d=%d/%d tokenselect_init=%d"
                      " tokenselect_local=%d tokenselect_top=%d%s"
                      % (h, hk, nq, nk, d, dv, init, local, top,
                         " tokenselect_pool=%d" % pool if pool else ""), 8.0)
        q, k, v = inputs(x, seed, 1, h, hk, nq, nk, d, dv)
        ids = routed.ref_tokenselect(q[0].mean(1), k[0], init, local, top, pool)
        vis = np.zeros((1, h, nq, nk), bool)
        vis[..., ids] = True
        return finish(x, q, k, v, vis, True)
    try_seeds(build, ties=pool > 0)


def indexer(b, h, hk, nq, nk, d, dv, heads, width, top):
    def build(seed):
        x = gold.Case("indexer_topk b=%d h=%d/%d q=%d k=%d d=%d/%d indexer_heads=%d"
                      " indexer_width=%d indexer_tokens=%d"
                      % (b, h, hk, nq, nk, d, dv, heads, width, top), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, nq, nk, d, dv)
        qi = x.make("select_q", "q", seed + 3, (b, heads, nq, width))
        ki = x.make("select_k", "kv", seed + 4, (b, 1, nk, width))
        w = x.make("select_w", "row", seed + 5, (b, nq, heads))
        lists = routed.ref_indexer_lists(np.swapaxes(qi, 1, 2), w, ki[:, 0], top)
        rows = routed.Rows.from_lists(lists, 1, nk, 1, h)
        return finish(x, q, k, v, rows.mask(h, nq, nk), True)
    try_seeds(build)


longheads(1, 2, 40, 40, 8, 4, 4)
longheads(2, 2, 3, 70, 8, 8, 5)          # decode, an open chunk
longheads_made(1, 2, 2, 40, 40, 8, 4, 4, False)
longheads_made(2, 4, 2, 3, 70, 8, 8, 5, True)
hcam(1, 2, 9, 6, 5, 8, 4, 16, 3, False)  # logits are f32: widths whose roots are powers of 2
hcam(2, 1, 17, 9, 4, 8, 8, 4, 2, True)
hcam(1, 2, 5, 4, 7, 4, 8, 4, 9, False)   # all chunks
dhsa(1, 4, 2, 40, 8, 4, [[0, 3, 9, 10, 18, 22, 31, 40]], 8, 14, 3, 5)
dhsa(2, 2, 2, 33, 8, 8, [[0, 4, 11, 19, 26, 33], [0, 6, 7, 15, 29, 33]], 5, 11, 0, 4)
dhsa(1, 2, 1, 45, 8, 4, [[0, 4, 11, 19, 26, 33, 41, 45]], 6, 9, 2, 3, 17)
dhsa(2, 4, 2, 45, 8, 4, [[0, 4, 11, 19, 26, 33, 41, 45]] * 2, 6, 9, 2, 3, None, 10)  # in a block
dhsa(1, 2, 2, 40, 8, 8, [[0, 4, 11, 19, 26, 33, 40]], 8, 9, 2, 3, None, 8)
tokenselect(4, 2, 1, 90, 8, 8, 5, 12, 20, 0)
tokenselect(4, 2, 9, 100, 8, 4, 4, 16, 24, 0)
tokenselect(2, 2, 3, 80, 8, 8, 4, 8, 15, 5)
indexer(1, 4, 2, 30, 30, 8, 4, 3, 6, 7)
indexer(2, 2, 1, 5, 70, 8, 8, 4, 8, 16)
longheads_compact(1, 2, 2, 40, 40, 8, 4, 4, False, True, "half", 10000)
longheads_compact(2, 4, 2, 3, 70, 8, 8, 5, False, False, "interleaved", 100)
longheads_compact(1, 4, 2, 5, 43, 8, 4, 4, True, True, "half", 50)
tokenselect_compact(4, 2, 1, 90, 8, 8, 5, 12, 20, 1, "half", 10000)
tokenselect_compact(4, 2, 23, 75, 8, 4, 4, 8, 15, 5, "interleaved", 100)
tokenselect_compact(2, 2, 40, 40, 8, 8, 2, 8, 9, 8, "half", 10)
tokenselect_again(4, 2, 90, 7, 8, 4, 5, 12, 20, True)
tokenselect_again(4, 2, 90, 7, 8, 4, 5, 12, 20, False)
tokenselect_again(2, 2, 70, 15, 8, 8, 0, 4, 9, True)
