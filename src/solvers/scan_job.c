/* SPDX-License-Identifier: MIT */
/*
 * Buffers, where a state is and what comes after it, and the way of rows to
 * OUT.
 */
#include "solvers/scan_job.h"

#include <math.h>
#include <string.h>

#include "solvers/rows_load.h"
#include "solvers/scan_run.h"
#include "state/scan_check.h"

static bool is_both(const struct attn__problem *p)
{
    return p->scan.direction == ATTN_DIRECTION_SYMMETRIC;
}

void attn__scan_room_take(struct attn__scratch *s, const struct attn__problem *p,
                          attn__scan_scratch_fn *scratch, struct attn__scan_room *r)
{
    const struct attn__scan_spec *e = &p->scan;
    int64_t dv16 = attn__scan_round16(p->dv), size = 0, rows = 0, both = 0;
    attn__scan_load_take(s, p, &r->load);
    struct attn__scan_kind kind = attn__scan_load_kind(p, &r->load);
    kind.dv = attn__scan_load_columns(p, true); /* a segment's, so that it fits */
    dv16 = kind.dv;
    size_t bytes = scratch(&kind);
    s->ok = s->ok && bytes > 0 && bytes < INT64_MAX && attn__mul_i64(e->dk, dv16, &size) &&
            attn__mul_i64(e->readers, ATTN__SCAN_CHUNK * dv16, &rows) &&
            (!is_both(p) || (attn__mul_i64(e->readers, p->q, &both) &&
                             attn__mul_i64(both, dv16, &both)));
    r->S = ATTN__TAKE(s, size, float);
    r->z = ATTN__TAKE(s, e->norm != ATTN_STATE_NORM_NONE ? attn__scan_round16(e->dk) : 0, float);
    r->lse = ATTN__TAKE(s, e->gate == ATTN_GATE_LIGHTNET ? e->dk : 0, double);
    r->out = ATTN__TAKE(s, rows, float);
    r->both = ATTN__TAKE(s, both, float);
    r->scratch = ATTN__TAKE(s, (int64_t)bytes, char);
}

bool attn__scan_job_next(const struct attn__scan_job *j, struct attn__seq *s, int64_t *head)
{
    int64_t at = j->head + j->stride, hs = j->c->p->scan.hs, seq = j->s->index + at / hs;
    if (seq >= j->c->n_seq)
        return false;
    *s = attn__call_seq(j->c, seq);
    *head = at % hs;
    return true;
}

void attn__scan_job_empty(const struct attn__scan_job *j)
{
    for (int64_t d = 0; d < j->kind.dk; d++)
        memset(j->S + d * j->dv16 + j->v_first, 0, (size_t)j->v_n * sizeof *j->S);
    for (int64_t d = 0; d < j->kind.dk && j->z; d++)
        j->z[d] = 0;
    for (int64_t d = 0; d < j->kind.dk && j->lse; d++)
        j->lse[d] = -INFINITY;
    for (int64_t d = 0; d < j->kind.dk && j->log; d++)
        j->log[d] = -INFINITY;
}

void attn__scan_job_begin(struct attn__scan_job *j)
{
    const struct attn__scan_spec *e = &j->c->p->scan;
    struct attn_state *state = attn__scan_state(j->c);
    j->S = j->r->S;
    j->z = e->norm != ATTN_STATE_NORM_NONE ? j->r->z : NULL;
    j->lse = e->gate == ATTN_GATE_LIGHTNET ? j->r->lse : NULL;
    j->r->load.dv16 = j->dv16;
    attn__scan_load_start(&j->r->load, j->c, j->kern, j->s, j->head, attn__scan_job_reverse(j),
                          j->rows);
    j->kind = attn__scan_load_kind(j->c->p, &j->r->load);
    if (j->dv16 > attn__scan_round16(j->c->p->dv))
        j->kind.dv = j->dv16;
    if (state) {
        int64_t slot = attn__scan_slot(j->c, j->s->index);
        const struct attn__state_head head = attn__state_head(state, slot, j->head);
        j->S = head.S;
        j->z = head.z;
        j->lse = head.lse;
        j->log = head.log;
        j->r->load.age = state->count[slot];
        struct attn__seq next;
        int64_t next_head;
        if (attn__scan_job_next(j, &next, &next_head)) {
            slot = attn__scan_slot(j->c, next.index);
            j->next = attn__state_head(state, slot, next_head).S;
        }
    } else {
        attn__scan_job_empty(j);
    }
    j->r->load.lse = j->lse;
}

/* o += SKIP v, for m tokens with one key each. */
static void add_skip(const struct attn__scan_job *j, int64_t h, int64_t i, int64_t m, bool reverse,
                     float *o)
{
    double skip = attn__scan_skip(j->c, h);
    struct attn__rows v = attn__call_v(j->c, j->s, h);
    if (reverse)
        v = attn__scan_flip(v, j->s->nk);
    int64_t end = attn__min_i64(j->v_first + j->v_n, j->c->p->dv);
    int64_t steps = attn__max_i64(j->c->p->scan.steps, 1);
    for (int64_t n = 0; n < m && skip != 0; n++)
        for (int64_t e = j->v_first; e < end; e++)
            o[n * steps * j->dv16 + e] +=
                (float)(skip * attn__rows_load(&v, (i + n) * steps + steps - 1, e));
}

float *attn__scan_job_out(const struct attn__scan_job *j, int64_t i, bool reverse)
{
    const struct attn__scan_spec *e = &j->c->p->scan;
    struct attn__rows r = attn__call_out(j->c, j->s, j->head * e->readers);
    if (reverse || is_both(j->c->p) || e->readers > 1 || e->steps > 1 || e->skip)
        return NULL;
    return attn__scan_load_rows(&r, i, j->kind.dv, j->dv16);
}

void attn__scan_job_store(const struct attn__scan_job *j, int64_t i, int64_t m, bool reverse,
                          float *out, int64_t between)
{
    int64_t readers = j->c->p->scan.readers, steps = attn__max_i64(j->c->p->scan.steps, 1);
    for (int64_t r = 0; r < readers; r++) {
        int64_t h = j->head * readers + r;
        float *o = out + r * between + (steps - 1) * j->dv16;
        struct attn__scan_out to = {j->kern, attn__call_out(j->c, j->s, h), j->c->p->dv};
        if (reverse)
            to.rows = attn__scan_flip(to.rows, j->s->nq);
        if (j->c->p->scan.skip)
            add_skip(j, h, i, m, reverse, o);
        attn__scan_store(&to, i, m, j->v_first, j->v_n, o + j->v_first, steps * j->dv16);
    }
}
