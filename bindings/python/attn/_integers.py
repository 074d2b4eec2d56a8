# SPDX-License-Identifier: MIT
"""Lists of whole numbers as arrays of C, which would cut off what does not fit."""
from __future__ import annotations

from ctypes import c_int32, c_int64
from typing import Any, Iterable, Tuple

from ._errors import INVALID, ArgumentError


def i64s(values: Iterable[int]) -> Tuple[Any, int]:
    """An array of int64, and its length."""
    numbers = [int(x) for x in values]
    for x in numbers:
        if not -(2**63) <= x < 2**63:
            raise ArgumentError(INVALID, "%d does not fit in 64 bits" % x)
    return (c_int64 * len(numbers))(*numbers), len(numbers)


def i32s(values: Iterable[int]) -> Any:
    """An array of int32."""
    numbers = [int(x) for x in values]
    for x in numbers:
        if not -(2**31) <= x < 2**31:
            raise ArgumentError(INVALID, "%d does not fit in 32 bits" % x)
    return (c_int32 * len(numbers))(*numbers)
