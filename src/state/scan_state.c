/* SPDX-License-Identifier: MIT */
/*
 * Where the parts of a state are, and its empty slots.
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

struct attn__state_head attn__state_head_at(const struct attn_state *s, char *S, char *side)
{
    const struct attn__state_shape *e = &s->shape;
    struct attn__state_head h = {.S = (float *)(void *)S};
    if (e->segment && e->erase)
        h.m = h.S + s->values;
    if (e->sum)
        h.z = (float *)(void *)side;
    if (e->lse)
        h.lse = (double *)(void *)(side + s->lse_at);
    if (e->segment && !e->erase)
        h.log = (double *)(void *)(side + s->log_at);
    return h;
}

void attn__state_put(struct attn_state *s, int64_t slot, int64_t head, const char *parts)
{
    size_t n = (size_t)(slot * s->shape.hs + head);
    memcpy(s->data + n * s->s_bytes, parts, s->s_bytes);
    memcpy(s->side + n * s->side_bytes, parts + s->s_bytes, s->side_bytes);
}

void attn__state_copy(struct attn_state *to, int64_t to_slot, const struct attn_state *from,
                      int64_t from_slot)
{
    size_t hs = (size_t)to->shape.hs, s = hs * to->s_bytes, side = hs * to->side_bytes;
    memmove(to->data + (size_t)to_slot * s, from->data + (size_t)from_slot * s, s);
    memmove(to->side + (size_t)to_slot * side, from->side + (size_t)from_slot * side, side);
    to->count[to_slot] = from->count[from_slot];
}

void attn__state_zero(struct attn_state *s, int64_t first, int64_t n)
{
    size_t hs = (size_t)s->shape.hs, S = hs * s->s_bytes, side = hs * s->side_bytes;
    memset(s->data + (size_t)first * S, 0, (size_t)n * S);
    memset(s->side + (size_t)first * side, 0, (size_t)n * side);
    for (int64_t slot = first; slot < first + n; slot++) {
        s->count[slot] = 0;
        for (int64_t h = 0; h < s->shape.hs; h++) {
            struct attn__state_head head = attn__state_head(s, slot, h);
            for (int64_t d = 0; d < s->shape.dk && head.lse; d++)
                head.lse[d] = -INFINITY;
            for (int64_t d = 0; d < s->shape.dk && head.m; d++)
                head.m[d * s->cols + d] = 1;
        }
    }
}
