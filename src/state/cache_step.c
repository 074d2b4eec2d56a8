/* SPDX-License-Identifier: MIT */
/*
 * Steps: transactions that add tokens. Layers are computed one after another,
 * so that taking the room (begin), filling it (write) and showing the result
 * (commit) are apart; begin is the only one that may lack memory.
 */
#include "state/cache_object.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/view.h"

static int32_t check_items(attn_cache *cache, size_t n, const int64_t *seqs)
{
    struct attn__cache_seq *s;
    int32_t status = ATTN_OK;
    for (size_t i = 0; i < n && status == ATTN_OK; i++)
        status = attn__cache_idle(cache, "seqs", seqs[i], &s);
    if (status != ATTN_OK)
        return status;
    if (n == 0)
        return attn__error_set(ATTN_ERR_INVALID, "n is 0, expected at least one sequence");
    for (size_t i = 0; i < n; i++) {
        (void)attn__cache_find(cache, "seqs", seqs[i], &s);
        if (s->marked)
            status = attn__error_set(ATTN_ERR_INVALID,
                                     "seqs has %" PRId64 " twice, expected each sequence once",
                                     seqs[i]);
        s->marked = true;
    }
    for (size_t i = 0; i < n; i++) {
        (void)attn__cache_find(cache, "seqs", seqs[i], &s);
        s->marked = false;
    }
    return status;
}

/* Numbers of tokens and the trees they make; *tokens: all of them. Trees are
 * looked at only where the numbers fit, so that no list is read past. */
static int32_t check_counts(const attn_cache *cache, size_t n, const int64_t *seqs,
                            const int64_t *counts, const int32_t *parents, int64_t *tokens)
{
    struct attn__cache_seq *s;
    int64_t start = 0;
    bool fits = true;
    for (size_t i = 0; i < n; i++) {
        if (counts[i] < 1)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "counts[%zu] is %" PRId64 ", expected at least one token", i,
                                   counts[i]);
        fits = fits && counts[i] <= INT32_MAX;
    }
    for (size_t i = 0; parents && fits && i < n; start += counts[i++])
        for (int64_t t = 0; t < counts[i]; t++)
            if (parents[start + t] < -1 || parents[start + t] >= t)
                return attn__error_set(ATTN_ERR_INVALID,
                                       "parents[%" PRId64 "] is %" PRId32
                                       ", expected -1 to %" PRId64
                                       ", a token before its own of the sequence",
                                       start + t, parents[start + t], t - 1);
    *tokens = 0;
    for (size_t i = 0; i < n; i++) {
        (void)attn__cache_find(cache, "seqs", seqs[i], &s);
        if (counts[i] > cache->c.max_position - s->next || counts[i] > INT32_MAX)
            return attn__error_set(ATTN_ERR_LIMIT,
                                   "counts[%zu] is %" PRId64 ", expected at most %" PRId64
                                   " for a sequence of length %" PRId64,
                                   i, counts[i],
                                   attn__min_i64(cache->c.max_position - s->next, INT32_MAX),
                                   s->next);
        *tokens += counts[i];
    }
    return ATTN_OK;
}

/* Part of a block that is laid out for the first time with base NULL. */
static void *carve(char *base, size_t *used, size_t n, size_t size, bool *ok)
{
    size_t bytes, at = *used;
    *ok = *ok && attn__mul_size(n, size, &bytes) && attn__align_up(bytes, 16, &bytes) &&
          attn__add_size(*used, bytes, used);
    return base && *ok ? base + at : NULL;
}

static bool lay_out(attn_step *step, char *base, size_t n, size_t tokens, size_t rows,
                    size_t *bytes)
{
    bool ok = true;
    *bytes = 0;
    (void)carve(base, bytes, 1, sizeof *step, &ok);
    step->item = carve(base, bytes, n, sizeof *step->item, &ok);
    step->parent = carve(base, bytes, tokens, sizeof *step->parent, &ok);
    step->depth = carve(base, bytes, tokens, sizeof *step->depth, &ok);
    step->written = carve(base, bytes, rows, sizeof *step->written, &ok);
    return ok;
}

static attn_step *step_make(attn_cache *cache, size_t n, const int64_t *seqs,
                            const int64_t *counts, const int32_t *parents, int64_t tokens)
{
    attn_step plan, *step;
    size_t bytes;
    if (!lay_out(&plan, NULL, n, (size_t)tokens, (size_t)cache->c.rows, &bytes))
        return NULL;
    step = attn__mem_alloc(&cache->ctx->mem, bytes, 64);
    if (!step)
        return NULL;
    lay_out(step, (char *)step, n, (size_t)tokens, (size_t)cache->c.rows, &step->bytes);
    step->tag = ATTN__STEP_TAG;
    step->cache = cache;
    step->n = (int64_t)n;
    step->tokens = tokens;
    for (int64_t i = 0, start = 0; i < step->n; start += counts[i++]) {
        struct attn__cache_item *item = &step->item[i];
        (void)attn__cache_find(cache, "seqs", seqs[i], &item->seq);
        item->count = counts[i];
        item->start = start;
        for (int64_t t = 0; t < counts[i]; t++) {
            int32_t parent = parents ? parents[start + t] : (int32_t)t - 1;
            step->parent[start + t] = parent;
            step->depth[start + t] = parent < 0 ? 0 : step->depth[start + parent] + 1;
        }
    }
    return step;
}

static void add_need(attn_cache *cache, int64_t kind, int64_t pages)
{
    if (!attn__add_i64(cache->need[kind], pages, &cache->need[kind]))
        cache->need[kind] = INT64_MAX;
}

/* The pages all items need, each planned against the state as it is. */
static int32_t count_pages(attn_cache *cache, size_t n, const int64_t *seqs,
                           const int64_t *counts)
{
    int64_t tables = attn__cache_tables(cache);
    struct attn__cache_seq *s;
    for (int64_t g = 0; g < cache->c.kinds; g++)
        cache->need[g] = 0;
    for (size_t i = 0; i < n; i++) {
        (void)attn__cache_find(cache, "seqs", seqs[i], &s);
        for (int64_t t = 0; t < tables; t++) {
            struct attn__cache_plan plan = attn__cache_table_plan(cache, &s->table[t], counts[i]);
            add_need(cache, attn__cache_open_kind(cache, t), plan.pages);
            add_need(cache, t % cache->c.groups, plan.closed);
        }
    }
    int32_t status = attn__cache_pool_fits(cache, "the step");
    cache->refused += status != ATTN_OK;
    return status;
}

/* Moves the cells of the shared tail page to slots of the table's own. */
static void copy_tail(attn_cache *cache, int64_t table, struct attn__cache_table *t)
{
    int32_t old = t->cell[t->n_cells - 1].page;
    int64_t kept = 0, from = 0;
    for (int64_t i = 0; i < t->n_pages; i++)
        if (t->page[i] != old) {
            attn__cache_bounds_copy(t, kept, t, i);
            t->page[kept++] = t->page[i];
        }
    t->n_pages = kept;
    for (int64_t i = 0; i < t->n_cells; i++) {
        if (t->cell[i].page != old)
            continue;
        struct attn__cache_cell to = attn__cache_table_slot(cache, t, &from);
        attn__cache_table_copy(cache, table, t->cell[i], to);
        t->cell[i].page = to.page;
        t->cell[i].slot = to.slot;
    }
    attn__cache_bounds_refresh(cache, t);
    attn__cache_pool_give(cache, old);
    cache->copies++;
}

static int32_t grow_tables(attn_cache *cache, const attn_step *step)
{
    int64_t tables = attn__cache_tables(cache);
    int32_t status = ATTN_OK;
    for (int64_t i = 0; i < step->n; i++) {
        const struct attn__cache_item *item = &step->item[i];
        for (int64_t n = 0; n < tables && status == ATTN_OK; n++) {
            struct attn__cache_table *t = &item->seq->table[n];
            struct attn__cache_plan plan = attn__cache_table_plan(cache, t, item->count);
            status = attn__cache_table_grow(cache, t, item->count, plan.pages + plan.closed);
        }
    }
    return status;
}

static void take_pages(attn_cache *cache, const attn_step *step)
{
    int64_t tables = attn__cache_tables(cache);
    for (int64_t i = 0; i < step->n; i++) {
        const struct attn__cache_item *item = &step->item[i];
        for (int64_t n = 0; n < tables; n++) {
            struct attn__cache_table *t = &item->seq->table[n];
            struct attn__cache_plan plan = attn__cache_table_plan(cache, t, item->count);
            if (plan.copy) {
                copy_tail(cache, n, t);
                plan = attn__cache_table_plan(cache, t, item->count);
            }
            while (plan.pages-- > 0)
                attn__cache_table_add(cache, t, attn__cache_open_kind(cache, n));
            while (plan.closed-- > 0)
                attn__cache_table_add(cache, t, (int32_t)(n % cache->c.groups));
        }
        item->seq->step = step;
        item->seq->version++;
    }
}

int32_t attn__cache_step_begin(attn_cache *cache, size_t n, const int64_t *seqs,
                               const int64_t *counts, const int32_t *parents, attn_step **step)
{
    int64_t tokens = 0;
    int32_t status = check_items(cache, n, seqs);
    if (status == ATTN_OK)
        status = check_counts(cache, n, seqs, counts, parents, &tokens);
    if (status == ATTN_OK)
        status = count_pages(cache, n, seqs, counts);
    if (status != ATTN_OK)
        return status;
    attn_step *made = step_make(cache, n, seqs, counts, parents, tokens);
    if (!made)
        return ATTN_ERR_NOMEM;
    status = grow_tables(cache, made);
    if (status == ATTN_OK)
        status = attn__cache_pool_reserve(cache);
    if (status != ATTN_OK) {
        attn__mem_free(&cache->ctx->mem, made, made->bytes);
        return status;
    }
    take_pages(cache, made);
    made->open = true;
    cache->refs++;
    *step = made;
    return ATTN_OK;
}

static int32_t check_open(const attn_step *step)
{
    if (step->cache->closed)
        return attn__error_set(ATTN_ERR_STATE, "the cache of the step was destroyed");
    if (!step->open)
        return attn__error_set(ATTN_ERR_STATE,
                               "the step was committed or aborted, expected an open one");
    return ATTN_OK;
}

int32_t attn__cache_weights(const char *name, const attn_tensor *t, int64_t n)
{
    int32_t status = attn__view_check_real(name, t, 4);
    if (status != ATTN_OK)
        return status;
    if (t->shape[0] == 1 && t->shape[1] >= 1 && t->shape[3] == n)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "%s has shape [%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
                           "], expected [1,H,R,%" PRId64 "] with at least one head",
                           name, t->shape[0], t->shape[1], t->shape[2], t->shape[3], n);
}

int32_t attn__cache_tensor(const char *name, const attn_tensor *t, int64_t heads, int64_t n,
                           int64_t d)
{
    const int64_t shape[4] = {1, heads, n, d};
    int32_t status = attn__view_check_real(name, t, 4);
    if (status != ATTN_OK)
        return status;
    for (int i = 0; i < 4; i++)
        if (t->shape[i] != shape[i])
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "%s has extent %" PRId64
                                   " in dimension %d, expected [1,%" PRId64 ",%" PRId64
                                   ",%" PRId64 "]",
                                   name, t->shape[i], i, heads, n, d);
    return ATTN_OK;
}

/* Values come if they are stored besides keys, and only then. */
static int32_t check_values(const struct attn__cache_config *c, const attn_tensor *v,
                            int64_t tokens)
{
    if (!c->v_prefix && !v)
        return attn__error_set(ATTN_ERR_NULL, "v is NULL, expected a tensor");
    if (c->v_prefix && v)
        return attn__error_set(ATTN_ERR_INVALID,
                               "v is a tensor, expected NULL with cache_v_prefix: values are the "
                               "first %" PRId64 " channels of keys",
                               c->dv);
    return v ? attn__cache_tensor("v", v, c->heads, tokens, c->dv) : ATTN_OK;
}

/* Token `token` of the tensors into a cell. */
static void put_token(const attn_cache *cache, int64_t table, struct attn__cache_cell at,
                      const attn_tensor *k, const attn_tensor *v, int64_t token)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    for (int64_t h = 0; h < g->n_heads; h++) {
        attn__cache_row_put(cache, attn__cache_k(cache, at, h),
                            attn__cache_k_form(cache, table, at, h), k,
                            g->head[h] * k->stride[1] + token * k->stride[2], k->stride[3],
                            cache->c.d);
        if (v)
            attn__cache_row_put(cache, attn__cache_v(cache, at, h),
                                attn__cache_v_form(cache, table, at, h), v,
                                g->head[h] * v->stride[1] + token * v->stride[2], v->stride[3],
                                cache->c.dv);
    }
}

/* Whether all rows of a step can be stored. */
static int32_t check_rows(const attn_step *step, const attn_tensor *k, const attn_tensor *v)
{
    const struct attn__cache_config *c = &step->cache->c;
    for (int64_t n = 0; n < c->groups && c->check_data; n++) {
        const struct attn__cache_group *g = &c->group[n];
        for (int64_t h = 0; h < g->n_heads; h++)
            for (int64_t x = 0; x < step->tokens; x++) {
                int32_t status = attn__cache_row_check(
                    "k", g->k_dtype, k, g->head[h] * k->stride[1] + x * k->stride[2],
                    k->stride[3], c->d);
                if (status == ATTN_OK && v)
                    status = attn__cache_row_check(
                        "v", g->v_dtype, v, g->head[h] * v->stride[1] + x * v->stride[2],
                        v->stride[3], c->dv);
                if (status != ATTN_OK)
                    return status;
            }
    }
    return ATTN_OK;
}

int32_t attn__cache_step_write(attn_step *step, int64_t layer, const attn_tensor *k,
                               const attn_tensor *v)
{
    attn_cache *cache = step->cache;
    const struct attn__cache_config *c = &cache->c;
    int32_t status = check_open(step);
    if (status != ATTN_OK)
        return status;
    if (layer < 0 || layer >= c->layers || !c->owns[layer])
        return attn__error_set(ATTN_ERR_INVALID,
                               "layer is %" PRId64 ", expected 0 to %" PRId64
                               " and one that owns its keys",
                               layer, c->layers - 1);
    status = attn__cache_tensor("k", k, c->heads, step->tokens, c->d);
    if (status == ATTN_OK)
        status = check_values(c, v, step->tokens);
    if (status != ATTN_OK)
        return status;
    int64_t row = c->row[layer];
    if (step->written[row])
        return attn__error_set(ATTN_ERR_STATE,
                               "layer %" PRId64 " of the step was written before", layer);
    status = check_rows(step, k, v);
    if (status != ATTN_OK)
        return status;
    for (int64_t i = 0; i < step->n; i++) {
        const struct attn__cache_item *item = &step->item[i];
        for (int64_t g = 0; g < c->groups; g++) {
            int64_t n = row * c->groups + g, from = 0;
            struct attn__cache_table *t = &item->seq->table[n];
            for (int64_t x = item->start; x < item->start + item->count; x++) {
                struct attn__cache_cell at = attn__cache_table_slot(cache, t, &from);
                put_token(cache, n, at, k, v, x);
                attn__cache_bounds_add(cache, t, from, at);
                at.pos = item->seq->next + step->depth[x];
                t->cell[t->n_cells++] = at;
            }
        }
    }
    step->written[row] = true;
    step->n_written++;
    return ATTN_OK;
}

/* Whether the tokens kept are paths from the roots of their trees. */
static int32_t check_keep(const attn_step *step, const int64_t *n_keep, const int32_t *keep)
{
    for (int64_t i = 0; i < step->n; i++) {
        const struct attn__cache_item *item = &step->item[i];
        int64_t kept = n_keep ? n_keep[i] : item->count;
        if (kept < 0 || kept > item->count)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "n_keep[%" PRId64 "] is %" PRId64 ", expected 0 to %" PRId64, i,
                                   kept, item->count);
        if (kept > 0 && n_keep && !keep)
            return attn__error_set(ATTN_ERR_NULL,
                                   "keep is NULL, expected the tokens that n_keep counts");
        for (int64_t x = 0, at = -1; x < kept; x++) {
            int64_t token = n_keep ? keep[x] : x;
            if (token < 0 || token >= item->count || step->parent[item->start + token] != at)
                return attn__error_set(ATTN_ERR_INVALID,
                                       "token %" PRId64 " of sequence %" PRId64
                                       " is kept behind token %" PRId64
                                       ", expected a child of that",
                                       token, i, at);
            at = token;
        }
        if (n_keep && keep)
            keep += kept;
    }
    return ATTN_OK;
}

/* Drops the cells that the window has left behind; returns how many. */
static int64_t evict(attn_cache *cache, int64_t n, struct attn__cache_table *t, int64_t last)
{
    const struct attn__cache_rule *rule = &cache->c.rule[n];
    int64_t kept = 0, had = t->n_cells, least;
    if (rule->window == ATTN_UNBOUNDED)
        return 0;
    least = last - (rule->window - 1) - rule->slack;
    for (int64_t i = 0; i < had; i++) {
        struct attn__cache_cell at = t->cell[i];
        if (at.pos < rule->sink || at.pos >= least) {
            t->cell[kept++] = at;
            continue;
        }
        t->lost_end = attn__max_i64(t->lost_end, at.pos + 1);
        if (rule->fold) {
            attn__cache_row_fold(cache, n, at, t->fold);
            t->n_folded++;
        }
    }
    t->n_cells = kept;
    return had - kept;
}

int32_t attn__cache_step_commit(attn_step *step, const int64_t *n_keep, const int32_t *keep)
{
    attn_cache *cache = step->cache;
    int64_t tables = attn__cache_tables(cache);
    int32_t status = check_open(step);
    if (status == ATTN_OK && step->n_written < cache->c.rows)
        status = attn__error_set(ATTN_ERR_STATE,
                                 "%" PRId64 " layers of the step were written, expected all %"
                                 PRId64 " that own keys",
                                 step->n_written, cache->c.rows);
    if (status == ATTN_OK)
        status = check_keep(step, n_keep, keep);
    if (status != ATTN_OK)
        return status;
    for (int64_t i = 0; i < step->n; i++) {
        const struct attn__cache_item *item = &step->item[i];
        struct attn__cache_seq *s = item->seq;
        int64_t kept = n_keep ? n_keep[i] : item->count;
        s->last = s->next;
        s->next += kept;
        s->step = NULL;
        s->version++;
        for (int64_t n = 0; n < tables; n++) {
            struct attn__cache_table *t = &s->table[n];
            int64_t first = t->n_cells - item->count;
            for (int64_t x = 0; x < kept && n_keep; x++)
                t->cell[first + x] = t->cell[first + keep[x]];
            t->n_cells = first + kept;
            int64_t gone = evict(cache, n, t, s->last);
            bool closed = attn__cache_close(cache, t);
            cache->evicted += gone;
            attn__cache_table_sweep(cache, t, gone > 0 || kept < item->count || closed);
        }
        cache->appended += kept;
        if (n_keep && keep)
            keep += kept;
    }
    step->open = false;
    return ATTN_OK;
}

int32_t attn__cache_step_abort(attn_step *step)
{
    attn_cache *cache = step->cache;
    int64_t tables = attn__cache_tables(cache);
    int32_t status = check_open(step);
    if (status != ATTN_OK)
        return status;
    for (int64_t i = 0; i < step->n; i++) {
        struct attn__cache_item *item = &step->item[i];
        for (int64_t n = 0; n < tables; n++) {
            struct attn__cache_table *t = &item->seq->table[n];
            if (step->written[n / cache->c.groups])
                t->n_cells -= item->count;
            attn__cache_table_sweep(cache, t, true);
        }
        item->seq->step = NULL;
        item->seq->version++;
    }
    step->open = false;
    return ATTN_OK;
}

void attn__cache_step_free(attn_step *step)
{
    attn_cache *cache = step->cache;
    if (step->open && !cache->closed)
        (void)attn__cache_step_abort(step);
    step->tag = 0;
    attn__mem_free(&cache->ctx->mem, step, step->bytes);
    attn__cache_release(cache);
}
