# SPDX-License-Identifier: MIT
"""pine.gold: make_pine.py FOLDER_OF_score.py > pine.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402


def margins(q, k, docs, scale):
    """No two documents nearly equal, or rounding would decide their order."""
    n, length = q.shape[1], np.array([b - a for a, b in docs])
    for h in range(q.shape[0]):
        s = q[h] @ k[h].T * scale
        for rows in [range(a, b) for a, b in docs] + [range(i, i + 1) for i in range(docs[-1][1], n)]:
            own = [e for e, (a, b) in enumerate(docs) if rows[0] in range(a, b)]
            rest = [e for e in range(len(docs)) if e not in own and length[e]]
            if len(rest) < 2:
                continue
            imp = np.zeros(len(rest))
            for i in rows:
                w = [np.exp(s[i, docs[e][0]:docs[e][1]]) for e in rest]
                imp += np.array([x.mean() for x in w]) / sum(x.sum() for x in w)
            gaps = np.diff(np.sort(imp)) / imp.max()
            assert gaps.min() > 2e-4, gaps.min()


for b, h, hk, n, first, d, dv, docs, words, seed in (
        (1, 2, 2, 12, 0, 8, 8, (2, 4, 7, 9), "", 1),
        (1, 4, 2, 70, 0, 16, 12, (5, 25, 41, 60), " rope=interleaved", 2),
        (2, 2, 1, 45, 0, 8, 8, (0, 13, 33), " rope_base=500", 3),
        (1, 2, 2, 40, 0, 8, 16, (3, 30), "", 4),
        (1, 2, 2, 60, 57, 8, 8, (4, 14, 29, 41, 52), "", 5),
        (1, 2, 1, 50, 20, 8, 8, (6, 20, 28, 28, 40, 50), " rope_dim=4", 6)):
    scale = 0.125
    case = gold.Case("pine b=%d h=%d/%d q=%d k=%d d=%d/%d causal scale=%g pine_docs=%d%s"
                     % (b, h, hk, n - first, n, d, dv, scale, len(docs) - 1, words), 12.0)
    q = case.make("q", "q", seed, (b, h, n - first, d))
    k = case.make("k", "kv", seed + 10, (b, hk, n, d))
    v = case.make("v", "kv", seed + 20, (b, hk, n, dv))
    case.give("docs", "i32" if seed % 2 else "i64", np.array([docs]))
    pairs = [(x, y) for x, y in zip(docs, docs[1:]) if y > x]  # empty ones change nothing
    rd = 4 if "rope_dim" in words else d
    inv = score.rope_inv_freq(rd, 500.0 if "base" in words else 10000.0)[0]
    pairing = "interleaved" if "interleaved" in words else "half"
    if rd < d:
        rope = score.rope
        score.rope = lambda x, p, f, pairing: rope(x, p, f, pairing, rd)
    rep = lambda x: x.repeat(h // hk, 1)  # noqa: E731
    # queries that are not of this execute, whose rows are cut away again
    full = np.concatenate([gold.formula(99, (b, h, first, d)), q], 2)
    if len(pairs) == 1:  # nothing moves
        turn = lambda x: score.rope(x, np.arange(n), inv, pairing)  # noqa: E731
        out = score.attention(turn(full), turn(rep(k)), rep(v), scale=scale,
                              vis=score.causal(n, n))[0]
    else:
        out = np.stack([score.pine(full[x], rep(k)[x], rep(v)[x], pairs, inv, scale, pairing)
                        for x in range(b)])
    for x in range(b):
        margins(full[x], rep(k)[x], pairs, scale)
    case.expect("out", out[:, :, first:])
    case.write()
