/* SPDX-License-Identifier: MIT */
/*
 * Classes of lengths, and the end of a problem.
 */
#include "problem/problem.h"

void attn__problem_free(struct attn__problem *p, const struct attn__mem *mem)
{
    attn__mem_free(mem, p->block, p->block_bytes);
    p->block = NULL;
}

/*
 * Upper ends of the classes. The low ones are where few-row kernels and tiles
 * change places; beyond 512 rows or 8192 keys nothing changes any more.
 */
static const int64_t q_top[ATTN__Q_CLASSES] = {1, 4, 8, 16, 32, 128, 512, INT64_MAX};
static const int64_t q_rep[ATTN__Q_CLASSES] = {1, 3, 7, 14, 28, 96, 384, 2048};
static const int64_t k_top[ATTN__K_CLASSES] = {64, 256, 1024, 8192, INT64_MAX};
static const int64_t k_rep[ATTN__K_CLASSES] = {48, 192, 768, 4096, 32768};

static int32_t class_of(const int64_t *top, int64_t x)
{
    int32_t c = 0;
    while (x > top[c])
        c++;
    return c;
}

int32_t attn__problem_q_class(int64_t q)
{
    return class_of(q_top, q);
}

int32_t attn__problem_k_class(int64_t k)
{
    return class_of(k_top, k);
}

int64_t attn__problem_q_rep(int32_t q_class)
{
    return q_rep[q_class];
}

int64_t attn__problem_k_rep(int32_t k_class)
{
    return k_rep[k_class];
}

int64_t attn__problem_q_top(int32_t q_class)
{
    return q_top[q_class];
}

int64_t attn__problem_k_top(int32_t k_class)
{
    return k_top[k_class];
}
