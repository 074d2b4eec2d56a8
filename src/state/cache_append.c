/* SPDX-License-Identifier: MIT */
/*
 * Appending the tokens of one sequence to another: a step whose rows come from
 * the cache, keys turned on by where they go.
 */
#include "state/cache_object.h"

#include <inttypes.h>

#include <attn/desc.h>

#include "base/dtype.h"
#include "base/error.h"

static int32_t check(const attn_cache *cache, const struct attn__cache_seq *from)
{
    if (!cache->c.raw && cache->c.pairing == ATTN_ROPE_NONE)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "the keys are stored turned and the cache does not know how, "
                               "expected cache_keys=raw or rope");
    for (int64_t n = 0; n < attn__cache_tables(cache); n++)
        if (from->table[n].n_cells != from->next)
            return attn__error_set(ATTN_ERR_UNAVAILABLE,
                                   "from has %" PRId64 " of its %" PRId64
                                   " tokens in one of its tables, expected all",
                                   from->table[n].n_cells, from->next);
    return ATTN_OK;
}

/* turn: NULL for keys that stay as they are. */
static void append_table(attn_cache *cache, int64_t n, const struct attn__cache_seq *from,
                         struct attn__cache_seq *to, const double *turn, float *room)
{
    struct attn__cache_table *t = &to->table[n];
    int64_t page = 0;
    for (int64_t i = 0; i < from->next; i++) {
        struct attn__cache_cell cell = from->table[n].cell[i];
        struct attn__cache_cell at = attn__cache_table_slot(cache, t, &page);
        attn__cache_table_copy(cache, n, cell, at);
        if (turn)
            attn__cache_row_turn(cache, n, at, turn, room);
        attn__cache_bounds_add(cache, t, page, at);
        at.pos = to->next + i;
        at.score = cell.score;
        t->cell[t->n_cells++] = at;
    }
    bool closes = attn__cache_closes(cache, n);
    bool open = closes && attn__cache_open_cells(cache, &from->table[n]) == from->next;
    to->lossy |= (turn || closes) && !open &&
                 attn__dtype_stored(attn__cache_group_of(cache, n)->k_dtype);
}

int32_t attn__cache_append(attn_cache *cache, int64_t seq, int64_t from)
{
    struct attn__cache_seq *to, *s;
    attn_step *step;
    double *turn = NULL;
    size_t bytes = 0;
    int32_t status = attn__cache_idle(cache, "seq", seq, &to);
    if (status == ATTN_OK)
        status = attn__cache_idle(cache, "from", from, &s);
    if (status == ATTN_OK)
        status = check(cache, s);
    if (status != ATTN_OK || s->next == 0)
        return status;
    if (!cache->c.raw && to->next > 0) {
        turn = attn__cache_turn_make(cache, to->next, &bytes);
        if (!turn)
            return ATTN_ERR_NOMEM;
    }
    status = attn__cache_step_begin(cache, 1, &seq, &s->next, NULL, &step);
    if (status == ATTN_OK) {
        float *room = turn ? (float *)(void *)(turn + cache->c.rope_dim) : NULL;
        for (int64_t n = 0; n < attn__cache_tables(cache); n++)
            append_table(cache, n, s, to, turn, room);
        for (int64_t row = 0; row < cache->c.rows; row++)
            step->written[row] = true;
        step->n_written = cache->c.rows;
        to->lossy |= s->lossy;
        status = attn__cache_step_commit(step, NULL, NULL);
        attn__cache_step_free(step);
    }
    attn__mem_free(&cache->ctx->mem, turn, bytes);
    return status;
}
