/* SPDX-License-Identifier: MIT */
/*
 * Row n of everything that is loaded belongs to state n of the wave.
 */
#include "solvers/scan_wave.h"

#include "solvers/scan_ahead.h"
#include "solvers/scan_run.h"
#include "solvers/solvers.h"
#include "state/scan_check.h"

/* Units of work that a thread should find at least, so that all end together. */
enum { UNITS = 4 };

int64_t attn__scan_wave_states(const struct attn__exec *x)
{
    const struct attn__call *c = x->call;
    const struct attn__scan_spec *e = &c->p->scan;
    const struct attn_state *state = attn__scan_state(c);
    int64_t most = ATTN__SCAN_WAVE, threads = x->machine->threads;
    if (x->self != &attn__solver_scan_step || !state || state->shape.segment ||
        e->direction == ATTN_DIRECTION_SYMMETRIC || !attn__scan_load_together(c->p))
        return 1;
    if (threads > 1)
        most = attn__min_i64(most, c->n_seq * e->hs / (threads * UNITS));
    return attn__max_i64(attn__min_i64(most, e->hs), 1);
}

/* The rows of one state. */
static struct attn__scan_chunk token_of(const struct attn__scan_chunk *all, int64_t n,
                                        const struct attn__scan_kind *kind)
{
    const int64_t keys = n * attn__scan_round16(kind->dk);
    struct attn__scan_chunk c = *all;
    c.n = 1;
    c.q += keys;
    c.k += keys;
    c.v += n * attn__scan_round16(kind->dv);
    if (kind->update == ATTN__CORE_GENERAL)
        c.w += keys;
    if (kind->update != ATTN__CORE_ADD)
        c.e += keys;
    c.g += kind->decay == ATTN__CORE_CHANNEL ? keys : n;
    return c;
}

static void run_state(struct attn__scan_job *j, struct attn__scan_chunk *c)
{
    float *out = attn__scan_job_out(j, 0, false);
    c->out = out ? out : j->r->out;
    j->core(j->kern, &j->kind, c, 0, j->v_n, j->S, j->z, j->r->scratch);
    if (!out)
        attn__scan_job_store(j, 0, 1, false, c->out, j->dv16);
    attn__scan_pad(j->c, j->s, j->head);
}

/* The state that comes after this wave; its rows are added to `ahead`. NULL: none. */
static const float *next_wave(const struct attn__scan_job *j, int64_t states,
                              struct attn__ahead *ahead)
{
    struct attn_state *state = attn__scan_state(j->c);
    struct attn__scan_job last = *j;
    struct attn__seq s;
    int64_t head;
    last.stride *= states;
    if (!attn__scan_job_next(&last, &s, &head))
        return NULL;
    if (s.nq > 0)
        attn__scan_ahead_wave(ahead, j->c, &s, head,
                              attn__min_i64(states, j->c->p->scan.hs - head));
    return attn__state_head(state, attn__scan_slot(j->c, s.index), head).S;
}

void attn__scan_wave_run(const struct attn__scan_job *j, int64_t states)
{
    struct attn_state *state = attn__scan_state(j->c);
    struct attn__scan_load *l = &j->r->load;
    struct attn__ahead ahead = {.runs = 0};
    const int64_t slot = attn__scan_slot(j->c, j->s->index);
    const float *behind = next_wave(j, states, &ahead);
    const int64_t fetch = (attn__ahead_rows(&ahead) + states - 1) / states;
    bool fresh;
    l->dv16 = j->dv16;
    attn__scan_load_start_wave(l, j->c, j->kern, j->s, j->head, states);
    attn__scan_load_next(l, 0, &fresh);
    l->age = fresh ? 0 : state->count[slot];
    const struct attn__scan_chunk all = attn__scan_load_chunk(l, 0, states, true);
    struct attn__scan_job own = *j;
    own.kind = attn__scan_load_kind(j->c->p, l);
    for (int64_t n = 0; n < states; n++, own.head++) {
        const struct attn__state_head head = attn__state_head(state, slot, own.head);
        struct attn__scan_chunk c = token_of(&all, n, &own.kind);
        own.S = head.S;
        own.z = head.z;
        c.next = n + 1 < states ? attn__state_head(state, slot, own.head + 1).S : behind;
        if (fresh)
            attn__scan_job_empty(&own);
        attn__ahead_fetch(&ahead, fetch);
        run_state(&own, &c);
        if (own.kind.bonus)
            own.kind.bonus += l->dk16;
    }
}
