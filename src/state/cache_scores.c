/* SPDX-License-Identifier: MIT */
/*
 * Scores of stored tokens: what queries gave them, added up as the group's
 * mode says, and keeping the tokens that have the best ones.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <math.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"

int64_t attn__cache_scored_rows(const attn_cache *cache, int64_t table, int64_t rows)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    switch (g->scores) {
    case ATTN_CACHE_SCORES_LAST:
    case ATTN_CACHE_SCORES_LAST_MAX:
        return attn__min_i64(rows, 1);
    case ATTN_CACHE_SCORES_WINDOW_SUM:
        return attn__min_i64(rows, cache->c.score_rows);
    default:
        return rows;
    }
}

void attn__cache_score_begin(const attn_cache *cache, int64_t table, struct attn__cache_table *t)
{
    int32_t mode = attn__cache_group_of(cache, table)->scores;
    if (mode == ATTN_CACHE_SCORES_SUM || mode == ATTN_CACHE_SCORES_COUNT_LOW)
        return; /* they go on */
    for (int64_t i = 0; i < t->n_cells; i++)
        t->cell[i].score = 0;
}

void attn__cache_score_add(const attn_cache *cache, int64_t table, struct attn__cache_table *t,
                           int64_t first, const float *p, int64_t n)
{
    struct attn__cache_cell *cell = t->cell + first;
    float even = 1.0f / (float)t->n_cells;
    switch (attn__cache_group_of(cache, table)->scores) {
    case ATTN_CACHE_SCORES_COUNT_LOW:
        for (int64_t i = 0; i < n; i++)
            cell[i].score += p[i] < even ? 1.0f : 0.0f;
        break;
    case ATTN_CACHE_SCORES_LAST_MAX:
        for (int64_t i = 0; i < n; i++)
            cell[i].score = cell[i].score > p[i] ? cell[i].score : p[i];
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            cell[i].score += p[i];
    }
}

/* The table of an idle sequence that has scores. */
static int32_t scored(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                      struct attn__cache_seq **s, int64_t *table)
{
    int32_t status = attn__cache_locate(cache, seq, layer, group, true, s, table);
    if (status != ATTN_OK)
        return status;
    if (!cache->c.owns[layer])
        return attn__error_set(ATTN_ERR_INVALID,
                               "layer is %" PRId64 ", expected one that owns its keys", layer);
    if (!attn__cache_tracks(cache, *table))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "layer %" PRId64 ", group %" PRId64
                               " has no scores, expected one with cache_scores and no window",
                               layer, group);
    return ATTN_OK;
}

int32_t attn__cache_observe(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                            const attn_tensor *weights)
{
    enum { PIECE = 128 };
    struct attn__cache_seq *s;
    int64_t table;
    int32_t status = scored(cache, seq, layer, group, &s, &table);
    if (status != ATTN_OK)
        return status;
    struct attn__cache_table *t = &s->table[table];
    status = attn__cache_weights("weights", weights, t->n_cells);
    if (status != ATTN_OK)
        return status;
    int64_t heads = weights->shape[1], rows = weights->shape[2];
    int64_t from = rows - attn__cache_scored_rows(cache, table, rows);
    attn__cache_score_begin(cache, table, t);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t r = from; r < rows; r++)
            for (int64_t i = 0; i < t->n_cells; i += PIECE) {
                float p[PIECE];
                int64_t n = attn__min_i64(t->n_cells - i, PIECE);
                int64_t at = h * weights->stride[1] + r * weights->stride[2];
                for (int64_t j = 0; j < n; j++)
                    p[j] = (float)attn__load_f64(weights->data, at + (i + j) * weights->stride[3],
                                                 weights->dtype);
                attn__cache_score_add(cache, table, t, i, p, n);
            }
    return ATTN_OK;
}

int32_t attn__cache_scores(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                           float *scores, size_t room, size_t *n)
{
    struct attn__cache_seq *s;
    int64_t table;
    int32_t status = scored(cache, seq, layer, group, &s, &table);
    if (status != ATTN_OK)
        return status;
    const struct attn__cache_table *t = &s->table[table];
    for (size_t i = 0; i < (size_t)t->n_cells && i < room; i++)
        scores[i] = t->cell[i].score;
    *n = (size_t)t->n_cells;
    return ATTN_OK;
}

/* ---- keeping the best */

struct rules {
    int64_t top, sink, recent, pool;
    bool mean, all; /* a mean, not the largest; of all tokens */
};

static int32_t read_rules(const int32_t *rule, const int64_t *value, size_t n, struct rules *r)
{
    *r = (struct rules){.top = -1, .pool = 1};
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            if (rule[j] == rule[i])
                return attn__error_set(ATTN_ERR_INVALID,
                                       "rules[%zu] is %" PRId32 " again, expected each rule once",
                                       i, rule[i]);
        if (value[i] < 0)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "values[%zu] is %" PRId64 ", expected 0 or more", i, value[i]);
        switch (rule[i]) {
        case ATTN_CACHE_PRUNE_TOP:
            r->top = value[i];
            break;
        case ATTN_CACHE_PRUNE_SINK:
            r->sink = value[i];
            break;
        case ATTN_CACHE_PRUNE_RECENT:
            r->recent = value[i];
            break;
        case ATTN_CACHE_PRUNE_POOL_MEAN:
        case ATTN_CACHE_PRUNE_POOL_MAX:
            if (r->pool != 1 || value[i] % 2 == 0)
                return attn__error_set(ATTN_ERR_INVALID,
                                       "values[%zu] is %" PRId64
                                       ", expected one pool, of an odd number of tokens",
                                       i, value[i]);
            r->pool = value[i];
            r->mean = rule[i] == ATTN_CACHE_PRUNE_POOL_MEAN;
            break;
        case ATTN_CACHE_PRUNE_POOL_ALL:
            r->all = value[i] != 0;
            break;
        default:
            return attn__error_set(ATTN_ERR_INVALID,
                                   "rules[%zu] is %" PRId32 ", expected one of "
                                   "ATTN_CACHE_PRUNE_*",
                                   i, rule[i]);
        }
    }
    if (r->top < 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rules have no ATTN_CACHE_PRUNE_TOP, expected how many tokens to "
                               "keep by their scores");
    return ATTN_OK;
}

/* A candidate: larger keys go first, then older tokens. NaN is the least. */
struct rank {
    double key;
    int64_t cell;
};

static bool before(const struct rank *a, const struct rank *b)
{
    return a->key > b->key || (a->key == b->key && a->cell < b->cell);
}

/* The last of the ranks below i goes to the top of the heap. */
static void sift(struct rank *r, int64_t n, int64_t i)
{
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && before(&r[child], &r[child + 1]);
        if (!before(&r[i], &r[child]))
            return;
        struct rank t = r[i];
        r[i] = r[child];
        r[child] = t;
    }
}

/* The mean, zeros beyond the ends counted, or the largest score around i among
 * the tokens from lo to hi. */
static double pooled(const struct attn__cache_table *t, const struct rules *r, int64_t lo,
                     int64_t hi, int64_t i)
{
    double sum = 0, most = -INFINITY;
    int64_t half = r->pool / 2;
    for (int64_t j = attn__max_i64(lo, i - half); j < hi && j <= i + half; j++) {
        double x = (double)t->cell[j].score;
        sum += x;
        most = x > most ? x : most;
    }
    return r->mean ? sum / (double)r->pool : most;
}

int32_t attn__cache_prune_scores(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                                 const int32_t *rule, const int64_t *value, size_t n)
{
    struct attn__cache_seq *s;
    int64_t table;
    struct rules r;
    int32_t status = scored(cache, seq, layer, group, &s, &table);
    if (status == ATTN_OK)
        status = read_rules(rule, value, n, &r);
    if (status != ATTN_OK)
        return status;
    struct attn__cache_table *t = &s->table[table];
    bool lowest = attn__cache_group_of(cache, table)->scores == ATTN_CACHE_SCORES_COUNT_LOW;
    int64_t lo = attn__min_i64(r.sink, t->n_cells);
    int64_t hi = attn__max_i64(lo, t->n_cells - attn__min_i64(r.recent, t->n_cells));
    if (r.top >= hi - lo)
        return ATTN_OK;
    size_t bytes = (size_t)(hi - lo) * sizeof(struct rank);
    struct rank *best = attn__mem_alloc(&cache->ctx->mem, bytes, 16);
    if (!best)
        return ATTN_ERR_NOMEM;
    for (int64_t i = lo; i < hi; i++) {
        double key = pooled(t, &r, r.all ? 0 : lo, r.all ? t->n_cells : hi, i);
        key = lowest ? -key : key;
        best[i - lo] = (struct rank){isnan(key) ? -INFINITY : key, i};
    }
    /* a heap with the worst on top, of the best so far */
    for (int64_t i = r.top; i-- > 0;)
        sift(best, r.top, i);
    for (int64_t i = r.top; i < hi - lo; i++)
        if (r.top > 0 && before(&best[i], &best[0])) {
            best[0] = best[i];
            sift(best, r.top, 0);
        }
    /* marks: the sign of a cell's page number, which nothing else reads now */
    for (int64_t i = lo; i < hi; i++)
        t->cell[i].page = ~t->cell[i].page;
    for (int64_t i = 0; i < r.top; i++)
        t->cell[best[i].cell].page = ~t->cell[best[i].cell].page;
    attn__mem_free(&cache->ctx->mem, best, bytes);
    int64_t kept = 0;
    for (int64_t i = 0; i < t->n_cells; i++)
        if (t->cell[i].page >= 0)
            t->cell[kept++] = t->cell[i];
    for (int64_t i = 0; i < kept && lowest; i++)
        t->cell[i].score = 0;
    attn__cache_pruned(cache, s, t, kept);
    return ATTN_OK;
}
