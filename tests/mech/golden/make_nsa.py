# SPDX-License-Identifier: MIT
"""nsa.gold: make_nsa.py FOLDER_OF_routed.py > nsa.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
from clear import inputs, try_seeds  # noqa: E402


def nsa(b, h, hk, n, d, dv, width, step, block, top, local, first=1, last=2, given=False):
    def build(seed):
        x = gold.Case("nsa b=%d h=%d/%d q=%d k=%d d=%d/%d nsa_compress=%d nsa_stride=%d"
                      " nsa_block=%d nsa_top=%d nsa_first=%d nsa_last=%d nsa_local=%d%s"
                      % (b, h, hk, n, n, d, dv, width, step, block, top, first, last, local,
                         " nsa_given" if given else ""), 8.0)
        q, k, v = inputs(x, seed, b, h, hk, n, n, d, dv, 1 / 32)
        gates = x.make("gate", "row", seed + 3, (b, h, n, 3), 1 / 32)
        k2 = v2 = None
        if given:
            count = (n - width) // step + 1
            k2 = x.make("k2", "kv", seed + 4, (b, hk, count, d))
            v2 = x.make("v2", "kv", seed + 5, (b, hk, count, dv))
        g = np.moveaxis(gates, 3, 0)
        out, _ = routed.ref_nsa(q, k, v, g[0], g[1], g[2], width, step, block, top, local, first,
                                last, k2, v2)
        x.expect("out", out)
        return x
    try_seeds(build, ties=True)


nsa(1, 4, 2, 60, 8, 4, 8, 4, 8, 4, 12)
nsa(2, 2, 1, 45, 8, 8, 6, 3, 12, 3, 9)
nsa(1, 2, 2, 51, 16, 4, 8, 8, 8, 4, 0)                 # two parts
nsa(1, 2, 1, 70, 8, 4, 8, 4, 16, 3, 20, 0, 1)
nsa(1, 4, 1, 40, 8, 4, 8, 4, 8, 3, 8, 1, 1, True)
nsa(1, 2, 1, 5, 8, 8, 8, 4, 8, 3, 4)                   # nothing to compress yet
