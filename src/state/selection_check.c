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
