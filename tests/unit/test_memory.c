/* SPDX-License-Identifier: MIT */
/* The allocator hook: what it is asked for, what it may leave out, and how it may misbehave. */
#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "unit.h"

struct counter {
    int64_t blocks;
    size_t bytes;
    size_t last_bytes, last_align;
    bool fail;
    size_t skew;
};

static void *counting_alloc(void *user, size_t bytes, size_t align)
{
    struct counter *c = user;
    void *ptr;

    c->last_bytes = bytes;
    c->last_align = align;
    if (c->fail || posix_memalign(&ptr, align, bytes + align) != 0)
        return NULL;
    c->blocks++;
    c->bytes += bytes;
    memset(ptr, 0xEE, bytes + align);
    return (char *)ptr + c->skew;
}

static void counting_free(void *user, void *ptr, size_t bytes)
{
    struct counter *c = user;

    c->blocks--;
    c->bytes -= bytes;
    free((char *)ptr - c->skew);
}

static attn_allocator counting(struct counter *c)
{
    return (attn_allocator){sizeof(attn_allocator), c, counting_alloc, counting_free};
}

static void use(const struct attn__mem *mem)
{
    for (size_t align = 1; align <= 4096; align *= 2) {
        for (size_t bytes = 0; bytes < 300; bytes += 37) {
            unsigned char *p = attn__mem_alloc(mem, bytes, align);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % align, 0);
            for (size_t i = 0; i < bytes; i++)
                ck_assert_int_eq(p[i], 0);
            memset(p, 1, bytes);
            attn__mem_free(mem, p, bytes);
        }
    }
    attn__mem_free(mem, NULL, 17);
}

START_TEST(default_heap)
{
    struct attn__mem mem;
    attn_allocator zero = {.size = sizeof zero};

    ck_assert_int_eq(attn__mem_init(&mem, NULL), ATTN_OK);
    use(&mem);
    ck_assert_int_eq(attn__mem_init(&mem, &zero), ATTN_OK);
    use(&mem);
}
END_TEST

START_TEST(user_hook)
{
    struct counter c = {0};
    attn_allocator hook = counting(&c);
    struct attn__mem mem;

    ck_assert_int_eq(attn__mem_init(&mem, &hook), ATTN_OK);
    memset(&hook, 0, sizeof hook);
    use(&mem);
    ck_assert_int_eq(c.blocks, 0);
    ck_assert_uint_eq(c.bytes, 0);

    void *p = attn__mem_alloc(&mem, 0, 1);
    ck_assert_uint_eq(c.last_bytes, 1);
    ck_assert_uint_eq(c.last_align, sizeof(void *));
    attn__mem_free(&mem, p, 0);
    ck_assert_uint_eq(c.bytes, 0);
}
END_TEST

START_TEST(half_a_hook)
{
    struct counter c = {0};
    char text[ATTN__ERROR_TEXT_MAX];

    for (int missing = 0; missing < 2; missing++) {
        attn_allocator hook = counting(&c);
        struct attn__mem mem, before;

        memset(&mem, 0xAB, sizeof mem);
        before = mem;
        if (missing)
            hook.free = NULL;
        else
            hook.alloc = NULL;
        ck_assert_int_eq(attn__mem_init(&mem, &hook), ATTN_ERR_INVALID);
        ck_assert_mem_eq(&mem, &before, sizeof mem);
        attn__error_get(text, sizeof text);
        ck_assert_ptr_nonnull(
            strstr(text, missing ? "allocator.free is NULL" : "allocator.alloc is NULL"));
    }

    /* A struct that ends before free has none. */
    attn_allocator hook = counting(&c);
    struct attn__mem mem;
    hook.size = offsetof(attn_allocator, free);
    ck_assert_int_eq(attn__mem_init(&mem, &hook), ATTN_ERR_INVALID);
    hook.size = 0;
    ck_assert_int_eq(attn__mem_init(&mem, &hook), ATTN_ERR_INVALID);
}
END_TEST

START_TEST(failure_is_explained)
{
    struct counter c = {.fail = true};
    attn_allocator hook = counting(&c);
    struct attn__mem mem;
    char text[ATTN__ERROR_TEXT_MAX];

    ck_assert_int_eq(attn__mem_init(&mem, &hook), ATTN_OK);
    ck_assert_ptr_null(attn__mem_alloc(&mem, 12345, 64));
    attn__error_get(text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "12345 bytes aligned to 64"));

    /* A block that is not aligned as asked goes back. */
    c = (struct counter){.skew = 8};
    ck_assert_ptr_null(attn__mem_alloc(&mem, 100, 64));
    ck_assert_int_eq(c.blocks, 0);
    attn__error_get(text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "aligned to 64"));
}
END_TEST

START_TEST(impossible_size)
{
    struct attn__mem mem;

    ck_assert_int_eq(attn__mem_init(&mem, NULL), ATTN_OK);
    ck_assert_ptr_null(attn__mem_alloc(&mem, SIZE_MAX / 2 + 1, 64));
}
END_TEST

UNIT_MAIN("memory", default_heap, user_hook, half_a_hook, failure_is_explained, impossible_size)
