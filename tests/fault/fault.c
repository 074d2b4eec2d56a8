/* SPDX-License-Identifier: MIT */
/*
 * See fault.h.
 */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int reports;

static void *hook_alloc(void *user, size_t bytes, size_t align)
{
    struct fault_mem *mem = user;
    void *ptr = NULL;
    mem->calls++;
    if (mem->fail_at > 0 &&
        (mem->calls == mem->fail_at || (mem->for_good && mem->calls > mem->fail_at))) {
        mem->hits++;
        return NULL;
    }
    for (int i = 0; i < FAULT_BLOCKS; i++) {
        if (mem->block[i].ptr)
            continue;
        if (posix_memalign(&ptr, align, bytes) != 0)
            return NULL;
        memset(ptr, 0xA5, bytes);
        mem->block[i].ptr = ptr;
        mem->block[i].bytes = bytes;
        mem->live++;
        mem->bytes += (int64_t)bytes;
        return ptr;
    }
    return NULL;
}

static void hook_free(void *user, void *ptr, size_t bytes)
{
    struct fault_mem *mem = user;
    for (int i = 0; i < FAULT_BLOCKS; i++) {
        if (mem->block[i].ptr != ptr)
            continue;
        mem->wrong += mem->block[i].bytes != bytes;
        mem->block[i].ptr = NULL;
        mem->live--;
        mem->bytes -= (int64_t)mem->block[i].bytes;
        free(ptr);
        return;
    }
    mem->wrong++;
}

attn_allocator fault_mem_hook(struct fault_mem *mem)
{
    return (attn_allocator){sizeof(attn_allocator), mem, hook_alloc, hook_free};
}

void fault_report(const char *test, const char *fmt, ...)
{
    char message[512];
    va_list args;
    attn_last_error(message, sizeof message);
    fprintf(stderr, "error: %s: ", test);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, " (last error: %s)\n", message);
    reports++;
}

int fault_reports(void)
{
    return reports;
}

float fault_q[FAULT_OUT];
float fault_k[FAULT_B * FAULT_HK * FAULT_K * FAULT_D];
float fault_v[FAULT_B * FAULT_HK * FAULT_K * FAULT_D];

static void fill(float *data, size_t n, uint32_t state)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (float)(state >> 8) / (float)(1 << 23) - 1;
    }
}

void fault_fill(void)
{
    fill(fault_q, sizeof fault_q / sizeof fault_q[0], 1);
    fill(fault_k, sizeof fault_k / sizeof fault_k[0], 2);
    fill(fault_v, sizeof fault_v / sizeof fault_v[0], 3);
}

int32_t fault_execute(const attn_plan *plan, float *out)
{
    static const int64_t q_shape[] = {FAULT_B, FAULT_HQ, FAULT_Q, FAULT_D};
    static const int64_t k_shape[] = {FAULT_B, FAULT_HK, FAULT_K, FAULT_D};
    attn_tensor q, k, v, o;
    attn_tensor_init(&q, fault_q, ATTN_DTYPE_F32, 4, q_shape);
    attn_tensor_init(&k, fault_k, ATTN_DTYPE_F32, 4, k_shape);
    attn_tensor_init(&v, fault_v, ATTN_DTYPE_F32, 4, k_shape);
    attn_tensor_init(&o, out, ATTN_DTYPE_F32, 4, q_shape);
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},
                             {ATTN_ROLE_K, 0, &k},
                             {ATTN_ROLE_V, 0, &v},
                             {ATTN_ROLE_OUT, 0, &o}};
    return attn_plan_execute(plan, args, sizeof args / sizeof args[0], NULL, 0);
}
