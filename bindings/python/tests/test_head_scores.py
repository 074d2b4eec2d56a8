# SPDX-License-Identifier: MIT
"""Figures of heads, against NumPy."""
from __future__ import annotations

import numpy as np
import pytest

import attn


def causal(rng, b=2, h=3, n=17):
    s = np.where(np.tril(np.ones((n, n), bool)), rng.standard_normal((b, h, n, n)), -np.inf)
    p = np.exp(s)
    return p / p.sum(-1, keepdims=True)


def test_razor(rng):
    p, period, bos = causal(rng), 5, 2
    echo, induction = np.zeros((2, 3)), np.zeros((2, 3))
    rows = range(bos + period, 17)
    for i in rows:
        for j in range(bos + (i - bos) % period, i, period):
            echo += p[:, :, i, j] / len(rows)
            induction += p[:, :, i, j + 1] / len(rows)
    found = attn.razor_head_scores(p, period, bos)
    assert np.allclose(found[0], echo, atol=1e-12) and np.allclose(found[1], induction, atol=1e-12)
    found = attn.razor_head_scores(p.astype(np.float32), period, bos=bos)
    assert np.allclose(found[0], echo, atol=1e-6)
    with pytest.raises(attn.ArgumentError, match="period is 0"):
        attn.razor_head_scores(p, 0)
    with pytest.raises(attn.ArgumentError, match="rank 4"):
        attn.razor_head_scores(p[0], 2)


def test_rollout_of_plan(ctx, qkv):
    """Weights of two layers, and GLCA's rows from them."""
    plan = ctx.plan("softmax b=2 h=4/2 q=9 k=9 d=16 want=probs")
    layers = [plan.run(q=q, k=k, v=v).probs for q, k, v in (qkv(nq=9, nk=9) for _ in range(2))]
    after, want = None, np.eye(9)
    for probs in layers:
        after = attn.rollout(probs, after)
        want = (0.5 * probs.mean(1) + 0.5 * np.eye(9)) @ want
    assert np.allclose(after, want, atol=1e-6) and np.allclose(after.sum(-1), 1, atol=1e-5)
    assert np.allclose(attn.rollout(layers[0], residual=1), layers[0].mean(1), atol=1e-7)
    rows = np.sort(np.argsort(-after[:, 0], kind="stable")[:, :3])
    q, k, v = qkv(nq=9, nk=9)
    picked = ctx.plan("glca b=2 h=4/2 q=9 k=9 d=16").run(q=q, k=k, v=v, rows=rows).out
    dense = attn.attention(q, k, v, ctx=ctx)
    assert np.allclose(picked, np.take_along_axis(dense, rows[:, None, :, None], 2), atol=1e-5)


def test_task_kv(rng):
    assert attn.task_kv_rule(32, 0, 32, 0.25, 4, 1000, 12800, 3, 10) == (8, 187)
    weights, v = rng.random((6, 40)), rng.standard_normal((6, 40, 8))
    most = np.argsort(-weights, axis=-1)[:, :9, None]
    vectors = (np.take_along_axis(weights[..., None], most, 1) *
               np.take_along_axis(v, most, 1)).sum(1)
    far = np.linalg.norm(vectors - vectors.mean(0), axis=-1)
    full, distances, found = attn.task_kv_heads(weights, v, 3, top=9)
    assert np.allclose(found, vectors) and np.allclose(distances, far)
    order = np.argsort(-far)
    assert set(np.flatnonzero(full)) == {order[0], order[1], order[-1]}
    with pytest.raises(attn.ArgumentError, match="n_full is 7"):
        attn.task_kv_heads(weights, v, 7)


def test_vhd(rng):
    x, y = rng.standard_normal((2, 2, 4, 1, 8))
    want = np.linalg.norm(x - y, axis=-1)
    assert np.allclose(attn.vhd(x, y), want, atol=1e-14)
    assert np.allclose(attn.vhd(x.astype(np.float16), y), want, atol=1e-2)
    with pytest.raises(attn.ArgumentError, match="out_without has extent 3 in dimension 1"):
        attn.vhd(x, y[:, :3])


def test_retrieval():
    prompt = [5, 9, 9, 7, 2]
    scores = attn.retrieval_head_scores([[1, 3], [3, 1]], [9, 7], prompt, (1, 4))
    assert np.allclose(scores, [2 / 3, 0])
    scores = attn.retrieval_head_scores([[[1, 2], [0, 3]], [[4, 3], [1, 2]]], [9, 7], prompt,
                                        (1, 4))
    assert np.allclose(scores, [2 / 3, 0])
    with pytest.raises(attn.ArgumentError, match="needle"):
        attn.retrieval_head_scores([[1]], [9], prompt, (1, 6))
    with pytest.raises(attn.ArgumentError, match="rank 2 or 3"):
        attn.retrieval_head_scores([1], [9], prompt, (1, 3))


def test_retrieval_of_plan(ctx, rng):
    """Two heads: one looks at the token that comes next, one at its own."""
    prompt = rng.permutation(12)
    token = np.eye(13, dtype=np.float32) * 9
    plan = ctx.plan("softmax b=1 h=2/1 q=1 k=inf d=13 want=argmax")
    where = []
    for t in range(4, 8):
        k = token[None, None, np.append(prompt, prompt[t])]
        q = token[None, [[prompt[t]], [12]]].copy()
        q[0, 1, 0] = token[prompt[0]]
        where.append(plan.run(q=q, k=k, v=k).argmax[0, :, 0])
    scores = attn.retrieval_head_scores(np.stack(where), prompt[4:8], prompt, (4, 8))
    assert np.allclose(scores, [1, 0])


def test_moa_spans(ctx, qkv):
    spans, bands = attn.moa_span_rule([1024, 0, 10], [0, 0.5, 0], 4096)
    assert spans.tolist() == [1024, 2048, 128] and bands.tolist() == [16, 32, 1]
    spans, _ = attn.moa_span_rule(np.zeros((2, 3)), 0.25, 1024, minimum=0, unit=100)
    assert spans.shape == (2, 3) and np.all(spans == 300)
    with pytest.raises(attn.ArgumentError, match="beta"):
        attn.moa_span_rule(0, 2, 64)
    _, bands = attn.moa_span_rule([0, 64, 0, 0], [1, 0, 0.5, 0], 200, unit=16)
    plan = ctx.plan("moa_span", b=2, h=4, q=200, k=200, d=16, moa_block=16,
                    moa_bands=bands.tolist())
    q, k, v = qkv(hk=4, nq=200, nk=200)
    out = plan.run(q=q, k=k, v=v).out
    assert np.allclose(out[:, 0], attn.attention(q, k, v, causal=True, ctx=ctx)[:, 0], atol=1e-5)


def test_vhr_then_softmax(ctx, qkv):
    """The factors of the first step, for the later ones."""
    q, k, v = qkv(nq=1)
    q2, k2, v2 = qkv(nq=1, nk=7)
    first = ctx.plan("vhr b=2 h=4/2 q=1 k=19 d=16 vhr_filter=0").run(
        q=q, k=k, v=v, q2=q2, k2=k2, v2=v2, factors=True)
    later = ctx.plan("softmax b=2 h=4/2 q=1 k=inf d=16 head_factor")
    assert np.allclose(later.run(q=q, k=k, v=v, head_factor=first.factors).out, first.out,
                       atol=1e-6)
    far = attn.vhd(attn.attention(q, k, v, ctx=ctx), attn.attention(q2, k2, v2, ctx=ctx))[..., 0]
    assert np.array_equal(first.factors == 2, far > np.median(far, axis=1, keepdims=True))


def test_moda_has_two_outputs(ctx, qkv):
    q, k, v = qkv(nq=12, nk=12)
    kind = (np.arange(12) // 4 % 2).astype(np.uint8)[None]
    plan = ctx.plan("moda b=2 h=4/2 q=12 k=12 d=16 moda_align=0")
    res = plan.run(q=q, k=k, v=v, class_q=kind, class_k=kind, lse=True, lse_cross=True)
    whole = attn.merge([res.out, res.out_cross], [res.lse, res.lse_cross])[0]
    assert np.allclose(whole, attn.attention(q, k, v, causal=True, ctx=ctx), atol=1e-5)
    swapped = [x.transpose(0, 2, 1, 3) for x in (q, k, v)]
    other = plan.run(q=swapped[0], k=swapped[1], v=swapped[2], class_q=kind, class_k=kind,
                     layout="bnhd")
    assert np.allclose(other.out_cross.transpose(0, 2, 1, 3), res.out_cross)


def test_head_maps_and_layout(ctx, qkv):
    """Maps of heads are the same as heads picked beforehand, in any layout."""
    q, k, v = qkv(nq=50, nk=50)
    q2, k2, v2 = qkv(nq=1, nk=20)
    kind = (np.arange(50) // 6 % 2).astype(np.uint8)[None]
    maps = {"q_head": [2, 0, 3], "k_head": [1, 1, 0], "v_head": [0, 1, 1]}
    pick = {"q": "q_head", "k": "k_head", "v": "v_head"}
    for mech, own, more in (("pine", {"pine_docs": 3}, {"docs": [[5, 12, 30, 44]]}),
                            ("moda", {}, {"class_q": kind, "class_k": kind}),
                            ("vhr", {"vhr_filter": False}, {"q2": q2, "k2": k2, "v2": v2})):
        arrays = {"q": q, "k": k, "v": v, **more}
        picked = {name: x[:, maps[pick[name[0]]]] if name.rstrip("2") in pick else x
                  for name, x in arrays.items()}
        plan = ctx.plan(mech, b=2, h=(4, 2), q=50, k=50, d=16, **own, **maps)
        found = plan.run(**arrays, lse=True)
        want = ctx.plan(mech, b=2, h=3, q=50, k=50, d=16, **own).run(**picked, lse=True)
        turned = {name: x.transpose(0, 2, 1, 3).copy() if name.rstrip("2") in pick else x
                  for name, x in arrays.items()}
        other = plan.run(**turned, lse=True, layout="bnhd")
        for name in want:
            assert np.allclose(found[name], want[name], atol=1e-6)
            same = other[name].transpose(0, 2, 1, 3) if other[name].ndim == 4 else other[name]
            assert np.allclose(same, found[name], atol=1e-6)
