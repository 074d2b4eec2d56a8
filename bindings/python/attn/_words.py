# SPDX-License-Identifier: MIT
"""Keywords of Python as parts of a problem.

Most keywords become the word of the problem string that says the same, so
that one parser checks both. Whole numbers and lists go through the setters
of the descriptor: members of a compound (`hk`, `window_left`) have no word of
their own, and lists may be longer than a problem string.
"""
from __future__ import annotations

import array
import math
import operator
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from . import _pieces
from ._errors import INVALID, SYNTAX, ArgumentError
from ._lib import (
    TYPE_BOOL, TYPE_ENUM, TYPE_F64S, TYPE_I64, TYPE_I64S, TYPE_SET, UNBOUNDED, Param, params,
)
from ._pointers import Function
from ._tensor import dtype_name

# Callbacks, each with a setter of its own.
FUNCTIONS = ("score_fn", "mask_fn")

# What joins the members of a value given as a tuple.
_JOINTS = {"h": "/", "d": "/", "window": ","}


class Problem(NamedTuple):
    """A problem as text and values for setters: hashable, so that plans are kept by it."""

    text: str
    # name of an i64, i64s or f64s parameter, and its values as bytes
    setters: Tuple[Tuple[str, bytes], ...]
    pieces: Tuple[_pieces.Packed, ...] = ()
    functions: Tuple[Function, ...] = ()


def _scalar(key: str, value: Any) -> str:
    if value is None:
        return "inf"
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, str):
        if not value or any(c.isspace() or c == "\0" for c in value):
            raise ArgumentError(SYNTAX, "%s: expected one word, found %r" % (key, value))
        return value
    try:
        return str(operator.index(value))
    except TypeError:
        pass
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError("%s: expected a number or a word, found %s"
                        % (key, type(value).__name__)) from None
    return "inf" if number == math.inf else repr(number)


def _integer(key: str, value: Any) -> int:
    if isinstance(value, str):
        try:
            return UNBOUNDED if value == "inf" else int(value)
        except ValueError:
            raise ArgumentError(SYNTAX, "%s: expected a whole number or \"inf\", found %r"
                                % (key, value)) from None
    if isinstance(value, (float, np.floating)) and value == math.inf:
        return UNBOUNDED
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError("%s: expected a whole number or \"inf\", found %s"
                        % (key, type(value).__name__)) from None


def _is_sequence(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, range, np.ndarray))


def _names_dtype(value: str) -> bool:
    try:
        dtype_name(value)
    except (TypeError, ArgumentError):
        return False
    return True


def _word(key: str, value: Any) -> str:
    if key in _JOINTS:
        parts = value if _is_sequence(value) else (value,)
        return "%s=%s" % (key, _JOINTS[key].join(_scalar(key, part) for part in parts))
    param: Optional[Param] = params.get(key)
    kind = 0 if param is None else param.type
    if kind == TYPE_BOOL and not isinstance(value, str):
        if isinstance(value, np.ndarray) or value not in (0, 1):
            raise ArgumentError(INVALID, "%s: expected True or False, found %r" % (key, value))
        return key if value else key + "=0"
    if param is not None and kind == TYPE_ENUM:
        # Element types may also be said in NumPy's way.
        if not isinstance(value, str) or (value not in param.words and _names_dtype(value)):
            return "%s=%s" % (key, dtype_name(value))
    if kind == TYPE_SET and _is_sequence(value):
        return "%s=%s" % (key, ",".join(_scalar(key, part) for part in value))
    return "%s=%s" % (key, _scalar(key, value))


def _values(key: str, kind: int, value: Any) -> bytes:
    """array.array refuses numbers that do not fit, which ctypes does not."""
    try:
        if kind == TYPE_F64S:
            return array.array("d", [float(x) for x in value]).tobytes()
        members = value if kind == TYPE_I64S else (value,)
        return array.array("q", [_integer(key, x) for x in members]).tobytes()
    except OverflowError:
        raise ArgumentError(INVALID, "%s: %r does not fit in 64 bits" % (key, value)) from None


def problem(start: Optional[str], keywords: Mapping[str, Any]) -> Problem:
    """Puts a problem string and keywords together; None means not given."""
    words: List[str] = ["softmax" if start is None else start]
    setters: Dict[str, bytes] = {}
    pieces: Tuple[_pieces.Packed, ...] = ()
    functions: List[Function] = []
    for key, value in keywords.items():
        if value is None:
            continue
        if key == "pieces":
            pieces = _pieces.pack(value, _integer)
            continue
        if key in FUNCTIONS:
            functions.append(Function(key, value))
            continue
        param = params.get(key)
        kind = 0 if param is None or key in _JOINTS else param.type
        if kind == TYPE_I64 or (kind in (TYPE_I64S, TYPE_F64S) and _is_sequence(value)):
            setters[key] = _values(key, kind, value)
        elif kind == TYPE_SET and _is_sequence(value) and len(value) == 0:
            continue
        else:
            words.append(_word(key, value))
    text = " ".join(words)
    if "\0" in text:
        raise ArgumentError(SYNTAX, "a problem string cannot hold a NUL character: %r" % text)
    return Problem(text, tuple(setters.items()), pieces, tuple(functions))
