# SPDX-License-Identifier: MIT
"""Slopes, short convolutions and agents against NumPy."""
from __future__ import annotations

import numpy as np
import pytest

import attn
from attention_oracle import attend, close


def test_slopes():
    assert attn.alibi_slopes(4) == [0.25, 0.0625, 0.015625, 0.00390625]
    alibi = attn.alibi_slopes(6)
    assert alibi[:4] == attn.alibi_slopes(4) and alibi[4:] == attn.alibi_slopes(8)[0:3:2]
    code = attn.lightning_slopes(6, 1, 5)
    assert np.allclose(code, np.array(alibi) * (1 - 1 / 4 + 1e-5), rtol=1e-15)
    paper = attn.lightning_slopes(6, 2, 5, rule="paper")
    assert np.allclose(paper, 8 * np.arange(6) / 6 * (1 - 2 / 5), rtol=1e-14)
    with pytest.raises(attn.ArgumentError, match="rule is 'fla'"):
        attn.lightning_slopes(6, 1, 5, rule="fla")
    with pytest.raises(attn.ArgumentError, match="heads is 0"):
        attn.alibi_slopes(0)


def test_short_conv(ctx):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 9, 5)).astype(np.float32)
    w, b = (rng.standard_normal(s).astype(np.float32) for s in ((5, 4), (5,)))
    padded = np.concatenate([np.zeros((2, 3, 5)), x], 1)
    y = sum(padded[:, i:i + 9] * w[:, i] for i in range(4)) + b
    close(attn.short_conv(x, w, b, silu=False, ctx=ctx), y)
    y = y / (1 + np.exp(-y))
    close(attn.short_conv(x, w, b), y)
    state = np.zeros((2, 3, 5), np.float32)
    parts = [attn.short_conv(x[:, n:m], w, b, state=state) for n, m in ((0, 1), (1, 7), (7, 9))]
    close(np.concatenate(parts, 1), y)
    assert np.array_equal(state, x[:, -3:])
    with pytest.raises(attn.ArgumentError, match="weight has extent 4"):
        attn.short_conv(x, w[:4])


def test_agents(ctx):
    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((1, 2, 13, 8)).astype(np.float32) for _ in range(3))
    table = rng.standard_normal((2, 4, 3, 4)).astype(np.float32)  # of the image's own size
    rows, columns, first = (rng.standard_normal(s).astype(np.float32)
                            for s in ((2, 4, 3), (2, 4, 4), (2, 4)))
    bias = attn.agent_bias(table, rows, columns, first)
    want = (table + rows[..., None] + columns[:, :, None]).reshape(2, 4, 12)
    close(bias, np.concatenate([first[..., None], want], -1))
    found = ctx.plan("agent_attention h=2 n=13 d=8 agent_tokens=4 agent_h=3 agent_w=4 agent_class "
                     "agent_k_bias agent_q_bias").run(
        q=q, k=k, v=v, agent_k_bias=bias, agent_q_bias=bias.transpose(0, 2, 1))
    image = q[:, :, 1:].reshape(1, 2, 3, 4, 8)
    agents = np.stack([image[:, :, y:y + 2, x:x + 2].mean((2, 3))
                       for y in (0, 1) for x in (0, 2)], 2)
    gathered = attend(agents, k, v, bias=bias[None]).out
    close(found.out, attend(q, agents, gathered, bias=bias.transpose(0, 2, 1)[None]).out)
    found = ctx.plan("agent_sd h=2 n=13 d=8 agent_sd_tokens=4").run(q=q, k=k, v=v, agents=agents.astype(
        np.float32))
    want = attend(q, agents, attend(agents, k, v).out, scale=8 ** -0.15).out + 0.075 * v
    close(found.out, want)
