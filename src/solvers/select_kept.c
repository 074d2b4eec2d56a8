/* SPDX-License-Identifier: MIT */
/*
 * Queries are alike by the cosine of all heads' mean queries, one behind the other.
 * Where all keys fit there is no choice, and the last one stays as it is.
 */
#include "solvers/select_kept.h"

#include <math.h>

#include "base/dtype.h"

int64_t attn__kept_keys(const struct attn__pooled_spec *spec)
{
    return spec->top - spec->first - spec->last;
}

void attn__kept_take(struct attn__scratch *s, const struct attn__problem *p,
                     struct attn__kept *k)
{
    int64_t q = 0, keys = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hq, &q) && attn__mul_i64(q, p->d, &q) &&
            attn__mul_i64(p->b, attn__kept_keys(&p->pooled), &keys);
    k->q = ATTN__TAKE(s, q, double);
    k->keys = ATTN__TAKE(s, keys, int32_t);
}

/* Entry n of a batch, and where its arrays are. */
struct entry {
    struct attn__seq s;
    double *q;
    int32_t *keys;
    int64_t heads, d, n_keys;
    bool chooses; /* some of its keys, for some queries */
};

static struct entry entry_of(const struct attn__recipe_run *r, const struct attn__kept *k,
                             int64_t n)
{
    const struct attn__problem *p = r->call->p;
    struct entry e = {.s = attn__call_seq(r->call, n), .heads = p->hq, .d = p->d,
                      .n_keys = attn__kept_keys(&p->pooled)};
    e.q = k->q + n * e.heads * e.d;
    e.keys = k->keys + n * e.n_keys;
    e.chooses = e.s.nq > 0 && e.s.nk > p->pooled.top;
    return e;
}

static void mean_queries(const struct attn__call *c, const struct entry *e)
{
    const attn_tensor *q =
        &c->t[c->has[ATTN__SLOT_SELECT_Q] ? ATTN__SLOT_SELECT_Q : ATTN__SLOT_Q];
    for (int64_t h = 0; h < e->heads; h++)
        for (int64_t x = 0; x < e->d; x++) {
            int64_t at = e->s.b * q->stride[0] + h * q->stride[1] + x * q->stride[3];
            double sum = 0;
            for (int64_t i = 0; i < e->s.nq; i++)
                sum += attn__load_f64(q->data, at + (e->s.q0 + i) * q->stride[2], q->dtype);
            e->q[h * e->d + x] = sum / (double)e->s.nq;
        }
}

static double cosine(const attn_tensor *t, const struct entry *e)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t h = 0; h < e->heads; h++)
        for (int64_t x = 0; x < e->d; x++) {
            int64_t at = e->s.index * t->stride[0] + h * t->stride[1] + x * t->stride[2];
            double a = attn__load_f64(t->data, at, t->dtype), b = e->q[h * e->d + x];
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
    return ab / (sqrt(aa) * sqrt(bb)); /* NaN is like nothing */
}

static int64_t key_at(const attn_tensor *t, int64_t n, int64_t j)
{
    return attn__load_i64(t->data, n * t->stride[0] + j * t->stride[1], t->dtype);
}

void attn__kept_look(const struct attn__recipe_run *r, const struct attn__kept *k,
                     struct attn__call *c)
{
    const attn_tensor *q = &r->call->t[ATTN__SLOT_CHOICE_Q];
    const attn_tensor *keys = &r->call->t[ATTN__SLOT_CHOICE_KEYS];
    for (int64_t n = 0; n < r->call->n_seq; n++) {
        const struct entry e = entry_of(r, k, n);
        if (e.chooses)
            mean_queries(r->call, &e);
        bool again = e.chooses && key_at(keys, n, 0) >= 0 &&
                     cosine(q, &e) >= r->call->p->pooled.again;
        for (int64_t j = 0; j < e.n_keys; j++) {
            int64_t key = again ? key_at(keys, n, j) : -1;
            e.keys[j] = key >= 0 && key < e.s.nk ? (int32_t)key : -1;
        }
    }
    const attn_tensor held = {.data = k->keys, .dtype = ATTN_DTYPE_I32, .rank = 2,
                              .shape = {r->call->n_seq, attn__kept_keys(&r->call->p->pooled)},
                              .stride = {attn__kept_keys(&r->call->p->pooled), 1}};
    attn__recipe_give(c, ATTN__SLOT_CHOICE_KEYS, &held);
}

/* Chosen keys of a row: those between the ones that are there anyhow. */
static void tell_keys(const struct attn__select_rows *rows, const struct attn__pooled_spec *spec,
                      const struct entry *e, const attn_tensor *to)
{
    int64_t row = attn__select_row(rows, e->s.index, 0, 0), n = 0;
    int64_t first = e->s.index * to->stride[0];
    for (int64_t at = rows->row_ptr[row]; at < rows->row_ptr[row + 1]; at++)
        for (int64_t j = rows->start[at]; j < (int64_t)rows->start[at] + rows->length[at]; j++)
            if (j >= spec->first && j < e->s.nk - spec->last && n < e->n_keys)
                attn__store_i64(to->data, first + n++ * to->stride[1], to->dtype, j);
    for (; n < e->n_keys; n++)
        attn__store_i64(to->data, first + n * to->stride[1], to->dtype, -1);
}

void attn__kept_tell(const struct attn__recipe_run *r, const struct attn__kept *k,
                     const struct attn__select *lists)
{
    const struct attn__call *c = r->call;
    const attn_tensor *q = &c->t[ATTN__SLOT_CHOICE_Q], *keys = &c->t[ATTN__SLOT_CHOICE_KEYS];
    for (int64_t n = 0; n < c->n_seq; n++) {
        const struct entry e = entry_of(r, k, n);
        bool made = e.chooses && e.keys[0] < 0;
        if (c->has[ATTN__SLOT_NEW_CHOICE_KEYS] && made)
            tell_keys(&lists->rows, &c->p->pooled, &e, &c->t[ATTN__SLOT_NEW_CHOICE_KEYS]);
        const attn_tensor *to = &c->t[ATTN__SLOT_NEW_CHOICE_KEYS];
        for (int64_t j = 0; j < e.n_keys && c->has[ATTN__SLOT_NEW_CHOICE_KEYS] && !made; j++)
            attn__store_i64(to->data, n * to->stride[0] + j * to->stride[1], to->dtype,
                            key_at(keys, n, j));
        to = &c->t[ATTN__SLOT_NEW_CHOICE_Q];
        for (int64_t x = 0; x < e.heads * e.d && c->has[ATTN__SLOT_NEW_CHOICE_Q]; x++) {
            int64_t h = x / e.d, i = x % e.d;
            int64_t from = n * q->stride[0] + h * q->stride[1] + i * q->stride[2];
            attn__store_f64(to->data, n * to->stride[0] + h * to->stride[1] + i * to->stride[2],
                            to->dtype, made ? e.q[x] : attn__load_f64(q->data, from, q->dtype));
        }
    }
}
