/* SPDX-License-Identifier: MIT */
/*
 * Joins what the architecture files find with what the operating system tells, and turns feature
 * bits into levels. The result is written once and never changes.
 */
#include "cpu/cpu.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NEED_AVX2 = ATTN__CPU_SSE2 | ATTN__CPU_AVX2 | ATTN__CPU_FMA | ATTN__CPU_F16C,
    NEED_AVX512 = NEED_AVX2 | ATTN__CPU_AVX512F | ATTN__CPU_AVX512BW | ATTN__CPU_AVX512DQ |
                  ATTN__CPU_AVX512VL | ATTN__CPU_AVX512CD,
    NEED_AVX512_BF16 = NEED_AVX512 | ATTN__CPU_AVX512BF16 | ATTN__CPU_AVX512VNNI
};

/* A level is a set of features: compilers emit any of them once one is allowed. */
static const struct level {
    const char *name;
    int32_t isa;
    uint32_t need;
} levels[] = {
    {"c", ATTN_ISA_C, 0},
    {"sse2", ATTN_ISA_SSE2, ATTN__CPU_SSE2},
    {"avx2", ATTN_ISA_AVX2, NEED_AVX2},
    {"avx512", ATTN_ISA_AVX512, NEED_AVX512},
    {"avx512_bf16", ATTN_ISA_AVX512_BF16, NEED_AVX512_BF16},
    {"neon", ATTN_ISA_NEON, ATTN__CPU_NEON},
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

static pthread_once_t detected = PTHREAD_ONCE_INIT;
static struct attn__cpu machine;

static const struct level *level_of(int32_t isa)
{
    for (int i = 0; i < LEVELS; i++) {
        if (levels[i].isa == isa)
            return &levels[i];
    }
    return NULL;
}

bool attn__cpu_read_line(const char *path, char *buf, size_t len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;

    ssize_t got = read(fd, buf, len - 1);
    close(fd);
    if (got <= 0)
        return false;
    buf[got] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    return true;
}

/* sysfs writes cache sizes as 32K or 8M. */
static int64_t parse_cache_size(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);

    if (end == text || value <= 0 || value > INT32_MAX)
        return 0;
    switch (*end) {
    case 'K':
        return (int64_t)value << 10;
    case 'M':
        return (int64_t)value << 20;
    case 'G':
        return (int64_t)value << 30;
    default:
        return value;
    }
}

static void caches_from_sysfs(struct attn__cpu *cpu)
{
    int64_t *const slots[] = {&cpu->l1d, &cpu->l2, &cpu->l3};
    char text[32];

    for (int index = 0; index < 8; index++) {
        char path[96];
        int stem = snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/",
                            index);
        char *leaf = path + stem;
        size_t room = sizeof path - (size_t)stem;

        snprintf(leaf, room, "level");
        if (!attn__cpu_read_line(path, text, sizeof text))
            continue;
        if (text[0] < '1' || text[0] > '3' || text[1] != '\0')
            continue;
        int64_t *slot = slots[text[0] - '1'];
        snprintf(leaf, room, "type");
        if (*slot > 0 || !attn__cpu_read_line(path, text, sizeof text))
            continue;
        if (strcmp(text, "Instruction") == 0)
            continue;
        snprintf(leaf, room, "size");
        if (attn__cpu_read_line(path, text, sizeof text))
            *slot = parse_cache_size(text);
    }
}

/* Highest level the hardware has, at or below the ceiling. Levels of other architectures fall out
 * by their features. A name in ATTN_MAX_ISA that is no level sets no ceiling. */
static int32_t usable_isa(uint32_t features)
{
    const char *name = secure_getenv("ATTN_MAX_ISA");
    int32_t ceiling = name ? attn__cpu_isa_find(name) : -1;
    int32_t best = ATTN_ISA_C;

    for (int i = 0; i < LEVELS; i++) {
        bool allowed = ceiling < 0 || levels[i].isa <= ceiling;
        if (allowed && (features & levels[i].need) == levels[i].need && levels[i].isa > best)
            best = levels[i].isa;
    }
    return best;
}

static void detect(void)
{
#if defined(__x86_64__) || defined(__i386__)
    attn__x86_detect(&machine);
#elif defined(__aarch64__)
    attn__arm_detect(&machine);
#endif
    if (machine.l1d <= 0 || machine.l2 <= 0)
        caches_from_sysfs(&machine);
    if (machine.model[0] == '\0')
        snprintf(machine.model, sizeof machine.model, "unknown");

    long online = sysconf(_SC_NPROCESSORS_ONLN);
    machine.logical_cpus = online > 0 && online < INT32_MAX ? (int32_t)online : 1;
    machine.isa = usable_isa(machine.features);
}

const struct attn__cpu *attn__cpu_get(void)
{
    pthread_once(&detected, detect);
    return &machine;
}

int64_t attn__cpu_affinity_count(void)
{
    /* CPU_ALLOC would go past the caller's allocator; this holds 16384 processors. */
    cpu_set_t sets[16384 / CPU_SETSIZE];

    CPU_ZERO_S(sizeof sets, sets);
    if (sched_getaffinity(0, sizeof sets, sets) == 0) {
        int count = CPU_COUNT_S(sizeof sets, sets);
        if (count > 0)
            return count;
    }
    return attn__cpu_get()->logical_cpus;
}

bool attn__cpu_supports(int32_t isa)
{
    const struct attn__cpu *cpu = attn__cpu_get();
    const struct level *level = level_of(isa);

    return level && isa <= cpu->isa && (cpu->features & level->need) == level->need;
}

const char *attn__cpu_isa_name(int32_t isa)
{
    const struct level *level = level_of(isa);
    return level ? level->name : NULL;
}

int32_t attn__cpu_isa_find(const char *name)
{
    for (int i = 0; i < LEVELS; i++) {
        if (strcmp(levels[i].name, name) == 0)
            return levels[i].isa;
    }
    return -1;
}
