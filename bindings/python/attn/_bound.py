# SPDX-License-Identifier: MIT
"""A plan tied to its arrays: a call is one call of the library."""
from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, Mapping, Union

import numpy as np

from ._errors import check
from ._lib import Arg, lib, roles
from ._pointers import Pointer
from ._tensor import Array, TensorView

if TYPE_CHECKING:
    from ._plan import Plan, Result


# What stands for an argument: it has an address, and is released once.
Argument = Union[TensorView, Pointer]


def make_args(views: Mapping[str, Argument]) -> Any:
    """The argument array of an execute; the views must outlive it."""
    args = (Arg * len(views))()
    for arg, (name, seen) in zip(args, views.items()):
        arg.role = roles[name].number
        arg.object = seen.address
    return args


def aligned(block: Array, align: int) -> int:
    """The first address in a block that is a multiple of `align`."""
    start: int = block.__array_interface__["data"][0]
    return start + -start % align


class Bound:
    """Made by `Plan.bind`; call it to compute again from what the arrays now hold.

    `results` are the outputs, the same at every call. Calls from several
    threads take turns.
    """

    def __init__(self, plan: "Plan", handle: Any, views: Mapping[str, Argument], results: "Result",
                 size: int, align: int) -> None:
        self.plan = plan
        self.results = results
        self._views = views
        self._args = make_args(views)
        self._block = np.empty(size + align, np.uint8)
        self._call = (handle, self._args, len(self._args), aligned(self._block, align), size)
        self._lock = threading.Lock()
        for item in views.values():
            weakref.finalize(self, item.release).atexit = False

    def __call__(self) -> "Result":
        with self._lock:
            check(lib.attn_plan_execute(*self._call))
        return self.results
