/* SPDX-License-Identifier: MIT */
/*
 * lists: attention along index lists. The lines (queries of heads) that share
 * a list and K and V go over its keys together: scattered keys are gathered
 * into full blocks, neighbours read where they lie. Many lines are tiles as in
 * flash, few are rows as in decode; what they share of a list they share of
 * the gathering. list_walk.c says which keys, list_pass.c does the sums.
 *
 * A unit is up to PASS_ROWS lines of one list, or as many short lists, of which
 * equal ones are passed as one; or some hundred or thousand lines of lists that fill no
 * tiles by themselves: gathered by the keys they have in common (list_by_keys.c), or
 * over ranges of keys, where those are single ones (list_by_ranges.c).
 * Lines that head gates leave out are passed over, and the others close up. The
 * long list of a single query is cut into several units, whose sums are joined in
 * order. What a line gets follows from the selection and the lengths alone.
 */
#include <stdio.h>

#include "solvers/active.h"
#include "solvers/epilogue.h"
#include "solvers/flash_cost.h"
#include "solvers/list_by_keys.h"
#include "solvers/list_by_ranges.h"
#include "solvers/solvers.h"
#include "solvers/units.h"

/* Lines that go over the keys together; keys that are worth a unit of their own
 * where a sequence has a single query. */
enum { PASS_ROWS = ATTN__FLASH_ROWS, PART_KEYS = 4096 };

struct state {
    const struct attn__exec *x;
    struct attn__list_rules rules;
    struct attn__list_room *room; /* of each worker */
    struct attn__active active;
    struct attn__by_keys_room *by_keys; /* of each worker */
    struct attn__by_ranges_room *by_ranges; /* of each worker */
    struct attn__list_sums part; /* rows [b][parts][hout], of single queries */
};

/* Parts that the list of a single query may be cut into; 1: it is not cut. */
static int64_t most_parts(const struct attn__problem *p)
{
    if (p->k == ATTN_UNBOUNDED || p->select.logits || p->norm.kind != ATTN_NORMALIZER_SOFTMAX)
        return 1;
    return attn__max_i64(p->k / PART_KEYS, 1);
}

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *reason = NULL;
    if (p->select.layout != ATTN_SELECTION_ROWS)
        reason = "there is no selection of rows";
    else if (p->invariant == ATTN_INVARIANT_CHUNK)
        reason = "invariant=chunk, and blocks begin where lists do";
    if (reason) {
        snprintf(why, ATTN__WHY_MAX, "%s", reason);
        return false;
    }
    return attn__finish_applicable_logits(p, ATTN_WANT_COUNTS, why);
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)q;
    (void)k;
    int32_t w = 2 * m->kern->lanes, pass = PASS_ROWS / w;
    return (struct attn__tiles){.rows = w, .keys = attn__block_keys(p), .pass = pass};
}

/* What lists leave out comes at execute; that others look for it block by
 * block, where this one is told, is never less. */
static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double flash = attn__flash_cost(p, m, q, k), decode = attn__solver_decode.cost(p, m, q, k);
    return (flash < decode ? flash : decode) / 2;
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    attn__units_take(s, p, start);
    attn__active_take(s, p, false, &st->active);
    st->room = ATTN__TAKE(s, m->threads, struct attn__list_room);
    for (int64_t n = 0; n < m->threads; n++) {
        struct attn__list_room room;
        attn__list_room_take(s, p, m, PASS_ROWS, &room);
        if (st->room)
            st->room[n] = room;
    }
    st->by_keys = ATTN__TAKE(s, m->threads, struct attn__by_keys_room);
    for (int64_t n = 0; n < m->threads; n++) {
        struct attn__by_keys_room room;
        attn__by_keys_take(s, p, &room);
        if (st->by_keys)
            st->by_keys[n] = room;
    }
    st->by_ranges = ATTN__TAKE(s, m->threads, struct attn__by_ranges_room);
    for (int64_t n = 0; n < m->threads; n++) {
        struct attn__by_ranges_room room;
        attn__by_ranges_take(s, p, &room);
        if (st->by_ranges)
            st->by_ranges[n] = room;
    }
    int64_t rows = 0, all = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &rows) &&
            attn__mul_i64(rows, most_parts(p) > 1 ? most_parts(p) : 0, &rows) &&
            attn__mul_i64(rows, p->dv, &all);
    st->part.o = ATTN__TAKE(s, all, float);
    st->part.m = ATTN__TAKE(s, rows, float);
    st->part.l = ATTN__TAKE(s, rows, float);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st = {.room = NULL};
    int64_t *start;
    carve(&s, p, m, &st, &start);
    *bytes = s.used;
    return s.ok;
}

/* Heads h0..h0+heads-1 share K, V and lists. */
struct strip {
    int64_t h0, heads;
};

/* The strips of head group g: sets of the selection as far as they are in it. */
static int64_t strips_of(const struct attn__problem *p, const struct attn__select_rows *l,
                         int64_t g)
{
    return (p->group[g + 1] - 1) / l->head_group - p->group[g] / l->head_group + 1;
}

static struct strip strip_at(const struct attn__problem *p, const struct attn__select_rows *l,
                             int64_t g, int64_t n)
{
    int64_t set = p->group[g] / l->head_group + n;
    int64_t h0 = attn__max_i64(p->group[g], set * l->head_group);
    int64_t h1 = attn__min_i64(p->group[g + 1], (set + 1) * l->head_group);
    return (struct strip){h0, h1 - h0};
}

/* How the lists of a unit go over their keys: each by itself, or as list_by_keys.c or
 * list_by_ranges.c says. */
enum way { ALONE, BY_KEYS, BY_RANGES };

/* How a strip is cut: units of `blocks` blocks of queries, or each block into
 * `slices` units; and with a single query its list into `parts`, unit after unit. */
struct cut {
    int64_t blocks, slices, parts, units;
    enum way way;
};

/* About so many keys are in the list, by a few of its entries. */
static int64_t keys_about(const struct attn__select_rows *l, int64_t row)
{
    enum { SAMPLES = 8 };
    int64_t first = l->row_ptr[row], n = l->row_ptr[row + 1] - first, sum = 0;
    for (int64_t i = 0; i < SAMPLES && n > 0; i++)
        sum += l->length[first + n / SAMPLES * i + n % SAMPLES * i / SAMPLES];
    return attn__mul_i64(sum, n, &sum) ? sum / SAMPLES : INT64_MAX;
}

static int64_t parts_of(const struct attn__problem *p, const struct attn__select_rows *l,
                        const struct attn__seq *s, const struct strip *t)
{
    if (s->nq != 1 || most_parts(p) == 1)
        return 1;
    int64_t row = attn__select_row(l, s->index, t->h0, 0);
    return attn__max_i64(attn__min_i64(keys_about(l, row) / PART_KEYS, most_parts(p)), 1);
}

static const struct attn__select_rows *rows_of(const struct attn__exec *x)
{
    const struct attn__select *sel = x->call->object[ATTN__SLOT_SELECTION];
    return &sel->rows;
}

/* Of n lists of so many lines each, in a sequence that has queries. */
static enum way way_of(const struct attn__exec *x, const struct attn__seq *s,
                       const struct strip *t, int64_t n, int64_t lines)
{
    const struct attn__call *c = x->call;
    const struct attn__select_rows *l = rows_of(x);
    int64_t row = attn__select_row(l, s->index, t->h0, 0), lanes = x->machine->kern->lanes;
    if (attn__by_keys_serves(c->p) && attn__by_keys_pays(l, row, n, lines, lanes))
        return BY_KEYS;
    return lines == 1 && attn__by_ranges_pays(c, s, t->h0, l, row, n) ? BY_RANGES : ALONE;
}

static struct cut cut_of(const struct attn__exec *x, const struct attn__seq *s,
                         const struct strip *t)
{
    const struct attn__problem *p = x->call->p;
    const struct attn__select_rows *l = rows_of(x);
    int64_t block = attn__min_i64(l->q_block, attn__max_i64(s->nq, 1));
    int64_t n = attn__max_i64((s->nq + block - 1) / block, 1), lines, most = PASS_ROWS;
    struct cut c = {.blocks = 1, .slices = 1, .parts = parts_of(p, l, s, t)};
    if (!attn__mul_i64(block, t->heads, &lines))
        lines = INT64_MAX - PASS_ROWS;
    if (s->nq > 0)
        c.way = way_of(x, s, t, n, lines);
    if (c.way == BY_KEYS)
        most = ATTN__BY_KEYS_ROWS;
    else if (c.way == BY_RANGES) /* no bits hang on who is in a unit: something for each thread */
        most = attn__max_i64(attn__min_i64(s->nq * p->hout / x->machine->threads,
                                           ATTN__BY_RANGES_ROWS), most);
    if (lines > most)
        c.slices = (lines + most - 1) / most;
    else
        c.blocks = most / lines;
    c.units = c.slices > 1 ? n * c.slices : (n + c.blocks - 1) / c.blocks;
    c.units *= c.parts;
    return c;
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    const struct attn__select_rows *l = rows_of(x);
    int64_t units = 0;
    for (int64_t g = 0; g < x->call->p->n_groups; g++)
        for (int64_t n = 0; n < strips_of(x->call->p, l, g); n++) {
            struct strip t = strip_at(x->call->p, l, g, n);
            units += cut_of(x, s, &t).units;
        }
    return units;
}

/* The strip of unit *index, which is then counted within it. */
static struct strip find_strip(const struct attn__exec *x, const struct attn__seq *s,
                               int64_t *index, struct cut *c)
{
    const struct attn__select_rows *l = rows_of(x);
    for (int64_t g = 0;; g++)
        for (int64_t n = 0; n < strips_of(x->call->p, l, g); n++) {
            struct strip t = strip_at(x->call->p, l, g, n);
            *c = cut_of(x, s, &t);
            if (*index < c->units)
                return t;
            *index -= c->units;
        }
}

static bool same_list(const struct attn__select_rows *l, int64_t a, int64_t b)
{
    int64_t at = l->row_ptr[a], n = l->row_ptr[a + 1] - at, to = l->row_ptr[b];
    size_t all = (size_t)n;
    return l->row_ptr[b + 1] - to == n &&
           memcmp(l->start + at, l->start + to, all * sizeof *l->start) == 0 &&
           memcmp(l->length + at, l->length + to, all * sizeof *l->length) == 0 &&
           (!l->logit || memcmp(l->logit + at, l->logit + to, all * sizeof *l->logit) == 0) &&
           (!l->replace || memcmp(l->replace + at, l->replace + to, all) == 0);
}

/* Of the `most` blocks of queries from `row` on, how many have the list of the
 * first: neighbours often choose alike. */
static int64_t alike(const struct attn__select_rows *l, int64_t row, int64_t most)
{
    int64_t n = 1;
    while (n < most && same_list(l, row, row + n))
        n++;
    return n;
}

static void begin(const struct state *st, int64_t worker, const struct attn__seq *s,
                  const struct strip *t, bool by_keys, struct attn__list_pass *ps)
{
    bool lines = by_keys || st->x->call->p->epilogue.head_gate;
    *ps = (struct attn__list_pass){.c = st->x->call,
                                   .kern = st->x->machine->kern,
                                   .s = s,
                                   .rules = &st->rules,
                                   .room = &st->room[worker],
                                   .h0 = t->h0,
                                   .heads = t->heads};
    attn__list_pass_begin(ps, lines ? ps->room->lines : NULL);
}

/* What is to be computed of lines *r0..r1-1: how many rows of the pass, from *r0
 * on. With head gates these are the active lines. */
static int64_t active_lines(const struct attn__list_pass *ps, int64_t *r0, int64_t r1)
{
    int64_t *lines = ps->room->lines, n = 0;
    if (!ps->vis.lines)
        return r1 - *r0;
    for (int64_t r = *r0; r < r1; r++)
        if (attn__epilogue_active(ps->c, ps->s, ps->h0 + r % ps->heads, r / ps->heads))
            lines[n++] = r;
    *r0 = 0;
    return n;
}

/* The lines of a slice of a block of queries. */
static int64_t slice_end(const struct attn__seq *s, const struct strip *t, int64_t slice)
{
    return attn__min_i64((slice + 1) * PASS_ROWS, s->nq * t->heads);
}

/* ---- a single query ---- */

/* Rows of part n and of heads from h on. */
static struct attn__list_sums part_at(const struct state *st, const struct attn__seq *s, int64_t n,
                                      int64_t h)
{
    const struct attn__problem *p = st->x->call->p;
    int64_t at = (s->index * most_parts(p) + n) * p->hout + h;
    return (struct attn__list_sums){st->part.o + at * p->dv, st->part.m + at, st->part.l + at};
}

/* The first key of part n, or the end of the keys. Parts have as many entries, one
 * that reaches over several of them being cut by its keys. */
static int64_t part_begin(const struct attn__select_rows *l, const struct attn__seq *s,
                          int64_t row, int64_t n, int64_t parts)
{
    int64_t first = l->row_ptr[row], entries = l->row_ptr[row + 1] - first;
    if (n == 0 || n == parts)
        return n == 0 ? 0 : s->nk;
    int64_t e = first + entries * n / parts, within = entries * n % parts;
    return l->start[e] + l->length[e] * within / parts;
}

/* Part n of the list; its share of the tiles in all. */
static int64_t pass_part(const struct state *st, struct attn__list_pass *ps, const struct strip *t,
                         const struct cut *cut, int64_t slice, int64_t n)
{
    const struct attn__select_rows *l = rows_of(st->x);
    int64_t row = attn__select_row(l, ps->s->index, t->h0, 0), r0 = slice * PASS_ROWS;
    const struct attn__list_sums to = part_at(st, ps->s, n, t->h0 + r0);
    int64_t r1 = slice_end(ps->s, t, slice), tiles = attn__list_pass_tiles(ps, r1 - r0);
    int64_t rows = active_lines(ps, &r0, r1);
    if (rows > 0)
        attn__list_pass_part(ps, row, r0, rows, part_begin(l, ps->s, row, n, cut->parts),
                             part_begin(l, ps->s, row, n + 1, cut->parts), &to);
    return tiles * (n + 1) / cut->parts - tiles * n / cut->parts;
}

/* All parts of a strip are there. */
static void join_parts(const struct state *st, const struct attn__seq *s, const struct strip *t,
                       const struct cut *cut)
{
    struct attn__list_pass ps;
    begin(st, 0, s, t, false, &ps);
    for (int64_t slice = 0; slice < cut->slices; slice++) {
        int64_t r0 = slice * PASS_ROWS, h = t->h0 + r0;
        int64_t rows = active_lines(&ps, &r0, slice_end(s, t, slice));
        const struct attn__list_sums sum = part_at(st, s, 0, h);
        for (int64_t n = 1; n < cut->parts && rows > 0; n++) {
            const struct attn__list_sums part = part_at(st, s, n, h);
            attn__list_pass_join(&sum, &part, rows, st->x->call->p->dv);
        }
        if (rows > 0)
            attn__list_pass_finish(&ps, r0, rows, &sum);
    }
}

static void join_all(const struct state *st)
{
    const struct attn__call *c = st->x->call;
    const struct attn__select_rows *l = rows_of(st->x);
    for (int64_t i = 0; i < c->n_seq && most_parts(c->p) > 1; i++) {
        struct attn__seq s = attn__call_seq(c, i);
        for (int64_t g = 0; g < c->p->n_groups && attn__exec_mine(st->x, &s); g++)
            for (int64_t n = 0; n < strips_of(c->p, l, g); n++) {
                struct strip t = strip_at(c->p, l, g, n);
                struct cut cut = cut_of(st->x, &s, &t);
                if (cut.parts > 1)
                    join_parts(st, &s, &t, &cut);
            }
    }
}

/* ---- units ---- */

/* Slice or blocks number `index` of a strip; tiles in all. */
static int64_t pass_blocks(const struct state *st, struct attn__list_pass *ps,
                           const struct strip *t, const struct cut *cut, int64_t index)
{
    const struct attn__select_rows *l = rows_of(st->x);
    const struct attn__seq *s = ps->s;
    int64_t first = index / cut->slices * cut->blocks, all_tiles = 0;
    int64_t end = attn__min_i64(first + cut->blocks, (s->nq - 1) / l->q_block + 1);
    for (int64_t b = first, n; b < end; b += n) {
        int64_t i0 = b * l->q_block, row = attn__select_row(l, s->index, t->h0, i0);
        n = alike(l, row, end - b);
        int64_t i1 = attn__min_i64(n * l->q_block, s->nq - i0) + i0, r1 = i1 * t->heads;
        int64_t r0 = i0 * t->heads + index % cut->slices * PASS_ROWS;
        r1 = cut->slices > 1 ? attn__min_i64(r0 + PASS_ROWS, r1) : r1;
        if (r0 >= r1)
            continue;
        all_tiles += attn__list_pass_tiles(ps, r1 - r0);
        int64_t rows = active_lines(ps, &r0, r1);
        if (rows > 0)
            attn__list_pass_lines(ps, row, r0, rows);
    }
    return all_tiles;
}

/* Unit number `index` of a strip whose lists are gone over together; tiles in all. */
static int64_t pass_together(const struct state *st, int64_t worker, struct attn__list_pass *ps,
                             const struct strip *t, const struct cut *cut, int64_t index)
{
    const struct attn__select_rows *l = rows_of(st->x);
    int64_t b0 = index * cut->blocks, i0 = b0 * l->q_block;
    int64_t b1 = attn__min_i64(b0 + cut->blocks, (ps->s->nq - 1) / l->q_block + 1);
    int64_t i1 = attn__min_i64(b1 * l->q_block, ps->s->nq);
    int64_t row = attn__select_row(l, ps->s->index, t->h0, i0);
    if (cut->way == BY_KEYS)
        attn__by_keys_run(ps, &st->by_keys[worker], row, b0, b1, PASS_ROWS);
    else
        attn__by_ranges_run(ps, &st->by_ranges[worker], row, i0, i1, PASS_ROWS);
    return attn__list_pass_tiles(ps, (i1 - i0) * t->heads);
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    const struct state *st = arg;
    const struct attn__call *c = st->x->call;
    struct cut cut;
    struct strip t = find_strip(st->x, s, &index, &cut);
    for (int64_t h = t.h0; h < t.h0 + t.heads && index == 0 && !c->p->epilogue.head_gate; h++)
        attn__rows_pad(c, s, h);
    if (s->nq == 0)
        return;
    struct attn__list_pass ps;
    begin(st, worker, s, &t, cut.way == BY_KEYS, &ps);
    int64_t all_tiles;
    if (cut.parts > 1)
        all_tiles = pass_part(st, &ps, &t, &cut, index / cut.parts, index % cut.parts);
    else if (cut.way != ALONE)
        all_tiles = pass_together(st, worker, &ps, &t, &cut, index);
    else
        all_tiles = pass_blocks(st, &ps, &t, &cut, index);
    /* runs of listed keys that begin and end within tiles may be more than those */
    attn__exec_did(st->x, ps.did_pairs, attn__min_i64(ps.did_tiles, all_tiles), all_tiles);
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, &st, &u.start);
    attn__list_rules_of(x->call->p, &st.rules);
    attn__active_begin(x, &st.active);
    attn__units_run(&u);
    join_all(&st);
}

const struct attn__solver attn__solver_lists = {
    .name = "lists",
    .verb = ATTN__VERB_ATTEND,
    .reads_pages = true,
    .applicable = applicable,
    .tiles = tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
