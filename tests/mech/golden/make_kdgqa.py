# SPDX-License-Identifier: MIT
"""kdgqa.gold: make_kdgqa.py FOLDER_OF_score.py > kdgqa.gold

kdgqa and dgqa with the maps of their keys; pgqa with its noise.
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402


def inputs(case, b, hq, hk, n, d, dv):
    return (case.make("q", "q", 1, (b, hq, n, d)), case.make("k", "kv", 2, (b, hk, n, d)),
            case.make("v", "kv", 3, (b, hk, n, dv)))


for mech, b, hq, hk, n, d, dv in (("kdgqa", 1, 8, 3, 33, 8, 4), ("kdgqa", 2, 12, 4, 5, 16, 8),
                                  ("dgqa", 1, 6, 3, 65, 8, 4)):
    k = gold.formula(2, (b, hk, n, d))
    if mech == "kdgqa":
        alloc = score.kdgqa_alloc(k, hq)
    else:
        alloc = score.dgqa_alloc(k, hq, gold.formula(9, (hk,)) ** 2)[0]
    table = score.alloc_to_map(alloc)
    case = gold.Case("%s b=%d h=%d/%d q=%d k=%d d=%d/%d kv_head=[%s]"
                     % (mech, b, hq, hk, n, n, d, dv, ",".join(str(g) for g in table)), 6.0)
    q, k, v = inputs(case, b, hq, hk, n, d, dv)
    out, _, lse = score.attention(q, k, v, kv_of=table)
    case.expect("out", out)
    case.expect("lse", lse)
    case.write()

rng = np.random.default_rng(5)
for b, hq, hk, n, d, dv in ((1, 4, 2, 5, 8, 8), (2, 6, 2, 17, 8, 5), (2, 2, 1, 1, 8, 1)):
    case = gold.Case("pgqa b=%d h=%d/%d q=%d k=%d d=%d/%d" % (b, hq, hk, n, n, d, dv), 6.0)
    q, k, v = inputs(case, b, hq, hk, n, d, dv)
    plain, _, lse = score.attention(q, k, v, kv_of=score.kv_head_map(hq, hk))
    group = hq // hk
    noise, out = np.zeros((hq, n, dv)), np.zeros_like(plain)
    for g in range(hk):
        part = slice(g * group, (g + 1) * group)
        uniform = rng.random((group, n * dv))
        if n * dv > 1:
            # on a head of mean 0 and deviation 1 the oracle's noise is the noise itself
            unit = np.sqrt(np.arange(n * dv)) - np.sqrt(np.arange(n * dv)).mean()
            unit = np.broadcast_to(unit / unit.std(ddof=1), (1, group, n * dv))
            made = score.pgqa_noise(unit.reshape(1, group, n, dv), uniform)[0]
            noise[part] = np.vectorize(lambda x: float("%.9g" % np.float32(x)))(made)
            expected = plain[:, part] - score.pgqa_noise(plain[:, part], uniform)
        else:
            expected = np.zeros_like(plain[:, part])  # a head of one number is its mean
        x = plain[:, part].reshape(b, group, -1)
        sd = x.std(-1, ddof=1, keepdims=True) if n * dv > 1 else 0
        out[:, part] = (x - noise[part].reshape(group, -1) * sd
                        - x.mean(-1, keepdims=True)).reshape(expected.shape)
        assert np.abs(out[:, part] - expected).max() < 1e-5
    case.give("pgqa_noise", "row", noise)
    case.expect("out", out)
    case.expect("lse", lse)
    case.write()
