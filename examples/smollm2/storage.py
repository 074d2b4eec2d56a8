# SPDX-License-Identifier: MIT
"""What the cache keeps of the context, and in which type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Names on the command line, and the library's.
KV_TYPES = {"f32": "f32", "f16": "f16", "bf16": "bf16", "q8_0": "q8_0", "q4_0": "q4_0",
            "fp8": "fp8_e4m3", "kivi4": "kivi4"}


@dataclass(frozen=True)
class Storage:
    """How keys and values are kept.

    With a window, heads see the first `sink` tokens and the newest `window`, the
    own one among them; all heads but those of `retrieval`, pairs of a layer and
    a KV head, which keep seeing everything (None: no head does).
    """

    kv: str = "f32"
    window: int | None = None
    sink: int = 4
    retrieval: frozenset[tuple[int, int]] | None = None

    def window_of(self, layer: int, kv_head: int) -> int | None:
        """The window of one head; None: it sees everything."""
        if self.retrieval is not None and (layer, kv_head) in self.retrieval:
            return None
        return self.window

    def check_heads(self, layers: int, kv_heads: int) -> None:
        """ValueError if the model has not got one of the retrieval heads."""
        for layer, head in sorted(self.retrieval or ()):
            if layer >= layers or head >= kv_heads:
                raise ValueError(f"--duo: found head {layer}.{head}, the model has layers 0 to "
                                 f"{layers - 1} and KV heads 0 to {kv_heads - 1}")

    def __str__(self) -> str:
        text = f"{self.kv} keys and values"
        if self.window is not None:
            text += f", the first {self.sink} and last {self.window} tokens"
        if self.retrieval is not None:
            text += f" but all in {len(self.retrieval)} retrieval heads"
        return text


def parse_heads(words: Iterable[str]) -> frozenset[tuple[int, int]]:
    """Heads, each written LAYER.HEAD."""
    found = set()
    for word in words:
        layer, dot, head = word.partition(".")
        if not (dot and layer.isdecimal() and head.isdecimal()):
            raise ValueError(f"found {word!r}, expected LAYER.HEAD such as 12.0")
        found.add((int(layer), int(head)))
    return frozenset(found)
