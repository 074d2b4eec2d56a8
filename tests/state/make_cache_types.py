# SPDX-License-Identifier: MIT
"""Rows in the types that caches store, by a NumPy model.

usage: make_cache_types.py DIRECTORY_OF_ORACLES > cache_types.gold

A line: type, scale, how many numbers, these, the bytes stored, and what they
mean.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache as oracle  # noqa: E402

rng = np.random.default_rng(5)


def line(name, scale, x, stored, back):
    floats = ' '.join('%.9g' % v for v in x)
    means = ' '.join('%.9g' % np.float32(v) for v in back)
    print(name, scale, len(x), floats, bytes(stored).hex(), means)


def rows():
    for n in (32, 64):
        x = rng.standard_normal(n).astype(np.float32)
        yield x
        yield (x * np.float32(1e-4)).astype(np.float32)
        yield np.round(x * 8).astype(np.float32)
        yield (x * 2.0 ** rng.integers(-12, 12, n)).astype(np.float32)
    yield np.zeros(32, np.float32)
    y = np.arange(32, dtype=np.float32) - 16
    yield y
    yield -y


for x in rows():
    for name, enc, dec in (('q8_0', oracle.q8_0_encode, oracle.q8_0_decode),
                           ('q4_0', oracle.q4_0_encode, oracle.q4_0_decode)):
        stored = enc(x)
        line(name, 1, x, stored, dec(stored))
    for name, table in (('fp8_e4m3', oracle.E4M3), ('fp8_e5m2', oracle.E5M2)):
        for scale in (1.0, 0.25):
            stored = oracle.fp8_encode(x, table, scale)
            line(name, scale, x, stored, oracle.fp8_decode(stored, table, scale))
