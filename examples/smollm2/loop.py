# SPDX-License-Identifier: MIT
"""The generation loop: stream the answer, then say what was measured."""

from __future__ import annotations

import codecs
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import prompt_file
from attention import Float64Attention, LibattnAttention
from comparison import Comparison
from cost_table import cost_table
from model import Decoder, Weights
from storage import Storage
from tokenizer import Codec

PREFILL_ROWS = 256  # a longer prompt is fed in chunks of this many tokens

# Relative RMS of the logits that a check accepts. What is not f32 was rounded on its way into
# the cache: several times what SmolLM2 makes of that.
CHECK_LIMITS = {"f32": 1e-5, "f16": 5e-3, "bf16": 3e-2, "q8_0": 0.1, "fp8": 0.3, "kivi4": 0.3,
                "q4_0": 1.0}


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
    kv_table: bool
    solver: str | None
    storage: Storage
    save: Path | None
    load: Path | None


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


class Passes:
    """libattn's pass of the model and, for a check, a float64 one that gets the same tokens.

    Were each to choose its own, one near tie would send them down different texts.
    """

    def __init__(self, request: Request, weights: Weights, n_ctx: int, chunk: int,
                 saved: prompt_file.SavedPrompt | None) -> None:
        config, storage = weights.config, request.storage
        room = n_ctx if saved is None else max(n_ctx, len(saved.tokens))
        self.attend = LibattnAttention(config, storage, room, chunk, request.threads,
                                       request.solver)
        self.decoder = Decoder(weights, self.attend, n_ctx, chunk)
        self.exact = (Decoder(weights, Float64Attention(config, n_ctx, storage), n_ctx, chunk)
                      if request.check else None)
        self.comparison = Comparison()
        self._chunk = chunk

    def feed(self, tokens: list[int], phase: Phase, known: int = 0) -> np.ndarray:
        """The logits after the last token; libattn's pass has the first `known` already."""
        for start in range(known, len(tokens), self._chunk):
            rows = min(self._chunk, len(tokens) - start)
            phase.shapes.append((rows, self.decoder.length - known + start + rows))
        attention_before = self.attend.seconds
        start_time = time.perf_counter()
        logits = self.decoder.feed(tokens[known:])
        phase.seconds += time.perf_counter() - start_time
        phase.attention += self.attend.seconds - attention_before
        phase.tokens += len(tokens) - known
        if self.exact is not None:
            self.comparison.add(logits, self.exact.feed(tokens))
        return logits


def answer(request: Request, codec: Codec, passes: Passes, logits: np.ndarray,
           phase: Phase) -> tuple[list[int], str]:
    """Prints the answer as it is made; returns its tokens, and why it ended."""
    rng = np.random.default_rng(request.seed)
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    made: list[int] = []
    end = f"stopped after {request.tokens} tokens"
    while len(made) < request.tokens:
        if made:
            logits = passes.feed(made[-1:], phase)
        token = choose(logits, request.temperature, rng)
        if token in codec.stop:
            end = f"the model ended its answer after {len(made)} tokens"
            break
        made.append(token)
        print(utf8.decode(codec.token_bytes(token)), end="", flush=True)
    print(utf8.decode(b"", final=True))
    return made, end


def generate(request: Request, weights: Weights, codec: Codec) -> bool:
    """Run the request on stdout; False if a check was asked for and failed."""
    config = weights.config
    prompt = codec.chat(request.system, request.prompt)
    n_ctx = len(prompt) + request.tokens
    if n_ctx > config.context:
        raise ValueError(f"prompt and answer: {n_ctx} tokens, expected at most {config.context}")
    request.storage.check_heads(config.layers, config.kv_heads)
    saved = None if request.load is None else prompt_file.read(request.load, weights)
    passes = Passes(request, weights, n_ctx, min(len(prompt), PREFILL_ROWS), saved)
    known = 0 if saved is None else saved.resume(passes.attend, prompt)
    prefill, decode = Phase(), Phase()

    print(f"> {request.prompt}", flush=True)
    logits = passes.feed(prompt, prefill, known)
    if request.save is not None:
        prompt_file.save(request.save, prompt, passes.attend, weights)
    made, end = answer(request, codec, passes, logits, decode)

    print(f"\n{end}; context {passes.decoder.length} tokens, room for {n_ctx}; "
          f"{config.layers} layers, {config.heads}/{config.kv_heads} heads of {config.head_dim}, "
          f"{request.threads} threads")
    if saved is not None:
        print(f"prompt: {known} of {len(prompt)} tokens were in {request.load}")
    print(prefill.report("prefill", passes.attend))
    print(decode.report("decode", passes.attend))
    print(passes.attend.report())
    limit = CHECK_LIMITS[request.storage.kv]
    if request.check:
        print(passes.comparison.report(limit))
    if request.kv_table:
        print(cost_table(weights, request.storage, prompt + made, request.threads))
    return not request.check or passes.comparison.relative_rms() <= limit
