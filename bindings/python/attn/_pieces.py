# SPDX-License-Identifier: MIT
"""Pieces of visibility: tuples (mode, kind, values), as in must=band[255,0,0,1]."""
from __future__ import annotations

import array
from ctypes import byref, c_int32, c_int64, c_size_t, c_void_p
from typing import Any, Iterable, List, Tuple

from ._errors import INVALID, ArgumentError, check
from ._lib import MODES, UNBOUNDED, lib, text

# A piece that can be hashed: its values as bytes.
Packed = Tuple[str, str, bytes]


def pack(pieces: Iterable[Any], whole: Any) -> Tuple[Packed, ...]:
    """Checks the form of pieces; `whole` turns a value into an integer."""
    packed: List[Packed] = []
    for piece in pieces:
        if isinstance(piece, str) or len(piece) != 3 or piece[0] not in MODES:
            raise ArgumentError(INVALID, "pieces: expected tuples (mode, kind, values) with a "
                                "mode of %s, found %r" % (" or ".join(MODES), piece))
        mode, kind, values = piece
        numbers = [whole("pieces", "inf" if value is None else value) for value in values]
        packed.append((mode, str(kind), array.array("q", numbers).tobytes()))
    return tuple(packed)


def add(desc: c_void_p, pieces: Iterable[Packed]) -> None:
    """Adds them behind those that a problem string gave."""
    for mode, name, data in pieces:
        kind = c_int32()
        check(lib.attn_piece_find(name.encode(), byref(kind)))
        n = len(data) // 8
        check(lib.attn_desc_add_piece(desc, kind.value, MODES.index(mode),
                                      (c_int64 * n).from_buffer_copy(data), n))


def read(desc: c_void_p) -> List[Tuple[str, str, List[Any]]]:
    """All pieces of a descriptor, with inf where there is no limit."""
    count, found = c_size_t(), []
    check(lib.attn_desc_piece_count(desc, byref(count)))
    for i in range(count.value):
        kind, mode, n = c_int32(), c_int32(), c_size_t()
        check(lib.attn_desc_piece_at(desc, i, byref(kind), byref(mode), None, 0, byref(n)))
        values = (c_int64 * n.value)()
        check(lib.attn_desc_piece_at(desc, i, None, None, values, n.value, byref(n)))
        found.append((MODES[mode.value], text(lib.attn_piece_name(kind.value)),
                      [float("inf") if value == UNBOUNDED else value for value in values]))
    return found
