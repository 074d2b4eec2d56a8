/* SPDX-License-Identifier: MIT */
/*
 * The allocator hook, and the C library's heap behind the same two functions when there is none.
 */
#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "base/error.h"
#include "base/size_first.h"

/* Blocks from which on the look-up of small pages shows. */
enum { HUGE_PAGE = 2 << 20, LARGE_BLOCK = 8 << 20 };

static void *heap_alloc(void *user, size_t bytes, size_t align)
{
    bool large = bytes >= LARGE_BLOCK && align <= HUGE_PAGE;
    void *ptr = NULL;

    (void)user;
    if (posix_memalign(&ptr, large ? HUGE_PAGE : align, bytes) != 0)
        return NULL;
#if defined __linux__ && defined MADV_HUGEPAGE
    if (large) /* a wish: where it is not granted nothing is lost */
        (void)madvise(ptr, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return ptr;
}

static void heap_free(void *user, void *ptr, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(ptr);
}

static const attn_allocator heap = {
    .size = sizeof heap,
    .alloc = heap_alloc,
    .free = heap_free,
};

int32_t attn__mem_init(struct attn__mem *mem, const attn_allocator *user)
{
    attn_allocator hook = heap;

    if (user) {
        int32_t status = attn__size_first_copy(&hook, sizeof hook, user, "allocator");
        if (status != ATTN_OK)
            return status;
        if (!hook.alloc != !hook.free)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "allocator.%s is NULL, expected both functions or neither",
                                   hook.alloc ? "free" : "alloc");
        if (!hook.alloc)
            hook = heap;
    }
    mem->hook = hook;
    return ATTN_OK;
}

/* The hook never sees 0, whose meaning differs between allocators. */
static size_t hook_bytes(size_t bytes)
{
    return bytes ? bytes : 1;
}

void *attn__mem_alloc(const struct attn__mem *mem, size_t bytes, size_t align)
{
    size_t asked = hook_bytes(bytes);

    if (align < sizeof(void *))
        align = sizeof(void *);

    /* No object may be larger than pointers can be apart; the hook need not know that. */
    void *ptr = asked <= PTRDIFF_MAX ? mem->hook.alloc(mem->hook.user, asked, align) : NULL;
    if (!ptr) {
        attn__error_set(ATTN_ERR_NOMEM, "out of memory: no block of %zu bytes aligned to %zu",
                        asked, align);
        return NULL;
    }
    if ((uintptr_t)ptr & (align - 1)) {
        mem->hook.free(mem->hook.user, ptr, asked);
        attn__error_set(ATTN_ERR_NOMEM,
                        "allocator.alloc returned %p, expected a pointer aligned to %zu", ptr,
                        align);
        return NULL;
    }
    return memset(ptr, 0, asked);
}

void attn__mem_free(const struct attn__mem *mem, void *ptr, size_t bytes)
{
    if (ptr)
        mem->hook.free(mem->hook.user, ptr, hook_bytes(bytes));
}
