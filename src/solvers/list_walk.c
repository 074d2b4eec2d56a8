/* SPDX-License-Identifier: MIT */
/*
 * Walking along a list.
 */
#include "solvers/list_walk.h"

#include <math.h>

#include "problem/pieces.h"

/* ---- rules ---- */

static void drop_pieces(struct attn__problem *p, bool any_too)
{
    int32_t kept = 0;

    for (int32_t n = 0; n < p->n_pieces; n++)
        if (p->piece[n].kind != ATTN__PIECE_ROWS && !(any_too && p->piece[n].any))
            p->piece[kept++] = p->piece[n];
    p->n_pieces = kept;
    attn__pieces_settle(p);
}

void attn__list_rules_of(const struct attn__problem *p, struct attn__list_rules *rules)
{
    rules->adds = false;
    for (int32_t n = 0; n < p->n_pieces; n++)
        rules->adds |= p->piece[n].kind == ATTN__PIECE_ROWS && p->piece[n].any;
    rules->listed = rules->others = *p;
    /* With lists=or a listed key needs no other piece of those of which one is
     * enough. */
    drop_pieces(&rules->listed, rules->adds);
    drop_pieces(&rules->others, false);
}

/* ---- stretches ---- */

void attn__list_walk_begin(struct attn__list_walk *w, const struct attn__list_rules *rules,
                           const struct attn__vis *v, int64_t row, int64_t r0, int64_t r1,
                           int64_t most)
{
    struct attn__vis listed = *v, others = *v;

    attn__vis_set_rules(&listed, &rules->listed);
    attn__vis_set_rules(&others, &rules->others);
    w->rows = v->rows;
    w->most = most;
    w->from = w->to = 0;
    w->span = w->n_spans = 0;
    attn__vis_hull(&listed, r0, r1, &w->j, &w->hi);
    w->end = v->rows->row_ptr[row + 1];
    w->e = attn__select_find(v->rows, v->rows->row_ptr[row], w->end, w->j);
    if (rules->adds)
        w->n_spans = attn__vis_any_hulls(&others, r0, r1, w->spans);
    /* no ANY piece but the lists: rules add nothing */
}

void attn__list_walk_within(struct attn__list_walk *w, int64_t j0, int64_t j1)
{
    w->j = w->j < j0 ? j0 : w->j;
    w->hi = w->hi < j1 ? w->hi : j1;
    w->e = attn__select_find(w->rows, w->e, w->end, w->j);
}

/*
 * The next keys that are all of one entry, or of none; false after the last.
 * Entries with a logit of -inf are as if not there, but their keys belong to
 * them and not to the rules.
 */
static bool next_stretch(struct attn__list_walk *w)
{
    const struct attn__select_rows *l = w->rows;

    while (w->j < w->hi) {
        int64_t start = w->e < w->end ? l->start[w->e] : w->hi;
        if (start <= w->j) {
            int64_t e = w->e, end = start + l->length[e];
            w->from = w->j;
            w->to = end < w->hi ? end : w->hi;
            w->of = e;
            w->j = w->to;
            w->e++;
            if (l->logit && l->logit[e] == -INFINITY)
                continue;
            return true;
        }
        start = start < w->hi ? start : w->hi;
        while (w->span < w->n_spans && w->spans[w->span].hi <= w->j)
            w->span++;
        int64_t lo = w->span < w->n_spans ? w->spans[w->span].lo : w->hi;
        lo = lo > w->j ? lo : w->j;
        if (lo >= start) {
            w->j = start;
            continue;
        }
        int64_t hi = w->spans[w->span].hi;
        w->from = lo;
        w->to = hi < start ? hi : start;
        w->of = -1;
        w->j = w->to;
        return true;
    }
    return false;
}

/* ---- blocks ---- */

static bool is_alone(const struct attn__list_walk *w)
{
    return w->of >= 0 && w->rows->replace && w->rows->replace[w->of];
}

static float logit_of(const struct attn__list_walk *w)
{
    return w->of >= 0 && w->rows->logit ? w->rows->logit[w->of] * (float)M_LOG2E : 0;
}

static void add(const struct attn__list_walk *w, struct attn__list_block *b, int64_t n,
                float logit)
{
    struct attn__list_run *last = b->runs > 0 ? &b->run[b->runs - 1] : NULL;
    bool listed = w->of >= 0;

    if (last && last->j0 + last->n == w->from && last->listed == listed && last->logit == logit)
        last->n += (int32_t)n;
    else
        b->run[b->runs++] = (struct attn__list_run){w->from, (int32_t)b->keys, (int32_t)n, listed,
                                                    logit};
    for (int64_t j = 0; j < n; j++)
        b->key[b->keys + j] = (int32_t)(w->from + j);
    b->keys += n;
    b->listed += listed ? n : 0;
    b->logits |= logit != 0;
}

/* Single keys that do not touch each other, the bulk of scattered lists, without
 * the questions that other stretches ask. */
static void add_singles(struct attn__list_walk *w, struct attn__list_block *b)
{
    const struct attn__select_rows *l = w->rows;
    int64_t e = w->e, end = w->end - e < w->most - b->keys ? w->end : e + w->most - b->keys;
    if (l->logit || w->n_spans > 0 || w->from < w->to)
        return;
    for (; e < end && l->length[e] == 1 && l->start[e] > w->j && l->start[e] < w->hi; e++) {
        w->j = l->start[e] + 1;
        b->run[b->runs++] =
            (struct attn__list_run){l->start[e], (int32_t)b->keys, 1, true, 0};
        b->key[b->keys++] = l->start[e];
        b->listed++;
    }
    w->e = e;
}

bool attn__list_walk_next(struct attn__list_walk *w, struct attn__list_block *b)
{
    b->keys = b->runs = b->listed = 0;
    b->alone = b->ends = b->logits = false;
    while (b->keys < w->most && (w->from < w->to || next_stretch(w))) {
        int64_t room = w->most - b->keys, n = w->to - w->from;
        bool alone = is_alone(w);
        /* Half a block of neighbours is read where it lies. */
        if (b->keys > 0 && (alone || (n > room && n >= w->most / 2)))
            break;
        n = n < room ? n : room;
        add(w, b, n, alone ? 0 : logit_of(w));
        w->from += n;
        add_singles(w, b);
        if (alone) {
            b->alone = true;
            b->ends = w->from == w->to;
            b->logit = logit_of(w);
            break;
        }
    }
    return b->keys > 0;
}
