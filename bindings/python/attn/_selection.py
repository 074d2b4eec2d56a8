# SPDX-License-Identifier: MIT
"""Selections: index lists of the keys that queries attend to."""
from __future__ import annotations

import contextlib
import weakref
from ctypes import byref, c_int64, c_void_p
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional

import numpy as np

from ._errors import INVALID, ArgumentError, check
from ._lib import Arg, Tensor, lib, text
from ._tensor import Array, TensorView, numpy_dtype, view

if TYPE_CHECKING:
    from ._context import Context
    from ._plan import Plan

# Parts and numbers, as attn/selection.h counts them.
PARTS = {"row_ptr": 1, "start": 2, "length": 3, "logit": 4, "replace": 5, "g_batch": 6,
         "g_head": 7, "q_ptr": 8, "k_ptr": 9, "q_idx": 10, "k_idx": 11}
NUMBERS = {"batch": 2, "heads": 3, "queries": 4, "end_key": 5, "head_group": 6, "q_block": 7,
           "rows": 8, "entries": 9, "keys_listed": 10, "empty_rows": 13, "groups": 14,
           "queries_listed": 16}
COMBINE = {"exclusive": 0, "sum": 1, "mean": 2, "lse": 3}
_LAYOUT, _GROUPS = 1, 2


@contextlib.contextmanager
def _parts(given: Dict[str, Any]) -> Iterator[Any]:
    """The argument array of an import, for the time of a `with`."""
    views: Dict[str, TensorView] = {}
    try:
        for name, value in given.items():
            if value is not None:
                views[name] = view(value, name)
        args = (Arg * len(views))()
        for arg, (name, seen) in zip(args, views.items()):
            arg.role, arg.object = PARTS[name], seen.address
        yield args
    finally:
        for seen in views.values():
            seen.release()


class Selection:
    """Lists of keys for blocks of queries, given to runs of `lists` plans as `selection=`.

    Row (b * heads / head_group + s) * blocks + t is for the queries t * q_block and on of the
    heads s * head_group and on (b is 0 with batch=1, lists for all batch entries). It is entries
    row_ptr[row] to row_ptr[row + 1] - 1, entry e the keys start[e] to start[e] + length[e] - 1.
    Without `length` every entry has k_block keys, or as many as there are up to `keys`.
    logit is added to the scores of an entry, or where `replace` is true it is the entry's weight.

    The lists are copied. What was made is told by the attributes batch, heads, queries, end_key,
    head_group, q_block, rows, entries, keys_listed and empty_rows.

    `Context.select` makes selections by content, and so do runs of plans with select="only", as
    their output selection_out.
    """

    batch: int
    heads: int
    queries: int
    end_key: int
    head_group: int
    q_block: int
    rows: int
    entries: int
    keys_listed: int
    empty_rows: int
    groups: int
    queries_listed: int

    def __init__(self, row_ptr: Any, start: Any, length: Any = None, *, heads: int, queries: int,
                 keys: int, batch: int = 1, head_group: int = 1, q_block: int = 1,
                 k_block: int = 0, logit: Any = None, replace: Any = None,
                 context: "Optional[Context]" = None) -> None:
        from ._context import default_context

        given = {"row_ptr": row_ptr, "start": start, "length": length, "logit": logit,
                 "replace": replace}
        ctx = default_context() if context is None else context
        self._handle = c_void_p()
        with _parts(given) as args:
            check(lib.attn_selection_import_rows(
                ctx._handle, batch, heads, head_group, queries, q_block, keys, k_block, args,
                len(args), byref(self._handle)))
        weakref.finalize(self, lib.attn_selection_destroy, self._handle).atexit = False

    @classmethod
    def from_groups(cls, g_head: Any, q_ptr: Any, k_ptr: Any, q_idx: Any, k_idx: Any, *, heads: int,
                    queries: int, keys: int, batch: int = 1, g_batch: Any = None,
                    combine: str = "exclusive", eps: float = 0.0,
                    context: "Optional[Context]" = None) -> "Selection":
        """Groups of queries that attend to the same keys, for plans with lists_layout="groups".

        Group g is the queries q_idx[q_ptr[g]:q_ptr[g + 1]] of output head g_head[g] in batch entry
        g_batch[g] (0 if not given), which attend to the keys k_idx[k_ptr[g]:k_ptr[g + 1]]; both
        rise. A query of several groups gets the "sum" of the results, the "mean" (over their
        number plus eps) or, with "lse", the softmax over all keys of them; "exclusive": there is
        none. What was made is told by batch, heads, queries, end_key, groups, queries_listed and
        keys_listed.
        """
        from ._context import default_context

        if combine not in COMBINE:
            raise ArgumentError(INVALID, "combine: found %r, expected one of %s"
                                % (combine, ", ".join(COMBINE)))
        given = {"g_batch": g_batch, "g_head": g_head, "q_ptr": q_ptr, "k_ptr": k_ptr,
                 "q_idx": q_idx, "k_idx": k_idx}
        ctx = default_context() if context is None else context
        self = cls.__new__(cls)
        self._handle = c_void_p()
        with _parts(given) as args:
            check(lib.attn_selection_import_groups(
                ctx._handle, batch, heads, queries, keys, COMBINE[combine], eps, args, len(args),
                byref(self._handle)))
        weakref.finalize(self, lib.attn_selection_destroy, self._handle).atexit = False
        return self

    @classmethod
    def _of_plan(cls, plan: "Plan") -> "Selection":
        """An empty one that runs of a plan may write to."""
        self = cls.__new__(cls)
        self._handle = c_void_p()
        check(lib.attn_selection_create(plan.context._handle, plan._handle, byref(self._handle)))
        weakref.finalize(self, lib.attn_selection_destroy, self._handle).atexit = False
        return self

    def __getattr__(self, name: str) -> int:
        if name not in NUMBERS:
            raise AttributeError("%r object has no attribute %r" % (type(self).__name__, name))
        told = c_int64()
        check(lib.attn_selection_get_i64(self._handle, NUMBERS[name], byref(told)))
        return told.value

    def get(self, part: str) -> Array:
        """A copy of "row_ptr", "start", "length", "logit" or "replace"; of groups of "g_batch",
        "g_head", "q_ptr", "k_ptr", "q_idx" or "k_idx"."""
        if part not in PARTS:
            raise ArgumentError(INVALID, "part: found %r, expected one of %s"
                                % (part, ", ".join(PARTS)))
        told = Tensor()
        check(lib.attn_selection_shape(self._handle, PARTS[part], byref(told)))
        array = np.empty(list(told.shape[:told.rank]),
                         numpy_dtype(text(lib.attn_dtype_name(told.dtype))))
        seen = view(array, part, True)
        try:
            check(lib.attn_selection_export(self._handle, PARTS[part], byref(seen.tensor)))
        finally:
            seen.release()
        return array

    def __repr__(self) -> str:
        layout = c_int64()
        check(lib.attn_selection_get_i64(self._handle, _LAYOUT, byref(layout)))
        if layout.value == _GROUPS:
            return "<attn.Selection of %d groups>" % self.groups
        return "<attn.Selection of %d entries in %d rows>" % (self.entries, self.rows)
