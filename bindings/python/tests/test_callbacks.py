# SPDX-License-Identifier: MIT
"""Score and mask functions of the caller's own, however they come."""
from __future__ import annotations

import ctypes
import gc

import numpy as np
import pytest

import attn


def changed_scores(change):
    """A score function of change(score, user, b, h, i, j)."""

    def call(user, s, q_stride, k_stride, b, h, q0, nq, k0, nk):
        for i in range(nq):
            for j in range(nk):
                at = i * q_stride + j * k_stride
                s[at] = change(s[at], user, b, h, q0 + i, k0 + j)

    return attn.ScoreFn(call)


@attn.MaskFn
def before_last(user, visible, q_stride, k_stride, b, h, q0, nq, k0, nk):
    """A window of two keys, classified where that is easy."""
    if k0 > q0 + nq - 1 or k0 + nk - 1 < q0 - 1:
        return 0
    if visible:
        for i in range(nq):
            for j in range(nk):
                visible[i * q_stride + j * k_stride] = -1 <= k0 + j - (q0 + i) <= 0
    return 2


def close(a, b):
    return np.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_score_function(ctx, qkv):
    q, k, v = qkv()
    halve = changed_scores(lambda s, *_: 0.5 * s)
    plan = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16", score_fn=halve)
    assert "score=user" in plan.problem
    assert close(plan.run(q=q, k=k, v=v).out, attn.attention(q, k, v, scale=0.125, ctx=ctx))
    assert close(attn.attention(q, k, v, score_fn=halve, ctx=ctx), plan.run(q=q, k=k, v=v).out)


def test_places_and_user(ctx, qkv):
    q, k, v = qkv()
    bias = np.random.default_rng(3).standard_normal((2, 4, 7, 19)).astype(np.float32)
    seen = set()

    def add(s, user, b, h, i, j):
        seen.add(user)
        return s + float(bias[b, h, i, j])

    function = changed_scores(add)
    number = ctypes.c_int(5)
    for user in (number, ctypes.addressof(number), ctypes.pointer(number)):
        out = attn.attention(q, k, v, score_fn=function, user=user, ctx=ctx)
        assert close(out, attn.attention(q, k, v, bias=bias, ctx=ctx))
    assert seen == {ctypes.addressof(number)}
    data = np.zeros(3)
    attn.attention(q, k, v, score_fn=function, user=data, ctx=ctx)
    assert data.ctypes.data in seen


def test_mask_function(ctx, qkv):
    q, k, v = qkv(nq=19, nk=19)
    assert close(attn.attention(q, k, v, mask_fn=before_last, ctx=ctx),
                 attn.attention(q, k, v, window=(1, 0), ctx=ctx))


def test_all_sorts_of_pointers(ctx, qkv):
    q, k, v = qkv()
    halve = changed_scores(lambda s, *_: 0.5 * s)
    address = ctypes.cast(halve, ctypes.c_void_p)
    made = type("Compiled", (), {"address": address.value})()
    kinds = [halve, address, address.value, made]
    try:
        import cffi
        kinds.append(cffi.FFI().cast("void (*)(void *)", address.value))
    except ImportError:
        pass
    expected = attn.attention(q, k, v, scale=0.125, ctx=ctx)
    for kind in kinds:
        assert close(attn.attention(q, k, v, score_fn=kind, ctx=ctx), expected)
    for wrong in ("halve", 1.5, True, lambda: None):
        with pytest.raises(TypeError, match="score_fn"):
            ctx.plan("softmax h=1 n=4 d=16", score_fn=wrong)
    for wrong in (0, -1, 2**70):
        with pytest.raises(attn.ArgumentError, match="score_fn"):
            ctx.plan("softmax h=1 n=4 d=16", score_fn=wrong)
    with pytest.raises(TypeError, match="user"):
        attn.attention(q, k, v, score_fn=halve, user="me", ctx=ctx)


def test_compiled_by_numba(ctx, qkv):
    """Their objects have an `address`; the functions they hold run without Python."""
    numba = pytest.importorskip("numba")
    n = numba.types
    places = [n.int64] * 6
    places_and_strides = [n.int64] * 2 + places

    @numba.cfunc(n.void(n.voidptr, n.CPointer(n.float32), *places_and_strides))
    def alibi(user, s, q_stride, k_stride, b, h, q0, nq, k0, nk):
        for i in range(nq):
            for j in range(nk):
                s[i * q_stride + j * k_stride] -= 0.25 * abs(q0 + i - k0 - j)

    @numba.cfunc(n.int32(n.voidptr, n.CPointer(n.uint8), *places_and_strides))
    def window(user, visible, q_stride, k_stride, b, h, q0, nq, k0, nk):
        if k_stride > 0:  # both are 0 with NULL, which numba cannot ask for
            for i in range(nq):
                for j in range(nk):
                    back = q0 + i - k0 - j
                    visible[i * q_stride + j * k_stride] = 0 <= back and back <= 1
        return 2

    q, k, v = qkv(nq=19, nk=19)
    assert close(attn.attention(q, k, v, score_fn=alibi, mask_fn=window, ctx=ctx),
                 attn.attention(q, k, v, alibi=True, alibi_slopes=[0.25] * 4,
                                window=(1, 0), ctx=ctx))


def test_a_plan_keeps_its_functions(ctx, qkv):
    q, k, v = qkv()
    plan = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16",
                    score_fn=changed_scores(lambda s, *_: 0.5 * s), mask_fn=before_last)
    gc.collect()
    assert close(plan.run(q=q, k=k, v=v).out,
                 attn.attention(q, k, v, scale=0.125, window=(1, 0), align="top_left", ctx=ctx))


def test_f64_refuses_functions(ctx):
    with pytest.raises(attn.UnsupportedError):
        ctx.plan("softmax h=1 n=4 d=16 dtype=f64",
                 score_fn=changed_scores(lambda s, *_: s))
