/* SPDX-License-Identifier: MIT */
/*
 * ONNX's Attention and FlexAttention in terms of libattn. The two agree on the order of scale,
 * softcap, bias and visibility; what differs is said where it is translated:
 * 3-D inputs, the KV cache by concatenation, short masks and the alignment of
 * the causal rule.
 */
#include "onnx_attention.h"
#include "onnx_graph.h"

#include <attn/attn.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 8 };

struct run {
    const onnx_attention *model;
    const onnx_tensor *in;
    onnx_tensor *out;
    int64_t b, hq, hk, q, k, past, d, dv; /* k counts the past keys too */
    onnx_tensor mask;                     /* a padded copy, if one is needed */
    double *scores;                       /* of score_mod: before and after */
    bool score_failed;
    onnx_tensor present[2];               /* past and new, key and value */
    attn_tensor view[MAX_ARGS];
    attn_arg arg[MAX_ARGS];
    size_t n_args;
    char *err;
};

static int fail(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct run *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->err, ONNX_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return -1;
}

static int fail_attn(struct run *r, const char *what, int32_t status)
{
    char text[ONNX_ERROR_BYTES - 64];
    attn_last_error(text, sizeof text);
    return fail(r, "%s: %s: %s", what, attn_status_name(status), text);
}

/* [B,H,N,D] of a tensor that has this shape, or is [B,N,H*D] with `heads`. */
static int view_heads(struct run *r, const onnx_tensor *t, int64_t heads, attn_tensor *v)
{
    if (!t->present || (t->rank != 3 && t->rank != 4))
        return fail(r, "Q, K or V is missing or has rank %" PRId32 ", expected 3 or 4", t->rank);
    if (t->rank == 3 && (heads <= 0 || t->shape[2] % heads != 0))
        return fail(r, "a hidden size of %" PRId64 " does not divide into %" PRId64 " heads",
                    t->shape[2], heads);
    attn_tensor_init(v, t->data, t->dtype, t->rank, t->shape);
    if (t->rank == 3) {
        v->rank = 4;
        v->shape[3] = t->shape[2] / heads;
        v->shape[2] = t->shape[1];
        v->shape[1] = heads;
        v->stride[3] = 1;
        v->stride[2] = t->shape[2];
        v->stride[1] = v->shape[3];
    }
    return 0;
}

static attn_tensor *add(struct run *r, int32_t role)
{
    attn_tensor *v = &r->view[r->n_args];
    r->arg[r->n_args] = (attn_arg){role, 0, v};
    r->n_args++;
    return v;
}

/* Copies a view's rows into `to` [B,H,N,D], from token `first` on. */
static void copy_rows(const attn_tensor *from, onnx_tensor *to, int64_t first)
{
    size_t size = attn_dtype_size(from->dtype);
    for (int64_t b = 0; b < from->shape[0]; b++)
        for (int64_t h = 0; h < from->shape[1]; h++)
            for (int64_t n = 0; n < from->shape[2]; n++) {
                int64_t src = b * from->stride[0] + h * from->stride[1] + n * from->stride[2];
                int64_t dst = ((b * to->shape[1] + h) * to->shape[2] + first + n) * to->shape[3];
                memcpy((char *)to->data + (size_t)dst * size,
                       (const char *)from->data + (size_t)src * size,
                       (size_t)from->shape[3] * size);
            }
}

/* Joins past and new keys (or values) and points the view there. */
static int make_present(struct run *r, int which, attn_tensor *v)
{
    const onnx_tensor *past = &r->in[which ? ONNX_IN_PAST_VALUE : ONNX_IN_PAST_KEY];
    bool wanted = r->model->output[which ? ONNX_OUT_PRESENT_VALUE : ONNX_OUT_PRESENT_KEY] >= 0;
    if (!past->present && !wanted)
        return 0;

    int64_t shape[4] = {v->shape[0], v->shape[1], v->shape[2], v->shape[3]};
    attn_tensor p;
    if (past->present) {
        if (view_heads(r, past, 0, &p))
            return -1;
        if (p.shape[0] != shape[0] || p.shape[1] != shape[1] || p.shape[3] != shape[3] ||
            p.dtype != v->dtype)
            return fail(r, "the shape or type of a past tensor does not fit the new one");
        shape[2] += p.shape[2];
    }
    onnx_tensor *t = &r->present[which];
    if (onnx_tensor_make(t, v->dtype, 4, shape, r->err))
        return -1;
    if (past->present)
        copy_rows(&p, t, 0);
    copy_rows(v, t, shape[2] - v->shape[2]);
    attn_tensor_init(v, t->data, t->dtype, 4, t->shape);
    return 0;
}

/* Q, K, V and all sizes. */
static int bind_inputs(struct run *r)
{
    const onnx_attention *m = r->model;
    attn_tensor *q = add(r, ATTN_ROLE_Q);
    attn_tensor *k = add(r, ATTN_ROLE_K);
    attn_tensor *v = add(r, ATTN_ROLE_V);
    if (view_heads(r, &r->in[ONNX_IN_Q], m->q_num_heads, q) ||
        view_heads(r, &r->in[ONNX_IN_K], m->kv_num_heads, k) ||
        view_heads(r, &r->in[ONNX_IN_V], m->kv_num_heads, v))
        return -1;
    int64_t fresh = k->shape[2];
    if (make_present(r, 0, k) || make_present(r, 1, v))
        return -1;
    r->b = q->shape[0];
    r->hq = q->shape[1];
    r->hk = k->shape[1];
    r->q = q->shape[2];
    r->k = k->shape[2];
    r->past = r->k - fresh;
    r->d = q->shape[3];
    r->dv = v->shape[3];
    return 0;
}

/* A mask may end before the last key: the keys behind are masked out. */
static int pad_mask(struct run *r, const onnx_tensor **mask)
{
    const onnx_tensor *m = *mask;
    int64_t have = m->shape[m->rank - 1];
    int64_t shape[ONNX_RANK];
    if (have >= r->k)
        return 0;
    memcpy(shape, m->shape, sizeof shape);
    shape[m->rank - 1] = r->k;
    if (onnx_tensor_make(&r->mask, m->dtype, m->rank, shape, r->err))
        return -1;

    static const float f32_inf = -INFINITY;
    static const uint16_t f16_inf = 0xfc00;
    static const uint8_t no = 0;
    const void *fill = m->dtype == ATTN_DTYPE_F32   ? (const void *)&f32_inf
                       : m->dtype == ATTN_DTYPE_F16 ? (const void *)&f16_inf
                                                    : (const void *)&no;
    size_t size = attn_dtype_size(m->dtype);
    int64_t rows = r->mask.count / r->k;
    for (int64_t row = 0; row < rows; row++) {
        char *to = (char *)r->mask.data + (size_t)(row * r->k) * size;
        memcpy(to, (const char *)m->data + (size_t)(row * have) * size, (size_t)have * size);
        for (int64_t j = have; j < r->k; j++)
            memcpy(to + (size_t)j * size, fill, size);
    }
    *mask = &r->mask;
    return 0;
}

/* A boolean mask is libattn's MASK, a float one its BIAS; missing leading
 * dimensions are broadcast. */
static int bind_mask(struct run *r, bool *is_bool)
{
    const onnx_tensor *m = &r->in[ONNX_IN_MASK];
    int64_t shape[4] = {1, 1, 1, 1};
    if (m->rank < 1 || m->rank > 4)
        return fail(r, "attn_mask has rank %" PRId32 ", expected 1 to 4", m->rank);
    *is_bool = m->dtype == ATTN_DTYPE_BOOL;
    if (!*is_bool && m->dtype != ATTN_DTYPE_F32 && m->dtype != ATTN_DTYPE_F16)
        return fail(r, "attn_mask has type %s, expected bool, f32 or f16",
                    attn_dtype_name(m->dtype));
    if (pad_mask(r, &m))
        return -1;
    memcpy(shape + 4 - m->rank, m->shape, (size_t)m->rank * sizeof *shape);
    attn_tensor_init(add(r, *is_bool ? ATTN_ROLE_MASK : ATTN_ROLE_BIAS), m->data, m->dtype, 4,
                     shape);
    return 0;
}

/*
 * score_mod as a score function: the graph wants the scores of all pairs, so
 * those of the run stand among zeros; it treats every pair by itself.
 */
static void score_mod(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b,
                      int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    struct run *r = user;
    const int64_t shape[4] = {r->b, r->hq, r->q, r->k};
    const int64_t count = r->b * r->hq * r->q * r->k, first = (b * r->hq + h) * r->q;
    double *out = r->scores + count;
    memset(r->scores, 0, (size_t)count * sizeof *r->scores);
    for (int64_t i = 0; i < nq; i++)
        for (int64_t j = 0; j < nk; j++)
            r->scores[(first + q0 + i) * r->k + k0 + j] = s[i * q_stride + j * k_stride];
    if (onnx_graph_run(r->model->score_mod, shape, r->scores, out, r->err))
        r->score_failed = true;
    for (int64_t i = 0; i < nq; i++)
        for (int64_t j = 0; j < nk; j++)
            s[i * q_stride + j * k_stride] = (float)out[(first + q0 + i) * r->k + k0 + j];
}

static int bind_score_mod(struct run *r)
{
    r->scores = calloc((size_t)(2 * r->b * r->hq * r->q * r->k + 1), sizeof *r->scores);
    if (!r->scores)
        return fail(r, "no memory for score_mod");
    r->arg[r->n_args++] = (attn_arg){ATTN_ROLE_USER, 0, r};
    return 0;
}

/* Y, and qk_matmul_output where the node names it. */
static int bind_outputs(struct run *r, int32_t qk_role)
{
    const onnx_tensor *q = &r->in[ONNX_IN_Q];
    int64_t y3[3] = {r->b, r->q, r->hq * r->dv};
    int64_t y4[4] = {r->b, r->hq, r->q, r->dv};
    int64_t qk[4] = {r->b, r->hq, r->q, r->k};
    onnx_tensor *y = &r->out[ONNX_OUT_Y];
    if (onnx_tensor_make(y, q->dtype, q->rank, q->rank == 3 ? y3 : y4, r->err) ||
        view_heads(r, y, r->hq, add(r, ATTN_ROLE_OUT)))
        return -1;
    if (r->model->output[ONNX_OUT_QK] >= 0) {
        onnx_tensor *t = &r->out[ONNX_OUT_QK];
        if (onnx_tensor_make(t, ATTN_DTYPE_F32, 4, qk, r->err))
            return -1;
        attn_tensor_init(add(r, qk_role), t->data, t->dtype, 4, qk);
    }
    return 0;
}

/*
 * `causal` of ONNX is j <= i + off with off = the number of past keys, or
 * nonpad_kv_seqlen - q per batch (our bottom_right with K_LEN), or 0. The
 * past keys are not k - q here, so they are a window from the top left.
 */
static void write_causal(const struct run *r, char *buf, size_t len)
{
    if (r->past > 0)
        snprintf(buf, len, " align=top_left window=inf,%" PRId64, r->past);
    else if (r->in[ONNX_IN_NONPAD].present)
        snprintf(buf, len, " causal");
    else
        snprintf(buf, len, " causal=top_left");
}

static int execute(struct run *r, attn_ctx *ctx, const char *problem)
{
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    const char *what = "attn_desc_parse";
    int32_t status = attn_desc_parse(ctx, problem, &desc);
    if (status == ATTN_OK && r->model->score_mod) {
        what = "attn_desc_set_score_fn";
        status = attn_desc_set_score_fn(desc, score_mod);
    }
    if (status == ATTN_OK) {
        what = "attn_plan_create";
        status = attn_plan_create(ctx, desc, &plan);
    }
    if (status == ATTN_OK) {
        what = "attn_plan_execute";
        status = attn_plan_execute(plan, r->arg, r->n_args, NULL, 0);
    }
    int rc = status != ATTN_OK ? fail_attn(r, what, status) : r->score_failed ? -1 : 0;
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    return rc;
}

static int run(struct run *r, attn_ctx *ctx, char *problem, size_t len)
{
    static const struct {
        const char *want;
        int32_t role;
    } modes[] = {{"scores_raw", ATTN_ROLE_SCORES_RAW},
                 {"scores_capped", ATTN_ROLE_SCORES_CAPPED},
                 {"scores_biased", ATTN_ROLE_SCORES_BIASED},
                 {"probs", ATTN_ROLE_PROBS}};
    const onnx_attention *m = r->model;
    char causal[64] = "", scale[64] = "", softcap[64] = "", want[64] = "";
    bool is_bool = false;
    if (m->qk_mode < 0 || m->qk_mode > 3)
        return fail(r, "qk_matmul_output_mode is %" PRId64 ", expected 0 to 3", m->qk_mode);
    if (bind_inputs(r) || bind_outputs(r, modes[m->qk_mode].role) ||
        (r->in[ONNX_IN_MASK].present && bind_mask(r, &is_bool)) ||
        (m->score_mod && bind_score_mod(r)))
        return -1;
    if (r->in[ONNX_IN_NONPAD].present) {
        const onnx_tensor *t = &r->in[ONNX_IN_NONPAD];
        attn_tensor_init(add(r, ATTN_ROLE_K_LEN), t->data, t->dtype, t->rank, t->shape);
    }
    if (m->is_causal)
        write_causal(r, causal, sizeof causal);
    if (m->has_scale)
        snprintf(scale, sizeof scale, " scale=%.17g", (double)m->scale);
    if (m->softcap != 0)
        snprintf(softcap, sizeof softcap, " softcap=%.17g", (double)m->softcap);
    if (m->output[ONNX_OUT_QK] >= 0)
        snprintf(want, sizeof want, " want=%s", modes[m->qk_mode].want);
    snprintf(problem, len,
             "softmax b=%" PRId64 " h=%" PRId64 "/%" PRId64 " q=%" PRId64 " k=%" PRId64
             " d=%" PRId64 "/%" PRId64 "%s%s%s%s dtype=%s%s",
             r->b, r->hq, r->hk, r->q, r->k, r->d, r->dv, causal,
             r->in[ONNX_IN_MASK].present ? (is_bool ? " mask" : " bias") : "", scale, softcap,
             attn_dtype_name(r->in[ONNX_IN_Q].dtype), want);
    if (execute(r, ctx, problem))
        return -1;
    for (int which = 0; which < 2; which++)
        if (m->output[which ? ONNX_OUT_PRESENT_VALUE : ONNX_OUT_PRESENT_KEY] >= 0) {
            r->out[which ? ONNX_OUT_PRESENT_VALUE : ONNX_OUT_PRESENT_KEY] = r->present[which];
            memset(&r->present[which], 0, sizeof r->present[which]);
        }
    return 0;
}

int onnx_attention_run(attn_ctx *ctx, const onnx_attention *model,
                       const onnx_tensor in[ONNX_INPUTS], onnx_tensor out[ONNX_OUTPUTS],
                       char *problem, size_t len, char *err)
{
    struct run r = {.model = model, .in = in, .out = out, .err = err};
    problem[0] = 0;
    int rc = run(&r, ctx, problem, len);
    free(r.scores);
    onnx_tensor_free(&r.mask);
    onnx_tensor_free(&r.present[0]);
    onnx_tensor_free(&r.present[1]);
    return rc;
}
