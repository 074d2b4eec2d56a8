# SPDX-License-Identifier: MIT
"""The comparison says who is right and who is fast; no time is judged."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import compare_peers  # noqa: E402
import update_performance  # noqa: E402
from peers.case import Case  # noqa: E402
from peers.grid import GRIDS  # noqa: E402
from peers.numpy_peer import NumPy  # noqa: E402
from peers.ours import Ours  # noqa: E402
from peers.recurrence import Recurrence, is_recurrence  # noqa: E402

PROBLEMS = (
    "softmax h=4 n=40 d=16", "softmax b=2 h=4/2 n=40 d=16/8 causal",
    "softmax h=4/1 q=7 k=40 d=16 causal", "softmax h=2 q=40 k=9 d=16 causal align=top_left",
    "softmax h=2 n=40 d=16 window=5,2 align=top_left", "softmax h=6 q=1 k=40 d=16 alibi softcap=2",
    "softmax h=2 n=40 d=16 causal window=7,0 scale=0.5 dtype=bf16",
)


class Wrong(NumPy):
    name = "wrong"

    def prepare(self, case):
        run, result = super().prepare(case)
        return run, lambda: result() + np.float32(0.5)


class Broken(NumPy):
    name = "broken"

    def prepare(self, case):
        raise RuntimeError("no such luck")


def measure(problem, *peers):
    said = []
    row = compare_peers.measure([peer(1) for peer in peers], Case(problem, 0), 1, 0, said.append)
    return row, said


@pytest.mark.parametrize("problem", PROBLEMS)
def test_everybody_computes_the_same(problem):
    row, _ = measure(problem, Ours, NumPy)
    assert row["peers"]["attn"]["fault"] is None
    assert "bf16" in problem or row["peers"]["numpy"]["max_error"] < 1e-5


def test_pairs_are_counted():
    case = Case("softmax h=2 q=4 k=6 d=8 causal window=1,0", 0)
    assert case.pairs == 2 * case.visible().sum() == 2 * 4 * 2


def test_wrong_and_broken_peers_do_not_count():
    row, said = measure(PROBLEMS[0], Ours, NumPy, Wrong, Broken)
    assert row["peers"]["wrong"]["fault"] == "wrong result" and row["best_peer"] == "numpy"
    assert "no such luck" in row["skipped"]["broken"] and any("broken" in text for text in said)
    table = update_performance.peers_table([row])
    assert "numpy" in table and "wrong" not in table
    json.dumps(row)


def test_what_peers_cannot_be_given_is_refused():
    with pytest.raises(ValueError, match="bias"):
        Case("softmax h=2 n=4 d=8 bias", 0)


def test_the_grid_can_be_planned():
    import attn
    for problem in GRIDS["full"]:
        attn.Context().plan(problem)


@pytest.mark.parametrize("problem", (
    "linear_attention h=2 n=128 d=16/8 causal", "retnet b=2 h=2 n=128 d=16",
    "gla h=2 n=128 d=16", "deltanet h=2 n=64 d=16", "gated_deltanet h=2 n=192 d=16/8"))
def test_recurrences_agree(problem):
    pytest.importorskip("torch")
    from peers.torch_chunks import TorchChunks
    assert is_recurrence(problem)
    case = Recurrence(problem, 0)
    row = compare_peers.measure([Ours(1), TorchChunks(1)], case, 1, 0, lambda text: None)
    assert row["skipped"] == {}
    for peer in row["peers"].values():
        assert peer["max_error"] < 1e-5


def test_lines_of_a_plot():
    text = update_performance.plot("times", "n", "ms", {"a": [(1, 0.5), (4, 20)], "b": [(2, 3)]})
    root = ElementTree.fromstring(text)
    assert len(root.findall("{*}circle")) == 3


def test_a_pair_of_the_cache_suite_is_a_line():
    rows = [{"problem": "softmax h=8 q=1 k=64 d=128 packed view causal kv_dtype=" + kind,
             "ns_median": ns, "speedup": speedup, "gbps": 9.0, "of_bandwidth": 0.5, "of_peak": None}
            for kind, ns, speedup in (("f32", 3e6, None), ("q8_0", 1e6, 3.0))]
    line = update_performance.cache_table(rows).splitlines()[-1]
    assert line == ("| `h=8 q=1 k=64 d=128 kv_dtype=q8_0` in pages | `h=8 q=1 k=64 d=128 "
                    "kv_dtype=f32` in pages | **3.00** | 1.0 ms | 3.0 ms | 9.0 | 0.50 | - |")
