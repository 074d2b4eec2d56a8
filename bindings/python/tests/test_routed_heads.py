# SPDX-License-Identifier: MIT
"""Routed heads against NumPy: gates by the caller, and routers inside plans."""
from __future__ import annotations

import numpy as np
import pytest

import attn
from attention_oracle import attend, close

B, H, N, NK, D, C, S, K = 2, 6, 11, 17, 8, 20, 2, 2
E = H - S


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def best(scores, k):
    """1 at the k largest of each row, the first of equal ones."""
    places = np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    chosen = np.zeros(scores.shape)
    np.put_along_axis(chosen, places, 1, -1)
    return chosen, places


def gated(q, k, v, gates, causal=True):
    """gates [B,H,N]; 0: nothing."""
    plain = attend(q, k, v, causal=causal)
    g = np.asarray(gates, np.float64)
    return np.where(g[..., None] == 0, 0, g[..., None] * plain.out), np.where(g == 0, -np.inf, plain.lse)


def router(rng):
    tokens = rng.standard_normal((B, N, C)).astype(np.float32)
    weights = [rng.standard_normal((rows, C)).astype(np.float32) for rows in (E, S, 2)]
    return tokens, dict(zip(("router_w", "router_shared_w", "router_mix_w"), weights))


def moh_gates(x, w, form):
    """Gates [B,H,N] and the loss."""
    x, w = x.astype(np.float64), {name: value.astype(np.float64) for name, value in w.items()}
    p = softmax(x @ w["router_w"].T)
    chosen, _ = best(p, K)
    r, s, a = p * chosen, softmax(x @ w["router_shared_w"].T), softmax(x @ w["router_mix_w"].T)
    loss = (p.mean((0, 1)) * chosen.mean((0, 1))).sum()
    if form == "code":
        r, s, a, loss = K * r / r.sum(-1, keepdims=True), S * s, 2 * a, E * loss
    return np.moveaxis(np.concatenate([a[..., :1] * s, a[..., 1:] * r], -1), -1, 1), loss


@pytest.mark.parametrize("form", ["code", "paper"])
def test_moh(ctx, qkv, rng, form):
    q, k, v = qkv(B, H, 3, N, NK, D)
    x, w = router(rng)
    plan = ctx.plan("moh causal", b=B, h=(H, 3), q=N, k=NK, d=D, moh_shared=S, moh_active=K,
                    moh_channels=C, moh_form=form, want=["aux_loss", "counts"])
    found = plan.run(q=q, k=k, v=v, router_x=x, **w, lse=True)
    gates, loss = moh_gates(x, w, form)
    out, lse = gated(q, k, v, gates)
    close(found.out, out)
    close(found.lse, lse)
    close(found.aux_loss, [loss])
    seen = np.arange(N) + NK - N + 1  # keys of each row
    assert B * (S + K) * seen.sum() <= found.counts[0] < found.counts[1]  # tiles hold more
    assert 0 < found.counts[2] <= found.counts[3]


def test_moh_llama(ctx, qkv):
    q, k, v = qkv(B, H, 3, N, NK, D)
    norms = np.moveaxis((q[:, S:].astype(np.float64) ** 2).sum(-1), 1, 2)
    gates = np.concatenate([np.ones((B, N, S)), best(norms, K)[0]], -1)
    out, lse = gated(q, k, v, np.moveaxis(gates, 2, 1))
    plan = ctx.plan("moh causal moh_form=llama", b=B, h=(H, 3), q=N, k=NK, d=D, moh_shared=S,
                    moh_active=K)
    found = plan.run(q=q, k=k, v=v, lse=True)
    close(found.out, out)
    close(found.lse, lse)


def test_gates_as_arrays(ctx, qkv, rng):
    """Of any strides; by themselves, in moh and in moa_heads."""
    q, k, v = qkv(B, H, 1, N, NK, D)
    gates = np.where(rng.random((B, N, H)) < 0.5, 0, rng.random((B, N, H))).astype(np.float32)
    by_head = gates.transpose(0, 2, 1)
    out, lse = gated(q, k, v, by_head)
    for text in ("softmax causal head_gate", "moh causal moh_router=0", "moa_heads causal"):
        plan = ctx.plan(text, b=B, h=(H, 1), q=N, k=NK, d=D)
        assert plan.roles["gate"]
        found = plan.run(q=q, k=k, v=v, gate=by_head, lse=True)
        close(found.out, out)
        close(found.lse, lse)
        with pytest.raises(attn.ArgumentError, match="gate has extent"):
            plan.run(q=q, k=k, v=v, gate=gates)
        bad = by_head.copy()
        bad[1, 2, 3] = np.nan
        with pytest.raises(attn.ArgumentError, match=r"gate has nan at \[1,2,3\]"):
            plan.run(q=q, k=k, v=v, gate=bad)


def test_packed(ctx, qkv, rng):
    q, k, v = qkv(1, H, 3, N, N, D)
    x, w = router(rng)
    offsets = [0, 4, 4, N]
    sizes = dict(h=(H, 3), q=N, k=N, d=D, moh_shared=S, moh_active=K, moh_channels=C)
    found = ctx.plan("moh causal packed", b=3, **sizes).run(
        q=q, k=k, v=v, router_x=x[:1], **w, q_offsets=offsets, k_offsets=offsets)
    alone = ctx.plan("moh causal", b=1, **sizes)
    for a, b in ((0, 4), (4, N)):
        part = [t[:, :, a:b] for t in (q, k, v)]
        one = alone.run(q=part[0], k=part[1], v=part[2], router_x=x[:1, a:b], **w)
        assert np.array_equal(found.out[:, :, a:b], one.out)


def test_uoe(ctx, qkv, rng):
    q, k, v = qkv(B, H, H, N, N, D)
    x, w, bias = (rng.standard_normal(n).astype(np.float32) for n in ((B, N, C), (H, C), (H,)))
    chosen, _ = best(x.astype(np.float64) @ w.T + bias, 3)
    member = np.moveaxis(chosen, 2, 1)
    plain = attend(q, k, v, causal=True, mask=member[:, :, None] * member[..., None])
    plan = ctx.plan("uoe_smha causal", b=B, h=H, q=N, k=N, d=D, uoe_channels=C, want=["counts"])
    found = plan.run(q=q, k=k, v=v, router_x=x, router_w=w, router_b=bias, lse=True)
    close(found.out, plain.out)
    close(found.lse, plain.lse)
    assert np.isfinite(plain.scores).sum() <= found.counts[0] < B * H * N * N


@pytest.mark.parametrize("shared", [False, True])
def test_bam(ctx, qkv, rng, shared):
    q, k, v = qkv(B, H, 3 if shared else H, N, NK, D)
    x, w = (rng.standard_normal(n).astype(np.float32) for n in ((B, N, C), (2, C)))
    gates = np.repeat(np.moveaxis(softmax(x.astype(np.float64) @ w.T), 2, 1), H // 2, axis=1)
    plan = ctx.plan("bam_soft_moa causal", b=B, h=(H, k.shape[1]), q=N, k=NK, d=D, bam_experts=2,
                    bam_shared_kv=shared, bam_channels=C)
    found = plan.run(q=q, k=k, v=v, router_x=x, router_w=w)
    copies = 2 if shared else 1
    close(found.out, gated(q, np.tile(k, (1, copies, 1, 1)), np.tile(v, (1, copies, 1, 1)), gates)[0])


@pytest.mark.parametrize("form", ["paper", "code"])
def test_moa_router(ctx, qkv, rng, form):
    _, k, v = qkv(B, H, 1, N, NK, D)
    x, w, expert = (rng.standard_normal(n).astype(np.float32) for n in ((B, N, C), (9, C), (9, D, C)))
    p = softmax(x.astype(np.float64) @ w.T)
    chosen, places = best(p, H)
    weights = np.take_along_axis(p, places, -1)
    weights = weights / weights.sum(-1, keepdims=True) if form == "paper" else weights
    q = np.einsum("bnadc,bnc->band", expert[places].astype(np.float64), x)
    plan = ctx.plan("moa_heads causal", b=B, h=(H, 1), q=N, k=NK, d=D, moa_experts=9,
                    moa_channels=C, moa_form=form, want=["aux_loss"])
    found = plan.run(k=k, v=v, router_x=x, router_w=w, expert_w=expert, experts=True)
    close(found.out, gated(q, k, v, np.moveaxis(weights, 2, 1))[0])
    assert np.array_equal(found.experts, np.moveaxis(places, 2, 1))
    close(found.aux_loss, [9 * (p.mean((0, 1)) * chosen.mean((0, 1))).sum() / H])
