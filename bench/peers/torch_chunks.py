# SPDX-License-Identifier: MIT
"""Recurrences by chunks in PyTorch, in the form that packages have them in for tests and CPUs.

All chunks' insides at once as batched products, then a loop over the chunks that moves the
state on. Triangular systems are solved, not substituted row by row, which is faster.
"""
from __future__ import annotations

from .torch_peers import _Torch

CHUNK = 64


class TorchChunks(_Torch):
    name = "torch-chunks"
    recurrent = True

    def supports(self, case):
        return None if case.n % CHUNK == 0 else "chunks of %d do not divide n" % CHUNK

    def prepare(self, case):
        arrays = [self.torch.from_numpy(x.copy()) if x is not None else None
                  for x in (case.q, case.k, case.v, case.g, case.beta)]
        if arrays[3] is not None and arrays[3].dim() == 3:
            arrays[3] = arrays[3][..., None]
        compute = self.delta if case.erases else self.additive
        return self.prepared(lambda: compute(case, *arrays))

    def chunks(self, x):
        return x.reshape(*x.shape[:2], -1, CHUNK, x.shape[3])

    def gates(self, g):
        """Sums of log decays from a chunk's start, their factors, and those to its end."""
        sums = self.chunks(g).cumsum(3)
        return sums, sums.exp(), (sums[..., -1:, :] - sums).exp()

    def additive(self, case, q, k, v, g, _):
        torch = self.torch
        if case.normalised:
            q, k = (torch.nn.functional.elu(x) + 1 for x in (q, k))
        q, k, v = map(self.chunks, (q * case.scale, k, v))
        end, late = k, None
        if g is None:
            scores, read = q @ k.mT, q
        else:
            sums, grown, left = self.gates(g)
            end, read, late = k * left, q * grown, grown[..., -1, :, None]
            if g.shape[3] == 1:
                scores = q @ k.mT * (sums - sums.mT).tril().exp()
            else:
                scores = read @ (k * (-sums).exp()).mT
        out = scores.tril() @ v
        state = out.new_zeros(*q.shape[:2], q.shape[4], v.shape[4])
        for i in range(q.shape[2]):
            out[:, :, i] += read[:, :, i] @ state
            new = end[:, :, i].mT @ v[:, :, i]
            state = new + (state if late is None else state * late[:, :, i])
        if case.normalised:
            total = k.flatten(2, 3).cumsum(2).reshape(k.shape)
            out /= (q * total).sum(-1, keepdim=True) + 1e-6
        return out.flatten(2, 3)

    def delta(self, case, q, k, v, g, beta):
        torch = self.torch
        if g is None:
            g = torch.zeros_like(beta)[..., None]
        q, k, v, beta = map(self.chunks, (q * case.scale, k, v, beta[..., None]))
        sums, grown, left = self.gates(g)
        decay = (sums - sums.mT).tril().exp().tril()
        k_beta = k * beta
        system = (k_beta @ k.mT * decay).tril(-1)
        both = torch.linalg.solve_triangular(
            system, torch.cat((v * beta, k_beta * grown), -1), upper=False, unitriangular=True)
        values, erasers = both.split((v.shape[4], k.shape[4]), -1)
        scores, read, end = (q @ k.mT * decay).tril(), q * grown, k * left
        out = torch.empty_like(v)
        state = out.new_zeros(*q.shape[:2], q.shape[4], v.shape[4])
        for i in range(q.shape[2]):
            new = values[:, :, i] - erasers[:, :, i] @ state
            out[:, :, i] = read[:, :, i] @ state + scores[:, :, i] @ new
            state = state * grown[:, :, i, -1:] + end[:, :, i].mT @ new
        return out.flatten(2, 3)
