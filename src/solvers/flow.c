/* SPDX-License-Identifier: MIT */
/*
 * flow and flow_reference: flow_attention (Wu et al., 2022), a linear
 * recurrence whose rows are first multiplied with what the flows of all tokens
 * (or of those so far) make of them:
 *
 *     out_i = f_i (a_i q_i)^T sum_j k_j (c_j v_j)^T
 *
 * with the factors of flow_sums.h. flow works on chunks in f32 with the
 * recurrence's core, flow_reference token by token in double. The factors are
 * made in double by both. One unit is one head of one sequence.
 */
#include <math.h>
#include <string.h>

#include "solvers/flow_sums.h"
#include "solvers/scan_run.h"
#include "solvers/units.h"
#include "state/scan_check.h"

enum { CHUNK = ATTN__SCAN_TOKENS };

/* Of one worker. */
struct room {
    struct attn__flow flow;
    double *q, *k;               /* [d] */
    struct attn__scan_load load; /* of flow */
    float *S;                    /* [d][dv16] where the caller has no state */
    float *out;                  /* [chunk][dv16] */
    float *ones;                 /* [d] */
    void *scratch;
    double *sum, *row; /* of flow_reference: [d][dv], [dv] */
};

struct state {
    const struct attn__exec *x;
    struct room *room;
    bool exact;
};

/* One head of one sequence. */
struct job {
    const struct attn__call *c;
    const struct attn__seq *s;
    const struct attn__kernels *kern;
    struct room *r;
    int64_t head, dv16;
    struct attn_state *state;
    float *S; /* in the caller's state, or r->S */
};

static bool is_full(const struct attn__problem *p)
{
    return p->scan.direction == ATTN_DIRECTION_FULL;
}

static struct attn__scan_kind kind_of(const struct attn__problem *p)
{
    return (struct attn__scan_kind){.dk = p->d, .dv = p->dv, .decay = ATTN__CORE_STAYS,
                                    .update = ATTN__CORE_ADD, .normaliser = ATTN__CORE_PLAIN};
}

static void carve_room(struct attn__scratch *s, const struct attn__problem *p, bool exact,
                       struct room *r)
{
    struct attn__scan_kind kind = kind_of(p);
    int64_t dv16 = attn__scan_round16(p->dv), size = 0, sums = 0;
    size_t bytes = exact ? 0 : attn__scan_core_scratch(&kind);
    s->ok = s->ok && attn__mul_i64(p->d, dv16, &size) && attn__mul_i64(p->d, p->dv, &sums) &&
            (exact || bytes > 0);
    attn__flow_take(s, p->d, &r->flow);
    r->q = ATTN__TAKE(s, p->d, double);
    r->k = ATTN__TAKE(s, p->d, double);
    if (exact) {
        r->sum = ATTN__TAKE(s, sums, double);
        r->row = ATTN__TAKE(s, p->dv, double);
        return;
    }
    attn__scan_load_take(s, p, &r->load);
    r->S = ATTN__TAKE(s, size, float);
    r->out = ATTN__TAKE(s, ATTN__SCAN_CHUNK * dv16, float);
    r->ones = ATTN__TAKE(s, p->d, float);
    r->scratch = ATTN__TAKE(s, (int64_t)bytes, char);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    struct room none = {0};
    st->room = ATTN__TAKE(s, m->threads, struct room);
    attn__units_take(s, p, start);
    for (int64_t n = 0; n < m->threads && s->ok; n++)
        carve_room(s, p, st->exact, st->room ? &st->room[n] : &none);
}

static bool size(const struct attn__problem *p, const struct attn__machine *m, bool exact,
                 size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st = {.exact = exact};
    int64_t *start;
    carve(&s, p, m, &st, &start);
    *bytes = s.used;
    return s.ok;
}

/* Rows of doubles, behind the sigmoid: of a chunk that is loaded, or one by
 * one from the caller's memory. */
static void widen(const float *from, int64_t n, double *to)
{
    for (int64_t e = 0; e < n; e++)
        to[e] = from[e];
}

static void load_row(const struct attn__rows *r, int64_t i, int64_t n, double *to)
{
    for (int64_t e = 0; e < n; e++)
        to[e] = 1 / (1 + exp(-attn__rows_load(r, i, e)));
}

static void scale(float *row, int64_t n, double f)
{
    for (int64_t e = 0; e < n; e++)
        row[e] *= (float)f;
}

static void begin(struct job *j)
{
    attn__flow_clear(j->c->p, &j->r->flow);
    if (!j->state)
        return;
    attn__flow_load(&j->r->flow, j->S, j->dv16, j->c->p->dv);
    j->r->flow.n = j->state->count[attn__scan_slot(j->c, j->s->index)];
}

/* ------------------------------------------------------------------ f32 */

static void empty_sums(const struct job *j)
{
    memset(j->S, 0, (size_t)(j->c->p->d * j->dv16) * sizeof *j->S);
}

static void store(const struct job *j, int64_t i, int64_t m)
{
    struct attn__scan_out to = {j->kern, attn__call_out(j->c, j->s, j->head), j->c->p->dv};
    attn__scan_store(&to, i, m, 0, j->dv16, j->r->out, j->dv16);
}

static void causal_chunk(const struct job *j, int64_t i, int64_t m)
{
    const struct attn__problem *p = j->c->p;
    struct attn__scan_load *l = &j->r->load;
    struct attn__scan_kind kind = kind_of(p);
    struct attn__scan_chunk c = attn__scan_load_chunk(l, i, m, false);
    double out[ATTN__SCAN_CHUNK];
    for (int64_t n = 0; n < m; n++) {
        widen(l->q + n * l->dk16, p->d, j->r->q);
        widen(l->k + n * l->dk16, p->d, j->r->k);
        struct attn__flow_factors f = attn__flow_token(&j->r->flow, j->r->q, j->r->k);
        scale(l->q + n * l->dk16, p->d, f.q);
        scale(l->v + n * l->dv16, p->dv, f.v);
        out[n] = f.out;
    }
    c.out = j->r->out;
    attn__scan_core_run(j->kern, &kind, &c, 0, j->dv16, j->S, NULL, j->r->scratch);
    for (int64_t n = 0; n < m; n++)
        scale(c.out + n * j->dv16, p->dv, out[n]);
    store(j, i, m);
}

static void causal(struct job *j)
{
    struct attn__scan_load *l = &j->r->load;
    for (int64_t i = 0, m; i < j->s->nq; i += m) {
        bool fresh;
        m = attn__scan_load_next(l, i, &fresh);
        if (fresh) {
            attn__flow_clear(j->c->p, &j->r->flow);
            empty_sums(j);
            l->age = 0;
        }
        causal_chunk(j, i, m);
    }
    if (j->state)
        attn__flow_store(&j->r->flow, j->S, j->dv16, j->c->p->dv);
}


static int64_t load_keys(const struct job *j, int64_t i)
{
    int64_t m = attn__min_i64(CHUNK, j->s->nk - i);
    attn__scan_load_keys(&j->r->load, i, m);
    return m;
}

static int64_t load_queries(const struct job *j, int64_t i)
{
    int64_t m = attn__min_i64(CHUNK, j->s->nq - i);
    attn__scan_load_queries(&j->r->load, i, m);
    return m;
}

static const double *key(const struct job *j, int64_t n)
{
    widen(j->r->load.k + n * j->r->load.dk16, j->c->p->d, j->r->k);
    return j->r->k;
}

static const double *query(const struct job *j, int64_t n)
{
    widen(j->r->load.q + n * j->r->load.dk16, j->c->p->d, j->r->q);
    return j->r->q;
}

/* The sums of rows, of rows by their flows, and of weights. */
static void full_sums(const struct job *j)
{
    struct attn__flow *f = &j->r->flow;
    for (int64_t i = 0, m; i < j->s->nk; i += m) {
        m = load_keys(j, i);
        for (int64_t n = 0; n < m; n++)
            attn__flow_add(f->k, f->d, key(j, n));
    }
    for (int64_t i = 0, m; i < j->s->nq; i += m) {
        m = load_queries(j, i);
        for (int64_t n = 0; n < m; n++)
            attn__flow_add(f->q, f->d, query(j, n));
    }
    for (int64_t i = 0, m; i < j->s->nk; i += m) {
        m = load_keys(j, i);
        for (int64_t n = 0; n < m; n++) {
            const double *k = key(j, n);
            attn__flow_add_flow(f->k_out, f->d, k, attn__flow_out(f, k));
        }
    }
    for (int64_t i = 0, m; i < j->s->nq; i += m) {
        m = load_queries(j, i);
        for (int64_t n = 0; n < m; n++) {
            const double *q = query(j, n);
            attn__flow_add_flow(f->q_in, f->d, q, attn__flow_in(f, q));
        }
    }
    for (int64_t i = 0, m; i < j->s->nk; i += m) {
        m = load_keys(j, i);
        for (int64_t n = 0; n < m; n++)
            f->weights += attn__flow_weight(f, key(j, n));
    }
}

static void full(const struct job *j)
{
    const struct attn__problem *p = j->c->p;
    struct attn__scan_load *l = &j->r->load;
    struct attn__flow *f = &j->r->flow;
    full_sums(j);
    empty_sums(j);
    for (int64_t d = 0; d < p->d; d++)
        j->r->ones[d] = 1;
    for (int64_t i = 0, m; i < j->s->nk; i += m) {
        m = load_keys(j, i);
        for (int64_t n = 0; n < m; n++)
            scale(l->v + n * l->dv16, p->dv,
                  (double)j->s->nk * attn__flow_weight(f, key(j, n)) / f->weights);
        j->kern->scan_outer(l->k, l->dk16, m, p->d, l->v, l->dv16, j->r->ones, j->r->ones, j->S,
                            j->dv16, j->dv16);
    }
    double ratio = (double)j->s->nq / (double)j->s->nk;
    for (int64_t i = 0, m; i < j->s->nq; i += m) {
        double out[CHUNK];
        m = load_queries(j, i);
        for (int64_t n = 0; n < m; n++) {
            const double *q = query(j, n);
            out[n] = attn__flow_allocation(f, q, ratio) * attn__flow_in(f, q);
        }
        memset(j->r->out, 0, (size_t)(m * j->dv16) * sizeof *j->r->out);
        j->kern->row_pv_f32(j->S, j->dv16, p->d, j->dv16, l->q, l->dk16, m, j->r->out, j->dv16, 0);
        for (int64_t n = 0; n < m; n++)
            scale(j->r->out + n * j->dv16, p->dv, out[n]);
        store(j, i, m);
    }
}

/* --------------------------------------------------------------- double */

static void add_outer(const struct job *j, const struct attn__rows *v, int64_t i, double f)
{
    int64_t dv = j->c->p->dv;
    for (int64_t e = 0; e < dv; e++)
        j->r->row[e] = f * attn__rows_load(v, i, e);
    for (int64_t d = 0; d < j->c->p->d; d++)
        attn__flow_add_flow(j->r->sum + d * dv, dv, j->r->row, j->r->k[d]);
}

static void read_sum(const struct job *j, int64_t i, double f)
{
    struct attn__rows out = attn__call_out(j->c, j->s, j->head);
    int64_t dv = j->c->p->dv;
    memset(j->r->row, 0, (size_t)dv * sizeof *j->r->row);
    for (int64_t d = 0; d < j->c->p->d; d++)
        attn__flow_add_flow(j->r->row, dv, j->r->sum + d * dv, j->r->q[d]);
    for (int64_t e = 0; e < dv; e++)
        attn__rows_store(&out, i, e, f * j->r->row[e]);
}

/* Between the sum in double and S of a state. */
static void move_sum(const struct job *j, bool back)
{
    int64_t dv = j->c->p->dv;
    for (int64_t i = 0; i < j->c->p->d * dv; i++) {
        float *S = j->S + i / dv * j->dv16 + i % dv;
        if (back)
            *S = (float)j->r->sum[i];
        else
            j->r->sum[i] = *S;
    }
}

static void clear_exact(const struct job *j)
{
    memset(j->r->sum, 0, (size_t)(j->c->p->d * j->c->p->dv) * sizeof *j->r->sum);
}

static void causal_exact(const struct job *j)
{
    struct attn__rows q = attn__call_q(j->c, j->s, j->head), k = attn__call_k(j->c, j->s, j->head);
    struct attn__rows v = attn__call_v(j->c, j->s, j->head);
    struct attn__scan_load l = {.c = j->c, .seq = *j->s, .tokens = ATTN__SCAN_CHUNK};
    int64_t d = j->c->p->d;
    clear_exact(j);
    if (j->state)
        move_sum(j, false);
    for (int64_t i = 0, m; i < j->s->nq; i += m) {
        bool fresh;
        m = attn__scan_load_next(&l, i, &fresh);
        if (fresh) {
            attn__flow_clear(j->c->p, &j->r->flow);
            clear_exact(j);
        }
        for (int64_t n = i; n < i + m; n++) {
            load_row(&q, n, d, j->r->q);
            load_row(&k, n, d, j->r->k);
            struct attn__flow_factors f = attn__flow_token(&j->r->flow, j->r->q, j->r->k);
            add_outer(j, &v, n, f.v);
            read_sum(j, n, f.q * f.out);
        }
    }
    if (!j->state)
        return;
    move_sum(j, true);
    attn__flow_store(&j->r->flow, j->S, j->dv16, j->c->p->dv);
}

static void full_exact(const struct job *j)
{
    struct attn__rows q = attn__call_q(j->c, j->s, j->head), k = attn__call_k(j->c, j->s, j->head);
    struct attn__rows v = attn__call_v(j->c, j->s, j->head);
    struct attn__flow *f = &j->r->flow;
    int64_t nq = j->s->nq, nk = j->s->nk;
    for (int64_t i = 0; i < nk; i++) {
        load_row(&k, i, f->d, j->r->k);
        attn__flow_add(f->k, f->d, j->r->k);
    }
    for (int64_t i = 0; i < nq; i++) {
        load_row(&q, i, f->d, j->r->q);
        attn__flow_add(f->q, f->d, j->r->q);
    }
    for (int64_t i = 0; i < nk; i++) {
        load_row(&k, i, f->d, j->r->k);
        attn__flow_add_flow(f->k_out, f->d, j->r->k, attn__flow_out(f, j->r->k));
    }
    for (int64_t i = 0; i < nq; i++) {
        load_row(&q, i, f->d, j->r->q);
        attn__flow_add_flow(f->q_in, f->d, j->r->q, attn__flow_in(f, j->r->q));
    }
    for (int64_t i = 0; i < nk; i++) {
        load_row(&k, i, f->d, j->r->k);
        f->weights += attn__flow_weight(f, j->r->k);
    }
    clear_exact(j);
    for (int64_t i = 0; i < nk; i++) {
        load_row(&k, i, f->d, j->r->k);
        add_outer(j, &v, i, (double)nk * attn__flow_weight(f, j->r->k) / f->weights);
    }
    for (int64_t i = 0; i < nq; i++) {
        load_row(&q, i, f->d, j->r->q);
        read_sum(j, i, attn__flow_allocation(f, j->r->q, (double)nq / (double)nk) *
                           attn__flow_in(f, j->r->q));
    }
}

/* Queries without a key. */
static void nothing(const struct job *j)
{
    struct attn__rows out = attn__call_out(j->c, j->s, j->head);
    for (int64_t i = 0; i < j->s->nq; i++)
        for (int64_t e = 0; e < j->c->p->dv; e++)
            attn__rows_store(&out, i, e, 0);
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t head)
{
    const struct state *st = arg;
    const struct attn__call *c = st->x->call;
    struct job j = {.c = c, .s = s, .kern = st->x->machine->kern, .r = &st->room[worker],
                    .head = head, .dv16 = attn__scan_round16(c->p->dv),
                    .state = attn__scan_state(c)};
    j.S = j.state ? attn__state_head(j.state, attn__scan_slot(c, s->index), head).S : j.r->S;
    begin(&j);
    if (!st->exact)
        attn__scan_load_start(&j.r->load, c, j.kern, s, head, false, CHUNK);
    if (!st->exact && !j.state)
        empty_sums(&j);
    if (is_full(c->p) && s->nk == 0)
        nothing(&j);
    else if (is_full(c->p))
        (st->exact ? full_exact : full)(&j);
    else if (st->exact)
        causal_exact(&j);
    else
        causal(&j);
    attn__scan_pad(c, s, head);
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    (void)s;
    return x->call->p->hout;
}

static void run_units(const struct attn__exec *x, bool exact)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x, .exact = exact};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, &st, &u.start);
    attn__units_run(&u);
    attn__scan_count(x);
}

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    static const char no[] = "it computes in f32 and the data are f64";
    if (p->dtype == ATTN_DTYPE_F64)
        memcpy(why, no, sizeof no);
    return p->dtype != ATTN_DTYPE_F64;
}

static bool applicable_exact(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    (void)p;
    (void)why;
    return true;
}

static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double rows = (double)p->hout * (double)(q + k);
    return rows * ((double)p->d * (double)p->dv * 1.5 + 60 * (double)p->d) /
           attn__machine_rate(m);
}

static double cost_exact(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                         int64_t k)
{
    return 20 * cost(p, m, q, k);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    return size(p, m, false, bytes);
}

static bool workspace_exact(const struct attn__problem *p, const struct attn__machine *m,
                            size_t *bytes)
{
    return size(p, m, true, bytes);
}

static void run(const struct attn__exec *x)
{
    run_units(x, false);
}

static void run_exact(const struct attn__exec *x)
{
    run_units(x, true);
}

const struct attn__solver attn__solver_flow = {
    .name = "flow",
    .verb = ATTN__VERB_SCAN,
    .form = ATTN__SCAN_FLOW,
    .applicable = applicable,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};

const struct attn__solver attn__solver_flow_reference = {
    .name = "flow_reference",
    .verb = ATTN__VERB_SCAN,
    .form = ATTN__SCAN_FLOW,
    .last = true,
    .applicable = applicable_exact,
    .cost = cost_exact,
    .workspace = workspace_exact,
    .run = run_exact,
};
