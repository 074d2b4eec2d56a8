/* SPDX-License-Identifier: MIT */
/*
 * CPUID on x86: features with the register state that the operating system saves, brand string,
 * cache sizes.
 */
#include "cpu/cpu.h"

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>
#include <string.h>

struct regs {
    uint32_t a, b, c, d;
};

static bool cpuid(uint32_t leaf, uint32_t sub, struct regs *r)
{
    return __get_cpuid_count(leaf, sub, &r->a, &r->b, &r->c, &r->d) != 0;
}

/* XCR0 as bytes: the instruction has no intrinsic without a target flag. */
static uint64_t saved_state(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static uint32_t pick(uint32_t reg, int bit, uint32_t feature)
{
    return reg >> bit & 1 ? feature : 0;
}

static uint32_t read_features(void)
{
    struct regs r;
    uint32_t found = 0;

    if (!cpuid(1, 0, &r))
        return 0;
    found |= pick(r.d, 26, ATTN__CPU_SSE2);

    bool osxsave = r.c >> 27 & 1;
    uint64_t state = osxsave ? saved_state() : 0;
    bool ymm = (state & 0x06) == 0x06;
    bool zmm = (state & 0xE6) == 0xE6;
    if (!ymm || !(r.c >> 28 & 1))
        return found;
    found |= pick(r.c, 12, ATTN__CPU_FMA);
    found |= pick(r.c, 29, ATTN__CPU_F16C);

    if (!cpuid(7, 0, &r))
        return found;
    uint32_t last_sub = r.a;
    found |= pick(r.b, 5, ATTN__CPU_AVX2);
    if (!zmm)
        return found;
    found |= pick(r.b, 16, ATTN__CPU_AVX512F);
    found |= pick(r.b, 17, ATTN__CPU_AVX512DQ);
    found |= pick(r.b, 28, ATTN__CPU_AVX512CD);
    found |= pick(r.b, 30, ATTN__CPU_AVX512BW);
    found |= pick(r.b, 31, ATTN__CPU_AVX512VL);
    found |= pick(r.c, 11, ATTN__CPU_AVX512VNNI);
    if (last_sub >= 1 && cpuid(7, 1, &r))
        found |= pick(r.a, 5, ATTN__CPU_AVX512BF16);
    return found;
}

/* The brand string is padded with spaces in front on some models, behind on others. */
static void read_model(char *model, size_t len)
{
    char brand[49] = {0};

    for (uint32_t i = 0; i < 3; i++) {
        struct regs r;
        if (!cpuid(0x80000002 + i, 0, &r))
            return;
        memcpy(brand + 16 * i, &r, sizeof r);
    }

    const char *text = brand + strspn(brand, " ");
    size_t end = strlen(text);
    while (end > 0 && text[end - 1] == ' ')
        end--;
    if (end < len) {
        memcpy(model, text, end);
        model[end] = '\0';
    }
}

/* Leaf 4 (Intel) and 0x8000001D (AMD, where TOPOEXT is set) share one format; either reads as an
 * empty list on the other's processors. */
static void read_caches(uint32_t leaf, struct attn__cpu *cpu)
{
    for (uint32_t sub = 0; sub < 16; sub++) {
        struct regs r;
        if (!cpuid(leaf, sub, &r))
            return;

        uint32_t type = r.a & 31;
        uint32_t level = r.a >> 5 & 7;
        if (type == 0)
            return;
        if (type == 2)
            continue;

        int64_t line = (r.b & 0xFFF) + 1;
        int64_t partitions = (r.b >> 12 & 0x3FF) + 1;
        int64_t ways = (r.b >> 22) + 1;
        int64_t bytes = line * partitions * ways * ((int64_t)r.c + 1);
        if (level == 1)
            cpu->l1d = bytes;
        else if (level == 2)
            cpu->l2 = bytes;
        else if (level == 3)
            cpu->l3 = bytes;
    }
}

void attn__x86_detect(struct attn__cpu *cpu)
{
    struct regs r;

    cpu->features = read_features();
    read_model(cpu->model, sizeof cpu->model);
    if (cpuid(0x80000001, 0, &r) && (r.c >> 22 & 1))
        read_caches(0x8000001D, cpu);
    if (cpu->l1d == 0)
        read_caches(4, cpu);
}

#endif
