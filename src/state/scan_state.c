/* SPDX-License-Identifier: MIT */
/*
 * The layout of a state and its empty slots.
 */
#include "state/scan_state.h"

#include <math.h>
#include <string.h>

struct attn__state_shape attn__state_shape_of(const struct attn__problem *p)
{
    const struct attn__scan_spec *e = &p->scan;
    return (struct attn__state_shape){
        .mech = p->mech,
        .direction = e->direction,
        .hs = e->hs,
        .dk = e->dk + e->state_rows,
        .dv = p->dv,
        .sum = e->norm != ATTN_STATE_NORM_NONE,
        .lse = e->gate == ATTN_GATE_LIGHTNET,
        .erase = e->update != ATTN_UPDATE_ADD,
    };
}

bool attn__state_same_shape(const struct attn__state_shape *a, const struct attn__state_shape *b)
{
    return a->mech == b->mech && a->direction == b->direction && a->hs == b->hs &&
           a->dk == b->dk && a->dv == b->dv && a->sum == b->sum && a->lse == b->lse &&
           a->erase == b->erase && a->segment == b->segment;
}

void attn__state_zero(struct attn_state *s, int64_t first, int64_t n)
{
    memset(attn__state_head(s, first, 0), 0, (size_t)n * s->slot_bytes);
    for (int64_t slot = first; slot < first + n; slot++) {
        s->count[slot] = 0;
        for (int64_t h = 0; h < s->shape.hs; h++) {
            char *head = attn__state_head(s, slot, h);
            double *lse = attn__state_lse(s, head);
            float *m = attn__state_m(s, head);
            for (int64_t d = 0; d < s->shape.dk && lse; d++)
                lse[d] = -INFINITY;
            for (int64_t d = 0; d < s->shape.dk && m; d++)
                m[d * s->cols + d] = 1;
        }
    }
}
