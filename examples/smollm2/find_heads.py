#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which KV heads look far back: the list that generate.py takes as --duo @FILE.

RazorAttention's test (Tang et al., 2024): the model reads a string of random tokens
again and again. Heads that look at earlier copies of a token (echo), or behind them
(induction), are needed to find things in a long context.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attn
import numpy as np

import fetch_model
import generate
from model import Attend, Config, Decoder, Weights

PERIOD, TIMES = 150, 4
# Shares of all KV heads that the paper keeps, by either figure.
ECHO, INDUCTION = 0.01, 0.14


class HeadTest:
    """Attention to one prompt, which scores its heads by the way."""

    def __init__(self, config: Config, n: int) -> None:
        self.length = 0
        self.echo, self.induction = (np.zeros((config.layers, config.kv_heads)) for _ in range(2))
        self._plan = attn.Context().plan(
            b=1, h=(config.heads, config.kv_heads), q=n, k=n, d=config.head_dim, causal=True,
            want="probs")

    @contextmanager
    def step(self, n: int) -> Iterator[Attend]:
        def attend(layer: int, q: np.ndarray, k: np.ndarray, v: np.ndarray,
                   out: np.ndarray) -> None:
            probs = self._plan.run(q=q, k=k, v=v, out=out).probs
            scores = attn.razor_head_scores(probs, PERIOD)
            # A KV head is as important as the most important of its query heads.
            for found, given in zip((self.echo, self.induction), scores):
                found[layer] = given.reshape(k.shape[1], -1).max(1)

        yield attend
        self.length = n


def retrieval_heads(weights: Weights, seed: int) -> list[str]:
    """The heads to be kept whole, each as LAYER.HEAD."""
    config, n = weights.config, PERIOD * TIMES
    tokens = np.tile(np.random.default_rng(seed).integers(0, config.vocab, PERIOD), TIMES)
    test = HeadTest(config, n)
    Decoder(weights, test, n, n).feed(tokens.tolist())
    kept: set[int] = set()
    for scores, share in ((test.echo, ECHO), (test.induction, INDUCTION)):
        most = max(1, round(share * scores.size))
        kept.update(np.argsort(-scores, axis=None)[:most].tolist())
    return ["%d.%d" % divmod(head, config.kv_heads) for head in sorted(kept)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random tokens")
    parser.add_argument("--model", type=Path, metavar="PATH.gguf",
                        default=fetch_model.model_path(fetch_model.default_cache()),
                        help="another GGUF file of the same family")
    args = parser.parse_args()
    try:
        weights, _ = generate.load_gguf(args.model)
    except (OSError, KeyError, ValueError) as error:
        generate.note(f"find_heads: {error}")
        return 2
    print("\n".join(retrieval_heads(weights, args.seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
