/* SPDX-License-Identifier: MIT */
/*
 * Tables of biases whose size has to fit the lengths or the descriptor.
 */
#include <inttypes.h>

#include "base/error.h"
#include "plan/bind.h"

/* Each sequence has as many keys (and rows) as a grid of h x w. */
static int32_t check_grid(const struct attn__dims *d, const char *of, int64_t h, int64_t w,
                          bool rows)
{
    int64_t n;
    if (__builtin_mul_overflow(h, w, &n))
        return attn__error_set(ATTN_ERR_OVERFLOW, "%s: a grid of %" PRId64 " x %" PRId64
                               " does not fit in 64 bits", of, h, w);
    for (int64_t i = 0; i < d->s; i++) {
        struct attn__seq s = attn__call_seq(d->call, i);
        bool keys = s.k_all == n;
        if (keys && (!rows || s.q_all == n))
            continue;
        return attn__error_set(ATTN_ERR_SHAPE,
                               "%s: sequence %" PRId64 " has %" PRId64 " %s, expected %" PRId64
                               " x %" PRId64 " of them",
                               of, i, keys ? s.q_all : s.k_all, keys ? "rows" : "keys", h, w);
    }
    return ATTN_OK;
}

static int32_t check_zero(enum attn__slot slot, int64_t found, int64_t zero)
{
    int64_t least = zero == ATTN_UNBOUNDED ? 1 : zero + 1;
    if (found >= least)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "%s has extent %" PRId64 " in dimension 1, expected at least %" PRId64
                           ", so that distance 0 is in it",
                           attn__role_table[slot].name, found, least);
}

static int32_t check_same_rows(const struct attn__call *c)
{
    int64_t want = c->t[ATTN__SLOT_QUERY_TABLE].shape[1];
    int64_t found = c->t[ATTN__SLOT_QUERY_TABLE_BIAS].shape[1];
    if (found == want)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "query_table_bias has extent %" PRId64 " in dimension 1, expected the %"
                           PRId64 " of query_table",
                           found, want);
}

int32_t attn__bind_score(const struct attn__dims *d)
{
    const struct attn__score_spec *e = &d->p->score;
    const struct attn__call *c = d->call;
    int32_t status = ATTN_OK;
    if (c->has[ATTN__SLOT_BIAS_TABLE])
        status = check_zero(ATTN__SLOT_BIAS_TABLE, c->t[ATTN__SLOT_BIAS_TABLE].shape[1],
                            e->table_zero);
    if (status == ATTN_OK && c->has[ATTN__SLOT_QUERY_TABLE])
        status = check_zero(ATTN__SLOT_QUERY_TABLE, c->t[ATTN__SLOT_QUERY_TABLE].shape[1],
                            e->query_table_zero);
    if (status == ATTN_OK && c->has[ATTN__SLOT_QUERY_TABLE_BIAS])
        status = check_same_rows(c);
    if (status == ATTN_OK && e->grid_w > 0)
        status = check_grid(d, "grid_y and grid_w", c->t[ATTN__SLOT_GRID_Y].shape[3], e->grid_w,
                            false);
    if (status == ATTN_OK && e->swin_h > 0)
        status = check_grid(d, "swin_h and swin_w", e->swin_h, e->swin_w, true);
    return status;
}
