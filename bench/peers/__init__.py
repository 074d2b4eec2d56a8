# SPDX-License-Identifier: MIT
"""The peers, one class each: name, supports(case), prepare(case).

`Peer(threads)` raises ImportError where the peer is not installed.
`supports` gives None or why not. `prepare` makes everything that may be made
once and returns two functions: run() computes, result() gives the output of the
last run as an array [B,H,N,D]. Those with `recurrent` do the linear family, and
nothing else.
"""
from __future__ import annotations

from .jax_peer import Jax
from .numpy_peer import NumPy
from .onnx_peers import OrtAttention, OrtGqa, OrtMha
from .openvino_peer import OpenVino
from .ours import Ours
from .torch_chunks import TorchChunks
from .torch_peers import TorchFlex, TorchMath, TorchSdpa

PEERS = (Ours, TorchSdpa, TorchMath, TorchFlex, OrtMha, OrtGqa, OrtAttention, OpenVino, Jax, NumPy,
         TorchChunks)


def load(threads, wanted=None):
    """The peers that are here, and those that are not with the reason."""
    here, missing = [], {}
    for peer in PEERS:
        if wanted is not None and peer.name not in wanted:
            continue
        try:
            here.append(peer(threads))
        except ImportError as error:
            missing[peer.name] = str(error)
    return here, missing
