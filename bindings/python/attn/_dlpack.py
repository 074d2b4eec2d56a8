# SPDX-License-Identifier: MIT
"""Reading DLPack capsules of tensors in host memory.

NumPy's own reader knows no bfloat16, so the structures are read here. A
capsule is taken over (renamed, as the protocol asks) and its deleter called
once when the view is given back.
"""
from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64
from ctypes import c_void_p, py_object
from typing import Any, Callable, NamedTuple, Optional, Tuple

# Devices whose memory the CPU reads like its own: kDLCPU, kDLCUDAHost, kDLROCMHost.
_HOST_DEVICES = (1, 3, 11)
_READ_ONLY = 1
_LEGACY, _VERSIONED = b"dltensor", b"dltensor_versioned"
_USED = {_LEGACY: b"used_dltensor", _VERSIONED: b"used_dltensor_versioned"}

# (type code, bits) -> the library's name of the element type
_NAMES = {
    (0, 32): "i32", (0, 64): "i64", (1, 8): "u8",
    (2, 16): "f16", (2, 32): "f32", (2, 64): "f64",
    (4, 16): "bf16", (6, 8): "bool",
}

# PYFUNCTYPE keeps the interpreter lock: some producers' deleters count on it.
_Deleter = ctypes.PYFUNCTYPE(None, c_void_p)


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32),
        ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16),
        ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)), ("byte_offset", c_uint64),
    ]


class DLManagedTensor(ctypes.Structure):
    _fields_ = [("dl_tensor", DLTensor), ("manager_ctx", c_void_p), ("deleter", c_void_p)]


class DLManagedTensorVersioned(ctypes.Structure):
    _fields_ = [
        ("major", c_uint32), ("minor", c_uint32), ("manager_ctx", c_void_p),
        ("deleter", c_void_p), ("flags", c_uint64), ("dl_tensor", DLTensor),
    ]


_api = ctypes.pythonapi
_is_valid = _api.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = c_int, [py_object, c_char_p]
_get_pointer = _api.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = c_void_p, [py_object, c_char_p]
_set_name = _api.PyCapsule_SetName
_set_name.restype, _set_name.argtypes = c_int, [py_object, c_char_p]


class Foreign(NamedTuple):
    """What a capsule says; `release` must be called once."""

    data: int
    dtype: Optional[str]
    dtype_text: str
    shape: Tuple[int, ...]
    stride: Tuple[int, ...]
    writable: bool
    release: Callable[[], None]


def _capsule(producer: Any) -> Any:
    try:
        return producer.__dlpack__(max_version=(1, 0))
    except TypeError:
        return producer.__dlpack__()


def _dense(shape: Tuple[int, ...]) -> Tuple[int, ...]:
    stride, step = [], 1
    for extent in reversed(shape):
        stride.append(step)
        step *= extent
    return tuple(reversed(stride))


def read(producer: Any) -> Foreign:
    """The tensor behind an object with `__dlpack__`."""
    device = tuple(int(x) for x in producer.__dlpack_device__())
    if device[0] not in _HOST_DEVICES:
        raise BufferError("DLPack device %r is not host memory" % (device,))
    capsule = _capsule(producer)
    name = next((n for n in _USED if _is_valid(capsule, n)), None)
    if name is None:
        raise BufferError("__dlpack__ gave no fresh 'dltensor' capsule but %r" % (capsule,))
    address = _get_pointer(capsule, name)
    managed: Any
    if name == _LEGACY:
        managed = DLManagedTensor.from_address(address)
        writable, major = True, 1
    else:
        managed = DLManagedTensorVersioned.from_address(address)
        writable, major = not managed.flags & _READ_ONLY, managed.major
    _set_name(capsule, _USED[name])
    deleter = managed.deleter

    def release() -> None:
        if deleter:
            _Deleter(deleter)(address)

    if major != 1:
        release()
        raise BufferError("DLPack version %d is not known, only 1" % major)
    tensor = managed.dl_tensor
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    if tensor.strides:
        stride = tuple(tensor.strides[i] for i in range(tensor.ndim))
    else:
        stride = _dense(shape)
    known = _NAMES.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    return Foreign(
        (tensor.data or 0) + tensor.byte_offset,
        known,
        "DLPack type code %d of %d bits and %d lanes" % (tensor.code, tensor.bits, tensor.lanes),
        shape, stride, writable, release,
    )
