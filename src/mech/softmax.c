/* SPDX-License-Identifier: MIT */
/*
 * softmax: scaled dot-product attention with its options. One ATTEND stage:
 * what is here are the defaults, the combinations that make no sense, and
 * how causal, window, sink_tokens and prefix become pieces of visibility.
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "mech/epilogue_options.h"
#include "mech/mech.h"
#include "mech/normalizer.h"
#include "mech/output_options.h"
#include "mech/prologue.h"
#include "mech/score_options.h"
#include "mech/view_options.h"
#include "problem/mech_list.h"
#include "problem/pieces.h"
#include "problem/text.h"

static int64_t i64_or(const struct attn__params *v, int32_t param, int64_t fallback)
{
    return attn__params_i64_or(v, param, fallback);
}

static int32_t need(const struct attn__params *v, int32_t param, const char *name, int64_t *out)
{
    bool set;
    int32_t status = attn__params_is_set(v, param, &set);
    if (status == ATTN_OK && !set)
        status = attn__error_set(ATTN_ERR_UNSET, "%s needs %s, which was not set",
                                 attn__mech_list_name(v->mech), name);
    if (status == ATTN_OK)
        *out = i64_or(v, param, 0);
    return status;
}

static int32_t sizes(const struct attn__params *v, struct attn__problem *p)
{
    int32_t status = need(v, ATTN_PARAM_HQ, "h (the number of query heads)", &p->hq);
    if (status == ATTN_OK)
        status = need(v, ATTN_PARAM_Q, "q (the most query rows)", &p->q);
    if (status == ATTN_OK)
        status = need(v, ATTN_PARAM_K, "k (the most keys, or inf)", &p->k);
    if (status == ATTN_OK)
        status = need(v, ATTN_PARAM_D, "d (the width of a head)", &p->d);
    if (status != ATTN_OK)
        return status;
    p->b = i64_or(v, ATTN_PARAM_B, 1);
    p->hk = i64_or(v, ATTN_PARAM_HK, p->hq);
    p->hv = i64_or(v, ATTN_PARAM_HV, p->hk);
    p->dv = i64_or(v, ATTN_PARAM_DV, p->d);
    p->packed = i64_or(v, ATTN_PARAM_PACKED, 0) != 0;
    p->dtype = (int32_t)i64_or(v, ATTN_PARAM_DTYPE, ATTN_DTYPE_F32);
    p->kv_dtype = (int32_t)i64_or(v, ATTN_PARAM_KV_DTYPE, p->dtype);
    if ((p->dtype == ATTN_DTYPE_F64) != (p->kv_dtype == ATTN_DTYPE_F64))
        return attn__error_set(ATTN_ERR_INVALID,
                               "dtype=%s with kv_dtype=%s: f64 is for all tensors or for none",
                               attn__dtype_name(p->dtype), attn__dtype_name(p->kv_dtype));
    p->compute = (int32_t)i64_or(v, ATTN_PARAM_COMPUTE, ATTN_COMPUTE_F32);
    if (p->compute == ATTN_COMPUTE_BF16 && p->dtype == ATTN_DTYPE_F64)
        return attn__error_set(ATTN_ERR_INVALID,
                               "compute=bf16 with dtype=f64: expected compute=f32, f64 data are "
                               "computed in f64");
    if (p->compute == ATTN_COMPUTE_INT8 && !i64_or(v, ATTN_PARAM_VIEW, 0))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "compute=int8 without view: expected keys of a cache in q8_0 or "
                               "q4_0");
    size_t n;
    const int64_t *q_head = attn__params_i64s(v, ATTN_PARAM_Q_HEAD, &n);
    p->hout = q_head ? (int64_t)n : p->hq;
    if (p->hout < 1)
        return attn__error_set(ATTN_ERR_INVALID, "q_head is an empty list: it has one entry per "
                                                 "output head");
    return ATTN_OK;
}

/* The map of one operand into `map` [hout]: the given list, or whole groups. */
static int32_t head_map(const struct attn__params *v, const struct attn__problem *p, int32_t param,
                        const char *name, int64_t heads, int64_t *map)
{
    size_t n;
    const int64_t *given = attn__params_i64s(v, param, &n);
    if (!given && p->hout % heads != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s is needed: %" PRId64 " output heads are no multiple of %" PRId64
                               " heads",
                               name, p->hout, heads);
    if (given && (int64_t)n != p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has %zu entries, expected one for each of the %" PRId64
                               " output heads",
                               name, n, p->hout);
    for (int64_t h = 0; h < p->hout; h++) {
        map[h] = given ? given[h] : h / (p->hout / heads);
        if (map[h] < 0 || map[h] >= heads)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "%s[%" PRId64 "] is %" PRId64 ", expected 0 to %" PRId64, name,
                                   h, map[h], heads - 1);
    }
    return ATTN_OK;
}

/* Runs of output heads with the same K and V head. */
static void groups(struct attn__problem *p, int64_t *group)
{
    int64_t n = 0;
    p->max_group = 0;
    for (int64_t h = 0; h < p->hout; h++) {
        bool same = h > 0 && p->k_head[h] == p->k_head[h - 1] && p->v_head[h] == p->v_head[h - 1];
        if (!same)
            group[n++] = h;
        p->max_group = attn__max_i64(p->max_group, h + 1 - group[n - 1]);
    }
    group[n] = p->hout;
    p->n_groups = n;
    p->group = group;
    p->even_groups = n * p->max_group == p->hout;
}

static int32_t fill(const struct attn__params *v, const struct attn__params *text,
                    struct attn__problem *p, int64_t *lists, char *chars)
{
    int64_t *q = lists, *k = q + p->hout, *vm = k + p->hout, *group = vm + p->hout;
    int64_t *values = group + p->hout + 1; /* of pieces */
    int32_t status = ATTN_OK;
    /* Without a list the output heads are the query heads, one by one. */
    status = head_map(v, p, ATTN_PARAM_Q_HEAD, "q_head", p->hq, q);
    if (status == ATTN_OK)
        status = head_map(v, p, ATTN_PARAM_K_HEAD, "k_head", p->hk, k);
    if (status == ATTN_OK)
        status = head_map(v, p, ATTN_PARAM_V_HEAD, "v_head", p->hv, vm);
    if (status != ATTN_OK)
        return status;
    p->q_head = q;
    p->k_head = k;
    p->v_head = vm;
    groups(p, group);
    status = attn__score_options(v, p, values + attn__pieces_room(v));
    if (status == ATTN_OK)
        status = attn__pieces_fill(v, p, values);
    if (status != ATTN_OK)
        return status;

    p->sink_logits = i64_or(v, ATTN_PARAM_SINK_LOGITS, 0) != 0;
    p->blas = (int32_t)i64_or(v, ATTN_PARAM_BLAS, ATTN_BLAS_AUTO);
    p->invariant = (int32_t)i64_or(v, ATTN_PARAM_INVARIANT, ATTN_INVARIANT_BATCH);
    p->check = (int32_t)i64_or(v, ATTN_PARAM_CHECK, ATTN_CHECK_INDICES);
    p->effort = (int32_t)i64_or(v, ATTN_PARAM_EFFORT, ATTN_EFFORT_ESTIMATE);
    p->executors = i64_or(v, ATTN_PARAM_EXECUTORS, 1);
    status = attn__output_options(v, p);
    if (status == ATTN_OK)
        status = attn__view_fill(v, p, values + attn__pieces_room(v) +
                                           attn__score_options_bytes(v, p->hout) / 8);
    if (status != ATTN_OK)
        return status;
    attn__mech_roles(v, p);
    attn__score_roles(p);
    attn__output_roles(p);
    attn__view_roles(p);
    status = attn__mech_normalizer(v, p);
    if (status == ATTN_OK)
        status = attn__output_skip_bound(p);
    if (status != ATTN_OK)
        return status;

    const char *solver = attn__params_text_or(v, ATTN_PARAM_SOLVER, NULL);
    if (solver) {
        size_t n = strlen(solver) + 1;
        p->solver = memcpy(chars, solver, n);
        chars += n;
    }
    struct attn__textout out;
    attn__textout_start(&out, chars, p->block_bytes - (size_t)(chars - (char *)p->block));
    attn__text_print(text, &out);
    attn__textout_finish(&out, NULL);
    p->text = chars;
    return ATTN_OK;
}

int32_t attn__mech_softmax(const struct attn__params *v, const struct attn__mem *mem,
                           struct attn__problem *p)
{
    return attn__mech_attend(v, v, mem, p);
}

int32_t attn__mech_attend(const struct attn__params *v, const struct attn__params *text,
                          const struct attn__mem *mem, struct attn__problem *p)
{
    *p = (struct attn__problem){.mech = v->mech, .verb = ATTN__VERB_ATTEND};
    int32_t status = sizes(v, p);
    if (status != ATTN_OK)
        return status;
    struct attn__textout out;
    size_t text_bytes;
    attn__textout_start(&out, NULL, 0);
    attn__text_print(text, &out);
    attn__textout_finish(&out, &text_bytes);
    size_t prologue_bytes;
    status = attn__prologue_read(v, p, &prologue_bytes);
    if (status == ATTN_OK)
        status = attn__epilogue_options(v, p);
    if (status != ATTN_OK)
        return status;
    /* hout is at most 65536, lists of pieces are bounded: no overflow */
    size_t list_bytes =
        ((size_t)p->hout * 5 + 1 + attn__pieces_room(v) + attn__view_room(v, p)) * 8 +
        attn__score_options_bytes(v, p->hout);
    p->block_bytes =
        list_bytes + prologue_bytes + text_bytes +
        strlen(attn__params_text_or(v, ATTN_PARAM_SOLVER, "")) + 1 + (size_t)p->hout;
    p->block = attn__mem_alloc(mem, p->block_bytes, 64);
    if (!p->block)
        return ATTN_ERR_NOMEM;
    status = fill(v, text, p, p->block, (char *)p->block + list_bytes + prologue_bytes);
    attn__prologue_fill(v, p, (char *)p->block + list_bytes);
    p->own_values = (double *)((char *)p->block + list_bytes) - p->hout;
    p->own_heads = (uint8_t *)p->block + p->block_bytes - p->hout;
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
