# SPDX-License-Identifier: MIT
"""lists.gold: make_lists.py FOLDER_OF_routed.py > lists.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import routed  # noqa: E402
from clear import inputs  # noqa: E402

COMBINE = ["exclusive", "sum", "mean", "lse"]


def ranges(rng, nk, longest, share):
    """Starts and lengths of random ranges of keys, apart or next to each other."""
    at, found = int(rng.integers(0, 3)), []
    while at < nk:
        n = min(int(rng.integers(1, longest + 1)), nk - at)
        if rng.random() < share:
            found.append((at, n))
        at += n + int(rng.integers(0, 3))
    return found


def rows(seed, b, h, hk, nq, nk, d, dv, batch, group, q_block, longest, causal=False,
         logit=None):
    """logit: None, "add" or "replace"."""
    rng = np.random.default_rng(seed)
    x = gold.Case("lists b=%d h=%d/%d q=%d k=%d d=%d/%d%s%s"
                  % (b, h, hk, nq, nk, d, dv, " causal" if causal else "",
                     " lists_logits" if logit else ""), 8.0)
    q, k, v = inputs(x, seed, b, h, hk, nq, nk, d, dv)
    blocks = -(-nq // q_block)
    lists = [ranges(rng, nk, longest, 0.4) for _ in range(batch * (h // group) * blocks)]
    ptr = np.cumsum([0] + [len(found) for found in lists])
    start, length = np.array([e for found in lists for e in found]).reshape(-1, 2).T
    parts = {1: ptr, 2: start, 3: length}
    numbers = rng.integers(-8, 9, len(start)) / 4
    if logit:
        parts[4] = numbers
    if logit == "replace":
        parts[5] = np.ones(len(start), int)
    x.rows(parts, batch, h, group, nq, q_block, nk)
    again = b // batch  # lists that all entries share
    whole = routed.Rows(b, h // group, blocks, q_block,
                        np.concatenate([[0]] + [ptr[1:] + n * ptr[-1] for n in range(again)]),
                        np.tile(start, again), np.tile(length, again), group)
    said = np.tile(numbers, again)
    if logit == "replace":
        out, lse = routed.rows_attention(q, k, v, whole, causal, mode="block",
                                         entry_logit=lambda b, h, i, e: said[e])
    else:
        out, lse = routed.rows_attention(q, k, v, whole, causal,
                                         entry_logit=said if logit else None)
    x.expect("out", out)
    x.expect("lse", lse)
    x.write()


def groups(seed, b, h, nq, nk, d, dv, n, combine, eps=0.0, causal=False):
    rng = np.random.default_rng(seed)
    x = gold.Case("lists b=%d h=%d q=%d k=%d d=%d/%d lists_layout=groups%s"
                  % (b, h, nq, nk, d, dv, " causal" if causal else ""), 8.0)
    q, k, v = inputs(x, seed, b, h, h, nq, nk, d, dv)
    made = []
    for entry in range(b):
        for head in range(h):
            own = rng.integers(0, n + 1, nq)  # n: in none
            for g in range(n):
                qi = own == g if combine == "exclusive" else rng.random(nq) < 0.5
                made.append((entry, head, np.flatnonzero(qi),
                             np.flatnonzero(rng.random(nk) < 0.4)))
    made = [made[at] for at in rng.permutation(len(made))]
    x.groups({6: [g[0] for g in made], 7: [g[1] for g in made],
              8: np.cumsum([0] + [len(g[2]) for g in made]),
              9: np.cumsum([0] + [len(g[3]) for g in made]),
              10: np.concatenate([g[2] for g in made]), 11: np.concatenate([g[3] for g in made])},
             b, h, nq, nk, COMBINE.index(combine), eps)
    x.expect("out", routed.groups_attention(q, k, v, made, causal, combine=combine, eps=eps))
    x.write()


rows(1, 2, 4, 2, 13, 40, 8, 6, 2, 1, 1, 9, causal=True)
rows(2, 2, 4, 2, 13, 40, 8, 8, 1, 2, 4, 1)
rows(3, 1, 4, 1, 37, 66, 5, 3, 1, 4, 33, 20, causal=True)
rows(4, 1, 2, 2, 9, 33, 4, 4, 1, 1, 3, 6, causal=True, logit="add")
rows(5, 2, 4, 2, 9, 33, 4, 4, 2, 4, 1, 12, logit="replace")
rows(6, 1, 3, 3, 1, 70, 8, 8, 1, 1, 1, 1)
groups(11, 2, 2, 21, 35, 8, 6, 3, "exclusive", causal=True)
groups(12, 1, 2, 40, 40, 5, 5, 2, "sum")
groups(13, 1, 2, 17, 40, 8, 8, 3, "mean", eps=0.01, causal=True)
groups(14, 2, 1, 33, 40, 8, 8, 3, "lse", causal=True)
