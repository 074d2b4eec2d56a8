/* SPDX-License-Identifier: MIT */
/*
 * Random lists of role SELECTION: single tokens or ranges, with and without
 * neighbours, with and without logits, for all heads or some, for each sequence or
 * all; and random groups, of which the oracle knows as lists of each query.
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

/* Logits of n entries, some of which are normalised by themselves. */
static void logits(struct maker *m, int64_t n)
{
    struct oracle_lists *l = &m->p->lists;
    struct rng *r = &m->rng;
    int own = rng_percent(r, 50) ? (int)PICK(r, 10, 60, 100) : 0;
    l->logit = calloc((size_t)n + 1, sizeof *l->logit);
    l->replace = own > 0 ? calloc((size_t)n + 1, 1) : NULL;
    m->ok &= l->logit && (own == 0 || l->replace);
    for (int64_t e = 0; m->ok && e < n; e++) {
        l->logit[e] = rng_percent(r, 20) ? 0 : (float)(2 * rng_normal(r));
        if (l->replace)
            l->replace[e] = (unsigned char)rng_percent(r, own);
    }
    gen_say(m->p, " lists_logits");
}

static int64_t divisor_of(struct rng *r, int64_t n)
{
    int64_t d = rng_int(r, 1, n);
    while (n % d != 0)
        d--;
    return d;
}

/* Adds group n to what the oracle knows: keys of a query of two groups are a row. */
static int64_t list_members(struct maker *m, const int32_t *of_key, const bool *has, int64_t n)
{
    struct oracle_lists *l = &m->p->lists;
    for (int64_t j = 0; j < m->longest_k; j++) {
        if (of_key[j] < 0 || !has[of_key[j]])
            continue;
        l->start[n] = (int32_t)j;
        l->length[n++] = 1;
    }
    return n;
}

/* The groups of list `at` (a head of a batch entry). Every key is in one of them or in
 * none, and so is every query unless results are joined by lse. */
static int64_t one_list(struct maker *m, int64_t at, int64_t n)
{
    struct gen_groups *g = &m->p->groups;
    struct oracle_lists *l = &m->p->lists;
    struct rng *r = &m->rng;
    int64_t count = rng_int(r, 0, GEN_GROUPS);
    int32_t *of_key = calloc((size_t)m->longest_k + 1, sizeof *of_key);
    bool (*has)[GEN_GROUPS] = calloc((size_t)l->queries + 1, sizeof *has);
    m->ok &= of_key && has;
    for (int64_t j = 0; m->ok && j < m->longest_k; j++)
        of_key[j] = (int32_t)rng_int(r, -1, count - 1);
    for (int64_t i = 0; m->ok && i < l->queries; i++) {
        int64_t one = rng_int(r, -1, count - 1);
        for (int64_t c = 0; c < count; c++)
            has[i][c] = g->combine == ATTN_SELECTION_LSE ? rng_percent(r, 40) : c == one;
        n = list_members(m, of_key, has[i], n);
        l->row_ptr[at * l->queries + i + 1] = n;
    }
    for (int64_t c = 0; m->ok && c < count; c++, g->n++) {
        int64_t q = g->q_ptr[g->n], k = g->k_ptr[g->n];
        g->batch[g->n] = (int32_t)(at / l->heads);
        g->head[g->n] = (int32_t)(at % l->heads);
        for (int64_t i = 0; i < l->queries; i++)
            if (has[i][c])
                g->query[q++] = (int32_t)i;
        for (int64_t j = 0; j < m->longest_k; j++)
            if (of_key[j] == c)
                g->key[k++] = (int32_t)j;
        g->q_ptr[g->n + 1] = q;
        g->k_ptr[g->n + 1] = k;
    }
    free(of_key);
    free(has);
    return n;
}

static void groups(struct maker *m)
{
    struct oracle_lists *l = &m->p->lists;
    struct gen_groups *g = &m->p->groups;
    l->head_group = l->q_block = 1;
    l->queries = m->longest_q;
    g->combine = (int32_t)PICK(&m->rng, ATTN_SELECTION_EXCLUSIVE, ATTN_SELECTION_LSE);
    size_t lists = (size_t)(l->batch * l->heads), rows = lists * (size_t)l->queries;
    size_t most = rows * (size_t)m->longest_k + 1, all = lists * GEN_GROUPS + 1;
    l->row_ptr = calloc(rows + 1, sizeof *l->row_ptr);
    l->start = calloc(most, sizeof *l->start);
    l->length = calloc(most, sizeof *l->length);
    g->batch = calloc(all, sizeof *g->batch);
    g->head = calloc(all, sizeof *g->head);
    g->q_ptr = calloc(all, sizeof *g->q_ptr);
    g->k_ptr = calloc(all, sizeof *g->k_ptr);
    g->query = calloc(rows * GEN_GROUPS + 1, sizeof *g->query);
    g->key = calloc(lists * (size_t)m->longest_k + 1, sizeof *g->key);
    m->ok &= l->row_ptr && l->start && l->length && g->batch && g->head && g->q_ptr && g->k_ptr &&
             g->query && g->key;
    for (int64_t at = 0, n = 0; m->ok && at < (int64_t)lists; at++)
        n = one_list(m, at, n);
    gen_say(m->p, " lists_layout=groups");
}

void gen_lists_free(struct gen_problem *p)
{
    void *const all[] = {p->lists.row_ptr, p->lists.start,  p->lists.length, p->lists.logit,
                         p->lists.replace, p->groups.batch, p->groups.head,  p->groups.q_ptr,
                         p->groups.k_ptr,  p->groups.query, p->groups.key};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++)
        free(all[n]);
    p->lists = (struct oracle_lists){0};
    p->groups = (struct gen_groups){0};
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
    if (!o->packed && rng_percent(r, 30)) {
        groups(m);
        return;
    }
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
    if (m->ok && rng_percent(r, 30))
        logits(m, n);
}

static attn_selection *selection_of_groups(const struct gen_problem *p, attn_ctx *ctx)
{
    const struct gen_groups *g = &p->groups;
    const struct oracle_lists *l = &p->lists;
    int64_t pointers = g->n + 1, keys = 1;
    attn_tensor t[6];
    attn_arg part[6];
    attn_selection *sel = NULL;
    const struct {
        int32_t part, dtype;
        void *data;
        const int64_t *n;
    } of[] = {
        {ATTN_SELECTION_PART_G_BATCH, ATTN_DTYPE_I32, g->batch, &g->n},
        {ATTN_SELECTION_PART_G_HEAD, ATTN_DTYPE_I32, g->head, &g->n},
        {ATTN_SELECTION_PART_Q_PTR, ATTN_DTYPE_I64, g->q_ptr, &pointers},
        {ATTN_SELECTION_PART_K_PTR, ATTN_DTYPE_I64, g->k_ptr, &pointers},
        {ATTN_SELECTION_PART_Q_IDX, ATTN_DTYPE_I32, g->query, &g->q_ptr[g->n]},
        {ATTN_SELECTION_PART_K_IDX, ATTN_DTYPE_I32, g->key, &g->k_ptr[g->n]},
    };
    for (size_t n = 0; n < 6; n++) {
        attn_tensor_init(&t[n], of[n].data, of[n].dtype, 1, of[n].n);
        part[n] = (attn_arg){of[n].part, 0, &t[n]};
    }
    for (int64_t e = 0; e < g->k_ptr[g->n]; e++)
        keys = g->key[e] >= keys ? g->key[e] + 1 : keys;
    if (attn_selection_import_groups(ctx, l->batch, l->heads, l->queries, keys, g->combine, 0, part,
                                     6, &sel) != ATTN_OK)
        return NULL;
    return sel;
}

attn_selection *gen_selection(const struct gen_problem *p, attn_ctx *ctx)
{
    if (p->groups.q_ptr)
        return selection_of_groups(p, ctx);
    const struct oracle_lists *l = &p->lists;
    int64_t rows = l->batch * (l->heads / l->head_group) *
                   ((l->queries + l->q_block - 1) / l->q_block);
    int64_t pointers = rows + 1, keys = 1;
    attn_tensor t[5];
    size_t parts = 3;
    attn_selection *sel = NULL;
    for (int64_t e = 0; e < l->row_ptr[rows]; e++)
        if ((int64_t)l->start[e] + l->length[e] > keys)
            keys = (int64_t)l->start[e] + l->length[e];
    attn_tensor_init(&t[0], l->row_ptr, ATTN_DTYPE_I64, 1, &pointers);
    attn_tensor_init(&t[1], l->start, ATTN_DTYPE_I32, 1, &l->row_ptr[rows]);
    attn_tensor_init(&t[2], l->length, ATTN_DTYPE_I32, 1, &l->row_ptr[rows]);
    attn_tensor_init(&t[3], l->logit, ATTN_DTYPE_F32, 1, &l->row_ptr[rows]);
    attn_tensor_init(&t[4], l->replace, ATTN_DTYPE_U8, 1, &l->row_ptr[rows]);
    const attn_arg part[] = {{ATTN_SELECTION_PART_ROW_PTR, 0, &t[0]},
                             {ATTN_SELECTION_PART_START, 0, &t[1]},
                             {ATTN_SELECTION_PART_LENGTH, 0, &t[2]},
                             {ATTN_SELECTION_PART_LOGIT, 0, &t[3]},
                             {ATTN_SELECTION_PART_REPLACE, 0, &t[4]}};
    parts += (l->logit != NULL) + (l->replace != NULL);
    if (attn_selection_import_rows(ctx, l->batch, l->heads, l->head_group, l->queries, l->q_block,
                                   keys, 0, part, parts, &sel) != ATTN_OK)
        return NULL;
    return sel;
}
