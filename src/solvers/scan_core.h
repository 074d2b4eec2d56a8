/* SPDX-License-Identifier: MIT */
/*
 * One chunk of a linear recurrence: up to 64 tokens at once, by matrix
 * products. With S the state [dk][dv], D_t = diag(exp(g_t)) and, for token t,
 *
 *     S_t = D_t S_{t-1} + k_t v_t^T                            ADD
 *     S_t = D_t S_{t-1} + k_t (v_t^T - e_t^T D_t S_{t-1})      WRITER
 *     S_t = D_t S_{t-1} + k_t v_t^T - w_t (e_t^T R_t)          GENERAL
 *           R_t = D_t S_{t-1}, or S_{t-1} with erase_previous
 *     o_t = q_t^T S_t, or q_t^T S_{t-1} + (q_t . (bonus * k_t)) v_t^T
 *
 * Scale, feature maps and gates on v are in the rows already.
 */
#ifndef ATTN_SOLVERS_SCAN_CORE_H
#define ATTN_SOLVERS_SCAN_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "solvers/ahead.h"

/*
 * Most tokens of a chunk, and how many to cut a long sequence into: more have
 * larger triangles of scores, fewer move the state more often.
 */
enum { ATTN__SCAN_CHUNK = 64, ATTN__SCAN_TOKENS = 32 };

enum { ATTN__CORE_STAYS, ATTN__CORE_SCALAR, ATTN__CORE_CHANNEL };
enum { ATTN__CORE_ADD, ATTN__CORE_WRITER, ATTN__CORE_GENERAL };
enum { ATTN__CORE_PLAIN, ATTN__CORE_SUM, ATTN__CORE_MAX };

struct attn__scan_kind {
    int64_t dk, dv;      /* 1.. */
    int32_t decay;       /* STAYS: D = 1; SCALAR: one g per token; CHANNEL: one per row of S */
    int32_t update;      /* ADD, WRITER or GENERAL */
    bool erase_previous; /* with GENERAL */
    bool read_before;    /* with ADD and PLAIN */
    const float *bonus;  /* [dk] with read_before; NULL: zeros */
    int32_t normaliser;  /* with ADD: PLAIN, o; SUM, o / (q.z + eps); MAX, o / max(q.z, eps) */
    float eps;
};

/*
 * The rows of a chunk; dk16 and dv16 are dk and dv rounded up to 16. Elements
 * past dk or dv in a row are zeros. No pointer needs any alignment. A token
 * never changes what is written for tokens before it, not even by NaN.
 */
struct attn__scan_chunk {
    int64_t n;       /* tokens, 1..ATTN__SCAN_CHUNK */
    int64_t readers; /* query heads that read this state, 1.. */
    const float *q;  /* [readers][n][dk16] */
    const float *k;  /* [n][dk16] */
    const float *v;  /* [n][dv16] */
    const float *w;  /* [n][dk16] with GENERAL */
    const float *e;  /* [n][dk16] with WRITER and GENERAL */
    const float *g;  /* -104..0: [n] with SCALAR, [n][dk16] with CHANNEL */
    float *out;      /* [readers][n][dv16] */
    int64_t age;       /* number of the first, modulo something large */
    const float *next; /* S of whatever comes after this chunk, or NULL: may be fetched */
    struct attn__ahead *ahead; /* other things to be fetched, or NULL */
};

/* bytes of scratch for attn__scan_core_run; 0 if they are more than size_t holds */
size_t attn__scan_core_scratch(const struct attn__scan_kind *);

/*
 * Computes columns v_first..v_first + v_n - 1 of out, and of S [dk][dv16],
 * which it moves from before the chunk to after it. Both numbers are multiples
 * of 16, their sum at most dv16. With a normaliser z [dk16] is moved on too, by
 * every call: workers that share the columns of a state have a z each (they
 * stay equal). A column gets the same bits however columns are split. scratch
 * is 64-byte aligned and holds nothing between calls.
 */
void attn__scan_core_run(const struct attn__kernels *, const struct attn__scan_kind *,
                         const struct attn__scan_chunk *, int64_t v_first, int64_t v_n, float *S,
                         float *z, void *scratch);

/*
 * The same in two halves, for kinds that add, with all columns: what the chunk
 * adds, S <- f S + h x and z <- f z + h sum by rows (x [dk][dv16], the others
 * [dk16], sum only with a normaliser), and what it reads of an S and z of before it.
 */
void attn__scan_core_gain(const struct attn__kernels *, const struct attn__scan_kind *,
                          const struct attn__scan_chunk *, float *x, float *f, float *h,
                          float *sum, void *scratch);
void attn__scan_core_read(const struct attn__kernels *, const struct attn__scan_kind *,
                          const struct attn__scan_chunk *, float *S, const float *z,
                          void *scratch);

#endif /* ATTN_SOLVERS_SCAN_CORE_H */
