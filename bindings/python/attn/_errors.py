# SPDX-License-Identifier: MIT
"""Exceptions: the library's status codes and messages in Python's own families."""
from __future__ import annotations

import ctypes
from typing import Callable, Dict, Optional, Type

from ._lib import lib, text

INVALID, STATE, UNSUPPORTED, NOMEM, BUSY = -1, -3, -4, -5, -6
OVERFLOW, THREAD, INTERNAL = -7, -8, -9
DTYPE, SHAPE, STRIDE, ROLE, SYNTAX = -20, -21, -22, -23, -42


class AttnError(Exception):
    """An error of the library: `status` (a number), `name` of it, `message`."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.name = text(lib.attn_status_name(status))
        self.message = message or text(lib.attn_status_text(status))
        super().__init__(status, message)

    def __str__(self) -> str:
        return "%s: %s" % (self.name, self.message)


class ArgumentError(AttnError, ValueError):
    """An argument, a parameter or a tensor is not as it has to be."""


class UnsupportedError(AttnError, NotImplementedError):
    """A legal request that this build cannot serve."""


class OutOfMemoryError(AttnError, MemoryError):
    """Memory could not be had."""


class SizeOverflowError(AttnError, OverflowError):
    """A product of sizes does not fit in 64 bits."""


class StateError(AttnError, RuntimeError):
    """The call does not fit the state of an object, or a thread could not start."""


_CLASSES: Dict[int, Type[AttnError]] = {
    STATE: StateError,
    UNSUPPORTED: UnsupportedError,
    NOMEM: OutOfMemoryError,
    BUSY: StateError,
    OVERFLOW: SizeOverflowError,
    THREAD: StateError,
    INTERNAL: StateError,
}


def error(status: int, message: str) -> AttnError:
    """The exception for a status; one without a class of its own is an argument's."""
    return _CLASSES.get(status, ArgumentError)(status, message)


def _last_error() -> str:
    room = 512
    while True:
        buf = ctypes.create_string_buffer(room)
        needed = lib.attn_last_error(buf, room)
        if needed <= room:
            return buf.value.decode("utf-8", "replace")
        room = needed


def check(status: int) -> None:
    """Raises what the library has just reported on this thread, if anything."""
    if status != 0:
        raise error(status, _last_error())


def read_text(call: Callable[[Optional[ctypes.Array[ctypes.c_char]], int, object], int]) -> str:
    """Text from a function that fills (buf, len, *needed)."""
    needed = ctypes.c_size_t(0)
    check(call(None, 0, ctypes.byref(needed)))
    while True:
        buf = ctypes.create_string_buffer(max(needed.value, 1))
        check(call(buf, len(buf), ctypes.byref(needed)))
        if needed.value <= len(buf):  # wisdom may have grown meanwhile
            return buf.value.decode("utf-8", "replace")
