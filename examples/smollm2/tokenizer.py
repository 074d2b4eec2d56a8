# SPDX-License-Identifier: MIT
"""Text to token ids and back, and the chat format the model was trained on.

Special tokens are only ever put in by id. Text is always encoded as plain text,
so a prompt that spells out "<|im_end|>" cannot end its own message.
"""

from __future__ import annotations

from typing import Any, Protocol

DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
CONTROL = 3  # tokenizer.ggml.token_type of special tokens


class Codec(Protocol):
    """What the generation loop needs of a tokenizer."""

    stop: frozenset[int]

    def chat(self, system: str, prompt: str) -> list[int]:
        """Ids of a conversation that waits for the assistant's first answer."""

    def token_bytes(self, token: int) -> bytes:
        """The UTF-8 bytes of one token; a character may span several tokens."""


def _byte_letters() -> dict[str, int]:
    """GPT-2's spelling of bytes: printable ones as themselves, others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(byte): byte for byte in plain}
    others = (byte for byte in range(256) if byte not in set(plain))
    letters.update((chr(0x100 + i), byte) for i, byte in enumerate(others))
    return letters


class GgufTokenizer:
    """Byte-level BPE built from the vocabulary and merges stored in a GGUF file."""

    def __init__(self, meta: dict[str, Any]) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        for key, expected in (("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "smollm")):
            if meta.get(key) != expected:
                raise ValueError(f"{key}: found {meta.get(key)!r}, expected {expected!r}")
        if "<|im_start|>" not in meta.get("tokenizer.chat_template", ""):
            raise ValueError("tokenizer.chat_template: expected a template with <|im_start|>")

        self._tokens: list[str] = meta["tokenizer.ggml.tokens"]
        ids = {token: i for i, token in enumerate(self._tokens)}
        merges = [tuple(pair.split(" ")) for pair in meta["tokenizer.ggml.merges"]]
        self._bpe = Tokenizer(models.BPE(vocab=ids, merges=merges))
        self._bpe.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ])
        self._letters = _byte_letters()
        types = meta["tokenizer.ggml.token_type"]
        self._special = {i for i, kind in enumerate(types) if kind == CONTROL}
        self._start = ids["<|im_start|>"]
        self._end = ids["<|im_end|>"]
        self.stop = frozenset({self._end, meta["tokenizer.ggml.eos_token_id"]})

    def encode(self, text: str) -> list[int]:
        """Ids of plain text, without special tokens."""
        return self._bpe.encode(text, add_special_tokens=False).ids

    def token_bytes(self, token: int) -> bytes:
        text = self._tokens[token]
        if token in self._special:
            return text.encode()
        return bytes(self._letters[letter] for letter in text)

    def chat(self, system: str, prompt: str) -> list[int]:
        ids: list[int] = []
        for role, text in (("system", system), ("user", prompt)):
            ids += [self._start, *self.encode(f"{role}\n{text}"), self._end, *self.encode("\n")]
        return [*ids, self._start, *self.encode("assistant\n")]


class LetterTokenizer:
    """One token per printable ASCII character, for the random-weight model."""

    vocab = 95
    stop: frozenset[int] = frozenset()

    def chat(self, system: str, prompt: str) -> list[int]:
        text = f"{system}\n{prompt}".encode("ascii", "replace")
        return [byte - 32 if 32 <= byte < 127 else 0 for byte in text]

    def token_bytes(self, token: int) -> bytes:
        return bytes([token + 32])
