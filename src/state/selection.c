/* SPDX-License-Identifier: MIT */
/*
 * Room for index lists, and writing them.
 *
 * Threads that write rows know nothing of each other's lengths, so each row has
 * its own stretch of the arrays, and row_ptr[r + 1] holds its length or, below 0,
 * its fault. The end moves the rows to the front, in order.
 */
#include "state/selection.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

/* ---- room ---- */

/* Cuts arrays from a block, or only measures. */
struct room {
    char *base;
    size_t used;
    bool ok;
};

static void *take(struct room *m, int64_t n, size_t size)
{
    size_t bytes, at = m->used;

    m->ok = m->ok && n >= 0 && attn__mul_size((size_t)n, size, &bytes) &&
            attn__align_up(bytes, 64, &bytes) && attn__add_size(at, bytes, &m->used);
    return m->base && m->ok ? m->base + at : NULL;
}

int32_t attn__select_rows_shape(struct attn__select_rows *s, int64_t heads, const char *name)
{
    if (s->n_batch < 1 || s->n_queries < 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s is for a batch of %" PRId64 " with %" PRId64
                               " queries, expected 1 or more with 0 or more",
                               name, s->n_batch, s->n_queries);
    if (s->q_block < 1)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has a q_block of %" PRId64 ", expected 1 or more", name,
                               s->q_block);
    if (s->head_group < 1 || heads < 1 || heads % s->head_group != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has a head_group of %" PRId64
                               ", expected a divisor of the %" PRId64 " output heads",
                               name, s->head_group, heads);
    s->sets = heads / s->head_group;
    s->blocks = s->n_queries / s->q_block + (s->n_queries % s->q_block != 0);
    if (attn__mul_i64(s->n_batch, s->sets, &s->rows) &&
        attn__mul_i64(s->rows, s->blocks, &s->rows) && s->rows < INT64_MAX)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_OVERFLOW, "the rows of %s do not fit in 64 bits", name);
}

bool attn__select_rows_place(struct attn__select_rows *s, bool logit, bool replace, void *memory,
                             size_t *bytes)
{
    struct room m = {.base = memory, .ok = true};

    s->row_ptr = take(&m, s->rows + 1, sizeof *s->row_ptr);
    s->start = take(&m, s->capacity, sizeof *s->start);
    s->length = take(&m, s->capacity, sizeof *s->length);
    s->logit = logit ? take(&m, s->capacity, sizeof *s->logit) : NULL;
    s->replace = replace ? take(&m, s->capacity, sizeof *s->replace) : NULL;
    *bytes = m.used;
    if (memory && m.ok)
        attn__select_clear(s);
    return m.ok;
}

void attn__select_clear(struct attn__select_rows *s)
{
    memset(s->row_ptr, 0, (size_t)(s->rows + 1) * sizeof *s->row_ptr);
    s->n = 0;
}

void attn__select_begin(struct attn__select_rows *s, int64_t per_row)
{
    attn__select_clear(s);
    s->per_row = per_row;
}

struct attn__select_writer attn__select_row_begin(struct attn__select_rows *s, int64_t row)
{
    struct attn__select_writer w = {.s = s, .row = row};

    w.first = w.at = s->per_row > 0 ? row * s->per_row : s->n;
    w.end = s->per_row > 0 ? w.first + s->per_row : s->capacity;
    return w;
}

/* Entry e can take keys behind it that have this logit. */
static bool can_grow(const struct attn__select_rows *s, int64_t e, float logit, bool replace)
{
    return !replace && !(s->replace && s->replace[e]) && (!s->logit || s->logit[e] == logit);
}

void attn__select_put(struct attn__select_writer *w, int64_t start, int64_t length, float logit,
                      bool replace)
{
    const struct attn__select_rows *s = w->s;
    int64_t end, last = w->at - 1;

    if (length < 1 || w->fault != ATTN__SELECT_GOOD)
        return;
    if (start < 0 || start > INT32_MAX || length > INT32_MAX - start ||
        (w->at > w->first && start < s->start[last])) {
        w->fault = ATTN__SELECT_ORDER;
        return;
    }
    end = start + length;
    if (w->at > w->first) {
        int64_t before = (int64_t)s->start[last] + s->length[last];
        start = start < before ? before : start;
        if (start >= end)
            return;
        if (start == before && can_grow(s, last, logit, replace)) {
            s->length[last] = (int32_t)(end - s->start[last]);
            return;
        }
    }
    if (w->at == w->end) {
        w->fault = ATTN__SELECT_FULL;
        return;
    }
    s->start[w->at] = (int32_t)start;
    s->length[w->at] = (int32_t)(end - start);
    if (s->logit)
        s->logit[w->at] = logit;
    if (s->replace)
        s->replace[w->at] = replace;
    w->at++;
}

void attn__select_put_keys(struct attn__select_writer *w, const int32_t *key, int64_t n)
{
    const struct attn__select_rows *s = w->s;
    int64_t at = w->at, i = 0;
    int32_t from = 0, end = -1; /* of the entry in front of `at` */

    if (w->fault != ATTN__SELECT_GOOD)
        return;
    if (at > w->first) {
        from = s->start[at - 1];
        end = from + s->length[at - 1];
    }
    for (; i < n && at < w->end; i++) { /* without a branch on the keys */
        bool grows = key[i] == end;
        from = grows ? from : key[i];
        end = key[i] + 1;
        at -= grows;
        s->start[at] = from;
        s->length[at] = end - from;
        at++;
    }
    w->at = at;
    for (; i < n; i++) /* no room but in the last entry */
        attn__select_put(w, key[i], 1, 0, false);
}

void attn__select_row_end(const struct attn__select_writer *w)
{
    w->s->row_ptr[w->row + 1] = w->fault ? -(int64_t)w->fault : w->at - w->first;
    if (w->s->per_row == 0 && !w->fault)
        w->s->n = w->at;
}

static int32_t bad_row(const struct attn__select_rows *s, int64_t row, const char *name)
{
    int64_t fault = -s->row_ptr[row + 1];
    char where[ATTN__SELECT_WHERE];

    attn__select_where(s, row, where);
    if (fault == ATTN__SELECT_NAN)
        return attn__error_set(ATTN_ERR_DATA, "%s: a score that %s is selected by is NaN", name,
                               where);
    if (fault == ATTN__SELECT_ORDER)
        return attn__error_set(ATTN_ERR_RANGE,
                               "%s: the keys of %s do not rise or do not lie in 0 to %d", name,
                               where, INT32_MAX);
    return attn__error_set(ATTN_ERR_LIMIT,
                           "%s has no room for the entries of %s: expected at most %" PRId64
                           " in %s (capacity %" PRId64 ")",
                           name, where, s->per_row > 0 ? s->per_row : s->capacity,
                           s->per_row > 0 ? "each row" : "all rows", s->capacity);
}

/* Entries of a row from `from` to `to`, which is not behind. */
static void move(struct attn__select_rows *s, int64_t to, int64_t from, int64_t n)
{
    if (to == from || n == 0)
        return;
    memmove(s->start + to, s->start + from, (size_t)n * sizeof *s->start);
    memmove(s->length + to, s->length + from, (size_t)n * sizeof *s->length);
    if (s->logit)
        memmove(s->logit + to, s->logit + from, (size_t)n * sizeof *s->logit);
    if (s->replace)
        memmove(s->replace + to, s->replace + from, (size_t)n * sizeof *s->replace);
}

int32_t attn__select_end(struct attn__select_rows *s, const char *name)
{
    int64_t at = 0;

    for (int64_t r = 0; r < s->rows; r++) {
        if (s->row_ptr[r + 1] >= 0)
            continue;
        int32_t status = bad_row(s, r, name);
        attn__select_clear(s);
        return status;
    }
    for (int64_t r = 0; r < s->rows; r++) {
        int64_t n = s->row_ptr[r + 1];
        move(s, at, s->per_row > 0 ? r * s->per_row : at, n);
        at += n;
        s->row_ptr[r + 1] = at;
    }
    s->n = at;
    return ATTN_OK;
}

int64_t attn__select_rows_end_key(const struct attn__select_rows *s)
{
    int64_t end = 0;

    for (int64_t r = 0; r < s->rows; r++) {
        int64_t last = s->row_ptr[r + 1] - 1;
        if (last >= s->row_ptr[r])
            end = attn__max_i64(end, (int64_t)s->start[last] + s->length[last]);
    }
    return end;
}
