/* SPDX-License-Identifier: MIT */
/*
 * Rows run by run. Scores and sums are chains of their own over a run or not,
 * so that cutting there changes nothing.
 */
#include "solvers/page_rows.h"

#include "base/checked.h"
#include "solvers/row_pass.h"

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
    case ATTN_DTYPE_KIVI4:
        return kern->row_pv_kivi4;
    case ATTN_DTYPE_KIVI2:
        return kern->row_pv_kivi2;
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

/* Rows that lie one behind the other, and how they are read. */
struct run {
    const char *at; /* NULL: rows that are not there */
    int64_t n;
    struct attn__source source;
};

/* The run of at most n rows from j on; rows from `end` on are not read next. */
static struct run run_at(const struct attn__rows *r, int64_t j, int64_t n, int64_t end,
                         int64_t from)
{
    char *at, *then = NULL;
    n = attn__rows_page_run(r, j, n, &at);
    if (j + n < end)
        (void)attn__rows_page_run(r, j + n, 1, &then);
    bool array = at && !attn__dtype_slabs(r->dtype);
    if (array && then == at + n * r->row * attn__dtype_step(r->dtype))
        then = NULL; /* as for any rows of one array */
    return (struct run){at, n, {from, then}};
}

/* Keys in slabs of kivi, one after the other. */
static void kivi_qk(const struct attn__kernels *kern, const struct attn__rows *k,
                    const struct run *run, int64_t d, const float *q, int64_t rows, float *s,
                    int64_t lds)
{
    const char *at = run->at, *next;
    for (int64_t j = 0, n; j < run->n; j += n, at = next) {
        n = attn__rows_slab(k, at, run->n - j, &next);
        const char *then = j + n < run->n ? next : run->source.then;
        bool far = run->source.from != ATTN__FROM_L2 && then;
        (k->dtype == ATTN__DTYPE_KIVI4_KEYS ? kern->row_qk_kivi4 : kern->row_qk_kivi2)(
            attn__slab(at), attn__slab_row(at), n, d, q, d, rows, s + j, lds,
            far ? attn__slab(then) : NULL);
    }
}

static void run_qk(const struct attn__kernels *kern, const struct attn__rows *k,
                   const struct run *run, int64_t d, const float *q, int64_t rows, float *s,
                   int64_t lds)
{
    const void *at = run->at;
    const struct attn__source *source = &run->source;
    if (!at) {
        for (int64_t r = 0; r < rows; r++)
            memset(s + r * lds, 0, (size_t)run->n * sizeof *s);
    } else if (attn__dtype_kivi_keys(k->dtype)) {
        kivi_qk(kern, k, run, d, q, rows, s, lds);
    } else if (k->dtype == ATTN_DTYPE_F16) {
        kern->row_qk_f16(at, k->row, run->n, d, q, d, rows, s, lds, source);
    } else if (k->dtype == ATTN_DTYPE_BF16) {
        kern->row_qk_bf16(at, k->row, run->n, d, q, d, rows, s, lds, source);
    } else if (stored_qk(kern, k->dtype)) {
        stored_qk(kern, k->dtype)(at, k->row, run->n, d, q, d, rows, s, lds, source);
        for (int64_t r = 0; r < rows && k->scale != 1; r++)
            kern->vec_scale(s + r * lds, run->n, k->scale);
    } else {
        kern->row_qk_f32(at, k->row, run->n, d, q, d, rows, s, lds, source);
    }
}

/* The runs at four places that are `apart` rows from each other: at most n rows,
 * as many as all four have; false if some are not there. */
static bool four_runs(const struct attn__rows *r, int64_t j, int64_t apart, int64_t *n,
                      const char *at[4])
{
    bool there = true;
    for (int64_t i = 0; i < 4; i++) {
        char *run;
        *n = attn__rows_run(r, j + i * apart, *n, &run);
        at[i] = run;
        there = there && run;
    }
    return there;
}

#define ATTN__PLACES(type, at) ((const type *const *)(const void *)(at))

/*
 * Scores of rows so few that they wait for RAM: the keys are read at four places
 * at a time, as row.inc.c does it within an array, which go through their pages
 * in step. Returns how many keys were done.
 */
static int64_t places_qk(const struct attn__kernels *kern, const struct attn__rows *k, int64_t j0,
                         int64_t nk, int64_t d, const float *q, int64_t rows, float *s,
                         int64_t lds)
{
    int64_t apart = nk / 4;
    for (int64_t j = 0, n; j < apart; j += n) {
        const char *at[4], *then[4];
        int64_t one = 1;
        n = apart - j;
        if (!four_runs(k, j0 + j, apart, &n, at)) {
            for (int64_t i = 0; i < 4; i++) {
                const struct run run = {at[i], n, {ATTN__FROM_RAM, NULL}};
                run_qk(kern, k, &run, d, q, rows, s + j + i * apart, lds);
            }
            continue;
        }
        /* behind the last run of a place, which is where the next one began,
         * there is nothing to ask for */
        if (j + n == apart || !four_runs(k, j0 + j + n, apart, &one, then))
            memcpy(then, at, sizeof then);
        if (k->dtype == ATTN_DTYPE_F32)
            kern->row_qk_places_f32(ATTN__PLACES(float, at), ATTN__PLACES(float, then), k->row, n,
                                    d, q, d, rows, s + j, lds, apart);
        else
            (k->dtype == ATTN_DTYPE_F16 ? kern->row_qk_places_f16 : kern->row_qk_places_bf16)(
                ATTN__PLACES(uint16_t, at), ATTN__PLACES(uint16_t, then), k->row, n, d, q, d, rows,
                s + j, lds, apart);
    }
    return 4 * apart;
}

/* Are rows of K or V, n numbers each, waited for longer than they are used? */
static bool waits(const struct attn__rows *r, int64_t n, int64_t rows, int64_t from)
{
    int32_t type = r->dtype;
    bool known = type == ATTN_DTYPE_F32 || type == ATTN_DTYPE_F16 || type == ATTN_DTYPE_BF16;
    return from == ATTN__FROM_RAM && known && attn__rows_plain(r, type) && r->row == n &&
           rows <= (int64_t)attn__dtype_size(type);
}

/* Of rows in one form. */
static void alike_qk(const struct attn__kernels *kern, const struct attn__rows *k, int64_t j0,
                     int64_t nk, int64_t end, int64_t d, const float *q, int64_t rows, float *s,
                     int64_t lds, int64_t from)
{
    enum { LEAST = 64 };
    int64_t j = 0;
    if (nk >= LEAST && waits(k, d, rows, from))
        j = places_qk(kern, k, j0, nk, d, q, rows, s, lds);
    for (; j < nk;) {
        const struct run run = run_at(k, j0 + j, nk - j, end, from);
        run_qk(kern, k, &run, d, q, rows, s + j, lds);
        j += run.n;
    }
}

/* Rows in the form of row j: at least n are used, and those up to `end` may be
 * asked for. */
static int64_t alike_rows(const struct attn__rows *r, int64_t j, int64_t n, int64_t end,
                          struct attn__rows *some)
{
    return attn__rows_alike(r, j, attn__max_i64(n, end - j), some);
}

void attn__page_rows_qk(const struct attn__kernels *kern, const struct attn__rows *k, int64_t j0,
                        int64_t nk, int64_t end, int64_t d, const float *q, int64_t rows, float *s,
                        int64_t lds, int64_t from)
{
    for (int64_t j = 0, n; j < nk; j += n) {
        struct attn__rows some;
        int64_t alike = alike_rows(k, j0 + j, nk - j, end, &some);
        n = attn__min_i64(alike, nk - j);
        alike_qk(kern, &some, j0 + j, n, j0 + j + alike, d, q, rows, s + j, lds, from);
    }
}

bool attn__page_rows_int8(int32_t dtype)
{
    return dtype == ATTN_DTYPE_Q8_0 || dtype == ATTN_DTYPE_Q4_0;
}

void attn__page_rows_qk_int8(const struct attn__kernels *kern, const struct attn__rows *k,
                             int64_t j0, int64_t nk, int64_t end, int64_t d,
                             const struct attn__int8_rows *q, int64_t rows, float *s, int64_t lds,
                             int64_t from)
{
    attn__row_qk_int8_q8_0_fn *qk =
        k->dtype == ATTN_DTYPE_Q8_0 ? kern->row_qk_int8_q8_0 : kern->row_qk_int8_q4_0;
    for (int64_t j = 0; j < nk;) {
        const struct run run = run_at(k, j0 + j, nk - j, end, from);
        if (run.at)
            qk((const uint8_t *)run.at, k->row, run.n, d, q->code, q->factor, q->ld, rows, s + j,
               lds, &run.source);
        for (int64_t r = 0; r < rows && !run.at; r++)
            memset(s + r * lds + j, 0, (size_t)run.n * sizeof *s);
        j += run.n;
    }
}

bool attn__page_rows_slabs(int32_t dtype)
{
    return dtype == ATTN__DTYPE_Q8_0_KEYS || dtype == ATTN__DTYPE_Q4_0_KEYS;
}

/* Scores of rows of one slab, made for all of them at once: where a cache has been
 * pruned several runs are in the same slab. */
struct slab_scores {
    const unsigned char *slab; /* NULL: none yet */
    float s[ATTN__ROW_PASS_MOST * ATTN__SLAB_ROWS];
};

static void slab_qk(attn__row_qk_slab_q8_0_fn *qk, const struct run *run, int64_t d,
                    const struct attn__slab_query *q, bool int8, int64_t rows, float *s,
                    int64_t lds, struct slab_scores *last)
{
    const unsigned char *slab = attn__slab(run->at);
    int64_t first = attn__slab_row(run->at);
    if (first + run->n > ATTN__SLAB_ROWS || run->n == ATTN__SLAB_ROWS) {
        qk(slab, first, run->n, d, q, int8, rows, s, lds, &run->source);
        return;
    }
    if (last->slab != slab)
        qk(slab, 0, ATTN__SLAB_ROWS, d, q, int8, rows, last->s, ATTN__SLAB_ROWS, &run->source);
    last->slab = slab;
    for (int64_t r = 0; r < rows; r++)
        memcpy(s + r * lds, last->s + r * ATTN__SLAB_ROWS + first, (size_t)run->n * sizeof *s);
}

void attn__page_rows_qk_slabs(const struct attn__kernels *kern, const struct attn__rows *k,
                              int64_t j0, int64_t nk, int64_t end, int64_t d,
                              const struct attn__slab_query *q, bool int8, int64_t rows, float *s,
                              int64_t lds, int64_t from)
{
    attn__row_qk_slab_q8_0_fn *qk =
        k->dtype == ATTN__DTYPE_Q8_0_KEYS ? kern->row_qk_slab_q8_0 : kern->row_qk_slab_q4_0;
    struct slab_scores last;
    last.slab = NULL;
    for (int64_t j = 0; j < nk;) {
        struct run run = run_at(k, j0 + j, nk - j, end, from);
        if (run.source.then)
            run.source.then = attn__slab(run.source.then);
        if (run.at)
            slab_qk(qk, &run, d, q, int8, rows, s + j, lds, &last);
        for (int64_t r = 0; r < rows && !run.at; r++)
            memset(s + r * lds + j, 0, (size_t)run.n * sizeof *s);
        j += run.n;
    }
}

/* The runs of n rows from j on, at most ATTN__SLAB_CALL. */
static int64_t slab_runs(const struct attn__rows *v, int64_t j, int64_t n,
                         struct attn__slab_run *run)
{
    int64_t runs = 0;
    for (int64_t i = 0, rows; i < n; i += rows) {
        char *at;
        rows = attn__rows_page_run(v, j + i, n - i, &at);
        if (at)
            run[runs++] = (struct attn__slab_run){(const uint8_t *)at, rows, i};
    }
    return runs;
}

static void slabs_pv(const struct attn__kernels *kern, const struct attn__rows *v, int64_t j0,
                     int64_t nk, int64_t end, int64_t dv, const float *p, int64_t ldp,
                     bool int8, int64_t rows, float *o, int64_t from)
{
    attn__row_pv_slab_q8_0_fn *pv =
        v->dtype == ATTN__DTYPE_Q8_0_VALUES ? kern->row_pv_slab_q8_0 : kern->row_pv_slab_q4_0;
    for (int64_t j = 0, n; j < nk; j += n) {
        struct attn__slab_run run[ATTN__SLAB_CALL], ask[ATTN__SLAB_CALL];
        n = attn__min_i64(ATTN__SLAB_CALL, nk - j);
        int64_t next = attn__min_i64(ATTN__SLAB_CALL, end - (j0 + j + n));
        int64_t asked = from == ATTN__FROM_L2 ? 0 : slab_runs(v, j0 + j + n, next, ask);
        int64_t runs = slab_runs(v, j0 + j, n, run);
        pv(run, runs, ask, asked, dv, p + j, ldp, int8, rows, o, dv);
    }
}

/* Weights times the scale of fp8, a few rows and keys at a time. */
static void scaled_pv(const struct attn__kernels *kern, const struct attn__rows *v,
                      const struct run *run, int64_t dv, const float *p, int64_t ldp, int64_t rows,
                      float *o)
{
    enum { ROWS = 4, KEYS = 64 };
    const struct attn__source source = {.from = run->source.from};
    for (int64_t r = 0; r < rows; r += ROWS)
        for (int64_t j = 0; j < run->n; j += KEYS) {
            float scaled[ROWS * KEYS];
            int64_t some = attn__min_i64(rows - r, ROWS), keys = attn__min_i64(run->n - j, KEYS);
            for (int64_t i = 0; i < some; i++)
                for (int64_t k = 0; k < keys; k++)
                    scaled[i * KEYS + k] = p[(r + i) * ldp + j + k] * v->scale;
            const uint8_t *at = (const uint8_t *)run->at + j * v->row;
            stored_pv(kern, v->dtype)(at, v->row, keys, dv, scaled,
                                      KEYS, some, o + r * dv, dv, r ? NULL : &source);
        }
}

static void run_pv(const struct attn__kernels *kern, const struct attn__rows *v,
                   const struct run *run, int64_t dv, const float *p, int64_t ldp, int64_t rows,
                   float *o)
{
    const void *at = run->at;
    const struct attn__source *source = &run->source;
    if (v->dtype == ATTN_DTYPE_F16)
        kern->row_pv_f16(at, v->row, run->n, dv, p, ldp, rows, o, dv, source);
    else if (v->dtype == ATTN_DTYPE_BF16)
        kern->row_pv_bf16(at, v->row, run->n, dv, p, ldp, rows, o, dv, source);
    else if (stored_pv(kern, v->dtype) && v->scale != 1)
        scaled_pv(kern, v, run, dv, p, ldp, rows, o);
    else if (stored_pv(kern, v->dtype))
        stored_pv(kern, v->dtype)(at, v->row, run->n, dv, p, ldp, rows, o, dv, source);
    else
        kern->row_pv_f32(at, v->row, run->n, dv, p, ldp, rows, o, dv, source);
}

/*
 * Of rows that wait for RAM, part by part. The processor, which fetches best
 * within a run, begins anew with each: so beside the last parts the first 4 KB of
 * the run that comes next are asked for.
 */
static void parts_pv(const struct attn__kernels *kern, const struct attn__rows *v,
                     const struct run *run, int64_t dv, const float *p, int64_t ldp, int64_t rows,
                     float *o)
{
    enum { PART = 16, LAST = 64, LINE = 64 }; /* a line of the next run for each row */
    int64_t step = v->row * attn__dtype_step(v->dtype), first = attn__max_i64(0, run->n - LAST);
    const char *next = run->source.then;
    for (int64_t i = 0; i < run->n; i += PART) {
        struct run part = {run->at + i * step, attn__min_i64(PART, run->n - i), run->source};
        for (int64_t r = attn__max_i64(i, first); r < i + part.n; r++)
            __builtin_prefetch(next + (r - first) * LINE, 0, 2);
        if (i + part.n < run->n)
            part.source.then = NULL;
        run_pv(kern, v, &part, dv, p + i, ldp, rows, o);
    }
}

static void alike_pv(const struct attn__kernels *kern, const struct attn__rows *v, int64_t j0,
                     int64_t nk, int64_t end, int64_t dv, const float *p, int64_t ldp,
                     int64_t rows, float *o, int64_t from)
{
    for (int64_t j = 0, n; j < nk; j += n, p += n) {
        const struct run run = run_at(v, j0 + j, nk - j, end, from);
        n = run.n;
        if (run.at && run.source.then && waits(v, dv, rows, from))
            parts_pv(kern, v, &run, dv, p, ldp, rows, o);
        else if (run.at)
            run_pv(kern, v, &run, dv, p, ldp, rows, o);
    }
}

void attn__page_rows_pv(const struct attn__kernels *kern, const struct attn__rows *v, int64_t j0,
                        int64_t nk, int64_t end, int64_t dv, const float *p, int64_t ldp,
                        bool int8, int64_t rows, float *o, int64_t from)
{
    for (int64_t j = 0, n; j < nk; j += n) {
        struct attn__rows some;
        int64_t alike = alike_rows(v, j0 + j, nk - j, end, &some), last = j0 + j + alike;
        n = attn__min_i64(alike, nk - j);
        if (attn__dtype_slabs(some.dtype))
            slabs_pv(kern, &some, j0 + j, n, last, dv, p + j, ldp, int8, rows, o, from);
        else
            alike_pv(kern, &some, j0 + j, n, last, dv, p + j, ldp, rows, o, from);
    }
}

bool attn__page_rows_turns(const struct attn__rows *v, int64_t dv, int64_t rows, int64_t from)
{
    return (dv == 64 || dv == 128) && rows <= 2 && waits(v, dv, rows, from);
}

void attn__page_rows_pv_turns(const struct attn__kernels *kern, const struct attn__rows *v,
                               int64_t j0, int64_t nk, int64_t end, int64_t dv, const float *p,
                               int64_t ldp, int64_t rows, float *o)
{
    int64_t part = rows * dv;
    for (int64_t j = 0, n; j < nk; j += n) {
        const char *at[4], *then[4];
        int64_t one = 1;
        n = nk - j;
        if (!four_runs(v, j0 + j, nk, &n, at)) {
            for (int64_t i = 0; i < 4; i++)
                attn__page_rows_pv(kern, v, j0 + j + i * nk, n, 0, dv, p + j + i * nk, ldp, false,
                                   rows, o + i * part, ATTN__FROM_RAM);
            continue;
        }
        if (j0 + j + n + 3 * nk >= end || !four_runs(v, j0 + j + n, nk, &one, then))
            memcpy(then, at, sizeof then);
        if (v->dtype == ATTN_DTYPE_F32)
            kern->row_pv_turns_f32(ATTN__PLACES(float, at), ATTN__PLACES(float, then), v->row, n,
                                    dv, p + j, nk, ldp, rows, o, dv, part);
        else
            (v->dtype == ATTN_DTYPE_F16 ? kern->row_pv_turns_f16 : kern->row_pv_turns_bf16)(
                ATTN__PLACES(uint16_t, at), ATTN__PLACES(uint16_t, then), v->row, n, dv, p + j, nk,
                ldp, rows, o, dv, part);
    }
}
