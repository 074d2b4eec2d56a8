# SPDX-License-Identifier: MIT
"""rows.gold: make_rows.py FOLDER_OF_score.py > rows.gold

What softmax does to rows before their product and after their sum: rope,
qk_norm, gates and mixes.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

SIZES = (1, 4, 2, 4, 33, 16, 12)  # b h hk nq nk d dv
B, H, HK, NQ, NK, D, DV = SIZES
TEXT = "softmax b=%d h=%d/%d q=%d k=%d d=%d/%d causal " % SIZES


def inputs(text, logit=6.0):
    case = gold.Case(TEXT + text, logit)
    return (case, case.make("q", "q", 1, (B, H, NQ, D)), case.make("k", "kv", 2, (B, HK, NK, D)),
            case.make("v", "kv", 3, (B, HK, NK, DV)))


def attend(q, k, v, scale=None):
    out, _, lse = score.attention(q, k, v, scale=scale, vis=score.causal(NQ, NK))
    return out, lse


def rope(text, scaling, pairing, dim=D, base=10000.0, scale=None, positions=None, att=None):
    case, q, k, v = inputs(text, 10.0)
    freq, factor = score.rope_inv_freq(dim, base, scaling)
    att = factor if att is None else att
    pos_q, pos_k = np.arange(NK - NQ, NK), np.arange(NK)
    if positions:
        pos_q, pos_k = positions
        case.give("rope_pos_q", "i64", np.broadcast_to(pos_q, (1, NQ)))
        case.give("rope_pos_k", "i64", np.broadcast_to(pos_k, (1, NK)))
    out, lse = attend(score.rope(q, pos_q, freq, pairing, dim, att),
                      score.rope(k, pos_k, freq, pairing, dim, att), v, scale)
    case.expect("out", out)
    case.expect("lse", lse)
    case.write()


for pairing in ("half", "interleaved"):
    key = "rope=%s " % pairing
    rope(key, None, pairing)
    rope(key + "rope_dim=10 rope_base=500", None, pairing, 10, 500.0)
    rope(key + "rope_scaling=linear rope_factor=4", ("linear", 4.0), pairing)
    rope(key + "rope_scaling=ntk rope_factor=4", ("ntk", 4.0), pairing)
    for length in (16, 64):
        rope(key + "rope_scaling=dynamic_ntk rope_factor=2 rope_original=%d" % length,
             ("dynamic_ntk", 2.0, NK, length), pairing)
    yarn = dict(factor=8.0, orig_max=64)
    words = key + "rope_scaling=yarn rope_factor=8 rope_original=64 "
    rope(words, ("yarn", yarn), pairing)
    rope(words + "rope_truncate=0 rope_beta_fast=6 rope_beta_slow=0.5",
         ("yarn", dict(yarn, truncate=False, beta_fast=6.0, beta_slow=0.5)), pairing)
    rope(words + "rope_mscale=0.5", ("yarn", yarn), pairing, att=1.0,
         scale=D ** -0.5 * (0.1 * 0.5 * np.log(8.0) + 1) ** 2)
    rope(words + "rope_attention=1.5", ("yarn", dict(yarn, attention_factor=1.5)), pairing)
    rope(key + "rope_base=500000 rope_scaling=llama3 rope_factor=8 rope_original=40",
         ("llama3", dict(factor=8.0, orig_max=40)), pairing, base=500000.0)
    rope(key + "rope_positions", None, pairing,
         positions=(np.arange(NQ) * 37 % 11 - 4, np.arange(NK) * 1000 - 7))

for kind in ("rms", "layer", "l2"):
    for weights in (False, True):
        words = "qk_norm=%s " % kind + ("qk_norm_weight qk_norm_bias " if weights else "")
        case, q, k, v = inputs(words)
        more = [{}, {}]
        if weights:
            more = [{"weight": case.make(side + "_norm_w", "row", 5 + n, (h, D))[:, None],
                     "bias": case.make(side + "_norm_b", "row", 7 + n, (D,))}
                    for n, (side, h) in enumerate((("q", H), ("k", HK)))]
        eps = 1e-12 if kind == "l2" else 1e-6
        out, lse = attend(score.qk_norm(q, kind, eps=eps, **more[0]),
                          score.qk_norm(k, kind, eps=eps, **more[1]), v)
        case.expect("out", out)
        case.expect("lse", lse)
        case.write()

case, q, k, v = inputs("qk_norm=rms qk_norm_weight qk_norm_plus_one rope=half")
freq, _ = score.rope_inv_freq(D)
wq, wk = case.make("q_norm_w", "row", 5, (D,)), case.make("k_norm_w", "row", 6, (D,))
out, lse = attend(score.rope(score.qk_norm(q, weight=1 + wq), np.arange(NK - NQ, NK), freq),
                  score.rope(score.qk_norm(k, weight=1 + wk), np.arange(NK), freq), v)
case.expect("out", out)
case.expect("lse", lse)
case.write()

for width in (DV, 1):
    for kind, word in (("sigmoid", "sigmoid"), ("plain", "multiply")):
        case, q, k, v = inputs("out_gate=" + word)
        gate = case.make("out_gate", "q", 9, (B, H, NQ, width))
        out, lse = attend(q, k, v)
        case.expect("out", score.gated_output(out, gate, kind))
        case.expect("lse", lse)
        case.write()

case, q, k, v = inputs("head_mix")
target = case.make("mix_target", "q", 9, (B, H, 1, DV))
alpha = np.array([0, 0.25, 0.5, 1])
case.give("mix_alpha", "row", np.broadcast_to(alpha[:, None], (1, H, 1)))
out, lse = attend(q, k, v)
case.expect("out", score.head_mix(out, target, alpha))
case.expect("lse", lse)
case.write()
