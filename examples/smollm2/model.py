# SPDX-License-Identifier: MIT
"""A llama-style decoder in NumPy whose attention is somebody else's.

RMSNorm, grouped-query attention with rotary positions, SwiGLU; float32 throughout.
Keys and values are kept by the attention that the decoder was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
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
    config = Config(layers=4, width=288, hidden=768, heads=9, kv_heads=3, head_dim=32,
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


# In one layer, its number first: keeps k and v [1, kv_heads, n, d] of n new tokens, and
# attends from q to all so far, those included, into out; both [1, heads, n, d], any strides.
Attend = Callable[[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


class Attention(Protocol):
    """Causal attention of one sequence, whose keys and values it keeps."""

    @property
    def length(self) -> int:
        """Tokens so far."""

    def step(self, n: int) -> AbstractContextManager[Attend]:
        """Adds n tokens, once the function has been called for each layer."""


class Decoder:
    """One running sequence: weights (shared) and an attention."""

    def __init__(self, weights: Weights, attention: Attention, n_ctx: int, chunk: int) -> None:
        config = weights.config
        self.weights = weights
        self._attention = attention
        self._chunk = chunk
        # Angles are made in float64: at long contexts float32 would lose digits of them.
        inverse = config.rope_base ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
        angles = np.outer(np.arange(n_ctx), inverse)
        self._cos = np.cos(angles).astype(np.float32)
        self._sin = np.sin(angles).astype(np.float32)

    @property
    def length(self) -> int:
        """Tokens so far."""
        return self._attention.length

    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        """Append tokens, a chunk at a time; return the logits after the last one."""
        for x in self._feed(tokens):
            pass
        return self._logits(x[-1:])[0]

    def feed_each(self, tokens: Sequence[int]) -> Iterator[np.ndarray]:
        """Append tokens; the logits after each of them, [n, vocab] for every chunk."""
        return map(self._logits, self._feed(tokens))

    def _feed(self, tokens: Sequence[int]) -> Iterator[np.ndarray]:
        room = len(self._cos) - self.length
        if not 0 < len(tokens) <= room:
            raise ValueError(f"tokens: found {len(tokens)}, expected 1 to {room}")
        for start in range(0, len(tokens), self._chunk):
            yield self._blocks(np.asarray(tokens[start:start + self._chunk]))

    def _logits(self, x: np.ndarray) -> np.ndarray:
        normed = _rms_norm(x, self.weights.final_norm, self.weights.config.norm_eps)
        return normed @ self.weights.output

    def _blocks(self, tokens: np.ndarray) -> np.ndarray:
        eps = self.weights.config.norm_eps
        hidden = self.weights.config.hidden
        x = np.ascontiguousarray(self.weights.embedding[:, tokens].T)
        at = slice(self.length, self.length + len(tokens))
        turn = self._cos[at, None], self._sin[at, None]
        with self._attention.step(len(tokens)) as attend:
            for i, layer in enumerate(self.weights.layers):
                heads = _rms_norm(x, layer.attn_norm, eps) @ layer.qkv.T
                x += self._attend(attend, i, heads, turn) @ layer.attn_out.T
                both = _rms_norm(x, layer.mlp_norm, eps) @ layer.gate_up.T
                x += _silu_times(both[:, :hidden], both[:, hidden:]) @ layer.down.T
        return x

    def _attend(self, attend: Attend, layer: int, heads: np.ndarray,
                turn: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        config = self.weights.config
        n = len(heads)
        heads = heads.reshape(n, config.heads + 2 * config.kv_heads, config.head_dim)
        q, k, v = np.split(heads, (config.heads, config.heads + config.kv_heads), axis=1)
        _rotate(q, *turn)
        _rotate(k, *turn)
        out = np.empty((n, config.heads, config.head_dim), dtype=np.float32)
        attend(layer, *(x.transpose(1, 0, 2)[None] for x in (q, k, v, out)))
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
