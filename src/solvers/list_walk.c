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

bool attn__list_rules_add(const struct attn__problem *p)
{
    bool add = false;
    for (int32_t n = 0; n < p->n_pieces; n++)
        add |= p->piece[n].kind == ATTN__PIECE_ROWS && p->piece[n].any;
    return add;
}

void attn__list_rules_of(const struct attn__problem *p, struct attn__list_rules *rules)
{
    rules->adds = attn__list_rules_add(p);
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

/* Before a run of another kind is added. */
static void write_runs(struct attn__list_block *b)
{
    for (int64_t n = 0; n < b->runs; n++)
        b->run[n] = attn__list_run_at(b, n);
    b->singles = false;
}

static void add(const struct attn__list_walk *w, struct attn__list_block *b, int64_t n,
                float logit)
{
    struct attn__list_run *last = b->runs > 0 ? &b->run[b->runs - 1] : NULL;
    bool listed = w->of >= 0;

    if (b->singles)
        write_runs(b);
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

/* Entries of single keys, without the questions that other stretches ask. In a
 * block that begins with them they are runs even if they touch each other. */
static void add_singles(struct attn__list_walk *w, struct attn__list_block *b)
{
    const struct attn__select_rows *l = w->rows;
    int64_t e = w->e, n = b->keys, j = w->j;
    int64_t end = w->end - e < w->most - n ? w->end : e + w->most - n;
    bool begins = n == 0;
    if (l->logit || w->n_spans > 0 || w->from < w->to)
        return;
    for (; e < end && l->length[e] == 1 && l->start[e] < w->hi; e++) {
        if (!begins && l->start[e] == j)
            break;
        j = (int64_t)l->start[e] + 1;
        if (!begins)
            b->run[b->runs + e - w->e] =
                (struct attn__list_run){l->start[e], (int32_t)n, 1, true, 0};
        b->key[n++] = l->start[e];
    }
    b->singles = begins && n > 0;
    b->runs += e - w->e;
    b->listed += e - w->e;
    b->keys = n;
    w->e = e;
    w->j = j;
}

/* Runs that are one behind the other become one. */
static void join_singles(struct attn__list_block *b)
{
    if (b->singles && b->key[b->keys - 1] - b->key[0] == b->keys - 1) {
        b->run[0] = (struct attn__list_run){b->key[0], 0, (int32_t)b->keys, true, 0};
        b->runs = 1;
        b->singles = false;
    }
}

void attn__list_block_of(int64_t j0, int64_t n, struct attn__list_block *b)
{
    b->keys = b->listed = n;
    b->runs = 1;
    b->alone = b->ends = b->logits = b->singles = false;
    b->run[0] = (struct attn__list_run){j0, 0, (int32_t)n, true, 0};
    for (int64_t j = 0; j < n; j++)
        b->key[j] = (int32_t)(j0 + j);
}

bool attn__list_walk_next(struct attn__list_walk *w, struct attn__list_block *b)
{
    b->keys = b->runs = b->listed = 0;
    b->alone = b->ends = b->logits = b->singles = false;
    add_singles(w, b);
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
    join_singles(b);
    return b->keys > 0;
}
