# SPDX-License-Identifier: MIT
"""Recurrences and their states, against a float64 loop."""
from __future__ import annotations

import numpy as np
import pytest

import attn


def recurrence(q, k, v, g, state):
    """Gated linear attention, token by token; q, k, g [B,H,N,D], v [B,H,N,Dv]."""
    out = np.zeros(v.shape)
    for t in range(q.shape[2]):
        state = np.exp(g[:, :, t, :, None]) * state + k[:, :, t, :, None] * v[:, :, t, None, :]
        out[:, :, t] = np.einsum("bhd,bhdv->bhv", q[:, :, t], state) * q.shape[3] ** -0.5
    return out, state


@pytest.fixture
def data(rng):
    q, k = (rng.standard_normal((2, 3, 50, 8)).astype(np.float32) for _ in range(2))
    v = rng.standard_normal((2, 3, 50, 5)).astype(np.float32)
    g = -rng.random((2, 3, 50, 8)).astype(np.float32)
    return q, k, v, g, *recurrence(q, k, v, g, np.zeros((2, 3, 8, 5)))


def close(a, b):
    assert np.sqrt(np.mean((a - b) ** 2) / np.mean(b ** 2)) < 3e-6


def test_pieces(ctx, data):
    q, k, v, g, out, final = data
    plan = ctx.plan("gla b=2 h=3 n=50 d=8/5")
    close(plan.run(q=q, k=k, v=v, g=g).out, out)
    state = plan.state(4)
    assert len(state) == 4
    for a, b in ((0, 1), (1, 37), (37, 50)):
        piece = [np.ascontiguousarray(x[:, :, a:b]) for x in (q, k, v, g)]
        res = plan.run(q=piece[0], k=piece[1], v=piece[2], g=piece[3], state=state,
                       state_index=[2, 0])
        close(res.out, out[:, :, a:b])
    close(state.get(2), final[0])
    close(state.get(0), final[1])
    assert state.get(2, "count") == [50]
    assert not state.get(1).any()


def test_import_and_snapshot(ctx, data):
    q, k, v, g, out, final = data
    plan = ctx.plan("gla b=1 h=3 n=50 d=8/5")
    state = plan.state()
    first = {"q": q[:1, :, :20], "k": k[:1, :, :20], "v": v[:1, :, :20], "g": g[:1, :, :20]}
    rest = {"q": q[:1, :, 20:], "k": k[:1, :, 20:], "v": v[:1, :, 20:], "g": g[:1, :, 20:]}
    plan.run(state=state, **first)
    kept = plan.state(2)
    kept.copy(1, state, 0)
    close(plan.run(state=state, **rest).out, out[:1, :, 20:])
    transposed = np.ascontiguousarray(kept.get(1).transpose(0, 2, 1)).transpose(0, 2, 1)
    state.set(0, transposed.astype(np.float64))
    close(plan.run(state=state, **rest).out, out[:1, :, 20:])
    close(state.get(0), final[0])
    state.zero()
    assert not state.get(0).any()


def test_refusals(ctx):
    plan = ctx.plan("gla h=1 n=4 d=2")
    state = plan.state()
    with pytest.raises(attn.ArgumentError, match="part: found 'z'"):
        state.get(0, "z")
    with pytest.raises(attn.AttnError, match="slot is 1, expected 0 to 0"):
        state.get(1)
    with pytest.raises(attn.UnsupportedError, match="part is SUM"):
        state.get(0, "sum")
    with pytest.raises(attn.AttnError, match="nan"):
        state.set(0, np.full((1, 2, 2), np.nan, np.float32))
    x = np.zeros((1, 1, 4, 2), np.float32)
    with pytest.raises(attn.AttnError, match="made for another plan"):
        ctx.plan("gla h=1 n=4 d=2/3").run(q=x, k=x, v=np.zeros((1, 1, 4, 3), np.float32), g=x,
                                          state=state)
    with pytest.raises(attn.UnsupportedError, match="takes no state"):
        ctx.plan("softmax h=1 n=4 d=2").state()


def test_roles_of_a_plan(ctx):
    roles = ctx.plan("gated_deltanet h=2 n=4 d=8").roles
    assert roles["beta"] and roles["g"] and roles["out"]
    assert not roles["state"] and "erase" not in roles and "lse" not in roles


@pytest.mark.parametrize("solver", ("scan_step", "scan_chunk"))
@pytest.mark.parametrize("mechanism", ("retnet", "gla", "deltanet"))
def test_same_bits_wherever_rows_lie(ctx, rng, mechanism, solver):
    """Plain rows are used in place; others are copied, and OUT may be Q."""
    shape = (2, 3, 70, 32)
    q, k, v = (rng.standard_normal(shape).astype(np.float32) for _ in range(3))
    k /= 6
    more = {"gla": {"g": -rng.random(shape).astype(np.float32)},
            "deltanet": {"beta": rng.random(shape[:3]).astype(np.float32)}}.get(mechanism, {})
    plan = ctx.plan("%s b=2 h=3 n=70 d=32 solver=%s" % (mechanism, solver))
    expected = plan.run(q=q, k=k, v=v, **more).out
    wide = [np.zeros(shape[:3] + (n,), np.float32)[..., :32] for n in (40, 48, 33)]
    wide[0][:], wide[1][:] = k, v
    plan.run(q=q, k=wide[0], v=wide[1], out=wide[2], **more)
    assert np.array_equal(wide[2], expected)
    plan.run(q=q, k=k, v=v, out=q, **more)
    assert np.array_equal(q, expected)


def test_segments(ctx, data):
    q, k, v, g, out, final = data
    plan = ctx.plan("gla b=2 h=3 n=50 d=8/5")
    halves = [{"q": q[:, :, s], "k": k[:, :, s], "v": v[:, :, s], "g": g[:, :, s]}
              for s in (slice(0, 21), slice(21, 50))]
    first, second, state = plan.segment(2), plan.segment(2), plan.state(2)
    plan.run(state=first, **halves[0])
    plan.run(state=second, **halves[1])
    close(first.get(1, "log_m"), g[1, :, :21].astype(np.float64).sum(1))
    for n in range(2):
        state.apply(n, first, n)
    close(plan.run(state=state, **halves[1]).out, out[:, :, 21:])
    second.compose(0, first, 0, second, 0)
    state.zero()
    state.apply(0, second, 0)
    close(state.get(0), final[0])
    with pytest.raises(attn.AttnError, match="expected a segment"):
        state.apply(0, state, 0)
