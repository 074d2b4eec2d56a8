/* SPDX-License-Identifier: MIT */
/*
 * Problems of selecting.
 */
#include "select_data.h"

#include <string.h>

#include "rng.h"

const char *const select_all[SELECT_ALL] = {
    "moba " GQA "moba_block=8 moba_top=3",
    "quest " GQA "quest_page=8 quest_budget=3",
    "xattention " GQA "xattention_block=16 xattention_threshold=0.5",
    "biformer " SELF "biformer_region=16 biformer_top=2",
    "biformer " SELF "biformer_region=15 biformer_top=4 biformer_columns=8 biformer_width=5",
    "tokenselect " GQA "tokenselect_init=4 tokenselect_local=8 tokenselect_chunk=8 "
    "tokenselect_top=20",
    "flexprefill " GQA "flexprefill_block=8 flexprefill_gamma=0.3 flexprefill_min=8",
    "flexprefill " GQA "flexprefill_block=8 flexprefill_gamma=0.3 flexprefill_min=8 "
    "flexprefill_tau=1",
    "minference " GQA "minference_vertical=30 minference_slash=50 minference_first=2 "
    "minference_near=2 minference_last=20 minference_tile=16",
    "longheads " GQA "longheads_chunk=8 longheads_chunks=4",
    "hcam " SELF "hcam_chunk=8 hcam_top=3",
    "indexer_topk " GQA "indexer_heads=3 indexer_width=8 indexer_tokens=9",
    "dhsa " GQA "dhsa_q_block=10 dhsa_budget=30 dhsa_global=4 dhsa_local=6",
};

bool select_is_given(const char *text)
{
    return strstr(text, "hcam") || strstr(text, "longheads") || strstr(text, "indexer");
}

bool select_is_tied(const char *text)
{
    return strstr(text, "flexprefill") || strstr(text, "minference") ||
           strstr(text, "biformer_columns");
}

/* A tensor of random numbers; the second of two of them gets others. */
static void numbers(struct dense *x, int32_t role, int32_t rank, const int64_t *shape)
{
    struct rng r = {(uint64_t)role};
    float *f = dense_add(x, role, ATTN_DTYPE_F32, rank, shape, NULL)->data;
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    for (int64_t i = 0; i < n; i++)
        f[i] = (float)rng_normal(&r);
}

void select_give(struct dense *x, int64_t heads, int64_t k_heads, int64_t rows, int64_t width)
{
    numbers(x, ATTN_ROLE_SELECT_Q, 4, (int64_t[]){x->b, heads, x->nq, width});
    numbers(x, ATTN_ROLE_SELECT_K, 4, (int64_t[]){x->b, k_heads, rows, width});
}

void select_make_sized(struct dense *x, const char *text, int64_t b, int64_t nq, int64_t nk)
{
    static const int32_t offsets[] = {0, 7, 8, 20, 41, 60, 77, N};
    dense_make(x, b, H, strstr(text, "h=4/2") ? HK : H, nq, nk, D, D);
    if (strstr(text, "longheads"))
        select_give(x, H, x->hk, nk / 8, D);
    if (strstr(text, "hcam"))
        select_give(x, 1, 1, nk / 8, D);
    if (strstr(text, "indexer")) {
        select_give(x, 3, 1, nk, 8);
        numbers(x, ATTN_ROLE_SELECT_W, 3, (int64_t[]){b, nq, 3});
    }
    if (strstr(text, "dhsa") || strstr(text, "pooled_offsets")) {
        static const int32_t none = 0;
        attn_tensor *t = dense_list(x, ATTN_ROLE_SELECT_OFFSETS, nk > 0 ? offsets : &none,
                                    nk > 0 ? 8 : 1);
        t->rank = 2;
        t->shape[1] = t->shape[0];
        t->stride[1] = t->stride[0];
        t->shape[0] = 1;
    }
}

void select_make(struct dense *x, const char *text, int64_t nq)
{
    select_make_sized(x, text, B, nq, N);
}
