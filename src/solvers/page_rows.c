/* SPDX-License-Identifier: MIT */
/*
 * Rows run by run. Scores and sums are chains of their own over a run or not,
 * so that cutting there changes nothing.
 */
#include "solvers/page_rows.h"

void attn__page_rows_qk(const struct attn__kernels *kern, const struct attn__rows *k, int64_t j0,
                        int64_t nk, int64_t d, const float *q, int64_t rows, float *s, int64_t lds,
                        int64_t from)
{
    for (int64_t j = 0, n; j < nk; j += n, s += n) {
        char *run;
        n = attn__rows_page_run(k, j0 + j, nk - j, &run);
        const void *at = run;
        if (!at) {
            for (int64_t r = 0; r < rows; r++)
                memset(s + r * lds, 0, (size_t)n * sizeof *s);
        } else if (k->dtype == ATTN_DTYPE_F16) {
            kern->row_qk_f16(at, k->row, n, d, q, d, rows, s, lds, from);
        } else if (k->dtype == ATTN_DTYPE_BF16) {
            kern->row_qk_bf16(at, k->row, n, d, q, d, rows, s, lds, from);
        } else {
            kern->row_qk_f32(at, k->row, n, d, q, d, rows, s, lds, from);
        }
    }
}

void attn__page_rows_pv(const struct attn__kernels *kern, const struct attn__rows *v, int64_t j0,
                        int64_t nk, int64_t dv, const float *p, int64_t ldp, int64_t rows,
                        float *o, int64_t from)
{
    for (int64_t j = 0, n; j < nk; j += n, p += n) {
        char *run;
        n = attn__rows_page_run(v, j0 + j, nk - j, &run);
        const void *at = run;
        if (!at)
            continue;
        if (v->dtype == ATTN_DTYPE_F16)
            kern->row_pv_f16(at, v->row, n, dv, p, ldp, rows, o, dv, from);
        else if (v->dtype == ATTN_DTYPE_BF16)
            kern->row_pv_bf16(at, v->row, n, dv, p, ldp, rows, o, dv, from);
        else
            kern->row_pv_f32(at, v->row, n, dv, p, ldp, rows, o, dv, from);
    }
}
