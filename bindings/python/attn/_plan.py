# SPDX-License-Identifier: MIT
"""Plans: running them on arrays, and the results."""
from __future__ import annotations

import contextlib
import ctypes
import math
import threading
import weakref
from ctypes import byref, c_int32, c_int64, c_size_t, c_void_p
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from . import _pieces
from ._bound import Argument, Bound, aligned, make_args
from ._errors import INVALID, ROLE, SHAPE, ArgumentError, check, read_text
from ._lib import (
    PARAM_EXECUTORS, TYPE_I64, TYPE_I64S, Role, Tensor, lib, params, roles, text,
)
from ._pointers import Pointer
from ._selection import Selection
from ._state import State
from ._tensor import Array, TensorView, numpy_dtype, view
from ._values import is_set, read_all
from ._words import Problem

if TYPE_CHECKING:
    from ._context import Context

LAYOUTS = ("bhnd", "bnhd")

# Spare workspaces a plan keeps; more threads than this allocate theirs anew.
_SPARE = 16


def _release(views: Mapping[str, Argument]) -> None:
    for item in views.values():
        item.release()


class Result(Mapping[str, Any]):
    """The outputs of a run, by name: `res.out`, `res["lse"]`."""

    __slots__ = ("_outputs",)

    def __init__(self, outputs: Dict[str, Any]) -> None:
        self._outputs = outputs

    def __getitem__(self, name: str) -> Any:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __getattr__(self, name: str) -> Any:
        if name != "_outputs" and name in self._outputs:
            return self._outputs[name]
        raise AttributeError("no output %r in this result; it has %s"
                             % (name, ", ".join(self._outputs) or "none"))

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *self._outputs]

    def __repr__(self) -> str:
        return "Result(%s)" % ", ".join(
            "%s%r" % (name, list(getattr(value, "shape", ())))
            for name, value in self._outputs.items())


def find_role(name: str) -> Role:
    """The role of a name, else the library's complaint about it."""
    role = roles.get(name)
    if role is None:
        check(lib.attn_role_find(name.encode(), byref(c_int32())))
        raise ArgumentError(ROLE, "no role has the name %r" % name)
    return role


def check_layout(layout: str) -> bool:
    """True if arrays come as [B,N,H,D]."""
    if layout not in LAYOUTS:
        raise ValueError("layout: expected \"bhnd\" or \"bnhd\", found %r" % (layout,))
    return layout == "bnhd"


def sizes(tensor: TensorView, what: str) -> Tuple[int, ...]:
    """The four extents of Q, K, V or OUT."""
    if tensor.tensor.rank != 4:
        raise ArgumentError(SHAPE, "%s: expected an array of rank 4, found shape %r"
                            % (what, tensor.shape))
    return tensor.shape


def longest(offsets: TensorView, what: str) -> int:
    """Length of the longest sequence that an array of offsets marks out."""
    if offsets.tensor.rank != 1 or offsets.dtype not in ("i32", "i64"):
        raise ArgumentError(SHAPE, "%s: expected one dimension of int32 or int64, found shape %r "
                            "of %s" % (what, offsets.shape, offsets.dtype))
    values = offsets.integers()
    return max((b - a for a, b in zip(values, values[1:]) if b > a), default=0)


class _Facts:
    """What a descriptor says."""

    def __init__(self, desc: c_void_p) -> None:
        self.problem = read_text(
            lambda buf, n, needed: lib.attn_desc_print(desc, buf, n, needed))
        self.said = said = read_all(desc)
        self.pieces = _pieces.read(desc)
        self.q, self.k = said.get("q", 0), said.get("k", 0)
        self.dtype: str = said.get("dtype", "f32")
        self.wants: Tuple[str, ...] = said.get("want", ())


def _apply(desc: c_void_p, problem: Problem) -> None:
    """Sets what a problem says besides its text."""
    for key, values in problem.setters:
        param = params[key]
        if is_set(desc, param.number):
            raise ArgumentError(INVALID, "%s is given twice, as a keyword and in the problem "
                                "string %r" % (key, problem.text))
        n = len(values) // 8
        if param.type == TYPE_I64:
            check(lib.attn_desc_set_i64(desc, param.number,
                                        c_int64.from_buffer_copy(values)))
        elif param.type == TYPE_I64S:
            check(lib.attn_desc_set_i64s(desc, param.number,
                                         (c_int64 * n).from_buffer_copy(values), n))
        else:
            check(lib.attn_desc_set_f64s(desc, param.number,
                                         (ctypes.c_double * n).from_buffer_copy(values), n))


@contextlib.contextmanager
def facts_of(context: "Context", problem: Problem) -> Iterator[Tuple[c_void_p, _Facts]]:
    """A descriptor that says a problem, for the time of a `with`, and what it says."""
    desc = c_void_p()
    check(lib.attn_desc_parse(context._handle, problem.text.encode(), byref(desc)))
    try:
        _apply(desc, problem)
        _pieces.add(desc, problem.pieces)
        for function in problem.functions:
            check(getattr(lib, "attn_desc_set_" + function.name)(desc, function.address))
        yield desc, _Facts(desc)
    finally:
        lib.attn_desc_destroy(desc)


class Plan:
    """A planned problem; made by `Context.plan`, safe to run from many threads."""

    def __init__(self, context: "Context", problem: Problem) -> None:
        """Parses, fills in and plans; the caller keeps other users off the context."""
        self.context = context
        self._functions = problem.functions  # called by runs: they live as long as the plan
        self._handle = c_void_p()
        with facts_of(context, problem) as (desc, self._facts):
            # Runs bring their own workspace, so the plan needs to own none.
            check(lib.attn_desc_set_i64(desc, PARAM_EXECUTORS, 0))
            check(lib.attn_plan_create(context._handle, desc, byref(self._handle)))
            # Not at exit: a daemon thread may still be inside an execute then.
            weakref.finalize(self, lib.attn_plan_destroy, self._handle).atexit = False
        size, align = c_size_t(), c_size_t()
        check(lib.attn_plan_workspace(self._handle, byref(size), byref(align)))
        self._bytes, self._align = size.value, max(align.value, 64)
        self._results = tuple(dict.fromkeys(self._needed_outputs() + self._facts.wants))
        self._spare: List[Array] = []
        self._lock = threading.Lock()

    @property
    def roles(self) -> Dict[str, bool]:
        """What runs may be given, by name: is it required? Runs make outputs by themselves."""
        required = c_int32()
        names = {row.number: row.name for row in roles.values()}
        found: Dict[str, bool] = {}
        while True:
            number = lib.attn_plan_role_at(self._handle, len(found), byref(required))
            if number == 0:
                return found
            found[names[number]] = bool(required.value)

    def _needed_outputs(self) -> Tuple[str, ...]:
        """What execute does not go without: `out`, and a mechanism's own."""
        needed = self.roles
        return tuple(name for name, row in roles.items() if row.output and needed.get(name))

    @property
    def problem(self) -> str:
        """The canonical problem string."""
        return self._facts.problem

    @property
    def workspace_bytes(self) -> int:
        """Memory that each run at work needs; kept by the plan for the next one."""
        return self._bytes

    @property
    def parameters(self) -> Dict[str, Any]:
        """What the problem sets, by the names of `attn.parameters()`; inf for no limit."""
        return dict(self._facts.said)

    @property
    def pieces(self) -> List[Tuple[str, str, List[Any]]]:
        """The added pieces of visibility: (mode, kind, values)."""
        return list(self._facts.pieces)

    @property
    def dtype(self) -> str:
        """Element type of Q and OUT."""
        return self._facts.dtype

    @property
    def wants(self) -> Tuple[str, ...]:
        """The declared further outputs."""
        return self._facts.wants

    def _lengths(self, q: Optional[int], k: Optional[int]) -> Tuple[int, int]:
        facts = self._facts
        if q is None:
            q = facts.q
        if k is None:
            k = max(q, 1) if facts.k == math.inf else facts.k
        return q, k

    def describe(self, q: Optional[int] = None, k: Optional[int] = None) -> str:
        """How q queries and k keys are computed; default: the maxima, or k = q for k=inf."""
        nq, nk = self._lengths(q, k)
        return read_text(lambda buf, n, needed: lib.attn_plan_describe(
            self._handle, nq, nk, buf, n, needed))

    def solver(self, q: Optional[int] = None, k: Optional[int] = None) -> str:
        """Name of the solver for q queries and k keys; defaults as in `describe`."""
        nq, nk = self._lengths(q, k)
        name = lib.attn_plan_solver(self._handle, nq, nk)
        if name is None:
            raise ValueError("q=%d and k=%d are not within q=%d and k=%s of the plan"
                             % (nq, nk, self._facts.q, self._facts.k))
        return text(name)

    def state(self, slots: int = 1) -> State:
        """An empty state of so many slots, for runs of this plan and its like."""
        return State(self, slots)

    def segment(self, slots: int = 1) -> State:
        """An empty segment of so many slots: see `State`."""
        return State(self, slots, segment=True)

    def run(self, *, layout: str = "bhnd", **arrays: Any) -> Result:
        """Computes; arrays by lower-case role name.

        Inputs: NumPy arrays, DLPack tensors or buffers, read where they lie;
        lists for short ones. Outputs: True allocates, an array is written to,
        False leaves out; of plans with select="only" there is one, selection_out,
        a `Selection`. `out`, what the mechanism cannot do without and what
        the problem wants come by default, `lse` on demand. layout="bnhd" reorders q, k, v and out.
        """
        views, results = self._take(layout, arrays)
        try:
            self._execute(views)
        finally:
            _release(views)
        return results

    def bind(self, *, layout: str = "bhnd", **arrays: Any) -> Bound:
        """Ties the plan to arrays given as to `run`; each call computes anew.

        For loops over the same memory: nothing is looked up or checked by
        Python any more.
        """
        views, results = self._take(layout, arrays)
        return Bound(self, self._handle, views, results, self._bytes, self._align)

    def _take(self, layout: str, arrays: Mapping[str, Any]) -> Tuple[Dict[str, Argument], Result]:
        """Views of all arguments, to be released once, and the outputs among them."""
        swapped = check_layout(layout)
        views: Dict[str, Argument] = {}
        outputs: Dict[str, Any] = dict.fromkeys(self._results, True)
        results: Dict[str, Any] = {}
        try:
            for name, value in arrays.items():
                if find_role(name).output:
                    outputs[name] = value
                elif not roles[name].is_tensor:
                    views[name] = Pointer(value, name)
                elif value is not None:
                    views[name] = self._view(name, value, swapped, False)
            given = dict(views)
            for name, value in outputs.items():
                if value is None or value is False:
                    continue
                if not roles[name].is_tensor:
                    results[name] = Selection._of_plan(self) if value is True else value
                    views[name] = Pointer(results[name], name)
                    continue
                if value is True:
                    value = self._allocate(name, given, swapped)
                views[name] = self._view(name, value, swapped, True)
                results[name] = value
        except BaseException:
            _release(views)
            raise
        return views, Result(results)

    @staticmethod
    def _view(name: str, value: Any, swapped: bool, writable: bool) -> TensorView:
        seen = view(value, name, writable)
        if swapped and roles[name].has_layout:
            try:
                seen.swap_heads(name)
            except ArgumentError:
                seen.release()
                raise
        return seen

    def _allocate(self, name: str, given: Mapping[str, Argument], swapped: bool) -> Array:
        """An array for an output, as the library says for these inputs."""
        told = Tensor()
        args = make_args(given)
        check(lib.attn_plan_shape(self._handle, args, len(args), roles[name].number,
                                  byref(told)))
        shape = list(told.shape[:told.rank])
        if swapped and roles[name].has_layout:
            shape[1], shape[2] = shape[2], shape[1]
        return np.empty(shape, numpy_dtype(text(lib.attn_dtype_name(told.dtype))))

    def _execute(self, views: Mapping[str, Argument]) -> None:
        args = make_args(views)
        with self._lock:
            block = self._spare.pop() if self._spare else None
        if block is None:
            block = np.empty(self._bytes + self._align, np.uint8)
        try:
            check(lib.attn_plan_execute(self._handle, args, len(args),
                                        aligned(block, self._align), self._bytes))
        finally:
            with self._lock:
                if len(self._spare) < _SPARE:
                    self._spare.append(block)

    def __repr__(self) -> str:
        return "<attn.Plan %s>" % self.problem
