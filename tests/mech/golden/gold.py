# SPDX-License-Identifier: MIT
"""Writing golden files: problems with their exact results, for test_mechs.

A make_<name>.py beside this file builds cases from float64 functions that
know nothing of this library (NumPy; the folder with them is the script's
argument) and prints <name>.gold. The files are checked in, so that the tests
need no Python.

Inputs are not stored where a formula will do: element i of a dense array is
(x % 61 - 30) * scale with x = ((i * 2654435761 + seed * 40503) mod 2^32) >> 16,
which for scale 1/16 is exact in every float type.
"""
import sys

import numpy as np


def formula(seed, shape, scale=1 / 16):
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    x = (i * np.uint64(2654435761) + np.uint64(seed * 40503)) % np.uint64(2**32)
    x = (x >> np.uint64(16)) % np.uint64(61)
    return ((x.astype(np.float64) - 30) * scale).reshape(shape)


def _numbers(array):
    flat = np.asarray(array).reshape(-1)
    if flat.dtype.kind in "iub":
        return " ".join(str(int(x)) for x in flat)
    return " ".join("%.10g" % x for x in flat)


def _shape(array):
    return ",".join(str(n) for n in np.shape(array)) or "0"


class Case:
    """One problem. Types of inputs: q, kv, row (the element types of Q, of K
    and V, of per-row data) or a type by name (i32, i64, u8, bool, f32)."""

    def __init__(self, problem, logit=1.0):
        """problem: a problem string without dtype. logit: max |logit|, which
        the allowed error grows with."""
        self._lines = ["case " + problem, "logit %.6g" % logit]

    def make(self, role, kind, seed, shape, scale=1 / 16):
        """An input by the formula; returns it as float64."""
        array = formula(seed, shape, scale)
        self._lines.append("make %s %s %s %d %.17g" % (role, kind, _shape(array), seed, scale))
        return array

    def give(self, role, kind, array):
        """An input by its values, which must be exact in the type (floats: in
        f32, printed with nine digits or fewer)."""
        self._lines.append("give %s %s %s %s" % (role, kind, _shape(array), _numbers(array)))

    def rows(self, parts, *numbers):
        """SELECTION as rows: arrays by the numbers of their parts, and batch, heads,
        head_group, queries, q_block and keys."""
        self._select("rows", parts, numbers)

    def groups(self, parts, *numbers):
        """SELECTION as groups, likewise: batch, heads, queries, keys, combine and eps."""
        self._select("groups", parts, numbers)

    def _select(self, layout, parts, numbers):
        for part, array in parts.items():
            self._lines.append("part %d %s %s" % (part, _shape(array), _numbers(array)))
        self._lines.append("selection %s %s" % (layout, " ".join("%.10g" % n for n in numbers)))

    def expect(self, role, array):
        """A result."""
        self._lines.append("want %s %s %s" % (role, _shape(array), _numbers(array)))

    def write(self, out=sys.stdout):
        out.write("\n".join(self._lines) + "\nend\n")
