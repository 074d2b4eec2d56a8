/* SPDX-License-Identifier: MIT */
/*
 * Random lists of role SELECTION: single tokens or ranges, with and without
 * neighbours, for all heads or some, for each sequence or all.
 */
#include "gen_parts.h"

#include <stdlib.h>

/* The entries of a row, from number n on; how many there are then. */
static int64_t one_row(struct maker *m, int64_t longest, int dense, int64_t n)
{
    struct rng *r = &m->rng;
    struct oracle_lists *l = &m->p->lists;
    for (int64_t j = 0, length; j < m->longest_k; j += length) {
        length = rng_int(r, 1, longest);
        length = length > m->longest_k - j ? m->longest_k - j : length;
        if (!rng_percent(r, dense))
            continue;
        l->start[n] = (int32_t)j;
        l->length[n++] = (int32_t)length;
    }
    return n;
}

static int64_t divisor_of(struct rng *r, int64_t n)
{
    int64_t d = rng_int(r, 1, n);
    while (n % d != 0)
        d--;
    return d;
}

void gen_lists(struct maker *m)
{
    struct oracle_options *o = &m->p->options;
    struct oracle_lists *l = &m->p->lists;
    struct rng *r = &m->rng;
    if (!o->lists)
        return;
    l->batch = rng_percent(r, 40) || m->n_seq == 0 ? 1 : m->n_seq;
    l->heads = o->hout;
    l->head_group = divisor_of(r, o->hout);
    l->queries = m->longest_q + (o->packed && rng_percent(r, 40) ? rng_int(r, 1, 9) : 0);
    l->q_block = rng_percent(r, 50) ? 1 : rng_int(r, 2, 70);
    if (o->prefix == 0 && (o->lists_or = rng_percent(r, 30)))
        gen_say(m->p, " lists=or");
    int64_t rows = l->batch * (l->heads / l->head_group) *
                   ((l->queries + l->q_block - 1) / l->q_block);
    int64_t longest = rng_percent(r, 50) ? 1 : rng_int(r, 2, 150), n = 0;
    int dense = (int)PICK(r, 3, 40, 97);
    size_t most = (size_t)(rows * m->longest_k + 1);
    l->row_ptr = calloc((size_t)rows + 1, sizeof *l->row_ptr);
    l->start = calloc(most, sizeof *l->start);
    l->length = calloc(most, sizeof *l->length);
    m->ok &= l->row_ptr && l->start && l->length;
    for (int64_t row = 0; m->ok && row < rows; row++)
        l->row_ptr[row + 1] = n = one_row(m, longest, dense, n);
}

attn_selection *gen_selection(const struct gen_problem *p, attn_ctx *ctx)
{
    const struct oracle_lists *l = &p->lists;
    int64_t rows = l->batch * (l->heads / l->head_group) *
                   ((l->queries + l->q_block - 1) / l->q_block);
    int64_t pointers = rows + 1, keys = 1;
    attn_tensor t[3];
    attn_selection *sel = NULL;
    for (int64_t e = 0; e < l->row_ptr[rows]; e++)
        if ((int64_t)l->start[e] + l->length[e] > keys)
            keys = (int64_t)l->start[e] + l->length[e];
    attn_tensor_init(&t[0], l->row_ptr, ATTN_DTYPE_I64, 1, &pointers);
    attn_tensor_init(&t[1], l->start, ATTN_DTYPE_I32, 1, &l->row_ptr[rows]);
    attn_tensor_init(&t[2], l->length, ATTN_DTYPE_I32, 1, &l->row_ptr[rows]);
    const attn_arg part[] = {{ATTN_SELECTION_PART_ROW_PTR, 0, &t[0]},
                             {ATTN_SELECTION_PART_START, 0, &t[1]},
                             {ATTN_SELECTION_PART_LENGTH, 0, &t[2]}};
    if (attn_selection_import_rows(ctx, l->batch, l->heads, l->head_group, l->queries, l->q_block,
                                   keys, 0, part, 3, &sel) != ATTN_OK)
        return NULL;
    return sel;
}
