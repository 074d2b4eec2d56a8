# SPDX-License-Identifier: MIT
"""Runs that read a cache, against NumPy over the rows that are in it."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import attn
from attention_oracle import attend, close

HQ, HK, D, LAYERS, PAGE = 4, 2, 32, 2, 8
TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "fp8_e4m3", "fp8_e5m2"]


class Rig:
    """A cache, a plan that reads it, and all rows that were ever written."""

    def __init__(self, ctx, rng, q=64, plan="causal", **said):
        self.rng = rng
        self.cache = ctx.cache(h=HK, d=D, cache_layers=LAYERS, cache_pages=500, cache_page=PAGE,
                               **said)
        known = {name: said[name] for name in ("kv_dtype", "cache_group", "cache_keys")
                 if name in said}
        self.plan = ctx.plan("softmax packed view " + plan, b=8, h=(HQ, HK), q=q, k="inf", d=D,
                             cache_page=PAGE, **known)

    def numbers(self, heads, n):
        return self.rng.standard_normal((1, heads, n, D)).astype(np.float32)

    def feed(self, *items):
        """Tokens for sequences; their rows by layer."""
        rows = []
        with self.cache.step(items) as step:
            for layer in range(LAYERS):
                rows.append(tuple(self.numbers(HK, sum(n for _, n in items)) for _ in "kv"))
                step.write(layer, *rows[-1])
        return rows

    def grown(self, *lengths):
        """Sequences of these lengths, fed in pieces."""
        seqs = [self.cache.sequence() for _ in lengths]
        for seq, length in zip(seqs, lengths):
            while len(seq) < length:
                self.feed((seq, min(13, length - len(seq))))
        return seqs

    def run(self, items, counts, layer=1, **more):
        """The rows of q, and the result, cut at the sequences."""
        ends = np.cumsum([0, *counts])
        q = self.numbers(HQ, ends[-1])
        res = self.plan.run(q=q, q_offsets=ends, view=self.cache.view(items), layer=layer, **more)
        return [(q[:, :, a:b], res.out[:, :, a:b]) for a, b in zip(ends, ends[1:])], res


def stored(seq, layer=1):
    return seq.read(layer, dtype="f64")


@pytest.mark.parametrize("kind", TYPES)
def test_ragged_batch(ctx, rng, kind):
    rig = Rig(ctx, rng, kv_dtype=kind)
    seqs = rig.grown(3, 61, 17, 40)
    counts = [1, 5, 0, 40]
    parts, res = rig.run(seqs, counts, lse=True)
    assert res.out.shape == (1, HQ, 46, D) and res.lse.shape == (1, HQ, 46)
    for seq, count, (q, out) in zip(seqs, counts, parts):
        if count:
            close(out, attend(q, *stored(seq), causal=True).out)


def test_blocks_one_behind_another(ctx, rng):
    rig = Rig(ctx, rng, plan="causal rope=half", cache_keys="raw")
    a, b = rig.grown(20, 9)
    [(q, out)], _ = rig.run([[a, b]], [5])
    a.append(b)
    assert len(a) == 29 and len(b) == 9
    res = rig.plan.run(q=q, q_offsets=[0, 5], view=rig.cache.view([a]), layer=1)
    close(res.out, out)
    with pytest.raises(attn.AttnError, match="another cache"):
        a.append(Rig(ctx, rng).cache.sequence())


def blocks_of(x, kind):
    """q8_0 and q4_0 in NumPy: 32 numbers share a factor of 16 bits."""
    x = x.reshape(-1, 32)
    if kind == "q8_0":
        factor = np.abs(x).max(1, keepdims=True) / np.float32(127)
        code = np.rint(x / factor)
    else:
        at = np.abs(x).argmax(1)[:, None]
        factor = np.take_along_axis(x, at, 1) / np.float32(-8)
        code = np.minimum(np.floor(x / factor + np.float32(8.5)), 15) - 8
    return code * factor.astype(np.float16)


@pytest.mark.parametrize("kind", ["f16", "q8_0", "q4_0"])
def test_types_against_numpy(ctx, rng, kind):
    rig = Rig(ctx, rng, kv_dtype=kind)
    seq = rig.cache.sequence()
    k, v = rig.feed((seq, 50))[1]
    if kind == "f16":
        k, v = k.astype(np.float16), v.astype(np.float16)
    else:
        k, v = (blocks_of(x, kind).reshape(x.shape) for x in (k, v))
    [(q, out)], _ = rig.run([seq], [4])
    # A number between two codes may go either way.
    close(out, attend(q, k, v, causal=True).out, {"f16": 2e-5, "q8_0": 2e-4, "q4_0": 2e-3}[kind])


@pytest.mark.parametrize("kind", ["q8_0", "q4_0"])
def test_products_of_codes(ctx, rng, kind):
    rig = Rig(ctx, rng, plan="causal compute=int8 solver=decode", kv_dtype=kind)
    [seq] = rig.grown(50)
    [(q, out)], _ = rig.run([seq], [4])
    rows = q.reshape(-1, D)
    factor = np.abs(rows).max(1, keepdims=True) / 127
    rounded = (np.rint(rows / factor) * factor).reshape(q.shape)
    close(out, attend(rounded, *stored(seq), causal=True).out, 2e-5)
    assert np.abs(out - attend(q, *stored(seq), causal=True).out).max() > 1e-5


def test_prompts_tokens_and_guesses_in_one_step(ctx, rng):
    rig = Rig(ctx, rng)
    a, b, c = rig.grown(20, 33, 0)
    before = [stored(seq) for seq in (a, b)]
    #        0        guesses of a: what each of them sees of the others
    #      1   2
    #          3
    parents = [[-1, 0, 0, 2], [-1], list(range(-1, 11))]
    sees = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 1]], bool)
    k, v = (rig.numbers(HK, 17) for _ in "kv")
    with rig.cache.step([(a, 4), (b, 1), (c, 12)], parents=parents) as step:
        view = rig.cache.view([a, b, c])
        q = rig.numbers(HQ, 17)
        offsets = [0, 4, 5, 17]
        with pytest.raises(attn.StateError, match="not written"):
            rig.plan.run(q=q, q_offsets=offsets, view=view, layer=1)
        for layer in (1, 0):
            step.write(layer, k, v)
        out = rig.plan.run(q=q, q_offsets=offsets, view=view, layer=1).out
        step.commit(keep=[[0, 2, 3], [0], range(12)])
    mask = np.concatenate([np.ones((4, 20), bool), sees], 1)
    expected = [
        attend(q[:, :, :4], *(np.concatenate([x, y[:, :, :4]], 2)
                              for x, y in zip(before[0], (k, v))), mask=mask),
        attend(q[:, :, 4:5], *(np.concatenate([x, y[:, :, 4:5]], 2)
                               for x, y in zip(before[1], (k, v)))),
        attend(q[:, :, 5:], k[:, :, 5:], v[:, :, 5:], causal=True)]
    close(out, np.concatenate([answer.out for answer in expected], 2))
    # what stayed is read by the next run, and the old view is none any more
    assert [len(seq) for seq in (a, b, c)] == [23, 34, 12]
    parts, _ = rig.run([a, c], [1, 1])
    for seq, (row, found) in zip((a, c), parts):
        close(found, attend(row, *stored(seq)).out)
    with pytest.raises(attn.StateError, match="changed"):
        rig.plan.run(q=q, q_offsets=offsets, view=view, layer=1)


def test_windows(ctx, rng):
    rig = Rig(ctx, rng, cache_group=[0, 1], cache_window=["inf", 6], cache_sink=[0, 2])
    seq = rig.cache.sequence()
    rows = [rig.feed((seq, n))[0] for n in (30, 1, 1, 9)]
    k, v = (np.concatenate(parts, 2) for parts in zip(*rows))
    assert len(seq.positions(0, 1)) < 20
    [(q, out)], _ = rig.run([seq], [2], layer=0)
    close(out[:, :2], attend(q[:, :2], k[:, :1], v[:, :1], causal=True).out)
    near = attend(q[:, 2:], k[:, 1:], v[:, 1:], causal=True, window=(5, 0), sink_tokens=2)
    close(out[:, 2:], near.out)
    with pytest.raises(attn.AttnError, match="ATTN_ERR_UNAVAILABLE"):
        rig.run([seq], [20], layer=0)


def test_sequences_one_behind_another(ctx, rng):
    rig = Rig(ctx, rng)
    prefix, a, b = rig.grown(30, 5, 11)
    parts, _ = rig.run([[prefix, a], [(prefix, 12), b], (prefix, 7)], [2, 1, 1])
    for (q, out), chain in zip(parts, ([(prefix, 30), (a, 5)], [(prefix, 12), (b, 11)],
                                       [(prefix, 7)])):
        k, v = (np.concatenate([stored(seq)[i][:, :, :end] for seq, end in chain], 2)
                for i in range(2))
        close(out, attend(q, k, v, causal=True).out)


def test_keys_of_a_memory(ctx, rng):
    rig = Rig(ctx, rng, plan="want=entropy")
    [seq] = rig.grown(25)
    [(q, out)], res = rig.run([seq], [3])
    answer = attend(q, *stored(seq))
    close(out, answer.out)
    p = np.where(answer.probs > 0, answer.probs, 1)
    close(res.entropy, -(p * np.log(p)).sum(3))


def test_raw_keys_are_turned_by_the_plan(ctx, rng):
    turned = Rig(ctx, rng, plan="causal rope=half rope_apply=q")
    raw = Rig(ctx, rng, plan="causal rope=half", cache_keys="raw")
    k, v = raw.numbers(HK, 21), raw.numbers(HK, 21)
    angle = np.arange(21)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)
    x, y = np.split(k.astype(np.float64), 2, 3)
    turned_k = np.concatenate([x * np.cos(angle) - y * np.sin(angle),
                               x * np.sin(angle) + y * np.cos(angle)], 3)
    found = []
    q = raw.numbers(HQ, 3)
    for rig, keys in ((turned, turned_k), (raw, k)):
        seq = rig.cache.sequence()
        with rig.cache.step([(seq, 21)]) as step:
            for layer in range(LAYERS):
                step.write(layer, keys.astype(np.float32), v)
        found.append(rig.plan.run(q=q, q_offsets=[0, 3], view=rig.cache.view([seq]), layer=0).out)
    close(found[0], found[1])


def test_weights_are_left_in_the_scores(ctx, rng):
    rig = Rig(ctx, rng, plan="causal observe", policy="h2o")
    seqs = [rig.cache.sequence() for _ in range(2)]
    total = [np.zeros((HK, 30)) for _ in seqs]
    for count in (9, 1, 4):
        k, v, q = rig.numbers(HK, 2 * count), rig.numbers(HK, 2 * count), rig.numbers(HQ, 2 * count)
        with rig.cache.step([(seq, count) for seq in seqs]) as step:
            view = rig.cache.view(seqs)
            for layer in range(LAYERS):
                step.write(layer, k, v)
                rig.plan.run(q=q, q_offsets=[0, count, 2 * count], view=view, layer=layer)
        for s, seq in enumerate(seqs):
            probs = attend(q[:, :, s * count:(s + 1) * count], *stored(seq), causal=True).probs
            total[s][:, :len(seq)] += probs.reshape(HK, -1, len(seq)).sum(1)
    for s, seq in enumerate(seqs):
        close(seq.scores(1), total[s].sum(0)[:len(seq)])


def test_bound_to_a_layer(ctx, rng):
    rig = Rig(ctx, rng)
    [seq] = rig.grown(19)
    q, layer = rig.numbers(HQ, 1), np.zeros(1, np.int64)
    call = rig.plan.bind(q=q.transpose(0, 2, 1, 3), q_offsets=[0, 1], layer=layer, layout="bnhd",
                         view=rig.cache.view([seq]))
    for layer[0] in range(LAYERS):
        close(call().out.transpose(0, 2, 1, 3), attend(q, *stored(seq, layer[0])).out)


def test_refusals(ctx, rng):
    rig, other = Rig(ctx, rng), Rig(ctx, rng, kv_dtype="f16")
    [seq] = rig.grown(9)
    view = rig.cache.view([seq])
    assert len(view) == 1 and "1 sequences" in repr(view)
    q = rig.numbers(HQ, 1)
    given = {"q": q, "q_offsets": [0, 1], "view": view}
    with pytest.raises(attn.AttnError, match="layer is 2, expected 0 to 1"):
        rig.plan.run(layer=2, **given)
    with pytest.raises(attn.ArgumentError, match="layer"):
        rig.plan.run(**given)
    with pytest.raises(TypeError, match="layer: expected"):
        rig.plan.run(layer=1.5, **given)
    with pytest.raises(attn.AttnError, match="stores keys of group 0 as f32"):
        other.plan.run(layer=0, **given)
    with pytest.raises(TypeError, match="view: expected"):
        rig.plan.run(q=q, q_offsets=[0, 1], view=[seq], layer=0)
    with pytest.raises(attn.ArgumentError, match="another cache"):
        other.cache.view([seq])
    with pytest.raises(attn.ArgumentError, match="an end is 10"):
        rig.cache.view([(seq, 10)])
    with pytest.raises(attn.ArgumentError, match="counts\\[0\\] is 0"):
        rig.cache.view([[]])
    seq.truncate(4)
    with pytest.raises(attn.StateError, match="changed"):
        rig.plan.run(layer=0, **given)


def test_lives_as_long_as_its_view(rng):
    rig = Rig(attn.Context(), rng)
    [seq] = rig.grown(9)
    k, v = stored(seq)
    view, plan, q = rig.cache.view([seq]), rig.plan, rig.numbers(HQ, 1)
    del seq, rig
    gc.collect()
    close(plan.run(q=q, q_offsets=[0, 1], view=view, layer=1).out, attend(q, k, v).out)
