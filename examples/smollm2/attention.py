# SPDX-License-Identifier: MIT
"""The two attentions of the example: libattn's, and a float64 one to check it by.

Both keep the keys and values of one sequence themselves.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import attn
import numpy as np

from model import Attend, Config
from storage import KV_TYPES, Storage

PAGE = 64  # tokens in a page of the cache
KIVI_BLOCK = 32  # tokens that kivi rounds together


class LibattnAttention:
    """libattn's cache and two plans that read it: for prompt chunks, and for single tokens.

    A plan states the largest shape it serves, so both are made once and serve the
    growing cache. A step adds tokens to all layers or, if it fails, to none.
    """

    def __init__(self, config: Config, storage: Storage, n_ctx: int, chunk: int, threads: int,
                 solver: str | None = None) -> None:
        self.seconds = 0.0
        self.storage = storage
        # Heads that are pruned in different ways lie in pages of different groups.
        by_head = storage.retrieval is not None
        groups = list(range(config.kv_heads)) if by_head else [0] * config.kv_heads
        kept = {"d": config.head_dim, "kv_dtype": KV_TYPES[storage.kv], "cache_group": groups,
                "cache_page": PAGE}
        tables = config.layers * len(set(groups))
        # kivi has the tokens of a step and of a block that is not full in pages of f32, too.
        extra = chunk + KIVI_BLOCK if storage.kv.startswith("kivi") else 0
        context = attn.Context(threads=threads)
        self.cache = context.cache(h=config.kv_heads, cache_layers=config.layers,
                                   cache_pages=tables * ((n_ctx + extra) // PAGE + 2),
                                   **kept, **_rules(storage, config))
        self.sequence = self.cache.sequence()
        problem = {"h": (config.heads, config.kv_heads), "k": n_ctx, "solver": solver, **kept}
        self.prefill = context.plan("softmax view causal", q=chunk, **problem)
        self.decode = context.plan("softmax view causal", q=1, **problem)

    @property
    def length(self) -> int:
        return len(self.sequence)

    def plan_for(self, rows: int) -> attn.Plan:
        """The plan that serves this many query rows."""
        return self.decode if rows == 1 else self.prefill

    @contextmanager
    def step(self, n: int) -> Iterator[Attend]:
        start = time.perf_counter()
        plan = self.plan_for(n)
        with self.cache.step([(self.sequence, n)]) as step:
            view = self.cache.view([self.sequence])
            self.seconds += time.perf_counter() - start

            def attend(layer: int, q: np.ndarray, k: np.ndarray, v: np.ndarray,
                       out: np.ndarray) -> None:
                start = time.perf_counter()
                step.write(layer, k, v)
                plan.run(q=q, view=view, layer=layer, out=out)
                self.seconds += time.perf_counter() - start

            yield attend
            start = time.perf_counter()
        self.seconds += time.perf_counter() - start

    def save(self) -> bytes:
        """The sequence, for `load`."""
        return self.sequence.save()

    def load(self, saved: bytes, length: int) -> None:
        """Goes on from the first `length` tokens of what was saved."""
        with self.cache.load(saved) as loaded:
            fork = loaded.fork(length)
        self.sequence.free()
        self.sequence = fork

    def report(self) -> str:
        """What the cache holds."""
        stats = self.cache.stats
        return (f"cache: {self.storage}; {stats['bytes']} bytes in {stats['pages_used']} pages of "
                f"{PAGE} tokens")


def _rules(storage: Storage, config: Config) -> dict[str, object]:
    """Which tokens stay, as parameters of the cache."""
    if storage.window is None:
        return {}
    # One token more is kept than is seen: the last one of a loaded prompt is fed again.
    rules: dict[str, object] = {"cache_sink": [storage.sink], "cache_slack": [1]}
    if storage.retrieval is None:
        return {**rules, "cache_window": [storage.window]}
    windows = [storage.window_of(layer, head) for layer in range(config.layers)
               for head in range(config.kv_heads)]
    return {**rules, "policy": "duo_attention",
            "cache_window": ["inf" if w is None else w for w in windows]}


class Float64Attention:
    """The same mathematics in float64 NumPy, written down without any cleverness."""

    def __init__(self, config: Config, n_ctx: int, storage: Storage = Storage()) -> None:
        self.length = 0
        self._storage = storage
        shape = (config.layers, config.kv_heads, n_ctx, config.head_dim)
        self._keys, self._values = np.zeros(shape), np.zeros(shape)

    @contextmanager
    def step(self, n: int) -> Iterator[Attend]:
        first, end = self.length, self.length + n
        i, j = np.arange(first, end)[:, None], np.arange(end)

        def hidden(window: int | None) -> np.ndarray:
            far = False if window is None else (i - j >= window) & (j >= self._storage.sink)
            return (j > i) | far

        def attend(layer: int, q: np.ndarray, k: np.ndarray, v: np.ndarray,
                   out: np.ndarray) -> None:
            keys, values = self._keys[layer, :, :end], self._values[layer, :, :end]
            keys[:, first:], values[:, first:] = k[0], v[0]
            group = q.shape[1] // k.shape[1]
            for head in range(q.shape[1]):
                kv_head = head // group
                scores = q[0, head].astype(np.float64) @ keys[kv_head].T / np.sqrt(q.shape[3])
                scores[hidden(self._storage.window_of(layer, kv_head))] = -np.inf
                weights = np.exp(scores - scores.max(axis=1, keepdims=True))
                weights /= weights.sum(axis=1, keepdims=True)
                out[0, head] = weights @ values[kv_head]

        yield attend
        self.length = end
