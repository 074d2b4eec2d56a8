# SPDX-License-Identifier: MIT
"""What each storage type of the cache costs in logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from attention import Float64Attention, LibattnAttention
from comparison import Comparison
from model import Decoder, Weights
from storage import KV_TYPES, Storage

CHUNK = 64  # tokens whose logits are held at a time


def cost_table(weights: Weights, storage: Storage, tokens: Sequence[int], threads: int) -> str:
    """Runs the tokens through a cache of each type, and through float64 attention.

    The float64 pass sees all tokens, so that windows show in the figures.
    """
    config, n = weights.config, len(tokens)
    attends = [LibattnAttention(config, dataclasses.replace(storage, kv=kv), n, CHUNK, threads)
               for kv in KV_TYPES]
    costs = [Comparison() for _ in KV_TYPES]
    exact = Decoder(weights, Float64Attention(config, n), n, CHUNK).feed_each(tokens)
    streams = [Decoder(weights, attend, n, CHUNK).feed_each(tokens) for attend in attends]
    for expected, *found in zip(exact, *streams):
        for cost, logits in zip(costs, found):
            cost.add(logits, expected)
    lines = [f"logits of these {n} tokens against float64 attention to all of them, by the type "
             "of the cache:",
             "  type   cache bytes   relative RMS   same likeliest token"]
    for kv, attend, cost in zip(KV_TYPES, attends, costs):
        lines.append(f"  {kv:5}  {attend.cache.stats['bytes']:11}       {cost.relative_rms():.2e}"
                     f"   {cost.same_choice()}")
    return "\n".join(lines)
