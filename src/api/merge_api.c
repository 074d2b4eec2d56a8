/* SPDX-License-Identifier: MIT */
/*
 * attn_merge: the arguments.
 */
#include <attn/helpers.h>

#include <inttypes.h>
#include <stdio.h>

#include "api/api_check.h"
#include "base/dtype.h"
#include "base/view.h"
#include "solvers/merge.h"

static int32_t check_rank(const char *name, const attn_tensor *t, int32_t rank)
{
    if (t->rank == rank)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %" PRId32 ", expected %" PRId32, name,
                           t->rank, rank);
}

static int32_t check_dtype(const char *name, const attn_tensor *t, int32_t dtype)
{
    if (t->dtype == dtype)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s", name,
                           attn__dtype_name(t->dtype), attn__dtype_name(dtype));
}

/* The first `rank` extents must be those of `like`, which is the out. */
static int32_t check_shape(const char *name, const attn_tensor *t, const attn_tensor *like)
{
    for (int32_t i = 0; i < t->rank; i++)
        if (t->shape[i] != like->shape[i])
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "%s has extent %" PRId64 " in dimension %" PRId32
                                   ", expected %" PRId64 " as out has",
                                   name, t->shape[i], i, like->shape[i]);
    return ATTN_OK;
}

static int32_t check_view(const char *name, const attn_tensor *t, int32_t rank, int32_t dtype,
                          const attn_tensor *like)
{
    int32_t status = check_rank(name, t, rank);

    if (status == ATTN_OK)
        status = check_dtype(name, t, dtype);
    if (status == ATTN_OK)
        status = attn__view_check(name, t);
    if (status == ATTN_OK)
        status = check_shape(name, t, like);
    return status;
}

static int32_t check_part(const char *array, size_t p, const attn_tensor *t, int32_t rank,
                          int32_t dtype, const attn_tensor *like)
{
    char name[48];

    snprintf(name, sizeof name, "%s[%zu]", array, p);
    return check_view(name, t, rank, dtype, like);
}

int32_t attn_merge(size_t n_parts, const attn_tensor *part_out, const attn_tensor *part_lse,
                   const attn_tensor *out, const attn_tensor *lse)
{
    int32_t status;

    if (n_parts == 0)
        return attn__error_set(ATTN_ERR_INVALID, "n_parts is 0, expected 1 or more");
    ATTN__CHECK_POINTER(part_out);
    ATTN__CHECK_POINTER(part_lse);
    ATTN__CHECK_POINTER(out);

    if (out->dtype != ATTN_DTYPE_F32 && out->dtype != ATTN_DTYPE_F64 &&
        out->dtype != ATTN_DTYPE_F16 && out->dtype != ATTN_DTYPE_BF16)
        return attn__error_set(ATTN_ERR_DTYPE,
                               "out has dtype %" PRId32 " (%s), expected f32, f64, f16 or bf16",
                               out->dtype, attn__dtype_name(out->dtype));
    const int32_t lse_dtype = out->dtype == ATTN_DTYPE_F64 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;

    status = check_view("out", out, 4, out->dtype, out);
    if (status == ATTN_OK)
        status = attn__view_check_output("out", out);
    if (status == ATTN_OK && lse)
        status = check_view("lse", lse, 3, lse_dtype, out);
    if (status == ATTN_OK && lse)
        status = attn__view_check_output("lse", lse);
    for (size_t p = 0; p < n_parts && status == ATTN_OK; p++) {
        status = check_part("part_out", p, &part_out[p], 4, out->dtype, out);
        if (status == ATTN_OK)
            status = check_part("part_lse", p, &part_lse[p], 3, lse_dtype, out);
    }
    if (status == ATTN_OK)
        attn__merge_run(n_parts, part_out, part_lse, out, lse);
    return status;
}
