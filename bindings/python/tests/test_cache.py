# SPDX-License-Identifier: MIT
"""Caches: what goes in comes out, and attention over what comes out."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import attn


@pytest.fixture
def rows(rng):
    """k, v [1,2,40,32] for each of two layers."""
    return [tuple(rng.standard_normal((1, 2, 40, 32)).astype(np.float32) for _ in range(2))
            for _ in range(2)]


def make(ctx, **more):
    return ctx.cache(h=2, d=32, cache_layers=2, cache_page=8, cache_pages=60, **more)


def feed(cache, seq, rows, first, end):
    with cache.step([(seq, end - first)]) as step:
        for layer, (k, v) in enumerate(rows):
            step.write(layer, k[:, :, first:end], v[:, :, first:end])


def test_rows_come_back(ctx, rows):
    cache = make(ctx)
    seq = cache.sequence()
    feed(cache, seq, rows, 0, 7)
    feed(cache, seq, rows, 7, 30)
    assert len(seq) == 30 and seq.last == 7 and not seq.open and not seq.lossy
    assert list(seq.positions(1)) == list(range(30))
    for layer, (k, v) in enumerate(rows):
        got = seq.read(layer)
        assert np.array_equal(got[0], k[:, :, :30]) and np.array_equal(got[1], v[:, :, :30])
    # another order of memory, other numbers
    with cache.step([(seq, 2)]) as step:
        for layer, (k, v) in enumerate(rows):
            step.write(layer, *(x[:, :, 30:32].transpose(0, 2, 1, 3).astype(np.float64)
                                for x in (k, v)), layout="bnhd")
    assert np.array_equal(seq.read(0, dtype="f64")[0], rows[0][0][:, :, :32])
    assert seq.cells == 2 * 32 and cache.stats["appended"] == 32
    cache.check()


def test_attention_over_a_window(ctx, rows, rng):
    cache = make(ctx, policy="duo_attention", cache_group=[0, 1], cache_window=["inf", 5],
                 cache_sink=[0, 2])
    assert cache.heads(0) == 1 and "policy=duo_attention" in cache.problem
    seq = cache.sequence()
    for t in range(40):
        feed(cache, seq, rows, t, t + 1)
    assert list(seq.positions(0, 1)) == [0, 1, 35, 36, 37, 38, 39]
    q = rng.standard_normal((1, 2, 1, 32)).astype(np.float32)
    k, v = rows[1]
    whole = attn.attention(q, k, v, causal=True, window=(4, 0), sink_tokens=2, ctx=ctx)
    part = attn.attention(q[:, 1:], *seq.read(1, 1), ctx=ctx)
    assert np.allclose(part, whole[:, 1:], atol=1e-6)


@pytest.mark.parametrize("kind, step", [("f16", 1e-3), ("q8_0", 1 / 127), ("q4_0", 1 / 7),
                                        ("fp8_e4m3", 1 / 15), ("fp8_e5m2", 1 / 7)])
def test_types(ctx, rows, kind, step):
    cache = make(ctx, kv_dtype=kind)
    seq = cache.sequence()
    feed(cache, seq, rows, 0, 20)
    k = seq.read(0)[0]
    most = np.abs(rows[0][0]).max()
    assert 0 < np.abs(k - rows[0][0][:, :, :20]).max() <= step * most
    other = cache.load(seq.save())
    assert np.array_equal(other.read(0)[0], k) and len(other) == 20
    assert cache.stats["bytes"] < 2 * 2 * 2 * 2 * 24 * 32 * 4


@pytest.mark.parametrize("kind, step", [("kivi4", 1 / 15), ("kivi2", 1 / 3)])
def test_kivi(ctx, rows, kind, step):
    cache = ctx.cache(h=2, d=32, cache_layers=2, cache_page=32, cache_pages=12, kv_dtype=kind)
    seq = cache.sequence()
    feed(cache, seq, rows, 0, 20)
    assert np.array_equal(seq.read(1)[0], rows[1][0][:, :, :20])  # not a block yet
    feed(cache, seq, rows, 20, 36)
    for kept, given in zip(seq.read(1), rows[1]):
        given = given[:, :, :36]
        assert np.array_equal(kept[:, :, 32:], given[:, :, 32:])
        apart = np.abs(kept - given)[:, :, :32]
        assert 0 < apart.max() <= 0.6 * step * (given.max() - given.min())
    assert np.array_equal(cache.load(seq.save()).read(1)[0], seq.read(1)[0])


def test_values_in_keys(ctx, rows):
    cache = make(ctx, dv=20, cache_v_prefix=True)
    seq = cache.sequence()
    with cache.step([(seq, 9)]) as step:
        with pytest.raises(ValueError, match="v is a tensor"):
            step.write(0, rows[0][0][:, :, :9], rows[0][1][:, :, :9, :20])
        for layer, (k, _) in enumerate(rows):
            step.write(layer, k[:, :, :9])
    k, v = seq.read(1)
    assert np.array_equal(k, rows[1][0][:, :, :9]) and np.array_equal(v, k[..., :20])


def test_share_and_edit(ctx, rows):
    cache = make(ctx, cache_keys="raw")
    seq = cache.sequence()
    feed(cache, seq, rows, 0, 20)
    used = cache.stats["pages_used"]
    with seq.fork() as fork:
        assert cache.stats["pages_used"] == used and cache.stats["pages_shared"] == used
        fork.remove(2, 5)
        fork.shift(5, -3)
        assert len(fork) == 17 and list(fork.positions(0)) == list(range(17))
        assert np.array_equal(fork.read(1)[1][:, :, 2:], rows[1][1][:, :, 5:20])
        fork.prune(0, 0, [0, 3, 9])
        assert list(fork.positions(0)) == [0, 3, 9]
        with pytest.raises(attn.AttnError, match="ATTN_ERR_UNAVAILABLE"):
            fork.truncate(12)
        fork.truncate(12, lossy=True)
        assert fork.lossy
    with pytest.raises(attn.AttnError, match="ATTN_ERR_BAD_ID"):
        len(fork)
    assert np.array_equal(seq.read(0)[0], rows[0][0][:, :, :20])
    seq.truncate(3)
    beams = cache.reorder([seq, seq.fork(2)], [0, 0])
    assert [len(b) for b in beams] == [3, 3]
    cache.check()


def test_steps(ctx, rows):
    cache = make(ctx)
    a, b = cache.sequence(), cache.sequence()
    with pytest.raises(KeyError):
        with cache.step([(a, 2)]) as step:
            step.write(0, rows[0][0][:, :, :2], rows[0][1][:, :, :2])
            assert a.open
            raise KeyError
    assert len(a) == 0 and not a.open and step.over
    # a layer is missing: nothing is kept
    with pytest.raises(attn.StateError, match="1 layers of the step were written"):
        with cache.step([(a, 2)]) as step:
            step.write(0, rows[0][0][:, :, :2], rows[0][1][:, :, :2])
    assert not a.open and cache.stats["pages_used"] == 0
    # guesses that branch, for one of two sequences
    with cache.step([(a, 3), (b, 1)], parents=[[-1, 0, 0], [-1]]) as step:
        for layer, (k, v) in enumerate(rows):
            step.write(layer, k[:, :, :4], v[:, :, :4])
        assert list(a.positions(0)) == [0, 1, 1]
        step.commit(keep=[[0, 2], [0]])
    assert len(a) == 2 and np.array_equal(a.read(0)[0], rows[0][0][:, :, [0, 2]])
    assert np.array_equal(b.read(1)[1], rows[1][1][:, :, 3:4])
    # left alone, a step is over with its object
    step = cache.step([(a, 1)])
    del step
    gc.collect()
    assert not a.open


def test_scores(ctx, rows, rng):
    cache = make(ctx, policy="h2o")
    seq = cache.sequence()
    feed(cache, seq, rows, 0, 20)
    weights = rng.random((1, 4, 3, 20))
    seq.observe(0, 0, weights)
    total = weights.sum((0, 1, 2))
    assert np.allclose(seq.scores(0), total, rtol=1e-5)
    seq.prune_scores(0, 0, 4, sink=1, recent=5)
    best = 1 + np.sort(np.argsort(-total[1:15], kind="stable")[:4])
    assert list(seq.positions(0)) == [0, *best, *range(15, 20)]
    assert len(seq.positions(1)) == 20
    with pytest.raises(attn.ArgumentError, match="odd number"):
        seq.prune_scores(0, 0, 2, pool_mean=4)


def test_folded(ctx, rows):
    cache = make(ctx, policy="razor_attention", cache_window=[5])
    seq = cache.sequence()
    for t in range(30):
        feed(cache, seq, rows, t, t + 1)
    n, k, v = seq.read_fold(0, dtype="f64")
    assert n == 30 - 4 - 5
    assert np.allclose(k[0, :, 0], rows[0][0][0, :, 4:25].astype(float).mean(1))
    assert np.allclose(v[0, :, 0], rows[0][1][0, :, 4:25].astype(float).mean(1))


def test_refusals(ctx, rows):
    cache = make(ctx)
    seq = cache.sequence()
    with pytest.raises(attn.ArgumentError, match="cache_pages is not set"):
        ctx.cache(h=2, d=32, cache_layers=2)
    with pytest.raises(attn.ArgumentError, match="expected one of cache"):
        ctx.cache("softmax h=2 d=32")
    with pytest.raises(attn.AttnError, match="ATTN_ERR_MISMATCH"):
        make(ctx, kv_dtype="q8_0").load(seq.save())
    with pytest.raises(attn.AttnError, match="ATTN_ERR_FORMAT"):
        cache.load(b"nothing")
    with pytest.raises(attn.ArgumentError, match="another cache"):
        make(ctx).step([(seq, 1)])
    with pytest.raises(attn.ArgumentError, match="parents: expected a list"):
        cache.step([(seq, 2)], parents=[[-1]])
    with pytest.raises(attn.AttnError, match="ATTN_ERR_FULL"):
        cache.step([(seq, 1000)])
    with pytest.raises(attn.ArgumentError, match="64 bits"):
        cache.step([(seq, 2**70)])
    with cache.step([(seq, 2)]) as step:
        with pytest.raises(attn.ArgumentError, match="expected \\[1,2,2,32\\]"):
            step.write(0, rows[0][0], rows[0][1])
        with pytest.raises(ValueError, match="layout"):
            step.write(0, rows[0][0], rows[0][1], layout="nhd")
        with pytest.raises(attn.ArgumentError, match="keep: found 2 lists"):
            step.commit(keep=[[0], [0]])
        step.abort()
    assert len(seq) == 0
    with pytest.raises(attn.UnsupportedError, match="only caches store"):
        ctx.plan("softmax h=2 n=4 d=32 kv_dtype=q8_0")


def test_lives_as_long_as_its_sequences(rows):
    seq = make(attn.Context()).sequence()
    gc.collect()
    feed(seq.cache, seq, rows, 0, 3)
    assert len(seq) == 3
