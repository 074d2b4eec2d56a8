# SPDX-License-Identifier: MIT
"""mla.gold: make_mla.py FOLDER_OF_score.py > mla.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402

for b, h, nq, nk, dn, dr, dv, r in ((1, 2, 5, 37, 8, 4, 12, 24), (2, 3, 1, 65, 16, 8, 8, 70),
                                    (1, 4, 35, 35, 8, 0, 8, 16)):
    for form in ("absorbed", "naive"):
        case = gold.Case("mla b=%d h=%d/1 q=%d k=%d d=%d/%d causal mla_form=%s mla_rank=%d "
                         "mla_rope_dim=%d" % (b, h, nq, nk, dn + dr, dv, form, r, dr), 6.0)
        q = case.make("q_nope", "q", 1, (b, h, nq, dn))
        pe = case.make("q_pe", "q", 2, (b, h, nq, dr)) if dr else q[..., :0]
        latent = case.make("latent", "kv", 3, (b, 1, nk, r + dr))
        wuk = case.make("mla_wuk", "q", 4, (h, dn, r), 1 / 128)
        wuv = case.make("mla_wuv", "q", 5, (h, dv, r), 1 / 128)
        out, lse = score.mla_naive(q, pe, latent[:, 0, :, :r], latent[:, 0, :, r:], wuk, wuv,
                                   (dn + dr) ** -0.5, score.causal(nq, nk))
        case.expect("out", out)
        case.expect("lse", lse)
        case.write()

# a bias that asks how many keys there are, where K is not one of the roles
b, h, n, dn, dr, dv, r = 1, 2, 6, 8, 4, 8, 12
for form in ("absorbed", "naive"):
    case = gold.Case("mla b=%d h=%d/1 q=%d k=%d d=%d/%d swin_h=2 swin_w=3 mla_form=%s mla_rank=%d "
                     "mla_rope_dim=%d" % (b, h, n, n, dn + dr, dv, form, r, dr), 6.0)
    q = case.make("q_nope", "q", 1, (b, h, n, dn))
    pe = case.make("q_pe", "q", 2, (b, h, n, dr))
    latent = case.make("latent", "kv", 3, (b, 1, n, r + dr))
    wuk = case.make("mla_wuk", "q", 4, (h, dn, r), 1 / 128)
    wuv = case.make("mla_wuv", "q", 5, (h, dv, r), 1 / 128)
    table = case.make("swin_table", "row", 6, (3 * 5, h))
    c = latent[:, 0, :, :r]
    k_pe = np.broadcast_to(latent[:, :, :, r:], (b, h, n, dr))
    k = np.concatenate([np.einsum("hdr,bjr->bhjd", wuk, c), k_pe], -1)
    v = np.einsum("hdr,bjr->bhjd", wuv, c)
    out, _, lse = score.attention(np.concatenate([q, pe], -1), k, v, scale=(dn + dr) ** -0.5,
                                  bias=score.swin_bias(table, 2, 3))
    case.expect("out", out)
    case.expect("lse", lse)
    case.write()
