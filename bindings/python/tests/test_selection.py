# SPDX-License-Identifier: MIT
"""Attention along index lists, against a masked softmax in float64."""
from __future__ import annotations

import numpy as np
import pytest

import attn

HEADS, QUERIES, KEYS = 4, 12, 30


@pytest.fixture
def data(rng):
    q = rng.standard_normal((2, HEADS, QUERIES, 8)).astype(np.float32)
    k, v = (rng.standard_normal((2, 2, KEYS, 8)).astype(np.float32) for _ in range(2))
    return q, k, v


def lists(rng, q_block, head_group):
    """Random single keys: (row_ptr, start, mask)."""
    blocks = -(-QUERIES // q_block)
    rows = [np.flatnonzero(rng.random(KEYS) < 0.3) for _ in range(HEADS // head_group * blocks)]
    mask = np.zeros((HEADS, QUERIES, KEYS), bool)
    for h in range(HEADS):
        for i in range(QUERIES):
            mask[h, i, rows[h // head_group * blocks + i // q_block]] = True
    return np.cumsum([0] + [len(r) for r in rows]), np.concatenate(rows), mask


def softmax(q, k, v, mask):
    k, v = (np.repeat(x, HEADS // 2, axis=1).astype(float) for x in (k, v))
    s = np.where(mask, np.einsum("bhid,bhjd->bhij", q, k) / np.sqrt(8), -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    return np.einsum("bhij,bhjd->bhid", p / p.sum(-1, keepdims=True), v)


@pytest.mark.parametrize("q_block,head_group", [(1, 1), (4, 2), (5, 4)])
def test_lists(ctx, rng, data, q_block, head_group):
    q, k, v = data
    row_ptr, start, mask = lists(rng, q_block, head_group)
    picked = attn.Selection(row_ptr, start, heads=HEADS, queries=QUERIES, keys=KEYS, k_block=1,
                            q_block=q_block, head_group=head_group, context=ctx)
    assert (picked.rows, picked.entries) == (len(row_ptr) - 1, len(start))
    assert picked.keys_listed == len(start) and picked.batch == 1
    assert (picked.get("start") == start).all() and (picked.get("length") == 1).all()
    plan = ctx.plan("lists b=2 h=4/2 q=12 k=30 d=8 want=counts")
    res = plan.run(q=q, k=k, v=v, selection=picked)
    error = res.out - softmax(q, k, v, mask)
    assert np.sqrt(np.mean(error ** 2)) < 1e-6
    assert 0 < res.counts[0] < res.counts[1]


def test_logits(ctx, rng, data):
    q, k, v = data
    row_ptr, start = np.array([0, 2]), np.array([0, 10])
    pair = attn.Selection(row_ptr, start, [10, 20], heads=HEADS, queries=QUERIES, keys=KEYS,
                          head_group=HEADS, q_block=QUERIES, logit=np.log([3.0, 1.0]),
                          replace=[True, True])
    plan = ctx.plan("lists b=2 h=4/2 q=12 k=30 d=8 lists_logits")
    halves = [attn.attention(q, k[:, :, a], v[:, :, a]) for a in (slice(10), slice(10, 30))]
    res = plan.run(q=q, k=k, v=v, selection=pair)
    assert np.allclose(res.out, 0.75 * halves[0] + 0.25 * halves[1], atol=1e-5)


def test_refused(ctx, data):
    with pytest.raises(attn.ArgumentError, match="entry 1 of row 0"):
        attn.Selection([0, 2], [3, 2], [1, 1], heads=1, queries=1, keys=9)
    few = attn.Selection([0, 1], [3], [1], heads=1, queries=1, keys=9)
    with pytest.raises(attn.UnsupportedError, match="logit"):
        few.get("logit")
    q, k, v = data
    with pytest.raises(attn.ArgumentError, match="1 output heads, expected 4"):
        ctx.plan("lists b=2 h=4/2 q=12 k=30 d=8").run(q=q, k=k, v=v, selection=few)


MOBA = "moba moba_block=4 moba_top=2"


def test_select(ctx, data):
    q, k, v = data
    picked = ctx.select(MOBA, q=q, k=k)
    assert (picked.batch, picked.heads, picked.queries) == (2, HEADS, QUERIES)
    assert picked.rows == 2 * HEADS * QUERIES and 4 <= picked.keys_listed / picked.rows <= 8
    whole = ctx.plan(MOBA + " b=2 h=4/2 q=12 k=30 d=8").run(q=q, k=k, v=v)
    lists = ctx.plan("lists b=2 h=4/2 q=12 k=30 d=8 causal")
    assert (lists.run(q=q, k=k, v=v, selection=picked).out == whole.out).all()
    swapped = ctx.select(MOBA, q=q.swapaxes(1, 2), k=k.swapaxes(1, 2), layout="bnhd",
                         k_len=[30, 30])
    assert (swapped.get("start") == picked.get("start")).all()


def test_select_again(ctx, data):
    q, k, _ = data
    plan = ctx.plan(MOBA + " b=2 h=4/2 q=12 k=30 d=8 select=only")
    assert plan.roles["selection_out"] and "out" not in plan.roles and "v" not in plan.roles
    run = plan.bind(q=q, k=k)
    picked = run.results.selection_out
    assert (picked.rows, picked.queries, picked.entries) == (0, 0, 0)
    assert run().selection_out is picked and picked.queries == QUERIES
    few = q[:1, :, :3].copy()
    assert plan.run(q=few, k=k[:1], selection_out=picked).selection_out is picked
    assert (picked.batch, picked.queries) == (1, 3)
    few[:] = np.nan
    with pytest.raises(attn.AttnError, match="NaN"):
        plan.run(q=few, k=k[:1], selection_out=picked)
    assert (picked.queries, picked.entries) == (0, 0)


def test_select_refused(ctx, data):
    q, k, v = data
    with pytest.raises(attn.UnsupportedError, match="softmax does not"):
        ctx.select("softmax", q=q, k=k)
    with pytest.raises(attn.ArgumentError, match="select takes this from the arrays"):
        ctx.select(MOBA, q=q, k=k, d=8)
    with pytest.raises(attn.ArgumentError, match="v"):
        ctx.select(MOBA, q=q, k=k, v=v)
    with pytest.raises(AttributeError, match="no attribute"):
        ctx.select(MOBA, q=q, k=k).colour
    given = attn.Selection([0, 1], [3], [1], heads=1, queries=1, keys=9)
    with pytest.raises(attn.ArgumentError, match="imported"):
        ctx.plan(MOBA + " b=2 h=4/2 q=12 k=30 d=8 select=only").run(q=q, k=k, selection_out=given)


@pytest.mark.parametrize("combine", ["exclusive", "sum", "mean", "lse"])
def test_groups(ctx, rng, data, combine):
    q, k, v = data
    groups = []  # two for each head: halves of the queries, or all of them twice
    for h in range(HEADS):
        for half in range(2):
            qi = np.arange(half, QUERIES, 2) if combine == "exclusive" else np.arange(QUERIES - 1)
            groups.append((h, qi, np.flatnonzero(rng.random(KEYS) < 0.5)))
    made = attn.Selection.from_groups(
        [h for h, _, _ in groups], np.cumsum([0] + [len(qi) for _, qi, _ in groups]),
        np.cumsum([0] + [len(ki) for _, _, ki in groups]),
        np.concatenate([qi for _, qi, _ in groups]), np.concatenate([ki for _, _, ki in groups]),
        heads=HEADS, queries=QUERIES, keys=KEYS, combine=combine, context=ctx,
        eps=0.5 if combine == "mean" else 0)
    assert (made.groups, made.queries) == (2 * HEADS, QUERIES) and "8 groups" in repr(made)
    assert made.queries_listed == len(made.get("q_idx")) and made.keys_listed == made.get("k_ptr")[-1]
    assert (made.get("k_idx") == np.concatenate([ki for _, _, ki in groups])).all()
    out = ctx.plan("lists b=2 h=4/2 q=12 k=30 d=8 lists_layout=groups").run(
        q=q, k=k, v=v, selection=made).out
    parts = np.zeros((2,) + q.shape)
    masks = np.zeros((2, HEADS, QUERIES, KEYS), bool)
    for n, (h, qi, ki) in enumerate(groups):
        masks[n % 2, h][np.ix_(qi, ki)] = True
    whole = masks.any(-1)
    for n in range(2):
        with np.errstate(invalid="ignore"):
            parts[n] = np.where(whole[n][..., None], softmax(q, k, v, masks[n]), 0)
    if combine == "lse":  # a key of both groups counts twice
        kk, vv = (np.repeat(x, HEADS // 2, axis=1).astype(float) for x in (k, v))
        w = np.exp(np.einsum("bhid,bhjd->bhij", q, kk) / np.sqrt(8)) * masks.sum(0)
        with np.errstate(invalid="ignore"):
            want = np.einsum("bhij,bhjd->bhid", w / w.sum(-1, keepdims=True), vv)
        want[:, :, -1] = 0
    else:
        want = parts.sum(0) / (2.5 if combine == "mean" else 1)
    assert np.sqrt(np.mean((out - want) ** 2)) < 1e-6


def test_groups_refused(ctx):
    with pytest.raises(attn.ArgumentError, match="query 1 of group 1"):
        attn.Selection.from_groups([0, 0], [0, 2, 3], [0, 1, 2], [0, 1, 1], [0, 0], heads=1,
                                   queries=2, keys=1, context=ctx)
    with pytest.raises(attn.ArgumentError, match="combine"):
        attn.Selection.from_groups([], [0], [0], [], [], heads=1, queries=2, keys=1,
                                   combine="none", context=ctx)


def test_select_groups(ctx, rng):
    """Clusters, which plans write as groups, and chunk keys, which they tell."""
    q, k, v, given = (rng.standard_normal((1, 2, 48, 8)).astype(np.float32) for _ in range(4))
    sizes = " b=1 h=2 n=48 d=8"
    problem = "routing causal routing_clusters=3 routing_window=16"
    centroids = rng.standard_normal((2, 3, 8)).astype(np.float32)
    picked = ctx.select(problem, q=q, k=k, centroids=centroids)
    assert picked.groups == 6 and (picked.get("q_idx") == picked.get("k_idx")).all()
    whole = ctx.plan(problem + sizes).run(q=q, k=k, v=v, centroids=centroids)
    along = ctx.plan("lists lists_layout=groups qk_norm=layer scale=1 causal" + sizes)
    np.testing.assert_allclose(along.run(q=q, k=k, v=v, selection=picked).out, whole.out,
                               rtol=1e-5, atol=1e-6)
    problem = "longheads longheads_chunk=8 longheads_chunks=4"
    keys = np.zeros((1, 2, 6, 8), np.float32)
    made = ctx.plan(problem + " longheads_made" + sizes).run(q=q, k=k, v=v, select_q=given,
                                                             chunk_keys=keys)
    again = ctx.plan(problem + sizes).run(q=q, k=k, v=v, select_q=given, select_k=keys)
    picked = ctx.select(problem + " longheads_made", q=q, k=k, v=v, select_q=given)
    lists = ctx.plan("lists causal" + sizes).run(q=q, k=k, v=v, selection=picked)
    assert (made.out == again.out).all() and (made.out == lists.out).all()
