# SPDX-License-Identifier: MIT
"""visible.gold: make_visible.py FOLDER_OF_score.py > visible.gold"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import gold  # noqa: E402
import score  # noqa: E402


def case(problem, vis, heads=(2, 1), b=1, d=16, dv=4, more=()):
    """vis: [Nq,Nk] or [Hq,Nq,Nk]; more: what execute brings besides."""
    h, hk = heads
    nq, nk = vis.shape[-2:]
    text = problem.split(" ", 1) + [""]
    c = gold.Case("%s b=%d h=%d/%d q=%d k=%d d=%d/%d %s"
                  % (text[0], b, h, hk, nq, nk, d, dv, text[1]), 6.0)
    q = c.make("q", "q", 1, (b, h, nq, d))
    k = c.make("k", "kv", 2, (b, hk, nk, d))
    v = c.make("v", "kv", 3, (b, hk, nk, dv))
    for role, kind, array in more:
        c.give(role, kind, np.asarray(array))
    out, _, lse = score.attention(q, k, v, vis=vis)
    c.expect("out", out)
    c.expect("lse", lse)
    c.write()


# croc: the prefix of the code, the image of the paper, a prefix at execute
case("croc prefix=9", score.croc_code(40, 9))
case("croc any=rect[3,20,3,20]", score.prefix_lm(70, 0) | score.rect(70, 70, 3, 20, 3, 20))
case("croc any=prefix[]", score.croc_code(33, 12), more=[("prefix_len", "i32", [12])])
# mma
case("mma any=rect[4,20,20,37]", score.mma(50, 4, 20, 37))
case("mma any=rect[]", score.mma(50, 4, 20, 37), more=[("rects", "i64", [[[4, 20, 20, 37]]])])
# ee_mllm: text queries behind visual keys; without those causal
case("ee_mllm", score.ee_mllm(45, 20))
case("ee_mllm", score.ee_mllm(0, 33))
# mixformer, classes in any order
case("mixformer", score.mixformer(16, 35),
     more=[("class_q", "u8", [[0] * 16 + [1] * 35]), ("class_k", "u8", [[0] * 16 + [1] * 35])])
# multitab
classes = [[0] * 30 + [1, 2, 3, 4, 5]]
for kind, word in (("T-T", "t_t"), ("F-T", "f_t"), ("both", "both")):
    case("multitab multitab_tasks=5 multitab_mask=%s" % word, score.multitab(30, 5, kind),
         more=[("class_q", "u8", classes), ("class_k", "u8", classes)])
# s2_attention: GQA, an offset, dense heads, one pattern for all heads
case("s2_attention s2_block=8 s2_local_blocks=2 s2_stride=4",
     score.s2_mask(4, 90, 8, 2, 4, kv_heads=2), heads=(4, 2))
case("s2_attention s2_block=4 s2_local_blocks=1 s2_stride=8 s2_offset=3 s2_dense_heads=1",
     score.s2_mask(4, 70, 4, 1, 8, offset=3, num_dense=1, kv_heads=4), heads=(4, 4))
case("s2_attention s2_block=4 s2_local_blocks=1 s2_stride=5 s2_homo_head",
     score.s2_mask(4, 70, 4, 1, 5, kv_heads=2, homo=True), heads=(4, 2))
# moa_span: the layout of the prefill, block by block
n, block, bands = 90, 8, (1, 3, 2, 12)
i, j = np.arange(n)[:, None], np.arange(n)[None]
moa = np.stack([(j <= i) & ((i // block - j // block < w) | (j // block == 0)) for w in bands])
case("moa_span moa_bands=[1,3,2,12] moa_block=8", moa, heads=(4, 2))
# ssa: the same keys for all queries; causal besides
keep = score.ssa_unbiased(60, 15, np.random.default_rng(4))
kept = np.zeros((60, 60), bool)
kept[:, keep] = True
lists = [("list_offsets", "i32", [[[0, 15]]]), ("list_index", "i32", keep)]
case("ssa", kept, more=lists)
case("ssa causal", kept & score.causal(60, 60), more=lists)
# masformer: a layer of each kind
case("masformer", score.causal(40, 40))
case("masformer window=15,0", score.sliding_window(70, 16))
