# SPDX-License-Identifier: MIT
"""flow_attention and birdie against NumPy, whole and in pieces with a state."""
from __future__ import annotations

import numpy as np
import pytest

import attn
from attention_oracle import close


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def flow(q, k, v, eps=1e-6, clamp=1.0):
    """Of one head, causal."""
    q, k, v = sigmoid(q), sigmoid(k), v.astype(np.float64)
    sums, s, weights = np.zeros((4, q.shape[1])), np.zeros((q.shape[1], v.shape[1])), 0.0
    out = np.zeros(v.shape)
    for n, (x, y) in enumerate(zip(q, k), 1):
        sums[0] += y
        sums[1] += x
        a = n / ((x + eps) @ (sums[0] + eps))
        sums[2] += y * n / ((y + eps) @ (sums[1] + eps))
        sums[3] += x * a
        weight = np.exp(np.clip((y + eps) @ (sums[3] + eps) / n, -clamp, clamp))
        weights += weight
        s += np.outer(y, v[n - 1] * weight / weights * n)
        out[n - 1] = x * a / n @ s * sigmoid((x + eps) @ (sums[2] + eps) / n)
    return out


def test_flow(ctx):
    rng = np.random.default_rng(3)
    q, k, v = (rng.standard_normal((2, 2, 70, 8)).astype(np.float32) for _ in range(3))
    plan = ctx.plan("flow_attention b=2 h=2 q=70 d=8 causal flow_clamp=2")
    want = np.array([[flow(q[b, h], k[b, h], v[b, h], clamp=2) for h in (0, 1)] for b in (0, 1)])
    close(plan.run(q=q, k=k, v=v).out, want)
    state = plan.state(2)
    parts = [plan.run(q=q[:, :, i:j], k=k[:, :, i:j], v=v[:, :, i:j], state=state).out
             for i, j in ((0, 33), (33, 34), (34, 70))]
    close(np.concatenate(parts, 2), want)
    with pytest.raises(attn.ArgumentError, match="flow_clamp is 100"):
        ctx.plan("flow_attention h=2 n=70 d=8 flow_clamp=100")


def test_birdie(ctx):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((1, 30, 12)).astype(np.float32)  # [B,N,C]
    f = rng.random((1, 30, 12)).astype(np.float32)
    mask = np.where(np.arange(30) < 17, 0, 2)[None]
    halves = [a.reshape(1, 30, 2, 6).transpose(0, 2, 1, 3) for a in (x, f)]
    plan = ctx.plan("birdie h=2 q=30 d=6")
    found = plan.run(v=halves[0], forget=halves[1], birdie_mask=mask)
    want, state = np.zeros((2, 30, 6)), np.zeros(6)
    for n in range(30):
        state = f[0, n, :6] * state + x[0, n, :6]
        want[0, n] = state
    for n in reversed(range(30)):
        state = (f[0, n, 6:] if n < 17 else 0) * (state if n < 29 else 0) + x[0, n, 6:]
        want[1, n] = state
    close(found.out[0], want)
    with pytest.raises(attn.ArgumentError, match="behind a 2"):
        plan.run(v=halves[0], forget=halves[1], birdie_mask=2 - mask)
