# SPDX-License-Identifier: MIT
"""Caches of keys and values: pages, sequences that share them, and steps."""
from __future__ import annotations

import weakref
from ctypes import (
    POINTER, byref, c_float, c_int64, c_size_t, c_void_p, create_string_buffer,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence as Many, Tuple, Type

import numpy as np

from ._cache_view import View
from ._errors import INVALID, ArgumentError, check
from ._integers import i32s, i64s
from ._lib import lib
from ._plan import check_layout, facts_of
from ._tensor import Array, TensorView, numpy_dtype, view
from ._words import Problem

if TYPE_CHECKING:
    from ._cache_view import Item
    from ._context import Context

_LOSSY = 1
_FIGURES = {"pages_total": 1, "pages_used": 2, "pages_peak": 3, "pages_shared": 4, "bytes": 5,
            "sequences": 6, "cells": 7, "appended": 8, "copies": 9, "evicted": 10, "pruned": 11,
            "refused": 12}
_SEQ_NEXT, _SEQ_LAST, _SEQ_CELLS, _SEQ_LOSSY, _SEQ_OPEN = 1, 2, 3, 4, 5
# Rules of prune_scores, by number.
_TOP, _SINK, _RECENT, _POOL_MEAN, _POOL_MAX, _POOL_ALL = 1, 2, 3, 4, 5, 6


class Sequence:
    """A sequence of a cache; made by `Cache.sequence`, `fork`, `Cache.load`, `Cache.reorder`.

    Its pages are in use until `free`, which the end of a `with` calls; what
    happens to a freed one is an error, ATTN_ERR_BAD_ID.
    """

    __slots__ = ("cache", "_id")

    def __init__(self, cache: "Cache", number: int) -> None:
        self.cache = cache
        self._id = number

    def __enter__(self) -> "Sequence":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.free()

    def _figure(self, what: int) -> int:
        value = c_int64()
        check(lib.attn_cache_seq_get_i64(self.cache._handle, self._id, what, byref(value)))
        return value.value

    def __len__(self) -> int:
        """The position of the next token; more than are stored where a rule dropped some."""
        return self._figure(_SEQ_NEXT)

    @property
    def last(self) -> int:
        """Where the last step began."""
        return self._figure(_SEQ_LAST)

    @property
    def cells(self) -> int:
        """Tokens stored, of all layers and groups together."""
        return self._figure(_SEQ_CELLS)

    @property
    def lossy(self) -> bool:
        """Was it cut where pruned tokens are missed, or were keys of few bits turned?"""
        return bool(self._figure(_SEQ_LOSSY))

    @property
    def open(self) -> bool:
        """Has it an open step?"""
        return bool(self._figure(_SEQ_OPEN))

    def free(self) -> None:
        """Gives it back; pages that no other has are free again."""
        check(lib.attn_cache_seq_free(self.cache._handle, self._id))

    def fork(self, upto: Optional[int] = None, lossy: bool = False) -> "Sequence":
        """A new sequence that begins like this one, up to a position; pages are shared."""
        made = c_int64()
        check(lib.attn_cache_fork(self.cache._handle, self._id, -1 if upto is None else upto,
                                  _LOSSY if lossy else 0, byref(made)))
        return Sequence(self.cache, made.value)

    def truncate(self, length: int, lossy: bool = False) -> None:
        """Forgets the tokens from that position on."""
        check(lib.attn_cache_truncate(self.cache._handle, self._id, length,
                                      _LOSSY if lossy else 0))

    def remove(self, first: int, end: int) -> None:
        """Forgets positions first to end - 1 and leaves a hole."""
        check(lib.attn_cache_remove(self.cache._handle, self._id, first, end))

    def shift(self, first: int, delta: int) -> None:
        """Moves the positions from first on by delta; turned keys are turned on."""
        check(lib.attn_cache_shift(self.cache._handle, self._id, first, delta))

    def append(self, other: Sequence) -> None:
        """Adds all tokens of another sequence of the cache; turned keys are turned on."""
        if other.cache is not self.cache:
            raise ArgumentError(INVALID, "other: it is a sequence of another cache")
        check(lib.attn_cache_append(self.cache._handle, self._id, other._id))

    def prune(self, layer: int, group: int, keep: Iterable[int]) -> None:
        """Keeps these positions of a layer and group alone."""
        numbers, n = i64s(keep)
        check(lib.attn_cache_prune(self.cache._handle, self._id, layer, group, numbers, n))

    def positions(self, layer: int, group: int = 0) -> Array:
        """Positions of the tokens stored in a layer and group, as int64."""
        n = c_size_t()
        get = lib.attn_cache_positions
        check(get(self.cache._handle, self._id, layer, group, None, 0, byref(n)))
        found = np.empty(n.value, np.int64)
        check(get(self.cache._handle, self._id, layer, group,
                  found.ctypes.data_as(POINTER(c_int64)), n.value, byref(n)))
        return found

    def page_bounds(self, layer: int, group: int = 0) -> Tuple[Array, Array, Array]:
        """Smallest and largest numbers of keys by page, and the page of each token.

        Two [1,h,n,D] for the h heads of the group and n pages, and what page each of
        `positions` is in; of caches with cache_summary="minmax".
        """
        n = c_size_t()
        at = (self.cache._handle, self._id, layer, group)
        check(lib.attn_cache_page_bounds(*at, None, None, None, 0, byref(n)))
        page_of = np.empty(len(self.positions(layer, group)), np.int64)
        shape = (1, self.cache.heads(group), n.value, self.cache.widths[0])
        low, high = np.empty(shape, np.float32), np.empty(shape, np.float32)
        seen = view(low, "low", True), view(high, "high", True)
        check(lib.attn_cache_page_bounds(*at, byref(seen[0].tensor), byref(seen[1].tensor),
                                         page_of.ctypes.data_as(POINTER(c_int64)),
                                         len(page_of), byref(n)))
        return low, high, page_of

    def _rows(self, call: Any, group: int, n: int, dtype: str) -> Tuple[Array, Array]:
        heads = self.cache.heads(group)
        d, dv = self.cache.widths
        k = np.empty((1, heads, n, d), numpy_dtype(dtype))
        v = np.empty((1, heads, n, dv), numpy_dtype(dtype))
        vk, vv = view(k, "k", True), view(v, "v", True)
        check(call(byref(vk.tensor), byref(vv.tensor)))
        return k, v

    def read(self, layer: int, group: int = 0, dtype: str = "f32") -> Tuple[Array, Array]:
        """Copies of the rows stored: k [1,h,n,D] and v [1,h,n,Dv], h heads of the group."""
        n = len(self.positions(layer, group))
        return self._rows(lambda k, v: lib.attn_cache_read(
            self.cache._handle, self._id, layer, group, k, v), group, n, dtype)

    def read_fold(self, layer: int, group: int = 0, dtype: str = "f32") -> Tuple[int, Array, Array]:
        """How many tokens a rule that folds has dropped, and the means of their rows."""
        n = c_int64()
        k, v = self._rows(lambda a, b: lib.attn_cache_read_fold(
            self.cache._handle, self._id, layer, group, byref(n), a, b), group, 1, dtype)
        return n.value, k, v

    def observe(self, layer: int, group: int, weights: Any) -> None:
        """Adds weights [1,H,R,n] of R rows over the stored tokens to their scores."""
        seen = view(weights, "weights")
        try:
            check(lib.attn_cache_observe(self.cache._handle, self._id, layer, group,
                                         byref(seen.tensor)))
        finally:
            seen.release()

    def scores(self, layer: int, group: int = 0) -> Array:
        """The scores of the stored tokens, as float32."""
        n = c_size_t()
        get = lib.attn_cache_scores
        check(get(self.cache._handle, self._id, layer, group, None, 0, byref(n)))
        found = np.empty(n.value, np.float32)
        check(get(self.cache._handle, self._id, layer, group,
                  found.ctypes.data_as(POINTER(c_float)), n.value, byref(n)))
        return found

    def prune_scores(self, layer: int, group: int, top: int, *, sink: int = 0, recent: int = 0,
                     pool_mean: Optional[int] = None, pool_max: Optional[int] = None,
                     pool_all: bool = False) -> None:
        """Keeps the `top` tokens by scores, besides the first `sink` and last `recent`."""
        rules = {_TOP: top, _SINK: sink, _RECENT: recent, _POOL_ALL: int(pool_all)}
        if pool_mean is not None:
            rules[_POOL_MEAN] = pool_mean
        if pool_max is not None:
            rules[_POOL_MAX] = pool_max
        values, n = i64s(rules.values())
        check(lib.attn_cache_prune_scores(self.cache._handle, self._id, layer, group,
                                          i32s(rules), values, n))

    def save(self) -> bytes:
        """The sequence as bytes, for `load` of a cache of the same kind."""
        needed = c_size_t()
        check(lib.attn_cache_save(self.cache._handle, self._id, None, 0, byref(needed)))
        buf = create_string_buffer(needed.value)
        check(lib.attn_cache_save(self.cache._handle, self._id, buf, needed.value, byref(needed)))
        return buf.raw[:needed.value]

    def __repr__(self) -> str:
        return "<attn.Sequence %d>" % self._id


class Step:
    """A transaction that adds tokens to sequences; made by `Cache.step`.

    with cache.step([(seq, 3)]) as step:
        for layer in range(layers):
            step.write(layer, k[layer], v[layer])

    The end of the `with` commits, unless the step is over; an exception aborts.
    """

    def __init__(self, cache: "Cache", items: Many[Tuple[Sequence, int]],
                 parents: Optional[Many[Many[int]]]) -> None:
        self.cache = cache
        self.over = False
        self._handle = c_void_p()
        seqs, n = i64s(seq._id for seq, _ in items)
        counts, _ = i64s(count for _, count in items)
        tree = None
        if any(seq.cache is not cache for seq, _ in items):
            raise ArgumentError(INVALID, "items: a sequence is of another cache")
        if parents is not None:
            if [len(p) for p in parents] != [count for _, count in items]:
                raise ArgumentError(INVALID, "parents: expected a list for each sequence, with "
                                    "one entry for each of its tokens")
            tree = i32s(x for p in parents for x in p)
        self._n = n
        check(lib.attn_step_begin(cache._handle, n, seqs, counts, tree, byref(self._handle)))
        weakref.finalize(self, lib.attn_step_destroy, self._handle).atexit = False

    def __enter__(self) -> "Step":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self.over:
            return
        if kind is not None:
            self.abort()
            return
        try:
            self.commit()
        except BaseException:
            self.abort()
            raise

    def write(self, layer: int, k: Any, v: Any = None, layout: str = "bhnd") -> None:
        """Stores the new tokens of a layer: k [1,Hk,T,D], v [1,Hk,T,Dv], T of all sequences.

        Without v where the cache has cache_v_prefix, and only there.
        """
        swap = check_layout(layout)
        views: List[TensorView] = []
        try:
            for what, value in (("k", k),) if v is None else (("k", k), ("v", v)):
                views.append(view(value, what))
                if swap:
                    views[-1].swap_heads(what)
            check(lib.attn_step_write(self._handle, layer, byref(views[0].tensor),
                                      None if v is None else byref(views[1].tensor)))
        finally:
            for seen in views:
                seen.release()

    def commit(self, keep: Optional[Many[Many[int]]] = None) -> None:
        """Makes the tokens part of their sequences; keep: for each, a path of its tree."""
        if keep is None:
            check(lib.attn_step_commit(self._handle, None, None))
        else:
            if len(keep) != self._n:
                raise ArgumentError(INVALID, "keep: found %d lists, expected one for each of %d "
                                    "sequences" % (len(keep), self._n))
            counts, _ = i64s(len(path) for path in keep)
            check(lib.attn_step_commit(self._handle, counts, i32s(x for p in keep for x in p)))
        self.over = True

    def abort(self) -> None:
        """Drops the tokens."""
        check(lib.attn_step_abort(self._handle))
        self.over = True


class Cache:
    """Keys and values of sequences that grow, in pages; made by `Context.cache`.

    One call that changes a cache at a time: the lock is the caller's.
    """

    def __init__(self, context: "Context", problem: Problem) -> None:
        self.context = context
        self._handle = c_void_p()
        with facts_of(context, problem) as (desc, facts):
            self.problem = facts.problem
            said = facts.said
            check(lib.attn_cache_create(context._handle, desc, byref(self._handle)))
        weakref.finalize(self, lib.attn_cache_destroy, self._handle).atexit = False
        heads = said.get("hk", said.get("hq", 0))
        self._groups: List[int] = said.get("cache_group", [0] * heads)
        self.widths: Tuple[int, int] = (said["d"], said.get("dv", said["d"]))

    def heads(self, group: int = 0) -> int:
        """KV heads of a group."""
        return self._groups.count(group)

    def sequence(self) -> Sequence:
        """A new, empty sequence."""
        made = c_int64()
        check(lib.attn_cache_seq_create(self._handle, byref(made)))
        return Sequence(self, made.value)

    def step(self, items: Many[Tuple[Sequence, int]],
             parents: Optional[Many[Many[int]]] = None) -> Step:
        """Opens a step: pairs of a sequence and how many tokens it gets.

        parents: for each sequence the number of the token before each of its
        new ones, -1 for a root, where guesses branch.
        """
        return Step(self, items, parents)

    def view(self, items: "Many[Item]") -> View:
        """What a run is to read: for each of its query sequences a sequence of the cache.

        (sequence, end) instead of one reads the positions before `end` alone.
        A list of such reads them one behind another, as if they were one: a
        common prefix or a memory, then the sequence of the queries.
        """
        return View(self, items)

    def reorder(self, old: Many[Sequence], parents: Many[int]) -> List[Sequence]:
        """The next beams: number i continues old[parents[i]]; all of old are freed."""
        if len(parents) != len(old):
            raise ArgumentError(INVALID, "parents: found %d, expected one for each of %d sequences"
                                % (len(parents), len(old)))
        if any(seq.cache is not self for seq in old):
            raise ArgumentError(INVALID, "old: a sequence is of another cache")
        ids, n = i64s(seq._id for seq in old)
        check(lib.attn_cache_reorder(self._handle, n, ids, i32s(parents), ids))
        return [Sequence(self, number) for number in ids]

    def load(self, saved: bytes) -> Sequence:
        """A new sequence of what `Sequence.save` made; looked at before it is believed."""
        made = c_int64()
        check(lib.attn_cache_load(self._handle, saved, len(saved), byref(made)))
        return Sequence(self, made.value)

    @property
    def stats(self) -> Dict[str, int]:
        """Figures of the cache: pages, bytes, sequences, tokens."""
        found: Dict[str, int] = {}
        value = c_int64()
        for name, number in _FIGURES.items():
            check(lib.attn_cache_get_i64(self._handle, number, byref(value)))
            found[name] = value.value
        return found

    def check(self) -> None:
        """Looks whether its counts and lists agree, slowly; StateError if not."""
        check(lib.attn_cache_check(self._handle))

    def __repr__(self) -> str:
        return "<attn.Cache %s>" % self.problem
