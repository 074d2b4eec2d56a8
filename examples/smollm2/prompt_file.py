# SPDX-License-Identifier: MIT
"""A prompt's cache as a file: its tokens, and the sequence as the library saves it."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import attn
import numpy as np

from attention import LibattnAttention
from model import Weights


def _mark(weights: Weights) -> int:
    """A number that tells models apart which have the same sizes."""
    return zlib.crc32(weights.layers[0].qkv.tobytes())


@dataclass(frozen=True)
class SavedPrompt:
    """What is in such a file."""

    tokens: np.ndarray
    model: int
    sequence: bytes

    def resume(self, attend: LibattnAttention, prompt: list[int]) -> int:
        """Takes over the tokens that this and the prompt begin with; returns how many.

        The last token of the prompt is never among them, since its logits are wanted.
        None are taken where windows dropped what a shorter context would see.
        """
        most = min(len(self.tokens), len(prompt) - 1)
        same = np.equal(self.tokens[:most], prompt[:most])
        length = most if same.all() else int(same.argmin())
        try:
            attend.load(self.sequence, length)
        except attn.AttnError as error:
            if error.name != "ATTN_ERR_UNAVAILABLE":
                raise
            return 0
        return length


def save(path: Path, tokens: list[int], attend: LibattnAttention, weights: Weights) -> None:
    """Writes what `attend` holds: these tokens."""
    with path.open("wb") as file:
        np.savez(file, tokens=np.array(tokens, np.int64), model=np.int64(_mark(weights)),
                 sequence=np.frombuffer(attend.save(), np.uint8))


def read(path: Path, weights: Weights) -> SavedPrompt:
    """What was saved from this model; ValueError if it is something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = SavedPrompt(file["tokens"].astype(np.int64).reshape(-1), int(file["model"]),
                                file["sequence"].tobytes())
    except (ValueError, TypeError, AttributeError, KeyError, EOFError,
            zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: nothing that --save wrote") from error
    if saved.model != _mark(weights):
        raise ValueError(f"{path}: saved from another model")
    return saved
