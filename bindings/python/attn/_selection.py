# SPDX-License-Identifier: MIT
"""Selections: index lists of the keys that queries attend to."""
from __future__ import annotations

import weakref
from ctypes import byref, c_int64, c_void_p
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ._errors import INVALID, ArgumentError, check
from ._lib import Arg, Tensor, lib, text
from ._tensor import Array, numpy_dtype, view

if TYPE_CHECKING:
    from ._context import Context
    from ._plan import Plan

# Parts and numbers, as attn/selection.h counts them.
PARTS = {"row_ptr": 1, "start": 2, "length": 3, "logit": 4, "replace": 5}
NUMBERS = {"batch": 2, "heads": 3, "queries": 4, "end_key": 5, "head_group": 6, "q_block": 7,
           "rows": 8, "entries": 9, "keys_listed": 10, "empty_rows": 13}


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

    def __init__(self, row_ptr: Any, start: Any, length: Any = None, *, heads: int, queries: int,
                 keys: int, batch: int = 1, head_group: int = 1, q_block: int = 1,
                 k_block: int = 0, logit: Any = None, replace: Any = None,
                 context: "Optional[Context]" = None) -> None:
        from ._context import default_context

        given = {"row_ptr": row_ptr, "start": start, "length": length, "logit": logit,
                 "replace": replace}
        views = {}
        self._handle = c_void_p()
        try:
            for name, value in given.items():
                if value is not None:
                    views[name] = view(value, name)
            args = (Arg * len(views))()
            for arg, (name, seen) in zip(args, views.items()):
                arg.role, arg.object = PARTS[name], seen.address
            ctx = default_context() if context is None else context
            check(lib.attn_selection_import_rows(
                ctx._handle, batch, heads, head_group, queries, q_block, keys, k_block, args,
                len(args), byref(self._handle)))
        finally:
            for seen in views.values():
                seen.release()
        weakref.finalize(self, lib.attn_selection_destroy, self._handle).atexit = False

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
        """A copy of "row_ptr", "start", "length", "logit" or "replace"."""
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
        return "<attn.Selection of %d entries in %d rows>" % (self.entries, self.rows)
