# SPDX-License-Identifier: MIT
"""A problem: its numbers, its arrays, and what the result should be."""
from __future__ import annotations

import math

import attn
import numpy as np

# What every peer is given; a problem that sets anything else is not for comparing.
_KNOWN = {"b", "hq", "hk", "hv", "q", "k", "d", "dv", "causal", "align", "window_left",
          "window_right", "scale", "softcap", "alibi", "dtype", "solver", "compute"}
_ROWS = 48  # per head that are compared
_HEADS = 8


def numpy_type(name):
    if name == "bf16":
        import ml_dtypes
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype({"f32": np.float32, "f16": np.float16}[name])


class Case:
    """q, k, v: arrays [B,H,N,D] in the problem's type."""

    def __init__(self, text, seed):
        said = attn.Context().plan(text).parameters
        unknown = sorted(set(said) - _KNOWN)
        if unknown:
            raise ValueError("%s: the peers are not given %s" % (text, ", ".join(unknown)))
        self.text = text
        self.b, self.hq = said.get("b", 1), said["hq"]
        self.hk = said.get("hk", self.hq)
        self.n, self.m, self.d = said["q"], said["k"], said["d"]
        self.dv = said.get("dv", self.d)
        if said.get("hv", self.hk) != self.hk or math.inf in (self.m,):
            raise ValueError("%s: the peers want as many heads of K as of V and a finite k" % text)
        self.dtype = said.get("dtype", "f32")
        self.scale = said.get("scale", 1 / math.sqrt(self.d))
        self.softcap = said.get("softcap")
        self.slopes = _alibi_slopes(self.hq) if said.get("alibi") else None
        self.causal = said.get("causal", False)
        # Keys that row i sees: i + shift - left .. i + shift + right.
        self.shift = 0 if said.get("align") == "top_left" else self.m - self.n
        self.left = said.get("window_left", math.inf)
        self.right = said.get("window_right", math.inf)
        if self.causal:
            self.right = min(self.right, 0)
        self.pairs = self.b * self.hq * int(self._visible_counts().sum())
        self._fill(seed)

    def _fill(self, seed):
        rng = np.random.default_rng(seed)
        kind = numpy_type(self.dtype)

        def normal(*shape):
            return rng.standard_normal(shape, np.float32).astype(kind)

        self.q = normal(self.b, self.hq, self.n, self.d)
        self.k = normal(self.b, self.hk, self.m, self.d)
        self.v = normal(self.b, self.hk, self.m, self.dv)

    @property
    def arrays(self):
        return {"q": self.q, "k": self.k, "v": self.v}

    @property
    def plain(self):
        """Are all keys visible to all rows?"""
        return self.pairs == self.b * self.hq * self.n * self.m

    @property
    def only_causal(self):
        """Is visibility the triangle from the top left of a square, and nothing else?"""
        return (self.causal and self.left == math.inf and self.right == 0 and self.n == self.m)

    @property
    def few_rows(self):
        return self.n <= 16

    @property
    def unit(self):
        return "GB/s" if self.few_rows else "GF/s"

    @property
    def work(self):
        """Bytes of K and V, or operations on visible pairs."""
        if self.few_rows:
            return self.k.nbytes + self.v.nbytes
        return 2 * (self.d + self.dv) * self.pairs

    def _bounds(self, rows):
        low, high = np.zeros(len(rows)), np.full(len(rows), self.m - 1.0)
        if self.left != math.inf:
            low = np.maximum(low, rows + self.shift - self.left)
        if self.right != math.inf:
            high = np.minimum(high, rows + self.shift + self.right)
        return low, high

    def _visible_counts(self):
        low, high = self._bounds(np.arange(self.n))
        return np.maximum(high - low + 1, 0)

    def visible(self, rows=None):
        """Booleans [rows, k]."""
        low, high = self._bounds(np.arange(self.n) if rows is None else rows)
        keys = np.arange(self.m)
        return (keys >= low[:, None]) & (keys <= high[:, None])

    def distances(self, rows=None):
        """|i + shift - j| of every pair, what ALiBi multiplies."""
        rows = np.arange(self.n) if rows is None else rows
        return np.abs(rows[:, None] + self.shift - np.arange(self.m))

    def errors(self, out):
        """Greatest error over the greatest magnitude, and the relative RMS, of sampled rows."""
        rng = np.random.default_rng(1)
        rows = np.unique(np.concatenate([
            [0, self.n - 1], rng.integers(0, self.n, min(self.n, _ROWS))]))
        worst = top = square = norm = 0.0
        heads = [(b, h) for b in range(self.b) for h in range(self.hq)]
        for b, h in (heads[i] for i in rng.permutation(len(heads))[:_HEADS]):
            expected = self._rows(b, h, rows)
            found = np.asarray(out[b, h][rows], np.float64)
            off = np.abs(found - expected)
            worst, top = max(worst, off.max()), max(top, np.abs(expected).max())
            square, norm = square + (off ** 2).sum(), norm + (expected ** 2).sum()
            if not np.isfinite(found).all():
                return math.inf, math.inf
        return worst / top, math.sqrt(square / norm)

    def _rows(self, b, h, rows):
        g = h * self.hk // self.hq
        q, k, v = (x.astype(np.float64) for x in (self.q[b, h][rows], self.k[b, g], self.v[b, g]))
        s = self.scale * (q @ k.T)
        if self.softcap:
            s = self.softcap * np.tanh(s / self.softcap)
        if self.slopes is not None:
            s -= self.slopes[h] * self.distances(rows)
        s[~self.visible(rows)] = -math.inf
        top = s.max(1, keepdims=True)
        p = np.exp(s - np.where(np.isfinite(top), top, 0))
        return (p @ v) / np.maximum(p.sum(1, keepdims=True), 1e-300)


def _alibi_slopes(heads):
    """The paper's: a geometric series, for other counts than powers of 2 filled up."""
    power = 2 ** int(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    more = [2 ** (-4 * (i + 1) / power) for i in range(0, 2 * power, 2)]
    return np.array((slopes + more)[:heads])
