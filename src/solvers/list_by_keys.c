/* SPDX-License-Identifier: MIT */
/*
 * Lines of many lists, gathered at the keys that they have in common.
 *
 * Every list waits for the first key of its next entry. Keys are gone over in
 * order; the lists that wait for one go over what their entries share of it
 * together, up to the nearest end among them, and then wait for what comes next
 * in each. So a line meets its keys in their order, with the sums that it
 * brought along, and nothing has to be joined afterwards.
 */
#include "solvers/list_by_keys.h"

#include "problem/vis_piece.h"
#include "solvers/epilogue.h"

enum { NOBODY = -1, WORD = 64 };

/* Entries of fewer keys on the average are not worth fetching queries and sums for. */
enum { LEAST_KEYS = 32 };

bool attn__by_keys_serves(const struct attn__problem *p)
{
    return p->k != ATTN_UNBOUNDED && !p->select.logits && !attn__list_rules_add(p) &&
           !p->score.own_rows && p->norm.kind == ATTN_NORMALIZER_SOFTMAX;
}

void attn__by_keys_take(struct attn__scratch *s, const struct attn__problem *p,
                        struct attn__by_keys_room *room)
{
    int64_t n = attn__by_keys_serves(p) ? ATTN__BY_KEYS_ROWS : 0;
    room->q = ATTN__TAKE(s, n * p->d, float);
    room->sum.o = ATTN__TAKE(s, n * p->dv, float);
    room->sum.m = ATTN__TAKE(s, n, float);
    room->sum.l = ATTN__TAKE(s, n, float);
    room->line = ATTN__TAKE(s, n, int64_t);
    room->first = ATTN__TAKE(s, n + 1, int64_t);
    room->entry = ATTN__TAKE(s, n, int64_t);
    room->end_key = ATTN__TAKE(s, n, int64_t);
    room->waiting = ATTN__TAKE(s, n > 0 ? p->k : 0, int32_t);
    room->before = ATTN__TAKE(s, n, int32_t);
    room->here = ATTN__TAKE(s, n / WORD, uint64_t);
    room->at = ATTN__TAKE(s, n, int64_t);
}

bool attn__by_keys_pays(const struct attn__select_rows *l, int64_t row, int64_t n, int64_t lines,
                        int64_t lanes)
{
    enum { SAMPLES = 32 };
    int64_t first = l->row_ptr[row], entries = l->row_ptr[row + n] - first, keys = 0;
    if (8 * lines >= 7 * lanes || n < 2 * lanes / lines || entries == 0)
        return false;
    for (int64_t i = 0; i < SAMPLES; i++)
        keys += l->length[first + entries / SAMPLES * i + entries % SAMPLES * i / SAMPLES];
    return keys >= SAMPLES * LEAST_KEYS;
}

/* A unit at work. */
struct work {
    struct attn__list_pass *ps;
    const struct attn__by_keys_room *room;
    const struct attn__select_rows *rows;
    int64_t row, lists, most;
};

/* ---- lines ---- */

/* The lines of lists b0..b1-1 that are to be computed. */
static int64_t find_lines(const struct work *w, int64_t b0)
{
    const struct attn__list_pass *ps = w->ps;
    const struct attn__by_keys_room *room = w->room;
    bool gated = ps->c->p->epilogue.head_gate;
    int64_t n = 0;
    for (int64_t b = 0; b < w->lists; b++) {
        int64_t i0 = (b0 + b) * w->rows->q_block;
        int64_t i1 = attn__min_i64(i0 + w->rows->q_block, ps->s->nq);
        room->first[b] = n;
        for (int64_t r = i0 * ps->heads; r < i1 * ps->heads; r++)
            if (!gated || attn__epilogue_active(ps->c, ps->s, ps->h0 + r % ps->heads,
                                                r / ps->heads))
                room->line[n++] = r;
    }
    room->first[w->lists] = n;
    return n;
}

static void begin_lines(const struct work *w, int64_t n)
{
    const struct attn__by_keys_room *room = w->room;
    const struct attn__problem *p = w->ps->c->p;
    memset(room->sum.o, 0, (size_t)(n * p->dv) * sizeof *room->sum.o);
    for (int64_t r = 0; r < n; r++) {
        room->sum.m[r] = -INFINITY;
        room->sum.l[r] = 0;
    }
    for (int64_t r = 0, run; r < n; r += run) {
        run = attn__min_i64(w->most, n - r);
        memcpy(w->ps->room->lines, room->line + r, (size_t)run * sizeof *room->line);
        attn__list_pass_queries(w->ps, run, room->q + r * p->d);
    }
}

static void finish_lines(const struct work *w, int64_t n)
{
    const struct attn__by_keys_room *room = w->room;
    for (int64_t r = 0, run; r < n; r += run) {
        run = attn__min_i64(w->most, n - r);
        const struct attn__list_sums sum = {room->sum.o + r * w->ps->c->p->dv, room->sum.m + r,
                                            room->sum.l + r};
        memcpy(w->ps->room->lines, room->line + r, (size_t)run * sizeof *room->line);
        attn__list_pass_finish(w->ps, 0, run, &sum);
    }
}

/* ---- lists ---- */

/* List b waits for its first key from j on, if it has one that may be seen. */
static void wait(const struct work *w, int64_t b, int64_t j)
{
    const struct attn__by_keys_room *room = w->room;
    const struct attn__select_rows *l = w->rows;
    int64_t e = room->entry[b], end = l->row_ptr[w->row + b + 1];
    if (e < end && (int64_t)l->start[e] + l->length[e] <= j)
        e++;
    room->entry[b] = e;
    if (e == end)
        return;
    int64_t key = attn__max_i64(l->start[e], j);
    if (key >= room->end_key[b])
        return;
    room->before[b] = room->waiting[key];
    room->waiting[key] = (int32_t)b;
}

static void begin_lists(const struct work *w)
{
    const struct attn__by_keys_room *room = w->room;
    const struct attn__select_rows *l = w->rows;
    for (int64_t j = 0; j < w->ps->s->nk; j++)
        room->waiting[j] = NOBODY;
    memset(room->here, 0, ATTN__BY_KEYS_ROWS / WORD * sizeof *room->here);
    for (int64_t b = 0; b < w->lists; b++) {
        int64_t first = room->first[b], n = room->first[b + 1] - first, j = 0;
        if (n == 0)
            continue;
        memcpy(w->ps->room->lines, room->line + first, (size_t)n * sizeof *room->line);
        attn__vis_hull(&w->ps->listed, 0, n, &j, &room->end_key[b]);
        room->entry[b] = attn__select_find(l, l->row_ptr[w->row + b], l->row_ptr[w->row + b + 1],
                                           j);
        wait(w, b, j);
    }
}

/* Notes who waits for key j; returns the nearest end of their entries. */
static int64_t call_waiting(const struct work *w, int64_t j)
{
    const struct attn__by_keys_room *room = w->room;
    int64_t end = INT64_MAX;
    for (int64_t b = room->waiting[j]; b != NOBODY; b = room->before[b]) {
        int64_t e = room->entry[b];
        room->here[b / WORD] |= UINT64_C(1) << b % WORD;
        end = attn__min_i64(end, (int64_t)w->rows->start[e] + w->rows->length[e]);
    }
    return attn__min_i64(end, w->ps->s->nk);
}

/* `n` lines, which stand at room->at, go over keys j0..j1-1. */
static void pass(const struct work *w, int64_t n, int64_t j0, int64_t j1)
{
    const struct attn__by_keys_room *room = w->room;
    for (int64_t r = 0; r < n; r++)
        w->ps->room->lines[r] = room->line[room->at[r]];
    attn__list_pass_along(w->ps, room->at, n, j0, j1, room->q, &room->sum);
}

/* All that have been called, in their order: rising lines are what masks want. */
static void pass_called(const struct work *w, int64_t j0, int64_t j1)
{
    const struct attn__by_keys_room *room = w->room;
    int64_t n = 0;
    for (int64_t word = 0; word * WORD < w->lists; word++) {
        for (; room->here[word] != 0; room->here[word] &= room->here[word] - 1) {
            int64_t b = word * WORD + __builtin_ctzll(room->here[word]);
            for (int64_t r = room->first[b]; r < room->first[b + 1]; r++) {
                room->at[n++] = r;
                if (n == w->most) {
                    pass(w, n, j0, j1);
                    n = 0;
                }
            }
            wait(w, b, j1);
        }
    }
    if (n > 0)
        pass(w, n, j0, j1);
}

void attn__by_keys_run(struct attn__list_pass *ps, const struct attn__by_keys_room *room,
                       int64_t row, int64_t b0, int64_t b1, int64_t most)
{
    const struct work w = {ps, room, ps->vis.rows, row, b1 - b0, most};
    int64_t n = find_lines(&w, b0);
    if (n == 0)
        return;
    begin_lines(&w, n);
    begin_lists(&w);
    for (int64_t j = 0; j < ps->s->nk; j++)
        if (room->waiting[j] != NOBODY)
            pass_called(&w, j, call_waiting(&w, j));
    finish_lines(&w, n);
}
