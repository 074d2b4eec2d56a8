# SPDX-License-Identifier: MIT
"""Calls without a plan of one's own: attention and merge."""
from __future__ import annotations

from ctypes import byref
from typing import Any, Dict, List, Literal, Optional, Sequence, Tuple, Union, overload

import numpy as np

from ._context import Context, default_context
from ._errors import INVALID, ROLE, ArgumentError, check
from ._lib import TYPE_BOOL, Tensor, lib, params as known_params, roles
from ._plan import Result, check_layout, longest, sizes
from ._selection import Selection
from ._tensor import TensorView, numpy_dtype, view
from ._words import problem

# Inputs that come with a declaration of another name.
_DECLARED_BY = {"seg_q": "segments", "seg_k": "segments",
                "q_offsets": "packed", "k_offsets": "packed"}


def _is_array(value: object) -> bool:
    return value is not None and not isinstance(value, (bool, np.bool_, str, int))


def _split(values: Dict[str, Any]) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Parts keywords into parameters and arrays; an array declares its parameter."""
    said: Dict[str, Any] = {}
    arrays: Dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        role = roles.get(name)
        if role is not None and not role.is_tensor:
            arrays[name] = value
            continue
        if role is not None and name not in known_params and not _is_array(value):
            raise TypeError("%s: expected an array, found %s" % (name, type(value).__name__))
        if role is None or not _is_array(value):
            said[name] = value
        elif role.output:
            raise ArgumentError(ROLE, "%s: attention gives out and lse only, select a selection; "
                                "use Context.plan for other outputs" % name)
        else:
            arrays[name] = value
            declared = _DECLARED_BY.get(name, name)
            if declared in known_params and known_params[declared].type == TYPE_BOOL:
                said[declared] = True
    if "want" in said:
        raise ArgumentError(INVALID, "want: attention gives out and lse only, select a selection; "
                            "use Context.plan")
    return said, arrays


def _check_sizes(found: Dict[str, Any], said: Dict[str, Any], who: str) -> None:
    """Sizes come from arrays alone."""
    twice = [name for name in found if name in said and name != "kv_dtype"]
    if twice:
        raise ArgumentError(INVALID, "%s: %s takes this from the arrays" % (", ".join(twice), who))


def _geometry(q: TensorView, k: TensorView, v: TensorView, swapped: bool) -> Dict[str, Any]:
    """Sizes and types of a problem, from its three tensors."""
    for seen, what in ((q, "q"), (k, "k"), (v, "v")):
        sizes(seen, what)
        if swapped:
            seen.swap_heads(what)
    heads: Tuple[int, ...] = (q.shape[1], k.shape[1], v.shape[1])
    found: Dict[str, Any] = {
        "b": max(q.shape[0], 1), "h": heads[:2] if heads[1] == heads[2] else heads,
        "q": q.shape[2], "k": k.shape[2], "d": (q.shape[3], v.shape[3]), "dtype": q.dtype,
    }
    if k.dtype != q.dtype:
        found["kv_dtype"] = k.dtype
    return found


def _infer(q: Any, k: Any, v: Any, offsets: Dict[str, Any], swapped: bool) -> Dict[str, Any]:
    views: List[TensorView] = []
    try:
        for what, value in (("q", q), ("k", k), ("v", v)):
            views.append(view(value, what))
        found = _geometry(views[0], views[1], views[2], swapped)
        for name, size in (("q_offsets", "q"), ("k_offsets", "k")):
            if name in offsets:
                views.append(view(offsets[name], name))
                found[size] = longest(views[-1], name)
                found["b"] = max(views[-1].shape[0] - 1, 1)
        return found
    finally:
        for seen in views:
            seen.release()


@overload
def attention(q: Any, k: Any, v: Any, *, causal: bool = ..., scale: Optional[float] = ...,
              softcap: Optional[float] = ..., window: Any = ..., bias: Any = ..., mask: Any = ...,
              lse: Literal[False] = ..., layout: str = ..., out: Any = ...,
              ctx: Optional[Context] = ..., **params: Any) -> Any: ...


@overload
def attention(q: Any, k: Any, v: Any, *, causal: bool = ..., scale: Optional[float] = ...,
              softcap: Optional[float] = ..., window: Any = ..., bias: Any = ..., mask: Any = ...,
              lse: Any, layout: str = ..., out: Any = ...,
              ctx: Optional[Context] = ..., **params: Any) -> Tuple[Any, Any]: ...


def attention(q: Any, k: Any, v: Any, *, causal: bool = False, scale: Optional[float] = None,
              softcap: Optional[float] = None, window: Any = None, bias: Any = None,
              mask: Any = None, lse: Any = False, layout: str = "bhnd", out: Any = None,
              ctx: Optional[Context] = None, **params: Any) -> Union[Any, Tuple[Any, Any]]:
    """Softmax attention of arrays [B,H,N,D], or [B,N,H,D] with layout="bnhd".

    Returns the output; with `lse` True or an array to write to, the pair
    (out, lse). `out` may be an array to write to. Further parameters of
    problem strings and further inputs (`k_len`, `seg_q`, `q_offsets`, ...)
    are keywords too. Sizes and types come from the arrays. Plans are kept by
    problem, the last 64 of each context; without `ctx`, one context with all
    CPUs serves.
    """
    swapped = check_layout(layout)
    said, arrays = _split({"causal": causal or None, "scale": scale, "softcap": softcap,
                           "window": window, "bias": bias, "mask": mask, **params})
    found = _infer(q, k, v, arrays, swapped)
    _check_sizes(found, said, "attention")
    context = default_context() if ctx is None else ctx
    plan = context._kept_plan(problem("softmax", {**found, **said}))
    result: Result = plan.run(q=q, k=k, v=v, out=True if out is None else out, lse=lse,
                              layout=layout, **arrays)
    return (result["out"], result["lse"]) if "lse" in result else result["out"]


def select(context: Context, mechanism: str, q: Any, k: Any, layout: str,
           values: Dict[str, Any]) -> Selection:
    """What `Context.select` does."""
    swapped = check_layout(layout)
    said, arrays = _split(values)
    found = _infer(q, k, k, arrays, swapped)
    _check_sizes(found, said, "select")
    plan = context._kept_plan(problem(mechanism, {**found, **said, "select": "only"}))
    picked: Selection = plan.run(q=q, k=k, layout=layout, **arrays).selection_out
    return picked


def merge(outs: Sequence[Any], lses: Sequence[Any], *, out: Any = None, lse: Any = None,
          layout: str = "bhnd") -> Tuple[Any, Any]:
    """Joins results over disjoint sets of keys; returns (out, lse).

    outs: arrays [B,H,N,D] (or [B,N,H,D] with layout="bnhd"), lses: arrays
    [B,H,N], of one shape and type. out, lse: arrays to write to, which may be
    those of one part.
    """
    swapped = check_layout(layout)
    if len(outs) != len(lses) or not outs:
        raise ArgumentError(INVALID, "merge: expected as many outs as lses and at least one, "
                            "found %d and %d" % (len(outs), len(lses)))
    views: List[TensorView] = []

    def seen(value: Any, what: str, writable: bool = False) -> TensorView:
        views.append(view(value, what, writable))
        if swapped and what.startswith("out"):
            views[-1].swap_heads(what)
        return views[-1]

    try:
        n = len(outs)
        part_out, part_lse = (Tensor * n)(), (Tensor * n)()
        for i in range(n):
            part_out[i] = seen(outs[i], "outs[%d]" % i).tensor
            part_lse[i] = seen(lses[i], "lses[%d]" % i).tensor
        if out is None:
            shape = views[0].shape
            if swapped:
                shape = (shape[0], shape[2], shape[1], shape[3])
            out = np.empty(shape, numpy_dtype(views[0].dtype))
        if lse is None:
            lse = np.empty(views[1].shape, numpy_dtype(views[1].dtype))
        check(lib.attn_merge(n, part_out, part_lse, byref(seen(out, "out", True).tensor),
                             byref(seen(lse, "lse", True).tensor)))
        return out, lse
    finally:
        for item in views:
            item.release()
