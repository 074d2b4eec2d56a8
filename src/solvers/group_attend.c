/* SPDX-License-Identifier: MIT */
/*
 * groups: attention inside of groups of queries and keys. The queries of a group
 * go over its keys as the lines of a list do (list_pass.c), gathered to full
 * tiles and blocks; what a query gets of each of its groups is joined in the
 * order of the groups.
 *
 * A unit is a run of queries of one head, with all groups that have some of
 * them, so that no two units write to the same row. How queries are cut into
 * runs follows from their number and that of heads alone.
 */
#include <math.h>
#include <stdio.h>

#include "solvers/epilogue.h"
#include "solvers/flash_cost.h"
#include "solvers/list_pass.h"
#include "solvers/rows_load.h"
#include "solvers/solvers.h"
#include "solvers/units.h"
#include "state/selection_groups.h"

/* Most and fewest queries of a unit, and those of a pass over the keys of a group:
 * so many that to gather a key is little beside what is done with it. */
enum { UNIT_ROWS = 4096, LEAST_ROWS = 1024, PASS_ROWS = 256 };

/* Units that a sequence should have, for threads to share. */
enum { UNITS = 8 };

/* Memory of a worker. */
struct desk {
    struct attn__list_room room;
    struct attn__list_kept kept; /* of a pass */
    double *row, lse;            /* [dv], a row and its log-sum-exp */
    double *sum;                 /* [queries][dv], of all groups so far */
    double *all; /* [queries]: log-sum-exp of those, or how many */
    float *out;  /* [dv] */
};

struct state {
    const struct attn__exec *x;
    const struct attn__select *sel;
    /* Of a group: a list that all of its queries have, and no more. */
    struct attn__problem inner;
    struct attn__list_rules rules;
    struct desk *desk; /* of each worker */
};

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *reason = NULL;
    if (p->norm.kind != ATTN_NORMALIZER_SOFTMAX || p->sink_logits)
        reason = "joins results by their log-sum-exp, and there is none or a sink in each";
    else if (p->want & ~ATTN_WANT_COUNTS)
        reason = "keeps no scores, and want= asks for outputs made from them";
    else if (p->invariant == ATTN_INVARIANT_CHUNK)
        reason = "invariant=chunk, and blocks begin where groups do";
    if (reason)
        snprintf(why, ATTN__WHY_MAX, "%s", reason);
    return !reason;
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)q;
    (void)k;
    int32_t w = 2 * m->kern->lanes;
    return (struct attn__tiles){
        .rows = w, .keys = attn__block_keys(p), .pass = PASS_ROWS / w};
}

/* Of a sequence of nq queries. */
static int64_t unit_rows(const struct attn__problem *p, int64_t nq)
{
    int64_t each = attn__min_i64(nq, UNITS * UNIT_ROWS) * p->hout / UNITS;
    each = (each + PASS_ROWS - 1) / PASS_ROWS * PASS_ROWS;
    return attn__min_i64(attn__max_i64(each, LEAST_ROWS), UNIT_ROWS);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    int64_t rows = attn__min_i64(attn__max_i64(p->q, 1), UNIT_ROWS);
    attn__units_take(s, p, start);
    st->desk = ATTN__TAKE(s, m->threads, struct desk);
    for (int64_t n = 0; n < m->threads; n++) {
        struct desk k = {.lse = 0};
        attn__list_room_take(s, p, m, PASS_ROWS, &k.room);
        k.kept.o = ATTN__TAKE(s, PASS_ROWS * p->dv, float);
        k.kept.lse = ATTN__TAKE(s, PASS_ROWS, double);
        k.row = ATTN__TAKE(s, p->dv, double);
        k.sum = ATTN__TAKE(s, rows * p->dv, double);
        k.all = ATTN__TAKE(s, rows, double);
        k.out = ATTN__TAKE(s, p->dv, float);
        if (st->desk)
            st->desk[n] = k;
    }
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st = {.x = NULL};
    int64_t *start;
    carve(&s, p, m, &st, &start);
    *bytes = s.used;
    return s.ok;
}

/* A head's queries i0 to i1 - 1, at work. */
struct unit {
    const struct state *st;
    const struct attn__seq *s;
    struct desk *desk;
    int64_t h, i0, i1;
    /* The group at hand as a list of rows, and the caller's call with that and
     * with the desk's row as its outputs. */
    struct attn__select view;
    struct attn__call call;
    struct attn__list_pass ps;
    int64_t all_tiles;
};

/* A view of one row that all rows of [B,H,N,D] or [B,H,N] are. */
static attn_tensor one_row(const attn_tensor *like, double *data, int64_t dv)
{
    attn_tensor t = {.data = data, .dtype = ATTN_DTYPE_F64, .rank = dv > 0 ? 4 : 3,
                     .stride = {0, 0, 0, dv > 0}};
    for (int32_t n = 0; n < 3; n++)
        t.shape[n] = like->shape[n];
    t.shape[3] = dv;
    return t;
}

static void begin_unit(struct unit *u)
{
    const struct state *st = u->st;
    const struct attn__call *c = st->x->call;
    int64_t dv = c->p->dv, n = u->i1 - u->i0;
    u->view = (struct attn__select){
        .tag = ATTN__SELECT_TAG,
        .layout = ATTN_SELECTION_ROWS,
        .heads = c->p->hout,
        .rows = {.n_batch = 1, .sets = 1, .head_group = c->p->hout, .q_block = INT64_MAX,
                 .n_queries = u->s->nq, .blocks = 1, .rows = 1, .n = st->sel->rows.n,
                 .start = st->sel->rows.start, .length = st->sel->rows.length}};
    u->call = *c;
    u->call.p = &st->inner;
    u->call.object[ATTN__SLOT_SELECTION] = &u->view;
    u->call.t[ATTN__SLOT_OUT] = one_row(&c->t[ATTN__SLOT_OUT], u->desk->row, dv);
    u->call.t[ATTN__SLOT_LSE] = one_row(&c->t[ATTN__SLOT_OUT], &u->desk->lse, 0);
    u->call.has[ATTN__SLOT_LSE] = true;
    u->ps = (struct attn__list_pass){.c = &u->call,
                                     .kern = st->x->machine->kern,
                                     .s = u->s,
                                     .rules = &st->rules,
                                     .room = &u->desk->room,
                                     .h0 = u->h,
                                     .heads = 1,
                                     .kept = &u->desk->kept};
    attn__list_pass_begin(&u->ps, u->desk->room.lines);
    memset(u->desk->sum, 0, (size_t)(n * dv) * sizeof *u->desk->sum);
    for (int64_t i = 0; i < n; i++)
        u->desk->all[i] = attn__select_groups_have_lse(&st->sel->groups) ? -INFINITY : 0;
}

/* desk->row is what query i gets of one more group. */
static void take_in(struct unit *u, int64_t i)
{
    struct desk *k = u->desk;
    int64_t dv = u->call.p->dv;
    double *sum = k->sum + (i - u->i0) * dv, *all = &k->all[i - u->i0], a = 1, b = 1;
    if (!attn__select_groups_have_lse(&u->st->sel->groups)) {
        *all += 1;
    } else if (k->lse == -INFINITY) {
        return;
    } else if (*all == -INFINITY) {
        *all = k->lse;
    } else {
        double top = fmax(*all, k->lse), both;
        a = exp(*all - top);
        b = exp(k->lse - top);
        both = a + b;
        *all = top + log(both);
        a /= both;
        b /= both;
    }
    for (int64_t e = 0; e < dv; e++)
        sum[e] = a * sum[e] + b * k->row[e];
}

/* The queries on desk->room.lines, of one group. */
static void pass(struct unit *u, int64_t n)
{
    const struct attn__problem *p = u->call.p;
    struct desk *k = u->desk;
    bool exact = p->dtype == ATTN_DTYPE_F64;
    if (!exact) {
        attn__list_pass_lines(&u->ps, 0, 0, n);
        u->all_tiles += attn__list_pass_tiles(&u->ps, n);
    }
    for (int64_t r = 0; r < n; r++) {
        int64_t i = k->room.lines[r];
        for (int64_t e = 0; e < p->dv && !exact; e++)
            k->row[e] = (double)k->kept.o[r * p->dv + e];
        if (!exact)
            k->lse = k->kept.lse[r];
        if (exact || isnan(k->lse)) {
            struct attn__vis v = attn__call_vis(&u->call, u->s, u->h, 1);
            attn__row_exact(&u->call, u->s, &v, u->h, i, &k->room.exact);
        }
        take_in(u, i);
    }
}

/* The first place from `at` on, below end, where a query is i or more. */
static int64_t find(const int32_t *query, int64_t at, int64_t end, int64_t i)
{
    while (at < end) {
        int64_t middle = at + (end - at) / 2;
        if (query[middle] < i)
            at = middle + 1;
        else
            end = middle;
    }
    return at;
}

static void attend(struct unit *u, int64_t g)
{
    const struct attn__select *sel = u->st->sel;
    const struct attn__call *c = u->st->x->call;
    const int32_t *query = sel->groups.query;
    int64_t *lines = u->desk->room.lines, n = 0;
    int64_t end = find(query, sel->groups.q_ptr[g], sel->groups.q_ptr[g + 1], u->i1);
    u->view.rows.row_ptr = sel->rows.row_ptr + g;
    for (int64_t e = find(query, sel->groups.q_ptr[g], end, u->i0); e < end; e++) {
        if (attn__epilogue_active(c, u->s, u->h, query[e]))
            lines[n++] = query[e];
        if (n == PASS_ROWS) {
            pass(u, n);
            n = 0;
        }
    }
    if (n > 0)
        pass(u, n);
}

/* Query i to the caller's outputs. */
static void finish(struct unit *u, int64_t i)
{
    const struct attn__call *c = u->st->x->call;
    const struct attn__select_groups *g = &u->st->sel->groups;
    const struct attn__kernels *kern = u->st->x->machine->kern;
    struct attn__rows out = attn__call_out(c, u->s, u->h);
    struct desk *k = u->desk;
    int64_t dv = c->p->dv;
    double *sum = k->sum + (i - u->i0) * dv, all = k->all[i - u->i0];
    if (!attn__epilogue_active(c, u->s, u->h, i)) {
        attn__row_skipped(c, u->s, u->h, i);
        return;
    }
    for (int64_t e = 0; e < dv; e++) {
        sum[e] = g->combine == ATTN_SELECTION_MEAN && all > 0 ? sum[e] / (all + g->eps) : sum[e];
        k->out[e] = (float)sum[e];
    }
    if (c->p->dtype != ATTN_DTYPE_F64 && kern->rows_finite(k->out, dv, 1, dv)) {
        if (c->p->epilogue.any)
            attn__epilogue_row(c, kern, u->s, u->h, i, k->room.exact.row, k->out);
        attn__rows_from_f32(kern, k->out, dv, 1, dv, &out, i);
    } else {
        if (c->p->epilogue.any)
            attn__epilogue_f64(c, u->s, u->h, i, sum);
        for (int64_t e = 0; e < dv; e++)
            attn__rows_store(&out, i, e, sum[e]);
    }
    if (c->has[ATTN__SLOT_LSE]) {
        struct attn__rows lse = attn__call_per_row(c, ATTN__SLOT_LSE, u->s, u->h);
        attn__rows_store(&lse, i, 0, all);
    }
}

static int64_t units_of_head(const struct attn__problem *p, const struct attn__seq *s)
{
    return attn__max_i64((s->nq - 1) / unit_rows(p, s->nq) + 1, 1);
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    return x->call->p->hout * units_of_head(x->call->p, s);
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    const struct state *st = arg;
    const struct attn__select *sel = st->sel;
    const struct attn__problem *p = st->x->call->p;
    int64_t units = units_of_head(p, s), h = index / units;
    int64_t each = unit_rows(p, s->nq), i0 = index % units * each;
    struct unit u = {.st = st, .s = s, .desk = &st->desk[worker], .h = h, .i0 = i0,
                     .i1 = attn__min_i64(i0 + each, s->nq)};
    if (i0 == 0)
        attn__rows_pad(st->x->call, s, h);
    if (u.i0 == u.i1)
        return;
    begin_unit(&u);
    int64_t list = (sel->rows.n_batch == 1 ? 0 : s->index) * sel->heads + h;
    for (int64_t n = sel->groups.of_ptr[list]; n < sel->groups.of_ptr[list + 1]; n++)
        attend(&u, sel->groups.of[n]);
    for (int64_t i = u.i0; i < u.i1; i++)
        finish(&u, i);
    attn__exec_did(st->x, u.ps.did_pairs, u.ps.did_tiles, u.all_tiles);
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {
        .x = x, .sel = x->call->object[ATTN__SLOT_SELECTION], .inner = *x->call->p};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, &st, &u.start);
    st.inner.epilogue = (struct attn__epilogue){.scale = 1};
    st.inner.want = 0;
    attn__list_rules_of(&st.inner, &st.rules);
    attn__units_run(&u);
}

const struct attn__solver attn__solver_groups = {
    .name = "groups",
    .verb = ATTN__VERB_ATTEND,
    .for_groups = true,
    .applicable = applicable,
    .tiles = tiles,
    .cost = attn__flash_cost,
    .workspace = workspace,
    .run = run,
};
