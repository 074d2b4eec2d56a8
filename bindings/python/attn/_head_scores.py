# SPDX-License-Identifier: MIT
"""Figures of heads from what executes gave out; see <attn/head_scores.h>."""
from __future__ import annotations

from ctypes import POINTER, byref, c_double, c_int64
from typing import Any, List, Optional, Tuple

import numpy as np

from ._errors import SHAPE, ArgumentError, check
from ._lib import lib
from ._tensor import Array, TensorView, view


class _Views:
    """Views of one call, released at its end."""

    def __init__(self) -> None:
        self._views: List[TensorView] = []

    def __enter__(self) -> "_Views":
        return self

    def __exit__(self, *_: object) -> None:
        for item in self._views:
            item.release()

    def __call__(self, value: Any, what: str, rank: Optional[int] = None,
                 writable: bool = False) -> TensorView:
        self._views.append(view(value, what, writable))
        shape = self._views[-1].shape
        if rank is not None and len(shape) != rank:
            raise ArgumentError(SHAPE, "%s: expected an array of rank %d, found shape %r"
                                % (what, rank, shape))
        return self._views[-1]


def retrieval_head_scores(positions: Any, generated: Any, prompt: Any,
                          needle: Tuple[int, int]) -> Array:
    """How much of prompt[needle[0]:needle[1]] each head copies; float64 [H].

    positions: integers [T,H] or [T,H,K], where the last row of each of the T
    generated tokens looked most; generated [T], prompt [P]: token ids.
    """
    with _Views() as seen:
        where = seen(positions, "positions")
        if len(where.shape) not in (2, 3):
            raise ArgumentError(SHAPE, "positions: expected an array of rank 2 or 3, found shape "
                                "%r" % (where.shape,))
        scores = np.empty(where.shape[1])
        check(lib.attn_retrieval_head_scores(
            byref(where.tensor), byref(seen(generated, "generated").tensor),
            byref(seen(prompt, "prompt").tensor), needle[0], needle[1],
            byref(seen(scores, "scores", writable=True).tensor)))
        return scores


def razor_head_scores(probs: Any, period: int, bos: int = 0) -> Tuple[Array, Array]:
    """Echo and induction scores; two float64 [B,H].

    probs: causal probabilities [B,H,N,N] over `bos` tokens and then a string
    of `period` random tokens again and again.
    """
    with _Views() as seen:
        given = seen(probs, "probs", 4)
        echo, induction = np.empty(given.shape[:2]), np.empty(given.shape[:2])
        check(lib.attn_razor_head_scores(
            byref(given.tensor), period, bos, byref(seen(echo, "echo", writable=True).tensor),
            byref(seen(induction, "induction", writable=True).tensor)))
        return echo, induction


def moa_span_rule(alpha: Any, beta: Any, n: int, minimum: int = 128,
                  unit: int = 64) -> Tuple[Array, Array]:
    """MoA's spans of heads for n tokens: int64 (spans, bands), in the shape of alpha.

    spans: tokens that a decoding head keeps; bands: `moa_bands` of a prefill.
    """
    a, b = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(beta, float))
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    spans, bands = np.empty(a.shape, np.int64), np.empty(a.shape, np.int64)

    def pointer(array: Array, kind: Any) -> Any:
        return array.ctypes.data_as(POINTER(kind))

    check(lib.attn_moa_span_rule(a.size, pointer(a, c_double), pointer(b, c_double), n, minimum,
                                 unit, pointer(spans, c_int64), pointer(bands, c_int64)))
    return spans, bands


def task_kv_rule(heads: int, layer: int, layers: int, share: float, least: float, n: int,
                 budget: int, sink: int = 16, recent: int = 256) -> Tuple[int, int]:
    """Task-KV: how many heads of a layer keep all, and middle tokens of the others."""
    full, middle = c_int64(), c_int64()
    check(lib.attn_task_kv_rule(heads, layer, layers, share, least, n, budget, sink, recent,
                                byref(full), byref(middle)))
    return full.value, middle.value


def task_kv_heads(weights: Any, v: Any, n_full: int,
                  top: int = 256) -> Tuple[Array, Array, Array]:
    """Task-KV's choice of heads: bool [H], distances [H] and semantic vectors [H,Dv].

    weights: what each key head gets from the last rows, [H,N]; v: [H,N,Dv].
    """
    with _Views() as seen:
        given, values = seen(weights, "weights", 2), seen(v, "v", 3)
        heads = given.shape[0]
        vectors, distances = np.empty((heads, values.shape[2])), np.empty(heads)
        full = np.empty(heads, np.int64)
        check(lib.attn_task_kv_heads(
            byref(given.tensor), byref(values.tensor), top, n_full,
            byref(seen(vectors, "vectors", writable=True).tensor),
            byref(seen(distances, "distances", writable=True).tensor),
            byref(seen(full, "full", writable=True).tensor)))
        return full.astype(bool), distances, vectors


def vhd(out_with: Any, out_without: Any) -> Array:
    """Distances of head outputs [B,H,N,D] with and without the image; float64 [B,H,N]."""
    with _Views() as seen:
        given = seen(out_with, "out_with", 4)
        distances = np.empty(given.shape[:3])
        check(lib.attn_vhd(byref(given.tensor), byref(seen(out_without, "out_without").tensor),
                           byref(seen(distances, "distances", writable=True).tensor)))
        return distances


def rollout(probs: Any, before: Any = None, residual: float = 0.5) -> Array:
    """One layer of attention rollout: float64 [B,N,N] from probs [B,H,N,N].

    before: what this gave for the layer below; None in front of the first.
    """
    with _Views() as seen:
        given = seen(probs, "probs", 4)
        after = np.empty((given.shape[0],) + given.shape[2:])
        below = None if before is None else byref(seen(before, "before").tensor)
        check(lib.attn_rollout(byref(given.tensor), residual, below,
                               byref(seen(after, "after", writable=True).tensor)))
        return after
