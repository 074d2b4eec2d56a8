/* SPDX-License-Identifier: MIT */
/*
 * Lists of single keys that no neighbour shares, range by range.
 *
 * Read list by list, a row of K or V comes from RAM or L3 as often as some list has it.
 * So the keys are cut into ranges that L2 holds, and all lists of a pass go over the first
 * range, then over the second ...: once for their scores and, when these have become
 * weights, once for the values. As scores are kept in between, the maximum of a line is
 * known before its first weight, and sums are never scaled anew. While a range is in use
 * the next one is asked for, in shares, as its rows lie in memory.
 */
#include "solvers/list_by_ranges.h"

#include <math.h>

#include "solvers/ahead.h"
#include "solvers/flash_cost.h"

enum {
    SCORES = 1 << 18,      /* of a pass, at most */
    LONGEST = 1 << 12,     /* keys of a list */
    RANGE_BYTES = 1 << 19, /* of K or V; L2 has queries or sums, too, and what comes next */
    LEAST_BYTES = 1 << 20, /* of K and V that are not in L2 anyhow */
    LEAST_LISTS = 64,
    PLACES = 512,
};

/* May lists be gone over by ranges, whatever they are? */
static bool serves(const struct attn__problem *p)
{
    const int64_t floats = LEAST_BYTES / (int64_t)sizeof(float);
    return p->k != ATTN_UNBOUNDED && p->k > floats / (p->d + p->dv) && p->q >= LEAST_LISTS &&
           !p->select.logits && !attn__list_rules_add(p) && !p->score.own_rows &&
           !p->epilogue.head_gate && !attn__qk_changes_k(p) &&
           p->norm.kind == ATTN_NORMALIZER_SOFTMAX;
}

void attn__by_ranges_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__by_ranges_room *room)
{
    bool any = serves(p);
    int64_t n = any ? ATTN__BY_RANGES_ROWS : 0, scores = any ? SCORES : 0;
    int64_t places = any ? PLACES : 0;
    room->q = ATTN__TAKE(s, n * p->d, float);
    room->sum.o = ATTN__TAKE(s, n * p->dv, float);
    room->sum.m = ATTN__TAKE(s, n, float);
    room->sum.l = ATTN__TAKE(s, n, float);
    room->s = ATTN__TAKE(s, scores, float);
    room->key = ATTN__TAKE(s, scores, int32_t);
    room->list = ATTN__TAKE(s, n, struct attn__by_ranges_list);
    room->visit = ATTN__TAKE(s, places, struct attn__by_ranges_visit);
    room->place = ATTN__TAKE(s, places, const void *);
}

/* ---- is it worth while? ---- */

/* Rows that are used where they lie, at places that a multiplication finds. */
static bool in_place(const struct attn__rows *r)
{
    bool floats = r->dtype == ATTN_DTYPE_F32 || r->dtype == ATTN_DTYPE_F16 ||
                  r->dtype == ATTN_DTYPE_BF16;
    return floats && !r->paged && attn__rows_plain(r, r->dtype);
}

/* Are row r of the selection and the one behind it the same? */
static bool like_next(const struct attn__select_rows *l, int64_t r)
{
    int64_t a = l->row_ptr[r], b = l->row_ptr[r + 1], n = b - a;
    return l->row_ptr[r + 2] - b == n &&
           memcmp(l->start + a, l->start + b, (size_t)n * sizeof *l->start) == 0;
}

/* Lists of single keys, each of its own, by a few of them. */
static bool scattered(const struct attn__select_rows *l, int64_t row, int64_t n)
{
    enum { SAMPLES = 32 };
    int64_t first = l->row_ptr[row], entries = l->row_ptr[row + n] - first, same = 0;
    for (int64_t i = 0; i < SAMPLES; i++) {
        if (entries == 0 || l->length[first + entries / SAMPLES * i] > 1)
            return false;
        same += like_next(l, row + (n - 1) / SAMPLES * i);
    }
    return same <= SAMPLES / 8;
}

bool attn__by_ranges_pays(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                          const struct attn__select_rows *l, int64_t row, int64_t n)
{
    enum { LEAST_READS = 3 }; /* of a key, by a pass */
    if (!serves(c->p) || n < LEAST_LISTS)
        return false;
    struct attn__rows k = attn__call_k(c, s, h), v = attn__call_v(c, s, h);
    int64_t width = (c->p->d + c->p->dv) * (int64_t)attn__dtype_size(k.dtype);
    int64_t keys = (l->row_ptr[row + n] - l->row_ptr[row]) / n;
    int64_t pass = attn__min_i64(keys * attn__min_i64(n, ATTN__BY_RANGES_ROWS), SCORES);
    return in_place(&k) && in_place(&v) && s->nk > LEAST_BYTES / width && keys <= LONGEST &&
           pass / LEAST_READS >= s->nk && scattered(l, row, n);
}

/* A pass at work. */
struct work {
    struct attn__list_pass *ps;
    const struct attn__by_ranges_room *room;
    int64_t lists, keys, scores; /* so far; keys: written down */
    int64_t first, end; /* all keys are within */
};

/* ---- lists ---- */

/* The entries of a list, if they are keys that its line sees; else NULL. */
static const int32_t *as_listed(const struct work *w, struct attn__by_ranges_list *l)
{
    const struct attn__select_rows *rows = w->ps->vis.rows;
    int64_t e = rows->row_ptr[l->row], n = rows->row_ptr[l->row + 1] - e, longer = 0;
    for (int64_t i = e; i < e + n; i++)
        longer |= rows->length[i] - 1;
    if (n == 0 || longer != 0)
        return NULL;
    l->keys = n;
    return attn__vis_tile(&w->ps->listed, l->line, l->line + 1, rows->start[e],
                          (int64_t)rows->start[e + n - 1] + 1) == ATTN__TILE_FULL
               ? rows->start + e
               : NULL;
}

static void walk_list(const struct work *w, const struct attn__by_ranges_list *l,
                      struct attn__list_walk *walk)
{
    attn__list_walk_begin(walk, w->ps->rules, &w->ps->vis, l->row, l->line, l->line + 1,
                          attn__block_keys(w->ps->c->p));
}

/* Writes down the keys of a list; false if they are too many. */
static bool write_keys(struct work *w, struct attn__by_ranges_list *l)
{
    int32_t *key = w->room->key + w->keys;
    struct attn__list_walk walk;
    struct attn__list_block b;
    l->key = key;
    l->keys = 0;
    walk_list(w, l, &walk);
    while (attn__list_walk_next(&walk, &b)) {
        if (w->keys + l->keys + b.keys > SCORES)
            return false;
        memcpy(key + l->keys, b.key, (size_t)b.keys * sizeof *key);
        l->keys += b.keys;
    }
    w->keys += l->keys;
    return true;
}

/* Appends row `row` of the selection, which `line` has; false if there is no room. */
static bool add_list(struct work *w, int64_t row, int64_t line)
{
    struct attn__by_ranges_list *l = &w->room->list[w->lists];
    int64_t keys = w->keys;
    if (w->lists == ATTN__BY_RANGES_ROWS)
        return false;
    *l = (struct attn__by_ranges_list){.row = row, .line = line};
    l->key = as_listed(w, l);
    l->plain = l->key && w->ps->c->p->score.steps == 0;
    if ((!l->key && !write_keys(w, l)) || l->keys > LONGEST || l->keys > SCORES - w->scores) {
        w->keys = keys;
        return false;
    }
    l->s = w->room->s + w->scores;
    if (l->keys > 0) {
        w->first = attn__min_i64(w->first, l->key[0]);
        w->end = attn__max_i64(w->end, (int64_t)l->key[l->keys - 1] + 1);
    }
    w->lists++;
    w->scores += l->keys;
    return true;
}

static void begin_list(const struct work *w, int64_t b)
{
    struct attn__list_pass *ps = w->ps;
    struct attn__by_ranges_list *l = &w->room->list[b];
    int64_t d = ps->c->p->d, dv = ps->c->p->dv;
    float *q = w->room->q + b * d;
    attn__qk_load_q(&ps->qk, ps->kern, attn__vis_head(&ps->vis, l->line),
                    attn__vis_query(&ps->vis, l->line), 1, q, d);
    ps->kern->vec_scale(q, d, ps->scale);
    memset(w->room->sum.o + b * dv, 0, (size_t)dv * sizeof(float));
    l->next = 0;
}

static void score_list(const struct work *w, const struct attn__by_ranges_list *l)
{
    struct attn__list_walk walk;
    struct attn__list_block b;
    walk_list(w, l, &walk);
    for (int64_t at = 0; attn__list_walk_next(&walk, &b); at += b.keys)
        attn__list_pass_scores(w->ps, &b, l->line, l->s + at);
}

/* The products of list b are all there and become weights. */
static void weigh_list(const struct work *w, int64_t b)
{
    struct attn__list_pass *ps = w->ps;
    struct attn__by_ranges_list *l = &w->room->list[b];
    float *m = &w->room->sum.m[b], *sum = &w->room->sum.l[b];
    int64_t block = attn__block_keys(ps->c->p);
    ps->did_pairs += l->keys;
    ps->did_tiles += (l->keys + block - 1) / block;
    if (!l->plain)
        score_list(w, l);
    *m = ps->kern->row_max(l->s, l->keys);
    *sum = 0;
    for (int64_t j = 0; j < l->keys; j += block)
        ps->kern->row_softmax(l->s + j, attn__min_i64(block, l->keys - j), m, sum);
    if (*m == -INFINITY)
        l->keys = 0; /* values that its line does not see may be anything */
    l->next = 0;
}

/* ---- ranges ---- */

/* The cast of an array of places; what they lead to has the type. */
#define ATTN__PLACES(type, place) ((const type *const *)(const void *)(place))

typedef void visit_fn(const struct work *w, const struct attn__by_ranges_visit *v,
                      const void **at);

static void visit_keys(const struct work *w, const struct attn__by_ranges_visit *v,
                       const void **at)
{
    const struct attn__kernels *kern = w->ps->kern;
    int64_t d = w->ps->c->p->d;
    const float *q = w->room->q + v->list * d;
    float *s = w->room->list[v->list].s + v->from;
    if (w->ps->k.dtype == ATTN_DTYPE_F32)
        kern->row_qk_each_f32(ATTN__PLACES(float, at), v->n, d, q, d, 1, s, v->n, NULL);
    else
        (w->ps->k.dtype == ATTN_DTYPE_F16 ? kern->row_qk_each_f16 : kern->row_qk_each_bf16)(
            ATTN__PLACES(uint16_t, at), v->n, d, q, d, 1, s, v->n, NULL);
}

static void visit_values(const struct work *w, const struct attn__by_ranges_visit *v,
                         const void **at)
{
    const struct attn__kernels *kern = w->ps->kern;
    int64_t dv = w->ps->c->p->dv;
    const float *p = w->room->list[v->list].s + v->from;
    float *o = w->room->sum.o + v->list * dv, *part = w->ps->room->part;
    /* by themselves: a long chain gathers a large error */
    memset(part, 0, (size_t)dv * sizeof *part);
    if (w->ps->v.dtype == ATTN_DTYPE_F32)
        kern->row_pv_each_f32(ATTN__PLACES(float, at), v->n, dv, p, v->n, 1, part, dv, NULL);
    else
        (w->ps->v.dtype == ATTN_DTYPE_F16 ? kern->row_pv_each_f16 : kern->row_pv_each_bf16)(
            ATTN__PLACES(uint16_t, at), v->n, dv, p, v->n, 1, part, dv, NULL);
    for (int64_t e = 0; e < dv; e++)
        o[e] += part[e];
}

/* What is gone over: K or V, so many keys at a time. */
struct side {
    const struct attn__rows *rows;
    int64_t width, keys;
    visit_fn *visit;
};

static struct side side_of(const struct attn__rows *rows, int64_t width, visit_fn *visit)
{
    int64_t bytes = width * (int64_t)attn__dtype_size(rows->dtype);
    return (struct side){rows, width, attn__max_i64(RANGE_BYTES / bytes, 1), visit};
}

/* Ranges begin at the same keys whichever lists are in a pass, for the bits. */
static int64_t first_of(const struct work *w, const struct side *side)
{
    return w->first / side->keys * side->keys;
}

/* Asks for the range from key j on, as far as lists have keys. */
static void ask(const struct work *w, const struct side *side, int64_t j, struct attn__ahead *a)
{
    attn__ahead_add(a, side->rows, j, attn__min_i64(side->keys, w->end - j), side->width);
}

/* Of what is asked for the share of one list. */
static int64_t share(const struct work *w, const struct attn__ahead *a)
{
    return (attn__ahead_rows(a) + w->lists - 1) / w->lists;
}

static void do_visits(const struct work *w, const struct side *side, int64_t visits)
{
    const struct attn__by_ranges_visit *v = w->room->visit;
    for (int64_t i = 0, at = 0; i < visits; at += v[i++].n)
        side->visit(w, &v[i], w->room->place + at);
}

/* The places of keys below j1, of n at most; returns how many. */
static int64_t find_rows(const int32_t *key, int64_t n, int64_t j1, const char *base, int64_t step,
                         const void **place)
{
    int64_t found = 0;
    for (; found < n && key[found] < j1; found++)
        place[found] = base + key[found] * step;
    return found;
}

/* All lists over their keys below j1, which no range has had. */
static void range(const struct work *w, const struct side *side, int64_t j1,
                  struct attn__ahead *ahead)
{
    const struct attn__by_ranges_room *room = w->room;
    const char *base = side->rows->base;
    int64_t step = side->rows->row * (int64_t)attn__dtype_size(side->rows->dtype);
    int64_t each = share(w, ahead), most = attn__block_keys(w->ps->c->p), visits = 0, n = 0;
    for (int64_t b = 0; b < w->lists; b++) {
        struct attn__by_ranges_list *l = &room->list[b];
        for (int64_t found = most; found == most;) {
            if (n + most > PLACES) {
                do_visits(w, side, visits);
                visits = n = 0;
            }
            found = find_rows(l->key + l->next, attn__min_i64(l->keys - l->next, most), j1, base,
                              step, room->place + n);
            if (found > 0)
                room->visit[visits++] = (struct attn__by_ranges_visit){b, l->next, found};
            l->next += found;
            n += found;
        }
        attn__ahead_fetch(ahead, each);
    }
    do_visits(w, side, visits);
}

/* then: what is gone over next; NULL: nothing. */
static void ranges(const struct work *w, const struct side *side, const struct side *then)
{
    for (int64_t j = first_of(w, side), j1; j < w->end; j = j1) {
        struct attn__ahead ahead = {.runs = 0};
        j1 = attn__min_i64(j + side->keys, w->end);
        if (j1 < w->end)
            ask(w, side, j1, &ahead);
        else if (then)
            ask(w, then, first_of(w, then), &ahead);
        range(w, side, j1, &ahead);
    }
}

/* ---- passes ---- */

static void pass(const struct work *w, int64_t most)
{
    const struct attn__by_ranges_room *room = w->room;
    struct attn__list_pass *ps = w->ps;
    int64_t d = ps->c->p->d, dv = ps->c->p->dv;
    const struct side keys = side_of(&ps->k, d, visit_keys);
    const struct side values = side_of(&ps->v, dv, visit_values);
    struct attn__ahead ahead = {.runs = 0};
    if (w->first < w->end)
        ask(w, &keys, first_of(w, &keys), &ahead);
    int64_t each = share(w, &ahead);
    for (int64_t b = 0; b < w->lists; b++) {
        begin_list(w, b);
        attn__ahead_fetch(&ahead, each);
    }
    ranges(w, &keys, &values);
    for (int64_t b = 0; b < w->lists; b++)
        weigh_list(w, b);
    ranges(w, &values, NULL);
    for (int64_t r = 0, n; r < w->lists; r += n) {
        const struct attn__list_sums sum = {room->sum.o + r * dv, room->sum.m + r,
                                            room->sum.l + r};
        n = attn__min_i64(most, w->lists - r);
        attn__list_pass_finish(ps, room->list[0].line + r, n, &sum);
    }
}

static struct work begin(struct attn__list_pass *ps, const struct attn__by_ranges_room *room)
{
    return (struct work){.ps = ps, .room = room, .first = INT64_MAX};
}

void attn__by_ranges_run(struct attn__list_pass *ps, const struct attn__by_ranges_room *room,
                         int64_t row, int64_t r0, int64_t r1, int64_t most)
{
    struct work w = begin(ps, room);
    for (int64_t r = r0; r < r1; r++, row++) {
        if (add_list(&w, row, r))
            continue;
        if (w.lists > 0)
            pass(&w, most);
        w = begin(ps, room);
        if (!add_list(&w, row, r))
            attn__list_pass_lines(ps, row, r, 1);
    }
    if (w.lists > 0)
        pass(&w, most);
}
