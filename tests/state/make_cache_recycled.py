# SPDX-License-Identifier: MIT
"""Recycled attention of a NumPy model: outputs of every step.

usage: make_cache_recycled.py DIRECTORY_OF_ORACLES > cache_recycled.gold

Lines: `prompt N K` and the keys, the values [KV heads, N, D] and the last
query [heads, D]; `recycled` or `full`, and the query, key and value of a new
token and the result of its attention [heads, D].
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache as oracle  # noqa: E402

rng = np.random.default_rng(13)
HEADS, KV, D = 4, 2, 8


def data(*shape):
    """Numbers that the text has whole."""
    return np.round(2 * rng.standard_normal((*shape, D)), 3)


def say(word, *arrays):
    print(word, *('%.6g' % x for a in arrays for x in a.ravel()))


def run(n, keep, stride, steps, **kw):
    k, v, q = data(KV, n), data(KV, n), data(HEADS)
    model = oracle.RecycledAttention(q, k, v, keep, stride, **kw)
    say('prompt %d %d' % (n, keep), k, v, q)
    for _ in range(steps):
        q, k, v = data(HEADS), data(KV), data(KV)
        before = model.full_steps
        out = model.step(q, k, v)
        say('full' if model.full_steps > before else 'recycled', q, k, v, out)


run(20, 6, 4, 14)
run(9, 12, 3, 8)
run(7, 1, 2, 4)
run(15, 5, 1, 3)
run(12, 4, 2, 10, mode='dynamic', sim=0.1)
