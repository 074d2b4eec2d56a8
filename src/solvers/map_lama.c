/* SPDX-License-Identifier: MIT */
/*
 * One task a batch element; means and norms over heads in double.
 */
#include "solvers/map_lama.h"

#include "solvers/rows_load.h"

struct job {
    const struct attn__recipe_run *r;
    double *room;
    const attn_tensor *context, *a;
};

/* Sums of the channels, and a token as f32. */
static int64_t room_of(const struct attn__problem *p)
{
    return 2 * p->d;
}

double *attn__map_lama_take(struct attn__scratch *s, const struct attn__problem *p)
{
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(p->b, room_of(p), &n);
    return ATTN__TAKE(s, n, double);
}

/* j counts from K_START. */
static bool counts(const struct attn__call *c, const struct attn__seq *s, int64_t j)
{
    struct attn__rows m = attn__call_pairs(c, ATTN__SLOT_MASK, s, 0);
    return ((const uint8_t *)m.base)[j * m.col] != 0;
}

static void add_token(const struct job *j, const struct attn__rows *x, int64_t n, float *token,
                      double *sum)
{
    int64_t d = j->r->call->p->d, ld;
    if (x->dtype == ATTN_DTYPE_F64) {
        for (int64_t e = 0; e < d; e++)
            sum[e] += attn__rows_load(x, n, e);
        return;
    }
    const float *row = attn__rows_f32(j->r->machine->kern, x, n, 1, d, token, &ld);
    for (int64_t e = 0; e < d; e++)
        sum[e] += row[e];
}

static void mean(void *arg, int64_t b)
{
    const struct job *j = arg;
    const struct attn__call *c = j->r->call;
    const attn_tensor *to = j->context;
    struct attn__seq s = attn__call_seq(c, b);
    struct attn__rows x = attn__call_k(c, &s, 0);
    int64_t d = c->p->d, n = 0;
    double *sum = j->room + b * room_of(c->p);
    float *token = (float *)(sum + d);
    for (int64_t e = 0; e < d; e++)
        sum[e] = 0;
    for (int64_t i = 0; i < s.nk; i++) {
        if (c->has[ATTN__SLOT_MASK] && !counts(c, &s, i))
            continue;
        add_token(j, &x, i, token, sum);
        n++;
    }
    for (int64_t e = 0; e < d; e++)
        attn__store_f64(to->data, b * d + e, to->dtype, n > 0 ? sum[e] / (double)n : 0);
}

void attn__map_lama_context(const struct attn__recipe_run *r, double *room,
                            const attn_tensor *context)
{
    struct job j = {.r = r, .room = room, .context = context};
    attn__threads_run(r->threads, context->shape[0], mean, &j);
}

static void score(void *arg, int64_t b)
{
    const struct job *j = arg;
    const struct attn__call *c = j->r->call;
    const attn_tensor *a = j->a, *context = j->context;
    struct attn__seq s = attn__call_seq(c, b);
    int64_t heads = a->shape[1], nk = a->shape[3];
    for (int64_t n = 0; n < nk; n++) {
        int64_t i = n - s.k_skip, first = b * heads * nk + n;
        bool in = i >= 0 && i < s.nk && (!c->has[ATTN__SLOT_MASK] || counts(c, &s, i));
        double squares = 0;
        for (int64_t m = 0; m < heads; m++) {
            double x = in ? attn__load_f64(context->data, b * heads + m, context->dtype) *
                                attn__load_f64(a->data, first + m * nk, a->dtype)
                          : 0;
            x = a->dtype == ATTN_DTYPE_F64 ? tanh(x) : (double)tanhf((float)x);
            attn__store_f64(a->data, first + m * nk, a->dtype, x);
            squares += x * x;
        }
        double factor = squares > 0 ? 1 / sqrt(squares) : 0;
        for (int64_t m = 0; m < heads; m++)
            attn__store_f64(a->data, first + m * nk, a->dtype,
                            attn__load_f64(a->data, first + m * nk, a->dtype) * factor);
    }
}

void attn__map_lama_scores(const struct attn__recipe_run *r, const attn_tensor *context,
                           const attn_tensor *a)
{
    struct job j = {.r = r, .context = context, .a = a};
    attn__threads_run(r->threads, a->shape[0], score, &j);
}
