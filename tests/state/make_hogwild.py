# SPDX-License-Identifier: MIT
"""Several readers of blocks in orders of their own, by a NumPy model.

usage: make_hogwild.py DIRECTORY_OF_ORACLES > hogwild.gold

Lines: `case F W S` blocks, readers and new tokens of each; F times `block N`
and its keys, turned by the positions in the block, and values [KV heads, N,
D]; W times `reader N`, the blocks it sees, the last of which it writes, and its
queries, not turned, and results [heads, S, D].
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache as oracle  # noqa: E402

rng = np.random.default_rng(14)
HEADS, KV, D = 4, 2, 8


def say(word, numbers, *arrays):
    print(word, *numbers, *('%.7g' % x for a in arrays for x in a.ravel()))


def case(lengths, order, new):
    keys = [rng.standard_normal((KV, n, D)) for n in lengths]
    keys = [np.float32(oracle.rope(k, np.arange(k.shape[1]))) for k in keys]
    values = [np.float32(rng.standard_normal((KV, n, D))) for n in lengths]
    q = np.float32(2 * rng.standard_normal((len(order), HEADS, new, D)))
    out = oracle.hogwild_attention(q, keys, values, order)
    say('case', (len(lengths), len(order), new))
    for k, v in zip(keys, values):
        say('block', (k.shape[1],), k, v)
    for w, blocks in enumerate(order):
        say('reader', (len(blocks), *blocks), q[w], out[w])


case([9, 4, 3], [[0, 2, 1], [0, 1, 2]], 2)
case([5], [[0]], 3)
case([12, 7, 6, 5], [[3, 2, 0, 1], [0, 2], [1, 3]], 1)
case([4, 20, 4], [[1, 2, 0], [1, 0, 2]], 4)
