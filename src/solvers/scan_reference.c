/* SPDX-License-Identifier: MIT */
/*
 * scan_reference: the recurrences in f64, one token after the other, as they
 * are written down. States of the caller are f32 all the same: they are read
 * at the start and rounded at the end.
 */
#include <math.h>
#include <string.h>

#include "solvers/scan_exact.h"
#include "solvers/scan_run.h"
#include "solvers/units.h"
#include "state/scan_check.h"

struct room {
    struct attn__scan_exact t;
    double *S, *z, *c, *o; /* [dk][dv], [dk], [dv], [dv] */
    double *both;          /* [readers][q][dv]: direction=symmetric */
};

struct state {
    const struct attn__exec *x;
    struct room *room;
};

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    (void)p;
    (void)why;
    return true;
}

static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double rows = (double)q * (double)p->hout + (double)k * (double)p->scan.hs;
    (void)m;
    return rows * (4000 + (double)p->scan.dk * ((double)p->dv + (double)p->scan.columns) * 8);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    const struct attn__scan_spec *e = &p->scan;
    int64_t size = 0, both = 0;
    struct room none;
    st->room = ATTN__TAKE(s, m->threads, struct room);
    attn__units_take(s, p, start);
    s->ok = s->ok && attn__mul_i64(e->dk, p->dv, &size) &&
            (e->direction != ATTN_DIRECTION_SYMMETRIC ||
             (attn__mul_i64(e->readers, p->q, &both) && attn__mul_i64(both, p->dv, &both)));
    for (int64_t n = 0; n < m->threads && s->ok; n++) {
        struct room *r = st->room ? &st->room[n] : &none;
        attn__scan_exact_take(s, p, &r->t);
        r->S = ATTN__TAKE(s, size, double);
        r->z = ATTN__TAKE(s, e->dk, double);
        r->c = ATTN__TAKE(s, p->dv, double);
        r->o = ATTN__TAKE(s, p->dv, double);
        r->both = ATTN__TAKE(s, both, double);
    }
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st = {0};
    int64_t *start;
    carve(&s, p, m, &st, &start);
    *bytes = s.used;
    return s.ok;
}

static void empty(const struct attn__problem *p, struct room *r)
{
    memset(r->S, 0, (size_t)(p->scan.dk * p->dv) * sizeof *r->S);
    for (int64_t d = 0; d < p->scan.dk; d++) {
        r->z[d] = 0;
        r->t.lse[d] = -INFINITY;
    }
}

/* S and z by the key that was loaded. */
static void step(const struct attn__problem *p, struct room *r)
{
    const struct attn__scan_spec *e = &p->scan;
    const struct attn__scan_exact *t = &r->t;
    int64_t dv = p->dv;
    bool erases = e->update != ATTN_UPDATE_ADD;
    memset(r->c, 0, (size_t)dv * sizeof *r->c);
    for (int64_t d = 0; d < e->dk && erases; d++) {
        double f = e->erase_previous ? t->e[d] : t->e[d] * exp(t->g[d]);
        for (int64_t v = 0; v < dv; v++)
            r->c[v] += f * r->S[d * dv + v];
    }
    for (int64_t d = 0; d < e->dk; d++) {
        double decay = exp(t->g[d]);
        for (int64_t v = 0; v < dv; v++) {
            double *s = &r->S[d * dv + v];
            *s = decay * *s + t->k[d] * t->v[v] - (erases ? t->w[d] * r->c[v] : 0);
        }
        r->z[d] = decay * r->z[d] + t->k[d];
    }
}

/* o = S^T q, and with read=before the own token's part, over the divisor. */
static void read_row(const struct attn__call *c, struct room *r, int64_t h, int64_t i, int64_t age)
{
    const struct attn__problem *p = c->p;
    const struct attn__scan_spec *e = &p->scan;
    struct attn__scan_exact *t = &r->t;
    double own = 0, den = 0;
    attn__scan_exact_query(t, h, i, age);
    for (int64_t d = 0; d < e->dk; d++) {
        double u = e->bonus ? attn__scan_exact_weight(c, ATTN__SLOT_BONUS, t->head, 2, 0, d) : 1;
        own += e->read_before ? t->q[d] * u * t->k[d] : 0;
        den += t->q[d] * r->z[d];
    }
    for (int64_t v = 0; v < p->dv; v++)
        r->o[v] = e->read_before ? own * t->v[v] : 0;
    for (int64_t d = 0; d < e->dk; d++)
        for (int64_t v = 0; v < p->dv; v++)
            r->o[v] += t->q[d] * r->S[d * p->dv + v];
    if (e->norm == ATTN_STATE_NORM_NONE)
        return;
    den = e->norm == ATTN_STATE_NORM_SUM ? den + e->norm_eps : fmax(den, e->norm_eps);
    for (int64_t v = 0; v < p->dv; v++)
        r->o[v] /= den;
}

static void store_row(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i,
                      const double *o)
{
    struct attn__rows out = attn__call_out(c, s, h), v = attn__call_v(c, s, h);
    double skip = attn__scan_skip(c, h);
    int64_t key = (i + 1) * attn__max_i64(c->p->scan.steps, 1) - 1;
    for (int64_t e = 0; e < c->p->dv; e++)
        attn__rows_store(&out, i, e,
                         o[e] + (skip != 0 ? skip * attn__rows_load(&v, key, e) : 0));
}

static bool resets(const struct attn__call *c, const struct attn__seq *s, int64_t i)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_RESET];
    if (!c->has[ATTN__SLOT_RESET])
        return false;
    int64_t b = t->shape[0] == 1 ? 0 : s->b;
    return ((const uint8_t *)t->data)[b * t->stride[0] + (s->q0 + i) * t->stride[1]] != 0;
}

/* One way over the tokens; the second pass of direction=symmetric counts the
 * own token again, which comes off. */
static void pass(const struct attn__call *c, const struct attn__seq *s, struct room *r,
                 bool reverse, bool both, int64_t age)
{
    const struct attn__problem *p = c->p;
    const struct attn__scan_spec *e = &p->scan;
    for (int64_t n = 0; n < s->nq; n++, age++) {
        int64_t i = reverse ? s->nq - 1 - n : n;
        if (resets(c, s, i)) {
            empty(p, r);
            age = 0;
        }
        for (int64_t j = i * e->steps; j < (i + 1) * e->steps; j++) {
            attn__scan_exact_key(&r->t, j, age);
            for (int64_t h = r->t.head * e->readers;
                 e->read_before && h < (r->t.head + 1) * e->readers; h++) {
                read_row(c, r, h, i, age);
                store_row(c, s, h, i, r->o);
            }
            step(p, r);
        }
        for (int64_t k = 0; k < e->readers && !e->read_before; k++) {
            int64_t h = r->t.head * e->readers + k;
            double *sum = r->both + (k * s->nq + i) * p->dv, own = 0;
            read_row(c, r, h, i, age);
            for (int64_t d = 0; d < e->dk; d++)
                own += r->t.q[d] * r->t.k[d];
            for (int64_t v = 0; v < p->dv && both; v++)
                sum[v] = reverse ? sum[v] + r->o[v] - own * r->t.v[v] : r->o[v];
            if (!both)
                store_row(c, s, h, i, r->o);
        }
    }
}

static void full(const struct attn__call *c, const struct attn__seq *s, struct room *r)
{
    const struct attn__scan_spec *e = &c->p->scan;
    struct attn__rows k = attn__call_k(c, s, r->t.head * e->readers);
    for (int64_t d = 0; d < c->p->d && e->gate == ATTN_GATE_LIGHTNET; d++) {
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < s->nk; j++)
            most = fmax(most, attn__rows_load(&k, j, d));
        for (int64_t j = 0; j < s->nk && most > -INFINITY; j++)
            sum += exp(attn__rows_load(&k, j, d) - most);
        r->t.lse[d] = most + log(sum);
    }
    for (int64_t j = 0; j < s->nk; j++) {
        attn__scan_exact_key(&r->t, j, j);
        step(c->p, r);
    }
    for (int64_t h = 0; h < e->readers; h++)
        for (int64_t i = 0; i < s->nq; i++) {
            read_row(c, r, r->t.head * e->readers + h, i, i);
            store_row(c, s, r->t.head * e->readers + h, i, r->o);
        }
}

/* Between the caller's state and the f64 one. */
static void move_state(const struct attn__call *c, const struct attn__seq *s, struct room *r,
                       bool out)
{
    struct attn_state *state = attn__scan_state(c);
    const struct attn__state_head head =
        attn__state_head(state, attn__scan_slot(c, s->index), r->t.head);
    for (int64_t d = 0; d < c->p->scan.dk; d++) {
        for (int64_t v = 0; v < c->p->dv; v++) {
            double *ours = &r->S[d * c->p->dv + v];
            float *theirs = &head.S[d * state->cols + v];
            if (out)
                *theirs = (float)*ours;
            else
                *ours = (double)*theirs;
        }
        if (head.z && out)
            head.z[d] = (float)r->z[d];
        if (head.lse && out)
            head.lse[d] = r->t.lse[d];
        if (!out) {
            r->z[d] = head.z ? (double)head.z[d] : 0;
            r->t.lse[d] = head.lse ? head.lse[d] : -INFINITY;
        }
    }
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    (void)s;
    return x->call->p->scan.hs;
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t head)
{
    struct state *st = arg;
    const struct attn__call *c = st->x->call;
    const struct attn__scan_spec *e = &c->p->scan;
    struct attn_state *state = attn__scan_state(c);
    struct room *r = &st->room[worker];
    bool both = e->direction == ATTN_DIRECTION_SYMMETRIC;
    r->t.c = c;
    r->t.seq = *s;
    r->t.head = head;
    attn__scan_exact_key_max(&r->t);
    empty(c->p, r);
    if (state)
        move_state(c, s, r, false);
    if (e->direction == ATTN_DIRECTION_FULL)
        full(c, s, r);
    else
        pass(c, s, r, e->direction == ATTN_DIRECTION_REVERSE, both,
             state ? state->count[attn__scan_slot(c, s->index)] : 0);
    if (state)
        move_state(c, s, r, true);
    if (both) {
        empty(c->p, r);
        pass(c, s, r, true, true, 0);
    }
    for (int64_t h = head * e->readers; h < (head + 1) * e->readers; h++) {
        for (int64_t i = 0; i < s->nq && both; i++)
            store_row(c, s, h, i, r->both + ((h - head * e->readers) * s->nq + i) * c->p->dv);
        attn__scan_pad(c, s, h);
    }
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, &st, &u.start);
    attn__units_run(&u);
    attn__scan_count(x);
}

const struct attn__solver attn__solver_scan_reference = {
    .name = "scan_reference",
    .verb = ATTN__VERB_SCAN,
    .applicable = applicable,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
