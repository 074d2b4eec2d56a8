# SPDX-License-Identifier: MIT
"""Head maps that grouped queries are given: kdgqa, dgqa, and the noise of pgqa."""
from __future__ import annotations

from ctypes import byref, c_double, c_int64
from typing import Any, Iterable, List, Optional

import numpy as np

from ._errors import INVALID, ArgumentError, check
from ._lib import lib
from ._plan import check_layout
from ._tensor import numpy_dtype, view

_RULES = ("diff", "ema")  # by number


def _floats(values: Iterable[float]) -> Any:
    found = [float(x) for x in values]
    return (c_double * len(found))(*found)


def head_norms(k: Any, *, layout: str = "bhnd") -> List[float]:
    """The size of each key head of k [B,H,N,D]: Frobenius norms, summed over the batch.

    Leave padded tokens out of k. layout="bnhd" takes [B,N,H,D].
    """
    swapped = check_layout(layout)
    seen = view(k, "k")
    try:
        if swapped:
            seen.swap_heads("k")
        heads = seen.shape[1] if len(seen.shape) > 1 else 0
        norms = (c_double * heads)()
        check(lib.attn_head_map_norms(byref(seen.tensor), heads, norms))
        return list(norms)
    finally:
        seen.release()


def kdgqa_heads(norms: Iterable[float], heads: int) -> List[int]:
    """How many of `heads` query heads each key head gets, by its norm."""
    found = _floats(norms)
    alloc = (c_int64 * len(found))()
    check(lib.attn_head_map_kdgqa(len(found), found, heads, alloc))
    return list(alloc)


def dgqa_heads(norms: Iterable[float], cache: Iterable[float], heads: int, *,
               rule: str = "diff") -> List[int]:
    """The same by how the norms have changed since `cache`; rule: "diff" or "ema"."""
    found, before = _floats(norms), _floats(cache)
    if len(found) != len(before):
        raise ArgumentError(INVALID, "dgqa_heads: expected as many norms as in the cache, found "
                            "%d and %d" % (len(found), len(before)))
    if rule not in _RULES:
        raise ArgumentError(INVALID, "dgqa_heads: rule is %r, expected \"diff\" or \"ema\""
                            % (rule,))
    alloc = (c_int64 * len(found))()
    check(lib.attn_head_map_dgqa(len(found), found, before, _RULES.index(rule), heads, alloc))
    return list(alloc)


def expand_heads(alloc: Iterable[int]) -> List[int]:
    """The key head of each query head, for `kv_head=`."""
    counts = [int(n) for n in alloc]
    heads = max(sum(counts), 0)
    table = (c_int64 * heads)()
    check(lib.attn_head_map_expand(len(counts), (c_int64 * len(counts))(*counts), heads, table))
    return list(table)


def pgqa_noise(uniform: Any, key_heads: int, *, out: Optional[Any] = None) -> Any:
    """The noise that the mechanism pgqa takes as `pgqa_noise`, from numbers drawn uniformly.

    uniform: [Hq,Nq,Dv]; out: an array to write to, which may be uniform itself.
    """
    seen = view(uniform, "uniform")
    try:
        if out is None:
            out = np.empty(seen.shape, numpy_dtype(seen.dtype))
        made = view(out, "out", True)
        try:
            check(lib.attn_pgqa_noise(byref(seen.tensor), key_heads, byref(made.tensor)))
        finally:
            made.release()
        return out
    finally:
        seen.release()
