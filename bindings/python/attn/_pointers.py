# SPDX-License-Identifier: MIT
"""Addresses of other people's functions and objects, by whatever means they were made."""
from __future__ import annotations

import ctypes
import sys
from typing import Any

from ._errors import INVALID, ArgumentError


def _of_cffi(value: Any) -> int:
    backend: Any = sys.modules["_cffi_backend"]
    return int(backend.FFI().cast("uintptr_t", value))


def function_address(value: Any, what: str) -> int:
    """A C function as an int address, a ctypes function, a cffi pointer or numba's cfunc."""
    if isinstance(value, bool):
        raise TypeError("%s: expected a C function, found %r" % (what, value))
    if isinstance(value, int):
        address = value
    elif isinstance(value, (ctypes._CFuncPtr, ctypes.c_void_p)):  # type: ignore[attr-defined]
        address = ctypes.cast(value, ctypes.c_void_p).value or 0
    elif type(value).__module__ == "_cffi_backend":
        address = _of_cffi(value)
    elif isinstance(getattr(value, "address", None), int):
        address = value.address
    else:
        raise TypeError("%s: expected the address of a C function, a ctypes function, a cffi "
                        "pointer or a numba cfunc, found %s" % (what, type(value).__name__))
    if not 0 < address < 2 ** (8 * ctypes.sizeof(ctypes.c_void_p)):
        raise ArgumentError(INVALID, "%s: %d is no address" % (what, address))
    return address


class Function:
    """A callback of a problem, compared by where it is; keeps what it was made of."""

    __slots__ = ("name", "address", "_owner")

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.address, self._owner = name, function_address(value, name), value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and (
            (self.name, self.address) == (other.name, other.address))

    def __hash__(self) -> int:
        return hash((self.name, self.address))


# Where the classes are whose objects stand for those of the library.
_OBJECTS = tuple("%s.%s" % (__package__, name) for name in ("_state", "_selection", "_cache_view"))


class Pointer:
    """An object that the library hands on: what a TensorView is to tensors."""

    def __init__(self, value: Any, what: str) -> None:
        self._owner = value
        if value is None:
            self.address = 0
        elif type(value).__module__ in _OBJECTS:
            self.address = value._handle.value or 0
        elif isinstance(value, int) and not isinstance(value, bool):
            self.address = value
        elif isinstance(value, (ctypes.c_void_p, ctypes.c_char_p, ctypes._Pointer)):
            self.address = ctypes.cast(value, ctypes.c_void_p).value or 0
        elif isinstance(value, (ctypes.Structure, ctypes.Union, ctypes.Array,
                                ctypes._SimpleCData)):
            self.address = ctypes.addressof(value)
        elif hasattr(value, "__array_interface__"):
            self.address = value.__array_interface__["data"][0]
        elif type(value).__module__ == "_cffi_backend":
            self.address = _of_cffi(value)
        else:
            raise TypeError("%s: expected an address, a ctypes object, an array or a cffi "
                            "pointer, found %s" % (what, type(value).__name__))

    def release(self) -> None:
        """Lets go of the object; once."""
        self._owner = None
