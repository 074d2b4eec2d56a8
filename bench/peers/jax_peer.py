# SPDX-License-Identifier: MIT
"""JAX: jax.nn.dot_product_attention, compiled by XLA."""
from __future__ import annotations

import math

import numpy as np


class Jax:
    name = "jax"

    def __init__(self, threads):
        import jax
        self.jax = jax
        self.version = jax.__version__

    def supports(self, case):
        if case.softcap or case.slopes is not None:
            return "softcap and ALiBi are not options"
        return None

    def prepare(self, case):
        jax = self.jax
        q, k, v = (jax.numpy.asarray(x.transpose(0, 2, 1, 3)) for x in (case.q, case.k, case.v))
        words = {"scale": case.scale}
        if case.only_causal:
            words["is_causal"] = True
        elif not case.plain and case.n == case.m and case.left != math.inf:
            words["local_window_size"] = (int(case.left), int(min(case.right, case.m)))
        elif not case.plain:
            words["mask"] = jax.numpy.asarray(case.visible()[None, None])
        compiled = jax.jit(lambda q, k, v: jax.nn.dot_product_attention(q, k, v, **words))
        last = [None]

        def run():
            last[0] = compiled(q, k, v).block_until_ready()

        return run, lambda: np.asarray(last[0].astype(np.float32)).transpose(0, 2, 1, 3)
