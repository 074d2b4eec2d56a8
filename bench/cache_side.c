/* SPDX-License-Identifier: MIT */
/* Making caches of the sequences that a form asks for, and running over them. */
#include "cache_side.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_library.h"

enum { PAGE = 64, SUFFIX = 64, SHORTEST = 16, STEP = 1024 };

/* The longest sequences are not all first: 29 is prime to the 64 there may be. */
static int64_t length_of(const bench_size *z, enum bench_cache_form form, int64_t i)
{
    bool ragged = form == BENCH_RAGGED || form == BENCH_RAGGED_SINGLY;
    if (!ragged || z->b == 1 || z->k <= SHORTEST)
        return z->k;
    double share = (double)(i * 29 % z->b) / (double)(z->b - 1);
    return llround(SHORTEST * pow((double)z->k / SHORTEST, share));
}

/* Adds n tokens whose numbers repeat after STEP. */
static int32_t append(const bench_cache_side *s, int64_t seq, int64_t n, float *rows)
{
    const bench_size *z = &s->size;
    int32_t status = ATTN_OK;
    for (int64_t at = 0, some; at < n && status == ATTN_OK; at += some) {
        some = n - at < STEP ? n - at : STEP;
        attn_step *step = NULL;
        attn_tensor k, v;
        attn_tensor_init(&k, rows, ATTN_DTYPE_F32, 4, (int64_t[]){1, z->hk, some, z->d});
        attn_tensor_init(&v, rows + STEP * z->hk * z->d, ATTN_DTYPE_F32, 4,
                         (int64_t[]){1, z->hk, some, z->dv});
        status = attn_step_begin(s->cache, 1, &seq, &some, NULL, &step);
        if (status == ATTN_OK)
            status = attn_step_write(step, 0, &k, &v);
        if (status == ATTN_OK)
            status = attn_step_commit(step, NULL, NULL);
        attn_step_destroy(step);
    }
    return status;
}

static int32_t make_sequences(bench_cache_side *s, enum bench_cache_form form, float *rows)
{
    const bench_size *z = &s->size;
    int64_t prefix = 0, first = z->k - SUFFIX;
    bool shared = form == BENCH_PREFIX_SHARED && first > 0;
    int32_t status = ATTN_OK;
    if (shared)
        status = attn_cache_seq_create(s->cache, &prefix);
    if (shared && status == ATTN_OK)
        status = append(s, prefix, first, rows);
    for (int64_t i = 0; i < z->b && status == ATTN_OK; i++) {
        s->length[i] = length_of(z, form, i);
        status = shared ? attn_cache_fork(s->cache, prefix, -1, 0, &s->seq[i])
                        : attn_cache_seq_create(s->cache, &s->seq[i]);
        if (status == ATTN_OK)
            status = append(s, s->seq[i], s->length[i] - (shared ? first : 0), rows);
    }
    return status;
}

static int fill_cache(attn_ctx *ctx, bench_cache_side *s, enum bench_cache_form form,
                      uint64_t *state)
{
    const bench_size *z = &s->size;
    const int64_t n = STEP * z->hk * (z->d + z->dv);
    const char *type = attn_dtype_name(z->kv_dtype);
    /* kivi has the tokens of a step in pages of f32 beside those that it rounds them into */
    const bool kivi = z->kv_dtype == ATTN_DTYPE_KIVI4 || z->kv_dtype == ATTN_DTYPE_KIVI2;
    const int64_t fresh = kivi ? STEP : 0;
    char text[200];
    attn_desc *desc = NULL;
    float *rows = malloc((size_t)n * sizeof *rows);
    if (!rows)
        return bench_failed("no memory for rows");
    bench_data_normal(rows, n, state);
    snprintf(text, sizeof text,
             "cache cache_layers=1 h=%" PRId64 " d=%" PRId64 "/%" PRId64
             " kv_dtype=%s cache_page=%d cache_pages=%" PRId64 " cache_sequences=%" PRId64,
             z->hk, z->d, z->dv, type, PAGE, (z->b + 1) * ((z->k + fresh) / PAGE + 2), z->b + 1);
    int32_t status = attn_desc_parse(ctx, text, &desc);
    if (status == ATTN_OK)
        status = attn_cache_create(ctx, desc, &s->cache);
    if (status == ATTN_OK)
        status = make_sequences(s, form, rows);
    attn_desc_destroy(desc);
    free(rows);
    return status == ATTN_OK ? 0 : bench_library_failed(text);
}

/* All sequences in one view, or each in one of its own. */
static int make_views(bench_cache_side *s, enum bench_cache_form form)
{
    bool singly = form == BENCH_RAGGED_SINGLY;
    size_t all = (size_t)s->size.b, n = singly ? all : 1;
    for (; s->n_views < n; s->n_views++)
        if (attn_view_create(s->cache, all / n, NULL, &s->seq[s->n_views], NULL,
                             &s->view[s->n_views]) != ATTN_OK)
            return bench_library_failed("view");
    return 0;
}

/* Rows of as many sequences as a view has. */
static int make_rows(bench_cache_side *s, uint64_t *state)
{
    const bench_size *z = &s->size;
    const int64_t seqs = s->n_views > 1 ? 1 : z->b, n = seqs * z->q, one = 1;
    const int64_t ends = seqs + 1, out = z->hout * n * z->dv;
    s->rows = calloc((size_t)(z->hq * n * z->d + out), sizeof *s->rows);
    if (!s->rows)
        return bench_failed("no memory for rows");
    bench_data_normal(s->rows, z->hq * n * z->d, state);
    for (int64_t i = 0; i < ends; i++)
        s->offsets[i] = i * z->q;
    attn_tensor_init(&s->tensor[0], s->rows, ATTN_DTYPE_F32, 4, (int64_t[]){1, z->hq, n, z->d});
    attn_tensor_init(&s->tensor[1], s->rows + z->hq * n * z->d, ATTN_DTYPE_F32, 4,
                     (int64_t[]){1, z->hout, n, z->dv});
    attn_tensor_init(&s->tensor[2], s->offsets, ATTN_DTYPE_I64, 1, &ends);
    attn_tensor_init(&s->tensor[3], &s->layer, ATTN_DTYPE_I64, 1, &one);
    return 0;
}

static void count_work(bench_cache_side *s, enum bench_cache_form form)
{
    const bench_size *z = &s->size;
    const double row = (double)(attn_dtype_row_size(z->kv_dtype, z->d) +
                                attn_dtype_row_size(z->kv_dtype, z->dv));
    for (int64_t i = 0; i < z->b; i++) {
        double keys = (double)length_of(z, form, i), q = (double)z->q;
        s->flops += 2.0 * (double)(z->d + z->dv) * (double)z->hout * q * (keys - (q - 1) / 2);
        s->kv_bytes += (double)z->hk * row * keys;
    }
}

static const char *words_of(enum bench_cache_form form)
{
    switch (form) {
    case BENCH_RAGGED:
        return ", all lengths at once";
    case BENCH_RAGGED_SINGLY:
        return ", all lengths one by one";
    case BENCH_PREFIX_SHARED:
        return ", all but 64 keys shared";
    case BENCH_PREFIX_COPIED:
        return ", each with keys of its own";
    default:
        return "";
    }
}

static int plan(attn_ctx *ctx, const attn_desc *desc, enum bench_cache_form form,
                bench_cache_side *s)
{
    char *text = bench_desc_text(desc);
    const char *words = words_of(form);
    size_t room = text ? strlen(text) + strlen(words) + 1 : 0;
    s->text = text ? malloc(room) : NULL;
    if (s->text)
        snprintf(s->text, room, "%s%s", text, words);
    free(text);
    if (!s->text)
        return bench_failed("no memory for a problem");
    if (attn_plan_create(ctx, desc, &s->plan) != ATTN_OK)
        return bench_library_failed(s->text);
    s->solver = attn_plan_solver(s->plan, s->size.q, s->size.k);
    return 0;
}

int bench_cache_side_make(attn_ctx *ctx, const bench_options *options, const char *problem,
                          enum bench_cache_form form, bench_cache_side *s)
{
    attn_desc *desc;
    uint64_t state = options->seed;
    if (attn_desc_parse(ctx, problem, &desc) != ATTN_OK)
        return bench_library_failed(problem);
    int rc = bench_size_read(desc, 0, &s->size);
    if (rc == 0 && s->size.b > BENCH_MOST_SEQUENCES)
        rc = bench_failed("%s: more than %d sequences", problem, BENCH_MOST_SEQUENCES);
    if (rc == 0)
        rc = plan(ctx, desc, form, s);
    attn_desc_destroy(desc);
    if (rc != 0)
        return rc;
    count_work(s, form);
    if (form == BENCH_IN_TENSORS)
        return bench_data_make(s->plan, &s->size, options->seed, options->huge, &s->data);
    rc = fill_cache(ctx, s, form, &state);
    if (rc == 0)
        rc = make_views(s, form);
    return rc == 0 ? make_rows(s, &state) : rc;
}

void bench_cache_side_free(bench_cache_side *s)
{
    for (size_t i = 0; i < s->n_views; i++)
        attn_view_destroy(s->view[i]);
    attn_cache_destroy(s->cache);
    attn_plan_destroy(s->plan);
    bench_data_free(&s->data);
    free(s->rows);
    free(s->text);
}

int bench_cache_side_run(void *side)
{
    bench_cache_side *s = side;
    int32_t status = ATTN_OK;
    if (!s->cache)
        status = attn_plan_execute(s->plan, s->data.args[s->turn++ % s->data.copies],
                                   s->data.n_args, NULL, 0);
    for (size_t i = 0; i < s->n_views && status == ATTN_OK; i++) {
        const attn_arg args[] = {{ATTN_ROLE_Q, 0, &s->tensor[0]},
                                 {ATTN_ROLE_OUT, 0, &s->tensor[1]},
                                 {ATTN_ROLE_Q_OFFSETS, 0, &s->tensor[2]},
                                 {ATTN_ROLE_LAYER, 0, &s->tensor[3]},
                                 {ATTN_ROLE_VIEW, 0, s->view[i]}};
        status = attn_plan_execute(s->plan, args, sizeof args / sizeof args[0], NULL, 0);
    }
    return status == ATTN_OK ? 0 : bench_library_failed(s->text);
}
