# SPDX-License-Identifier: MIT
"""Contexts, plans, errors, threads and what the package says about itself."""
from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import attn
from attn import _errors, _lib
from attention_oracle import attend, close

PACKAGE = Path(attn.__file__).resolve().parent.parent


def test_errors_carry_the_library_s_words(ctx, qkv):
    q, k, v = qkv()
    plan = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16")
    with pytest.raises(attn.AttnError) as caught:
        plan.run(q=q, k=k[:, :1], v=v)
    error = caught.value
    assert isinstance(error, ValueError) and isinstance(error, attn.ArgumentError)
    assert error.status == _errors.SHAPE and error.name == "ATTN_ERR_SHAPE"
    assert "k has extent 1" in error.message
    assert str(error) == "ATTN_ERR_SHAPE: " + error.message
    with pytest.raises(attn.ArgumentError) as caught:
        plan.run(q=q.astype(np.float64), k=k, v=v)
    assert caught.value.status == _errors.DTYPE
    with pytest.raises(attn.ArgumentError) as caught:
        plan.run(q=q, k=k, v=v, mask=np.ones((1, 1, 1, 1), bool))
    assert caught.value.status == _errors.ROLE
    with pytest.raises(attn.ArgumentError, match="v is missing"):
        plan.run(q=q, k=k)
    with pytest.raises(attn.ArgumentError) as caught:
        plan.run(q=q, k=k, v=v, querry=q)
    assert caught.value.name == "ATTN_ERR_UNKNOWN_NAME"
    with pytest.raises(attn.ArgumentError) as caught:
        ctx.plan("softmax b=1 h=1 q=1 d=8")
    assert caught.value.name == "ATTN_ERR_UNSET"


def test_errors_have_families():
    for status, family in ((_errors.UNSUPPORTED, NotImplementedError), (_errors.NOMEM, MemoryError),
                           (_errors.OVERFLOW, OverflowError), (_errors.BUSY, RuntimeError),
                           (_errors.STATE, RuntimeError), (_errors.SHAPE, ValueError)):
        error = _errors.error(status, "text")
        assert isinstance(error, family) and isinstance(error, attn.AttnError)
        assert error.message == "text"
    for name in ("INVALID", "STATE", "UNSUPPORTED", "NOMEM", "BUSY", "OVERFLOW", "THREAD",
                 "INTERNAL", "DTYPE", "SHAPE", "STRIDE", "ROLE", "SYNTAX"):
        number = getattr(_errors, name)
        assert _lib.text(_lib.lib.attn_status_name(number)) == "ATTN_ERR_" + name


def test_numbers_agree_with_the_library():
    assert _lib.params["executors"].number == _lib.PARAM_EXECUTORS
    assert {n for n, r in _lib.roles.items() if r.has_layout} >= {"q", "k", "v", "out"}
    assert not _lib.roles["lse"].has_layout and not _lib.roles["probs"].has_layout
    assert attn.roles()["lse"] == "output" and attn.roles()["seg_q"] == "input"
    assert "softmax" in attn.mechanisms()
    assert attn.library_version().count(".") == 2


def test_attention_says_what_it_does_not_take(ctx, qkv):
    q, k, v = qkv()
    with pytest.raises(attn.ArgumentError, match="Context.plan"):
        attn.attention(q, k, v, want="probs", ctx=ctx)
    with pytest.raises(attn.ArgumentError, match="Context.plan"):
        attn.attention(q, k, v, probs=np.empty((2, 4, 7, 19), np.float32), ctx=ctx)
    with pytest.raises(attn.ArgumentError, match="from the arrays"):
        attn.attention(q, k, v, h=4, ctx=ctx)
    with pytest.raises(TypeError, match="k_len: expected an array, found int"):
        attn.attention(q, k, v, k_len=3, ctx=ctx)
    with pytest.raises(attn.ArgumentError, match="merge"):
        attn.merge([], [])


def test_context_options():
    ctx = attn.Context(threads=3, max_isa="c")
    assert ctx.threads == 3 and ctx.isa == "c" and "Context" in repr(ctx)
    assert ctx.describe() and isinstance(ctx.blas_threads, int)
    assert attn.Context(threads=0).threads == len(os.sched_getaffinity(0))
    with pytest.raises(attn.ArgumentError, match="max_isa: found 'avx9'.*avx2"):
        attn.Context(max_isa="avx9")
    with pytest.raises(attn.ArgumentError):
        attn.Context(threads=-1)
    with pytest.raises(attn.ArgumentError, match="log level"):
        attn.Context(log="loud")


def test_log_lines(caplog):
    lines = []
    ctx = attn.Context(log=lambda level, line: lines.append((level, line)), log_level="info")
    ctx.plan("softmax b=1 h=1 q=1 k=1 d=8")
    assert lines and all(isinstance(line, str) and level <= 3 for level, line in lines)
    with caplog.at_level(logging.DEBUG, logger="attn"):
        attn.Context(log="trace").plan("softmax b=1 h=1 q=1 k=1 d=8")
    assert any(record.name == "attn" for record in caplog.records)
    quiet = attn.Context(log=lambda level, line: lines.append(line), log_level="silent")
    del lines[:]
    quiet.plan("softmax b=1 h=1 q=1 k=1 d=8")
    assert not lines


def test_plan_tells(ctx):
    plan = ctx.plan("softmax h=9/3 q=64 k=512 d=64 causal b=1")
    assert plan.problem == "softmax b=1 h=9/3 q=64 k=512 d=64 causal"
    assert plan.problem in repr(plan)
    assert plan.solver() in attn.solvers() and plan.solver(1, 100) in attn.solvers()
    assert plan.solver(1, 100) in plan.describe(1, 100)
    assert plan.describe() and isinstance(plan.workspace_bytes, int)
    with pytest.raises(ValueError, match="q=65"):
        plan.solver(65, 1)
    with pytest.raises(attn.ArgumentError):
        plan.describe(65, 1)
    assert ctx.plan("softmax h=1 q=4 k=inf d=8").solver() in attn.solvers()


def test_plan_parameters(ctx):
    plan = ctx.plan("softmax h=9/3 q=64 k=inf d=64/32 causal=0 window=9,inf scale=0.25 "
                    "q_head=[0,1,2] k_head=[0,0,0] v_head=[0,0,1] alibi "
                    "alibi_slopes=[0.5,0.25,1] dtype=f16 want=rowmax,entropy solver=reference")
    assert plan.parameters == {
        "hq": 9, "hk": 3, "q": 64, "k": float("inf"), "d": 64, "dv": 32, "causal": False,
        "window_left": 9, "window_right": float("inf"), "scale": 0.25, "q_head": [0, 1, 2],
        "k_head": [0, 0, 0], "v_head": [0, 0, 1], "alibi": True, "alibi_slopes": [0.5, 0.25, 1],
        "dtype": "f16", "want": ("rowmax", "entropy"), "solver": "reference",
    }


def test_bound_plans_compute_again(ctx, qkv):
    q, k, v = qkv()
    plan = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16")
    bound = plan.bind(q=q, k=k, v=v, lse=True)
    out = bound().out
    assert np.array_equal(out, plan.run(q=q, k=k, v=v).out)
    q *= 2
    assert bound().out is out and bound.results.lse.shape == (2, 4, 7)
    assert np.array_equal(out, plan.run(q=q, k=k, v=v).out)
    with pytest.raises(attn.ArgumentError, match="v is missing"):
        plan.bind(q=q, k=k)()
    alone = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16").bind(
        q=q.copy(), k=k.copy(), v=v.copy(), out=np.empty_like(q))
    gc.collect()
    assert np.array_equal(alone().out, out)


def test_objects_may_go_in_any_order(qkv):
    q, k, v = qkv()
    for _ in range(3):
        ctx = attn.Context()
        plan = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16")
        attn.attention(q, k, v, ctx=ctx)
        del ctx
        gc.collect()
        close(plan.run(q=q, k=k, v=v).out, attend(q, k, v).out)
        del plan
        gc.collect()


def test_attention_keeps_64_plans(qkv):
    ctx = attn.Context()
    q, k, v = qkv(b=1, nq=1, nk=70)
    attn.attention(q, k, v, ctx=ctx)
    first = next(iter(ctx._kept.values()))
    attn.attention(q, k, v, ctx=ctx)
    assert list(ctx._kept.values()) == [first]
    for n in range(1, 70):
        attn.attention(q, k[:, :, :n], v[:, :, :n], ctx=ctx)
    assert len(ctx._kept) == 64 and first not in ctx._kept.values()


def test_default_context(qkv):
    q, k, v = qkv()
    close(attn.attention(q, k, v), attend(q, k, v).out)
    assert attn.default_context() is attn.default_context()


def test_one_plan_in_many_threads(ctx, qkv):
    plan = ctx.plan("softmax b=2 h=4/2 q=64 k=128 d=32 causal")
    q, k, v = qkv(nq=64, nk=128, d=32)
    expected = plan.run(q=q, k=k, v=v).out
    wrong = []

    def work():
        for _ in range(30):
            try:
                if not np.array_equal(plan.run(q=q, k=k, v=v).out, expected):
                    wrong.append("different bits")
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 1 <= len(plan._spare) <= 6


def test_the_interpreter_runs_on_during_a_run():
    """While one thread executes for a while, this one gets Python work done."""
    plan = attn.Context(max_isa="c").plan("softmax b=1 h=8 q=1024 k=1024 d=64")
    q, k, v = (np.ones((1, 8, 1024, 64), np.float32) for _ in range(3))
    done = threading.Event()
    spans = []

    def work():
        start = time.perf_counter()
        plan.run(q=q, k=k, v=v)
        spans.append((start, time.perf_counter()))
        done.set()

    worker = threading.Thread(target=work)
    ticks = []
    worker.start()
    while not done.is_set():
        ticks.append(time.perf_counter())
        time.sleep(0.0005)
    worker.join()
    start, end = spans[0]
    inside = [t for t in ticks if start + 0.2 * (end - start) < t < start + 0.8 * (end - start)]
    assert len(inside) >= 3, (len(ticks), end - start)


def run_python(code, **environment):
    env = {**os.environ, "PYTHONPATH": str(PACKAGE), **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_a_missing_library_is_said_clearly():
    done = run_python("import attn", ATTN_LIBRARY="/nowhere/libattn.so")
    assert done.returncode != 0
    assert "ImportError" in done.stderr and "/nowhere/libattn.so" in done.stderr
    assert "ATTN_LIBRARY" in done.stderr


def test_a_forked_child_computes(ctx, qkv):
    q, k, v = qkv()
    plan = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16")
    expected = plan.run(q=q, k=k, v=v).out
    pid = os.fork()
    if pid == 0:
        os._exit(0 if np.array_equal(plan.run(q=q, k=k, v=v).out, expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("page", ("bindings/python/README.md", "docs/linear.md"))
def test_the_pages_run(page):
    text = (Path(__file__).resolve().parents[3] / page).read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert blocks
    done = run_python("\n".join(blocks))
    assert done.returncode == 0, done.stderr


def test_wisdom_goes_from_context_to_context(recwarn):
    first, second = attn.Context(), attn.Context()
    problem = "softmax h=2 q=1 k=20 d=8 blas=never"
    assert first.wisdom_export() == "attn-wisdom 1\n"
    assert "chosen: by estimate" in second.plan(problem).describe()
    measured = first.plan(problem, effort="measure")
    assert "chosen: by wisdom" in measured.describe()
    wisdom = first.wisdom_export()
    assert wisdom.splitlines()[1].startswith(problem + " | ")
    assert second.wisdom_import(wisdom) == (1, 0)
    plan = second.plan(problem)
    assert "chosen: by wisdom" in plan.describe() and plan.solver() == measured.solver()
    assert second.wisdom_export() == wisdom
    second.wisdom_clear()
    assert second.wisdom_export() == "attn-wisdom 1\n"
    assert not recwarn
    other = problem + " | some CPU | c | 0.0.0 | 1x20 | none | 0"
    with pytest.warns(UserWarning, match="line 2 of the wisdom"):
        assert second.wisdom_import("attn-wisdom 1\nnonsense\n%s\n%s"
                                    % (other, wisdom.splitlines()[1])) == (1, 1)
