# SPDX-License-Identifier: MIT
"""routed_heads.gold: make_routed_heads.py FOLDER_OF_routed.py > routed_heads.gold

uoe_smha, bam_soft_moa and moa_heads."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402


def finish(case, out, lse):
    case.expect("out", out)
    case.expect("lse", lse)
    case.write()


def uoe(b, h, n, d, dv, active, c, words, seed):
    text = "uoe_smha b=%d h=%d q=%d k=%d d=%d/%d uoe_channels=%d%s" % (b, h, n, n, d, dv, c, words)
    if active != h // 2:
        text += " uoe_active=%d" % active
    case = gold.Case(text, 4.0)
    q = case.make("q", "q", seed, (b, h, n, d))
    k = case.make("k", "kv", seed + 1, (b, h, n, d))
    v = case.make("v", "kv", seed + 2, (b, h, n, dv))
    x = case.make("router_x", "q", seed + 3, (b, n, c))
    w = case.make("router_w", "row", seed + 4, (h, c), 1 / 64)
    bias = case.make("router_b", "row", seed + 5, (h,), 1 / 64)
    order = np.sort(x @ w.T + bias, axis=-1)
    assert active == h or (order[..., -active] - order[..., -active - 1]).min() > 1e-3
    member, _ = routed.ref_uoe_members(x, w, bias, active)
    causal = "causal" in words
    pad = "uoe_pad" in words
    out = routed.ref_uoe_smha(q, k, v, member, causal, pad)
    if pad:
        most = member.sum(2).max()
        for head in member.reshape(-1, n):
            head[np.flatnonzero(~head)[:most - head.sum()]] = True
    both = member[:, :, :, None] & member[:, :, None, :]
    masked, lse = routed.attention(q, k, v, vis=both, causal=causal)
    assert np.abs(out - masked).max() < 1e-12
    finish(case, out, lse)


def bam(b, experts, h, hk, n, nk, d, dv, shared, c, words, seed):
    all_k = hk if shared else experts * hk
    text = "bam_soft_moa b=%d h=%d/%d q=%d k=%d d=%d/%d bam_experts=%d%s%s" % (
        b, experts * h, all_k, n, nk, d, dv, experts, " bam_shared_kv" if shared else "", words)
    text += "" if c == h * d else " bam_channels=%d" % c
    case = gold.Case(text, 4.0)
    q = case.make("q", "q", seed, (b, experts * h, n, d))
    k = case.make("k", "kv", seed + 1, (b, all_k, nk, d))
    v = case.make("v", "kv", seed + 2, (b, all_k, nk, dv))
    x = case.make("router_x", "q", seed + 3, (b, n, c))
    w = case.make("router_w", "row", seed + 4, (experts, c), 1 / 64)
    gate = routed.softmax(x @ w.T)
    split = (lambda t: t) if shared else (lambda t: t.reshape(b, experts, hk, nk, -1))
    causal = "causal" in words
    out = routed.ref_bam(q.reshape(b, experts, h, n, d), split(k), split(v), gate, shared, causal)
    heads = [(e * h + i) // (h // hk) if not shared else i // (h // hk)
             for e in range(experts) for i in range(h)]
    _, lse = routed.attention(q, k, v, causal=causal, kv_head=heads)
    finish(case, out.reshape(b, experts * h, n, dv), lse)


def moa(b, slots, n, nk, d, dv, words, seed):
    case = gold.Case("moa_heads b=%d h=%d q=%d k=%d d=%d/%d%s" % (b, slots, n, nk, d, dv, words), 4.0)
    q = case.make("q", "q", seed, (b, slots, n, d))
    k = case.make("k", "kv", seed + 1, (b, 1, nk, d))
    v = case.make("v", "kv", seed + 2, (b, 1, nk, dv))
    gate = case.make("gate", "row", seed + 3, (b, slots, n))
    causal = "causal" in words
    w = np.moveaxis(gate, 1, 2)
    out = routed.ref_moa(np.moveaxis(q, 1, 2), k[:, 0], v[:, 0], w, causal=causal)
    _, lse = routed.attention(q, k, v, causal=causal)
    finish(case, np.moveaxis(out, 2, 1), np.where(gate == 0, -np.inf, lse))


def moa_router(b, experts, slots, n, nk, d, dv, c, form, words, seed):
    case = gold.Case("moa_heads b=%d h=%d/1 q=%d k=%d d=%d/%d%s want=aux_loss moa_experts=%d moa_channels=%d%s" % (
        b, slots, n, nk, d, dv, words, experts, c, "" if form == "paper" else " moa_form=" + form), 4.0)
    x = case.make("router_x", "q", seed, (b, n, c))
    k = case.make("k", "kv", seed + 1, (b, 1, nk, d))
    v = case.make("v", "kv", seed + 2, (b, 1, nk, dv))
    wg = case.make("router_w", "row", seed + 3, (experts, c), 1 / 64)
    wq = case.make("expert_w", "row", seed + 4, (experts, d, c), 1 / 64)
    flat = x.reshape(-1, c)
    order = np.sort(flat @ wg.T, axis=-1)
    assert np.diff(order)[:, -slots:].min() > 1e-3  # the order of the slots as well
    idx, w, p = routed.ref_moa_route(flat, wg.T, slots, form == "paper")
    chosen = np.zeros((len(flat), experts))
    np.put_along_axis(chosen, idx, 1, 1)
    share = chosen.mean(0) / chosen.mean(0).sum()
    q = np.einsum("tadc,tc->tad", wq[idx], flat).reshape(b, n, slots, d)
    w = w.reshape(b, n, slots)
    causal = "causal" in words
    out = routed.ref_moa(q, k[:, 0], v[:, 0], w, causal=causal)
    _, lse = routed.attention(np.moveaxis(q, 1, 2), k, v, causal=causal)
    case.expect("aux_loss", np.array([experts * (p.mean(0) * share).sum()]))
    case.expect("experts", np.moveaxis(idx.reshape(b, n, slots), 2, 1))
    finish(case, np.moveaxis(out, 2, 1), lse)


uoe(2, 6, 9, 8, 8, 3, 16, " causal", 1)
uoe(1, 4, 40, 8, 12, 2, 24, "", 11)
uoe(1, 4, 33, 8, 8, 1, 16, " causal", 21)
uoe(1, 3, 7, 4, 4, 3, 8, "", 31)
uoe(1, 3, 9, 4, 4, 1, 8, " causal uoe_pad", 41)
bam(2, 2, 4, 2, 9, 20, 8, 8, True, 16, " causal", 41)
bam(1, 3, 2, 2, 17, 17, 8, 8, False, 16, "", 51)
bam(1, 2, 4, 1, 1, 33, 8, 4, True, 12, " causal", 61)
bam(1, 1, 4, 2, 5, 6, 8, 8, False, 32, "", 71)
moa(2, 4, 9, 20, 8, 8, " causal", 81)
moa(1, 6, 33, 33, 8, 4, "", 91)
moa_router(2, 12, 3, 9, 20, 8, 8, 16, "paper", " causal", 101)
moa_router(1, 5, 2, 37, 33, 4, 4, 24, "code", "", 111)
moa_router(1, 8, 8, 1, 17, 4, 4, 32, "paper", " causal", 121)
