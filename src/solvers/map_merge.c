/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch: the rows of a head are joined in order.
 */
#include "solvers/map_merge.h"

#include <stdint.h>

#include "base/dtype.h"
#include "solvers/merge.h"

struct job {
    size_t n_parts;
    const attn_tensor *part_out, *part_lse, *out, *lse;
};

/* Batch b and head h of a view, the others gone. */
static attn_tensor head_of(const attn_tensor *t, int64_t b, int64_t h)
{
    attn_tensor s = *t;
    int64_t at = b * t->stride[0] + h * t->stride[1];
    s.data = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    s.shape[0] = s.shape[1] = 1;
    return s;
}

static void task(void *arg, int64_t n)
{
    const struct job *j = arg;
    int64_t heads = j->out->shape[1], b = n / heads, h = n % heads;
    attn_tensor outs[ATTN__MAP_MERGE_PARTS], lses[ATTN__MAP_MERGE_PARTS];
    attn_tensor out = head_of(j->out, b, h), lse;
    for (size_t p = 0; p < j->n_parts; p++) {
        outs[p] = head_of(&j->part_out[p], b, h);
        lses[p] = head_of(&j->part_lse[p], b, h);
    }
    if (j->lse)
        lse = head_of(j->lse, b, h);
    attn__merge_run(j->n_parts, outs, lses, &out, j->lse ? &lse : NULL);
}

void attn__map_merge(struct attn__threads *threads, size_t n_parts, const attn_tensor *part_out,
                     const attn_tensor *part_lse, const attn_tensor *out, const attn_tensor *lse)
{
    struct job j = {n_parts, part_out, part_lse, out, lse};
    attn__threads_run(threads, out->shape[0] * out->shape[1], task, &j);
}
