/* SPDX-License-Identifier: MIT */
/*
 * What selecting costs before anything is known of the data, for describing a
 * plan: operations of the comparisons that each algorithm makes, with products of
 * rows as a multiplication and an addition for each channel. Where a row looks at
 * the keys in front of it alone, half of all pairs are counted.
 */
#include "mech/select_attend.h"

#include <math.h>

#include "problem/visibility.h"
#include "solvers/select_regions.h"
#include "solvers/select_reps.h"
#include "solvers/select_view.h"

/* Lengths and numbers of heads as factors. */
struct sizes {
    double q, k, d;
    double heads, k_heads; /* that are compared */
    double rows;           /* of lists, of all heads */
    double seen;           /* the part of all pairs that is looked at */
};

static double pooled(const struct attn__pooled_spec *s, const struct sizes *z)
{
    double width = (double)attn__reps_width(s, (int64_t)z->d), group = 1, runs = 1;
    double blocks = s->ragged ? z->k : ceil(z->k / (double)attn__pooled_unit(s));
    if (s->rep == ATTN__REP_WINDOWS)
        blocks = fmax(z->k - (double)s->window, 0) / (double)s->stride + 1;
    if (s->reduce != ATTN__REDUCE_MEAN && s->reduce != ATTN__REDUCE_NONE)
        group = s->heads > 0 ? z->heads : (double)s->head_group;
    if (s->rep == ATTN__REP_STRIDES)
        runs = ceil((double)s->q_block / (double)s->stride);
    double sums = attn__pooled_is_direct(s) ? 0 : z->k * z->k_heads * z->d;
    return sums + 2 * z->rows * group * runs * blocks * width * z->seen;
}

static double stripes(const struct attn__pooled_spec *s, const struct sizes *z)
{
    return 2 * z->heads * fmin((double)s->stripes.queries, z->q) * z->k * z->d;
}

static double flex(const struct attn__pooled_spec *s, const struct sizes *z)
{
    double blocks = ceil(z->k / (double)s->k_block);
    return stripes(s, z) + (z->q * z->heads + z->k * z->k_heads) * z->d +
           z->rows * blocks * z->d; /* twice half of all pairs of blocks */
}

static double landmark(const struct attn__pooled_spec *s, const struct sizes *z)
{
    return 2 * z->heads * z->q * (double)s->landmark.blocks * z->d * z->seen;
}

static double predict(const struct attn__pooled_spec *s, const struct sizes *z)
{
    const struct attn__predict_spec *p = &s->predict;
    double basis = (double)p->basis, keys = 2 * z->k_heads * basis * z->d;
    if (p->given)
        return z->heads * z->q * z->k;
    return keys * (z->k + 2 * (double)p->width) + 2 * z->heads * z->q * basis * z->d +
           2 * z->heads * z->q * z->k * (double)p->top;
}

static double tree(const struct attn__pooled_spec *s, const struct sizes *z)
{
    double looked_at = ceil((double)s->q_block / (double)s->tree.stride);
    double rounds = ceil(log2(fmax(z->k / (double)s->tree.keys, 1)));
    return 2 * z->rows * 2 * (double)s->tree.keys * looked_at * z->d * rounds;
}

static double codes(const struct attn__pooled_spec *s, const struct sizes *z)
{
    double parts = z->d / (double)s->codes.part;
    return 2 * (z->q * z->heads + z->k * z->k_heads) * z->d * (double)s->codes.words +
           z->heads * z->q * z->k * parts * z->seen;
}

static double regions(const struct attn__pooled_spec *s, const struct sizes *z)
{
    double n = (double)attn__regions_count(&s->regions, (int64_t)z->k);
    return (z->q + z->k + 2 * n * n) * z->heads * z->d;
}

/* By p->pooled.form; `ranges`: an entry may have any number of keys. */
static const struct form {
    double (*operations)(const struct attn__pooled_spec *s, const struct sizes *z);
    bool ranges;
} forms[] = {
    [ATTN__FORM_POOLED] = {pooled, false},     [ATTN__FORM_STRIPES] = {stripes, true},
    [ATTN__FORM_FLEX] = {flex, false},         [ATTN__FORM_LANDMARK] = {landmark, true},
    [ATTN__FORM_PREDICT] = {predict, false},   [ATTN__FORM_TREE] = {tree, false},
    [ATTN__FORM_CODES] = {codes, false},       [ATTN__FORM_REGIONS] = {regions, true},
};

static bool looks_ahead(const struct attn__problem *p)
{
    const struct attn__pooled_spec *s = &p->pooled;
    if (s->form == ATTN__FORM_REGIONS)
        return true;
    return s->form == ATTN__FORM_POOLED ? s->open == ATTN__OPEN_ALL
                                        : s->form == ATTN__FORM_CODES && !s->codes.causal;
}

void attn__select_attend_price(const struct attn__problem *p, int64_t q, int64_t k,
                               struct attn__select_price *price)
{
    const struct attn__pooled_spec *s = &p->pooled;
    const struct form *form = &forms[s->form];
    struct attn__select_rows rows;
    struct attn__problem one = *p; /* of these lengths */
    one.q = q;
    one.k = k;
    *price = (struct attn__select_price){.operations = 0};
    if (q == 0 || k == 0 || attn__select_attend_rows(&one, 1, q, &rows) != ATTN_OK)
        return;
    struct sizes z = {
        .q = (double)q,
        .k = (double)k,
        .d = (double)(s->width > 0 ? s->width : p->d),
        .heads = (double)(s->heads > 0 ? s->heads : p->hout),
        .k_heads = (double)(s->heads > 0 ? s->k_heads : p->hk),
        .rows = (double)rows.rows,
        .seen = looks_ahead(p) ? 1 : 0.5,
    };
    double queries = (double)attn__min_i64(s->q_block, q) * (double)s->head_group;
    double all = z.q * z.k * (double)p->hout * attn__vis_share(p, q, k);
    bool ranges = form->ranges || (s->ragged && !s->tokens);
    double keys = s->tokens ? 1 : (double)attn__min_i64(s->k_block, k);
    double latest = z.q * (double)p->hout * (double)s->local;
    price->operations = form->operations(s, &z);
    price->bytes = (z.q * z.heads + z.k * z.k_heads) * z.d *
                   (double)attn__dtype_size(p->kv_dtype);
    price->entries = (double)rows.capacity;
    price->pairs = ranges ? all : fmin(all, price->entries * keys * queries + latest);
}
