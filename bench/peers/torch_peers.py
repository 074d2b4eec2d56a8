# SPDX-License-Identifier: MIT
"""PyTorch: scaled_dot_product_attention as it chooses, its plain form, FlexAttention."""
from __future__ import annotations

import functools
import math
import warnings

import numpy as np


class _Torch:
    def __init__(self, threads):
        import torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.torch = torch
        self.version = torch.__version__

    def tensor(self, array):
        """The same memory; NumPy's bfloat16 is foreign to it."""
        if array.dtype.itemsize == 2 and array.dtype != np.float16:
            return self.torch.from_numpy(array.view(np.uint16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def prepared(self, compute):
        """run() and result() around a function that returns a new tensor."""
        last = [None]

        def run():
            last[0] = compute()

        return run, lambda: last[0].float().numpy()


class TorchSdpa(_Torch):
    name = "torch-sdpa"

    def supports(self, case):
        return "softcap is not an option" if case.softcap else None

    def keywords(self, case):
        words = {"scale": case.scale, "enable_gqa": case.hk != case.hq}
        if case.slopes is not None:
            bias = -case.slopes[:, None, None] * case.distances()
            bias = np.where(case.visible(), bias, -math.inf).astype(np.float32)
            words["attn_mask"] = self.torch.from_numpy(bias)[None].to(self.tensor(case.q).dtype)
        elif case.only_causal:
            words["is_causal"] = True
        elif not case.plain:
            words["attn_mask"] = self.torch.from_numpy(case.visible())
        return words

    def prepare(self, case):
        attend = self.torch.nn.functional.scaled_dot_product_attention
        return self.prepared(functools.partial(
            attend, *map(self.tensor, (case.q, case.k, case.v)), **self.keywords(case)))


class TorchMath(TorchSdpa):
    name = "torch-math"

    def prepare(self, case):
        from torch.nn.attention import SDPBackend, sdpa_kernel
        inner = super().prepare(case)

        def run():
            with sdpa_kernel(SDPBackend.MATH):
                inner[0]()

        return run, inner[1]


class TorchFlex(_Torch):
    name = "torch-flex"

    def __init__(self, threads):
        super().__init__(threads)
        from torch.nn.attention import flex_attention
        self.flex = flex_attention

    def supports(self, case):
        return None

    def score_mod(self, case):
        torch, softcap = self.torch, case.softcap
        if case.slopes is None and not softcap:
            return None
        slopes = None if case.slopes is None else torch.tensor(case.slopes, dtype=torch.float32)
        shift = case.shift

        def mod(score, b, h, q, k):
            if softcap:
                score = softcap * torch.tanh(score / softcap)
            return score if slopes is None else score - slopes[h] * (q + shift - k).abs()

        return mod

    def block_mask(self, case):
        if case.plain:
            return None
        left, right, shift = case.left, case.right, case.shift

        def mod(b, h, q, k):
            seen = k <= q + shift + right if right != math.inf else k >= 0
            return seen & (k >= q + shift - left) if left != math.inf else seen

        return self.flex.create_block_mask(mod, None, None, case.n, case.m, device="cpu")

    def prepare(self, case):
        # Each shape by itself: dynamic shapes would be slower.
        self.torch._dynamo.reset()
        compiled = self.torch.compile(self.flex.flex_attention, dynamic=False, fullgraph=True)
        q, k, v = map(self.tensor, (case.q, case.k, case.v))
        compute = functools.partial(
            compiled, q, k, v, score_mod=self.score_mod(case), block_mask=self.block_mask(case),
            scale=case.scale, enable_gqa=case.hk != case.hq)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compute()
        return self.prepared(compute)
