# SPDX-License-Identifier: MIT
"""A problem of the linear family: its arrays, and what the result should be."""
from __future__ import annotations

import math

import attn
import numpy as np

_KNOWN = {"b", "hq", "hk", "hv", "q", "k", "d", "dv", "causal", "scale"}
_DECAYS = {"linear_attention": None, "retnet": "head", "gla": "channel", "deltanet": None,
           "gated_deltanet": "token"}


def is_recurrence(text):
    return text.split()[0] in _DECAYS


class Recurrence:
    """q, k, v: arrays [B,H,N,D]; g: what state is kept, as logarithms, or None; beta [B,H,N].

    Keys have length 1 or so; linear_attention is that with elu(x) + 1 and the sum of keys.
    """

    dtype, unit = "f32", "GF/s"

    def __init__(self, text, seed):
        said = attn.Context().plan(text).parameters
        unknown = sorted(set(said) - _KNOWN)
        if unknown:
            raise ValueError("%s: the peers are not given %s" % (text, ", ".join(unknown)))
        self.text, self.name = text, text.split()[0]
        self.b, self.h, self.n, self.d = said.get("b", 1), said["hq"], said["q"], said["d"]
        self.dv = said.get("dv", self.d)
        self.decay, self.erases = _DECAYS[self.name], "delta" in self.name
        self.normalised = self.name == "linear_attention"
        if self.normalised and not said.get("causal"):
            raise ValueError("%s: the peers are causal" % text)
        self.scale = said.get("scale", 1.0 if self.normalised else 1 / math.sqrt(self.d))
        self._fill(seed)

    def _fill(self, seed):
        rng = np.random.default_rng(seed)
        rows = (self.b, self.h, self.n)

        def normal(*shape):
            return rng.standard_normal(shape, np.float32)

        self.q, self.v = normal(*rows, self.d), normal(*rows, self.dv)
        self.k = normal(*rows, self.d) / np.float32(math.sqrt(self.d))
        self.beta = rng.random(rows, np.float32) if self.erases else None
        self.g = None
        if self.decay == "head":
            slopes = -np.log1p(-np.exp2(-5.0 - np.arange(self.h))).astype(np.float32)
            self.g = np.broadcast_to(-slopes[:, None], rows)
        elif self.decay:
            shape = rows + ((self.d,) if self.decay == "channel" else ())
            self.g = -np.exp(1.25 * normal(*shape) - 3)

    @property
    def arrays(self):
        """What is bound, by role."""
        roles = {"q": self.q, "k": self.k, "v": self.v, "beta": self.beta,
                 "g": None if self.decay == "head" else self.g}
        return {role: array for role, array in roles.items() if array is not None}

    @property
    def work(self):
        """Operations of chunks of 64 tokens, as attn-bench counts them."""
        d, dv = self.d, self.dv
        token = 6 * d * dv + 64 * (4 * d + 3 * dv) if self.erases else 4 * d * dv + 128 * (d + dv)
        return self.b * self.h * self.n * token

    def expected(self):
        q, k, v = (x.astype(np.float64) for x in (self.q, self.k, self.v))
        if self.normalised:
            q, k = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (q, k))
        q *= self.scale
        state, total = np.zeros((self.b, self.h, self.d, self.dv)), np.zeros(q[:, :, 0].shape)
        out = np.empty(self.v.shape)
        for t in range(self.n):
            if self.g is not None:
                g = np.exp(self.g[:, :, t].astype(np.float64))
                state *= g[..., None] if self.decay == "channel" else g[..., None, None]
            key, value = k[:, :, t], v[:, :, t]
            if self.erases:
                value = value - np.einsum("bhd,bhde->bhe", key, state)
                value = value * self.beta[:, :, t, None]
            state += key[..., None] * value[..., None, :]
            out[:, :, t] = np.einsum("bhd,bhde->bhe", q[:, :, t], state)
            if self.normalised:
                total += key
                out[:, :, t] /= (q[:, :, t] * total).sum(-1, keepdims=True) + 1e-6
        return out

    def errors(self, out):
        """Greatest error over the greatest magnitude, and the relative RMS."""
        expected = self.expected()
        off = np.abs(np.asarray(out, np.float64) - expected)
        if not np.isfinite(off).all():
            return math.inf, math.inf
        return off.max() / np.abs(expected).max(), math.sqrt((off ** 2).sum()
                                                             / (expected ** 2).sum())
