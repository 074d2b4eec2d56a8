# SPDX-License-Identifier: MIT
"""A llama-style decoder in NumPy whose attention is somebody else's.

RMSNorm, grouped-query attention with rotary positions, SwiGLU; float32 throughout.
The decoder keeps its keys and values in buffers made once for the whole context
and hands views of them to the attention function it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Config:
    """Sizes and constants of the architecture."""

    layers: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    rope_base: float
    norm_eps: float


@dataclass(frozen=True)
class Layer:
    """One block. Matrices are [outputs, inputs]."""

    attn_norm: np.ndarray
    qkv: np.ndarray
    attn_out: np.ndarray
    mlp_norm: np.ndarray
    gate_up: np.ndarray
    down: np.ndarray


@dataclass(frozen=True)
class Weights:
    """The whole model. Embedding and output are [width, vocab]: a product with one
    row is about a third faster that way round, and looking up a column costs nothing."""

    config: Config
    layers: list[Layer]
    embedding: np.ndarray
    final_norm: np.ndarray
    output: np.ndarray


def random_weights(vocab: int, seed: int) -> Weights:
    """A tiny model of the same architecture with random weights."""
    config = Config(layers=4, width=144, hidden=384, heads=9, kv_heads=3, head_dim=16,
                    vocab=vocab, context=8192, rope_base=1e5, norm_eps=1e-5)
    rng = np.random.default_rng(seed)

    def matrix(outputs: int, inputs: int) -> np.ndarray:
        return (rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)).astype(np.float32)

    def norm() -> np.ndarray:
        return np.ones(config.width, dtype=np.float32)

    rows = (config.heads + 2 * config.kv_heads) * config.head_dim
    layers = [
        Layer(attn_norm=norm(), qkv=matrix(rows, config.width),
              attn_out=matrix(config.width, config.width), mlp_norm=norm(),
              gate_up=matrix(2 * config.hidden, config.width),
              down=matrix(config.width, config.hidden))
        for _ in range(config.layers)
    ]
    embedding = matrix(config.width, vocab)
    return Weights(config=config, layers=layers, embedding=embedding,
                   final_norm=norm(), output=embedding)


class Attention(Protocol):
    """Causal attention of the newest q rows over all keys so far.

    q [1, heads, n, d], k and v [1, kv_heads, keys, d], out like q; any strides.
    The last query row sits at the last key.
    """

    cache_dtype: np.dtype

    def __call__(self, q: np.ndarray, k: np.ndarray, v: np.ndarray, out: np.ndarray) -> None: ...


class Decoder:
    """One running sequence: weights (shared), an attention, and its K/V buffers."""

    def __init__(self, weights: Weights, attend: Attention, n_ctx: int, chunk: int) -> None:
        config = weights.config
        self.weights = weights
        self.length = 0
        self._attend = attend
        self._chunk = chunk
        cache_shape = (config.layers, config.kv_heads, n_ctx, config.head_dim)
        self._keys = np.zeros(cache_shape, dtype=attend.cache_dtype)
        self._values = np.zeros(cache_shape, dtype=attend.cache_dtype)
        # Angles are made in float64: at long contexts float32 would lose digits of them.
        inverse = config.rope_base ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
        angles = np.outer(np.arange(n_ctx), inverse)
        self._cos = np.cos(angles).astype(np.float32)
        self._sin = np.sin(angles).astype(np.float32)

    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        """Append tokens, a chunk at a time; return the logits after the last one."""
        room = self._keys.shape[2] - self.length
        if not 0 < len(tokens) <= room:
            raise ValueError(f"tokens: found {len(tokens)}, expected 1 to {room}")
        for start in range(0, len(tokens), self._chunk):
            x = self._blocks(np.asarray(tokens[start:start + self._chunk]))
        last = _rms_norm(x[-1:], self.weights.final_norm, self.weights.config.norm_eps)
        return (last @ self.weights.output)[0]

    def _blocks(self, tokens: np.ndarray) -> np.ndarray:
        eps = self.weights.config.norm_eps
        hidden = self.weights.config.hidden
        x = np.ascontiguousarray(self.weights.embedding[:, tokens].T)
        for i, layer in enumerate(self.weights.layers):
            x += self._attention(i, _rms_norm(x, layer.attn_norm, eps)) @ layer.attn_out.T
            both = _rms_norm(x, layer.mlp_norm, eps) @ layer.gate_up.T
            x += _silu_times(both[:, :hidden], both[:, hidden:]) @ layer.down.T
        self.length += len(tokens)
        return x

    def _attention(self, index: int, x: np.ndarray) -> np.ndarray:
        config = self.weights.config
        n = len(x)
        seen = slice(self.length, self.length + n)
        heads = x @ self.weights.layers[index].qkv.T
        heads = heads.reshape(n, config.heads + 2 * config.kv_heads, config.head_dim)
        q, k, v = np.split(heads, (config.heads, config.heads + config.kv_heads), axis=1)
        cos, sin = self._cos[seen, None], self._sin[seen, None]
        _rotate(q, cos, sin)
        _rotate(k, cos, sin)
        keys, values = self._keys[index], self._values[index]
        keys[:, seen] = k.transpose(1, 0, 2)
        values[:, seen] = v.transpose(1, 0, 2)
        out = np.empty((n, config.heads, config.head_dim), dtype=np.float32)
        self._attend(
            q=q.transpose(1, 0, 2)[None],
            k=keys[None, :, :seen.stop],
            v=values[None, :, :seen.stop],
            out=out.transpose(1, 0, 2)[None],
        )
        return out.reshape(n, -1)


def _rms_norm(x: np.ndarray, gain: np.ndarray, eps: float) -> np.ndarray:
    mean = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1])
    return x * (1 / np.sqrt(mean + np.float32(eps))) * gain


def _silu_times(gate: np.ndarray, up: np.ndarray) -> np.ndarray:
    # silu(g) = g * sigmoid(g), and sigmoid(g) = (1 + tanh(g / 2)) / 2 cannot overflow.
    half = np.float32(0.5)
    return gate * (half + half * np.tanh(gate * half)) * up


def _rotate(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> None:
    """Rotary positions in place. GGUF files of this architecture pair neighbouring
    channels (2i, 2i + 1), unlike the original checkpoints (i, i + d / 2)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = even * cos - odd * sin
    odd[...] = even * sin + odd * cos
    even[...] = turned
