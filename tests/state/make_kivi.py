# SPDX-License-Identifier: MIT
"""Blocks of 32 tokens of 32 channels as kivi keeps them, by a NumPy model.

usage: make_kivi.py DIRECTORY_OF_ORACLES > kivi.gold

A line: type, by how much numbers may be off, then 1024 numbers, what they mean
as keys, and what they mean as values, all of them by tokens.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache as oracle  # noqa: E402

rng = np.random.default_rng(11)
N = 32


def even(bits):
    """Steps and minima that halves hold, by channel as by token: one of each
    row's and column's numbers is the least, one the largest."""
    most = 2 ** bits - 1
    x = rng.integers(0, 16 * most, (N, N)) / 16  # with ties
    for i in range(N):
        x[i, i], x[i, (i + 5) % N] = 0, most
    return x * 0.25 - 3, 0


def flat(bits):
    """Values without a range, and keys on the grid."""
    return np.repeat(np.arange(N)[:, None] % 2 ** bits * 0.5 - 4, N, 1), 0


def uneven(bits):
    x = (rng.standard_normal((N, N)) * 2.0 ** rng.integers(-3, 3, N)).round(3)
    # what the codes stand for is made of two numbers rounded to halves
    return x, (np.ptp(x) + np.abs(x).max()) * 2.0 ** -11


for bits in (4, 2):
    for make in (even, flat, uneven):
        x, off = make(bits)
        keys = oracle.kivi_k_roundtrip(x[None], N, bits)
        values = oracle.kivi_v_roundtrip(x[None], N, bits)
        numbers = np.concatenate([x.ravel(), keys.ravel(), values.ravel()])
        print('kivi%d %.3g' % (bits, off), ' '.join('%.7g' % v for v in numbers))
