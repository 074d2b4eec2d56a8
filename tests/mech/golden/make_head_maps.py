# SPDX-License-Identifier: MIT
"""golden_head_maps.h of tests/unit: make_head_maps.py FOLDER_OF_score.py > golden_head_maps.h"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

MOST = 12


def row(values, form):
    return "{" + ", ".join(form % x for x in values) + "}"


print("""/* SPDX-License-Identifier: MIT */
/*
 * What tests/mech/golden/make_head_maps.py made of float64 functions: head
 * allocations, norms and noise for test_head_maps.
 */
#ifndef ATTN_UNIT_GOLDEN_HEAD_MAPS_H
#define ATTN_UNIT_GOLDEN_HEAD_MAPS_H

#include <stdint.h>

/* rule: -1 kdgqa, else ATTN_DGQA_*. */
static const struct {
    int rule, hk, hq;
    double norms[%d], cache[%d];
    int64_t alloc[%d];
} allocations[] = {""" % (MOST, MOST, MOST))
rng = np.random.default_rng(7)
for rule in (-1, 0, 1):
    for draw in range(16):
        hk = int(rng.integers(3, MOST + 1)) if draw else 2
        hq = int(rng.integers(1, 65)) if draw else 5
        norms, cache = (1 + rng.integers(0, 999, (2, hk))).astype(float)
        if draw == 1:  # ties
            norms = np.array([2.0, 1.0] * ((hk - 1) // 2) + [3.0])
            hk = len(norms)
            cache = cache[0] + np.zeros(hk)
        k = norms.reshape(1, hk, 1, 1)
        if rule < 0:
            alloc = score.kdgqa_alloc(k, hq)
        else:
            alloc = score.dgqa_alloc(k, hq, cache, ("diff", "ema")[rule])[0]
        assert alloc.sum() == hq and alloc.min() >= 0
        print("    {%d, %d, %d,\n     %s,\n     %s,\n     %s}," % (
            rule, hk, hq, row(norms, "%.17g"), row(cache, "%.17g"),
            row(alloc, "%d")))
print("};\n")

k = gold.formula(1, (2, 3, 5, 4))
print("/* Of element i = (x %% 61 - 30) / 16, x as in gold.py with seed 1, shape [2,3,5,4]. */\n"
      "static const double key_norms[3] = %s;\n"
      % row(np.sqrt((k * k).sum((2, 3))).sum(0), "%.17g"))

uniform = rng.integers(0, 4096, (4, 2, 3)) / 4096
unit = np.sqrt(np.arange(6)) - np.sqrt(np.arange(6)).mean()
unit = np.broadcast_to(unit / unit.std(ddof=1), (1, 2, 6)).reshape(1, 2, 2, 3)
noise = np.concatenate([score.pgqa_noise(unit, uniform[g:g + 2].reshape(2, 6))[0]
                        for g in (0, 2)])
print("/* [4,2,3], two groups of two heads. */")
for name, a in (("uniform", uniform), ("noise", noise)):
    print("static const double pgqa_%s[24] = {" % name)
    for part in a.reshape(-1, 3):
        print("    " + ", ".join("%.17g" % x for x in part) + ",")
    print("};")
print("\n#endif")
