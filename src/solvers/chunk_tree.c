/* SPDX-License-Identifier: MIT */
/*
 * The fixed tree of joins.
 */
#include "solvers/chunk_tree.h"

#include <math.h>
#include <string.h>

int32_t attn__tree_depth(int64_t chunks)
{
    if (chunks < 0)
        return ATTN__TREE_MAX;
    int32_t levels = 1;
    while (levels < ATTN__TREE_MAX / 2 - 1 && (INT64_C(1) << levels) < chunks)
        levels++;
    return 2 * levels + 2;
}

void attn__tree_take(struct attn__scratch *s, int64_t rows, int64_t dv, int32_t depth,
                     struct attn__tree *t)
{
    int64_t all = 0, wide = 0;
    s->ok = s->ok && attn__mul_i64(rows, depth, &all) && attn__mul_i64(all, dv, &wide);
    t->n = 0;
    t->rows = rows;
    t->dv = dv;
    t->node = ATTN__TAKE(s, depth, struct attn__tree_node);
    t->m = ATTN__TAKE(s, all, float);
    t->l = ATTN__TAKE(s, all, float);
    t->o = ATTN__TAKE(s, wide, float);
}

/* Joins position n + 1 into position n, row by row. A row that has seen no
 * key has l = 0, and its o has no meaning; a NaN on either side ends up in l,
 * where the last step looks. */
static void join(const struct attn__kernels *kern, struct attn__tree *t, int32_t n)
{
    float *ma = attn__tree_m(t, n), *la = attn__tree_l(t, n), *oa = attn__tree_o(t, n);
    float *mb = attn__tree_m(t, n + 1), *lb = attn__tree_l(t, n + 1);
    float *ob = attn__tree_o(t, n + 1);
    for (int64_t r = 0; r < t->rows; r++, oa += t->dv, ob += t->dv) {
        if (lb[r] == 0)
            continue;
        if (la[r] == 0) {
            ma[r] = mb[r];
            la[r] = lb[r];
            memcpy(oa, ob, (size_t)t->dv * sizeof *oa);
            continue;
        }
        float m = mb[r] <= ma[r] ? ma[r] : mb[r];
        float fa = exp2f(ma[r] - m), fb = exp2f(mb[r] - m);
        la[r] = la[r] * fa + lb[r] * fb;
        if (fa != 1)
            kern->vec_scale(oa, t->dv, fa);
        for (int64_t e = 0; e < t->dv; e++)
            oa[e] += ob[e] * fb;
        ma[r] = m;
    }
}

void attn__tree_push(const struct attn__kernels *kern, struct attn__tree *t, int32_t level,
                     int64_t index)
{
    t->node[t->n++] = (struct attn__tree_node){level, index};
    while (t->n > 1) {
        struct attn__tree_node *a = &t->node[t->n - 2], *b = &t->node[t->n - 1];
        if (a->level != b->level || a->index % 2 != 0 || b->index != a->index + 1)
            return;
        join(kern, t, t->n - 2);
        a->level++;
        a->index /= 2;
        t->n--;
    }
}

/* As few nodes as cover them: the largest first that is whole and aligned. */
void attn__tree_skip(const struct attn__kernels *kern, struct attn__tree *t, int64_t from,
                     int64_t to)
{
    while (from < to) {
        int32_t level = 0;
        while ((from >> level) % 2 == 0 && (INT64_C(2) << level) <= to - from)
            level++;
        for (int64_t r = 0; r < t->rows; r++) {
            attn__tree_m(t, t->n)[r] = -INFINITY;
            attn__tree_l(t, t->n)[r] = 0;
        }
        attn__tree_push(kern, t, level, from >> level);
        from += INT64_C(1) << level;
    }
}

void attn__tree_append(const struct attn__kernels *kern, struct attn__tree *t,
                       const struct attn__tree *right)
{
    size_t row_bytes = (size_t)t->rows * sizeof(float);
    for (int32_t n = 0; n < right->n; n++) {
        memcpy(attn__tree_m(t, t->n), attn__tree_m(right, n), row_bytes);
        memcpy(attn__tree_l(t, t->n), attn__tree_l(right, n), row_bytes);
        memcpy(attn__tree_o(t, t->n), attn__tree_o(right, n), row_bytes * (size_t)t->dv);
        attn__tree_push(kern, t, right->node[n].level, right->node[n].index);
    }
}

void attn__tree_finish(const struct attn__kernels *kern, struct attn__tree *t)
{
    for (; t->n > 1; t->n--)
        join(kern, t, t->n - 2);
}
