# SPDX-License-Identifier: MIT
"""Softmax attention in float64, as plain as it can be said."""
from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

import numpy as np


class Answer(NamedTuple):
    out: np.ndarray
    lse: np.ndarray
    probs: np.ndarray
    scores: np.ndarray  # after bias, -inf where not visible


def attend(q, k, v, *, causal=False, top_left=False,
           window: Tuple[Optional[int], Optional[int]] = (None, None), bias=None, mask=None,
           scale=None, softcap=None, sink_tokens=0, prefix=0, sink_logits=None) -> Answer:
    """q [B,Hq,Nq,D], k [B,Hk,Nk,D], v [B,Hv,Nk,Dv]; heads repeat in runs."""
    q, k, v = (np.asarray(x).astype(np.float64) for x in (q, k, v))
    heads, nq, nk = q.shape[1], q.shape[2], k.shape[2]
    k = np.repeat(k, heads // k.shape[1], axis=1)
    v = np.repeat(v, heads // v.shape[1], axis=1)
    s = np.einsum("bhid,bhjd->bhij", q, k) * (q.shape[3] ** -0.5 if scale is None else scale)
    if softcap is not None:
        s = softcap * np.tanh(s / softcap)
    if bias is not None:
        s = s + np.asarray(bias).astype(np.float64)
    off = 0 if top_left else nk - nq
    i, j = np.arange(nq)[:, None] + off, np.arange(nk)[None, :]
    left, right = window
    near = np.ones((nq, nk), bool)
    if left is not None:
        near &= j - i >= -left
    if right is not None:
        near &= j - i <= right
    visible = near | (j < sink_tokens)
    if causal:
        visible = visible & (j <= i)
    visible = np.broadcast_to(visible | (j < prefix), s.shape)
    if mask is not None:
        visible = visible & (np.asarray(mask) != 0)
    s = np.where(visible, s, -np.inf)
    total = s
    if sink_logits is not None:
        extra = np.broadcast_to(np.asarray(sink_logits, np.float64)[None, :, None, None],
                                s.shape[:3] + (1,))
        total = np.concatenate([s, extra], axis=3)
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.max(total, axis=3, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, 0.0)
        weights = np.exp(s - top)
        norm = np.exp(total - top).sum(axis=3, keepdims=True)
        lse = (top + np.log(norm))[..., 0]
        probs = np.where(norm > 0, weights / np.where(norm > 0, norm, 1.0), 0.0)
    return Answer(probs @ v, lse, probs, s)


def close(found, expected, tolerance=2e-5) -> None:
    """Equal up to a tolerance relative to the size of the whole."""
    found = np.asarray(found).astype(np.float64)
    expected = np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    finite = np.isfinite(expected)
    assert np.array_equal(np.isfinite(found), finite)
    assert np.array_equal(found[~finite], expected[~finite], equal_nan=True)
    if finite.any():
        error = np.abs(found[finite] - expected[finite]).max()
        assert error <= tolerance * (1 + np.abs(expected[finite]).max()), error
