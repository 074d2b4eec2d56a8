/* SPDX-License-Identifier: MIT */
/*
 * A level at a time: what a level adds to a query stands behind what earlier ones
 * did, as their keys are in front of its own. Softmaxes that are joined by their
 * lse are one softmax, so that one list with logits is all of it.
 */
#include "solvers/hyper_lists.h"

#include <math.h>

#include "solvers/map_order.h"

/* The keys of a block of queries. */
struct desk {
    int32_t *key, *order, *spare; /* [block + samples] */
    float *logit;                 /* [block + samples] */
};

static bool most_of(const struct attn__hyper_spec *spec, int64_t keys, int64_t *most)
{
    return attn__add_i64(attn__min_i64(spec->block, keys), spec->samples, most);
}

bool attn__hyper_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                         int64_t *entries)
{
    struct attn__hyper_levels levels;
    int64_t most = 0;
    attn__hyper_levels_of(&spec->hyper, z->q, z->k, &levels);
    if (!most_of(&spec->hyper, z->k, &most) || !attn__mul_i64(most, levels.n, &most) ||
        !attn__add_i64(most, 1, entries))
        return false;
    *entries = attn__min_i64(*entries, attn__max_i64(z->k, 1));
    return true;
}

static void desk_take(struct attn__scratch *s, const struct attn__problem *p, struct desk *k)
{
    int64_t most = 0;
    s->ok = s->ok && most_of(&p->pooled.hyper, p->k, &most);
    k->key = ATTN__TAKE(s, most, int32_t);
    k->order = ATTN__TAKE(s, most, int32_t);
    k->spare = ATTN__TAKE(s, most, int32_t);
    k->logit = ATTN__TAKE(s, most, float);
}

static size_t desk_bytes(const struct attn__problem *p)
{
    struct attn__scratch s = {.ok = true};
    struct desk k;
    desk_take(&s, p, &k);
    return s.ok && s.used <= PTRDIFF_MAX ? s.used : SIZE_MAX;
}

void attn__hyper_lists_take(struct attn__scratch *s, const struct attn__problem *p,
                            int64_t threads, struct attn__hyper_lists *lists)
{
    int64_t rows = 0, desks = 0;
    size_t desk = desk_bytes(p);
    s->ok = s->ok && desk != SIZE_MAX && attn__mul_i64((int64_t)desk, threads, &desks) &&
            attn__mul_i64(p->b, p->hq, &rows) && attn__mul_i64(rows, p->q, &rows);
    lists->writer = ATTN__TAKE(s, rows, struct attn__select_writer);
    lists->desks = attn__scratch_take(s, desks, 1);
}

struct job {
    struct attn__hyper_job level;
    const struct attn__hyper_lists *lists;
    int64_t tasks, workers;
};

/* The keys of sorted places lo to hi - 1 and those that were drawn elsewhere, in the
 * order of k->order; how many. */
static int64_t keys_of(const struct job *j, const struct attn__hyper_estimate *x, int64_t lo,
                       int64_t hi, const struct desk *k)
{
    const struct attn__hyper_level *e = &j->level.levels->at[j->level.n];
    const struct attn__hyper_spec *spec = &j->level.r->call->p->pooled.hyper;
    const int32_t *order = j->level.room->order_k + x->at_k;
    int64_t samples = e->keys <= spec->block ? 0 : spec->samples, count = 0;
    for (int64_t n = lo; n < hi; n++, count++) {
        k->key[count] = order[n];
        k->logit[count] = 0;
    }
    for (int64_t n = 0, next; n < samples; n = next) {
        for (next = n + 1; next < samples && x->ids[next] == x->ids[n];)
            next++;
        if (x->ids[n] >= lo && x->ids[n] < hi)
            continue;
        double weight = (double)(next - n) * (double)e->keys / (double)samples;
        k->key[count] = order[x->ids[n]];
        k->logit[count++] = (float)log(weight);
    }
    for (int64_t n = 0; n < count; n++)
        k->order[n] = (int32_t)n;
    attn__order_sort(k->key, count, 32, k->order, count, k->spare);
    return count;
}

/* What estimate `index` of a level adds to the lists of its queries. */
static void estimate(const struct job *j, int64_t index, const struct desk *k)
{
    const struct attn__hyper_level *e = &j->level.levels->at[j->level.n];
    const struct attn__problem *p = j->level.r->call->p;
    const struct attn__hyper_estimate x = attn__hyper_order(&j->level, index);
    const int32_t *order = j->level.room->order_q + x.at_q;
    int64_t first = (x.b * p->hq + x.h) * j->level.levels->queries + x.q0, count = 0;
    for (int64_t n = 0; n < e->queries; n++) {
        struct attn__select_writer *w = &j->lists->writer[first + order[n]];
        int64_t block = p->pooled.hyper.block, lo = n / block * block;
        if (!e->exact && n == lo)
            count = keys_of(j, &x, lo, attn__min_i64(lo + block, e->keys), k);
        if (order[n] >= x.nq)
            continue;
        if (e->exact)
            attn__select_put(w, x.k0, x.nk, 0, false);
        for (int64_t i = 0; i < count && !e->exact; i++)
            attn__select_put(w, x.k0 + k->key[k->order[i]], 1, k->logit[k->order[i]], false);
    }
}

static void work(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__problem *p = j->level.r->call->p;
    struct attn__scratch s = {.base = j->lists->desks + (size_t)worker * desk_bytes(p),
                              .ok = true};
    struct desk k;
    desk_take(&s, p, &k);
    for (int64_t n = worker; n < j->tasks; n += j->workers)
        estimate(j, n, &k);
}

/* Where no level estimates: the keys of the query's own segment, or all. */
static void put_exact(const struct attn__hyper_levels *levels, int64_t i,
                      struct attn__select_writer *w)
{
    int64_t start = 0, n = levels->keys;
    if (levels->causal)
        n = attn__hyper_segment(levels, levels->n, attn__hyper_leaf(levels, i), &start);
    if (levels->causal || levels->n == 0)
        attn__select_put(w, start, n, 0, false);
}

int32_t attn__hyper_lists_write(const struct attn__recipe_run *r,
                                const struct attn__hyper_levels *levels,
                                const struct attn__hyper_room *room,
                                const struct attn__hyper_lists *lists,
                                struct attn__select_rows *rows)
{
    struct job j = {.level = {.r = r, .levels = levels, .room = room}, .lists = lists};
    for (int64_t row = 0; row < rows->rows; row++)
        lists->writer[row] = attn__select_row_begin(rows, row);
    for (j.level.n = 0; j.level.n < levels->n; j.level.n++) {
        j.tasks = r->call->n_seq * levels->at[j.level.n].segments * r->call->p->hq;
        j.workers = attn__min_i64(r->machine->threads, j.tasks);
        attn__threads_run(r->threads, j.workers, work, &j);
    }
    for (int64_t row = 0; row < rows->rows; row++) {
        put_exact(levels, row % levels->queries, &lists->writer[row]);
        attn__select_row_end(&lists->writer[row]);
    }
    return attn__select_end(rows, "selection");
}
