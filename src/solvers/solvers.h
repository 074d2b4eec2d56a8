/* SPDX-License-Identifier: MIT */
/*
 * All solvers, in order of preference: among equal prices the first wins. The
 * references stand last of their kind. The only list.
 */
#ifndef ATTN_SOLVERS_SOLVERS_H
#define ATTN_SOLVERS_SOLVERS_H

#include "problem/solver.h"

#define ATTN__SOLVER_LIST(X) X(flash) X(decode) X(gemm) X(rows) X(lists) \
    X(groups) X(reference) X(scan_chunk) X(scan_step) X(scan_full) X(scan_reference) X(flow) \
    X(flow_reference)

#define ATTN__SOLVER_DECLARE(name) extern const struct attn__solver attn__solver_##name;
ATTN__SOLVER_LIST(ATTN__SOLVER_DECLARE)
#undef ATTN__SOLVER_DECLARE

#endif /* ATTN_SOLVERS_SOLVERS_H */
