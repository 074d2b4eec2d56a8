/* SPDX-License-Identifier: MIT */
/*
 * Rows of all roles that have many for a token; of those with a number for
 * each, some 16 tokens are in a line of the cache anyway.
 */
#include "solvers/scan_ahead.h"

#include "solvers/scan_load.h"

/* Rows i.. of `all` in the order of the scan. */
static void add(struct attn__ahead *a, struct attn__rows r, bool reverse, int64_t all, int64_t i,
                int64_t m, int64_t width)
{
    if (reverse)
        r = attn__scan_flip(r, all);
    attn__ahead_add(a, &r, i, m, width);
}

void attn__scan_ahead_wave(struct attn__ahead *a, const struct attn__call *c,
                           const struct attn__seq *s, int64_t head, int64_t heads)
{
    const struct attn__problem *p = c->p;
    const bool gates = c->has[ATTN__SLOT_G] && p->scan.decay == ATTN_DECAY_CHANNEL;
    const struct {
        enum attn__slot slot;
        bool there;
        int64_t first, width;
    } rows[] = {
        {ATTN__SLOT_K, true, s->k0, p->d},
        {ATTN__SLOT_V, true, s->k0, p->dv},
        {ATTN__SLOT_G, gates, s->q0, p->scan.dk},
        {ATTN__SLOT_WRITE, c->has[ATTN__SLOT_WRITE], s->k0, p->d},
        {ATTN__SLOT_ERASE, c->has[ATTN__SLOT_ERASE], s->k0, p->d},
        {ATTN__SLOT_Q, true, s->q0, p->d},
        {ATTN__SLOT_OUT, true, s->q0, p->dv},
    };
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        if (!rows[n].there)
            continue;
        struct attn__rows r = attn__scan_rows_of(c, s, rows[n].slot, head, rows[n].first);
        r.row = c->t[rows[n].slot].stride[1];
        attn__ahead_add(a, &r, 0, heads, rows[n].width);
    }
}

void attn__scan_ahead_tokens(struct attn__ahead *a, const struct attn__call *c,
                             const struct attn__seq *s, int64_t head, int64_t i, int64_t m,
                             bool reverse)
{
    const struct attn__problem *p = c->p;
    const struct attn__scan_spec *e = &p->scan;
    int64_t steps = attn__max_i64(e->steps, 1), out = head * e->readers, key = p->k_head[out];
    add(a, attn__call_k(c, s, out), reverse, s->nk, i * steps, m * steps, p->d);
    add(a, attn__call_v(c, s, out), reverse, s->nk, i * steps, m * steps, p->dv);
    if (c->has[ATTN__SLOT_G] && e->decay == ATTN_DECAY_CHANNEL)
        add(a, attn__scan_rows_of(c, s, ATTN__SLOT_G, head, s->q0), reverse, s->nq, i, m, e->dk);
    if (c->has[ATTN__SLOT_WRITE])
        add(a, attn__scan_rows_of(c, s, ATTN__SLOT_WRITE, key, s->k0), reverse, s->nk, i * steps,
            m * steps, p->d);
    if (c->has[ATTN__SLOT_ERASE])
        add(a, attn__scan_rows_of(c, s, ATTN__SLOT_ERASE, key, s->k0), reverse, s->nk, i * steps,
            m * steps, p->d);
    for (int64_t h = out; h < out + e->readers; h++) {
        add(a, attn__call_q(c, s, h), reverse, s->nq, i, m, p->d);
        add(a, attn__call_out(c, s, h), reverse, s->nq, i, m, p->dv);
    }
}
