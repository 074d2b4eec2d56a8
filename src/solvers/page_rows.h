/* SPDX-License-Identifier: MIT */
/*
 * The products of row_pass.h with rows that lie in pages: each run of rows
 * that follow each other goes to the kernel as it is. Results are those of the
 * kernels with the rows in one array.
 */
#ifndef ATTN_SOLVERS_PAGE_ROWS_H
#define ATTN_SOLVERS_PAGE_ROWS_H

#include "kernels/kernels.h"
#include "problem/call.h"

/* s[r * lds + j] = row j0 + j of k times q[r * d ..], 0 for rows that are not
 * there; j < nk. Rows up to `end` are read next. from: ATTN__FROM_*. */
void attn__page_rows_qk(const struct attn__kernels *kern, const struct attn__rows *k, int64_t j0,
                        int64_t nk, int64_t end, int64_t d, const float *q, int64_t rows, float *s,
                        int64_t lds, int64_t from);

/* Query rows as codes, which row_codes_int8 makes of d numbers each. */
struct attn__int8_rows {
    const int8_t *code;  /* [rows][d] */
    const float *factor; /* [rows][ld], one for each block of 32 */
    int64_t ld;          /* attn__int8_factors(d) */
};

static inline int64_t attn__int8_factors(int64_t d)
{
    return (d / 32 + 3) / 4 * 4;
}

/* Are there products of codes for keys of this type? */
bool attn__page_rows_int8(int32_t dtype);

/* The scores of attn__page_rows_qk from codes, for such keys. */
void attn__page_rows_qk_int8(const struct attn__kernels *kern, const struct attn__rows *k,
                             int64_t j0, int64_t nk, int64_t end, int64_t d,
                             const struct attn__int8_rows *q, int64_t rows, float *s, int64_t lds,
                             int64_t from);

/* Are keys of this type in slabs for which there are such queries? */
bool attn__page_rows_slabs(int32_t dtype);

/* The scores of attn__page_rows_qk with query rows that slab_query made, d / 32 blocks
 * of each, from codes if int8. */
void attn__page_rows_qk_slabs(const struct attn__kernels *kern, const struct attn__rows *k,
                              int64_t j0, int64_t nk, int64_t end, int64_t d,
                              const struct attn__slab_query *q, bool int8, int64_t rows, float *s,
                              int64_t lds, int64_t from);

/* o[r * dv + e] += sum over j of p[r * ldp + j] times row j0 + j of v; in slabs with
 * weights of fewer bits if int8. */
void attn__page_rows_pv(const struct attn__kernels *kern, const struct attn__rows *v, int64_t j0,
                        int64_t nk, int64_t end, int64_t dv, const float *p, int64_t ldp,
                        bool int8, int64_t rows, float *o, int64_t from);

/* Are the rows of v best read at four places in turns? Whether in pages or not. */
bool attn__page_rows_turns(const struct attn__rows *v, int64_t dv, int64_t rows, int64_t from);

/* Then the sums of four blocks of nk keys: block i from j0 + i * nk on, with the
 * weights p[r * ldp + i * nk ..], is added to o[(i * rows + r) * dv ..]. */
void attn__page_rows_pv_turns(const struct attn__kernels *kern, const struct attn__rows *v,
                              int64_t j0, int64_t nk, int64_t end, int64_t dv, const float *p,
                              int64_t ldp, int64_t rows, float *o);

#endif /* ATTN_SOLVERS_PAGE_ROWS_H */
