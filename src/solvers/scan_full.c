/* SPDX-License-Identifier: MIT */
/*
 * scan_full: recurrences in which every query sees every key. No order of
 * tokens is left: S = K^T V and z = sum of k over all keys, then Q S / (q.z).
 */
#include <math.h>
#include <string.h>

#include "solvers/scan_run.h"
#include "solvers/units.h"

struct room {
    struct attn__scan_load load;
    float *S;    /* [dk][dv16] */
    float *part; /* the same of a chunk */
    float *z;    /* [dk] */
    double *lse; /* [dk] */
    float *kt;   /* [dk][chunk] */
    float *out;  /* [chunk][dv16] */
};

struct state {
    const struct attn__exec *x;
    struct room *room;
};

enum { CHUNK = ATTN__SCAN_CHUNK };

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *no = NULL;
    if (p->dtype == ATTN_DTYPE_F64)
        no = "it computes in f32 and the data are f64";
    else if (p->scan.direction != ATTN_DIRECTION_FULL)
        no = "it is for direction=full";
    if (no)
        memcpy(why, no, strlen(no) + 1);
    return !no;
}

static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double width = (double)p->scan.dk * (double)p->dv;
    double rows = (double)p->scan.hs * (double)k + (double)p->hout * (double)q;
    return rows * (width + 4 * (double)(p->scan.dk + p->dv)) * 1.5 / attn__machine_rate(m);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    const struct attn__scan_spec *e = &p->scan;
    int64_t dv16 = attn__scan_round16(p->dv), size = 0, turned = 0;
    struct room none;
    st->room = ATTN__TAKE(s, m->threads, struct room);
    attn__units_take(s, p, start);
    s->ok = s->ok && attn__mul_i64(e->dk, dv16, &size) && attn__mul_i64(e->dk, CHUNK, &turned);
    for (int64_t n = 0; n < m->threads && s->ok; n++) {
        struct room *r = st->room ? &st->room[n] : &none;
        attn__scan_load_take(s, p, &r->load);
        r->S = ATTN__TAKE(s, size, float);
        r->part = ATTN__TAKE(s, size, float);
        r->z = ATTN__TAKE(s, e->dk, float);
        r->lse = ATTN__TAKE(s, e->dk, double);
        r->kt = ATTN__TAKE(s, turned, float);
        r->out = ATTN__TAKE(s, CHUNK * dv16, float);
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

/* gate=lightnet: ln of the sum of e^k over all keys, for each channel. */
static void log_sums(const struct attn__call *c, const struct attn__seq *s, int64_t head,
                     struct room *r)
{
    struct attn__rows k = attn__call_k(c, s, head * c->p->scan.readers);
    for (int64_t d = 0; d < c->p->d; d++) {
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < s->nk; j++) {
            double x = attn__rows_load(&k, j, d);
            most = x > most || x != x ? x : most;
        }
        for (int64_t j = 0; j < s->nk && most > -INFINITY; j++)
            sum += exp(attn__rows_load(&k, j, d) - most);
        r->lse[d] = most > -INFINITY ? most + log(sum) : most;
    }
}

/* S += K^T V, z += sum of K: a chunk by itself first, so that the error of a
 * sum of many does not grow with their number. */
static void add_keys(const struct attn__problem *p, struct room *r, int64_t n)
{
    const struct attn__scan_load *l = &r->load;
    int64_t dk = p->scan.dk, dv16 = l->dv16;
    for (int64_t d = 0; d < dk; d++) {
        float sum = 0;
        for (int64_t j = 0; j < n; j++) {
            r->kt[d * CHUNK + j] = l->k[j * l->dk16 + d];
            sum += l->k[j * l->dk16 + d];
        }
        r->z[d] += sum;
    }
    memset(r->part, 0, (size_t)(dk * dv16) * sizeof *r->part);
    l->kern->row_pv_f32(l->v, dv16, n, dv16, r->kt, CHUNK, dk, r->part, dv16, 0);
    for (int64_t i = 0; i < dk * dv16; i++)
        r->S[i] += r->part[i];
}

static void read_state(const struct attn__problem *p, struct room *r, const float *q, int64_t n)
{
    const struct attn__scan_load *l = &r->load;
    int64_t dk = p->scan.dk, dv16 = l->dv16;
    float eps = (float)p->scan.norm_eps;
    memset(r->out, 0, (size_t)(n * dv16) * sizeof *r->out);
    l->kern->row_pv_f32(r->S, dv16, dk, dv16, q, l->dk16, n, r->out, dv16, 0);
    for (int64_t i = 0; i < n && p->scan.norm != ATTN_STATE_NORM_NONE; i++) {
        float den;
        l->kern->row_qk_f32(r->z, dk, 1, dk, q + i * l->dk16, l->dk16, 1, &den, 1, 0);
        if (p->scan.norm == ATTN_STATE_NORM_SUM)
            den += eps;
        else
            den = den > eps || den != den ? den : eps;
        for (int64_t e = 0; e < p->dv; e++)
            r->out[i * dv16 + e] /= den;
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
    const struct attn__problem *p = c->p;
    struct room *r = &st->room[worker];
    struct attn__scan_load *l = &r->load;
    int64_t readers = p->scan.readers;
    attn__scan_load_start(l, c, st->x->machine->kern, s, head, false, 0);
    l->lse = r->lse;
    memset(r->S, 0, (size_t)(p->scan.dk * l->dv16) * sizeof *r->S);
    memset(r->z, 0, (size_t)p->scan.dk * sizeof *r->z);
    if (p->scan.gate == ATTN_GATE_LIGHTNET)
        log_sums(c, s, head, r);
    if (p->scan.map_max == ATTN_FEATURE_MAX_ALL)
        attn__scan_load_key_max(l);
    for (int64_t i = 0; i < s->nk; i += CHUNK) {
        l->age = i;
        attn__scan_load_keys(l, i, attn__min_i64(CHUNK, s->nk - i));
        add_keys(p, r, attn__min_i64(CHUNK, s->nk - i));
    }
    for (int64_t i = 0; i < s->nq; i += CHUNK) {
        int64_t n = attn__min_i64(CHUNK, s->nq - i);
        l->age = i;
        attn__scan_load_queries(l, i, n);
        for (int64_t h = 0; h < readers; h++) {
            struct attn__scan_out to = {l->kern, attn__call_out(c, s, head * readers + h), p->dv};
            read_state(p, r, l->q + h * n * l->dk16, n);
            attn__scan_store(&to, i, n, 0, l->dv16, r->out, l->dv16);
        }
    }
    for (int64_t h = 0; h < readers; h++)
        attn__scan_pad(c, s, head * readers + h);
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, &st, &u.start);
    attn__units_run(&u);
}

const struct attn__solver attn__solver_scan_full = {
    .name = "scan_full",
    .verb = ATTN__VERB_SCAN,
    .applicable = applicable,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
