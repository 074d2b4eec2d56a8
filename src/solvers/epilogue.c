/* SPDX-License-Identifier: MIT */
/*
 * Finished rows before they are stored.
 */
#include "solvers/epilogue.h"

#include "solvers/rows_load.h"

float *attn__epilogue_take(struct attn__scratch *s, const struct attn__problem *p)
{
    return ATTN__TAKE(s, p->epilogue.any ? p->dv : 0, float);
}

/* OUT_NORM_W of head h, as a row. */
static struct attn__rows weight(const struct attn__call *c, int64_t h)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_OUT_NORM_W];
    struct attn__rows r = {.col = t->stride[t->rank - 1], .dtype = t->dtype};
    int64_t at = t->rank == 2 ? h * t->stride[0] : 0;
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

/* OUT_GATE of head h: like OUT, or one number for a row. */
static struct attn__rows gates(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    struct attn__rows r = attn__call_per_row(c, ATTN__SLOT_OUT_GATE, s, h);
    const attn_tensor *t = &c->t[ATTN__SLOT_OUT_GATE];
    r.col = t->shape[3] == 1 ? 0 : t->stride[3];
    return r;
}

/* Where [S|1,Hout,q|1,..] data of a row begin. */
static int64_t row_at(const attn_tensor *t, const struct attn__seq *s, int64_t h, int64_t i)
{
    int64_t n = t->shape[0] == 1 ? 0 : s->index, m = t->shape[2] == 1 ? 0 : i;
    return n * t->stride[0] + h * t->stride[1] + m * t->stride[2];
}

/* ALPHA of a row, and the target as row 0. */
static double mix(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i,
                  struct attn__rows *target)
{
    const attn_tensor *a = &c->t[ATTN__SLOT_MIX_ALPHA], *t = &c->t[ATTN__SLOT_MIX_TARGET];
    *target = (struct attn__rows){.col = t->stride[3], .dtype = t->dtype};
    target->base = (char *)t->data + row_at(t, s, h, i) * (int64_t)attn__dtype_size(t->dtype);
    return attn__load_f64(a->data, row_at(a, s, h, i), a->dtype);
}

static double head_factor(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_HEAD_FACTOR];
    int64_t n = t->shape[0] == 1 ? 0 : s->index;
    return attn__load_f64(t->data, n * t->stride[0] + h * t->stride[1], t->dtype);
}

bool attn__epilogue_skips(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                          int64_t n)
{
    if (!c->p->epilogue.head_factor)
        return false;
    for (int64_t i = 0; i < n; i++)
        if (head_factor(c, s, h + i) != 0)
            return false;
    return true;
}

static double head_gate(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                        int64_t i)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_GATE];
    int64_t at = s->b * t->stride[0] + h * t->stride[1] + (s->q0 + i) * t->stride[2];
    return attn__load_f64(t->data, at, t->dtype);
}

bool attn__epilogue_active(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                           int64_t i)
{
    if (c->p->epilogue.head_gate && head_gate(c, s, h, i) == 0)
        return false;
    return !attn__epilogue_skips(c, s, h, 1);
}

static bool zeros(const float *o, int64_t n)
{
    int64_t e = 0;
    while (e < n && o[e] == 0)
        e++;
    return e == n;
}

/* As f32: the caller's memory, or a copy in room. */
static const float *plain(const struct attn__kernels *kern, const struct attn__rows *r, int64_t i,
                          int64_t n, float *room)
{
    int64_t ld;
    return attn__rows_f32(kern, r, i, 1, n, room, &ld);
}

static void norm_and_gate(const struct attn__call *c, const struct attn__kernels *kern,
                          const struct attn__seq *s, int64_t h, int64_t i, float *room, float *o)
{
    const struct attn__epilogue *x = &c->p->epilogue;
    int64_t dv = c->p->dv;
    float f = (float)x->scale;
    if (x->norm) {
        /* in double: out may be of any size */
        double squares = 0;
        for (int64_t e = 0; e < dv; e++)
            squares += (double)o[e] * o[e];
        f = (float)(x->scale / sqrt(squares / (double)dv + x->eps));
    }
    if (x->norm_weight) {
        struct attn__rows w = weight(c, h);
        kern->vec_affine(o, dv, 0, f, plain(kern, &w, 0, dv, room), 0, NULL);
    } else if (f != 1) {
        kern->vec_scale(o, dv, f);
    }
    if (x->gate != ATTN_OUT_GATE_NONE) {
        struct attn__rows g = gates(c, s, h);
        kern->vec_gate(o, dv, plain(kern, &g, i, dv, room), x->gate == ATTN_OUT_GATE_SIGMOID);
    }
}

void attn__epilogue_row(const struct attn__call *c, const struct attn__kernels *kern,
                        const struct attn__seq *s, int64_t h, int64_t i, float *room, float *o)
{
    const struct attn__epilogue *x = &c->p->epilogue;
    int64_t dv = c->p->dv;
    if (!zeros(o, dv))
        norm_and_gate(c, kern, s, h, i, room, o);
    if (x->head_mix) {
        struct attn__rows target;
        float a = (float)mix(c, s, h, i, &target);
        const float *t = a == 0 ? o : plain(kern, &target, 0, dv, room);
        for (int64_t e = 0; e < dv && a != 0; e++)
            o[e] = a == 1 ? t[e] : (1 - a) * o[e] + a * t[e];
    }
    if (x->head_factor)
        kern->vec_scale(o, dv, (float)head_factor(c, s, h));
    if (x->head_gate)
        kern->vec_scale(o, dv, (float)head_gate(c, s, h, i));
}

static void norm_and_gate_f64(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                              int64_t i, double *o)
{
    const struct attn__epilogue *x = &c->p->epilogue;
    int64_t dv = c->p->dv;
    struct attn__rows w = {0}, g = {0};
    double f = x->scale, squares = 0;
    for (int64_t e = 0; e < dv; e++)
        squares += o[e] * o[e];
    if (x->norm)
        f /= sqrt(squares / (double)dv + x->eps);
    if (x->norm_weight)
        w = weight(c, h);
    if (x->gate != ATTN_OUT_GATE_NONE)
        g = gates(c, s, h);
    for (int64_t e = 0; e < dv; e++) {
        o[e] *= f;
        if (x->norm_weight)
            o[e] *= attn__rows_load(&w, 0, e);
        if (x->gate == ATTN_OUT_GATE_SIGMOID)
            o[e] /= 1 + exp(-attn__rows_load(&g, i, e));
        else if (x->gate == ATTN_OUT_GATE_MULTIPLY)
            o[e] *= attn__rows_load(&g, i, e);
    }
}

void attn__epilogue_f64(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                        int64_t i, double *o)
{
    const struct attn__epilogue *x = &c->p->epilogue;
    int64_t dv = c->p->dv, e = 0;
    while (e < dv && o[e] == 0)
        e++;
    if (e < dv)
        norm_and_gate_f64(c, s, h, i, o);
    if (x->head_mix) {
        struct attn__rows target;
        double a = mix(c, s, h, i, &target);
        for (e = 0; e < dv && a != 0; e++) {
            double t = attn__rows_load(&target, 0, e);
            o[e] = a == 1 ? t : (1 - a) * o[e] + a * t;
        }
    }
    double f = x->head_factor ? head_factor(c, s, h) : 1;
    f *= x->head_gate ? head_gate(c, s, h, i) : 1;
    for (e = 0; e < dv; e++)
        o[e] *= f;
}
