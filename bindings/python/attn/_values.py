# SPDX-License-Identifier: MIT
"""Parameters read back from a descriptor as Python's values, by their types alone."""
from __future__ import annotations

import math
from ctypes import Array, byref, c_double, c_int32, c_int64, c_size_t, c_void_p
from typing import Any, Dict

from ._errors import check, read_text
from ._lib import (
    TYPE_BOOL, TYPE_ENUM, TYPE_F64, TYPE_F64S, TYPE_I64, TYPE_I64S, TYPE_SET, TYPE_TEXT,
    UNBOUNDED, Param, lib, params,
)


def is_set(desc: c_void_p, param: int) -> bool:
    """Has the parameter a value of its own?"""
    found = c_int32()
    check(lib.attn_desc_is_set(desc, param, byref(found)))
    return bool(found.value)


def read_string(desc: c_void_p, param: int) -> str:
    """A set parameter as the problem string has it."""
    return read_text(lambda buf, n, needed: lib.attn_desc_get_text(desc, param, buf, n, needed))


def _list(get: Any, kind: Any, desc: c_void_p, param: int) -> "list[Any]":
    n = c_size_t(0)
    check(get(desc, param, None, 0, byref(n)))
    values: Array[Any] = (kind * n.value)()
    check(get(desc, param, values, n.value, byref(n)))
    return list(values)


def _read(desc: c_void_p, param: Param) -> Any:
    if param.type in (TYPE_I64, TYPE_BOOL):
        whole = c_int64()
        check(lib.attn_desc_get_i64(desc, param.number, byref(whole)))
        if param.type == TYPE_BOOL:
            return bool(whole.value)
        return math.inf if whole.value == UNBOUNDED else whole.value
    if param.type == TYPE_F64:
        real = c_double()
        check(lib.attn_desc_get_f64(desc, param.number, byref(real)))
        return real.value
    if param.type == TYPE_I64S:
        return _list(lib.attn_desc_get_i64s, c_int64, desc, param.number)
    if param.type == TYPE_F64S:
        return _list(lib.attn_desc_get_f64s, c_double, desc, param.number)
    if param.type == TYPE_SET:
        words = read_string(desc, param.number)
        return tuple(words.split(",")) if words else ()
    assert param.type in (TYPE_ENUM, TYPE_TEXT)
    return read_string(desc, param.number)


def read_all(desc: c_void_p) -> Dict[str, Any]:
    """Every parameter that is set, by name. One this binding has no type for is left out."""
    return {name: _read(desc, param) for name, param in params.items()
            if TYPE_I64 <= param.type <= TYPE_F64S and is_set(desc, param.number)}
