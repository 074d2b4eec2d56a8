/* SPDX-License-Identifier: MIT */
/*
 * An allocator for tests: it counts what is out, checks the sizes it gets
 * back, and can be told to fail.
 */
#ifndef ATTN_UNIT_COUNT_MEM_H
#define ATTN_UNIT_COUNT_MEM_H

#include <stdlib.h>
#include <string.h>

#include <attn/context.h>

struct count_mem {
    int64_t blocks; /* given out and not given back */
    int64_t bytes;
    int64_t calls;
    int64_t fail_from; /* the call from which on it fails, 0: never */
};

static inline void *count_mem_alloc(void *user, size_t bytes, size_t align)
{
    struct count_mem *c = user;
    void *ptr = NULL;

    c->calls++;
    if (c->fail_from > 0 && c->calls >= c->fail_from)
        return NULL;
    if (align < sizeof(void *))
        align = sizeof(void *);
    if (posix_memalign(&ptr, align, bytes) != 0)
        return NULL;
    memset(ptr, 0xA5, bytes);
    c->blocks++;
    c->bytes += (int64_t)bytes;
    return ptr;
}

static inline void count_mem_free(void *user, void *ptr, size_t bytes)
{
    struct count_mem *c = user;

    c->blocks--;
    c->bytes -= (int64_t)bytes;
    free(ptr);
}

static inline attn_allocator count_mem_hook(struct count_mem *c)
{
    return (attn_allocator){sizeof(attn_allocator), c, count_mem_alloc,
                            count_mem_free};
}

#endif
