# SPDX-License-Identifier: MIT
"""hyper.gold: make_hyper.py FOLDER_OF_routed.py > ..."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
from clear import inputs  # noqa: E402

ALL = 2**64 - 1


def mix(x):
    x = (x + 0x9e3779b97f4a7c15) & ALL
    x = ((x ^ x >> 30) * 0xbf58476d1ce4e5b9) & ALL
    x = ((x ^ x >> 27) * 0x94d049bb133111eb) & ALL
    return x ^ x >> 31


def drawn(seed, head, level, segment, keys, n):
    """As docs/mechanisms/hyper.md says."""
    own = mix((mix((mix(seed) + head) & ALL) + (level << 48 | segment)) & ALL)
    return [(mix((own + i) & ALL) >> 32) * keys >> 32 for i in range(n)]


def hyper(b, h, nq, nk, d, dv, causal, block, samples, least, bits, ids):
    """ids: a seed, or the samples themselves."""
    given = not isinstance(ids, int)
    x = gold.Case("hyper b=%d h=%d q=%d k=%d d=%d/%d%s hyper_block=%d hyper_samples=%d"
                  " hyper_least=%d hyper_bits=%d %s"
                  % (b, h, nq, nk, d, dv, " causal" if causal else "", block, samples, least, bits,
                     "hyper_given" if given else "hyper_seed=%d" % ids), 8.0)
    q, k, v = inputs(x, 1, b, h, h, nq, nk, d, dv)
    proj = x.make("projections", "row", 4, (d, bits))
    if given:
        ids = np.asarray(ids)
        x.give("samples", "i32", ids)

    def draw(_, heads, keys):
        level = (heads // h).bit_length() - 1
        if given:
            one = np.broadcast_to(ids % keys, (b, h, samples))
            return np.repeat(one, heads // h, axis=1)
        one = [drawn(ids, n >> level, level, n % (1 << level), keys, samples)
               for n in range(heads)]
        return np.broadcast_to(np.array(one, int).reshape(heads, samples), (b, heads, samples))

    if causal:
        out, lse = routed.ref_hyper_causal(q, k, v, proj, block, draw, None, least)
    else:
        some = draw(b, h, nk) if samples else None
        out, lse = routed.ref_hyper_noncausal(q, k, v, proj, block, some, None, least)
    x.expect("out", out)
    x.expect("lse", lse)
    x.write()


# products of inputs are exact, so that codes are the same in any arithmetic
hyper(1, 2, 40, 40, 8, 4, False, 8, 6, 1, 5, 3)
hyper(2, 1, 37, 35, 4, 8, False, 8, 12, 1, 9, 77)
hyper(1, 2, 30, 30, 8, 4, False, 7, 0, 1, 5, 0)             # blocks alone
hyper(1, 2, 16, 16, 8, 4, False, 4, 5, 17, 3, 1)            # exact
hyper(2, 2, 24, 24, 8, 4, False, 5, 6, 2, 4,
      [[[0, 3, 3, 3, 23, 9], [1, 2, 4, 8, 16, 16]]])
hyper(1, 2, 48, 48, 8, 4, True, 4, 5, 6, 5, 5)
hyper(2, 1, 37, 37, 4, 4, True, 3, 4, 5, 6, 9)              # odd lengths
hyper(1, 1, 29, 29, 8, 4, True, 2, 3, 3, 4, 12)             # exact estimates
hyper(1, 2, 32, 32, 8, 4, True, 4, 6, 7, 4, [[[0, 9, 9, 31, 30, 17]]])
