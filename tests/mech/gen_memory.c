/* SPDX-License-Identifier: MIT */
/*
 * Tensors of random problems in awkward memory, and what the parts of the
 * generator share.
 */
#include "gen_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gen_say(struct gen_problem *p, const char *format, ...)
{
    size_t n = strlen(p->text);
    va_list args;
    va_start(args, format);
    vsnprintf(p->text + n, sizeof p->text - n, format, args);
    va_end(args);
}

int64_t gen_pick(struct rng *r, const int64_t *from, int64_t n)
{
    return from[rng_int(r, 0, n - 1)];
}

int64_t gen_count(const attn_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

void gen_unflatten(const attn_tensor *t, int64_t flat, int64_t *index)
{
    for (int32_t n = t->rank - 1; n >= 0; n--) {
        index[n] = flat % t->shape[n];
        flat /= t->shape[n];
    }
}

unsigned char *gen_element(const attn_tensor *t, const int64_t *index)
{
    int64_t at = 0;
    for (int32_t n = 0; n < t->rank; n++)
        at += index[n] * t->stride[n];
    return (unsigned char *)t->data + at * (int64_t)attn_dtype_size(t->dtype);
}

/* Strides: any order of the dimensions in memory, gaps, and for inputs also
 * repeats and reversals. The block ends with the last element. */
struct gen_tensor *gen_add(struct maker *m, int32_t role, int32_t dtype, int32_t rank,
                               const int64_t *shape)
{
    struct gen_tensor *g = NULL;
    struct rng *r = &m->rng;
    int32_t order[4] = {0, 1, 2, 3};
    bool output = attn_role_is_output(role) == 1, empty = false;
    for (int i = 0; i < GEN_ROLES && !g; i++)
        if (!m->p->tensor[i].used)
            g = &m->p->tensor[i];
    g->role = role;
    g->used = true;
    g->t = (attn_tensor){.dtype = dtype, .rank = rank};
    for (int32_t n = 0; n < rank; n++) {
        g->t.shape[n] = shape[n];
        empty |= shape[n] == 0;
    }
    if (rank > 2 && rng_percent(r, 40)) { /* [B,N,H,D] */
        order[1] = 2;
        order[2] = 1;
    }
    if (rng_percent(r, 10))
        for (int32_t n = rank - 1; n > 0; n--) {
            int32_t at = (int32_t)rng_int(r, 0, n), keep = order[n];
            order[n] = order[at];
            order[at] = keep;
        }
    int64_t step = rng_percent(r, 85) ? 1 : rng_int(r, 2, 3), span = 0, base = 0;
    for (int32_t n = rank - 1; n >= 0; n--) {
        int32_t dim = order[n];
        bool special = !output && rng_percent(r, 4);
        if (special && rng_percent(r, 50) && dim < rank - 1) {
            g->t.stride[dim] = 0;
            continue;
        }
        g->t.stride[dim] = step;
        if (empty)
            continue;
        span += (shape[dim] - 1) * step;
        if (special) {
            base += (shape[dim] - 1) * step;
            g->t.stride[dim] = -step;
        }
        step = span + 1 + (rng_percent(r, 25) ? rng_int(r, 1, 9) : 0);
    }
    size_t size = attn_dtype_size(dtype);
    size_t off = rng_percent(r, 12) ? (size_t)rng_int(r, 1, 7) : 0;
    g->bytes = empty ? 0 : off + (size_t)(span + 1) * size;
    g->block = malloc(g->bytes > 0 ? g->bytes : 1);
    g->before = calloc(g->bytes > 0 ? g->bytes : 1, 1);
    if (!g->block || !g->before) {
        m->ok = false;
        return g;
    }
    memset(g->block, GEN_PATTERN, g->bytes);
    g->t.data = empty && rng_percent(r, 50) ? NULL : g->block + off + (size_t)base * size;
    if (output) {
        int64_t index[4] = {0};
        for (int64_t i = 0; i < gen_count(&g->t); i++) {
            gen_unflatten(&g->t, i, index);
            memset(g->before + (gen_element(&g->t, index) - g->block), 1, size);
        }
    }
    return g;
}

void gen_set(const attn_tensor *t, double x, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t index[4] = {a, b, c, d};
    oracle_store(gen_element(t, index), t->dtype, x);
}

/* No two indices of it share memory. */
bool gen_unshared(const attn_tensor *t)
{
    for (int32_t n = 0; n < t->rank; n++)
        if (t->stride[n] == 0 && t->shape[n] > 1)
            return false;
    return true;
}

attn_tensor *gen_fill_normal(struct maker *m, struct gen_tensor *g, double deviation)
{
    int64_t index[4] = {0}, n = m->ok ? gen_count(&g->t) : 0;
    for (int64_t i = 0; i < n; i++) {
        gen_unflatten(&g->t, i, index);
        oracle_store(gen_element(&g->t, index), g->t.dtype, deviation * rng_normal(&m->rng));
    }
    return &g->t;
}

int32_t gen_index_type(struct maker *m)
{
    return rng_percent(&m->rng, 50) ? ATTN_DTYPE_I32 : ATTN_DTYPE_I64;
}

attn_tensor *gen_index_list(struct maker *m, int32_t role, const int64_t *values, int64_t n)
{
    struct gen_tensor *g = gen_add(m, role, gen_index_type(m), 1, &n);
    if (n > 1 && g->t.stride[0] == 0) {
        /* one value for all is what stride 0 says; only keep it where true */
        for (int64_t i = 1; i < n; i++)
            if (values[i] != values[0]) {
                free(g->block);
                free(g->before);
                memset(g, 0, sizeof *g);
                return gen_index_list(m, role, values, n);
            }
    }
    for (int64_t i = 0; m->ok && i < n; i++)
        gen_set(&g->t, (double)values[i], i, 0, 0, 0);
    return &g->t;
}

/* Bias and mask: every extent may be 1; packed ones may have room to spare. */
void gen_pair_shape(struct maker *m, int64_t *shape)
{
    int64_t spare = m->p->options.packed && rng_percent(&m->rng, 30);
    int64_t full[4] = {m->n_seq, m->p->options.hout, m->longest_q + spare * rng_int(&m->rng, 0, 3),
                       m->longest_k + spare * rng_int(&m->rng, 0, 3)};
    bool broadcast = rng_percent(&m->rng, 60);
    for (int n = 0; n < 4; n++)
        shape[n] = broadcast && rng_percent(&m->rng, 45) ? 1 : full[n];
}
