/* SPDX-License-Identifier: MIT */
/*
 * What the processor can do. Detection only: compiled with the baseline
 * flags, so that nothing here needs what it is about to ask for.
 */
#ifndef ATTN_CPU_CPU_H
#define ATTN_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <attn/attn.h>

/* A bit is set only if the operating system also saves the registers. */
enum {
    ATTN__CPU_SSE2 = 1 << 0,
    ATTN__CPU_AVX2 = 1 << 1,
    ATTN__CPU_FMA = 1 << 2,
    ATTN__CPU_F16C = 1 << 3,
    ATTN__CPU_AVX512F = 1 << 4,
    ATTN__CPU_AVX512BW = 1 << 5,
    ATTN__CPU_AVX512DQ = 1 << 6,
    ATTN__CPU_AVX512VL = 1 << 7,
    ATTN__CPU_AVX512CD = 1 << 8,
    ATTN__CPU_AVX512BF16 = 1 << 9,
    ATTN__CPU_AVX512VNNI = 1 << 10,
    ATTN__CPU_NEON = 1 << 11
};

struct attn__cpu {
    uint32_t features;    /* ATTN__CPU_*, as the hardware has them */
    int32_t isa;          /* highest usable ATTN_ISA_*, ATTN_MAX_ISA applied */
    char model[64];       /* never empty */
    int64_t l1d, l2, l3;  /* bytes of one cache; 0 = none or unknown */
    int32_t logical_cpus; /* online in the machine, at least 1 */
};

/* Detected at the first call, constant afterwards. */
const struct attn__cpu *attn__cpu_get(void);

/* Processors this thread may run on now, at least 1. */
int64_t attn__cpu_affinity_count(void);

/* True if code of that level may run: hardware and ATTN_MAX_ISA allow it.
 * False for a number that is no level. */
bool attn__cpu_supports(int32_t isa);

/* NULL for a number that is no level. */
const char *attn__cpu_isa_name(int32_t isa);

/* The level with that exact name, or -1. */
int32_t attn__cpu_isa_find(const char *name);

/* First line of a small file without its newline; false if there is none. */
bool attn__cpu_read_line(const char *path, char *buf, size_t len);

/* One of these fills features, model and caches as far as the instruction set
 * tells them (x86.c, arm.c); cpu.c completes what is left zero. */
void attn__x86_detect(struct attn__cpu *cpu);
void attn__arm_detect(struct attn__cpu *cpu);

#endif
