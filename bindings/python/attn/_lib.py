# SPDX-License-Identifier: MIT
"""The shared library: finding it, its prototypes, and what it tells about itself.

Every call goes through `ctypes.CDLL`, which lets go of the interpreter lock
for as long as the library works.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import (
    CFUNCTYPE, POINTER, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint8,
    c_uint32, c_void_p,
)
from typing import Any, Callable, Dict, List, NamedTuple, Optional

MAX_RANK = 8
UNBOUNDED = -(2**63)

# Frozen numbers of the C interface that the binding itself has to speak of.
CTX_THREADS, CTX_MAX_ISA, CTX_LOG_LEVEL, CTX_ISA, CTX_BLAS = 1, 2, 3, 4, 5
LOG_LEVELS = {"silent": 0, "error": 1, "warning": 2, "info": 3, "trace": 4}
PARAM_EXECUTORS = 602
MODES = ("must", "any")  # by number
TYPE_I64, TYPE_BOOL, TYPE_ENUM, TYPE_SET, TYPE_F64, TYPE_TEXT = 1, 2, 3, 4, 5, 6
TYPE_I64S, TYPE_F64S = 7, 8


class Tensor(ctypes.Structure):
    """`attn_tensor`: a view of somebody's memory, strides in elements."""

    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("shape", c_int64 * MAX_RANK),
        ("stride", c_int64 * MAX_RANK),
    ]


class Arg(ctypes.Structure):
    """`attn_arg`: one argument of an execute."""

    _fields_ = [("role", c_int32), ("zero", c_int32), ("object", c_void_p)]


LogFn = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class Logger(ctypes.Structure):
    """`attn_logger`: the hook for log lines, starting with its own size."""

    _fields_ = [("size", c_size_t), ("user", c_void_p), ("log", LogFn)]


# What score_fn and mask_fn are, to make them of Python functions.
ScoreFn = CFUNCTYPE(None, c_void_p, POINTER(c_float), *[c_int64] * 8)
MaskFn = CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint8), *[c_int64] * 8)

_handle, _out = c_void_p, POINTER(c_void_p)
_i64p, _f64p = POINTER(c_int64), POINTER(c_double)
_i32p, _sizep = POINTER(c_int32), POINTER(c_size_t)

_PROTOTYPES: Dict[str, Any] = {
    "attn_version": (c_uint32, []),
    "attn_version_text": (c_char_p, []),
    "attn_status_name": (c_char_p, [c_int32]),
    "attn_status_text": (c_char_p, [c_int32]),
    "attn_last_error": (c_size_t, [c_char_p, c_size_t]),
    "attn_dtype_name": (c_char_p, [c_int32]),
    "attn_dtype_size": (c_size_t, [c_int32]),
    "attn_ctx_create": (c_int32, [c_void_p, _out]),
    "attn_ctx_destroy": (None, [_handle]),
    "attn_ctx_set_i64": (c_int32, [_handle, c_int32, c_int64]),
    "attn_ctx_get_i64": (c_int32, [_handle, c_int32, _i64p]),
    "attn_ctx_set_logger": (c_int32, [_handle, POINTER(Logger)]),
    "attn_ctx_describe": (c_int32, [_handle, c_char_p, c_size_t, _sizep]),
    "attn_wisdom_export": (c_int32, [_handle, c_char_p, c_size_t, _sizep]),
    "attn_wisdom_import": (c_int32, [_handle, c_char_p, _sizep, _sizep]),
    "attn_wisdom_clear": (c_int32, [_handle]),
    "attn_isa_at": (c_int32, [c_size_t]),
    "attn_isa_name": (c_char_p, [c_int32]),
    "attn_isa_usable": (c_int32, [c_int32]),
    "attn_desc_parse": (c_int32, [_handle, c_char_p, _out]),
    "attn_desc_print": (c_int32, [_handle, c_char_p, c_size_t, _sizep]),
    "attn_desc_destroy": (None, [_handle]),
    "attn_desc_set_i64": (c_int32, [_handle, c_int32, c_int64]),
    "attn_desc_set_i64s": (c_int32, [_handle, c_int32, _i64p, c_size_t]),
    "attn_desc_set_f64s": (c_int32, [_handle, c_int32, _f64p, c_size_t]),
    "attn_desc_get_i64": (c_int32, [_handle, c_int32, _i64p]),
    "attn_desc_get_f64": (c_int32, [_handle, c_int32, _f64p]),
    "attn_desc_get_text": (c_int32, [_handle, c_int32, c_char_p, c_size_t, _sizep]),
    "attn_desc_get_i64s": (c_int32, [_handle, c_int32, _i64p, c_size_t, _sizep]),
    "attn_desc_get_f64s": (c_int32, [_handle, c_int32, _f64p, c_size_t, _sizep]),
    "attn_desc_is_set": (c_int32, [_handle, c_int32, _i32p]),
    "attn_desc_add_piece": (c_int32, [_handle, c_int32, c_int32, _i64p, c_size_t]),
    "attn_desc_set_score_fn": (c_int32, [_handle, c_void_p]),
    "attn_desc_set_mask_fn": (c_int32, [_handle, c_void_p]),
    "attn_desc_piece_count": (c_int32, [_handle, _sizep]),
    "attn_desc_piece_at": (c_int32, [_handle, c_size_t, _i32p, _i32p, _i64p, c_size_t, _sizep]),
    "attn_piece_name": (c_char_p, [c_int32]),
    "attn_piece_find": (c_int32, [c_char_p, _i32p]),
    "attn_param_at": (c_int32, [c_size_t]),
    "attn_param_name": (c_char_p, [c_int32]),
    "attn_param_type": (c_int32, [c_int32]),
    "attn_param_help": (c_char_p, [c_int32]),
    "attn_param_word": (c_char_p, [c_int32, c_size_t, _i64p]),
    "attn_mech_at": (c_int32, [c_size_t]),
    "attn_mech_name": (c_char_p, [c_int32]),
    "attn_solver_at": (c_char_p, [c_size_t]),
    "attn_plan_create": (c_int32, [_handle, _handle, _out]),
    "attn_plan_destroy": (None, [_handle]),
    "attn_plan_workspace": (c_int32, [_handle, _sizep, _sizep]),
    "attn_plan_execute": (c_int32, [_handle, POINTER(Arg), c_size_t, c_void_p, c_size_t]),
    "attn_plan_describe": (c_int32, [_handle, c_int64, c_int64, c_char_p, c_size_t, _sizep]),
    "attn_plan_solver": (c_char_p, [_handle, c_int64, c_int64]),
    "attn_role_at": (c_int32, [c_size_t]),
    "attn_role_name": (c_char_p, [c_int32]),
    "attn_role_find": (c_int32, [c_char_p, _i32p]),
    "attn_role_is_output": (c_int32, [c_int32]),
    "attn_role_shape": (c_char_p, [c_int32]),
    "attn_plan_role_at": (c_int32, [_handle, c_size_t, _i32p]),
    "attn_plan_shape": (c_int32, [_handle, POINTER(Arg), c_size_t, c_int32, POINTER(Tensor)]),
    "attn_selection_import_rows": (c_int32, [_handle] + [c_int64] * 7
                                   + [POINTER(Arg), c_size_t, _out]),
    "attn_selection_import_groups": (c_int32, [_handle] + [c_int64] * 4
                                     + [c_int32, c_double, POINTER(Arg), c_size_t, _out]),
    "attn_selection_get_f64": (c_int32, [_handle, c_int32, POINTER(c_double)]),
    "attn_selection_create": (c_int32, [_handle, _handle, _out]),
    "attn_selection_destroy": (None, [_handle]),
    "attn_selection_get_i64": (c_int32, [_handle, c_int32, _i64p]),
    "attn_selection_shape": (c_int32, [_handle, c_int32, POINTER(Tensor)]),
    "attn_selection_export": (c_int32, [_handle, c_int32, POINTER(Tensor)]),
    "attn_state_create": (c_int32, [_handle, _handle, c_int64, _out]),
    "attn_state_destroy": (None, [_handle]),
    "attn_segment_create": (c_int32, [_handle, _handle, c_int64, _out]),
    "attn_segment_compose": (c_int32, [_handle, c_int64, _handle, c_int64, _handle, c_int64]),
    "attn_segment_apply": (c_int32, [_handle, c_int64, _handle, c_int64]),
    "attn_state_slots": (c_int64, [_handle]),
    "attn_state_zero": (c_int32, [_handle, c_int64, c_int64]),
    "attn_state_copy": (c_int32, [_handle, c_int64, _handle, c_int64]),
    "attn_state_shape": (c_int32, [_handle, c_int32, POINTER(Tensor)]),
    "attn_state_export": (c_int32, [_handle, c_int64, c_int32, POINTER(Tensor)]),
    "attn_state_import": (c_int32, [_handle, c_int64, c_int32, POINTER(Tensor)]),
    "attn_cache_create": (c_int32, [_handle, _handle, _out]),
    "attn_cache_destroy": (None, [_handle]),
    "attn_cache_seq_create": (c_int32, [_handle, _i64p]),
    "attn_cache_seq_free": (c_int32, [_handle, c_int64]),
    "attn_cache_fork": (c_int32, [_handle, c_int64, c_int64, c_int32, _i64p]),
    "attn_cache_truncate": (c_int32, [_handle, c_int64, c_int64, c_int32]),
    "attn_cache_remove": (c_int32, [_handle, c_int64, c_int64, c_int64]),
    "attn_cache_append": (c_int32, [_handle, c_int64, c_int64]),
    "attn_cache_shift": (c_int32, [_handle, c_int64, c_int64, c_int64]),
    "attn_cache_prune": (c_int32, [_handle, c_int64, c_int64, c_int64, _i64p, c_size_t]),
    "attn_cache_observe": (c_int32, [_handle, c_int64, c_int64, c_int64, POINTER(Tensor)]),
    "attn_cache_scores": (c_int32, [_handle, c_int64, c_int64, c_int64, POINTER(c_float),
                                    c_size_t, _sizep]),
    "attn_cache_prune_scores": (c_int32, [_handle, c_int64, c_int64, c_int64, _i32p, _i64p,
                                          c_size_t]),
    "attn_cache_reorder": (c_int32, [_handle, c_size_t, _i64p, _i32p, _i64p]),
    "attn_cache_get_i64": (c_int32, [_handle, c_int32, _i64p]),
    "attn_cache_seq_get_i64": (c_int32, [_handle, c_int64, c_int32, _i64p]),
    "attn_cache_positions": (c_int32, [_handle, c_int64, c_int64, c_int64, _i64p, c_size_t,
                                       _sizep]),
    "attn_cache_read": (c_int32, [_handle, c_int64, c_int64, c_int64, POINTER(Tensor),
                                  POINTER(Tensor)]),
    "attn_cache_read_fold": (c_int32, [_handle, c_int64, c_int64, c_int64, _i64p,
                                       POINTER(Tensor), POINTER(Tensor)]),
    "attn_cache_page_bounds": (c_int32, [_handle, c_int64, c_int64, c_int64, POINTER(Tensor),
                                         POINTER(Tensor), _i64p, c_size_t, _sizep]),
    "attn_cache_save": (c_int32, [_handle, c_int64, c_char_p, c_size_t, _sizep]),
    "attn_cache_load": (c_int32, [_handle, c_char_p, c_size_t, _i64p]),
    "attn_cache_check": (c_int32, [_handle]),
    "attn_step_begin": (c_int32, [_handle, c_size_t, _i64p, _i64p, _i32p, _out]),
    "attn_step_write": (c_int32, [_handle, c_int64, POINTER(Tensor), POINTER(Tensor)]),
    "attn_step_commit": (c_int32, [_handle, _i64p, _i32p]),
    "attn_step_abort": (c_int32, [_handle]),
    "attn_step_destroy": (None, [_handle]),
    "attn_view_create": (c_int32, [_handle, c_size_t, _i64p, _i64p, _i64p, _out]),
    "attn_view_create_raw": (c_int32, [_handle, c_size_t] + [POINTER(Tensor)] * 5 + [_out]),
    "attn_view_destroy": (None, [_handle]),
    "attn_head_map_norms": (c_int32, [POINTER(Tensor), c_size_t, _f64p]),
    "attn_head_map_kdgqa": (c_int32, [c_size_t, _f64p, c_size_t, _i64p]),
    "attn_head_map_dgqa": (c_int32, [c_size_t, _f64p, _f64p, c_int32, c_size_t, _i64p]),
    "attn_head_map_expand": (c_int32, [c_size_t, _i64p, c_size_t, _i64p]),
    "attn_pgqa_noise": (c_int32, [POINTER(Tensor), c_size_t, POINTER(Tensor)]),
    "attn_alibi_slopes": (c_int32, [c_size_t, _f64p]),
    "attn_lightning_slopes": (c_int32, [c_size_t, c_int32, c_int64, c_int64, _f64p]),
    "attn_short_conv": (c_int32, [_handle, POINTER(Tensor), POINTER(Tensor), POINTER(Tensor),
                                  c_int32, POINTER(Tensor), POINTER(Tensor)]),
    "attn_agent_bias": (c_int32, [POINTER(Tensor), POINTER(Tensor), POINTER(Tensor),
                                  POINTER(Tensor), POINTER(Tensor)]),
    "attn_merge": (c_int32, [c_size_t, POINTER(Tensor), POINTER(Tensor), POINTER(Tensor),
                             POINTER(Tensor)]),
    "attn_retrieval_head_scores": (c_int32, [POINTER(Tensor), POINTER(Tensor), POINTER(Tensor),
                                             c_int64, c_int64, POINTER(Tensor)]),
    "attn_razor_head_scores": (c_int32, [POINTER(Tensor), c_int64, c_int64, POINTER(Tensor),
                                         POINTER(Tensor)]),
    "attn_moa_span_rule": (c_int32, [c_size_t, _f64p, _f64p, c_int64, c_int64, c_int64, _i64p,
                                     _i64p]),
    "attn_task_kv_rule": (c_int32, [c_int64, c_int64, c_int64, c_double, c_double, c_int64, c_int64,
                                    c_int64, c_int64, _i64p, _i64p]),
    "attn_task_kv_heads": (c_int32, [POINTER(Tensor), POINTER(Tensor), c_int64, c_int64,
                                     POINTER(Tensor), POINTER(Tensor), POINTER(Tensor)]),
    "attn_vhd": (c_int32, [POINTER(Tensor), POINTER(Tensor), POINTER(Tensor)]),
    "attn_rollout": (c_int32, [POINTER(Tensor), c_double, POINTER(Tensor), POINTER(Tensor)]),
}


def _load() -> ctypes.CDLL:
    """The library named by ATTN_LIBRARY, else the installed one."""
    chosen = os.environ.get("ATTN_LIBRARY")
    names = [chosen] if chosen else [ctypes.util.find_library("attn"), "libattn.so.0"]
    reasons: List[str] = []
    for name in names:
        if name is None:
            continue
        try:
            found = ctypes.CDLL(name)
            for function, (result, arguments) in _PROTOTYPES.items():
                entry = getattr(found, function)
                entry.restype, entry.argtypes = result, arguments
            return found
        except (OSError, AttributeError) as error:
            reasons.append(str(error))
    raise ImportError(
        "libattn was not found (%s); install it, or set ATTN_LIBRARY to the path of libattn.so"
        % "; ".join(reasons)
    )


lib = _load()


class Param(NamedTuple):
    """A row of the library's table of parameters."""

    number: int
    name: str
    type: int
    words: List[str]
    help: str


class Role(NamedTuple):
    """A row of the library's table of roles."""

    number: int
    name: str
    output: bool
    shape: str

    @property
    def is_tensor(self) -> bool:
        """False: any pointer, handed on by the library."""
        return bool(self.shape)

    @property
    def has_layout(self) -> bool:
        """Is it [B,H,N,D], of one row or more, what a layout reorders?"""
        parts = self.shape.split(",")
        return (len(parts) == 4 and parts[1][0] == "H" and parts[2][0] in "N1"
                and parts[3][0] == "D")


def text(value: Optional[bytes]) -> str:
    """A static string of the library; empty for NULL."""
    return "" if value is None else value.decode("utf-8", "replace")


def _walk(at: Callable[[int], int]) -> List[int]:
    numbers: List[int] = []
    while True:
        number = at(len(numbers))
        if number == 0:
            return numbers
        numbers.append(number)


def _words(param: int) -> List[str]:
    found: List[str] = []
    while True:
        word = lib.attn_param_word(param, len(found), None)
        if word is None:
            return found
        found.append(text(word))


def _params() -> Dict[str, Param]:
    rows = (
        Param(number, text(lib.attn_param_name(number)), lib.attn_param_type(number),
              _words(number), text(lib.attn_param_help(number)))
        for number in _walk(lib.attn_param_at)
    )
    return {row.name: row for row in rows}


def _roles() -> Dict[str, Role]:
    rows = (
        Role(number, text(lib.attn_role_name(number)), bool(lib.attn_role_is_output(number)),
             text(lib.attn_role_shape(number)))
        for number in _walk(lib.attn_role_at)
    )
    return {row.name: row for row in rows}


params: Dict[str, Param] = _params()
roles: Dict[str, Role] = _roles()


def solvers() -> List[str]:
    """Names of the solvers of this build, best first."""
    found: List[str] = []
    while True:
        name = lib.attn_solver_at(len(found))
        if name is None:
            return found
        found.append(text(name))


def mechanisms() -> List[str]:
    """Names of the mechanisms of this build."""
    return [text(lib.attn_mech_name(number)) for number in _walk(lib.attn_mech_at)]
