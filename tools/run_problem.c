/* SPDX-License-Identifier: MIT */
/*
 * Completing a problem from its tensors. h= and d= are taken as a whole: a
 * typed h=8 means 8 key heads as well, whatever the files say, and the
 * library then tells of the difference.
 */
#include "run_problem.h"

#include <inttypes.h>
#include <string.h>

enum { WHEN_ALWAYS, WHEN_MAY, WHEN_PARAM, WHEN_WANT, WHEN_MECH };

/* What a role needs to be legal, from the library's own list. */
#define KEY_ALWAYS(key) 0
#define KEY_MAY(key) 0
#define KEY_PARAM(key) ATTN_PARAM_##key
#define KEY_WANT(key) ATTN_WANT_##key
#define KEY_MECH(key) 0
#define ROLE(constant, name, direction, when, key, types, shape) \
    {ATTN_ROLE_##constant, WHEN_##when, KEY_##when(key)},
static const struct {
    int32_t role;
    int32_t when;
    int32_t key;
} needs[] = {
#include "problem/roles.def"
};

run_slot *run_find(run_slots *slots, int32_t role)
{
    for (size_t i = 0; i < slots->n; i++)
        if (slots->slot[i].role == role)
            return &slots->slot[i];
    return NULL;
}

/* A parameter's value, or `fallback` if it is not set. */
static int64_t get(const attn_desc *desc, int32_t param, int64_t fallback)
{
    int64_t value;
    return attn_desc_get_i64(desc, param, &value) == ATTN_OK ? value : fallback;
}

static bool is_set(const attn_desc *desc, int32_t param)
{
    int32_t set = 0;
    return attn_desc_is_set(desc, param, &set) == ATTN_OK && set;
}

static int set_if_unset(attn_desc *desc, int32_t param, int64_t value)
{
    if (is_set(desc, param))
        return 0;
    int32_t status = attn_desc_set_i64(desc, param, value);
    return status == ATTN_OK ? 0 : tool_library(status);
}

static int declare_roles(attn_desc *desc, run_slots *slots)
{
    int64_t want = get(desc, ATTN_PARAM_WANT, 0), asked = want;
    int rc = 0;
    for (size_t i = 0; i < sizeof needs / sizeof needs[0] && rc == 0; i++) {
        if (!run_find(slots, needs[i].role))
            continue;
        if (needs[i].when == WHEN_WANT)
            want |= needs[i].key;
        else if (needs[i].when == WHEN_PARAM)
            rc = set_if_unset(desc, needs[i].key, 1);
    }
    if (rc == 0 && want != asked) {
        int32_t status = attn_desc_set_i64(desc, ATTN_PARAM_WANT, want);
        rc = status == ATTN_OK ? 0 : tool_library(status);
    }
    return rc;
}

/* Offset number i; the library checks what the numbers say. */
static int64_t offset_at(const attn_tensor *t, int64_t i)
{
    if (t->dtype == ATTN_DTYPE_I32)
        return ((const int32_t *)t->data)[i * t->stride[0]];
    return ((const int64_t *)t->data)[i * t->stride[0]];
}

/* The longest sequence that a list of offsets describes. */
static int64_t longest(const attn_tensor *t)
{
    int64_t most = 0;
    for (int64_t i = 0; i + 1 < t->shape[0]; i++) {
        int64_t n;
        if (!__builtin_sub_overflow(offset_at(t, i + 1), offset_at(t, i), &n) && n > most)
            most = n;
    }
    return most;
}

/* How many sequences there are and the greatest lengths among them. */
struct lengths {
    int64_t sequences, q, k;
};

static int measure(const attn_desc *desc, run_slots *slots, struct lengths *l)
{
    const attn_tensor *q = &run_find(slots, ATTN_ROLE_Q)->view;
    const attn_tensor *k = &run_find(slots, ATTN_ROLE_K)->view;
    *l = (struct lengths){q->shape[0], q->shape[2], k->shape[2]};
    if (get(desc, ATTN_PARAM_PACKED, 0) == 0)
        return 0;

    const int32_t roles[2] = {ATTN_ROLE_Q_OFFSETS, ATTN_ROLE_K_OFFSETS};
    for (int i = 0; i < 2; i++) {
        const run_slot *s = run_find(slots, roles[i]);
        if (!s)
            return tool_usage("--%s is needed: the problem is packed", attn_role_name(roles[i]));
        if (s->view.rank != 1 || s->view.shape[0] < 1 ||
            (s->view.dtype != ATTN_DTYPE_I32 && s->view.dtype != ATTN_DTYPE_I64))
            return tool_failed("%s: %s has rank %" PRId32 " and type %s, expected a list of one "
                               "or more i32 or i64", s->path, attn_role_name(roles[i]),
                               s->view.rank, attn_dtype_name(s->view.dtype));
        *(i == 0 ? &l->q : &l->k) = longest(&s->view);
        l->sequences = s->view.shape[0] - 1;
    }
    return 0;
}

static int infer_types(attn_desc *desc, int32_t q_dtype, int32_t k_dtype)
{
    int32_t status = ATTN_OK;
    char name[16] = "";
    if (!is_set(desc, ATTN_PARAM_DTYPE))
        status = attn_desc_set_text(desc, ATTN_PARAM_DTYPE, attn_dtype_name(q_dtype));
    if (status == ATTN_OK)
        status = attn_desc_get_text(desc, ATTN_PARAM_DTYPE, name, sizeof name, NULL);
    if (status == ATTN_OK && !is_set(desc, ATTN_PARAM_KV_DTYPE) &&
        strcmp(name, attn_dtype_name(k_dtype)) != 0)
        status = attn_desc_set_text(desc, ATTN_PARAM_KV_DTYPE, attn_dtype_name(k_dtype));
    return status == ATTN_OK ? 0 : tool_library(status);
}

static int take_sizes(attn_desc *desc, run_slots *slots)
{
    const attn_tensor *q = &run_find(slots, ATTN_ROLE_Q)->view;
    const attn_tensor *k = &run_find(slots, ATTN_ROLE_K)->view;
    const attn_tensor *v = &run_find(slots, ATTN_ROLE_V)->view;
    struct lengths l;
    int rc = measure(desc, slots, &l);
    if (rc == 0)
        rc = infer_types(desc, q->dtype, k->dtype);
    if (rc != 0)
        return rc;

    bool heads = is_set(desc, ATTN_PARAM_HQ), widths = is_set(desc, ATTN_PARAM_D);
    const struct {
        bool wanted;
        int32_t param;
        int64_t value;
    } sizes[] = {
        {true, ATTN_PARAM_B, l.sequences},
        {!heads, ATTN_PARAM_HQ, q->shape[1]},
        {!heads, ATTN_PARAM_HK, k->shape[1]},
        {!heads && v->shape[1] != k->shape[1], ATTN_PARAM_HV, v->shape[1]},
        {true, ATTN_PARAM_Q, l.q},
        {true, ATTN_PARAM_K, l.k},
        {!widths, ATTN_PARAM_D, q->shape[3]},
        {!widths && v->shape[3] != q->shape[3], ATTN_PARAM_DV, v->shape[3]},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && rc == 0; i++)
        if (sizes[i].wanted)
            rc = set_if_unset(desc, sizes[i].param, sizes[i].value);
    return rc;
}

int run_complete(attn_desc *desc, run_slots *slots)
{
    bool all = run_find(slots, ATTN_ROLE_Q) && run_find(slots, ATTN_ROLE_K) &&
               run_find(slots, ATTN_ROLE_V);
    int rc = declare_roles(desc, slots);
    return rc == 0 && all ? take_sizes(desc, slots) : rc;
}

int run_shape_outputs(const attn_plan *plan, run_slots *slots)
{
    attn_arg inputs[RUN_MAX_SLOTS];
    size_t n = 0;
    for (size_t i = 0; i < slots->n; i++)
        if (!attn_role_is_output(slots->slot[i].role))
            inputs[n++] = (attn_arg){slots->slot[i].role, 0, &slots->slot[i].view};
    for (size_t i = 0; i < slots->n; i++) {
        run_slot *s = &slots->slot[i];
        if (!attn_role_is_output(s->role))
            continue;
        int32_t status = attn_plan_shape(plan, inputs, n, s->role, &s->view);
        if (status != ATTN_OK)
            return tool_library(status);
    }
    return 0;
}
