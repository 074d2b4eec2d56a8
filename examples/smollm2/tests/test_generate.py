# SPDX-License-Identifier: MIT
"""generate.py with the model of random weights: what its cache keeps, and in which type."""
from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import find_heads  # noqa: E402
import generate  # noqa: E402
from model import random_weights  # noqa: E402
from storage import KV_TYPES, parse_heads  # noqa: E402


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs it; the exit code, and what it printed."""

    def call(*arguments, check=True, seed=0):
        command = ["generate.py", "--random", "--tokens", "9", "--threads", "1", "--seed",
                   str(seed), *map(str, arguments), *["--check"] * check]
        monkeypatch.setattr(sys, "argv", command)
        code = generate.main()
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


def answer_of(text):
    return text.partition("\n> ")[2].splitlines()[1]


def figure(pattern, text):
    return int(re.search(pattern, text).group(1))


@pytest.mark.parametrize("kv", KV_TYPES)
def test_types(run, kv):
    code, text = run("--kv", kv)
    assert code == 0 and f"cache: {kv} keys and values; " in text and "float64 attention: ok" in text


def test_table(run):
    code, text = run("--kv-table", check=False)
    rows = re.findall(r"^  (\w+) +(\d+) +(\S+) +(\d+) of \d+$", text, re.M)
    assert code == 0 and [row[0] for row in rows] == list(KV_TYPES)
    size = {row[0]: int(row[1]) for row in rows}
    cost = {row[0]: float(row[2]) for row in rows}
    assert size["f32"] == 2 * size["f16"] and size["q4_0"] < size["fp8"] < size["q8_0"]
    assert cost["f32"] < 1e-5 < cost["f16"] < cost["bf16"] < cost["q8_0"] < cost["fp8"]
    assert cost["fp8"] < cost["q4_0"] < 0.5


def test_windows(run):
    texts = []
    for arguments in ((), ("--window", 20), ("--window", 20, "--duo", "0.1,2.0,3.2")):
        code, text = run(*arguments, "--prompt", "x" * 400)
        assert code == 0 and "ok; logits of 9 steps" in text
        texts.append(text)
    assert "the first 4 and last 20 tokens but all in 3 retrieval heads;" in texts[2]
    size = [figure(r"; (\d+) bytes in", text) for text in texts]
    assert size[1] < size[2] < size[0]


def test_head_list_in_a_file(run, tmp_path):
    heads = tmp_path / "heads"
    heads.write_text("0.1\n2.0 3.2\n")
    assert run("--window", 20, "--duo", f"@{heads}")[0] == 0


def test_heads_are_found():
    weights = random_weights(95, 0)
    found = find_heads.retrieval_heads(weights, 0)
    assert found == find_heads.retrieval_heads(weights, 0)
    # the best of 12 by one figure, the best two by the other
    assert 2 <= len(found) <= 3 and len(parse_heads(found)) == len(found)


@pytest.mark.parametrize("arguments", [(), ("--kv", "q8_0"), ("--window", 20)])
def test_save_and_load(run, tmp_path, arguments):
    saved = tmp_path / "prompt"
    _, first = run(*arguments, "--save", saved)
    code, again = run(*arguments, "--load", saved)
    assert code == 0 and answer_of(first) == answer_of(again)
    tokens = figure(r"prefill: (\d+) tokens", first)
    assert f"prompt: {tokens - 1} of {tokens} tokens were in" in again
    assert figure(r"prefill: (\d+) tokens", again) == 1
    # another prompt goes on from what both begin with, where windows let it
    code, other = run(*arguments, "--load", saved, "--prompt", "Why?")
    known = figure(r"prompt: (\d+) of", other)
    assert code == 0 and 0 < known < tokens - 1
    assert answer_of(other) == answer_of(run(*arguments, "--prompt", "Why?")[1])


def test_windows_that_dropped_what_another_prompt_sees(run, tmp_path):
    saved = tmp_path / "prompt"
    run("--window", 4, "--save", saved, "--prompt", "x" * 300)
    code, text = run("--window", 4, "--load", saved, "--prompt", "Why?")
    assert code == 0 and "prompt: 0 of" in text


def test_refusals(run, tmp_path, capsys):
    saved, junk = tmp_path / "prompt", tmp_path / "junk"
    run("--save", saved)
    junk.write_bytes(saved.read_bytes()[:-100])
    for message, arguments in (("ATTN_ERR_MISMATCH", ("--load", saved, "--kv", "f16")),
                               ("nothing that --save wrote", ("--load", junk)),
                               ("nothing that --save wrote", ("--load", __file__)),
                               ("No such file", ("--load", tmp_path / "none")),
                               ("head 1.3", ("--window", 9, "--duo", "1.2,1.3"))):
        code, text = run(*arguments)
        assert code == 2 and message in text
    code, text = run("--load", saved, seed=1)
    assert code == 2 and "another model" in text
    for message, arguments in (("expected --window", ("--duo", "1.2")),
                               ("expected LAYER.HEAD", ("--window", 9, "--duo", "1,2")),
                               ("at least 1", ("--window", 0))):
        with pytest.raises(SystemExit) as end:
            run(*arguments)
        assert end.value.code == 2 and message in capsys.readouterr().err
