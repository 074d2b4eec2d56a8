# SPDX-License-Identifier: MIT
"""agent.gold: make_agent.py FOLDER_OF_linear.py > agent.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import linear  # noqa: E402

# b, h, hk, image, image of the keys, side, d, dv, class, biases, convolution
for b, h, hk, hw, kv, p, d, dv, cls, biased, conv in (
        (1, 2, 2, (7, 5), (7, 5), 3, 8, 8, False, False, False),
        (2, 2, 1, (4, 9), (2, 5), 4, 16, 8, False, True, True),
        (1, 3, 3, (4, 4), (4, 4), 2, 8, 12, True, True, True),
        (1, 1, 1, (9, 1), (9, 1), 5, 8, 8, True, False, True),
        (1, 2, 2, (3, 2), (3, 2), 1, 8, 70, False, True, True),
        (1, 1, 1, (3, 13), (2, 4), 3, 33, 8, True, True, True)):
    q_len, k_len, n = cls + hw[0] * hw[1], cls + kv[0] * kv[1], p * p
    words = "agent_tokens=%d agent_h=%d agent_w=%d" % (n, *hw)
    if conv and kv != hw:
        words += " agent_kv_h=%d agent_kv_w=%d" % kv
    words += " agent_class" * cls + " agent_k_bias agent_q_bias" * biased + " agent_conv" * conv
    case = gold.Case("agent_attention b=%d h=%d/%d q=%d k=%d d=%d/%d %s"
                     % (b, h, hk, q_len, k_len, d, dv, words), 8.0)
    q = case.make("q", "q", 1, (b, h, q_len, d))
    k = case.make("k", "kv", 2, (b, hk, k_len, d))
    v = case.make("v", "kv", 3, (b, hk, k_len, dv))
    k, v = linear.repeat_heads(k, h), linear.repeat_heads(v, h)
    bias1 = bias2 = None
    if biased:
        bias1 = case.make("agent_k_bias", "row", 4, (h, n, k_len))
        bias2 = case.make("agent_q_bias", "q", 5, (h, q_len, n))
    agents = linear.agent_pool(q[:, :, cls:], *hw, p)
    out = linear.agent_attention(q, k, v, agents, bias1, bias2)
    if conv:
        w = case.make("agent_conv", "row", 6, (h * dv, 3, 3))
        c = case.make("agent_conv_bias", "q", 7, (h * dv,))
        x = v[:, :, cls:].transpose(0, 1, 3, 2).reshape(b, h * dv, *kv)
        y = linear.dwconv3x3(linear.bilinear(x, *hw) if kv != hw else x, w, c)
        out[:, :, cls:] += y.reshape(b, h, dv, hw[0] * hw[1]).transpose(0, 1, 3, 2)
    case.expect("out", out)
    case.write()

# agents that are given
for b, h, hk, q_len, k_len, n, d, dv, words, scale in (
        (1, 2, 2, 33, 65, 6, 8, 8, "", None),
        (1, 4, 2, 5, 129, 49, 16, 4, " scale=1", 1.0),
        (1, 1, 1, 3, 0, 4, 8, 8, "", None)):
    case = gold.Case("agent_attention b=%d h=%d/%d q=%d k=%d d=%d/%d agent_tokens=%d%s"
                     % (b, h, hk, q_len, k_len, d, dv, n, words), 8.0)
    q = case.make("q", "q", 1, (b, h, q_len, d))
    k = case.make("k", "kv", 2, (b, hk, k_len, d))
    v = case.make("v", "kv", 3, (b, hk, k_len, dv))
    a = case.make("agents", "q", 4, (b, h, n, d))
    if k_len:
        out = linear.agent_attention(q, linear.repeat_heads(k, h), linear.repeat_heads(v, h), a,
                                     scale=scale)
    else:
        out = np.zeros((b, h, q_len, dv))
    case.expect("out", out)
    case.write()

# Stable Diffusion: b, h, n, agents, d, words, scale, power, shortcut
for b, h, n, m, d, words, scale, power, shortcut in (
        (1, 2, 65, 13, 4, "", None, 0.3, 0.075),
        (1, 3, 33, 16, 16, " agent_sd_power=0.5 agent_sd_shortcut=-0.5 scale=0.125", 0.125, 0.5,
         -0.5),
        (1, 2, 9, 4, 70, " agent_sd_shortcut=0", None, 0.3, 0.0),
        (1, 2, 9, 5, 8, "", None, 0.3, 0.075),
        (1, 1, 8, 4, 8, " agent_sd_shortcut=1", None, 0.3, 1.0)):
    case = gold.Case("agent_sd b=%d h=%d n=%d d=%d agent_sd_tokens=%d%s" % (b, h, n, d, m, words),
                     8.0)
    q = case.make("q", "q", 1, (b, h, n, d))
    k = case.make("k", "kv", 2, (b, h, n, d))
    v = case.make("v", "kv", 3, (b, h, n, d))
    a = case.make("agents", "q", 4, (b, h, m, d))
    scale = d ** -0.5 if scale is None else scale
    if 2 * m < n:
        out = linear.agent_attention(q, k, v, a, scale=scale, scale2=scale ** power,
                                     shortcut=shortcut)
    else:
        out = linear.dense_softmax(q, k, v, scale=scale)
    case.expect("out", out)
    case.write()
