/* SPDX-License-Identifier: MIT */
/*
 * Rows run by run. Scores and sums are chains of their own over a run or not,
 * so that cutting there changes nothing.
 */
#include "solvers/page_rows.h"

#include "base/checked.h"

/* Rows of the next run that are asked for, where a run has at most so many
 * bytes: kernels ask further ahead than it reaches. */
enum { NEXT_ROWS = 16, SHORT_RUN = 16384 };

/* The kernel for rows of a stored type, NULL for others. Those of fp8 leave its
 * scale out. */
static attn__row_qk_q8_0_fn *stored_qk(const struct attn__kernels *kern, int32_t dtype)
{
    switch (dtype) {
    case ATTN_DTYPE_Q8_0:
        return kern->row_qk_q8_0;
    case ATTN_DTYPE_Q4_0:
        return kern->row_qk_q4_0;
    case ATTN_DTYPE_FP8_E4M3:
        return kern->row_qk_e4m3;
    case ATTN_DTYPE_FP8_E5M2:
        return kern->row_qk_e5m2;
    default:
        return NULL;
    }
}

static attn__row_pv_q8_0_fn *stored_pv(const struct attn__kernels *kern, int32_t dtype)
{
    switch (dtype) {
    case ATTN_DTYPE_Q8_0:
        return kern->row_pv_q8_0;
    case ATTN_DTYPE_Q4_0:
        return kern->row_pv_q4_0;
    case ATTN_DTYPE_FP8_E4M3:
        return kern->row_pv_e4m3;
    case ATTN_DTYPE_FP8_E5M2:
        return kern->row_pv_e5m2;
    default:
        return NULL;
    }
}

/* Weights times the scale of fp8, a few rows and keys at a time. */
static void scaled_pv(const struct attn__kernels *kern, const struct attn__rows *v, const char *at,
                      int64_t n, int64_t dv, const float *p, int64_t ldp, int64_t rows, float *o,
                      int64_t from)
{
    enum { ROWS = 4, KEYS = 64 };
    for (int64_t r = 0; r < rows; r += ROWS)
        for (int64_t j = 0; j < n; j += KEYS) {
            float scaled[ROWS * KEYS];
            int64_t some = attn__min_i64(rows - r, ROWS), keys = attn__min_i64(n - j, KEYS);
            for (int64_t i = 0; i < some; i++)
                for (int64_t k = 0; k < keys; k++)
                    scaled[i * KEYS + k] = p[(r + i) * ldp + j + k] * v->scale;
            stored_pv(kern, v->dtype)((const uint8_t *)at + j * v->row, v->row, keys, dv, scaled,
                                      KEYS, some, o + r * dv, dv, r ? ATTN__FROM_L2 : from);
        }
}

/* Asks for the rows behind a run of n from j on. */
static void ask(const struct attn__rows *r, int64_t j, int64_t n, int64_t width, int64_t from)
{
    const struct attn__paged_part *last = &r->paged->part[r->paged->parts - 1];
    int64_t keys = last->base + last->past + last->fresh;
    int64_t bytes = (int64_t)attn__dtype_row(r->dtype, width);
    int64_t step = r->row * attn__dtype_step(r->dtype);
    char *at;
    if (from == ATTN__FROM_L2 || n * bytes > SHORT_RUN || j + n >= keys)
        return;
    n = attn__rows_page_run(r, j + n, attn__min_i64(keys - j - n, NEXT_ROWS), &at);
    for (int64_t i = 0; i < n && at; i++)
        for (int64_t b = 0; b < bytes; b += 64)
            __builtin_prefetch(at + i * step + b, 0, 2);
}

void attn__page_rows_qk(const struct attn__kernels *kern, const struct attn__rows *k, int64_t j0,
                        int64_t nk, int64_t d, const float *q, int64_t rows, float *s, int64_t lds,
                        int64_t from)
{
    for (int64_t j = 0, n; j < nk; j += n, s += n) {
        char *run;
        n = attn__rows_page_run(k, j0 + j, nk - j, &run);
        ask(k, j0 + j, n, d, from);
        const void *at = run;
        if (!at) {
            for (int64_t r = 0; r < rows; r++)
                memset(s + r * lds, 0, (size_t)n * sizeof *s);
        } else if (k->dtype == ATTN_DTYPE_F16) {
            kern->row_qk_f16(at, k->row, n, d, q, d, rows, s, lds, from);
        } else if (k->dtype == ATTN_DTYPE_BF16) {
            kern->row_qk_bf16(at, k->row, n, d, q, d, rows, s, lds, from);
        } else if (stored_qk(kern, k->dtype)) {
            stored_qk(kern, k->dtype)(at, k->row, n, d, q, d, rows, s, lds, from);
            for (int64_t r = 0; r < rows && k->scale != 1; r++)
                kern->vec_scale(s + r * lds, n, k->scale);
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
        ask(v, j0 + j, n, dv, from);
        const void *at = run;
        if (!at)
            continue;
        if (v->dtype == ATTN_DTYPE_F16)
            kern->row_pv_f16(at, v->row, n, dv, p, ldp, rows, o, dv, from);
        else if (v->dtype == ATTN_DTYPE_BF16)
            kern->row_pv_bf16(at, v->row, n, dv, p, ldp, rows, o, dv, from);
        else if (stored_pv(kern, v->dtype) && v->scale != 1)
            scaled_pv(kern, v, at, n, dv, p, ldp, rows, o, from);
        else if (stored_pv(kern, v->dtype))
            stored_pv(kern, v->dtype)(at, v->row, n, dv, p, ldp, rows, o, dv, from);
        else
            kern->row_pv_f32(at, v->row, n, dv, p, ldp, rows, o, dv, from);
    }
}
