/* SPDX-License-Identifier: MIT */
/*
 * The functions of head_scores.h: the arguments.
 */
#include <attn/head_scores.h>

#include <inttypes.h>
#include <math.h>

#include "api/api_check.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/view.h"
#include "solvers/head_scores.h"
#include "solvers/task_kv.h"

/* What a tensor may hold, as bits of 1 << dtype. */
enum {
    FLOATS = 1 << ATTN_DTYPE_F32 | 1 << ATTN_DTYPE_F64 | 1 << ATTN_DTYPE_F16 |
             1 << ATTN_DTYPE_BF16,
    INDICES = 1 << ATTN_DTYPE_I32 | 1 << ATTN_DTYPE_I64,
    RESULTS = 1 << ATTN_DTYPE_F32 | 1 << ATTN_DTYPE_F64,
};

static const char *words_of(int types)
{
    return types == FLOATS ? "f32, f64, f16 or bf16" : types == INDICES ? "i32 or i64"
                                                                        : "f32 or f64";
}

static int32_t check_tensor(const char *name, const attn_tensor *t, int types, int32_t rank)
{
    if (!t)
        return attn__error_set(ATTN_ERR_NULL, "%s is NULL, expected a valid pointer", name);
    if (t->rank != rank)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %" PRId32 ", expected %" PRId32, name,
                               t->rank, rank);
    if (attn__dtype_size(t->dtype) == 0 || !(types >> t->dtype & 1))
        return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %" PRId32 " (%s), expected %s", name,
                               t->dtype, attn__dtype_name(t->dtype), words_of(types));
    int32_t status = attn__view_check(name, t);
    return status == ATTN_OK && types == RESULTS ? attn__view_check_output(name, t) : status;
}

/* Extent `dimension` of t is `want`, as `of` has it. */
static int32_t check_extent(const char *name, const attn_tensor *t, int32_t dimension,
                            int64_t want, const char *of)
{
    if (t->shape[dimension] == want)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "%s has extent %" PRId64 " in dimension %" PRId32
                           ", expected %" PRId64 " as %s has",
                           name, t->shape[dimension], dimension, want, of);
}

static int32_t check_least(const char *name, int64_t found, int64_t least)
{
    if (found >= least)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "%s is %" PRId64 ", expected at least %" PRId64, name, found, least);
}

int32_t attn_retrieval_head_scores(const attn_tensor *positions, const attn_tensor *generated,
                                   const attn_tensor *prompt, int64_t needle_start,
                                   int64_t needle_end, const attn_tensor *scores)
{
    int32_t rank = positions && positions->rank == 3 ? 3 : 2;
    int32_t status = check_tensor("positions", positions, INDICES, rank);
    if (status == ATTN_OK)
        status = check_tensor("generated", generated, INDICES, 1);
    if (status == ATTN_OK)
        status = check_tensor("prompt", prompt, INDICES, 1);
    if (status == ATTN_OK)
        status = check_tensor("scores", scores, RESULTS, 1);
    if (status == ATTN_OK)
        status = check_extent("generated", generated, 0, positions->shape[0], "positions");
    if (status == ATTN_OK)
        status = check_extent("scores", scores, 0, positions->shape[1], "positions");
    if (status != ATTN_OK)
        return status;
    if (needle_start < 0 || needle_start >= needle_end || needle_end > prompt->shape[0])
        return attn__error_set(ATTN_ERR_INVALID,
                               "the needle is %" PRId64 " to %" PRId64
                               ", expected 0 <= needle_start < needle_end <= %" PRId64
                               ", the length of prompt",
                               needle_start, needle_end, prompt->shape[0]);
    attn__head_scores_retrieval(positions, generated, prompt, needle_start, needle_end, scores);
    return ATTN_OK;
}

/* probs [B,H,N,N]. */
static int32_t check_probs(const attn_tensor *probs)
{
    int32_t status = check_tensor("probs", probs, FLOATS, 4);
    if (status == ATTN_OK && probs->shape[2] != probs->shape[3])
        status = attn__error_set(ATTN_ERR_SHAPE,
                                 "probs has %" PRId64 " rows and %" PRId64
                                 " keys, expected the same number",
                                 probs->shape[2], probs->shape[3]);
    return status;
}

int32_t attn_razor_head_scores(const attn_tensor *probs, int64_t period, int64_t bos,
                               const attn_tensor *echo, const attn_tensor *induction)
{
    const attn_tensor *results[2] = {echo, induction};
    static const char *const names[2] = {"echo", "induction"};
    int32_t status = check_probs(probs);
    for (int n = 0; n < 2 && status == ATTN_OK; n++) {
        status = check_tensor(names[n], results[n], RESULTS, 2);
        for (int32_t i = 0; i < 2 && status == ATTN_OK; i++)
            status = check_extent(names[n], results[n], i, probs->shape[i], "probs");
    }
    if (status == ATTN_OK)
        status = check_least("period", period, 1);
    if (status == ATTN_OK)
        status = check_least("bos", bos, 0);
    if (status == ATTN_OK)
        attn__head_scores_razor(probs, period, bos, echo, induction);
    return status;
}

/* One head; false if the span does not fit in 64 bits. */
static bool span_of(double alpha, double beta, int64_t n, int64_t minimum, int64_t unit,
                    int64_t *span)
{
    double line = alpha + beta * (double)n;
    int64_t least = line >= (double)n ? n : (int64_t)line, rest;
    least = attn__max_i64(least, minimum);
    rest = least % unit == 0 ? 0 : unit - least % unit;
    *span = least <= INT64_MAX - rest ? least + rest : 0;
    return least <= INT64_MAX - rest;
}

static int64_t band_of(double alpha, double beta, int64_t n, int64_t unit)
{
    double size = (double)unit, most = 0x1p40; /* what moa_bands may be */
    return (int64_t)fmin(fmax(floor(alpha / size) + beta * (double)n / size, 1), most);
}

static int32_t check_line(size_t h, double alpha, double beta, int64_t n)
{
    if (!isfinite(alpha))
        return attn__error_set(ATTN_ERR_INVALID, "alpha[%zu] is %g, expected a finite number", h,
                               alpha);
    if (!isfinite(beta) || beta > 1)
        return attn__error_set(ATTN_ERR_INVALID,
                               "beta[%zu] is %g, expected a finite number up to 1", h, beta);
    if (!(alpha + beta * (double)n >= 0))
        return attn__error_set(ATTN_ERR_INVALID,
                               "alpha[%zu] + beta[%zu] * n is %g, expected 0 or more", h, h,
                               alpha + beta * (double)n);
    return ATTN_OK;
}

int32_t attn_moa_span_rule(size_t n_heads, const double *alpha, const double *beta, int64_t n,
                           int64_t minimum, int64_t unit, int64_t *spans, int64_t *bands)
{
    ATTN__CHECK_POINTER(alpha);
    ATTN__CHECK_POINTER(beta);
    int32_t status = check_least("n", n, 0);
    if (status == ATTN_OK)
        status = check_least("minimum", minimum, 0);
    if (status == ATTN_OK)
        status = check_least("unit", unit, 1);
    for (size_t h = 0; h < n_heads && status == ATTN_OK; h++) {
        int64_t span;
        status = check_line(h, alpha[h], beta[h], n);
        if (status == ATTN_OK && !span_of(alpha[h], beta[h], n, minimum, unit, &span))
            status = attn__error_set(ATTN_ERR_OVERFLOW,
                                     "the span of head %zu does not fit in 64 bits", h);
    }
    for (size_t h = 0; h < n_heads && status == ATTN_OK; h++) {
        if (spans)
            span_of(alpha[h], beta[h], n, minimum, unit, &spans[h]);
        if (bands)
            bands[h] = band_of(alpha[h], beta[h], n, unit);
    }
    return status;
}

/* Budgets of heads that keep all; x is between two of their numbers. */
static int64_t full_heads(int64_t heads, int64_t layer, int64_t layers, double share, double least)
{
    double most = (double)heads * share;
    double x = most - (most - least) / (double)attn__max_i64(layers - 1, 1) * (double)layer;
    return (int64_t)fmin(fmax(floor(x + 0.5), 0), (double)heads);
}

int32_t attn_task_kv_rule(int64_t heads, int64_t layer, int64_t layers, double share, double least,
                          int64_t n, int64_t budget, int64_t sink, int64_t recent, int64_t *full,
                          int64_t *middle)
{
    const struct {
        const char *name;
        int64_t value, least;
    } numbers[] = {{"heads", heads, 1}, {"layers", layers, 1}, {"layer", layer, 0}, {"n", n, 0},
                   {"budget", budget, 0}, {"sink", sink, 0}, {"recent", recent, 0}};
    int64_t all, edges;
    ATTN__CHECK_POINTER(full);
    ATTN__CHECK_POINTER(middle);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int32_t status = check_least(numbers[i].name, numbers[i].value, numbers[i].least);
        if (status != ATTN_OK)
            return status;
    }
    if (layer >= layers)
        return attn__error_set(ATTN_ERR_INVALID,
                               "layer is %" PRId64 ", expected less than layers=%" PRId64, layer,
                               layers);
    if (!(share >= 0 && share <= 1))
        return attn__error_set(ATTN_ERR_INVALID, "share is %g, expected 0 to 1", share);
    if (!(least >= 0 && least <= (double)heads))
        return attn__error_set(ATTN_ERR_INVALID,
                               "least is %g, expected 0 to the %" PRId64 " heads", least, heads);
    if (!attn__mul_i64(n, heads, &all) || !attn__add_i64(sink, recent, &edges))
        return attn__error_set(ATTN_ERR_OVERFLOW,
                               "n times heads or sink + recent does not fit in 64 bits");
    *full = full_heads(heads, layer, layers, share, least);
    *middle = *full == heads
                  ? 0
                  : attn__max_i64((budget - n * *full) / (heads - *full) - edges, 0);
    return ATTN_OK;
}

/* vectors [H,Dv], distances [H] and full [H] as weights and v have them. */
static int32_t check_task_kv_results(const attn_tensor *v, const attn_tensor *vectors,
                                     const attn_tensor *distances, const attn_tensor *full)
{
    int32_t status = check_tensor("vectors", vectors, RESULTS, 2);
    if (status == ATTN_OK)
        status = check_tensor("distances", distances, RESULTS, 1);
    if (status == ATTN_OK)
        status = check_tensor("full", full, INDICES, 1);
    if (status == ATTN_OK)
        status = attn__view_check_output("full", full);
    if (status == ATTN_OK)
        status = check_extent("vectors", vectors, 0, v->shape[0], "v");
    if (status == ATTN_OK)
        status = check_extent("vectors", vectors, 1, v->shape[2], "v");
    if (status == ATTN_OK)
        status = check_extent("distances", distances, 0, v->shape[0], "v");
    return status == ATTN_OK ? check_extent("full", full, 0, v->shape[0], "v") : status;
}

int32_t attn_task_kv_heads(const attn_tensor *weights, const attn_tensor *v, int64_t top,
                           int64_t n_full, const attn_tensor *vectors,
                           const attn_tensor *distances, const attn_tensor *full)
{
    int32_t status = check_tensor("weights", weights, FLOATS, 2);
    if (status == ATTN_OK)
        status = check_tensor("v", v, FLOATS, 3);
    for (int32_t i = 0; i < 2 && status == ATTN_OK; i++)
        status = check_extent("v", v, i, weights->shape[i], "weights");
    if (status == ATTN_OK)
        status = check_task_kv_results(v, vectors, distances, full);
    if (status == ATTN_OK)
        status = check_least("top", top, 1);
    if (status == ATTN_OK)
        status = check_least("n_full", n_full, 0);
    if (status == ATTN_OK && n_full > weights->shape[0])
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "n_full is %" PRId64 ", expected at most the %" PRId64 " heads",
                                 n_full, weights->shape[0]);
    if (status == ATTN_OK)
        attn__task_kv_heads(weights, v, top, n_full, vectors, distances, full);
    return status;
}

int32_t attn_vhd(const attn_tensor *out_with, const attn_tensor *out_without,
                 const attn_tensor *distances)
{
    int32_t status = check_tensor("out_with", out_with, FLOATS, 4);
    if (status == ATTN_OK)
        status = check_tensor("out_without", out_without, FLOATS, 4);
    if (status == ATTN_OK)
        status = check_tensor("distances", distances, RESULTS, 3);
    for (int32_t i = 0; i < 4 && status == ATTN_OK; i++)
        status = check_extent("out_without", out_without, i, out_with->shape[i], "out_with");
    for (int32_t i = 0; i < 3 && status == ATTN_OK; i++)
        status = check_extent("distances", distances, i, out_with->shape[i], "out_with");
    if (status == ATTN_OK)
        attn__head_scores_vhd(out_with, out_without, distances);
    return status;
}

/* [B,N,N] as probs [B,H,N,N] has them. */
static int32_t check_square(const char *name, const attn_tensor *t, int types,
                            const attn_tensor *probs)
{
    int32_t status = check_tensor(name, t, types, 3);
    if (status == ATTN_OK)
        status = check_extent(name, t, 0, probs->shape[0], "probs");
    for (int32_t i = 1; i < 3 && status == ATTN_OK; i++)
        status = check_extent(name, t, i, probs->shape[2], "probs");
    return status;
}

int32_t attn_rollout(const attn_tensor *probs, double residual, const attn_tensor *before,
                     const attn_tensor *after)
{
    int32_t status = check_probs(probs);
    if (status == ATTN_OK && probs->shape[1] < 1)
        status = attn__error_set(ATTN_ERR_SHAPE,
                                 "probs has extent 0 in dimension 1, expected at least one head");
    if (status == ATTN_OK && before)
        status = check_square("before", before, FLOATS, probs);
    if (status == ATTN_OK)
        status = check_square("after", after, RESULTS, probs);
    if (status == ATTN_OK && !(residual >= 0 && residual <= 1))
        status = attn__error_set(ATTN_ERR_INVALID, "residual is %g, expected 0 to 1", residual);
    if (status == ATTN_OK)
        attn__head_scores_rollout(probs, residual, before, after);
    return status;
}
