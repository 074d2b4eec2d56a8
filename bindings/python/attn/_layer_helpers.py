# SPDX-License-Identifier: MIT
"""What stands around the attention of a layer; see <attn/layer_helpers.h>."""
from __future__ import annotations

from ctypes import byref, c_double
from typing import Any, List, Optional

import numpy as np

from ._context import Context, default_context
from ._errors import INVALID, ArgumentError, check
from ._head_scores import _Views
from ._lib import lib
from ._tensor import Array, numpy_dtype

_RULES = ("code", "paper")  # by number


def alibi_slopes(heads: int) -> List[float]:
    """The slopes of ALiBi for that many heads."""
    slopes = (c_double * max(heads, 0))()
    check(lib.attn_alibi_slopes(max(heads, 0), slopes))
    return list(slopes)


def lightning_slopes(heads: int, layer: int, layers: int, *, rule: str = "code") -> List[float]:
    """Decay slopes of a layer of Lightning Attention, for `alibi_slopes=` of lightning.

    rule: "code" (of the published weights, layers from 0) or "paper".
    """
    if rule not in _RULES:
        raise ArgumentError(INVALID, "lightning_slopes: rule is %r, expected \"code\" or \"paper\""
                            % (rule,))
    slopes = (c_double * max(heads, 0))()
    check(lib.attn_lightning_slopes(max(heads, 0), _RULES.index(rule), layer, layers, slopes))
    return list(slopes)


def short_conv(x: Any, weight: Any, bias: Optional[Any] = None, *, silu: bool = True,
               state: Optional[Any] = None, out: Optional[Any] = None,
               ctx: Optional[Context] = None) -> Any:
    """A causal convolution of each channel of x [B,N,C] along its N tokens.

    weight: [C,W], the last one for the token itself; bias: [C]. state: [B,W-1,C], the inputs
    in front of x (zeros at a sequence's start), which becomes those in front of what follows.
    """
    used = ctx if ctx is not None else default_context()
    with _Views() as seen:
        given = seen(x, "x", 3)
        result = np.empty(given.shape, numpy_dtype(given.dtype)) if out is None else out
        check(lib.attn_short_conv(
            used._handle, byref(given.tensor), byref(seen(weight, "weight").tensor),
            None if bias is None else byref(seen(bias, "bias").tensor), int(silu),
            None if state is None else byref(seen(state, "state", writable=True).tensor),
            byref(seen(result, "out", writable=True).tensor)))
        return result


def agent_bias(table: Any, rows: Any, columns: Any, first: Optional[Any] = None) -> Array:
    """A learned bias of agent_attention for one size of image; float32 [heads,agents,tokens].

    table: [heads,agents,any,any], resized to the image; rows: [heads,agents,H]; columns:
    [heads,agents,W]; first: [heads,agents], of the class token. It is `agent_k_bias`; with its
    last axes exchanged, `agent_q_bias`.
    """
    with _Views() as seen:
        up, along = seen(rows, "rows", 3), seen(columns, "columns", 3)
        tokens = up.shape[2] * along.shape[2] + (first is not None)
        made = np.empty((*up.shape[:2], tokens), np.float32)
        check(lib.attn_agent_bias(
            byref(seen(table, "table").tensor), byref(up.tensor), byref(along.tensor),
            None if first is None else byref(seen(first, "first").tensor),
            byref(seen(made, "made", writable=True).tensor)))
        return made
