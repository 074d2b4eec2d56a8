# SPDX-License-Identifier: MIT
"""matmul, softmax, matmul in NumPy: what a Python program does without any library."""
from __future__ import annotations

import numpy as np


class NumPy:
    name = "numpy"

    def __init__(self, threads):
        self.version = np.__version__

    def supports(self, case):
        return None if case.dtype == "f32" else "NumPy multiplies matrices of 16 bits very slowly"

    def prepare(self, case):
        group = case.hq // case.hk
        q = case.q.reshape(case.b, case.hk, group * case.n, case.d)
        kt = case.k.transpose(0, 1, 3, 2)
        s = np.empty((case.b, case.hk, group * case.n, case.m), np.float32)
        out = np.empty((case.b, case.hk, group * case.n, case.dv), np.float32)
        full = s.reshape(case.b, case.hk, group, case.n, case.m)
        bias = np.where(case.visible(), np.float32(0), np.float32(-np.inf))
        scale, softcap = np.float32(case.scale), case.softcap
        slopes = None
        if case.slopes is not None:
            slopes = (case.slopes.reshape(1, case.hk, group, 1, 1)
                      * case.distances()).astype(np.float32)

        def run():
            np.matmul(q, kt, out=s)
            np.multiply(s, scale, out=s)
            if softcap:
                np.tanh(s / np.float32(softcap), out=s)
                np.multiply(s, np.float32(softcap), out=s)
            if slopes is not None:
                np.subtract(full, slopes, out=full)
            if not case.plain:
                np.add(full, bias, out=full)
            np.subtract(s, s.max(-1, keepdims=True), out=s)
            np.exp(s, out=s)
            total = s.sum(-1, keepdims=True)
            np.matmul(s, case.v, out=out)
            np.divide(out, total, out=out)

        return run, lambda: out.reshape(case.q.shape[:3] + (case.dv,))
