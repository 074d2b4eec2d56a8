/* SPDX-License-Identifier: MIT */
/*
 * Groups of queries. They may come from anywhere, so nothing is used as an index
 * before it was looked at.
 */
#include "state/selection_groups.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

static void *take(char *base, bool *ok, size_t *used, int64_t n, size_t size)
{
    size_t bytes, at = *used;
    *ok = *ok && n >= 0 && attn__mul_size((size_t)n, size, &bytes) &&
          attn__align_up(bytes, 64, &bytes) && attn__add_size(at, bytes, used);
    return base && *ok ? base + at : NULL;
}

bool attn__select_groups_place(struct attn__select_groups *g, int64_t lists, int64_t queries,
                               void *memory, size_t *bytes)
{
    bool ok = g->n < INT64_MAX && lists < INT64_MAX;
    *bytes = 0;
    if (!ok)
        return false;
    g->batch = take(memory, &ok, bytes, g->n, sizeof *g->batch);
    g->head = take(memory, &ok, bytes, g->n, sizeof *g->head);
    g->q_ptr = take(memory, &ok, bytes, g->n + 1, sizeof *g->q_ptr);
    g->query = take(memory, &ok, bytes, queries, sizeof *g->query);
    g->of_ptr = take(memory, &ok, bytes, lists + 1, sizeof *g->of_ptr);
    g->of = take(memory, &ok, bytes, g->n, sizeof *g->of);
    return ok;
}

void attn__select_groups_where(const struct attn__select_groups *g, int64_t group,
                               char text[ATTN__GROUP_WHERE])
{
    snprintf(text, ATTN__GROUP_WHERE, "group %" PRId64 " (batch %" PRId32 ", head %" PRId32 ")",
             group, g->batch[group], g->head[group]);
}

/* One of the numbers of a group, which may be 0 to end - 1. */
static int32_t check_number(const char *part, int64_t group, int64_t found, int64_t end)
{
    if (found >= 0 && found < end)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_RANGE,
                           "selection: %s[%" PRId64 "] is %" PRId64 ", expected 0 to %" PRId64,
                           part, group, found, end - 1);
}

static int32_t check_queries(const struct attn__select *s, int64_t group)
{
    const struct attn__select_groups *g = &s->groups;
    char where[ATTN__GROUP_WHERE];
    int64_t least = 0;
    for (int64_t e = g->q_ptr[group]; e < g->q_ptr[group + 1]; e++) {
        if (g->query[e] >= least && g->query[e] < s->rows.n_queries) {
            least = (int64_t)g->query[e] + 1;
            continue;
        }
        attn__select_groups_where(g, group, where);
        return attn__error_set(ATTN_ERR_RANGE,
                               "selection: q_idx[%" PRId64 "] of %s is %" PRId32
                               ", expected %" PRId64 " to %" PRId64
                               ": the queries of a group rise",
                               e, where, g->query[e], least, s->rows.n_queries - 1);
    }
    return ATTN_OK;
}

int32_t attn__select_groups_check(const struct attn__select *s, int64_t queries)
{
    const struct attn__select_groups *g = &s->groups;
    int32_t status = ATTN_OK;
    if (g->q_ptr[0] != 0 || g->q_ptr[g->n] != queries)
        return attn__error_set(ATTN_ERR_RANGE,
                               "selection: q_ptr goes from %" PRId64 " to %" PRId64
                               ", expected 0 to the %" PRId64 " queries of q_idx",
                               g->q_ptr[0], g->q_ptr[g->n], queries);
    for (int64_t n = 0; n < g->n; n++)
        if (g->q_ptr[n + 1] < g->q_ptr[n])
            return attn__error_set(ATTN_ERR_RANGE,
                                   "selection: q_ptr[%" PRId64 "] is %" PRId64
                                   ", expected at least %" PRId64 ", where group %" PRId64
                                   " begins",
                                   n + 1, g->q_ptr[n + 1], g->q_ptr[n], n);
    for (int64_t n = 0; n < g->n && status == ATTN_OK; n++) {
        status = check_number("g_batch", n, g->batch[n], s->rows.n_batch);
        if (status == ATTN_OK)
            status = check_number("g_head", n, g->head[n], s->heads);
        if (status == ATTN_OK)
            status = check_queries(s, n);
    }
    return status;
}

void attn__select_groups_sort(struct attn__select *s)
{
    struct attn__select_groups *g = &s->groups;
    int64_t lists = s->rows.n_batch * s->heads;
    memset(g->of_ptr, 0, (size_t)(lists + 1) * sizeof *g->of_ptr);
    /* How many each list has, then where it ends, then, going back, where it begins. */
    for (int64_t n = 0; n < g->n; n++)
        g->of_ptr[g->batch[n] * s->heads + g->head[n]]++;
    for (int64_t l = 1; l <= lists; l++)
        g->of_ptr[l] += g->of_ptr[l - 1];
    for (int64_t n = g->n - 1; n >= 0; n--)
        g->of[--g->of_ptr[g->batch[n] * s->heads + g->head[n]]] = n;
}

/* Marks the queries of a group; returns the first that was marked before, or -1. */
static int64_t mark(const struct attn__select_groups *g, int64_t group, uint8_t *seen)
{
    int64_t twice = -1;
    for (int64_t e = g->q_ptr[group]; e < g->q_ptr[group + 1]; e++) {
        int32_t i = g->query[e];
        if (twice < 0 && seen[i / 8] >> (i % 8) & 1)
            twice = i;
        seen[i / 8] |= (uint8_t)(1 << (i % 8));
    }
    return twice;
}

int32_t attn__select_groups_check_exclusive(const struct attn__select *s, uint8_t *seen)
{
    const struct attn__select_groups *g = &s->groups;
    char where[ATTN__GROUP_WHERE];
    for (int64_t l = 0; l < s->rows.n_batch * s->heads; l++) {
        for (int64_t at = g->of_ptr[l]; at < g->of_ptr[l + 1]; at++) {
            int64_t twice = mark(g, g->of[at], seen);
            if (twice < 0)
                continue;
            attn__select_groups_where(g, g->of[at], where);
            return attn__error_set(ATTN_ERR_RANGE,
                                   "selection: query %" PRId64
                                   " of %s is in an earlier group of that head, expected one "
                                   "group: combine is exclusive",
                                   twice, where);
        }
        for (int64_t at = g->of_ptr[l]; at < g->of_ptr[l + 1]; at++)
            for (int64_t e = g->q_ptr[g->of[at]]; e < g->q_ptr[g->of[at] + 1]; e++)
                seen[g->query[e] / 8] = 0;
    }
    return ATTN_OK;
}
