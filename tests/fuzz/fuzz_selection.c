/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as lists: the shape from the first ones, then row pointers, starts,
 * lengths and logits, of whatever is left; or as groups of queries and keys.
 * What is taken must come out as it went in, and attention along it must run
 * and be finite, within its memory.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "fuzz.h"

enum { HEADS = 4, KEYS = 40, D = 4, MOST = 64 };

struct bytes {
    const uint8_t *at;
    size_t left;
};

static uint8_t next(struct bytes *b)
{
    if (b->left == 0)
        return 0;
    b->left--;
    return *b->at++;
}

/* Mostly small: one byte, or after 255 four of them. */
static int64_t number(struct bytes *b)
{
    int64_t x = next(b);
    if (x < 255)
        return x;
    uint32_t u = 0;
    for (int n = 0; n < 4; n++)
        u = u << 8 | next(b);
    return (int32_t)u;
}

static attn_tensor vector(void *data, int32_t dtype, int64_t n)
{
    attn_tensor t;
    if (attn_tensor_init(&t, data, dtype, 1, &n) != ATTN_OK)
        abort();
    return t;
}

/* most: no result is larger. */
static void execute(attn_ctx *ctx, const attn_selection *sel, int64_t batch, int64_t queries,
                    const char *options, float most)
{
    static float q[3 * HEADS * 16 * D], kv[3 * HEADS * KEYS * D], out[3 * HEADS * 16 * D];
    int64_t shape[4] = {batch, HEADS, queries, D};
    attn_tensor t[4];
    attn_desc *desc;
    attn_plan *plan;
    for (size_t n = 0; n < sizeof q / sizeof *q; n++)
        q[n] = (float)(n % 7) - 3;
    for (size_t n = 0; n < sizeof kv / sizeof *kv; n++)
        kv[n] = (float)(n % 5) - 2;
    if (attn_tensor_init(&t[0], q, ATTN_DTYPE_F32, 4, shape) != ATTN_OK ||
        attn_tensor_init(&t[3], out, ATTN_DTYPE_F32, 4, shape) != ATTN_OK)
        abort();
    shape[2] = KEYS;
    if (attn_tensor_init(&t[1], kv, ATTN_DTYPE_F32, 4, shape) != ATTN_OK)
        abort();
    t[2] = t[1];
    attn_arg arg[5] = {{ATTN_ROLE_Q, 0, &t[0]}, {ATTN_ROLE_K, 0, &t[1]}, {ATTN_ROLE_V, 0, &t[2]},
                       {ATTN_ROLE_OUT, 0, &t[3]}, {ATTN_ROLE_SELECTION, 0, sel}};
    if (attn_desc_parse(ctx, options, &desc) != ATTN_OK ||
        attn_plan_create(ctx, desc, &plan) != ATTN_OK)
        abort();
    attn_desc_destroy(desc);
    if (attn_plan_execute(plan, arg, 5, NULL, 0) != ATTN_OK)
        abort();
    for (int64_t n = 0; n < batch * HEADS * queries * D; n++)
        if (!(fabsf(out[n]) <= most))
            abort();
    attn_plan_destroy(plan);
}

static void check_copy(const attn_selection *sel, int32_t part, const void *want, size_t size,
                       int64_t n)
{
    static int64_t room[2 * MOST];
    attn_tensor t;
    if (attn_selection_shape(sel, part, &t) != ATTN_OK || t.shape[0] != n)
        abort();
    t.data = room;
    if (attn_selection_export(sel, part, &t) != ATTN_OK)
        abort();
    if (memcmp(room, want, (size_t)n * size) != 0)
        abort();
}

/* Pointers to the first of each group; `sums`: each is so much more than the last. */
static void pointers(struct bytes *b, int64_t n, bool sums, int64_t *ptr)
{
    for (int64_t g = 0; g < n; g++)
        ptr[g] = (g > 0 && sums ? ptr[g - 1] : 0) + number(b);
}

static void try_groups(attn_ctx *ctx, struct bytes *b, uint8_t flags)
{
    int64_t batch = number(b) % 4, queries = number(b) % 17, groups = number(b) % 8;
    int64_t n_q = number(b) % (MOST + 1), n_k = number(b) % (MOST + 1), q_ptr[9], k_ptr[9];
    int32_t entry[8], head[8], query[MOST], key[MOST], combine = flags / 64;
    double eps = flags & 16 ? 0.25 : 0;
    groups = groups < 0 ? 0 : groups;
    n_q = n_q < 0 ? 0 : n_q;
    n_k = n_k < 0 ? 0 : n_k;
    pointers(b, groups + 1, flags & 8, q_ptr);
    pointers(b, groups + 1, flags & 8, k_ptr);
    for (int64_t g = 0; g < groups; g++) {
        entry[g] = (int32_t)number(b);
        head[g] = (int32_t)number(b);
    }
    for (int64_t e = 0; e < n_q; e++)
        query[e] = (int32_t)number(b);
    for (int64_t e = 0; e < n_k; e++)
        key[e] = (int32_t)number(b);
    attn_tensor t[6] = {vector(entry, ATTN_DTYPE_I32, groups), vector(head, ATTN_DTYPE_I32, groups),
                        vector(q_ptr, ATTN_DTYPE_I64, groups + 1),
                        vector(k_ptr, ATTN_DTYPE_I64, groups + 1),
                        vector(query, ATTN_DTYPE_I32, n_q), vector(key, ATTN_DTYPE_I32, n_k)};
    attn_arg part[6];
    attn_selection *sel;
    for (int p = 0; p < 6; p++)
        part[p] = (attn_arg){ATTN_SELECTION_PART_G_BATCH + p, 0, &t[p]};
    if (attn_selection_import_groups(ctx, batch, HEADS, queries, KEYS, combine, eps,
                                     part + (flags & 1), 6 - (flags & 1), &sel) != ATTN_OK)
        return;
    if (!(flags & 1))
        check_copy(sel, ATTN_SELECTION_PART_G_BATCH, entry, sizeof *entry, groups);
    check_copy(sel, ATTN_SELECTION_PART_G_HEAD, head, sizeof *head, groups);
    check_copy(sel, ATTN_SELECTION_PART_Q_PTR, q_ptr, sizeof *q_ptr, groups + 1);
    check_copy(sel, ATTN_SELECTION_PART_K_PTR, k_ptr, sizeof *k_ptr, groups + 1);
    check_copy(sel, ATTN_SELECTION_PART_Q_IDX, query, sizeof *query, n_q);
    check_copy(sel, ATTN_SELECTION_PART_K_IDX, key, sizeof *key, n_k);
    execute(ctx, sel, batch, queries,
            flags & 4 ? "lists b=3 h=4 q=16 k=40 d=4 lists_layout=groups causal"
                      : "lists b=3 h=4 q=16 k=40 d=4 lists_layout=groups window=5,2",
            3 * 8);
    attn_selection_destroy(sel);
}

static void try_rows(attn_ctx *ctx, struct bytes *b, uint8_t flags)
{
    int64_t ptr[2 * MOST];
    int32_t start[MOST], length[MOST];
    float logit[MOST];
    uint8_t replace[MOST];
    int64_t batch = number(b) % 4, group = number(b), queries = number(b) % 17;
    int64_t q_block = number(b), rows = number(b) % (2 * MOST), n = number(b) % (MOST + 1);
    rows = rows < 1 ? 1 : rows;
    n = n < 0 ? 0 : n;
    pointers(b, rows, flags & 8, ptr);
    for (int64_t e = 0; e < n; e++) {
        start[e] = (int32_t)number(b);
        length[e] = (int32_t)number(b);
        logit[e] = (float)(number(b) - 100) / 50;
        if (flags & 16 && next(b) == 7)
            logit[e] = e % 2 ? NAN : -INFINITY;
        replace[e] = next(b) & 1;
    }
    attn_tensor t[5] = {vector(ptr, ATTN_DTYPE_I64, rows), vector(start, ATTN_DTYPE_I32, n),
                        vector(length, ATTN_DTYPE_I32, n), vector(logit, ATTN_DTYPE_F32, n),
                        vector(replace, ATTN_DTYPE_U8, n)};
    attn_arg part[5];
    for (int p = 0; p < 5; p++)
        part[p] = (attn_arg){p + 1, 0, &t[p]};
    attn_selection *sel;
    size_t parts = flags & 1 ? 5 : flags & 2 ? 4 : 3;
    if (attn_selection_import_rows(ctx, batch, HEADS, group, queries, q_block, KEYS, 0, part,
                                   parts, &sel) == ATTN_OK) {
        check_copy(sel, 1, ptr, sizeof *ptr, rows);
        check_copy(sel, 2, start, sizeof *start, n);
        check_copy(sel, 3, length, sizeof *length, n);
        if (parts > 3)
            check_copy(sel, 4, logit, sizeof *logit, n);
        execute(ctx, sel, batch, queries,
                flags & 4 ? "lists b=3 h=4 q=16 k=40 d=4 lists_logits causal lists=or window=2,0"
                          : "lists b=3 h=4 q=16 k=40 d=4 lists_logits", 3);
        if (parts == 3)
            execute(ctx, sel, batch, queries, "lists b=3 h=4 q=16 k=40 d=4 causal solver=flash",
                    3);
        attn_selection_destroy(sel);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    uint8_t flags = next(&b);
    attn_ctx *ctx;
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK || attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 1) != 0)
        abort();
    if (flags & 32)
        try_groups(ctx, &b, flags);
    else
        try_rows(ctx, &b, flags);
    attn_ctx_destroy(ctx);
    return 0;
}
