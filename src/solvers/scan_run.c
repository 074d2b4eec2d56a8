/* SPDX-License-Identifier: MIT */
/*
 * A unit of work is one state of one sequence, or some columns of it where
 * there are fewer states than threads: columns never meet, so the bits stay.
 * Where that is too little chunks go side by side, scan_side.h.
 */
#include "solvers/scan_run.h"

#include <math.h>
#include <string.h>

#include "solvers/rows_load.h"
#include "solvers/scan_ahead.h"
#include "solvers/scan_side.h"
#include "solvers/scan_wave.h"
#include "solvers/units.h"
#include "state/scan_check.h"

struct state {
    const struct attn__exec *x;
    attn__scan_core_fn *core;
    struct attn__scan_room *room;
    struct attn__scan_side side; /* of scan_chunk */
};

bool attn__scan_run_applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *no = NULL;
    if (p->dtype == ATTN_DTYPE_F64)
        no = "it computes in f32 and the data are f64";
    else if (p->scan.direction == ATTN_DIRECTION_FULL)
        no = "direction=full has no order of tokens";
    if (no)
        memcpy(why, no, strlen(no) + 1);
    return !no;
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, attn__scan_scratch_fn *scratch, struct state *st,
                  int64_t **start)
{
    st->room = ATTN__TAKE(s, m->threads, struct attn__scan_room);
    attn__units_take(s, p, start);
    st->side.most = 0;
    if (scratch == attn__scan_core_scratch)
        attn__scan_side_take(s, p, m, &st->side);
    struct attn__scan_room none = {0};
    for (int64_t n = 0; n < m->threads && s->ok; n++)
        attn__scan_room_take(s, p, scratch, st->room ? &st->room[n] : &none);
}

bool attn__scan_run_workspace(const struct attn__problem *p, const struct attn__machine *m,
                              attn__scan_scratch_fn *scratch, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st = {0};
    int64_t *start;
    carve(&s, p, m, scratch, &st, &start);
    *bytes = s.used;
    return s.ok;
}

void attn__scan_store(const struct attn__scan_out *to, int64_t i, int64_t m, int64_t v_first,
                      int64_t v_n, const float *o, int64_t ldo)
{
    struct attn__rows r = to->rows;
    r.base += v_first * r.col * (int64_t)attn__dtype_size(r.dtype);
    attn__rows_from_f32(to->kern, o, ldo, m, attn__min_i64(v_n, to->dv - v_first), &r, i);
}

void attn__scan_pad(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    struct attn__rows r = attn__call_out(c, s, h);
    for (int64_t i = s->nq; i < s->q_all; i++)
        for (int64_t e = 0; e < c->p->dv; e++)
            attn__rows_store(&r, i, e, 0);
}

double attn__scan_skip(const struct attn__call *c, int64_t h)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_SKIP];
    return c->has[ATTN__SLOT_SKIP] ? attn__load_f64(t->data, h * t->stride[0], t->dtype) : 0;
}

/* A segment's M, where it is diagonal: the sum of all log decays. */
static void add_logs(const struct attn__scan_job *j, const struct attn__scan_chunk *c)
{
    int64_t dk16 = attn__scan_round16(j->kind.dk);
    if (!j->log || j->lse || j->kind.decay == ATTN__CORE_STAYS)
        return;
    for (int64_t n = 0; n < c->n; n++)
        for (int64_t d = 0; d < j->kind.dk; d++)
            j->log[d] += (double)(j->kind.decay == ATTN__CORE_CHANNEL ? c->g[n * dk16 + d]
                                                                      : c->g[n]);
}

/* direction=symmetric: the second pass has counted the own token again. */
static void add_up(const struct attn__scan_job *j, const struct attn__scan_chunk *c, int64_t i,
                   bool reverse)
{
    int64_t dk16 = attn__scan_round16(j->kind.dk), nq = j->s->nq;
    for (int64_t r = 0; r < c->readers; r++)
        for (int64_t n = 0; n < c->n; n++) {
            int64_t row = reverse ? nq - 1 - (i + n) : i + n;
            float *to = j->r->both + (r * nq + row) * j->dv16;
            const float *o = c->out + (r * c->n + n) * j->dv16, *v = c->v + n * j->dv16;
            float own = 0;
            if (reverse)
                j->kern->row_qk_f32(c->k + n * dk16, dk16, 1, j->kind.dk,
                                    c->q + (r * c->n + n) * dk16, dk16, 1, &own, 1, 0);
            for (int64_t e = j->v_first; e < j->v_first + j->v_n; e++)
                to[e] = reverse ? to[e] + (o[e] - own * v[e]) : o[e];
        }
}

/*
 * Erasing kinds wait for S before anything else, token by token: behind the
 * half that scan_token has asked for, some more comes while rows are loaded.
 */
static void fetch_state(const struct attn__scan_job *j, struct attn__ahead *a)
{
    enum { FLOATS = 2048 };
    const struct attn__rows rows = {.base = (char *)(void *)j->S, .row = j->dv16, .col = 1,
                                    .dtype = ATTN_DTYPE_F32};
    int64_t first = j->kind.dk / 2;
    attn__ahead_add(a, &rows, first,
                    attn__min_i64(j->kind.dk - first, (FLOATS + j->dv16 - 1) / j->dv16), j->dv16);
}

/* What is wanted behind the m tokens from number i on: the sequence's next ones;
 * token by token, where states come from memory, the first ones of the next state. */
static void ahead_of(const struct attn__scan_job *j, int64_t i, int64_t m, bool reverse,
                     struct attn__ahead *a)
{
    enum { FIRST = 4 };
    struct attn__seq next;
    int64_t head, left = j->s->nq - i - m;
    *a = (struct attn__ahead){.runs = 0};
    if (j->core == attn__scan_core_run && left > 0)
        attn__scan_ahead_tokens(a, j->c, j->s, j->head, i + m,
                                attn__min_i64(j->r->load.tokens, left), reverse);
    else if (j->core == attn__scan_tokens_run && left == 0 && j->next &&
             attn__scan_job_next(j, &next, &head))
        attn__scan_ahead_tokens(a, j->c, &next, head, 0, attn__min_i64(next.nq, FIRST), reverse);
}

static bool is_both(const struct attn__problem *p)
{
    return p->scan.direction == ATTN_DIRECTION_SYMMETRIC;
}

static void pass(struct attn__scan_job *j, bool reverse)
{
    struct attn__scan_load *l = &j->r->load;
    bool both = is_both(j->c->p);
    struct attn__ahead state = {.runs = 0}, ahead;
    if (j->core == attn__scan_tokens_run && j->kind.update != ATTN__CORE_ADD && j->next) {
        fetch_state(j, &state);
        l->ahead = &state;
        l->fetch = (attn__ahead_rows(&state) + 4) / 5;
    }
    for (int64_t i = 0, m; i < j->s->nq; i += m) {
        bool fresh;
        m = attn__scan_load_next(l, i, &fresh);
        if (fresh) {
            attn__scan_job_empty(j);
            l->age = 0;
        }
        struct attn__scan_chunk c = attn__scan_load_chunk(l, i, m, true);
        float *out = attn__scan_job_out(j, i, reverse);
        c.out = out ? out : j->r->out;
        ahead_of(j, i, m, reverse, &ahead);
        c.ahead = ahead.runs > 0 ? &ahead : NULL;
        c.next = i + m == j->s->nq ? j->next : NULL;
        j->core(j->kern, &j->kind, &c, j->v_first, j->v_n, j->S, j->z, j->r->scratch);
        add_logs(j, &c);
        if (both)
            add_up(j, &c, i, reverse);
        else if (!out)
            attn__scan_job_store(j, i, m, reverse, c.out, c.n * j->dv16);
    }
}

static void run_job(struct attn__scan_job *j)
{
    const struct attn__scan_spec *e = &j->c->p->scan;
    bool reverse = attn__scan_job_reverse(j);
    attn__scan_job_begin(j);
    pass(j, reverse);
    if (is_both(j->c->p)) {
        attn__scan_job_empty(j);
        attn__scan_load_start(&j->r->load, j->c, j->kern, j->s, j->head, true, j->rows);
        pass(j, true);
        attn__scan_job_store(j, 0, j->s->nq, false, j->r->both, j->s->nq * j->dv16);
    }
    for (int64_t r = 0; r < e->readers && j->v_first == 0; r++)
        attn__scan_pad(j->c, j->s, j->head * e->readers + r);
}

/* Columns of a part: 64 or a multiple. */
static int64_t part_columns(const struct attn__problem *p, int64_t parts)
{
    int64_t all = (p->dv + 63) / 64;
    return (all + parts - 1) / parts * 64;
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    const struct attn__problem *p = x->call->p;
    int64_t parts = 1, wave = attn__scan_wave_states(x);
    (void)s;
    if (wave > 1)
        return (p->scan.hs + wave - 1) / wave;
    /* What stands beside S is moved on by the worker of all columns; and where
     * OUT is Q's memory nobody else may still want to read Q. */
    const struct attn_state *state = attn__scan_state(x->call);
    if (state && state->shape.segment)
        return p->scan.hs; /* as above: all columns together */
    if (x->call->t[ATTN__SLOT_OUT].data != x->call->t[ATTN__SLOT_Q].data &&
        p->scan.norm == ATTN_STATE_NORM_NONE && p->scan.gate != ATTN_GATE_LIGHTNET &&
        x->call->n_seq * p->scan.hs < x->machine->threads)
        parts = attn__min_i64((p->dv + 63) / 64, x->machine->threads);
    return p->scan.hs * parts;
}

/* `states` states from j->head on. */
static void run_states(struct attn__scan_job *j, int64_t states)
{
    if (j->s->nq == 1) {
        attn__scan_wave_run(j, states);
        return;
    }
    for (int64_t n = 0; n < states; n++) {
        struct attn__scan_job own = *j;
        own.head += n;
        run_job(&own);
    }
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    struct state *st = arg;
    const struct attn__problem *p = st->x->call->p;
    int64_t wave = attn__scan_wave_states(st->x);
    int64_t parts = wave > 1 ? 1 : count(st->x, s) / p->scan.hs;
    int64_t columns = part_columns(p, parts);
    const struct attn_state *state = attn__scan_state(st->x->call);
    int64_t dv16 = attn__scan_load_columns(p, state && state->shape.segment);
    int64_t first = index % parts * columns;
    struct attn__scan_job j = {
        .c = st->x->call,
        .s = s,
        .r = &st->room[worker],
        .core = st->core,
        .kern = st->x->machine->kern,
        .head = wave > 1 ? index * wave : index / parts,
        .rows = attn__exec_choice(st->x, s)->tiles.rows,
        .stride = st->x->machine->threads,
        .v_first = first,
        .v_n = parts > 1 ? attn__min_i64(columns, dv16 - first) : dv16,
        .dv16 = dv16,
    };
    if (wave > 1)
        run_states(&j, attn__min_i64(wave, p->scan.hs - j.head));
    else if (first < dv16)
        run_job(&j);
}

void attn__scan_count(const struct attn__exec *x)
{
    const struct attn__call *c = x->call;
    struct attn_state *state = attn__scan_state(c);
    for (int64_t n = 0; n < c->n_seq && state; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        struct attn__scan_load l = {.c = c, .seq = s, .tokens = ATTN__SCAN_CHUNK,
                                    .reverse = c->p->scan.direction == ATTN_DIRECTION_REVERSE};
        int64_t *seen = &state->count[attn__scan_slot(c, n)];
        if (!attn__exec_mine(x, &s))
            continue;
        for (int64_t i = 0, m; i < s.nq; i += m) {
            bool fresh;
            m = attn__scan_load_next(&l, i, &fresh);
            if (fresh)
                *seen = state->shape.segment ? -1 : 0;
            *seen += *seen < 0 ? -m : m;
        }
    }
}

void attn__scan_run(const struct attn__exec *x, attn__scan_core_fn *core,
                    attn__scan_scratch_fn *scratch)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x, .core = core};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, scratch, &st, &u.start);
    if (attn__scan_side_wanted(x, &st.side))
        attn__scan_side_run(x, st.room, &st.side);
    else
        attn__units_run(&u);
    attn__scan_count(x);
}
