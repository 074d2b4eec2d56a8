# SPDX-License-Identifier: MIT
"""Arrays in and out: no copies, every kind of producer, layouts, refusals."""
from __future__ import annotations

import array
import ctypes
import gc
import sys

import numpy as np
import pytest

import attn
from attn import _dlpack, _plan, _tensor
from attention_oracle import attend, close


@pytest.fixture
def passed(monkeypatch):
    """The views of the last execute: role -> (address, shape, strides)."""
    seen = {}
    execute = _plan.Plan._execute

    def spy(self, views):
        seen.clear()
        for name, one in views.items():
            rank = one.tensor.rank
            seen[name] = (one.tensor.data, one.shape, tuple(one.tensor.stride[:rank]))
        execute(self, views)

    monkeypatch.setattr(_plan.Plan, "_execute", spy)
    return seen


def place(a):
    return a.__array_interface__["data"][0]


def test_strided_inputs_are_not_copied(ctx, rng, passed):
    # A packed QKV buffer [B,N,3,H,D], and keys read backwards.
    qkv = rng.standard_normal((2, 9, 3, 4, 16)).astype(np.float32)
    q, k, v = (qkv[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
    k, v = k[:, :, ::-1], v[:, :, ::-1]
    before = qkv.copy()
    out = attn.attention(q, k, v, ctx=ctx)
    close(out, attend(q, k, v).out)
    for name, a in (("q", q), ("k", k), ("v", v)):
        assert passed[name] == (place(a), a.shape, tuple(s // 4 for s in a.strides))
    assert np.array_equal(qkv, before)


def test_broadcast_inputs_are_not_copied(ctx, qkv, passed):
    q, k, v = qkv(b=1)
    k2, v2 = (np.broadcast_to(x, (2,) + x.shape[1:]) for x in (k, v))
    q2 = np.concatenate([q, -q])
    close(attn.attention(q2, k2, v2, ctx=ctx), attend(q2, k2, v2).out)
    assert passed["k"][0] == place(k) and passed["k"][2][0] == 0


def test_layout_is_a_view(ctx, qkv, passed):
    q, k, v = qkv()
    turned = [x.transpose(0, 2, 1, 3).copy() for x in (q, k, v)]
    out, lse = attn.attention(*turned, layout="bnhd", lse=True, causal=True, ctx=ctx)
    assert out.shape == (2, 7, 4, 16) and lse.shape == (2, 4, 7)
    assert passed["k"][:2] == (place(turned[1]), k.shape)
    assert passed["out"][0] == place(out)
    expected = attn.attention(q, k, v, causal=True, ctx=ctx)
    assert np.array_equal(out.transpose(0, 2, 1, 3), expected)
    with pytest.raises(ValueError, match="layout"):
        attn.attention(q, k, v, layout="nbhd", ctx=ctx)


def test_outputs_are_written_in_place(ctx, qkv, passed):
    q, k, v = qkv()
    wide = np.full((2, 4, 7, 32), 7, np.float32)
    out, lse = wide[..., ::2], np.empty((2, 4, 7), np.float32)
    got = attn.attention(q, k, v, out=out, lse=lse, ctx=ctx)
    assert got[0] is out and got[1] is lse
    assert passed["out"][0] == place(wide) and passed["out"][2][3] == 2
    expected = attend(q, k, v)
    close(out, expected.out)
    close(lse, expected.lse)
    assert np.all(wide[..., 1::2] == 7)


def test_out_over_q(ctx, qkv):
    q, k, v = qkv()
    expected = attend(q, k, v).out
    assert attn.attention(q, k, v, out=q, ctx=ctx) is q
    close(q, expected)


def test_buffers_and_lists(ctx, rng):
    data = [rng.standard_normal(2 * 3 * 4).astype(np.float32) for _ in range(3)]
    shape = (1, 2, 3, 4)
    views = [memoryview(array.array("f", x)).cast("B").cast("f", shape) for x in data]
    expected = attend(*(x.reshape(shape) for x in data)).out
    close(attn.attention(*views, ctx=ctx), expected)
    memory = memoryview(bytearray(96)).cast("f", shape)
    assert attn.attention(*views, out=memory, k_len=[3], ctx=ctx) is memory
    close(np.asarray(memory), expected)
    with pytest.raises(ValueError, match="writable"):
        attn.attention(*views, out=memoryview(bytes(96)).cast("f", shape), ctx=ctx)
    with pytest.raises(TypeError, match="out: .*list"):
        attn.attention(*views, out=[1.0], ctx=ctx)
    with pytest.raises(TypeError, match="q: .*NoneType"):
        attn.attention(None, views[1], views[2], ctx=ctx)


def test_array_interface(ctx, qkv, passed):
    class Wrapped:
        def __init__(self, a):
            self.__array_interface__ = a.__array_interface__
            self.a = a

    q, k, v = qkv()
    out = attn.attention(Wrapped(q), k, v, ctx=ctx)
    assert passed["q"][0] == place(q)
    assert np.array_equal(out, attn.attention(q, k, v, ctx=ctx))


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Producer:
    """A tensor of a made-up framework: DLPack by hand over a NumPy array."""

    live = 0

    def __init__(self, a, *, versioned=True, code=None, bits=None, device=1, flags=0, lanes=1,
                 dense=False, major=1):
        self.a, self.versioned, self.device = a, versioned, device
        self.flags, self.lanes, self.dense, self.major = flags, lanes, dense, major
        bf16 = a.dtype.name == "bfloat16"
        self.code = {"f": 2, "i": 0, "u": 1, "b": 6}.get(a.dtype.kind, 4) if code is None else code
        self.code = 4 if bf16 and code is None else self.code
        self.bits = a.itemsize * 8 if bits is None else bits
        self.deleted = 0

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, **asked):
        if asked and not self.versioned:
            raise TypeError("no keywords known here")
        kind = _dlpack.DLManagedTensorVersioned if self.versioned else _dlpack.DLManagedTensor
        managed = kind()
        tensor = managed.dl_tensor
        tensor.data, tensor.byte_offset = place(self.a) - 8, 8
        tensor.device_type, tensor.ndim = self.device, self.a.ndim
        tensor.code, tensor.bits, tensor.lanes = self.code, self.bits, self.lanes
        shape = (ctypes.c_int64 * self.a.ndim)(*self.a.shape)
        stride = (ctypes.c_int64 * self.a.ndim)(*(s // self.a.itemsize for s in self.a.strides))
        tensor.shape = ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64))
        if not self.dense:
            tensor.strides = ctypes.cast(stride, ctypes.POINTER(ctypes.c_int64))
        if self.versioned:
            managed.major, managed.flags = self.major, self.flags
        Producer.live += 1

        def deleter(address):
            assert address == ctypes.addressof(managed)
            self.deleted += 1
            Producer.live -= 1

        self.keep = (managed, shape, stride, Deleter(deleter))
        managed.deleter = ctypes.cast(self.keep[3], ctypes.c_void_p)
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p,
                                                       ctypes.c_void_p]
        self.name = b"dltensor_versioned" if self.versioned else b"dltensor"
        return new(ctypes.addressof(managed), self.name, None)


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("type_name", ["float32", "float64", "float16", "bfloat16"])
def test_dlpack(ctx, qkv, passed, versioned, type_name):
    if type_name == "bfloat16":
        type_name = pytest.importorskip("ml_dtypes").bfloat16
    q, k, v = qkv(dtype=type_name)
    expected = attn.attention(q, k, v, ctx=ctx)
    out = np.zeros_like(expected)
    producers = [Producer(x, versioned=versioned) for x in (q, k, v, out)]
    res = attn.attention(*producers[:3], out=producers[3], ctx=ctx)
    assert res is producers[3]
    assert passed["q"][0] == place(q) and passed["out"][0] == place(out)
    assert np.array_equal(out, expected)
    assert [p.deleted for p in producers] == [2, 2, 2, 1] and Producer.live == 0


def test_dlpack_bf16_without_ml_dtypes(ctx, qkv, monkeypatch):
    """Bits of bfloat16 in uint16 arrays: NumPy need not know the type."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    floats = qkv()
    bits = [(x.view(np.uint32) >> 16).astype(np.uint16) for x in floats]
    given = [Producer(x, code=4) for x in bits]
    out = np.zeros((2, 4, 7, 16), np.uint16)
    attn.attention(*given, out=Producer(out, code=4), ctx=ctx)
    cut = [(x.astype(np.uint32) << 16).view(np.float32) for x in bits]
    close((out.astype(np.uint32) << 16).view(np.float32), attend(*cut).out, 1e-2)
    with pytest.raises(ImportError, match="ml_dtypes"):
        attn.attention(*given, ctx=ctx)
    assert Producer.live == 0


def test_dlpack_without_strides(ctx, qkv):
    q, k, v = qkv()
    out = attn.attention(*(Producer(x, dense=True, versioned=False) for x in (q, k, v)), ctx=ctx)
    assert np.array_equal(out, attn.attention(q, k, v, ctx=ctx))
    assert Producer.live == 0


@pytest.mark.parametrize("wrong, message", [
    ({"device": 2}, r"device \(2, 0\)"),
    ({"code": 5}, "type code 5 of 32 bits"),
    ({"lanes": 4}, "4 lanes"),
    ({"major": 2}, "version 2"),
    ({"bits": 8}, "of 8 bits"),
])
def test_dlpack_refusals(ctx, qkv, wrong, message):
    q, k, v = qkv()
    with pytest.raises(attn.ArgumentError, match=message):
        attn.attention(q, Producer(k, **wrong), v, ctx=ctx)
    assert Producer.live == 0


def test_dlpack_read_only_output(ctx, qkv):
    q, k, v = qkv()
    attn.attention(Producer(q, flags=1), k, v, ctx=ctx)
    with pytest.raises(attn.AttnError, match="out: .*read-only"):
        attn.attention(q, k, v, out=Producer(np.empty_like(q), flags=1), ctx=ctx)
    assert Producer.live == 0


def test_dlpack_is_given_back_after_an_error(ctx, qkv):
    q, k, v = qkv()
    plan = ctx.plan("softmax b=2 h=4/2 q=7 k=19 d=16")
    with pytest.raises(attn.AttnError):
        plan.run(q=Producer(q), k=Producer(k), v=Producer(v[:, :, :3]))
    assert Producer.live == 0


def test_torch(ctx, qkv):
    torch = pytest.importorskip("torch")
    q, k, v = (torch.from_numpy(x) for x in qkv())
    expected = attend(q.numpy(), k.numpy(), v.numpy(), causal=True).out
    close(attn.attention(q, k, v, causal=True, ctx=ctx), expected)
    out = torch.empty(2, 4, 7, 16, dtype=torch.bfloat16)
    q, k, v = (x.to(torch.bfloat16) for x in (q, k, v))
    assert attn.attention(q, k, v, causal=True, out=out, ctx=ctx) is out
    close(out.float().numpy(), expected, 2e-2)


def test_refused_arrays(ctx, qkv):
    q, k, v = qkv()
    odd = np.zeros(q.size * 6, np.uint8).view(np.dtype([("x", np.float32), ("y", np.int16)]))
    with pytest.raises(ValueError, match="q: dimension 3 has a stride of 6 bytes"):
        attn.attention(odd["x"][: q.size].reshape(q.shape), k, v, ctx=ctx)
    with pytest.raises(ValueError, match="byte order"):
        attn.attention(q.astype(">f4"), k, v, ctx=ctx)
    with pytest.raises(ValueError, match="complex64"):
        attn.attention(q, k.astype(np.complex64), v, ctx=ctx)
    with pytest.raises(ValueError, match="rank 9"):
        attn.attention(q, k, v, mask=np.ones((1,) * 9, bool), ctx=ctx)
    with pytest.raises(ValueError, match=r"v: .*rank 4, found shape \(16,\)"):
        attn.attention(q, k, v[0, 0, 0], ctx=ctx)
    frozen = np.empty_like(q)
    frozen.flags.writeable = False
    with pytest.raises(attn.AttnError, match="out: .*read-only"):
        attn.attention(q, k, v, out=frozen, ctx=ctx)


def test_single_extents_may_have_any_stride(ctx, qkv):
    q, k, v = qkv(b=1)
    strange = np.lib.stride_tricks.as_strided(q, q.shape, (3,) + q.strides[1:])
    assert np.array_equal(attn.attention(strange, k, v, ctx=ctx),
                          attn.attention(q, k, v, ctx=ctx))


def test_a_view_keeps_its_array(ctx):
    seen = _tensor.view(np.arange(5, dtype=np.int64), "x")
    gc.collect()
    assert seen.integers() == [0, 1, 2, 3, 4]
    seen.release()
    seen.release()
