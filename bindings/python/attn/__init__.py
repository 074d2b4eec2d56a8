# SPDX-License-Identifier: MIT
"""attn: attention on CPUs, the Python face of libattn.

    ctx = attn.Context(threads=2)
    plan = ctx.plan("softmax b=1 h=9/3 q=64 k=512 d=64 causal")
    res = plan.run(q=q, k=k, v=v, lse=True)     # res.out, res.lse
    out = attn.attention(q, k, v, causal=True)  # without a plan of one's own
"""
from __future__ import annotations

from ._cache import Cache, Sequence, Step
from ._cache_view import PoolView, View
from ._context import Context, default_context
from ._errors import (
    ArgumentError, AttnError, OutOfMemoryError, SizeOverflowError, StateError, UnsupportedError,
)
from ._functions import attention, merge
from ._head_maps import dgqa_heads, expand_heads, head_norms, kdgqa_heads, pgqa_noise
from ._head_scores import (
    moa_span_rule, razor_head_scores, retrieval_head_scores, rollout, task_kv_heads,
    task_kv_rule, vhd,
)
from ._layer_helpers import agent_bias, alibi_slopes, lightning_slopes, short_conv
from ._lib import MaskFn, ScoreFn
from ._lib import lib as _library, mechanisms, params as _params, roles as _roles, solvers, text
from ._plan import Plan, Result
from ._selection import Selection
from ._state import State

__version__ = "0.1.0"


def library_version() -> str:
    """The version of the library in use."""
    return text(_library.attn_version_text())


def parameters() -> "dict[str, str]":
    """Every parameter by name, with a sentence of help."""
    return {name: row.help for name, row in _params.items()}


def roles() -> "dict[str, str]":
    """Every role by name: "input" or "output"."""
    return {name: "output" if row.output else "input" for name, row in _roles.items()}


__all__ = [
    "ArgumentError", "AttnError", "Cache", "Context", "MaskFn", "OutOfMemoryError", "Plan",
    "PoolView", "Result", "ScoreFn", "Selection", "Sequence", "SizeOverflowError", "State",
    "StateError", "Step", "UnsupportedError", "View", "agent_bias", "alibi_slopes", "attention",
    "default_context", "dgqa_heads", "expand_heads", "head_norms",
    "kdgqa_heads", "library_version", "lightning_slopes", "mechanisms",
    "merge", "moa_span_rule", "parameters", "pgqa_noise", "razor_head_scores",
    "retrieval_head_scores", "roles", "rollout", "short_conv", "solvers",
    "task_kv_heads", "task_kv_rule", "vhd",
]
