# SPDX-License-Identifier: MIT
"""The generation loop: stream the answer, then say what was measured."""

from __future__ import annotations

import codecs
import time
from dataclasses import dataclass, field

import numpy as np

from attention import Float64Attention, LibattnAttention
from comparison import Comparison
from model import Decoder, Weights
from tokenizer import Codec

PREFILL_ROWS = 256  # a longer prompt is fed in chunks of this many tokens
CHECK_LIMIT = 1e-5  # relative RMS of the logits that a check accepts


@dataclass(frozen=True)
class Request:
    """What to generate, and how."""

    system: str
    prompt: str
    tokens: int
    threads: int
    temperature: float
    seed: int
    check: bool
    solver: str | None


@dataclass
class Phase:
    """Where the time of one phase went, and the shapes its attention calls had."""

    seconds: float = 0.0
    attention: float = 0.0
    tokens: int = 0
    shapes: list[tuple[int, int]] = field(default_factory=list)

    def report(self, name: str, attend: LibattnAttention) -> str:
        if not self.tokens:
            return f"{name}: no tokens"
        return (f"{name}: {self.tokens} tokens in {self.seconds:.3f} s = "
                f"{self.tokens / self.seconds:.1f} tokens/s, "
                f"attention {100 * self.attention / self.seconds:.1f} % of the time, "
                f"solver {self._solvers(attend)}")

    def _solvers(self, attend: LibattnAttention) -> str:
        """Solver names with the range of shapes each one served."""
        served: dict[str, list[tuple[int, int]]] = {}
        for rows, keys in self.shapes:
            served.setdefault(attend.plan_for(rows).solver(rows, keys), []).append((rows, keys))

        def span(values: list[int]) -> str:
            low, high = min(values), max(values)
            return str(low) if low == high else f"{low}..{high}"

        return ", ".join(
            f"{name} (q={span([q for q, _ in pairs])} k={span([k for _, k in pairs])})"
            for name, pairs in served.items())


def choose(logits: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    """The next token: the likeliest, or drawn by softmax(logits / temperature)."""
    if temperature == 0:
        return int(logits.argmax())
    scaled = (logits.astype(np.float64) - logits.max()) / temperature
    weights = np.exp(scaled)
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def generate(request: Request, weights: Weights, codec: Codec) -> bool:
    """Run the request on stdout; False if a check was asked for and failed."""
    config = weights.config
    prompt = codec.chat(request.system, request.prompt)
    n_ctx = len(prompt) + request.tokens
    if n_ctx > config.context:
        raise ValueError(f"prompt and answer: {n_ctx} tokens, expected at most {config.context}")
    chunk = min(len(prompt), PREFILL_ROWS)
    attend = LibattnAttention(config, n_ctx, chunk, request.threads, request.solver)
    decoder = Decoder(weights, attend, n_ctx, chunk)
    exact = Decoder(weights, Float64Attention(), n_ctx, chunk) if request.check else None
    comparison = Comparison(CHECK_LIMIT)
    rng = np.random.default_rng(request.seed)
    prefill, decode = Phase(), Phase()

    def feed(tokens: list[int], phase: Phase) -> np.ndarray:
        for start in range(0, len(tokens), chunk):
            rows = min(chunk, len(tokens) - start)
            phase.shapes.append((rows, decoder.length + start + rows))
        attention_before = attend.seconds
        start_time = time.perf_counter()
        logits = decoder.feed(tokens)
        phase.seconds += time.perf_counter() - start_time
        phase.attention += attend.seconds - attention_before
        phase.tokens += len(tokens)
        if exact is not None:
            # Both passes get the tokens chosen from libattn's logits: were each to choose
            # its own, one near tie would send them down different texts.
            comparison.add(logits, exact.feed(tokens))
        return logits

    print(f"> {request.prompt}", flush=True)
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    logits = feed(prompt, prefill)
    end = f"stopped after {request.tokens} tokens"
    for made in range(request.tokens):
        token = choose(logits, request.temperature, rng)
        if token in codec.stop:
            end = f"the model ended its answer after {made} tokens"
            break
        print(utf8.decode(codec.token_bytes(token)), end="", flush=True)
        if made + 1 < request.tokens:
            logits = feed([token], decode)
    print(utf8.decode(b"", final=True))

    print(f"\n{end}; context {decoder.length} tokens, room for {n_ctx}; {config.layers} layers, "
          f"{config.heads}/{config.kv_heads} heads of {config.head_dim}, "
          f"{request.threads} threads")
    print(prefill.report("prefill", attend))
    print(decode.report("decode", attend))
    if exact is None:
        return True
    print(comparison.report())
    return comparison.passed()
