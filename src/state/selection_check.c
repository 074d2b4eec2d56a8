/* SPDX-License-Identifier: MIT */
/*
 * What index lists must be. They may come from anywhere, so nothing is read
 * through a pointer or index before it was looked at.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/checked.h"
#include "base/error.h"
#include "state/selection.h"

/* ---- rows ---- */

void attn__select_where(const struct attn__select_rows *s, int64_t row,
                        char text[ATTN__SELECT_WHERE])
{
    int64_t t = row % s->blocks, set = row / s->blocks;
    int64_t i0 = t * s->q_block, h0 = set % s->sets * s->head_group;

    snprintf(text, ATTN__SELECT_WHERE,
             "row %" PRId64 " (batch %" PRId64 ", heads %" PRId64 " to %" PRId64
             ", queries %" PRId64 " to %" PRId64 ")",
             row, set / s->sets, h0, h0 + s->head_group - 1, i0,
             attn__min_i64(s->q_block, s->n_queries - i0) + i0 - 1);
}

static int32_t check_pointers(const struct attn__select_rows *s, const char *name)
{
    char where[ATTN__SELECT_WHERE];

    if (s->row_ptr[0] != 0)
        return attn__error_set(ATTN_ERR_RANGE, "%s: row_ptr[0] is %" PRId64 ", expected 0", name,
                               s->row_ptr[0]);
    for (int64_t r = 0; r < s->rows; r++) {
        if (s->row_ptr[r + 1] >= s->row_ptr[r])
            continue;
        attn__select_where(s, r, where);
        return attn__error_set(ATTN_ERR_RANGE,
                               "%s: row_ptr[%" PRId64 "] is %" PRId64
                               ", expected at least %" PRId64 ", where %s begins",
                               name, r + 1, s->row_ptr[r + 1], s->row_ptr[r], where);
    }
    if (s->row_ptr[s->rows] != s->n)
        return attn__error_set(ATTN_ERR_RANGE,
                               "%s: row_ptr[%" PRId64 "] is %" PRId64
                               ", expected the %" PRId64 " entries",
                               name, s->rows, s->row_ptr[s->rows], s->n);
    return ATTN_OK;
}

/* What is wrong with entry e, whose keys may begin at `least`: written to text
 * in the words "start is 3, expected ..."; NULL: nothing. */
static const char *bad_entry(const struct attn__select_rows *s, int64_t e, int64_t least,
                             int64_t nk, char text[128])
{
    if (s->start[e] < 0) {
        snprintf(text, 128, "start is %" PRId32 ", expected 0 or more", s->start[e]);
        return text;
    }
    if (s->start[e] < least) {
        snprintf(text, 128,
                 "start is %" PRId32 ", expected at least %" PRId64
                 ", where the entry before it ends",
                 s->start[e], least);
        return text;
    }
    if (s->length[e] < 1) {
        snprintf(text, 128, "length is %" PRId32 ", expected 1 or more", s->length[e]);
        return text;
    }
    if ((int64_t)s->start[e] + s->length[e] > nk) {
        snprintf(text, 128,
                 "keys %" PRId32 " to %" PRId64 " are selected, expected at most %" PRId64,
                 s->start[e], (int64_t)s->start[e] + s->length[e] - 1, nk - 1);
        return text;
    }
    return NULL;
}

static int32_t check_row(const struct attn__select_rows *s, int64_t r, int64_t nk,
                         const char *name)
{
    int64_t least = 0;
    char text[128], where[ATTN__SELECT_WHERE];

    for (int64_t e = s->row_ptr[r]; e < s->row_ptr[r + 1]; e++) {
        if (bad_entry(s, e, least, nk, text)) {
            attn__select_where(s, r, where);
            return attn__error_set(ATTN_ERR_RANGE, "%s: entry %" PRId64 " of %s: %s", name, e,
                                   where, text);
        }
        least = (int64_t)s->start[e] + s->length[e];
        if (!s->logit || (s->logit[e] == s->logit[e] && s->logit[e] != INFINITY))
            continue;
        attn__select_where(s, r, where);
        return attn__error_set(ATTN_ERR_DATA,
                               "%s: entry %" PRId64
                               " of %s: logit is %g, expected a number or -inf",
                               name, e, where, (double)s->logit[e]);
    }
    return ATTN_OK;
}

int32_t attn__select_rows_check(const struct attn__select_rows *s, int64_t nk, const char *name)
{
    if (s->replace && !s->logit)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has replace without logit, expected both or logit alone", name);
    if (s->n < 0 || s->n > s->capacity)
        return attn__error_set(ATTN_ERR_RANGE,
                               "%s has %" PRId64 " entries, expected 0 to %" PRId64, name, s->n,
                               s->capacity);
    int32_t status = check_pointers(s, name);
    nk = attn__min_i64(nk, INT32_MAX);
    for (int64_t r = 0; r < s->rows && status == ATTN_OK; r++)
        status = check_row(s, r, nk, name);
    return status;
}

/* ---- groups ---- */

/* Offsets that rise from 0 to at most `all`. */
static int32_t check_offsets(const int64_t *ptr, int64_t groups, int64_t all, const char *what,
                             const char *name)
{
    if (ptr[0] != 0)
        return attn__error_set(ATTN_ERR_RANGE, "%s: %s[0] is %" PRId64 ", expected 0", name, what,
                               ptr[0]);
    for (int64_t g = 0; g < groups; g++)
        if (ptr[g + 1] < ptr[g] || ptr[g + 1] > all)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "%s: %s[%" PRId64 "] is %" PRId64 ", expected %" PRId64
                                   " to %" PRId64,
                                   name, what, g + 1, ptr[g + 1], ptr[g], all);
    return ATTN_OK;
}

/* Members of group g that rise strictly within 0..end-1. */
static int32_t check_members(const int32_t *index, const int64_t *ptr, int64_t g, int64_t end,
                             const char *what, const char *name)
{
    int64_t least = 0;

    for (int64_t n = ptr[g]; n < ptr[g + 1]; n++) {
        if (index[n] < least || index[n] >= end)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "%s: %s[%" PRId64 "] of group %" PRId64 " is %" PRId32
                                   ", expected %" PRId64 " to %" PRId64
                                   " (each once, rising)",
                                   name, what, n, g, index[n], least, end - 1);
        least = (int64_t)index[n] + 1;
    }
    return ATTN_OK;
}

static int32_t check_owner(int32_t found, int64_t end, int64_t g, const char *what,
                           const char *name)
{
    if (found >= 0 && found < end)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_RANGE,
                           "%s: %s of group %" PRId64 " is %" PRId32 ", expected 0 to %" PRId64,
                           name, what, g, found, end - 1);
}

bool attn__select_seen_words(const struct attn__select_groups *g, size_t *words)
{
    int64_t bits;

    if (!attn__mul_i64(g->n_batch, g->heads, &bits) || !attn__mul_i64(bits, g->n_queries, &bits))
        return false;
    *words = (size_t)bits / 64 + 1;
    return true;
}

static int32_t check_exclusive(const struct attn__select_groups *g, int64_t n, uint64_t *seen,
                               const char *name)
{
    int64_t first = ((int64_t)g->batch[n] * g->heads + g->head[n]) * g->n_queries;

    for (int64_t e = g->q_ptr[n]; e < g->q_ptr[n + 1]; e++) {
        int64_t bit = first + g->q_idx[e];
        if (seen[bit / 64] >> (bit % 64) & 1)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "%s: query %" PRId32 " of group %" PRId64
                                   " is in another group of head %" PRId32 " (batch %" PRId32
                                   ") as well, expected one group a query with "
                                   "combine=exclusive",
                                   name, g->q_idx[e], n, g->head[n], g->batch[n]);
        seen[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
    return ATTN_OK;
}

int32_t attn__select_groups_check(const struct attn__select_groups *g, int64_t nk, uint64_t *seen,
                                  const char *name)
{
    if (g->combine < ATTN__COMBINE_EXCLUSIVE || g->combine > ATTN__COMBINE_LSE)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s: combine is %" PRId32 ", expected exclusive, sum, mean or lse",
                               name, g->combine);
    if (!(g->eps >= 0) || g->eps == INFINITY || (g->eps > 0 && g->combine != ATTN__COMBINE_MEAN))
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s: eps is %g, expected 0 or, with combine=mean, more", name,
                               g->eps);
    if (g->n < 0 || g->n > g->capacity)
        return attn__error_set(ATTN_ERR_RANGE,
                               "%s has %" PRId64 " groups, expected 0 to %" PRId64, name, g->n,
                               g->capacity);
    int32_t status = check_offsets(g->q_ptr, g->n, g->q_capacity, "q_ptr", name);
    if (status == ATTN_OK)
        status = check_offsets(g->k_ptr, g->n, g->k_capacity, "k_ptr", name);
    nk = attn__min_i64(nk, INT32_MAX);
    for (int64_t n = 0; n < g->n && status == ATTN_OK; n++) {
        status = check_owner(g->batch[n], g->n_batch, n, "batch", name);
        if (status == ATTN_OK)
            status = check_owner(g->head[n], g->heads, n, "head", name);
        if (status == ATTN_OK)
            status = check_members(g->q_idx, g->q_ptr, n, g->n_queries, "q_idx", name);
        if (status == ATTN_OK)
            status = check_members(g->k_idx, g->k_ptr, n, nk, "k_idx", name);
        if (status == ATTN_OK && g->combine == ATTN__COMBINE_EXCLUSIVE && seen)
            status = check_exclusive(g, n, seen, name);
    }
    return status;
}
