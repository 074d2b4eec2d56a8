# SPDX-License-Identifier: MIT
"""States: what recurrences remember of sequences that come in pieces."""
from __future__ import annotations

import weakref
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ._errors import INVALID, ArgumentError, check
from ._lib import Tensor, lib, text
from ._tensor import Array, numpy_dtype, view

if TYPE_CHECKING:
    from ._plan import Plan

# Parts of a slot, by number.
PARTS = {"s": 1, "sum": 2, "lse": 3, "count": 4, "m": 5, "log_m": 6}


def _part(name: str) -> int:
    if name not in PARTS:
        raise ArgumentError(INVALID, "part: found %r, expected one of %s"
                            % (name, ", ".join(PARTS)))
    return PARTS[name]


class State:
    """Slots of recurrent state; made by `Plan.state`, given to runs as `state=`.

    A run reads and updates slots 0, 1, ... of its sequences, or those of
    `state_index=`. Two runs at a time must not use the same slot.

    A segment (`Plan.segment`) is a state that also tells what its tokens do to
    any state before them, S <- M S + X: parts "m" or "log_m".
    """

    def __init__(self, plan: "Plan", slots: int = 1, segment: bool = False) -> None:
        create = lib.attn_segment_create if segment else lib.attn_state_create
        self._handle = c_void_p()
        check(create(plan.context._handle, plan._handle, slots, byref(self._handle)))
        weakref.finalize(self, lib.attn_state_destroy, self._handle).atexit = False

    def __len__(self) -> int:
        return int(lib.attn_state_slots(self._handle))

    def zero(self, first: int = 0, n: Optional[int] = None) -> None:
        """Empties slots first to first + n - 1; default: all from first on."""
        check(lib.attn_state_zero(self._handle, first, len(self) - first if n is None else n))

    def copy(self, slot: int, source: "State", source_slot: int) -> None:
        """Makes a slot what a slot of this or another state is: snapshots, and back."""
        check(lib.attn_state_copy(self._handle, slot, source._handle, source_slot))

    def apply(self, slot: int, segment: "State", segment_slot: int) -> None:
        """Lets a slot go through the tokens of a segment."""
        check(lib.attn_segment_apply(segment._handle, segment_slot, self._handle, slot))

    def compose(self, slot: int, first: "State", first_slot: int, second: "State",
                second_slot: int) -> None:
        """Makes a slot of this segment the first one and then the second."""
        check(lib.attn_segment_compose(self._handle, slot, first._handle, first_slot,
                                       second._handle, second_slot))

    def _shape(self, part: str) -> Tensor:
        told = Tensor()
        check(lib.attn_state_shape(self._handle, _part(part), byref(told)))
        return told

    def get(self, slot: int, part: str = "s") -> Array:
        """A copy of part of a slot: "s" [states,Dk,Dv], "sum", "lse" [states,Dk], "count" [1]; of a
        segment also "m" [states,Dk,Dk] or "log_m" [states,Dk]."""
        told = self._shape(part)
        array = np.empty(list(told.shape[:told.rank]),
                         numpy_dtype(text(lib.attn_dtype_name(told.dtype))))
        seen = view(array, "part", True)
        try:
            check(lib.attn_state_export(self._handle, slot, _part(part), byref(seen.tensor)))
        finally:
            seen.release()
        return array

    def set(self, slot: int, value: Any, part: str = "s") -> None:
        """The reverse of `get`; any strides, so a transposed view will do."""
        seen = view(value, "value")
        try:
            check(lib.attn_state_import(self._handle, slot, _part(part), byref(seen.tensor)))
        finally:
            seen.release()

    def __repr__(self) -> str:
        return "<attn.State of %d slots>" % len(self)
