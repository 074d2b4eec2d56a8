/* SPDX-License-Identifier: MIT */
/*
 * Landmarks are found first, then their keys are put together for each key head,
 * so that queries meet dense rows. A row of lists is a query: for each section it
 * has an entry of its ordinary tokens that is normalised by itself and weighted by
 * the score of the landmark, and one more for what is in front of the query in its
 * own section.
 */
#include "solvers/select_landmark.h"

#include <inttypes.h>

#include "base/error.h"
#include "solvers/select_pick.h"
#include "solvers/select_stripes.h"
#include "solvers/select_tasks.h"
#include "solvers/select_view.h"

/* For all workers. */
struct made {
    int64_t *count; /* [b]: landmarks */
    int32_t *mark;  /* [b][blocks]: their keys, counted from the first one */
    char *keys;     /* [b][k_heads][blocks][d] */
    double *best;   /* [b][sets][blocks], of TOKENS: largest shares, NaN: none is known */
    char *desks;
};

struct desk {
    char *q;      /* [ATTN__POOLED_ROWS][d] */
    char *s;      /* [heads][ATTN__POOLED_ROWS][blocks]: q.k */
    char *share;  /* [blocks] */
    float *piece; /* of attn__stripes_products */
    double *line, *pick;
    uint8_t *state;
};

/* Heads that choose together. */
static int64_t group_of(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z)
{
    return spec->landmark.over == ATTN__OVER_HEADS ? z->sets : 1;
}

static void desk_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, struct desk *k)
{
    int64_t blocks = spec->landmark.blocks, q = 0, scores = 0, piece = 0;
    size_t size = attn__select_size(z->exact);
    s->ok = s->ok && attn__mul_i64(ATTN__POOLED_ROWS, z->d, &q) &&
            attn__mul_i64(ATTN__POOLED_ROWS, blocks, &scores) &&
            attn__mul_i64(scores, group_of(spec, z), &scores) &&
            attn__mul_i64(ATTN__POOLED_PIECE, z->d, &piece);
    k->q = attn__scratch_take(s, q, size);
    k->s = attn__scratch_take(s, scores, size);
    k->share = attn__scratch_take(s, blocks, size);
    k->piece = ATTN__TAKE(s, piece, float);
    k->line = ATTN__TAKE(s, blocks, double);
    k->pick = ATTN__TAKE(s, blocks, double);
    k->state = ATTN__TAKE(s, blocks, uint8_t);
}

static void made_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads, struct made *m)
{
    struct attn__scratch one = {.ok = true};
    struct desk k;
    int64_t marks = 0, keys = 0, best = 0;
    s->ok = s->ok && attn__mul_i64(z->b, spec->landmark.blocks, &marks) &&
            attn__mul_i64(marks, z->k_heads, &keys) && attn__mul_i64(keys, z->d, &keys) &&
            attn__mul_i64(marks, z->sets, &best);
    desk_take(&one, spec, z, &k);
    m->count = ATTN__TAKE(s, z->b, int64_t);
    m->mark = ATTN__TAKE(s, marks, int32_t);
    m->keys = attn__scratch_take(s, keys, attn__select_size(z->exact));
    m->best = ATTN__TAKE(s, spec->landmark.over == ATTN__OVER_TOKENS ? best : 0, double);
    m->desks = attn__select_desks(s, &one, threads);
}

bool attn__landmark_per_row(const struct attn__pooled_spec *spec,
                            const struct attn__pooled_size *z, int64_t *entries)
{
    (void)z;
    *entries = attn__min_i64(spec->top, spec->landmark.blocks) + 1; /* and the own section */
    return true;
}

void *attn__landmark_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                          const struct attn__pooled_size *z, int64_t threads)
{
    struct attn__scratch at = attn__select_part_begin(s);
    struct made m;
    made_take(&at, spec, z, threads, &m);
    return attn__select_part_end(s, &at);
}

/* ---- landmarks ---- */

static const int32_t *marks_of(const struct attn__select_tasks *x, int64_t b)
{
    const struct made *made = x->made;
    return made->mark + b * x->m->spec->landmark.blocks;
}

/* The ordinary tokens lo to hi - 1 of section g. */
static void section(const struct attn__select_tasks *x, const struct attn__seq *s, int64_t g,
                    int64_t *lo, int64_t *hi)
{
    const struct made *made = x->made;
    const int32_t *mark = marks_of(x, s->index);
    *lo = g > 0 ? mark[g - 1] + 1 : 0;
    *hi = g < made->count[s->index] ? mark[g] : s->nk;
}

/* Sections that have ended in front of key j: its own one is the next. */
static int64_t sections_before(const struct attn__select_tasks *x, const struct attn__seq *s,
                               int64_t j)
{
    const struct made *made = x->made;
    const int32_t *mark = marks_of(x, s->index);
    int64_t lo = 0, hi = made->count[s->index];
    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        if (mark[middle] < j)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static int32_t find_landmarks(const struct attn__select_tasks *x, const struct attn__seq *s,
                              const struct made *made)
{
    const attn_tensor *t = &x->r->call->t[ATTN__SLOT_LANDMARK];
    int64_t blocks = x->m->spec->landmark.blocks, start = 0, n = 0;
    int64_t at = (t->shape[0] > 1 ? s->b * t->stride[0] : 0) + s->k_skip * t->stride[1];
    for (int64_t j = 0; j < s->nk; j++) {
        if (attn__load_i64(t->data, at + j * t->stride[1], t->dtype) == 0)
            continue;
        if (n == blocks)
            return attn__error_set(ATTN_ERR_LIMIT,
                                   "landmark has more than the %" PRId64
                                   " landmarks of landmark_blocks in batch entry %" PRId64,
                                   blocks, s->index);
        if (j == start)
            return attn__error_set(ATTN_ERR_DATA,
                                   "landmark is set at [%" PRId64 ",%" PRId64
                                   "], expected an ordinary token in front of it to stand for",
                                   s->index, s->k_skip + j);
        made->mark[s->index * blocks + n++] = (int32_t)j;
        start = j + 1;
    }
    made->count[s->index] = n;
    return ATTN_OK;
}

static char *keys_of(const struct attn__select_tasks *x, int64_t b, int64_t k_head)
{
    const struct made *made = x->made;
    int64_t row = (b * x->z->k_heads + k_head) * x->m->spec->landmark.blocks * x->z->d;
    return made->keys + (size_t)row * attn__select_size(x->z->exact);
}

static void gather_keys(const struct attn__select_tasks *x, const struct attn__select_part *part,
                        char *desk)
{
    const struct made *made = x->made;
    const int32_t *mark = marks_of(x, part->s.index);
    struct attn__rows k = attn__pooled_head(&x->m->k, part->s.b, part->h, part->s.k0);
    char *to = keys_of(x, part->s.index, part->h);
    size_t row = (size_t)x->z->d * attn__select_size(x->z->exact);
    (void)desk;
    for (int64_t g = 0; g < made->count[part->s.index]; g++)
        attn__select_load(x->r->machine->kern, &k, mark[g], 1, x->z->d, x->z->exact,
                          to + (size_t)g * row);
}

/* ---- scores ---- */

static struct desk desk_of(const struct attn__select_tasks *x, char *memory)
{
    struct attn__scratch s = {.base = memory, .ok = true};
    struct desk k;
    desk_take(&s, x->m->spec, x->z, &k);
    return k;
}

/* s[i][g] = q.k of query at + i of head h and landmark g of those that some of
 * the queries has. */
static void products(const struct attn__select_tasks *x, const struct attn__select_part *part,
                     int64_t h, const struct desk *k, char *s)
{
    int64_t d = x->z->d, k_head = x->m->k_head ? x->m->k_head[h] : h;
    int64_t n = sections_before(x, &part->s, part->at + part->n - 1 + part->s.off);
    struct attn__rows q = attn__stripes_q(x->m, &part->s, h);
    struct attn__rows rows =
        attn__select_dense(x->z->exact, keys_of(x, part->s.index, k_head), d);
    attn__select_load(x->r->machine->kern, &q, part->at, part->n, d, x->z->exact, k->q);
    attn__stripes_products(x->r, x->z, k->q, part->n, &rows, n, s, x->m->spec->landmark.blocks,
                           k->piece);
}

/* Where the products of query i of the part with the e-th head are. */
static char *line_at(const struct attn__select_tasks *x, const struct desk *k, int64_t e,
                     int64_t i)
{
    int64_t at = (e * ATTN__POOLED_ROWS + i) * x->m->spec->landmark.blocks;
    return k->s + (size_t)at * attn__select_size(x->z->exact);
}

/* best[g] becomes the share of landmark g in the softmax of all n if that is
 * larger; false for NaN or inf. */
static bool larger_shares(const struct attn__select_tasks *x, const char *s, int64_t n,
                          const struct desk *k, double *best)
{
    double factor;
    memcpy(k->share, s, (size_t)n * attn__select_size(x->z->exact));
    if (n == 0)
        return true;
    if (!attn__stripes_softmax(x->r->machine->kern, x->m->spec->scale, x->z->exact, k->share, n,
                               &factor))
        return false;
    for (int64_t g = 0; g < n; g++)
        best[g] = fmax(best[g], factor * attn__select_at(x->z->exact, k->share, g));
    return true;
}

/* Of TOKENS: the largest shares over all queries of a head. */
static void shares_of_head(const struct attn__select_tasks *x,
                           const struct attn__select_part *part, char *desk)
{
    const struct made *made = x->made;
    struct desk k = desk_of(x, desk);
    int64_t blocks = x->m->spec->landmark.blocks;
    double *best = made->best + (part->s.index * x->rows->sets + part->h) * blocks;
    bool good = true;
    for (int64_t g = 0; g < blocks; g++)
        best[g] = 0;
    for (int64_t i0 = 0; i0 < part->s.nq && good; i0 += ATTN__POOLED_ROWS) {
        struct attn__select_part some = *part;
        some.at = i0;
        some.n = attn__min_i64(ATTN__POOLED_ROWS, part->s.nq - i0);
        products(x, &some, part->h, &k, k.s);
        for (int64_t i = 0; i < some.n && good; i++)
            good = larger_shares(x, line_at(x, &k, 0, i),
                                 sections_before(x, &part->s, i0 + i + part->s.off), &k, best);
    }
    for (int64_t g = 0; g < blocks && !good; g++)
        best[g] = NAN;
}

/* ---- rows ---- */

/* line[g] = what section g is chosen by; false for NaN or inf. */
static bool choice(const struct attn__select_tasks *x, const struct attn__select_part *part,
                   int64_t i, int64_t n, const struct desk *k)
{
    const struct made *made = x->made;
    int64_t blocks = x->m->spec->landmark.blocks, heads = group_of(x->m->spec, x->z);
    const double *best = made->best;
    bool good = true;
    for (int64_t g = 0; g < n; g++)
        k->line[g] = 0;
    switch (x->m->spec->landmark.over) {
    case ATTN__OVER_NOTHING:
        for (int64_t g = 0; g < n; g++) {
            k->line[g] = x->m->spec->scale *
                         attn__select_at(x->z->exact, line_at(x, k, 0, i), g);
            good = good && k->line[g] < INFINITY;
        }
        break;
    case ATTN__OVER_HEADS:
        for (int64_t e = 0; e < heads; e++)
            good = good && larger_shares(x, line_at(x, k, e, i), n, k, k->line);
        break;
    case ATTN__OVER_TOKENS:
        memcpy(k->line, best + (part->s.index * x->rows->sets + part->h) * blocks,
               (size_t)n * sizeof *k->line);
        break;
    }
    return good;
}

/* A query of section n. */
static void write_row(const struct attn__select_tasks *x, const struct attn__seq *s, int64_t row,
                      int64_t n, const char *line, const uint8_t *state)
{
    struct attn__select_writer out = attn__select_row_begin(x->rows, row);
    int64_t lo, hi;
    for (int64_t g = 0; g < n; g++) {
        double logit = x->m->spec->scale * attn__select_at(x->z->exact, line, g);
        section(x, s, g, &lo, &hi);
        if (state[g] == ATTN__PICK_IN)
            attn__select_put(&out, lo, hi - lo, (float)logit, true);
    }
    section(x, s, n, &lo, &hi);
    attn__select_put(&out, lo, hi - lo, 0, false);
    attn__select_row_end(&out);
}

static void make_rows(const struct attn__select_tasks *x, const struct attn__select_part *part,
                      char *desk)
{
    const struct attn__pick pick = {.rule = ATTN__PICK_TOP, .top = x->m->spec->top};
    struct attn__select_part some = *part;
    struct desk k = desk_of(x, desk);
    int64_t heads = group_of(x->m->spec, x->z);
    some.n = attn__min_i64(part->n, part->s.nq - part->at);
    for (int64_t e = 0; e < heads && some.n > 0; e++)
        products(x, &some, part->h + e, &k, line_at(x, &k, e, 0));
    for (int64_t i = 0; i < some.n; i++) {
        int64_t at = part->at + i + part->s.off, n = sections_before(x, &part->s, at);
        bool good = choice(x, part, i, n, &k);
        if (at < 0)
            continue; /* in front of all keys */
        for (int64_t g = 0; g < n; g++)
            k.state[g] = ATTN__PICK_MAY;
        good = good && attn__pick_row(&pick, k.line, k.state, n, k.pick);
        for (int64_t h = part->h; h < part->h + heads; h++) {
            int64_t row = attn__select_row_of(x, part, h, part->at + i);
            if (good)
                write_row(x, &part->s, row, n, line_at(x, &k, h - part->h, i), k.state);
            else
                attn__select_row_nan(x->rows, row);
        }
    }
}

int32_t attn__landmark_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                           const struct attn__pooled_size *z, struct attn__select_rows *rows,
                           int64_t per_row, void *room)
{
    struct attn__scratch s = {.base = room, .ok = true}, one = {.ok = true};
    struct made made;
    struct desk k;
    made_take(&s, m->spec, z, r->machine->threads, &made);
    desk_take(&one, m->spec, z, &k);
    const struct attn__select_tasks x = {.r = r, .m = m, .z = z, .rows = rows, .made = &made,
                                         .desks = made.desks, .desk_bytes = one.used};
    attn__select_begin(rows, per_row);
    for (int64_t b = 0; b < rows->n_batch; b++) {
        struct attn__seq seq = attn__call_seq(r->call, b);
        int32_t status = find_landmarks(&x, &seq, &made);
        if (status != ATTN_OK)
            return status;
    }
    attn__select_tasks_run(&x, z->k_heads, 1, 1, gather_keys);
    if (m->spec->landmark.over == ATTN__OVER_TOKENS)
        attn__select_tasks_run(&x, rows->sets, 1, 1, shares_of_head);
    attn__select_tasks_run(&x, rows->sets / group_of(m->spec, z), rows->blocks, ATTN__POOLED_ROWS,
                           make_rows);
    return attn__select_end(rows, "selection");
}
