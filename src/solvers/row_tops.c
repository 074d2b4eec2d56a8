/* SPDX-License-Identifier: MIT */
/*
 * Largest scores by parts. A row with NaN among its scores is done again by
 * whoever asks, so that what is kept of it does not matter.
 */
#include "solvers/row_tops.h"

void attn__row_tops_take(struct attn__scratch *s, const struct attn__problem *p, int64_t rows,
                         struct attn__row_tops *t)
{
    bool wanted = (p->want & (ATTN_WANT_ROWMAX | ATTN_WANT_ARGMAX)) != 0;
    *t = (struct attn__row_tops){NULL, NULL};
    if (!wanted)
        return;
    t->top = ATTN__TAKE(s, rows, float);
    t->key = ATTN__TAKE(s, rows, int64_t);
}

void attn__row_tops_clear(const struct attn__row_tops *t, int64_t rows)
{
    for (int64_t r = 0; r < rows && t->top; r++) {
        t->top[r] = -INFINITY;
        t->key[r] = -1;
    }
}

/* A larger score, or the same of a key in front; of -inf there is no key. */
static void offer(const struct attn__row_tops *t, int64_t r, float top, int64_t key)
{
    if (!(top > t->top[r] || (top == t->top[r] && key < t->key[r])))
        return;
    t->top[r] = top;
    t->key[r] = key;
}

void attn__row_tops_see(const struct attn__row_tops *t, const struct attn__kernels *kern, int64_t r,
                        const float *s, int64_t j0, int64_t n)
{
    float top = kern->row_max(s, n);
    int64_t j = 0;
    if (!(top > t->top[r] || (top == t->top[r] && j0 < t->key[r])))
        return;
    while (s[j] != top)
        j++;
    offer(t, r, top, j0 + j);
}

void attn__row_tops_join(const struct attn__row_tops *t, const struct attn__row_tops *other,
                         int64_t rows)
{
    for (int64_t r = 0; r < rows && t->top; r++)
        offer(t, r, other->top[r], other->key[r]);
}

void attn__row_tops_store(const struct attn__row_tops *t, const struct attn__call *c,
                          const struct attn__seq *s, const struct attn__vis *v, int64_t r0,
                          int64_t rows, double base)
{
    for (int64_t r = 0; r < rows && t->top; r++) {
        int64_t h = attn__vis_head(v, r0 + r), i = attn__vis_query(v, r0 + r);
        attn__call_store_argmax(c, s, h, i, t->key[r]);
        if (!c->has[ATTN__SLOT_ROWMAX])
            continue;
        struct attn__rows to = attn__call_per_row(c, ATTN__SLOT_ROWMAX, s, h);
        attn__rows_store(&to, i, 0, (double)t->top[r] / base);
    }
}
