# SPDX-License-Identifier: MIT
"""What the tests share: a context, a generator of numbers, arrays."""
from __future__ import annotations

import numpy as np
import pytest

import attn


@pytest.fixture(scope="session")
def ctx() -> attn.Context:
    return attn.Context(threads=2)


@pytest.fixture
def rng(request) -> np.random.Generator:
    return np.random.default_rng(sum(map(ord, request.node.name)))


@pytest.fixture
def qkv(rng):
    """Makes q, k, v as [B,H,N,D] of float32."""

    def make(b=2, hq=4, hk=2, nq=7, nk=19, d=16, dv=None, dtype=np.float32):
        shapes = (b, hq, nq, d), (b, hk, nk, d), (b, hk, nk, dv or d)
        return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)

    return make
