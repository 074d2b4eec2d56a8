/* SPDX-License-Identifier: MIT */
/*
 * One task a strip of channels of one head of one sequence; sums in double.
 */
#include "solvers/map_birdie.h"

#include <string.h>

#include "solvers/channels.h"
#include "state/scan_check.h"

static int64_t mask_at(const struct attn__call *c, const struct attn__seq *s, int64_t i)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_BIRDIE_MASK];
    if (!c->has[ATTN__SLOT_BIRDIE_MASK])
        return ATTN__BIRDIE_PREFIX;
    int64_t b = t->shape[0] > 1 ? s->b : 0;
    return attn__load_i64(t->data, b * t->stride[0] + (s->q0 + i) * t->stride[1], t->dtype);
}

bool attn__birdie_resets(const struct attn__call *c, const struct attn__seq *s, int64_t i,
                         bool reverse)
{
    if (!reverse)
        return mask_at(c, s, i) == ATTN__BIRDIE_START;
    return mask_at(c, s, i) == ATTN__BIRDIE_CAUSAL ||
           (i + 1 < s->nq && mask_at(c, s, i + 1) == ATTN__BIRDIE_START);
}

void attn__map_birdie_resets(const struct attn__recipe_run *r, bool reverse, const attn_tensor *to)
{
    for (int64_t n = 0; n < r->call->n_seq; n++) {
        struct attn__seq s = attn__call_seq(r->call, n);
        uint8_t *row = (uint8_t *)to->data + (to->shape[0] > 1 ? s.b : 0) * to->stride[0] + s.q0;
        for (int64_t i = 0; i < s.q_all; i++)
            row[i] = i < s.nq && attn__birdie_resets(r->call, &s, i, reverse);
    }
}

struct job {
    const struct attn__call *c;
    int64_t forward, strips;
};

/* A strip of one head of one sequence. */
struct strip {
    struct attn__seq s;
    int64_t h, c, width;
    bool reverse;
    double state[ATTN__CHANNELS];
};

/* Row i of V or FORGET. */
static void load(const struct attn__call *c, const struct strip *p, enum attn__slot slot,
                 int64_t i, double *row)
{
    attn__channels_load(&c->t[slot], p->s.b, p->h, p->s.q0 + i, p->c, p->width, row);
}

static void step(const struct attn__call *c, struct strip *p, int64_t i)
{
    double x[ATTN__CHANNELS], f[ATTN__CHANNELS];
    load(c, p, ATTN__SLOT_V, i, x);
    load(c, p, ATTN__SLOT_FORGET, i, f);
    if (attn__birdie_resets(c, &p->s, i, p->reverse))
        memcpy(p->state, x, (size_t)p->width * sizeof *x);
    else
        for (int64_t e = 0; e < p->width; e++)
            p->state[e] = f[e] * p->state[e] + x[e];
    attn__channels_store(&c->t[ATTN__SLOT_OUT], p->s.b, p->h, p->s.q0 + i, p->c, p->width,
                         p->state);
}

/* Between the strip and the caller's state, if it is a head that has one. */
static void move_state(const struct attn__call *c, struct strip *p, bool back)
{
    struct attn_state *state = attn__scan_state(c);
    if (!state || p->reverse)
        return;
    float *S = attn__state_head(state, attn__scan_slot(c, p->s.index), p->h).S + p->c;
    for (int64_t e = 0; e < p->width; e++) {
        if (back)
            S[e] = (float)p->state[e];
        else
            p->state[e] = (double)S[e];
    }
}

static void task(void *arg, int64_t index)
{
    const struct job *j = arg;
    const struct attn__problem *p = j->c->p;
    int64_t heads = index / j->strips;
    struct strip t = {.s = attn__call_seq(j->c, heads / p->hout), .h = heads % p->hout,
                      .c = index % j->strips * ATTN__CHANNELS};
    t.reverse = t.h >= j->forward;
    t.width = attn__min_i64(ATTN__CHANNELS, p->dv - t.c);
    move_state(j->c, &t, false);
    for (int64_t i = 0; i < t.s.nq; i++)
        step(j->c, &t, t.reverse ? t.s.nq - 1 - i : i);
    move_state(j->c, &t, true);
    struct attn__rows out = attn__call_out(j->c, &t.s, t.h);
    for (int64_t i = t.s.nq; i < t.s.q_all; i++)
        for (int64_t e = 0; e < t.width; e++)
            attn__rows_store(&out, i, t.c + e, 0);
}

/* How many tokens the slots have seen since a start. */
static void count(const struct attn__call *c)
{
    struct attn_state *state = attn__scan_state(c);
    for (int64_t n = 0; n < c->n_seq && state; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        int64_t *seen = &state->count[attn__scan_slot(c, n)];
        for (int64_t i = 0; i < s.nq; i++)
            *seen = attn__birdie_resets(c, &s, i, false) ? 1 : *seen + 1;
    }
}

void attn__map_birdie(const struct attn__recipe_run *r, int64_t forward)
{
    const struct attn__problem *p = r->call->p;
    struct job j = {r->call, forward, (p->dv + ATTN__CHANNELS - 1) / ATTN__CHANNELS};
    attn__threads_run(r->threads, r->call->n_seq * p->hout * j.strips, task, &j);
    count(r->call);
}
