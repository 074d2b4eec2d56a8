# SPDX-License-Identifier: MIT
"""Contexts: what the library may use of the machine, and where plans come from."""
from __future__ import annotations

import ctypes
import itertools
import logging
import threading
import warnings
import weakref
from collections import OrderedDict
from ctypes import byref, c_int64, c_size_t, c_void_p
from typing import Any, Callable, Dict, Optional, Sequence as Many, Tuple, Union

from ._cache import Cache
from ._cache_view import PoolView
from ._errors import INVALID, SYNTAX, ArgumentError, check, read_text
from ._lib import (
    CTX_BLAS, CTX_ISA, CTX_LOG_LEVEL, CTX_MAX_ISA, CTX_THREADS, LOG_LEVELS, LogFn, Logger, lib,
    text,
)
from ._plan import Plan
from ._selection import Selection
from ._words import Problem, problem as make_problem

Log = Callable[[int, str], object]

_KEPT_PLANS = 64
_PYTHON_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}


def _to_logging(level: int, line: str) -> None:
    logging.getLogger("attn").log(_PYTHON_LEVELS.get(level, logging.DEBUG), "%s", line)


def _isa_number(isa: Union[str, int]) -> int:
    if not isinstance(isa, str):
        return int(isa)
    levels = itertools.takewhile(lambda n: n >= 0, map(lib.attn_isa_at, itertools.count()))
    names: Dict[str, int] = {text(lib.attn_isa_name(n)): n for n in levels}
    if isa not in names:
        raise ArgumentError(INVALID, "max_isa: found %r, expected one of %s"
                            % (isa, ", ".join(names)))
    return names[isa]


def _log_number(level: Union[str, int]) -> int:
    if not isinstance(level, str):
        return int(level)
    if level not in LOG_LEVELS:
        raise ArgumentError(INVALID, "log level: found %r, expected one of %s"
                            % (level, ", ".join(LOG_LEVELS)))
    return LOG_LEVELS[level]


class Context:
    """Threads, instruction sets and log lines of the plans made from it.

    threads: 1 by default, 0 for the CPUs this process may run on.
    max_isa: highest instruction set to use ("c", "sse2", "avx2", ...).
    log: a function of (level, line), or a level ("info", "trace", ...) whose
    lines then go to the logger "attn" of Python's `logging`.
    log_level: the level for a function given as `log`.
    """

    def __init__(self, threads: int = 1, max_isa: Union[str, int, None] = None,
                 log: Union[Log, str, int, None] = None,
                 log_level: Union[str, int, None] = None) -> None:
        self._handle = c_void_p()
        check(lib.attn_ctx_create(None, byref(self._handle)))
        weakref.finalize(self, lib.attn_ctx_destroy, self._handle).atexit = False
        self._lock = threading.Lock()
        self._kept: "OrderedDict[Problem, Plan]" = OrderedDict()
        self._log_fn: Optional[Any] = None
        self._set(CTX_THREADS, threads)
        if max_isa is not None:
            self._set(CTX_MAX_ISA, _isa_number(max_isa))
        level = log if isinstance(log, (str, int)) else log_level
        if level is not None:
            self._set(CTX_LOG_LEVEL, _log_number(level))
        if log is not None:
            self._set_log(log if callable(log) else _to_logging)

    def _set(self, option: int, value: int) -> None:
        check(lib.attn_ctx_set_i64(self._handle, option, value))

    def _get(self, option: int) -> int:
        value = c_int64()
        check(lib.attn_ctx_get_i64(self._handle, option, byref(value)))
        return value.value

    def _set_log(self, log: Log) -> None:
        def line_from_c(_: Optional[int], level: int, line: Optional[bytes]) -> None:
            log(level, text(line))

        # Plans keep their context, so the function outlives the last log line.
        self._log_fn = LogFn(line_from_c)
        hook = Logger(ctypes.sizeof(Logger), None, self._log_fn)
        check(lib.attn_ctx_set_logger(self._handle, byref(hook)))

    @property
    def threads(self) -> int:
        """Threads that one run may use."""
        return self._get(CTX_THREADS)

    @property
    def isa(self) -> str:
        """The instruction set in use."""
        return text(lib.attn_isa_name(self._get(CTX_ISA)))

    @property
    def blas_threads(self) -> int:
        """Threads that BLAS would use; 0: built without, -1: not known."""
        return self._get(CTX_BLAS)

    def describe(self) -> str:
        """A few lines about the machine and the build."""
        return read_text(lambda buf, n, needed: lib.attn_ctx_describe(
            self._handle, buf, n, needed))

    def wisdom_export(self) -> str:
        """What plans with effort="measure" or "exhaustive" found out, as text."""
        return read_text(lambda buf, n, needed: lib.attn_wisdom_export(
            self._handle, buf, n, needed))

    def wisdom_import(self, wisdom: str) -> Tuple[int, int]:
        """Adds wisdom for plans made from now on; returns (taken, skipped) lines.

        Lines of another machine or version are skipped. Damaged lines are left
        out with a warning that tells of the first.
        """
        taken, skipped = c_size_t(), c_size_t()
        try:
            check(lib.attn_wisdom_import(self._handle, wisdom.encode(), byref(taken),
                                         byref(skipped)))
        except ArgumentError as error:
            if error.status != SYNTAX:
                raise
            warnings.warn(error.message, stacklevel=2)
        self._forget_plans()
        return taken.value, skipped.value

    def wisdom_clear(self) -> None:
        """Forgets all wisdom."""
        check(lib.attn_wisdom_clear(self._handle))
        self._forget_plans()

    def _forget_plans(self) -> None:
        with self._lock:
            self._kept.clear()

    def plan(self, problem: Optional[str] = None, /, **params: Any) -> Plan:
        """Plans a problem: a problem string, keywords of the same names, or both.

        ctx.plan("softmax b=1 h=9/3 q=64 k=512 d=64 causal")
        ctx.plan(b=1, h=(9, 3), q=64, k=512, d=64, causal=True)

        A keyword that is None counts as not given. Without a string the
        mechanism is softmax.
        """
        said = make_problem(problem, params)
        with self._lock:
            return Plan(self, said)

    def cache(self, problem: Optional[str] = None, /, **params: Any) -> Cache:
        """Makes a cache of keys and values from a string, keywords, or both.

        ctx.cache("cache cache_layers=24 h=8 d=128 cache_pages=4096 kv_dtype=q8_0")
        ctx.cache(cache_layers=24, h=8, d=128, cache_pages=4096, policy="streaming_llm")
        """
        said = make_problem("cache" if problem is None else problem, params)
        with self._lock:
            return Cache(self, said)

    def select(self, mechanism: str, /, *, q: Any, k: Any, layout: str = "bhnd",
               **values: Any) -> Selection:
        """Lets a mechanism choose keys by content; returns the lists it would attend along.

        picked = ctx.select("moba moba_block=64 moba_top=4", q=q, k=k)
        plan = ctx.plan("lists h=8 q=512 k=512 d=64 causal")
        out = plan.run(q=q, k=k, v=v, selection=picked).out

        Sizes and types come from the arrays. Further parameters and inputs (`k_len`, `select_k`,
        ...) are keywords. Plans are kept by problem.
        """
        from ._functions import select

        return select(self, mechanism, q, k, layout, values)

    def pool_view(self, k: Many[Any], v: Many[Any], lengths: Any, offsets: Any,
                  pages: Any) -> PoolView:
        """What runs of plans with `view` read of the caller's own pools.

        k, v: of each layer [pages,slots,Hk,D] and [pages,slots,Hk,Dv]. Token t of
        sequence s is in slot t % slots of page pages[offsets[s] + t // slots]; lengths:
        tokens of each sequence, those of the queries with them.
        """
        return PoolView(self, k, v, lengths, offsets, pages)

    def _kept_plan(self, problem: Problem) -> Plan:
        """The plan of a problem met lately, or a new one."""
        with self._lock:
            plan = self._kept.get(problem)
            if plan is None:
                plan = self._kept[problem] = Plan(self, problem)
                if len(self._kept) > _KEPT_PLANS:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(problem)
            return plan

    def __repr__(self) -> str:
        return "<attn.Context threads=%d isa=%s>" % (self.threads, self.isa)


_default: Optional[Context] = None
_default_lock = threading.Lock()


def default_context() -> Context:
    """The context of functions that are given none: all CPUs of this process."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Context(threads=0)
        return _default
