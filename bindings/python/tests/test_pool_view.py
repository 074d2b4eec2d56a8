# SPDX-License-Identifier: MIT
"""Views of pools that are the program's own, and bounds of the pages of caches."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import attn

SLOTS, HEADS, D = 8, 2, 16


@pytest.fixture
def pools(rng):
    """k and v of two layers, [12,8,2,16]."""
    return [[rng.standard_normal((12, SLOTS, HEADS, D)).astype(np.float32) for _ in range(2)]
            for _ in range(2)]


def gather(pool, pages, length):
    rows = pool[pages].reshape(-1, HEADS, D)[:length]
    return np.ascontiguousarray(rows.transpose(1, 0, 2)[None])


def test_runs_read_pools(ctx, pools, rng):
    k, v = pools
    tables, lengths = [[7, 2, 11], [0]], [19, 5]
    pages = np.array(sum(tables, []), np.int32)
    view = ctx.pool_view(k, v, lengths, [0, 3, 4], pages)
    assert len(view) == 2 and "2 sequences" in repr(view)
    reads = ctx.plan("softmax packed view causal", b=2, h=(4, HEADS), q=8, k="inf", d=D,
                     cache_page=SLOTS, solver="decode")
    plain = ctx.plan("softmax causal", h=(4, HEADS), q=8, k="inf", d=D, solver="decode")
    q = rng.standard_normal((1, 4, 5, D)).astype(np.float32)
    ends = [0, 3, 5]
    gc.collect()
    for layer in range(2):
        out = reads.run(q=q, q_offsets=ends, view=view, layer=layer).out
        for s in range(2):
            want = plain.run(q=np.ascontiguousarray(q[:, :, ends[s]:ends[s + 1]]),
                             k=gather(k[layer], tables[s], lengths[s]),
                             v=gather(v[layer], tables[s], lengths[s])).out
            assert np.array_equal(out[:, :, ends[s]:ends[s + 1]], want)
    # pools are read where they are
    k[0][7] += 1
    assert not np.array_equal(reads.run(q=q, q_offsets=ends, view=view, layer=0).out, out)


def test_refusals(ctx, pools):
    k, v = pools
    with pytest.raises(ValueError, match="layers"):
        ctx.pool_view(k, v[:1], [1], [0, 1], [0])
    with pytest.raises(ValueError, match=r"pages\[0\] is 12"):
        ctx.pool_view(k, v, [1], [0, 1], [12])
    with pytest.raises(ValueError, match="lengths"):
        ctx.pool_view(k, v, [9], [0, 1], [3])
    assert len(ctx.pool_view(k, v, [], [0], [])) == 0


def test_page_bounds(ctx, rng):
    cache = ctx.cache(h=HEADS, d=D, cache_layers=1, cache_page=SLOTS, cache_pages=8,
                      cache_summary="minmax")
    seq = cache.sequence()
    k = rng.standard_normal((1, HEADS, 19, D)).astype(np.float32)
    with cache.step([(seq, 19)]) as step:
        step.write(0, k, k)
    low, high, page_of = seq.page_bounds(0)
    assert low.shape == (1, HEADS, 3, D) and list(page_of) == [n // SLOTS for n in range(19)]
    for page in range(3):
        rows = k[:, :, page_of == page]
        assert np.array_equal(low[:, :, page], rows.min(2))
        assert np.array_equal(high[:, :, page], rows.max(2))
    with pytest.raises(attn.UnsupportedError):
        ctx.cache(h=1, d=4, cache_layers=1, cache_pages=1).sequence().page_bounds(0)
