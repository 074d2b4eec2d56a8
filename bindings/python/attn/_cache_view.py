# SPDX-License-Identifier: MIT
"""Views: which sequences of a cache, or of the caller's pools, a run reads in place of k and v."""
from __future__ import annotations

import ctypes
import weakref
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence as Many, Tuple, Union

import numpy as np

from ._errors import INVALID, ArgumentError, check
from ._integers import i64s
from ._lib import Tensor, lib
from ._tensor import TensorView, view

if TYPE_CHECKING:
    from ._cache import Cache, Sequence
    from ._context import Context

    Segment = Union[Sequence, Tuple[Sequence, Optional[int]]]
    Item = Union[Segment, List[Segment]]


class View:
    """What runs of plans with `view` read; made by `Cache.view`, given as `view=` with `layer=`.

    with cache.step([(a, 1), (b, 1)]) as step:
        view = cache.view([a, b])
        for layer in range(layers):
            step.write(layer, k[layer], v[layer])
            plan.run(q=q[layer], q_offsets=[0, 1, 2], view=view, layer=layer)

    It holds until one of its sequences is changed, which beginning and ending
    a step does and writing does not. Runs are StateError after that.
    """

    def __init__(self, cache: "Cache", items: "Many[Item]") -> None:
        self.cache = cache
        self._handle = c_void_p()
        chains = [item if isinstance(item, list) else [item] for item in items]
        pairs = [part if isinstance(part, tuple) else (part, None)
                 for chain in chains for part in chain]
        if any(seq.cache is not cache for seq, _ in pairs):
            raise ArgumentError(INVALID, "items: a sequence is of another cache")
        counts, n = i64s(map(len, chains))
        seqs, _ = i64s(seq._id for seq, _ in pairs)
        ends, _ = i64s(-1 if end is None else end for _, end in pairs)
        check(lib.attn_view_create(cache._handle, n, counts, seqs, ends, byref(self._handle)))
        self._n = n
        weakref.finalize(self, lib.attn_view_destroy, self._handle).atexit = False

    def __len__(self) -> int:
        """Query sequences."""
        return self._n

    def __repr__(self) -> str:
        return "<attn.View of %d sequences>" % self._n


def _let_go(destroy: Callable[[c_void_p], None], handle: c_void_p, pools: List[TensorView]) -> None:
    destroy(handle)
    for pool in pools:
        pool.release()


class PoolView:
    """A view of pools that the caller keeps itself; made by `Context.pool_view`.

    It holds on to the pools, reads them where they are at each run, and has
    copies of the tables.
    """

    def __init__(self, context: "Context", k: Many[Any], v: Many[Any], lengths: Any, offsets: Any,
                 pages: Any) -> None:
        if len(k) != len(v):
            raise ArgumentError(INVALID, "v: found %d layers, expected the %d of k"
                                % (len(v), len(k)))
        self.context = context
        self._handle = c_void_p()
        pools: List[TensorView] = []
        tables = [np.asarray(x if len(x) else np.empty(0, np.int64))
                  for x in (lengths, offsets, pages)]
        lists = [view(x, what) for x, what in zip(tables, ("lengths", "offsets", "pages"))]
        try:
            pools += [view(x, "k[%d]" % n) for n, x in enumerate(k)]
            pools += [view(x, "v[%d]" % n) for n, x in enumerate(v)]
            layers = (Tensor * len(pools))(*(pool.tensor for pool in pools))
            half = (Tensor * len(k)).from_buffer(layers, len(k) * ctypes.sizeof(Tensor))
            check(lib.attn_view_create_raw(context._handle, len(k), layers, half,
                                           *(byref(x.tensor) for x in lists),
                                           byref(self._handle)))
        except BaseException:
            for pool in pools:
                pool.release()
            raise
        finally:
            for table in lists:
                table.release()
        self._n = len(lengths)
        weakref.finalize(self, _let_go, lib.attn_view_destroy, self._handle, pools).atexit = False

    def __len__(self) -> int:
        """Query sequences."""
        return self._n

    def __repr__(self) -> str:
        return "<attn.PoolView of %d sequences>" % self._n
