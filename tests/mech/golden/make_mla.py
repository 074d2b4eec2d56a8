# SPDX-License-Identifier: MIT
"""mla.gold: make_mla.py FOLDER_OF_score.py > mla.gold"""
import sys

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
