# SPDX-License-Identifier: MIT
"""Keywords say the same as problem strings, for every parameter there is."""
from __future__ import annotations

import math

import numpy as np
import pytest

import attn
from attn import _lib

BASE = "softmax b=2 h=8/4/4 q=16 k=32 d=64/64"

# Words and keywords that mean one thing, and are legal besides BASE.
PAIRS = {
    "packed": ("packed", True),
    "q_head": ("q_head=[0,1,2,3]", [0, 1, 2, 3]),
    "k_head": ("k_head=[0,0,1,1,2,2,3,3]", np.repeat(np.arange(4), 2)),
    "v_head": ("v_head=[3,2,1,0,3,2,1,0]", (3, 2, 1, 0, 3, 2, 1, 0)),
    "kv_head": ("kv_head=[3,2,1,0,3,2,1,0]", [3, 2, 1, 0, 3, 2, 1, 0]),
    "causal": ("causal", True),
    "align": ("align=top_left", "top_left"),
    "sink_tokens": ("sink_tokens=4 window=8,0", np.int32(4)),
    "prefix": ("prefix=3", 3),
    "segments": ("segments", 1),
    "mask": ("mask", np.True_),
    "scale": ("scale=0.1", 0.1),
    "softcap": ("softcap=30", 30),
    "bias": ("bias", True),
    "alibi": ("alibi", True),
    "alibi_slopes": ("alibi alibi_slopes=[.5,.25,1e-3,1,2,3,4,5]",
                     [0.5, 0.25, 1e-3, 1, 2, 3, 4, 5]),
    "sink_logits": ("sink_logits", True),
    "dtype": ("dtype=f16", np.float16),
    "kv_dtype": ("kv_dtype=f16", "float16"),
    "compute": ("compute=bf16", "bf16"),
    "want": ("want=probs,colsum", ("colsum", "probs")),
    "solver": ("solver=reference", "reference"),
    "blas": ("blas=never", "never"),
    "invariant": ("invariant=chunk", "chunk"),
    "executors": ("executors=3", 3),
    "check": ("check=data", "data"),
}
COMPANIONS = {"sink_tokens": {"window": (8, 0)}, "alibi_slopes": {"alibi": True}}

# The sizes, in all their spellings.
SIZES = [
    ("b=2", {"b": 2}),
    ("h=8", {"h": 8}),
    ("h=8/4", {"h": "8/4"}),
    ("h=8/4", {"h": (8, 4)}),
    ("h=8/4/2", {"h": [8, 4, 2]}),
    ("h=8/4/2", {"hq": 8, "hk": 4, "hv": 2}),
    ("q=16", {"q": 16}),
    ("n=16", {"n": 16}),
    ("n=16", {"q": 16, "k": 16}),
    ("k=32", {"k": np.int64(32)}),
    ("k=inf", {"k": "inf"}),
    ("k=inf", {"k": math.inf}),
    ("d=64", {"d": 64}),
    ("d=64/32", {"d": (64, 32)}),
    ("d=64/32", {"d": 64, "dv": 32}),
    ("window=3,0", {"window": (3, 0)}),
    ("window=inf,-1", {"window": (None, -1)}),
    ("window=3,inf", {"window": "3,inf"}),
    ("window=3,inf", {"window": (3, math.inf)}),
    ("window=3,1", {"window_left": 3, "window_right": 1}),
    ("causal=top_left", {"causal": "top_left"}),
    ("causal=0", {"causal": False}),
]


# A value for each type, as a word and as a keyword. Lists have one entry a head.
BY_TYPE = {
    _lib.TYPE_I64: ("{}=1", 1),
    _lib.TYPE_BOOL: ("{}", True),
    _lib.TYPE_F64: ("{}=0.5", 0.5),
    _lib.TYPE_I64S: ("{}=[0,0,0,0,0,0,0,0]", [0] * 8),
    _lib.TYPE_F64S: ("{}=[1,1,1,1,1,1,1,1]", [1.0] * 8),
}


def outcome(ctx, *words, **keywords):
    """The canonical problem, or the kind of error."""
    try:
        return ctx.plan(*words, **keywords).problem
    except attn.AttnError as error:
        return error.name


@pytest.mark.parametrize("param", _lib.params.values(), ids=lambda param: param.name)
def test_every_parameter(ctx, param):
    """Also those that came after this test, and combinations that are refused."""
    spelled = {key for _, keywords in SIZES for key in keywords}
    if param.name in spelled or param.name in PAIRS:
        return
    for word in param.words:
        assert outcome(ctx, BASE, **{param.name: word}) == outcome(
            ctx, "%s %s=%s" % (BASE, param.name, word))
    if param.type in BY_TYPE:
        word, value = BY_TYPE[param.type]
        assert outcome(ctx, BASE, **{param.name: value}) == outcome(
            ctx, BASE + " " + word.format(param.name))


def test_parameters_are_told():
    assert set(attn.parameters()) == set(_lib.params) >= set(PAIRS)


@pytest.mark.parametrize("name", PAIRS)
def test_parameter(ctx, name):
    word, value = PAIRS[name]
    by_word = ctx.plan(BASE + " " + word)
    by_keyword = ctx.plan(BASE, **{name: value}, **COMPANIONS.get(name, {}))
    assert by_keyword.problem == by_word.problem != ctx.plan(BASE).problem
    assert ctx.plan(by_word.problem).problem == by_word.problem


@pytest.mark.parametrize("word, keywords", SIZES, ids=str)
def test_sizes(ctx, word, keywords):
    given = {"h": "h=8/4", "q": "q=16", "k": "k=32", "d": "d=64"}
    taken = {"h" if key in ("hq", "hk", "hv") else key for key in keywords}
    taken |= {"q", "k"} if "n" in taken or word.startswith("n=") else set()
    rest = " ".join(["softmax"] + [text for key, text in given.items() if key not in taken])
    assert ctx.plan(rest, **keywords).problem == ctx.plan(rest + " " + word).problem


def test_pieces(ctx):
    said = ctx.plan(BASE + " must=band[255,0,0,1] any=rect[0,4,0,inf] any=prefix[3]")
    given = [("must", "band", [255, 0, 0, 1]), ("any", "rect", (0, 4, 0, None)),
             ("any", "prefix", np.array([3]))]
    assert ctx.plan(BASE, pieces=given).problem == said.problem
    assert ctx.plan(BASE + " must=band[255,0,0,1]", pieces=given[1:]).problem == said.problem
    assert said.pieces == [("must", "band", [255, 0, 0, 1]),
                           ("any", "rect", [0, 4, 0, math.inf]), ("any", "prefix", [3])]
    assert ctx.plan(BASE, pieces=said.pieces).problem == said.problem
    assert ctx.plan(BASE, pieces=[]).pieces == []
    for wrong in ([("perhaps", "band", [1])], ["must"], [("must", "band")],
                  [("must", "band", [1, 2])], [("must", "bend", [255, 0, 0, 1])]):
        with pytest.raises(attn.ArgumentError):
            ctx.plan(BASE, pieces=wrong)


def test_pieces_hide_what_a_window_hides(ctx, qkv):
    q, k, v = qkv()
    assert np.array_equal(
        attn.attention(q, k, v, pieces=[("must", "band", [3, 0, 0, 1])], ctx=ctx),
        attn.attention(q, k, v, causal=True, window=(3, 0), ctx=ctx))


def test_keywords_alone_and_none(ctx):
    plan = ctx.plan(b=1, h=(9, 3), q=64, k=512, d=64, causal=True, window=None, dtype=None, want=[])
    assert plan.problem == ctx.plan("softmax b=1 h=9/3 q=64 k=512 d=64 causal").problem
    assert plan.dtype == "f32" and plan.wants == ()


def test_given_twice(ctx):
    for keywords in ({"b": 2}, {"h": 4}, {"causal": True}, {"q_head": [0]}, {"scale": 1.0}):
        with pytest.raises(attn.ArgumentError):
            ctx.plan("softmax b=1 h=8/4 q=1 k=1 d=8 causal q_head=[0] scale=1", **keywords)


def test_unknown(ctx):
    with pytest.raises(ValueError, match="causal"):
        ctx.plan(BASE, causl=True)
    with pytest.raises(ValueError, match="top_left"):
        ctx.plan(BASE, align="topleft")
    with pytest.raises(attn.ArgumentError) as caught:
        ctx.plan("softmx b=1")
    assert caught.value.name == "ATTN_ERR_UNKNOWN_MECH"


def test_values_that_are_no_words(ctx):
    for keywords in ({"solver": "naive causal"}, {"solver": ""}, {"align": "a\0b"}):
        with pytest.raises(attn.ArgumentError, match="one word"):
            ctx.plan(BASE, **keywords)
    with pytest.raises(ValueError, match="NUL"):
        ctx.plan("softmax\0 b=1")
    with pytest.raises(ValueError, match="True or False"):
        ctx.plan(BASE, causal=2)
    with pytest.raises(ValueError, match="64 bits"):
        ctx.plan(BASE, prefix=2**64)
    with pytest.raises(ValueError, match="64 bits"):
        ctx.plan(BASE, q_head=[2**64])
    with pytest.raises(TypeError, match="prefix.*float"):
        ctx.plan(BASE, prefix=1.5)
    with pytest.raises(TypeError, match="scale.*object"):
        ctx.plan(BASE, scale=object())
    with pytest.raises(ValueError, match="whole number"):
        ctx.plan(BASE, prefix="four")
    with pytest.raises(ValueError):
        ctx.plan(BASE, dtype=np.complex64)


def test_long_lists(ctx):
    """Lists may be longer than the 65536 bytes of a problem string."""
    slopes = [1 / (i + 3) for i in range(8192)]
    plan = ctx.plan("softmax b=1 h=8192/1 q=1 k=1 d=1", alibi=True, alibi_slopes=slopes)
    assert len(plan.problem) > 65536
