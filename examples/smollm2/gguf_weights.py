# SPDX-License-Identifier: MIT
"""Weights of a llama-architecture GGUF file, dequantised to float32 NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from model import Config, Layer, Weights

Progress = Callable[[float], None]


def load(path: Path, progress: Progress) -> tuple[Weights, dict[str, Any]]:
    """Read the file; return the weights and its metadata (the tokenizer's needs)."""
    from gguf import GGUFReader

    reader = GGUFReader(path)
    meta = {name: field.contents() for name, field in reader.fields.items()}
    arch = meta.get("general.architecture")
    if arch != "llama":
        raise ValueError(f"{path}: general.architecture is {arch!r}, expected 'llama'")
    config = _config(meta)
    return _weights(config, {tensor.name: tensor for tensor in reader.tensors}, progress), meta


def _config(meta: dict[str, Any]) -> Config:
    heads = meta["llama.attention.head_count"]
    width = meta["llama.embedding_length"]
    config = Config(
        layers=meta["llama.block_count"],
        width=width,
        hidden=meta["llama.feed_forward_length"],
        heads=heads,
        kv_heads=meta["llama.attention.head_count_kv"],
        head_dim=width // heads,
        vocab=len(meta["tokenizer.ggml.tokens"]),
        context=meta["llama.context_length"],
        rope_base=meta["llama.rope.freq_base"],
        norm_eps=meta["llama.attention.layer_norm_rms_epsilon"],
    )
    rotated = meta["llama.rope.dimension_count"]
    if rotated != config.head_dim:
        raise ValueError(f"llama.rope.dimension_count: found {rotated}, "
                         f"expected the head dimension {config.head_dim}")
    return config


def _weights(config: Config, tensors: dict[str, Any], progress: Progress) -> Weights:
    from gguf.quants import dequantize

    def read(name: str) -> np.ndarray:
        tensor = tensors[name]
        return np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)

    def stack(prefix: str, *names: str) -> np.ndarray:
        """Matrices that share their input become one, so that one product serves all."""
        return np.concatenate([read(f"{prefix}.{name}.weight") for name in names])

    layers = []
    for i in range(config.layers):
        progress(i / (config.layers + 1))
        block = f"blk.{i}"
        layers.append(Layer(
            attn_norm=read(f"{block}.attn_norm.weight"),
            qkv=stack(block, "attn_q", "attn_k", "attn_v"),
            attn_out=read(f"{block}.attn_output.weight"),
            mlp_norm=read(f"{block}.ffn_norm.weight"),
            gate_up=stack(block, "ffn_gate", "ffn_up"),
            down=read(f"{block}.ffn_down.weight"),
        ))
    progress(config.layers / (config.layers + 1))
    embedding = np.ascontiguousarray(read("token_embd.weight").T)
    tied = "output.weight" not in tensors
    weights = Weights(
        config=config,
        layers=layers,
        embedding=embedding,
        final_norm=read("output_norm.weight"),
        output=embedding if tied else np.ascontiguousarray(read("output.weight").T),
    )
    progress(1.0)
    return weights
