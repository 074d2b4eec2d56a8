/* SPDX-License-Identifier: MIT */
/*
 * Rows of several results into one.
 */
#include "solvers/map_rows.h"

#include "solvers/epilogue.h"
#include "solvers/row_exact.h"
#include "solvers/rows_load.h"

struct job {
    const struct attn__recipe_run *r;
    const attn_tensor *x, *y, *lambda;
    char *room;
    int64_t workers;
};

/* The largest of a row of f32 with the epilogue's, and one of doubles. */
static int64_t row_room(const struct attn__problem *p)
{
    return 2 * p->dv;
}

void *attn__map_difference_take(struct attn__scratch *s, const struct attn__problem *p,
                                int64_t threads)
{
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(threads, row_room(p), &n);
    return ATTN__TAKE(s, n, double);
}

static const char *at(const attn_tensor *t, int64_t b, int64_t h, int64_t n)
{
    int64_t i = b * t->stride[0] + h * t->stride[1] + n * t->stride[2];
    return (const char *)t->data + i * (int64_t)attn__dtype_size(t->dtype);
}

static void row(const struct job *j, const struct attn__seq *s, int64_t h, int64_t i,
                double lambda, void *room)
{
    const struct attn__call *c = j->r->call;
    const struct attn__kernels *kern = j->r->machine->kern;
    struct attn__rows out = attn__call_out(c, s, h);
    int64_t dv = c->p->dv;
    const void *x = at(j->x, s->b, h, s->q0 + i), *y = at(j->y, s->b, h, s->q0 + i);
    if (j->x->dtype == ATTN_DTYPE_F64) {
        double *o = room;
        for (int64_t e = 0; e < dv; e++)
            o[e] = ((const double *)x)[e] - lambda * ((const double *)y)[e];
        attn__epilogue_f64(c, s, h, i, o);
        for (int64_t e = 0; e < dv; e++)
            attn__rows_store(&out, i, e, o[e]);
        return;
    }
    float *o = room;
    for (int64_t e = 0; e < dv; e++)
        o[e] = (float)(((const float *)x)[e] - lambda * (double)((const float *)y)[e]);
    if (c->p->epilogue.any)
        attn__epilogue_row(c, kern, s, h, i, o + dv, o);
    attn__rows_from_f32(kern, o, dv, 1, dv, &out, i);
}

/* Every workers-th head of all sequences. */
static void work(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__problem *p = j->r->call->p;
    char *room = j->room + worker * row_room(p) * (int64_t)sizeof(double);
    for (int64_t n = worker; n < j->r->call->n_seq * p->hout; n += j->workers) {
        struct attn__seq s = attn__call_seq(j->r->call, n / p->hout);
        int64_t h = n % p->hout;
        double lambda = attn__load_f64(j->lambda->data,
                                       j->lambda->shape[0] == 1 ? 0 : h * j->lambda->stride[0],
                                       j->lambda->dtype);
        attn__rows_pad(j->r->call, &s, h);
        for (int64_t i = 0; i < s.nq; i++)
            row(j, &s, h, i, lambda, room);
    }
}

void attn__map_difference(const struct attn__recipe_run *r, struct attn__scratch *s,
                          const attn_tensor *x, const attn_tensor *y, const attn_tensor *lambda)
{
    int64_t tasks = r->call->n_seq * r->call->p->hout;
    struct job j = {.r = r, .x = x, .y = y, .lambda = lambda};
    j.room = attn__map_difference_take(s, r->call->p, r->machine->threads);
    j.workers = attn__min_i64(r->machine->threads, tasks);
    attn__threads_run(r->threads, j.workers, work, &j);
}
