/* SPDX-License-Identifier: MIT */
/*
 * Means of regions over all channels of all heads, their products, and for each
 * query the lines of the regions that its own one has picked. Regions are numbered
 * along their rows, so that in picked order the lines of a row of regions rise.
 * Sums are double.
 */
#include "solvers/select_regions.h"

#include "solvers/select_pick.h"
#include "solvers/select_tasks.h"
#include "solvers/select_view.h"

/* For all tasks. */
struct made {
    double *q, *k;  /* [b][regions][heads * d] */
    uint8_t *state; /* [b][regions][regions]: ATTN__PICK_IN */
    uint8_t *bad;   /* [b][regions]: there is no choice */
    char *desks;
};

struct desk {
    char *line;           /* [region_columns][d] */
    double *score, *pick; /* [regions] */
};

int64_t attn__regions_count(const struct attn__regions_spec *spec, int64_t tokens)
{
    int64_t lines = attn__pooled_parts(tokens, spec->columns);
    return attn__pooled_parts(lines, spec->height) *
           attn__pooled_parts(spec->columns, spec->width);
}

bool attn__regions_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                           int64_t *entries)
{
    int64_t regions = attn__max_i64(attn__regions_count(&spec->regions, z->k), 1);
    return attn__mul_i64(attn__min_i64(spec->top, regions), spec->regions.height, entries);
}

static void desk_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, struct desk *k)
{
    int64_t regions = attn__regions_count(&spec->regions, z->k), line = 0;
    s->ok = s->ok && attn__mul_i64(spec->regions.width, z->d, &line);
    k->line = attn__scratch_take(s, line, attn__select_size(z->exact));
    k->score = ATTN__TAKE(s, regions, double);
    k->pick = ATTN__TAKE(s, regions, double);
}

static void made_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads, struct made *m)
{
    int64_t regions = attn__regions_count(&spec->regions, z->k), all = 0, pairs = 0, width = 0;
    struct attn__scratch one = {.ok = true};
    struct desk k;
    s->ok = s->ok && attn__mul_i64(z->b, regions, &all) && attn__mul_i64(all, regions, &pairs) &&
            attn__mul_i64(z->heads, z->d, &width) && attn__mul_i64(all, width, &width);
    desk_take(&one, spec, z, &k);
    m->q = ATTN__TAKE(s, width, double);
    m->k = ATTN__TAKE(s, width, double);
    m->state = ATTN__TAKE(s, pairs, uint8_t);
    m->bad = ATTN__TAKE(s, all, uint8_t);
    m->desks = attn__select_desks(s, &one, threads);
}

void *attn__regions_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                         const struct attn__pooled_size *z, int64_t threads)
{
    struct attn__scratch at = attn__select_part_begin(s);
    struct made m;
    made_take(&at, spec, z, threads, &m);
    return attn__select_part_end(s, &at);
}

/* Tokens of region n: lines y0 to y1 - 1, columns x0 to x1 - 1. */
struct region {
    int64_t y0, y1, x0, x1;
};

static struct region region_of(const struct attn__regions_spec *spec, int64_t tokens, int64_t n)
{
    int64_t across = attn__pooled_parts(spec->columns, spec->width);
    struct region g = {.y0 = n / across * spec->height, .x0 = n % across * spec->width};
    g.y1 = attn__min_i64(g.y0 + spec->height, tokens / spec->columns);
    g.x1 = attn__min_i64(g.x0 + spec->width, spec->columns);
    return g;
}

/* The mean of a region's rows. */
static void mean(const struct attn__select_tasks *x, const struct attn__rows *rows,
                 const struct region *g, const struct desk *k, double *to)
{
    int64_t d = x->z->d, columns = x->m->spec->regions.columns, n = g->x1 - g->x0;
    for (int64_t e = 0; e < d; e++)
        to[e] = 0;
    for (int64_t y = g->y0; y < g->y1; y++) {
        attn__select_load(x->r->machine->kern, rows, y * columns + g->x0, n, d, x->z->exact,
                          k->line);
        for (int64_t i = 0; i < n; i++)
            for (int64_t e = 0; e < d; e++)
                to[e] += attn__select_at(x->z->exact, k->line, i * d + e);
    }
    for (int64_t e = 0; e < d; e++)
        to[e] /= (double)((g->y1 - g->y0) * n);
}

static struct desk desk_of(const struct attn__select_tasks *x, char *room)
{
    struct attn__scratch s = {.base = room, .ok = true};
    struct desk k;
    desk_take(&s, x->m->spec, x->z, &k);
    return k;
}

static void make_means(const struct attn__select_tasks *x, const struct attn__select_part *part,
                       char *room)
{
    const struct attn__regions_spec *spec = &x->m->spec->regions;
    const struct attn__call *c = x->r->call;
    const struct made *made = x->made;
    const struct desk k = desk_of(x, room);
    int64_t regions = attn__regions_count(spec, x->z->k), d = x->z->d;
    int64_t here = attn__regions_count(spec, part->s.nk);
    for (int64_t n = part->at; n < attn__min_i64(part->at + part->n, here); n++) {
        const struct region g = region_of(spec, part->s.nk, n);
        int64_t at = part->s.index * regions + n;
        for (int64_t h = 0; h < x->z->heads; h++) {
            struct attn__rows q = attn__call_q(c, &part->s, h);
            struct attn__rows keys = attn__call_k(c, &part->s, h);
            mean(x, &q, &g, &k, made->q + (at * x->z->heads + h) * d);
            mean(x, &keys, &g, &k, made->k + (at * x->z->heads + h) * d);
        }
    }
}

static void pick_regions(const struct attn__select_tasks *x, const struct attn__select_part *part,
                         char *room)
{
    const struct attn__pooled_spec *spec = x->m->spec;
    const struct attn__pick pick = {.rule = ATTN__PICK_TOP, .top = spec->top};
    const struct made *made = x->made;
    const struct desk k = desk_of(x, room);
    int64_t regions = attn__regions_count(&spec->regions, x->z->k), width = x->z->heads * x->z->d;
    int64_t here = attn__regions_count(&spec->regions, part->s.nk);
    for (int64_t n = part->at; n < attn__min_i64(part->at + part->n, here); n++) {
        int64_t first = part->s.index * regions;
        uint8_t *state = made->state + (first + n) * regions;
        for (int64_t g = 0; g < here; g++) {
            const double *a = made->q + (first + n) * width, *b = made->k + (first + g) * width;
            k.score[g] = 0;
            for (int64_t e = 0; e < width; e++)
                k.score[g] += a[e] * b[e];
            state[g] = ATTN__PICK_MAY;
        }
        made->bad[first + n] = !attn__pick_row(&pick, k.score, state, here, k.pick);
    }
}

/* The list of one block of queries, all of region n. */
static void write_row(const struct attn__select_tasks *x, const struct attn__select_part *part,
                      int64_t n, struct attn__select_writer *out)
{
    const struct attn__regions_spec *spec = &x->m->spec->regions;
    const struct made *made = x->made;
    int64_t regions = attn__regions_count(spec, x->z->k), tokens = part->s.nk;
    int64_t across = attn__pooled_parts(spec->columns, spec->width);
    int64_t here = attn__regions_count(spec, tokens);
    const uint8_t *state = made->state + (part->s.index * regions + n) * regions;
    for (int64_t band = 0; band < here; band += across) {
        const struct region lines = region_of(spec, tokens, band);
        for (int64_t y = lines.y0; y < lines.y1; y++)
            for (int64_t g = band; g < band + across; g++) {
                const struct region to = region_of(spec, tokens, g);
                if (state[g] == ATTN__PICK_IN)
                    attn__select_put(out, y * spec->columns + to.x0, to.x1 - to.x0, 0, false);
            }
    }
}

static void make_rows(const struct attn__select_tasks *x, const struct attn__select_part *part,
                      char *room)
{
    const struct attn__regions_spec *spec = &x->m->spec->regions;
    const struct made *made = x->made;
    int64_t across = attn__pooled_parts(spec->columns, spec->width);
    int64_t regions = attn__regions_count(spec, x->z->k);
    (void)room;
    for (int64_t t = part->at; t < part->at + part->n; t++) {
        int64_t i = t * x->rows->q_block, row = attn__select_row_of(x, part, 0, t);
        if (i >= part->s.nq)
            return;
        int64_t n = i / spec->columns / spec->height * across + i % spec->columns / spec->width;
        if (made->bad[part->s.index * regions + n]) {
            attn__select_row_nan(x->rows, row);
            continue;
        }
        struct attn__select_writer out = attn__select_row_begin(x->rows, row);
        write_row(x, part, n, &out);
        attn__select_row_end(&out);
    }
}

int32_t attn__regions_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                          const struct attn__pooled_size *z, struct attn__select_rows *rows,
                          int64_t per_row, void *room)
{
    /* Blocks of queries that are a task: some lines. */
    enum { BLOCKS = 256 };
    struct attn__scratch s = {.base = room, .ok = true}, one = {.ok = true};
    struct made made;
    struct desk k;
    made_take(&s, m->spec, z, r->machine->threads, &made);
    desk_take(&one, m->spec, z, &k);
    const struct attn__select_tasks x = {.r = r, .m = m, .z = z, .rows = rows, .made = &made,
                                         .desks = made.desks, .desk_bytes = one.used};
    int64_t regions = attn__regions_count(&m->spec->regions, z->k);
    attn__select_begin(rows, per_row);
    attn__select_tasks_run(&x, 1, regions, 1, make_means);
    attn__select_tasks_run(&x, 1, regions, 1, pick_regions);
    attn__select_tasks_run(&x, 1, rows->blocks, BLOCKS, make_rows);
    return attn__select_end(rows, "selection");
}
