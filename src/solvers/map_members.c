/* SPDX-License-Identifier: MIT */
/*
 * Rows keep the caller's types; copies are of bytes.
 */
#include "solvers/map_members.h"

#include <string.h>

#include "solvers/row_exact.h"

void attn__members_take(struct attn__scratch *s, const struct attn__problem *p, int64_t heads,
                        struct attn__members *m)
{
    int64_t rows = 0, sequences = 0, d = 0, dv = 0;
    size_t q = attn__dtype_size(p->dtype), k = attn__dtype_size(p->kv_dtype);
    s->ok = s->ok && attn__mul_i64(p->b, p->q, &rows) && attn__mul_i64(rows, heads, &rows) &&
            attn__mul_i64(p->b, p->hout, &sequences) && attn__add_i64(sequences, 1, &sequences) &&
            attn__mul_i64(rows, p->d, &d) && attn__mul_i64(rows, p->dv, &dv);
    m->offsets = ATTN__TAKE(s, sequences, int64_t);
    m->token = ATTN__TAKE(s, rows, int64_t);
    m->q = attn__scratch_take(s, d, q);
    m->k = attn__scratch_take(s, d, k);
    m->v = attn__scratch_take(s, dv, k);
    m->out = attn__scratch_take(s, dv, q);
    m->lse = attn__scratch_take(s, rows, attn__dtype_size(attn__problem_row_dtype(p)));
}

static double gate(const attn_tensor *t, int64_t b, int64_t h, int64_t i)
{
    return attn__load_f64(t->data, b * t->stride[0] + h * t->stride[1] + i * t->stride[2],
                          t->dtype);
}

/* A row of a tensor [B,H,N,D] and of its gathered copy. */
static void copy_row(const attn_tensor *t, int64_t b, int64_t h, int64_t i, char *dense, bool back)
{
    size_t size = attn__dtype_size(t->dtype);
    int64_t at = b * t->stride[0] + h * t->stride[1] + i * t->stride[2], n = t->shape[3];
    char *row = (char *)t->data + at * (int64_t)size;
    int64_t step = t->stride[3] == 1 ? n : 1;
    for (int64_t e = 0; e < n; e += step, dense += step * (int64_t)size) {
        char *x = row + e * t->stride[3] * (int64_t)size;
        memcpy(back ? x : dense, back ? dense : x, (size_t)step * size);
    }
}

struct job {
    const struct attn__recipe_run *r;
    const attn_tensor *gates;
    const struct attn__members *m;
};

static void gather_head(void *arg, int64_t n)
{
    const struct job *j = arg;
    const struct attn__call *c = j->r->call;
    const struct {
        enum attn__slot slot;
        char *to;
    } of[] = {{ATTN__SLOT_Q, j->m->q}, {ATTN__SLOT_K, j->m->k}, {ATTN__SLOT_V, j->m->v}};
    struct attn__seq s = attn__call_seq(c, n / c->p->hout);
    int64_t h = n % c->p->hout;
    for (size_t x = 0; x < sizeof of / sizeof of[0]; x++) {
        const attn_tensor *t = &c->t[of[x].slot];
        int64_t bytes = t->shape[3] * (int64_t)attn__dtype_size(t->dtype);
        int64_t first = of[x].slot == ATTN__SLOT_Q ? s.q0 : s.k0;
        for (int64_t at = j->m->offsets[n]; at < j->m->offsets[n + 1]; at++)
            copy_row(t, s.b, h, first + j->m->token[at], of[x].to + at * bytes, false);
    }
}

/* Members of a head of a sequence. */
static int64_t count_of(const attn_tensor *gates, const struct attn__seq *s, int64_t h)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->nq; i++) {
        double g = gate(gates, s->b, h, s->q0 + i);
        n += g < 0 || g > 0;
    }
    return n;
}

/* Fills offsets and tokens; with `pad` a head that has fewer members than another one
 * of its sequence has the first of the other rows besides. */
static int64_t choose(const struct attn__call *c, const attn_tensor *gates, bool pad,
                      struct attn__members *m)
{
    int64_t heads = gates->shape[1], rows = 0, most = 0;
    for (int64_t n = 0; n < c->n_seq * heads; n++) {
        struct attn__seq s = attn__call_seq(c, n / heads);
        for (int64_t h = 0; h < heads && pad && n % heads == 0; h++)
            most = attn__max_i64(h == 0 ? 0 : most, count_of(gates, &s, h));
        int64_t more = pad ? most - count_of(gates, &s, n % heads) : 0;
        m->offsets[n] = rows;
        for (int64_t i = 0; i < s.nq; i++) {
            double g = gate(gates, s.b, n % heads, s.q0 + i);
            if (g < 0 || g > 0)
                m->token[rows++] = i;
            else if (g == 0 && more-- > 0)
                m->token[rows++] = i;
        }
    }
    m->offsets[c->n_seq * heads] = rows;
    return rows;
}

void attn__members_gather(const struct attn__recipe_run *r, const attn_tensor *gates, bool pad,
                          struct attn__members *m, struct attn__call *c)
{
    const struct attn__problem *p = r->call->p;
    int64_t sequences = r->call->n_seq * gates->shape[1];
    int64_t rows = choose(r->call, gates, pad, m);
    struct job j = {r, gates, m};
    attn__threads_run(r->threads, sequences, gather_head, &j);
    const attn_tensor offsets = {.data = m->offsets, .dtype = ATTN_DTYPE_I64, .rank = 1,
                                 .shape = {sequences + 1}, .stride = {1}};
    const attn_tensor q = attn__recipe_view(m->q, p->dtype, 1, 1, rows, p->d);
    const attn_tensor k = attn__recipe_view(m->k, p->kv_dtype, 1, 1, rows, p->d);
    const attn_tensor v = attn__recipe_view(m->v, p->kv_dtype, 1, 1, rows, p->dv);
    const attn_tensor out = attn__recipe_view(m->out, p->dtype, 1, 1, rows, p->dv);
    const attn_tensor lse =
        attn__recipe_view(m->lse, attn__problem_row_dtype(p), 1, 1, rows, -1);
    attn__recipe_give(c, ATTN__SLOT_Q, &q);
    attn__recipe_give(c, ATTN__SLOT_K, &k);
    attn__recipe_give(c, ATTN__SLOT_V, &v);
    attn__recipe_give(c, ATTN__SLOT_OUT, &out);
    attn__recipe_give(c, ATTN__SLOT_LSE, &lse);
    attn__recipe_give(c, ATTN__SLOT_Q_OFFSETS, &offsets);
    attn__recipe_give(c, ATTN__SLOT_K_OFFSETS, &offsets);
    c->n_seq = sequences;
}

static void scatter_head(void *arg, int64_t n)
{
    const struct job *j = arg;
    const struct attn__call *c = j->r->call;
    const attn_tensor *out = &c->t[ATTN__SLOT_OUT], *lse = &c->t[ATTN__SLOT_LSE];
    int32_t type = attn__problem_row_dtype(c->p);
    struct attn__seq s = attn__call_seq(c, n / c->p->hout);
    int64_t b = s.b, h = n % c->p->hout, at = j->m->offsets[n];
    int64_t bytes = c->p->dv * (int64_t)attn__dtype_size(out->dtype);
    attn__rows_pad(c, &s, h);
    for (int64_t i = s.q0; i < s.q0 + s.nq; i++) {
        bool member = at < j->m->offsets[n + 1] && s.q0 + j->m->token[at] == i;
        double none = isnan(gate(j->gates, b, h, i)) ? NAN : 0;
        int64_t row = b * out->stride[0] + h * out->stride[1] + i * out->stride[2];
        if (member)
            copy_row(out, b, h, i, (char *)j->m->out + at * bytes, true);
        for (int64_t e = 0; e < c->p->dv && !member; e++)
            attn__store_f64(out->data, row + e * out->stride[3], out->dtype, none);
        if (c->has[ATTN__SLOT_LSE])
            attn__store_f64(lse->data,
                            b * lse->stride[0] + h * lse->stride[1] + i * lse->stride[2],
                            lse->dtype,
                            member ? attn__load_f64(j->m->lse, at, type)
                                   : none == 0 ? -INFINITY : none);
        at += member;
    }
}

void attn__members_scatter(const struct attn__recipe_run *r, const attn_tensor *gates,
                           const struct attn__members *m)
{
    struct job j = {r, gates, m};
    attn__threads_run(r->threads, r->call->n_seq * gates->shape[1], scatter_head, &j);
}
