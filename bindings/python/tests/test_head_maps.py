# SPDX-License-Identifier: MIT
"""Head maps and noise of grouped queries against NumPy, and what takes them."""
from __future__ import annotations

import numpy as np
import pytest

import attn
from attention_oracle import attend, close


def shares(weights, heads):
    """Proportional, half to even, evened out at the first largest or smallest."""
    found = np.rint(weights / weights.sum() * heads).astype(int)
    while found.sum() > heads:
        found[np.argmax(found)] -= 1
    while found.sum() < heads:
        found[np.argmin(found)] += 1
    return list(found)


def noise(uniform, group):
    made = np.zeros(uniform.shape)
    for h, u in enumerate(uniform.astype(np.float64)):
        flat = u.ravel().copy()
        flat[h % group] = 0
        made[h] = ((flat - flat.mean()) / flat.std(ddof=1)).reshape(u.shape)
    return made


def test_norms_and_shares(qkv):
    _, k, _ = qkv()
    k = np.concatenate([k, 2 * k[:, :1], 0.25 * k[:, 1:]], axis=1)
    norms = attn.head_norms(k)
    want = np.sqrt((k.astype(np.float64) ** 2).sum((2, 3))).sum(0)
    assert np.allclose(norms, want, rtol=1e-12)
    assert attn.head_norms(k.transpose(0, 2, 1, 3), layout="bnhd") == norms
    weights = (want - want.min()) / (want.max() - want.min())
    for heads in (1, 7, 16):
        alloc = attn.kdgqa_heads(norms, heads)
        assert alloc == shares(weights, heads)
        cache = want[::-1]
        assert attn.dgqa_heads(norms, cache, heads) == shares(abs(cache - want), heads)
        assert attn.dgqa_heads(norms, cache, heads, rule="ema") == shares(
            0.9 * want + 0.1 * cache, heads)
        assert attn.expand_heads(alloc) == list(np.repeat(np.arange(len(alloc)), alloc))


def test_the_mechanisms_take_them(ctx):
    rng = np.random.default_rng(3)
    q = rng.standard_normal((2, 8, 6, 16), np.float32)
    k, v = (rng.standard_normal((2, 3, 6, 16), np.float32) for _ in range(2))
    table = attn.expand_heads(attn.kdgqa_heads(attn.head_norms(k), 8))
    found = ctx.plan("kdgqa b=2 h=8/3 q=6 k=6 d=16 kv_head=[%s]" % ",".join(map(str, table))).run(
        q=q, k=k, v=v)
    want = attend(q, k[:, table], v[:, table]).out
    close(found.out, want)

    k, v = k[:, :2], v[:, :2]
    uniform = rng.random((8, 6, 16), np.float32)
    made = attn.pgqa_noise(uniform, 2)
    assert made.dtype == np.float32 and np.allclose(made, noise(uniform, 4), atol=1e-5)
    found = ctx.plan("pgqa b=2 h=8/2 q=6 k=6 d=16").run(q=q, k=k, v=v, pgqa_noise=made)
    plain = attend(q, k, v).out
    flat = plain.reshape(2, 8, -1)
    mean, sd = flat.mean(-1), flat.std(-1, ddof=1)
    want = plain - (made * sd[..., None, None] + mean[..., None, None])
    close(found.out, want)
    again = attn.pgqa_noise(uniform, 2, out=uniform)
    assert again is uniform and np.array_equal(uniform, made)


def test_lama(ctx):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 1, 9, 8), np.float32)
    p, q = (rng.standard_normal((3, 8), np.float32) for _ in range(2))
    found = ctx.plan("lama b=2 h=3/1 k=9 d=8").run(k=x, lama_p=p, lama_q=q)
    rows = x[:, 0].astype(np.float64)
    a = np.tanh((rows.mean(1) @ p.T)[:, :, None] * np.einsum("bnd,md->bmn", rows, q))
    e = np.exp(a / np.sqrt((a * a).sum(1, keepdims=True)))
    want = np.einsum("bmn,bnd->bmd", e / e.sum(-1, keepdims=True), rows)
    close(found.out, want[:, :, None])


def test_bad_arguments():
    with pytest.raises(attn.ArgumentError, match="norms are all 2"):
        attn.kdgqa_heads([2, 2], 4)
    with pytest.raises(attn.ArgumentError, match="found 2 and 1"):
        attn.dgqa_heads([1, 2], [1], 4)
    with pytest.raises(attn.ArgumentError, match="rule is 'mean'"):
        attn.dgqa_heads([1, 2], [2, 1], 4, rule="mean")
    with pytest.raises(attn.ArgumentError, match="k has rank 3"):
        attn.head_norms(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(attn.ArgumentError, match="hk is 3"):
        attn.pgqa_noise(np.zeros((4, 2, 2), np.float32), 3)
    with pytest.raises(attn.ArgumentError, match="expected 0 to"):
        attn.expand_heads([3, -1])
