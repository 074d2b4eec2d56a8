# SPDX-License-Identifier: MIT
"""small_presets.gold: make_small_presets.py FOLDER_OF_score.py > small_presets.gold

soft_injection, sqa, shsa and lowformer_mhsa: what attention is in them.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402


def inputs(case, b, hq, hk, nq, nk, d, dv):
    return (case.make("q", "q", 1, (b, hq, nq, d)), case.make("k", "kv", 2, (b, hk, nk, d)),
            case.make("v", "kv", 3, (b, hk, nk, dv)))


# the last row of each sequence alone moves
b, h, hk, nq, nk, d, dv = 2, 4, 2, 5, 33, 8, 12
case = gold.Case("soft_injection b=%d h=%d/%d q=%d k=%d d=%d/%d causal" % (b, h, hk, nq, nk, d, dv),
                 6.0)
q, k, v = inputs(case, b, h, hk, nq, nk, d, dv)
target = case.make("mix_target", "q", 4, (1, h, 1, dv))
alpha = np.array([0.0, 0.375, 0.5, 1.0])
rows = np.zeros((1, h, nq))
rows[:, :, -1] = alpha
case.give("mix_alpha", "row", rows)
out = score.attention(q, k, v, vis=score.causal(nq, nk))[0]
out[:, :, -1:] = score.head_mix(out[:, :, -1:], target, alpha)
case.expect("out", out)
case.write()

for hq, hk in ((4, 2), (2, 2), (2, 4), (1, 3)):
    case = gold.Case("sqa b=1 h=%d/%d q=6 k=35 d=8/12" % (hq, hk), 6.0)
    q, k, v = inputs(case, 1, hq, hk, 6, 35, 8, 12)
    case.expect("out", score.sqa(q, k, v))
    case.write()

# without its norm and projections, whose result is q, k and v
case = gold.Case("shsa b=2 q=49 k=49 d=16/32", 6.0)
q, k, v = inputs(case, 2, 1, 1, 49, 49, 16, 32)
case.expect("out", score.attention(q, k, v, scale=16 ** -0.5)[0])
case.write()

case = gold.Case("lowformer_mhsa b=1 h=2 q=49 k=49 d=30", 6.0)
q, k, v = inputs(case, 1, 2, 2, 49, 49, 30, 30)
case.expect("out", score.attention(q, k, v)[0])
case.write()
