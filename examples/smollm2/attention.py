# SPDX-License-Identifier: MIT
"""The two attentions of the example: libattn's, and a float64 one to check it by."""

from __future__ import annotations

import time

import attn
import numpy as np

from model import Config


class LibattnAttention:
    """Attention by libattn: one plan for prompt chunks, one for single tokens.

    A plan states the largest shape it serves, so both are made once and serve the
    growing cache; every array is passed as it lies in memory, without a copy.
    """

    cache_dtype: np.dtype = np.dtype(np.float32)

    def __init__(self, config: Config, n_ctx: int, chunk: int, threads: int,
                 solver: str | None = None) -> None:
        self.seconds = 0.0
        self._ctx = attn.Context(threads=threads)
        problem = (f"softmax b=1 h={config.heads}/{config.kv_heads} q={{q}} k={n_ctx} "
                   f"d={config.head_dim} causal")
        if solver is not None:
            problem += f" solver={solver}"
        self.prefill = self._ctx.plan(problem.format(q=chunk))
        self.decode = self._ctx.plan(problem.format(q=1))

    def plan_for(self, rows: int):
        """The plan that serves this many query rows."""
        return self.decode if rows == 1 else self.prefill

    def __call__(self, q: np.ndarray, k: np.ndarray, v: np.ndarray, out: np.ndarray) -> None:
        start = time.perf_counter()
        self.plan_for(q.shape[2]).run(q=q, k=k, v=v, out=out)
        self.seconds += time.perf_counter() - start


class Float64Attention:
    """The same mathematics in float64 NumPy, written down without any cleverness."""

    cache_dtype: np.dtype = np.dtype(np.float64)

    def __call__(self, q: np.ndarray, k: np.ndarray, v: np.ndarray, out: np.ndarray) -> None:
        rows, keys, dim = q.shape[2], k.shape[2], q.shape[3]
        group = q.shape[1] // k.shape[1]
        last_seen = keys - rows + np.arange(rows)
        hidden = np.arange(keys) > last_seen[:, None]
        for head in range(q.shape[1]):
            scores = q[0, head].astype(np.float64) @ k[0, head // group].T / np.sqrt(dim)
            scores[hidden] = -np.inf
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
            out[0, head] = weights @ v[0, head // group]
