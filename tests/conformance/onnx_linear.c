/* SPDX-License-Identifier: MIT */
/*
 * ONNX's LinearAttention in terms of libattn: `scan` with a decay per channel
 * or per head, the delta rule where beta is used, and a state that is imported
 * before and exported behind.
 */
#include "onnx_linear.h"

#include <attn/attn.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct run {
    const onnx_attention *model;
    const onnx_tensor *in;
    onnx_tensor *out;
    int64_t b, hq, hk, n, d, dv;
    attn_tensor view[6];
    attn_arg arg[8];
    size_t n_args;
    char *err;
};

static int fail(struct run *r, const char *what)
{
    char text[ONNX_ERROR_BYTES - 64];
    attn_last_error(text, sizeof text);
    snprintf(r->err, ONNX_ERROR_BYTES, "%s: %s", what, text);
    return -1;
}

/* [B,N,H*D] as [B,H,N,D]; with `rank` 3, [B,N,H] or [B,N,1] as [B,H,N]. */
static attn_tensor view(const onnx_tensor *t, int64_t heads, int32_t rank)
{
    attn_tensor v;
    int64_t width = rank == 4 ? t->shape[2] / heads : 1;
    attn_tensor_init(&v, t->data, t->dtype, t->rank, t->shape);
    v.rank = rank;
    v.shape[1] = heads;
    v.shape[2] = t->shape[1];
    v.shape[3] = width;
    v.stride[2] = t->shape[2];
    v.stride[1] = t->shape[2] == 1 && heads > 1 ? 0 : width;
    v.stride[3] = 1;
    return v;
}

static void give(struct run *r, int32_t role, const onnx_tensor *t, int64_t heads, int32_t rank)
{
    attn_tensor *v = &r->view[r->n_args];
    *v = view(t, heads, rank);
    r->arg[r->n_args++] = (attn_arg){role, 0, v};
}

/* Slot b of the state, as the caller's [B,H,Dk,Dv] or back. */
static int32_t move(attn_state *state, int64_t b, onnx_tensor *t, bool out)
{
    attn_tensor v;
    int64_t size = t->shape[1] * t->shape[2] * t->shape[3];
    attn_tensor_init(&v, (char *)t->data + (size_t)(b * size) * attn_dtype_size(t->dtype), t->dtype,
                     3, t->shape + 1);
    return out ? attn_state_export(state, b, ATTN_STATE_PART_S, &v)
               : attn_state_import(state, b, ATTN_STATE_PART_S, &v);
}

static int execute(struct run *r, attn_ctx *ctx, const char *problem)
{
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    attn_state *state = NULL;
    onnx_tensor *past = (onnx_tensor *)&r->in[ONNX_IN_PAST_STATE], s = {0};
    int64_t shape[4] = {r->b, r->hk, r->d, r->dv};
    int rc = onnx_tensor_make(&s, ATTN_DTYPE_F32, 4, shape, r->err);
    int32_t status = rc ? ATTN_ERR_NOMEM : attn_desc_parse(ctx, problem, &desc);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    if (status == ATTN_OK)
        status = attn_state_create(ctx, plan, r->b, &state);
    for (int64_t b = 0; b < r->b && status == ATTN_OK && past->present; b++)
        status = move(state, b, past, false);
    r->arg[r->n_args++] = (attn_arg){ATTN_ROLE_STATE, 0, state};
    if (status == ATTN_OK)
        status = attn_plan_execute(plan, r->arg, r->n_args, NULL, 0);
    for (int64_t b = 0; b < r->b && status == ATTN_OK; b++)
        status = move(state, b, &s, true);
    if (status != ATTN_OK && !rc)
        rc = fail(r, "libattn");
    if (rc == 0) { /* f32, as states are */
        r->out[ONNX_OUT_STATE] = s;
        s.data = NULL;
    }
    onnx_tensor_free(&s);
    attn_state_destroy(state);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    return rc;
}

int onnx_linear_run(attn_ctx *ctx, const onnx_attention *m, const onnx_tensor in[ONNX_INPUTS],
                    onnx_tensor out[ONNX_OUTPUTS], char *problem, size_t len, char *err)
{
    struct run r = {.model = m, .in = in, .out = out, .err = err};
    const char *rule = m->update_rule[0] ? m->update_rule : "gated_delta", *decay = "none";
    bool delta = strstr(rule, "delta") != NULL, gated = strstr(rule, "gated") != NULL;
    char scale[64] = "";
    problem[0] = 0;
    r.hq = m->q_num_heads;
    r.hk = m->kv_num_heads;
    if (in[0].rank != 3 || in[1].rank != 3 || in[2].rank != 3 || r.hq < 1 || r.hk < 1) {
        snprintf(err, ONNX_ERROR_BYTES, "expected Q, K and V of rank 3 and their heads");
        return -1;
    }
    r.b = in[0].shape[0];
    r.n = in[0].shape[1];
    r.d = in[0].shape[2] / r.hq;
    r.dv = in[2].shape[2] / r.hk;
    give(&r, ATTN_ROLE_Q, &in[0], r.hq, 4);
    give(&r, ATTN_ROLE_K, &in[1], r.hk, 4);
    give(&r, ATTN_ROLE_V, &in[2], r.hk, 4);
    if (gated && in[ONNX_IN_DECAY].present) {
        bool channel = in[ONNX_IN_DECAY].shape[2] == r.hk * r.d && r.d > 1;
        decay = channel ? "channel" : "token";
        give(&r, ATTN_ROLE_G, &in[ONNX_IN_DECAY], r.hk, channel ? 4 : 3);
    }
    if (delta && in[ONNX_IN_BETA].present)
        give(&r, ATTN_ROLE_BETA, &in[ONNX_IN_BETA], r.hk, 3);
    int64_t shape[3] = {r.b, r.n, r.hq * r.dv};
    if (onnx_tensor_make(&out[ONNX_OUT_Y], in[0].dtype, 3, shape, err))
        return -1;
    give(&r, ATTN_ROLE_OUT, &out[ONNX_OUT_Y], r.hq, 4);
    if (m->has_scale && m->scale != 0)
        snprintf(scale, sizeof scale, " scale=%.17g", (double)m->scale);
    else
        snprintf(scale, sizeof scale, " scale=%.17g", 1 / sqrt((double)r.d));
    snprintf(problem, len,
             "scan decay=%s update=%s b=%" PRId64 " h=%" PRId64 "/%" PRId64 " q=%" PRId64
             " d=%" PRId64 "/%" PRId64 "%s dtype=%s",
             decay, delta ? "delta" : "add", r.b, r.hq, r.hk, r.n, r.d, r.dv, scale,
             attn_dtype_name(in[0].dtype));
    return execute(&r, ctx, problem);
}
