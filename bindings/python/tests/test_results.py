# SPDX-License-Identifier: MIT
"""Numbers: every option the binding passes on, against float64."""
from __future__ import annotations

import numpy as np
import pytest

import attn
from attention_oracle import attend, close

try:
    from ml_dtypes import bfloat16
except ImportError:
    bfloat16 = None
needs_bf16 = pytest.mark.skipif(bfloat16 is None, reason="bf16 arrays need ml_dtypes")


@pytest.mark.parametrize("heads", [(4, 4), (6, 2), (5, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_heads_and_causal(ctx, qkv, heads, causal):
    q, k, v = qkv(hq=heads[0], hk=heads[1])
    out, lse = attn.attention(q, k, v, causal=causal, lse=True, ctx=ctx)
    expected = attend(q, k, v, causal=causal)
    close(out, expected.out)
    close(lse, expected.lse)


@pytest.mark.parametrize("options", [
    {"window": (3, 0)},
    {"window": (None, 2)},
    {"window": ("inf", -1)},
    {"window": "2,1", "causal": True},
    {"window": (1, 0), "sink_tokens": 2},
    {"causal": True, "prefix": 14},
    {"scale": 0.3},
    {"softcap": 1.5},
    {"scale": np.float32(0.5), "softcap": 2, "causal": True},
], ids=str)
def test_options(ctx, qkv, options):
    q, k, v = qkv()
    out = attn.attention(q, k, v, ctx=ctx, **options)
    said = dict(options)
    if "window" in said:
        sides = said["window"].split(",") if isinstance(said["window"], str) else said["window"]
        said["window"] = tuple(None if x in (None, "inf") else int(x) for x in sides)
    close(out, attend(q, k, v, **said).out)


def test_top_left(ctx, qkv):
    q, k, v = qkv()
    expected = attend(q, k, v, causal=True, top_left=True).out
    close(attn.attention(q, k, v, causal="top_left", ctx=ctx), expected)
    close(attn.attention(q, k, v, causal=True, align="top_left", ctx=ctx), expected)


def test_bias_and_mask(ctx, qkv, rng):
    q, k, v = qkv()
    bias = rng.standard_normal((1, 4, 7, 19)).astype(np.float32)
    mask = rng.random((2, 1, 7, 19)) < 0.5
    mask[0, 0, 3] = False
    out, lse = attn.attention(q, k, v, bias=bias, mask=mask, lse=True, ctx=ctx)
    expected = attend(q, k, v, bias=bias, mask=mask)
    close(out, expected.out)
    close(lse, expected.lse)
    assert np.all(out[0, :, 3] == 0) and np.all(lse[0, :, 3] == -np.inf)
    close(attn.attention(q, k, v, bias=bias, mask=mask.view(np.uint8), ctx=ctx), expected.out)


def test_broadcast_bias(ctx, qkv, rng):
    q, k, v = qkv()
    row = rng.standard_normal(19).astype(np.float32)
    bias = np.broadcast_to(row, (2, 4, 7, 19))
    close(attn.attention(q, k, v, bias=bias, ctx=ctx), attend(q, k, v, bias=bias).out)


def test_sink_logits(ctx, qkv):
    q, k, v = qkv()
    sinks = np.array([0.5, -1, 2, 0], np.float32)
    out, lse = attn.attention(q, k, v, sink_logits=sinks, lse=True, ctx=ctx)
    expected = attend(q, k, v, sink_logits=sinks)
    close(out, expected.out)
    close(lse, expected.lse)


def test_lengths_and_segments(ctx, qkv):
    q, k, v = qkv(b=3, nq=6, nk=6)
    out = attn.attention(q, k, v, k_len=[6, 2, 0], ctx=ctx)
    for b, n in enumerate([6, 2, 0]):
        close(out[b:b + 1], attend(q[b:b + 1], k[b:b + 1, :, :n], v[b:b + 1, :, :n]).out)
    seg = np.array([[0, 0, 1, 1, 1, 2]], np.int32)
    out = attn.attention(q, k, v, seg_q=seg, seg_k=seg, ctx=ctx)
    close(out, attend(q, k, v, mask=seg[0][:, None] == seg[0][None, :]).out)


def test_packed(ctx, rng):
    q_len, k_len = [3, 0, 5, 1], [4, 2, 5, 7]
    qo, ko = np.cumsum([0] + q_len), np.cumsum([0] + k_len)
    q = rng.standard_normal((1, 4, qo[-1], 8)).astype(np.float32)
    k, v = (rng.standard_normal((1, 2, ko[-1], 8)).astype(np.float32) for _ in range(2))
    out, lse = attn.attention(q, k, v, causal=True, q_offsets=qo, k_offsets=ko.astype(np.int32),
                              lse=True, ctx=ctx)
    plan = ctx.plan("softmax packed b=4 q=5 k=7 h=4/2 d=8 causal want=probs,colsum,rowmax")
    res = plan.run(q=q, k=k, v=v, q_offsets=qo, k_offsets=ko)
    assert res.probs.shape == (4, 4, 5, 7) and res.colsum.shape == (4, 4, 7)
    assert res.rowmax.shape == lse.shape
    close(res.out, out)
    for s in range(4):
        rows, keys = slice(qo[s], qo[s + 1]), slice(ko[s], ko[s + 1])
        expected = attend(q[:, :, rows], k[:, :, keys], v[:, :, keys], causal=True)
        close(out[:, :, rows], expected.out)
        close(lse[:, :, rows], expected.lse)
        close(res.probs[s:s + 1, :, :q_len[s], :k_len[s]], expected.probs)


def test_rows_and_counts(ctx, qkv):
    q, k, v = qkv()
    plan = ctx.plan(b=2, h="4/2", q=7, k=19, d=16, causal=True, mass_classes=3,
                    want=["argmax", "classmass", "counts"])
    classes = (np.arange(19, dtype=np.uint8) % 4)[None]
    res = plan.run(q=q, k=k, v=v, class_k=classes)
    probs = attend(q, k, v, causal=True).probs
    assert res.argmax.dtype == np.int32 and (res.argmax == probs.argmax(axis=3)).all()
    close(res.classmass, np.stack([probs[..., classes[0] == c].sum(axis=3) for c in range(3)], 3))
    assert res.counts.dtype == np.int64
    pairs, all_pairs, tiles, all_tiles = res.counts
    assert 0 < pairs <= all_pairs == 2 * 4 * 7 * 19 and 0 < tiles <= all_tiles
    bnhd = plan.run(q=q.swapaxes(1, 2), k=k.swapaxes(1, 2), v=v.swapaxes(1, 2), class_k=classes,
                    layout="bnhd")
    close(bnhd.classmass, res.classmass)


def test_wanted_outputs(ctx, qkv):
    q, k, v = qkv(dv=24)
    plan = ctx.plan(b=2, h="4/2", q=7, k=19, d=(16, 24), causal=True,
                    want=["probs", "scores_biased", "colsum", "rowmax", "entropy"])
    assert set(plan.wants) == {"probs", "scores_biased", "colsum", "rowmax", "entropy"}
    res = plan.run(q=q, k=k, v=v, lse=True, entropy=False)
    expected = attend(q, k, v, causal=True)
    assert set(res) == set(plan.wants) - {"entropy"} | {"out", "lse"}
    assert len(res) == 6 and "probs" in res and res["probs"] is res.probs
    close(res.out, expected.out)
    close(res.probs, expected.probs)
    close(res.scores_biased, expected.scores)
    close(res.colsum, expected.probs.sum(axis=2))
    close(res.rowmax, expected.scores.max(axis=3))
    close(res.lse, expected.lse)
    with pytest.raises(AttributeError, match="entropy"):
        res.entropy
    with pytest.raises(KeyError):
        res["entropy"]


@pytest.mark.parametrize("dtype, tolerance", [
    (np.float64, 1e-12), (np.float16, 2e-3), pytest.param(bfloat16, 1e-2, marks=needs_bf16),
], ids=["f64", "f16", "bf16"])
def test_types(ctx, qkv, dtype, tolerance):
    q, k, v = qkv(dtype=dtype)
    out, lse = attn.attention(q, k, v, causal=True, lse=True, ctx=ctx)
    assert out.dtype == dtype
    assert lse.dtype == (np.float64 if dtype is np.float64 else np.float32)
    close(out, attend(q, k, v, causal=True).out, tolerance)


@needs_bf16
def test_mixed_types(ctx, qkv):
    q, k, v = qkv()
    k, v = k.astype(bfloat16), v.astype(bfloat16)
    out = attn.attention(q, k, v, ctx=ctx)
    assert out.dtype == np.float32
    close(out, attend(q, k, v).out)
    plan = ctx.plan(h="4/2", b=2, q=7, k=19, d=16, dtype=np.float32, kv_dtype=bfloat16)
    assert "kv_dtype=bf16" in plan.problem
    assert np.array_equal(plan.run(q=q, k=k, v=v).out, out)


def test_one_plan_for_prefill_and_decode(ctx, qkv):
    plan = ctx.plan("softmax b=2 h=4/2 q=7 k=inf d=16 causal")
    q, k, v = qkv()
    whole = attend(q, k, v, causal=True).out
    close(plan.run(q=q, k=k, v=v).out, whole)
    for i in range(7):
        n = 19 - 7 + i + 1
        step = plan.run(q=q[:, :, i:i + 1], k=k[:, :, :n], v=v[:, :, :n]).out
        close(step, whole[:, :, i:i + 1])


def test_empty(ctx, qkv):
    q, k, v = qkv()
    out, lse = attn.attention(q, k[:, :, :0], v[:, :, :0], lse=True, ctx=ctx)
    assert np.all(out == 0) and np.all(lse == -np.inf)
    assert attn.attention(q[:, :, :0], k, v, ctx=ctx).shape == (2, 4, 0, 16)


@pytest.mark.parametrize("layout", ["bhnd", "bnhd"])
def test_merge(ctx, qkv, layout):
    q, k, v = qkv()
    if layout == "bnhd":
        q, k, v = (x.transpose(0, 2, 1, 3).copy() for x in (q, k, v))
    cut = (lambda x, s: x[:, :, s]) if layout == "bhnd" else (lambda x, s: x[:, s])
    parts = [attn.attention(q, cut(k, s), cut(v, s), lse=True, layout=layout, ctx=ctx)
             for s in (slice(0, 5), slice(5, 19))]
    whole, lse = attn.attention(q, k, v, lse=True, layout=layout, ctx=ctx)
    outs, lses = [p[0] for p in parts], [p[1] for p in parts]
    joined, joined_lse = attn.merge(outs, lses, layout=layout)
    close(joined, whole)
    close(joined_lse, lse)
    again, _ = attn.merge(outs, lses, out=outs[0], lse=lses[0], layout=layout)
    assert again is outs[0] and np.array_equal(again, joined)
