# SPDX-License-Identifier: MIT
"""The problems that are compared when none is given."""
from __future__ import annotations

_SMALL = (
    "softmax h=12 n=512 d=64",
    "softmax h=12 n=512 d=64 causal",
    "softmax h=12 n=2048 d=64",
    "softmax h=12 n=2048 d=64 causal",
    "softmax h=12 n=2048 d=64 causal window=255,0",
    "softmax h=16/4 n=1024 d=128",
    "softmax h=16/4 n=1024 d=128 causal",
    "softmax b=8 h=12 n=128 d=64",
    "softmax b=8 h=12 n=128 d=64 causal",
    "softmax h=32/8 q=1 k=512 d=128",
    "softmax h=32/8 q=1 k=4096 d=128",
    "softmax h=32/8 q=1 k=32768 d=128",
    "softmax h=9/3 q=1 k=4096 d=64",
)

_MORE = (
    "softmax h=16 n=4096 d=64",
    "softmax h=16 n=4096 d=64 causal",
    "softmax h=12 n=8192 d=64 causal window=255,0",
    "softmax h=32/8 n=2048 d=128",
    "softmax h=32/8 n=2048 d=128 causal",
    "softmax h=9/3 n=1024 d=64",
    "softmax h=9/3 n=1024 d=64 causal",
    "softmax b=8 h=32/8 q=1 k=4096 d=128",
    "softmax b=8 h=9/3 q=1 k=4096 d=64",
    "softmax h=12 q=1 k=4096 d=64",
)


def _both(problems):
    return problems + tuple(problem + " dtype=bf16" for problem in problems)


_LINEAR = (
    "linear_attention h=8 n=2048 d=128 causal",
    "retnet h=8 n=2048 d=128",
    "gla h=8 n=2048 d=128",
    "deltanet h=8 n=2048 d=128",
    "gated_deltanet h=8 n=2048 d=128",
)

GRIDS = {"small": _both(_SMALL) + _LINEAR, "full": _both(_SMALL + _MORE) + _LINEAR,
         "linear": _LINEAR}
