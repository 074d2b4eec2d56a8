/* SPDX-License-Identifier: MIT */
/* Pages from the kernel, not from malloc, which decides by itself. */
#include "pages.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGN = 2 << 20 };

/* Room for a start at a 2 MB boundary. */
static size_t mapped(size_t bytes)
{
    return (bytes / ALIGN + 2) * ALIGN;
}

void *bench_pages_alloc(size_t bytes, bool huge)
{
    size_t room = mapped(bytes);
    char *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, room, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    /* The ends that are too much go back, so that freeing needs no record. */
    size_t head = (ALIGN - (uintptr_t)p % ALIGN) % ALIGN, keep = room - ALIGN;
    if (head > 0)
        munmap(p, head);
    if (head < ALIGN)
        munmap(p + head + keep, ALIGN - head);
    return p + head;
}

void bench_pages_free(void *p, size_t bytes)
{
    if (p)
        munmap(p, mapped(bytes) - ALIGN);
}

/* The number in a file like "32768K"; 0 if there is none. */
static int64_t read_size(const char *path)
{
    long long n = 0;
    char unit = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%lld%c", &n, &unit) < 1)
        n = 0;
    fclose(f);
    return n * (unit == 'K' ? 1 << 10 : unit == 'M' ? 1 << 20 : 1);
}

int64_t bench_cache_bytes(bool *known)
{
    int64_t most = 0;
    for (int i = 0; i < 8; i++) {
        char path[80];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        int64_t bytes = read_size(path);
        most = bytes > most ? bytes : most;
    }
    *known = most > 0;
    return most > 0 ? most : (int64_t)32 << 20;
}

int64_t bench_ram_bytes(void)
{
    return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}
