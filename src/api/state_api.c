/* SPDX-License-Identifier: MIT */
/*
 * attn_state_*: argument checks, and copies to and from the caller's memory.
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "api/api_check.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/view.h"
#include "plan/plan.h"
#include "state/scan_check.h"
#include "state/scan_segment.h"

static int32_t check_state(const char *name, const attn_state *s)
{
    if (s->tag == ATTN__STATE_TAG)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "%s is no attn_state, or one that was destroyed",
                           name);
}

static int32_t check_slot(const char *name, const attn_state *s, int64_t slot)
{
    if (slot >= 0 && slot < s->slots)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_RANGE, "%s is %" PRId64 ", expected 0 to %" PRId64, name, slot,
                           s->slots - 1);
}

/* Where the parts of a head begin and how many bytes they take. */
static bool lay_out(attn_state *s)
{
    const struct attn__state_shape *e = &s->shape;
    size_t rows = ((size_t)e->dk + 15) / 16 * 16, heads, all, sides;
    s->values = (e->dv + 15) / 16 * 16;
    s->cols = s->values + (e->segment && e->erase ? (int64_t)rows : 0);
    s->lse_at = e->sum ? rows * sizeof(float) : 0;
    s->log_at = s->lse_at + (e->lse ? rows * sizeof(double) : 0);
    s->side_bytes = s->log_at + (e->segment && !e->erase ? rows * sizeof(double) : 0);
    return attn__mul_size((size_t)s->slots, (size_t)e->hs, &heads) &&
           attn__mul_size((size_t)e->dk, (size_t)s->cols, &s->s_bytes) &&
           attn__mul_size(s->s_bytes, sizeof(float), &s->s_bytes) &&
           attn__mul_size(s->s_bytes, heads, &all) &&
           attn__mul_size(s->side_bytes, heads, &sides) && attn__add_size(all, sides, &s->bytes);
}

static int32_t create(attn_ctx *ctx, const attn_plan *plan, int64_t slots, bool segment,
                      attn_state **state)
{
    size_t count_bytes;
    if (slots < 1)
        return attn__error_set(ATTN_ERR_INVALID, "slots is %" PRId64 ", expected 1 or more", slots);
    if (plan->problem.takes[ATTN__SLOT_STATE] == ATTN__TAKES_NOT)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "plan takes no state: %s; expected a recurrence with "
                               "direction=forward or reverse",
                               plan->problem.text);
    attn_state *s = attn__mem_alloc(&ctx->mem, sizeof *s, 64);
    if (!s)
        return ATTN_ERR_NOMEM;
    s->shape = attn__state_shape_of(&plan->problem);
    s->shape.segment = segment;
    s->slots = slots;
    if (!lay_out(s) || !attn__mul_size((size_t)slots, sizeof *s->count, &count_bytes)) {
        attn__mem_free(&ctx->mem, s, sizeof *s);
        return attn__error_set(ATTN_ERR_OVERFLOW,
                               "%" PRId64 " slots of this plan do not fit in 64 bits", slots);
    }
    s->data = attn__mem_alloc(&ctx->mem, s->bytes, 64);
    s->side = s->data ? s->data + (size_t)slots * (size_t)s->shape.hs * s->s_bytes : NULL;
    s->count = s->data ? attn__mem_alloc(&ctx->mem, count_bytes, 64) : NULL;
    if (!s->count) {
        attn__mem_free(&ctx->mem, s->data, s->bytes);
        attn__mem_free(&ctx->mem, s, sizeof *s);
        return ATTN_ERR_NOMEM;
    }
    attn__ctx_retain(ctx);
    s->ctx = ctx;
    s->tag = ATTN__STATE_TAG;
    if (s->shape.lse || segment)
        attn__state_zero(s, 0, slots); /* memory comes zeroed */
    *state = s;
    return ATTN_OK;
}

int32_t attn_state_create(attn_ctx *ctx, const attn_plan *plan, int64_t slots, attn_state **state)
{
    ATTN__CHECK_POINTER(state);
    *state = NULL;
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(plan);
    return create(ctx, plan, slots, false, state);
}

int32_t attn_segment_create(attn_ctx *ctx, const attn_plan *plan, int64_t slots,
                            attn_state **segment)
{
    ATTN__CHECK_POINTER(segment);
    *segment = NULL;
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(plan);
    const struct attn__problem *p = &plan->problem;
    bool positions = p->scan.map == ATTN_FEATURE_COSFORMER || p->scan.form == ATTN__SCAN_FLOW;
    if (positions || p->recipe || p->dtype == ATTN_DTYPE_F64 || attn__scan_is_exact(p))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "plan makes no segments: %s; expected none of flow_attention and "
                               "feature_map=cosformer, which count from the first token of all, "
                               "nor birdie, which runs in two directions, and neither f64 nor "
                               "scan_reference",
                               p->text);
    return create(ctx, plan, slots, true, segment);
}

/* Both are there, and of one kind but for being segments. */
static int32_t check_pair(const char *a_name, const attn_state *a, int64_t a_slot, bool a_segment,
                          const char *b_name, const attn_state *b, int64_t b_slot)
{
    char slot_name[32];
    int32_t status = check_state(a_name, a);
    if (status == ATTN_OK)
        status = check_state(b_name, b);
    if (status != ATTN_OK)
        return status;
    struct attn__state_shape want = b->shape;
    want.segment = a_segment;
    if (!b->shape.segment)
        return attn__error_set(ATTN_ERR_INVALID, "%s is a state, expected a segment", b_name);
    if (!attn__state_same_shape(&a->shape, &want))
        return attn__error_set(ATTN_ERR_SHAPE, "%s is no %s of plans of the kind that %s is of",
                               a_name, a_segment ? "segment" : "state", b_name);
    snprintf(slot_name, sizeof slot_name, "%s_slot", a_name);
    status = check_slot(slot_name, a, a_slot);
    snprintf(slot_name, sizeof slot_name, "%s_slot", b_name);
    return status == ATTN_OK ? check_slot(slot_name, b, b_slot) : status;
}

/* to <- second after first, by way of a copy of one head. */
static int32_t combine(attn_state *to, int64_t to_slot, const attn_state *first,
                       int64_t first_slot, const attn_state *second, int64_t second_slot)
{
    size_t bytes = to->s_bytes + to->side_bytes;
    char *room = attn__mem_alloc(&to->ctx->mem, bytes, 64);
    if (!room)
        return ATTN_ERR_NOMEM;
    int64_t count = attn__segment_count(first, first_slot, second, second_slot);
    for (int64_t h = 0; h < to->shape.hs; h++) {
        const struct attn__state_head a = attn__state_head(first, first_slot, h),
                                      b = attn__state_head(second, second_slot, h),
                                      both = attn__state_head_at(to, room, room + to->s_bytes);
        memset(room, 0, bytes);
        attn__segment_after(to, &both, &a, second, &b);
        attn__state_put(to, to_slot, h, room);
    }
    to->count[to_slot] = count;
    attn__mem_free(&to->ctx->mem, room, bytes);
    return ATTN_OK;
}

int32_t attn_segment_compose(attn_state *to, int64_t to_slot, const attn_state *first,
                             int64_t first_slot, const attn_state *second, int64_t second_slot)
{
    ATTN__CHECK_POINTER(to);
    ATTN__CHECK_POINTER(first);
    ATTN__CHECK_POINTER(second);
    int32_t status = check_pair("to", to, to_slot, true, "second", second, second_slot);
    if (status == ATTN_OK)
        status = check_pair("first", first, first_slot, true, "second", second, second_slot);
    return status == ATTN_OK
               ? combine(to, to_slot, first, first_slot, second, second_slot)
               : status;
}

int32_t attn_segment_apply(const attn_state *segment, int64_t segment_slot, attn_state *state,
                           int64_t state_slot)
{
    ATTN__CHECK_POINTER(segment);
    ATTN__CHECK_POINTER(state);
    int32_t status =
        check_pair("state", state, state_slot, false, "segment", segment, segment_slot);
    return status == ATTN_OK
               ? combine(state, state_slot, state, state_slot, segment, segment_slot)
               : status;
}

void attn_state_destroy(attn_state *s)
{
    if (!s)
        return;
    struct attn_ctx *ctx = s->ctx;
    s->tag = 0;
    attn__mem_free(&ctx->mem, s->data, s->bytes);
    attn__mem_free(&ctx->mem, s->count, (size_t)s->slots * sizeof *s->count);
    attn__mem_free(&ctx->mem, s, sizeof *s);
    attn__ctx_release(ctx);
}

int64_t attn_state_slots(const attn_state *state)
{
    return state && state->tag == ATTN__STATE_TAG ? state->slots : 0;
}

int32_t attn_state_zero(attn_state *state, int64_t first, int64_t n)
{
    ATTN__CHECK_POINTER(state);
    int32_t status = check_state("state", state);
    if (status != ATTN_OK)
        return status;
    if (first < 0 || n < 0 || first > state->slots || n > state->slots - first)
        return attn__error_set(ATTN_ERR_RANGE,
                               "first is %" PRId64 " and n %" PRId64 ", expected slots within 0 to "
                               "%" PRId64,
                               first, n, state->slots - 1);
    attn__state_zero(state, first, n);
    return ATTN_OK;
}

int32_t attn_state_copy(attn_state *to, int64_t to_slot, const attn_state *from, int64_t from_slot)
{
    ATTN__CHECK_POINTER(to);
    ATTN__CHECK_POINTER(from);
    int32_t status = check_state("to", to);
    if (status == ATTN_OK)
        status = check_state("from", from);
    if (status == ATTN_OK)
        status = check_slot("to_slot", to, to_slot);
    if (status == ATTN_OK)
        status = check_slot("from_slot", from, from_slot);
    if (status != ATTN_OK)
        return status;
    if (!attn__state_same_shape(&to->shape, &from->shape))
        return attn__error_set(ATTN_ERR_SHAPE,
                               "to and from were made for plans of another kind: %" PRId64
                               " states of %" PRId64 " x %" PRId64 " of mechanism %d, and %" PRId64
                               " of %" PRId64 " x %" PRId64 " of %d",
                               to->shape.hs, to->shape.dk, to->shape.dv, (int)to->shape.mech,
                               from->shape.hs, from->shape.dk, from->shape.dv,
                               (int)from->shape.mech);
    attn__state_copy(to, to_slot, from, from_slot);
    return ATTN_OK;
}

static bool is_matrix(int32_t part)
{
    return part == ATTN_STATE_PART_S || part == ATTN_STATE_PART_M;
}

/* Logarithms are f64, and may be -inf. */
static int32_t type_of(int32_t part)
{
    return part == ATTN_STATE_PART_LSE || part == ATTN_STATE_PART_LOG_M ? ATTN_DTYPE_F64
                                                                        : ATTN_DTYPE_F32;
}

static int32_t shape_of(const attn_state *s, int32_t part, attn_tensor *t)
{
    const struct attn__state_shape *e = &s->shape;
    int64_t shape[3] = {e->hs, e->dk, e->dv};
    static const char *const names[] = {"", "S", "SUM", "LSE", "COUNT", "M", "LOG_M"};
    const bool has[] = {false,
                        true,
                        e->sum,
                        e->lse,
                        true,
                        e->segment && e->erase,
                        e->segment && !e->erase};
    if (part < ATTN_STATE_PART_S || part > ATTN_STATE_PART_LOG_M)
        return attn__error_set(ATTN_ERR_INVALID, "part is %d, expected ATTN_STATE_PART_*",
                               (int)part);
    if (!has[part])
        return attn__error_set(ATTN_ERR_UNSUPPORTED, "part is %s, which this state does not have",
                               names[part]);
    if (part == ATTN_STATE_PART_M)
        shape[2] = e->dk;
    if (part == ATTN_STATE_PART_COUNT)
        return attn_tensor_init(t, NULL, ATTN_DTYPE_I64, 1, (int64_t[1]){1});
    return attn_tensor_init(t, NULL, type_of(part), is_matrix(part) ? 3 : 2, shape);
}

int32_t attn_state_shape(const attn_state *state, int32_t part, attn_tensor *shape)
{
    ATTN__CHECK_POINTER(state);
    ATTN__CHECK_POINTER(shape);
    attn_tensor t;
    int32_t status = check_state("state", state);
    if (status == ATTN_OK)
        status = shape_of(state, part, &t);
    if (status == ATTN_OK)
        *shape = t;
    return status;
}

/* The caller's tensor against the part's shape. */
static int32_t check_tensor(const attn_state *s, int32_t part, const attn_tensor *t)
{
    attn_tensor want;
    int32_t status = shape_of(s, part, &want);
    if (status == ATTN_OK)
        status = attn__view_check("tensor", t);
    if (status != ATTN_OK)
        return status;
    bool whole = part == ATTN_STATE_PART_COUNT;
    if (whole ? t->dtype != ATTN_DTYPE_I32 && t->dtype != ATTN_DTYPE_I64
              : t->dtype != ATTN_DTYPE_F32 && t->dtype != ATTN_DTYPE_F64)
        return attn__error_set(ATTN_ERR_DTYPE, "tensor has dtype %s, expected %s",
                               attn__dtype_name(t->dtype), whole ? "i32 or i64" : "f32 or f64");
    if (t->rank != want.rank)
        return attn__error_set(ATTN_ERR_SHAPE, "tensor has rank %d, expected %d", (int)t->rank,
                               (int)want.rank);
    for (int32_t n = 0; n < want.rank; n++)
        if (t->shape[n] != want.shape[n])
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "tensor has extent %" PRId64
                                   " in dimension %d, expected %" PRId64,
                                   t->shape[n], (int)n, want.shape[n]);
    return ATTN_OK;
}

/* Element (h, d, v) of the caller's tensor, and of the part in the slot. */
static int64_t theirs(const attn_tensor *t, int64_t h, int64_t d, int64_t v)
{
    return h * t->stride[0] + d * t->stride[1] + (t->rank > 2 ? v * t->stride[2] : 0);
}

static void *ours(const attn_state *s, int64_t slot, int32_t part, int64_t h, int64_t *ld)
{
    const struct attn__state_head head = attn__state_head(s, slot, h);
    *ld = is_matrix(part) ? s->cols : 1;
    return part == ATTN_STATE_PART_S     ? (void *)head.S
           : part == ATTN_STATE_PART_SUM ? (void *)head.z
           : part == ATTN_STATE_PART_M   ? (void *)head.m
           : part == ATTN_STATE_PART_LSE ? (void *)head.lse
                                         : (void *)head.log;
}

static int32_t check_access(const attn_state *s, int64_t slot, int32_t part, const attn_tensor *t)
{
    int32_t status = check_state("state", s);
    if (status == ATTN_OK)
        status = check_slot("slot", s, slot);
    return status == ATTN_OK ? check_tensor(s, part, t) : status;
}

int32_t attn_state_export(const attn_state *state, int64_t slot, int32_t part,
                          const attn_tensor *tensor)
{
    ATTN__CHECK_POINTER(state);
    ATTN__CHECK_POINTER(tensor);
    int32_t status = check_access(state, slot, part, tensor);
    if (status == ATTN_OK)
        status = attn__view_check_output("tensor", tensor);
    if (status != ATTN_OK)
        return status;
    if (part == ATTN_STATE_PART_COUNT) {
        if (tensor->dtype == ATTN_DTYPE_I64)
            memcpy(tensor->data, &state->count[slot], sizeof(int64_t));
        else if (state->count[slot] <= INT32_MAX)
            memcpy(tensor->data, &(int32_t){(int32_t)state->count[slot]}, sizeof(int32_t));
        else
            return attn__error_set(ATTN_ERR_DTYPE,
                                   "tensor has dtype i32, expected i64 for a count of %" PRId64,
                                   state->count[slot]);
        return ATTN_OK;
    }
    int32_t own = type_of(part);
    for (int64_t h = 0; h < tensor->shape[0]; h++) {
        int64_t ld, nv = tensor->rank > 2 ? tensor->shape[2] : 1;
        const void *from = ours(state, slot, part, h, &ld);
        for (int64_t d = 0; d < tensor->shape[1]; d++)
            for (int64_t v = 0; v < nv; v++)
                attn__store_f64(tensor->data, theirs(tensor, h, d, v), tensor->dtype,
                                attn__load_f64(from, d * ld + v, own));
    }
    return ATTN_OK;
}

/* What may not come in. */
static int32_t check_values(int32_t part, const attn_tensor *t)
{
    int64_t nv = t->rank > 2 ? t->shape[2] : 1;
    for (int64_t h = 0; h < t->shape[0]; h++)
        for (int64_t d = 0; d < t->shape[1]; d++)
            for (int64_t v = 0; v < nv; v++) {
                double x = attn__load_f64(t->data, theirs(t, h, d, v), t->dtype);
                bool ok = type_of(part) == ATTN_DTYPE_F64 ? x < INFINITY : fabs(x) <= FLT_MAX;
                if (!ok)
                    return attn__error_set(ATTN_ERR_DATA,
                                           "tensor has %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                                           "], expected a finite f32%s",
                                           x, h, d, v,
                                           type_of(part) == ATTN_DTYPE_F64 ? " or -inf" : "");
            }
    return ATTN_OK;
}

int32_t attn_state_import(attn_state *state, int64_t slot, int32_t part, const attn_tensor *tensor)
{
    ATTN__CHECK_POINTER(state);
    ATTN__CHECK_POINTER(tensor);
    int32_t status = check_access(state, slot, part, tensor);
    if (status != ATTN_OK)
        return status;
    if (part == ATTN_STATE_PART_COUNT) {
        int64_t n = attn__load_i64(tensor->data, 0, tensor->dtype);
        if (n < 0 && !state->shape.segment)
            return attn__error_set(ATTN_ERR_DATA, "tensor has a count of %" PRId64
                                                  ", expected 0 or more", n);
        state->count[slot] = n;
        return ATTN_OK;
    }
    status = check_values(part, tensor);
    if (status != ATTN_OK)
        return status;
    int32_t own = type_of(part);
    for (int64_t h = 0; h < tensor->shape[0]; h++) {
        int64_t ld, nv = tensor->rank > 2 ? tensor->shape[2] : 1;
        void *to = ours(state, slot, part, h, &ld);
        for (int64_t d = 0; d < tensor->shape[1]; d++)
            for (int64_t v = 0; v < nv; v++)
                attn__store_f64(to, d * ld + v, own,
                                attn__load_f64(tensor->data, theirs(tensor, h, d, v),
                                               tensor->dtype));
    }
    return ATTN_OK;
}
