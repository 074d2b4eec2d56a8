# SPDX-License-Identifier: MIT
"""Anything array-like as an `attn_tensor`, without copying an element."""
from __future__ import annotations

import ctypes
import functools
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np
import numpy.typing as npt

from . import _dlpack
from ._errors import DTYPE, SHAPE, STRIDE, STATE, INVALID, ArgumentError
from ._lib import MAX_RANK, Tensor, lib, text

Array = npt.NDArray[Any]


def _dtype_numbers() -> Dict[str, int]:
    """Names of the element types; their numbers are dense from 1."""
    found: Dict[str, int] = {}
    while True:
        name = lib.attn_dtype_name(len(found) + 1)
        # types that only caches store have a name and no size
        if name is None or lib.attn_dtype_size(len(found) + 1) == 0:
            return found
        found[text(name)] = len(found) + 1


NUMBERS = _dtype_numbers()
_BY_KIND = {
    ("f", 4): "f32", ("f", 8): "f64", ("f", 2): "f16",
    ("i", 4): "i32", ("i", 8): "i64", ("u", 1): "u8", ("b", 1): "bool",
}
_TO_NUMPY = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i32": np.int32,
             "i64": np.int64, "u8": np.uint8, "bool": np.bool_}


@functools.lru_cache(maxsize=64)
def _name_of(dtype: np.dtype[Any]) -> Optional[str]:
    if dtype.name == "bfloat16":
        return "bf16"
    return _BY_KIND.get((dtype.kind, dtype.itemsize)) if dtype.isnative else None


def dtype_name(value: object) -> str:
    """The library's name of a NumPy type: numpy.float32, "float32", a dtype -> "f32"."""
    if value == "bfloat16":
        return "bf16"
    dtype = np.dtype(value)  # type: ignore[call-overload]
    name = _name_of(dtype)
    if name is None:
        raise ArgumentError(DTYPE, "NumPy type %s has no counterpart; known are %s"
                            % (dtype, ", ".join(NUMBERS)))
    return name


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy type for a name of the library; bf16 needs ml_dtypes."""
    if name == "bf16":
        try:
            import ml_dtypes
        except ImportError:
            raise ImportError("NumPy arrays of bf16 need the package ml_dtypes; "
                              "install it or pass the outputs' memory yourself") from None
        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(_TO_NUMPY[name])


class TensorView:
    """An `attn_tensor` and what keeps its memory alive until `release`."""

    __slots__ = ("tensor", "_owner", "_release")

    def __init__(self, tensor: Tensor, owner: object,
                 release: Optional[Callable[[], None]] = None) -> None:
        self.tensor = tensor
        self._owner = owner
        self._release = release

    @property
    def address(self) -> int:
        """Of the `attn_tensor`."""
        return ctypes.addressof(self.tensor)

    @property
    def shape(self) -> Tuple[int, ...]:
        return tuple(self.tensor.shape[: self.tensor.rank])

    @property
    def dtype(self) -> str:
        return text(lib.attn_dtype_name(self.tensor.dtype))

    def swap_heads(self, what: str) -> None:
        """[B,N,H,D] seen as [B,H,N,D]."""
        tensor = self.tensor
        if tensor.rank != 4:
            raise ArgumentError(SHAPE, "%s: layout=\"bnhd\" needs an array of rank 4, found "
                                "shape %r" % (what, self.shape))
        for list_ in (tensor.shape, tensor.stride):
            list_[1], list_[2] = list_[2], list_[1]

    def integers(self) -> list[int]:
        """The elements of a one-dimensional view of i32 or i64."""
        tensor = self.tensor
        kind: Any = ctypes.c_int32 if self.dtype == "i32" else ctypes.c_int64
        step = tensor.stride[0] * ctypes.sizeof(kind)
        return [int(kind.from_address(tensor.data + i * step).value)
                for i in range(tensor.shape[0])]

    def release(self) -> None:
        """Gives foreign memory back; once."""
        release, self._release, self._owner = self._release, None, None
        if release is not None:
            release()


def _from_numpy(array: Array, what: str, writable: bool) -> TensorView:
    name = _name_of(array.dtype)
    if name is None:
        raise ArgumentError(DTYPE, "%s: NumPy type %s (byte order %r) has no counterpart; known "
                            "are %s" % (what, array.dtype, array.dtype.byteorder,
                                        ", ".join(NUMBERS)))
    rank, size = array.ndim, array.itemsize
    if rank > MAX_RANK:
        raise ArgumentError(SHAPE, "%s: rank %d, at most %d is possible" % (what, rank, MAX_RANK))
    if writable and not array.flags.writeable:
        raise ArgumentError(STATE, "%s: an output must be writable, found a read-only array"
                            % what)
    tensor = Tensor()
    tensor.data = array.__array_interface__["data"][0]
    tensor.dtype, tensor.rank = NUMBERS[name], rank
    shape, steps = array.shape, array.strides
    for i in range(rank):
        if steps[i] % size and shape[i] > 1 and array.size:
            raise ArgumentError(STRIDE, "%s: dimension %d has a stride of %d bytes, expected a "
                                "multiple of the element's %d" % (what, i, steps[i], size))
    tensor.shape[:rank] = shape
    tensor.stride[:rank] = [step // size for step in steps]
    return TensorView(tensor, array)


def _from_dlpack(producer: object, what: str, writable: bool) -> TensorView:
    try:
        foreign = _dlpack.read(producer)
    except BufferError as error:
        raise ArgumentError(INVALID, "%s: %s" % (what, error)) from error
    try:
        if foreign.dtype is None:
            raise ArgumentError(DTYPE, "%s: %s has no counterpart; known are %s"
                                % (what, foreign.dtype_text, ", ".join(NUMBERS)))
        if len(foreign.shape) > MAX_RANK:
            raise ArgumentError(SHAPE, "%s: rank %d, at most %d is possible"
                                % (what, len(foreign.shape), MAX_RANK))
        if writable and not foreign.writable:
            raise ArgumentError(STATE, "%s: an output must be writable, found a read-only tensor"
                                % what)
    except ArgumentError:
        foreign.release()
        raise
    tensor = Tensor()
    tensor.data = foreign.data or None
    tensor.dtype, tensor.rank = NUMBERS[foreign.dtype], len(foreign.shape)
    tensor.shape[: tensor.rank] = foreign.shape
    tensor.stride[: tensor.rank] = foreign.stride
    return TensorView(tensor, producer, foreign.release)


def view(value: Any, what: str, writable: bool = False) -> TensorView:
    """A view of a NumPy array, a DLPack producer or a buffer.

    Inputs may also be lists, and a whole number stands for a list of one.
    """
    if isinstance(value, np.ndarray):
        return _from_numpy(value, what, writable)
    if not writable and isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return _from_numpy(np.array([value], np.int64), what, writable)
    if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        return _from_dlpack(value, what, writable)
    if hasattr(value, "__array_interface__"):
        return _from_numpy(np.asarray(value), what, writable)
    try:
        return _from_numpy(np.asarray(memoryview(value)), what, writable)
    except TypeError:
        pass
    if not writable and isinstance(value, (list, tuple)):
        return _from_numpy(np.asarray(value), what, writable)
    raise TypeError("%s: expected a NumPy array, a DLPack tensor or a %sbuffer, found %s"
                    % (what, "writable " if writable else "", type(value).__name__))
