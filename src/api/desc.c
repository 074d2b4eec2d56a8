/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: a set of parameters with an owner.
 */
#include <attn/desc.h>

#include <inttypes.h>
#include <string.h>

#include "api/api_check.h"
#include "api/desc_object.h"
#include "problem/mech_list.h"
#include "problem/text.h"

/* A text that is longer than any legal value need not be measured. */
enum { VALUE_MAX = 4096 };

static int32_t desc_make(attn_ctx *ctx, const struct attn__params *params, attn_desc **desc)
{
    attn_desc *d = attn__mem_alloc(&ctx->mem, sizeof *d, 64);

    if (!d)
        return ATTN_ERR_NOMEM;
    attn__ctx_retain(ctx);
    d->ctx = ctx;
    d->params = *params;
    *desc = d;
    return ATTN_OK;
}

int32_t attn_desc_create(attn_ctx *ctx, int32_t id, attn_desc **desc)
{
    struct attn__params params;

    ATTN__CHECK_POINTER(desc);
    *desc = NULL;
    ATTN__CHECK_POINTER(ctx);
    if (!attn__mech_list_name(id))
        return attn__error_set(ATTN_ERR_UNKNOWN_MECH,
                               "id is %" PRId32 ", expected one of ATTN_MECH_*", id);
    attn__params_init(&params, &ctx->mem, id);
    return desc_make(ctx, &params, desc);
}

int32_t attn_desc_parse(attn_ctx *ctx, const char *text, attn_desc **desc)
{
    struct attn__params params;
    int32_t status;

    ATTN__CHECK_POINTER(desc);
    *desc = NULL;
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(text);
    status = attn__text_parse(&params, &ctx->mem, text);
    if (status != ATTN_OK)
        return status;
    /* The lists move into the descriptor. */
    status = desc_make(ctx, &params, desc);
    if (status != ATTN_OK)
        attn__params_destroy(&params);
    return status;
}

int32_t attn_desc_print(const attn_desc *desc, char *buf, size_t len, size_t *needed)
{
    struct attn__textout out;

    ATTN__CHECK_POINTER(desc);
    if (len > 0)
        ATTN__CHECK_POINTER(buf);
    attn__textout_start(&out, buf, len);
    attn__text_print(&desc->params, &out);
    attn__textout_finish(&out, needed);
    return ATTN_OK;
}

int32_t attn_desc_set_score_fn(attn_desc *desc, attn_score_fn fn)
{
    ATTN__CHECK_POINTER(desc);
    desc->params.score_fn = fn;
    return ATTN_OK;
}

void attn_desc_destroy(attn_desc *desc)
{
    if (!desc)
        return;

    struct attn_ctx *ctx = desc->ctx;
    attn__params_destroy(&desc->params);
    attn__mem_free(&ctx->mem, desc, sizeof *desc);
    attn__ctx_release(ctx);
}

int32_t attn_desc_set_i64(attn_desc *desc, int32_t param, int64_t value)
{
    ATTN__CHECK_POINTER(desc);
    return attn__params_set_i64(&desc->params, param, value);
}

int32_t attn_desc_set_f64(attn_desc *desc, int32_t param, double value)
{
    ATTN__CHECK_POINTER(desc);
    return attn__params_set_f64(&desc->params, param, value);
}

int32_t attn_desc_set_text(attn_desc *desc, int32_t param, const char *value)
{
    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(value);
    return attn__params_set_text(&desc->params, param, value, strnlen(value, VALUE_MAX));
}

int32_t attn_desc_set_i64s(attn_desc *desc, int32_t param, const int64_t *values, size_t n)
{
    ATTN__CHECK_POINTER(desc);
    if (n > 0)
        ATTN__CHECK_POINTER(values);
    return attn__params_set_i64s(&desc->params, param, values, n);
}

int32_t attn_desc_set_f64s(attn_desc *desc, int32_t param, const double *values, size_t n)
{
    ATTN__CHECK_POINTER(desc);
    if (n > 0)
        ATTN__CHECK_POINTER(values);
    return attn__params_set_f64s(&desc->params, param, values, n);
}

int32_t attn_desc_get_i64(const attn_desc *desc, int32_t param, int64_t *value)
{
    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(value);
    return attn__params_get_i64(&desc->params, param, value);
}

int32_t attn_desc_get_f64(const attn_desc *desc, int32_t param, double *value)
{
    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(value);
    return attn__params_get_f64(&desc->params, param, value);
}

int32_t attn_desc_get_text(const attn_desc *desc, int32_t param, char *buf, size_t len,
                           size_t *needed)
{
    struct attn__textout out;
    int32_t status;

    ATTN__CHECK_POINTER(desc);
    if (len > 0)
        ATTN__CHECK_POINTER(buf);
    attn__textout_start(&out, buf, len);
    status = attn__params_get_text(&desc->params, param, &out);
    if (status == ATTN_OK)
        attn__textout_finish(&out, needed);
    return status;
}

int32_t attn_desc_get_i64s(const attn_desc *desc, int32_t param, int64_t *values, size_t room,
                           size_t *n)
{
    const int64_t *list;
    size_t count;
    int32_t status;

    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(n);
    if (room > 0)
        ATTN__CHECK_POINTER(values);
    status = attn__params_get_i64s(&desc->params, param, &list, &count);
    if (status != ATTN_OK)
        return status;
    for (size_t i = 0; i < count && i < room; i++)
        values[i] = list[i];
    *n = count;
    return ATTN_OK;
}

int32_t attn_desc_get_f64s(const attn_desc *desc, int32_t param, double *values, size_t room,
                           size_t *n)
{
    const double *list;
    size_t count;
    int32_t status;

    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(n);
    if (room > 0)
        ATTN__CHECK_POINTER(values);
    status = attn__params_get_f64s(&desc->params, param, &list, &count);
    if (status != ATTN_OK)
        return status;
    for (size_t i = 0; i < count && i < room; i++)
        values[i] = list[i];
    *n = count;
    return ATTN_OK;
}

int32_t attn_desc_unset(attn_desc *desc, int32_t param)
{
    ATTN__CHECK_POINTER(desc);
    return attn__params_unset(&desc->params, param);
}

int32_t attn_desc_is_set(const attn_desc *desc, int32_t param, int32_t *set)
{
    bool is_set;
    int32_t status;

    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(set);
    status = attn__params_is_set(&desc->params, param, &is_set);
    if (status == ATTN_OK)
        *set = is_set;
    return status;
}
