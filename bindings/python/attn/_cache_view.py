# SPDX-License-Identifier: MIT
"""Views: which sequences of a cache a run reads in place of k and v."""
from __future__ import annotations

import weakref
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, List, Optional, Sequence as Many, Tuple, Union

from ._errors import INVALID, ArgumentError, check
from ._integers import i64s
from ._lib import lib

if TYPE_CHECKING:
    from ._cache import Cache, Sequence

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
