/* SPDX-License-Identifier: MIT */
/*
 * Small dense problems.
 */
#include "dense.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "no memory\n");
        abort();
    }
    return p;
}

const char *dense_error(void)
{
    static char text[1024];
    attn_last_error(text, sizeof text);
    return text;
}

static float *random_floats(struct rng *r, int64_t n)
{
    float *a = must(malloc((size_t)n * sizeof *a + 1));
    for (int64_t i = 0; i < n; i++)
        a[i] = (float)rng_normal(r);
    return a;
}

attn_tensor *dense_view(struct dense *x, int32_t role)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->arg[i].role == role)
            return &x->t[i];
    size_t at = x->n++;
    x->arg[at] = (attn_arg){.role = role, .object = &x->t[at]};
    return &x->t[at];
}

attn_tensor *dense_add(struct dense *x, int32_t role, int32_t dtype, int32_t rank,
                       const int64_t *shape, void *data)
{
    attn_tensor *t = dense_view(x, role);
    size_t bytes = attn_dtype_size(dtype);
    for (int32_t n = 0; n < rank; n++)
        bytes *= (size_t)shape[n];
    if (!data && bytes > 0)
        data = x->owned[t - x->t] = must(calloc(1, bytes));
    if (attn_tensor_init(t, data, dtype, rank, shape) != ATTN_OK) {
        fprintf(stderr, "%s\n", dense_error());
        abort();
    }
    return t;
}

attn_tensor *dense_list(struct dense *x, int32_t role, const int32_t *values, int64_t n)
{
    attn_tensor *t = dense_add(x, role, ATTN_DTYPE_I32, 1, &n, NULL);
    if (n > 0)
        memcpy(t->data, values, (size_t)n * sizeof *values);
    return t;
}

void dense_drop(struct dense *x, size_t n)
{
    for (; n > 0; n--) {
        free(x->owned[--x->n]);
        x->owned[x->n] = NULL;
    }
}

void dense_clear(struct dense *x)
{
    for (size_t i = 0; i < x->n_out; i++)
        x->out[i] = NAN;
    for (size_t i = 0; i < x->n_lse; i++)
        x->lse[i] = NAN;
}

void dense_make(struct dense *x, int64_t b, int64_t hq, int64_t hk, int64_t nq, int64_t nk,
                int64_t d, int64_t dv)
{
    struct rng r = {(uint64_t)(b + hq * 10 + nq * 100 + nk * 10000)};
    int64_t q[4] = {b, hq, nq, d}, k[4] = {b, hk, nk, d};
    int64_t v[4] = {b, hk, nk, dv}, out[4] = {b, hq, nq, dv};
    *x = (struct dense){.b = b, .hq = hq, .hk = hk, .nq = nq, .nk = nk, .d = d, .dv = dv};
    x->n_lse = (size_t)(b * hq * nq);
    x->n_out = x->n_lse * (size_t)dv;
    x->q = random_floats(&r, b * hq * nq * d);
    x->k = random_floats(&r, b * hk * nk * d);
    x->v = random_floats(&r, b * hk * nk * dv);
    x->out = must(malloc(x->n_out * sizeof(float) + 1));
    x->lse = must(malloc(x->n_lse * sizeof(float) + 1));
    dense_add(x, ATTN_ROLE_Q, ATTN_DTYPE_F32, 4, q, x->q);
    dense_add(x, ATTN_ROLE_K, ATTN_DTYPE_F32, 4, k, x->k);
    dense_add(x, ATTN_ROLE_V, ATTN_DTYPE_F32, 4, v, x->v);
    dense_add(x, ATTN_ROLE_OUT, ATTN_DTYPE_F32, 4, out, x->out);
    dense_add(x, ATTN_ROLE_LSE, ATTN_DTYPE_F32, 3, out, x->lse);
    dense_clear(x);
}

void dense_free(struct dense *x)
{
    free(x->q);
    free(x->k);
    free(x->v);
    free(x->out);
    free(x->lse);
    for (size_t i = 0; i < DENSE_ROLES; i++)
        free(x->owned[i]);
    memset(x, 0, sizeof *x);
}

attn_ctx *dense_ctx(int64_t threads)
{
    attn_ctx *ctx;
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK ||
        attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads) != ATTN_OK) {
        fprintf(stderr, "%s\n", dense_error());
        abort();
    }
    return ctx;
}

attn_plan *dense_plan(attn_ctx *ctx, const char *text, const char *solver)
{
    attn_desc *desc;
    attn_plan *plan = NULL;
    int32_t status = attn_desc_parse(ctx, text, &desc);
    if (status == ATTN_OK && solver)
        status = attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status != ATTN_OK && !(solver && status == ATTN_ERR_UNSUPPORTED)) {
        fprintf(stderr, "%s: %s\n", text, dense_error());
        abort();
    }
    return plan;
}

bool dense_run(attn_ctx *ctx, const char *text, const char *solver, struct dense *x)
{
    attn_plan *plan = dense_plan(ctx, text, solver);
    if (!plan)
        return false;
    if (attn_plan_execute(plan, x->arg, x->n, NULL, 0) != ATTN_OK) {
        fprintf(stderr, "%s: %s\n", text, dense_error());
        abort();
    }
    attn_plan_destroy(plan);
    return true;
}

double dense_distance(const float *a, const float *b, size_t n)
{
    double error = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        if ((isnan(a[i]) && isnan(b[i])) || a[i] == b[i]) {
            sum += isfinite(a[i]) ? (double)a[i] * a[i] : 0;
            continue;
        }
        if (!isfinite(a[i]) || !isfinite(b[i]))
            return INFINITY;
        error += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        sum += (double)a[i] * a[i];
    }
    return error == 0 ? 0 : sqrt(error / sum);
}
