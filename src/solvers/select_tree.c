/* SPDX-License-Identifier: MIT */
/*
 * A search in rounds. The candidates of a row of queries, cut into blocks, make m
 * groups of equal size; each round halves every group and keeps the m halves whose
 * representative block has the largest product with a query of the row, until a
 * group is one block. Groups stay in the order of their keys, so that what is left
 * at the end is a list.
 */
#include "solvers/select_tree.h"

#include "solvers/select_pick.h"
#include "solvers/select_stripes.h"
#include "solvers/select_tasks.h"
#include "solvers/select_view.h"

struct desk {
    char *q;     /* [queries][d]: those that are looked at */
    char *k;     /* [ATTN__POOLED_PIECE][d]: keys of representatives */
    char *s;     /* [queries][ATTN__POOLED_PIECE] */
    float *piece;
    int64_t *start, *size; /* [2 groups] */
    double *score, *pick;  /* [2 groups] */
    uint8_t *state;        /* [2 groups] */
};

static int64_t groups_of(const struct attn__pooled_spec *spec)
{
    return attn__pooled_parts(spec->tree.keys, spec->k_block);
}

/* Queries that are looked at in a row of n: each stride-th from the first on, and
 * the last one where that is behind it. */
static int64_t queries_of(const struct attn__pooled_spec *spec, int64_t n)
{
    int64_t first = spec->tree.first;
    return n > first ? (n - 1 - first) / spec->tree.stride + 1 : 1;
}

static void desk_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, struct desk *k)
{
    int64_t block = attn__min_i64(spec->q_block, attn__max_i64(z->q, 1));
    int64_t groups = attn__min_i64(groups_of(spec), z->k), halves = 0;
    int64_t queries = queries_of(spec, block), q = 0, keys = 0, scores = 0;
    size_t size = attn__select_size(z->exact);
    s->ok = s->ok && attn__mul_i64(2, groups, &halves) && attn__mul_i64(queries, z->d, &q) &&
            attn__mul_i64(ATTN__POOLED_PIECE, z->d, &keys) &&
            attn__mul_i64(queries, ATTN__POOLED_PIECE, &scores);
    k->q = attn__scratch_take(s, q, size);
    k->k = attn__scratch_take(s, keys, size);
    k->s = attn__scratch_take(s, scores, size);
    k->piece = ATTN__TAKE(s, keys, float);
    k->start = ATTN__TAKE(s, halves, int64_t);
    k->size = ATTN__TAKE(s, halves, int64_t);
    k->score = ATTN__TAKE(s, halves, double);
    k->pick = ATTN__TAKE(s, halves, double);
    k->state = ATTN__TAKE(s, halves, uint8_t);
}

bool attn__tree_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                        int64_t *entries)
{
    *entries = attn__max_i64(attn__min_i64(groups_of(spec), z->k), 1);
    return true;
}

void *attn__tree_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads)
{
    struct attn__scratch one = {.ok = true};
    struct desk k;
    desk_take(&one, spec, z, &k);
    return attn__select_desks(s, &one, threads);
}

/* A row of queries and where its candidates are. */
struct search {
    const struct attn__select_tasks *x;
    const struct desk *k;
    struct attn__rows keys;
    int64_t queries; /* in the desk */
    int64_t end;     /* one past the last candidate */
};

/* The block that a group is known by. */
static int64_t known_by(const struct attn__pooled_spec *spec, int64_t start, int64_t size)
{
    return spec->tree.middle ? start + (size - 1) / 2 : start;
}

/* best[j] = the largest of `rows` products of key j, which are `ld` apart; false if
 * one is NaN. */
#define ATTN__LARGEST(type, name)                                                                  \
    static bool name(const type *restrict s, int64_t rows, int64_t ld, int64_t n,                  \
                     double *restrict best)                                                        \
    {                                                                                              \
        type most[ATTN__POOLED_PIECE];                                                             \
        uint8_t bad = 0;                                                                           \
        for (int64_t j = 0; j < n; j++)                                                            \
            most[j] = s[j];                                                                        \
        for (int64_t i = 0; i < rows; i++)                                                         \
            for (int64_t j = 0; j < n; j++) {                                                      \
                type y = s[i * ld + j];                                                            \
                most[j] = y > most[j] ? y : most[j];                                               \
                bad |= y != y;                                                                     \
            }                                                                                      \
        for (int64_t j = 0; j < n; j++)                                                            \
            best[j] = most[j];                                                                     \
        return !bad;                                                                               \
    }

ATTN__LARGEST(float, largest_f32)
ATTN__LARGEST(double, largest_f64)

/* The scores of groups take in n keys in the desk, key j of group[j]; false for
 * NaN. */
static bool take_in(const struct search *w, const int64_t *group, int64_t n)
{
    const struct attn__select_tasks *x = w->x;
    struct attn__rows rows = attn__select_dense(x->z->exact, w->k->k, x->z->d);
    double best[ATTN__POOLED_PIECE];
    const void *s = w->k->s;
    attn__stripes_products(x->r, x->z, w->k->q, w->queries, &rows, n, w->k->s, ATTN__POOLED_PIECE,
                           w->k->piece);
    if (x->z->exact ? !largest_f64(s, w->queries, ATTN__POOLED_PIECE, n, best)
                    : !largest_f32(s, w->queries, ATTN__POOLED_PIECE, n, best))
        return false;
    for (int64_t j = 0; j < n; j++)
        w->k->score[group[j]] = fmax(w->k->score[group[j]], best[j]);
    return true;
}

/* n groups become 2 n halves, the smaller one first. What a group is known by is
 * mostly what one of its halves is, whose score is then known. */
static void halve(const struct attn__pooled_spec *spec, const struct desk *k, int64_t n)
{
    for (int64_t g = n - 1; g >= 0; g--) {
        int64_t start = k->start[g], size = k->size[g], known = known_by(spec, start, size);
        double score = k->score[g];
        for (int64_t half = 0; half < 2; half++) {
            int64_t at = 2 * g + half;
            k->start[at] = start + half * (size / 2);
            k->size[at] = half ? size - size / 2 : size / 2;
            k->score[at] = known_by(spec, k->start[at], k->size[at]) == known ? score : -INFINITY;
        }
    }
}

/* Scores of those of n groups that have none: keys of what they are known by go to
 * the desk until it is full. False for NaN. */
static bool score_groups(const struct search *w, int64_t n)
{
    const struct attn__pooled_spec *spec = w->x->m->spec;
    size_t row = (size_t)w->x->z->d * attn__select_size(w->x->z->exact);
    int64_t count = 0, group[ATTN__POOLED_PIECE];
    for (int64_t g = 0; g < n; g++) {
        int64_t lo = known_by(spec, w->k->start[g], w->k->size[g]) * spec->k_block;
        int64_t hi = attn__min_i64(lo + spec->k_block, w->end);
        if (w->k->size[g] == 0 || w->k->score[g] > -INFINITY)
            continue;
        for (int64_t j = lo, m; j < hi; j += m) {
            m = attn__min_i64(hi - j, ATTN__POOLED_PIECE - count);
            attn__select_load(w->x->r->machine->kern, &w->keys, j, m, w->x->z->d,
                              w->x->z->exact, w->k->k + (size_t)count * row);
            for (int64_t e = 0; e < m; e++)
                group[count++] = g;
            if (count < ATTN__POOLED_PIECE)
                continue;
            if (!take_in(w, group, count))
                return false;
            count = 0;
        }
    }
    return count == 0 || take_in(w, group, count);
}

/* The groups that are picked move to the front; how many those are. */
static int64_t keep(const struct desk *k, int64_t n)
{
    int64_t kept = 0;
    for (int64_t g = 0; g < n; g++) {
        if (k->state[g] != ATTN__PICK_IN)
            continue;
        k->start[kept] = k->start[g];
        k->score[kept] = k->score[g];
        k->size[kept++] = k->size[g];
    }
    return kept;
}

/* Blocks that are left, in k->start; -1 for NaN. */
static int64_t search(const struct search *w)
{
    const struct attn__pooled_spec *spec = w->x->m->spec;
    int64_t n = groups_of(spec), blocks = attn__pooled_parts(w->end, spec->k_block), all = n;
    const struct attn__pick pick = {.rule = ATTN__PICK_TOP, .top = n};
    for (int64_t g = 0; g < n; g++) { /* both are below 2^31 */
        w->k->start[g] = blocks * g / n;
        w->k->size[g] = blocks * (g + 1) / n - w->k->start[g];
        w->k->score[g] = -INFINITY;
    }
    for (double size = (double)blocks / (double)n; size > 1; size /= 2) {
        halve(spec, w->k, all);
        if (!score_groups(w, 2 * all))
            return -1;
        for (int64_t g = 0; g < 2 * all; g++)
            w->k->state[g] = w->k->size[g] > 0 ? ATTN__PICK_MAY : ATTN__PICK_OUT;
        attn__pick_row(&pick, w->k->score, w->k->state, 2 * all, w->k->pick);
        all = keep(w->k, 2 * all);
    }
    return all;
}

/* Puts the queries of a row that are looked at into the desk. */
static int64_t load_queries(const struct attn__select_tasks *x, const struct attn__seq *s,
                            int64_t h, int64_t first, const struct desk *k)
{
    const struct attn__pooled_spec *spec = x->m->spec;
    struct attn__rows q = attn__stripes_q(x->m, s, h);
    size_t row = (size_t)x->z->d * attn__select_size(x->z->exact);
    int64_t n = attn__min_i64(spec->q_block, s->nq - first), count = queries_of(spec, n);
    for (int64_t i = 0; i < count; i++)
        attn__select_load(x->r->machine->kern, &q,
                          first + attn__min_i64(spec->tree.first + i * spec->tree.stride, n - 1), 1,
                          x->z->d, x->z->exact, k->q + (size_t)i * row);
    return count;
}

static void make_row(const struct attn__select_tasks *x, const struct attn__select_part *part,
                     int64_t t, const struct desk *k)
{
    const struct attn__pooled_spec *spec = x->m->spec;
    const struct attn__seq *s = &part->s;
    int64_t first = t * spec->q_block, row = attn__select_row_of(x, part, part->h, t);
    int64_t end = attn__min_i64(first + spec->q_block + s->off - spec->local, s->nk), blocks = 0;
    if (first >= s->nq || end <= 0)
        return;
    struct search w = {.x = x, .k = k, .end = end};
    bool all = end <= spec->tree.keys;
    if (!all) {
        w.keys = attn__stripes_k(x->m, s, part->h);
        w.queries = load_queries(x, s, part->h, first, k);
        blocks = search(&w);
    }
    if (blocks < 0) {
        attn__select_row_nan(x->rows, row);
        return;
    }
    struct attn__select_writer out = attn__select_row_begin(x->rows, row);
    if (all)
        attn__select_put(&out, 0, end, 0, false);
    for (int64_t g = 0; g < blocks; g++) {
        int64_t lo = k->start[g] * spec->k_block;
        attn__select_put(&out, lo, attn__min_i64(spec->k_block, end - lo), 0, false);
    }
    attn__select_row_end(&out);
}

static void make_rows(const struct attn__select_tasks *x, const struct attn__select_part *part,
                      char *desk)
{
    struct attn__scratch s = {.base = desk, .ok = true};
    struct desk k;
    desk_take(&s, x->m->spec, x->z, &k);
    for (int64_t t = part->at; t < part->at + part->n; t++)
        make_row(x, part, t, &k);
}

int32_t attn__tree_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                       const struct attn__pooled_size *z, struct attn__select_rows *rows,
                       int64_t per_row, void *room)
{
    struct attn__scratch one = {.ok = true};
    struct desk k;
    desk_take(&one, m->spec, z, &k);
    const struct attn__select_tasks x = {.r = r, .m = m, .z = z, .rows = rows, .desks = room,
                                         .desk_bytes = one.used};
    attn__select_begin(rows, per_row);
    attn__select_tasks_run(&x, rows->sets, rows->blocks, 1, make_rows);
    return attn__select_end(rows, "selection");
}
