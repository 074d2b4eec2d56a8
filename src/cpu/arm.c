/* SPDX-License-Identifier: MIT */
/*
 * arm64: the kernel's capability bits and the identification register as sysfs shows it. Cache
 * sizes are not readable from user space there and are left to cpu.c.
 */
#include "cpu/cpu.h"

#if defined(__aarch64__)

#include <asm/hwcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

/* Implementer and part number name the core; a table of marketing names would only grow old. */
static void read_model(char *model, size_t len)
{
    char text[32];
    unsigned long long midr = 0;

    if (attn__cpu_read_line("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", text,
                            sizeof text))
        midr = strtoull(text, NULL, 16);
    if (midr)
        snprintf(model, len, "arm64 implementer 0x%02llx part 0x%03llx", midr >> 24 & 0xFF,
                 midr >> 4 & 0xFFF);
    else
        snprintf(model, len, "arm64");
}

void attn__arm_detect(struct attn__cpu *cpu)
{
    if (getauxval(AT_HWCAP) & HWCAP_ASIMD)
        cpu->features |= ATTN__CPU_NEON;
    read_model(cpu->model, sizeof cpu->model);
}

#endif
