/* SPDX-License-Identifier: MIT */
/*
 * Keys of one class come in runs, so that the terms are looked up once a run
 * and lane. A score of -inf stays: its weight is 0 whatever is added.
 */
#include "solvers/score_class.h"

struct term {
    double a, c;
};

static int64_t class_of(const struct attn__rows *classes, int64_t j)
{
    return *(const uint8_t *)attn__rows_at(classes, j);
}

/* Zeros for rows and classes without a term. */
static struct term term_of(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                           int64_t i, int64_t class)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_CLASS_TERMS];
    int64_t rows = c->p->score.class_rows, at = h * t->stride[1] + class * t->stride[2];
    if (class >= t->shape[2] || (rows != ATTN_UNBOUNDED && i < s->nq - rows))
        return (struct term){0, 0};
    return (struct term){attn__load_f64(t->data, at, t->dtype),
                         attn__load_f64(t->data, t->stride[0] + at, t->dtype)};
}

static float apply(float s, float a, float c)
{
    return s == -INFINITY ? s : s + (a != 0 ? a * fabsf(s) : 0) + c;
}

void attn__score_class_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    struct attn__rows classes = attn__call_class_k(x->c, x->s);
    float *a = x->work->slope, *c = x->work->dist;
    int64_t last = -1;
    bool any = false;
    for (int64_t j = 0; j < t->nk; j++) {
        int64_t class = class_of(&classes, t->j0 + j);
        for (int64_t n = 0; n < t->n && class != last; n++) {
            int64_t r = t->r0 + n;
            struct term f =
                term_of(x->c, x->s, attn__score_head(x, r), attn__score_at(x, r), class);
            any = (n > 0 && any) || f.a != 0 || f.c != 0;
            a[n] = (float)f.a;
            c[n] = (float)f.c;
        }
        last = class;
        for (int64_t n = 0; n < t->n && any; n++)
            t->st[j * t->w + n] = apply(t->st[j * t->w + n], a[n], c[n]);
    }
}

void attn__score_class_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk,
                           float *s)
{
    struct attn__rows classes = attn__call_class_k(x->c, x->s);
    struct term f = {0, 0};
    int64_t last = -1;
    for (int64_t j = 0; j < nk; j++) {
        int64_t class = class_of(&classes, j0 + j);
        if (class != last)
            f = term_of(x->c, x->s, attn__score_head(x, r), attn__score_at(x, r), class);
        last = class;
        s[j] = apply(s[j], (float)f.a, (float)f.c);
    }
}

double attn__score_class_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    struct attn__rows classes = attn__call_class_k(x->c, x->s);
    struct term f = term_of(x->c, x->s, x->h, x->i, class_of(&classes, j));
    return s == -INFINITY ? s : s + (f.a != 0 ? f.a * fabs(s) : 0) + f.c;
}
