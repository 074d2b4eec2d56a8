# SPDX-License-Identifier: MIT
"""moh.gold: make_moh.py FOLDER_OF_routed.py > moh.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402


def clear(scores, k):
    """Nothing near the edge of the k largest, or rounding would decide."""
    if 0 < k < scores.shape[-1]:
        order = np.sort(scores, axis=-1)
        gap = order[..., -k] - order[..., -k - 1]
        assert gap.min() > 1e-4 * np.abs(order).max(), gap.min()


def attend(q, k, v, gates, causal):
    out, lse = routed.attention(q, k, v, causal=causal)
    g = np.moveaxis(gates, 2, 1)
    return np.where(g[..., None] == 0, 0, g[..., None] * out), np.where(g == 0, -np.inf, lse)


def case(form, b, h, hk, n, nk, d, dv, shared, active, c, words="", seed=1):
    text = "moh b=%d h=%d/%d q=%d k=%d d=%d/%d%s moh_active=%d" % (b, h, hk, n, nk, d, dv, words, active)
    text += " moh_shared=%d" % shared if shared else ""
    text += " moh_form=%s" % form if form != "code" else ""
    text += " moh_channels=%d" % c if form != "llama" and c != h * d else ""
    loss = form != "llama" and active > 0
    x = gold.Case(text + (" want=aux_loss" if loss else ""), 4.0)
    q = x.make("q", "q", seed, (b, h, n, d))
    k = x.make("k", "kv", seed + 1, (b, hk, nk, d))
    v = x.make("v", "kv", seed + 2, (b, hk, nk, dv))
    routed_heads = h - shared
    if form == "llama":
        clear((q[:, shared:] ** 2).sum(-1).swapaxes(1, 2), active)
        gates = routed.ref_moh_llama_mask(np.moveaxis(q, 1, 2), shared, active)
    else:
        tokens = x.make("router_x", "q", seed + 3, (b, n, c))
        flat = tokens.reshape(-1, c)
        wr = ws = w0 = None
        if active:
            wr = x.make("router_w", "row", seed + 4, (routed_heads, c), 1 / 64)
            clear(flat @ wr.T, active)
        if shared > 1:
            ws = x.make("router_shared_w", "row", seed + 5, (shared, c), 1 / 64)
        if shared and active:
            w0 = x.make("router_mix_w", "row", seed + 6, (2, c), 1 / 64)
        if active:
            gates, probs, chosen = routed.ref_moh_gates(flat, wr, active, ws, w0, form)
            x.expect("aux_loss", np.array([routed.ref_moh_balance_loss(probs, chosen, form)]))
        else:
            gates = routed.ref_moh_all_shared_gates(flat, ws)
            if form == "paper":
                gates = gates / shared
            gates = np.concatenate([gates, np.zeros((len(flat), routed_heads))], 1)
        gates = gates.reshape(b, n, h)
    out, lse = attend(q, k, v, gates, "causal" in words)
    x.expect("out", out)
    x.expect("lse", lse)
    x.write()


def vision(b, h, n, d, shared, active, c, seed):
    """The scores of the paper's vision models: cosine, a learnt vector beside the queries, a
    temperature by head, log(N), a bias; the router as ever."""
    x = gold.Case("moh b=%d h=%d q=%d k=%d d=%d qk_norm=l2 scale=1 q_bias_content row_scale bias "
                  "moh_active=%d moh_shared=%d moh_channels=%d" % (b, h, n, n, d, active, shared, c), 12.0)
    q = x.make("q", "q", seed, (b, h, n, d))
    k = x.make("k", "kv", seed + 1, (b, h, n, d))
    v = x.make("v", "kv", seed + 2, (b, h, n, d))
    tokens = x.make("router_x", "q", seed + 3, (b, n, c)).reshape(-1, c)
    wr = x.make("router_w", "row", seed + 4, (h - shared, c), 1 / 64)
    ws = x.make("router_shared_w", "row", seed + 5, (shared, c), 1 / 64)
    w0 = x.make("router_mix_w", "row", seed + 6, (2, c), 1 / 64)
    learnt = x.make("q_bias_content", "row", seed + 7, (h, d), 1 / 256)
    bias = x.make("bias", "row", seed + 8, (1, h, n, n), 1 / 32)
    clear(tokens @ wr.T, active)
    temperature = np.log1p(np.exp(np.log(np.exp(1 / 0.24) - 1) + np.arange(h) / 8))
    scale = np.float32(temperature * np.log(n)).reshape(1, h, 1)
    x.give("row_scale", "row", scale)
    unit = lambda t: t / np.sqrt((t * t).sum(-1, keepdims=True))
    gates, _, _ = routed.ref_moh_gates(tokens, wr, active, ws, w0, "code")
    turned = (unit(q) + learnt[None, :, None]) * scale.astype(np.float64)[..., None]
    out, lse = routed.attention(turned, unit(k), v, scale=1, bias=bias)
    g = np.moveaxis(gates.reshape(b, n, h), 2, 1)
    x.expect("out", np.where(g[..., None] == 0, 0, g[..., None] * out))
    x.expect("lse", np.where(g == 0, -np.inf, lse))
    x.write()


case("code", 2, 8, 8, 9, 12, 8, 8, 3, 2, 16)
case("code", 1, 6, 2, 33, 40, 16, 8, 2, 2, 24, " causal", 11)
case("code", 1, 5, 5, 7, 7, 8, 4, 1, 2, 40, "", 21)           # one shared head
case("code", 1, 4, 4, 17, 17, 8, 8, 0, 2, 12, " causal", 31)  # none
case("code", 1, 4, 2, 6, 9, 8, 8, 4, 0, 8, "", 41)            # nothing else
case("code", 2, 8, 4, 1, 65, 8, 8, 4, 2, 16, " causal", 51)   # decode
case("paper", 1, 8, 8, 9, 20, 8, 8, 3, 3, 16, "", 61)
case("paper", 1, 4, 2, 35, 35, 8, 8, 0, 2, 16, " causal", 71)
case("paper", 1, 3, 3, 5, 5, 8, 8, 1, 2, 16, "", 81)
case("llama", 2, 8, 2, 9, 20, 16, 8, 4, 2, 0, " causal", 91)
case("llama", 1, 9, 3, 17, 33, 8, 8, 3, 3, 0, "", 101)
case("llama", 1, 4, 4, 3, 5, 8, 8, 0, 4, 0, "", 111)
vision(1, 5, 12, 8, 2, 2, 24, 121)
