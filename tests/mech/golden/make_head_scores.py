# SPDX-License-Identifier: MIT
"""golden_head_scores.h: make_head_scores.py FOLDER > ../../unit/golden_head_scores.h

FOLDER has score.py and cache.py, float64 functions that know nothing of this library."""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import cache  # noqa: E402
import gold  # noqa: E402
import score  # noqa: E402

B, H, N, D, L, BOS = 2, 3, 13, 5, 4, 1


def numbers(name, values, kind="double"):
    flat = np.asarray(values).reshape(-1)
    words = ["%d" % x if kind == "int64_t" else "%.15g" % x for x in flat]
    print("static const %s golden_%s[] = {" % (kind, name))
    line = "   "
    for word in words:
        if len(line) + len(word) + 2 > 98:
            print(line)
            line = "   "
        line += " " + word + ","
    print(line + "\n};\n")


print("""/* SPDX-License-Identifier: MIT */
/*
 * Figures of heads, computed once with NumPy in float64 by an implementation
 * that shares nothing with this library; tests/mech/golden/make_head_scores.py
 * wrote this. Inputs are those of gold.py's formula with scale 1/16: probs
 * [2,3,13,13] is its softmax over j <= i with seed 1, outs [2,3,1,5] have the
 * seeds 2 and 3.
 */
#ifndef ATTN_UNIT_GOLDEN_HEAD_SCORES_H
#define ATTN_UNIT_GOLDEN_HEAD_SCORES_H

#include <stdint.h>
""")
s = gold.formula(1, (B, H, N, N))
p = np.exp(np.where(np.tril(np.ones((N, N), bool)), s, -np.inf))
p /= p.sum(-1, keepdims=True)
razor = [cache.razor_head_scores(p[b], L, BOS) for b in range(B)]
numbers("echo", [e for e, _ in razor])
numbers("induction", [d for _, d in razor])
x, y = gold.formula(2, (B, H, 1, D)), gold.formula(3, (B, H, 1, D))
numbers("vhd", [score.vhd(x[b, :, 0], y[b, :, 0]) for b in range(B)])
layers = [p.mean(1), p.mean(1).transpose(0, 2, 1), p.mean(1)]
numbers("rollout", [score.rollout([a[b] for a in layers], 0.75) for b in range(B)])
where = np.array([[3, 1, 0], [4, 4, 5], [2, 3, 4], [4, -1, 9]])
ids, prompt = [7, 8, 8, 8], [0, 0, 8, 7, 8, 0]
numbers("positions", where, "int64_t")
numbers("generated", ids, "int64_t")
numbers("prompt", prompt, "int64_t")
numbers("retrieval", score.retrieval_scores(where, ids, prompt, (2, 5)))
top = np.stack([where, np.roll(where, 1, 0)], -1)
rows = np.full((4, 3, 10), 0.0)
for t in range(4):
    for h in range(3):
        for rank, j in enumerate(top[t, h]):
            rows[t, h, j] = max(rows[t, h, j], 2 - rank)  # -1: the last, outside of the needle
top = np.argsort(-rows, axis=-1, kind="stable")[..., :2]
numbers("positions2", top, "int64_t")
numbers("retrieval2", cache.retrieval_head_score(list(rows), ids, prompt, 2, 5, 2))
lines = [(1024, 0, 500), (0, 0.5, 4096), (10, 0, 4096), (100.5, 0.3, 1234), (-100, 0.7, 777),
         (0, 0, 0), (64, 1, 65), (4096, -0.5, 4096)]
numbers("moa_alpha", [a for a, _, _ in lines])
numbers("moa_beta", [b for _, b, _ in lines])
numbers("moa_n", [n for _, _, n in lines], "int64_t")
numbers("moa_spans", [score.moa_span(a, b, n) for a, b, n in lines], "int64_t")
numbers("moa_bands", [max(1, int(a // 64 + b * n / 64)) for a, b, n in lines], "int64_t")
weights = np.abs(gold.formula(4, (5, N)))
values = gold.formula(5, (5, N, D))
numbers("task_kv_distances", cache.taskkv_split(weights, values, 1, 6)[1])
numbers("task_kv_full", [cache.taskkv_split(weights, values, n, 6)[0] for n in range(6)], "int64_t")
rules = [(32, 0, 32, .25, 4, 1000, 12800), (32, 31, 32, .25, 4, 1000, 12800),
         (8, 3, 7, .3, 1, 100, 500), (8, 0, 1, 1, 0, 50, 400), (8, 2, 4, .5, 3, 90, 100)]
numbers("task_kv_rules", rules)
fulls = [cache.taskkv_num_full(n, r, R, b, m) for n, r, R, b, m, _, _ in rules]
numbers("task_kv_fulls", fulls, "int64_t")
numbers("task_kv_middles", [cache.taskkv_middle(a[0], a[5], a[6], f, 3, 10)
                            for a, f in zip(rules, fulls)], "int64_t")
print("#endif /* ATTN_UNIT_GOLDEN_HEAD_SCORES_H */")
