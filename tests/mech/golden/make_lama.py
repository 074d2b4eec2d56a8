# SPDX-License-Identifier: MIT
"""lama.gold: make_lama.py FOLDER_OF_score.py > lama.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, m, n, d, words, masked, length in (
        (1, 4, 7, 8, "", False, None),
        (2, 5, 65, 16, " mask", True, None),
        (2, 3, 130, 33, "", False, (70, 0)),
        (1, 1, 33, 8, "", False, None)):
    case = gold.Case("lama b=%d h=%d/1 q=1 k=%d d=%d%s want=probs,entropy" % (b, m, n, d, words))
    x = case.make("k", "kv", 1, (b, 1, n, d))
    p = case.make("lama_p", "row", 2, (m, d), 1 / 8)
    q = case.make("lama_q", "row", 3, (m, d), 1 / 32)
    on = np.ones((b, n), bool)
    if masked:
        on = (np.arange(b * n).reshape(b, n) * 7) % 3 != 0
        on[1] = False  # a batch element without tokens
        case.give("mask", "u8", on[:, None, None].astype(np.uint8))
    if length:
        case.give("k_len", "i32", np.array(length))
        on = np.arange(n)[None] < np.array(length)[:, None]
    weights, pooled = score.lama(x[:, 0], p.T, q.T, on)
    # no token near the point where all heads are silent
    c = (x[:, 0] * on[..., None]).sum(1) / np.maximum(on.sum(1, keepdims=True), 1)
    a = np.tanh((c @ p.T)[:, :, None] * np.einsum("bnd,md->bmn", x[:, 0], q))
    size = np.sqrt((a * a).sum(1))
    assert size[on].min() > 1e-3, size[on].min()
    weights = np.where(on[:, None], weights, 0)
    pooled = np.where(on.any(1)[:, None], np.nan_to_num(pooled), 0)
    case.expect("out", pooled.reshape(b, m, 1, d))
    case.expect("probs", weights[:, :, None])
    log = np.log(np.where(weights > 0, weights, 1))
    case.expect("entropy", -(weights * log).sum(-1)[:, :, None])
    case.write()
