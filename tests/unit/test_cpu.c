/* SPDX-License-Identifier: MIT */
/*
 * Levels and their names, and the ATTN_MAX_ISA ceiling. Detection happens once per process, so the
 * ceiling is tested in copies of this program: called with an argument it only prints its level.
 */
#include "cpu/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static const int32_t levels[] = {ATTN_ISA_C,      ATTN_ISA_SSE2,        ATTN_ISA_AVX2,
                                 ATTN_ISA_AVX512, ATTN_ISA_AVX512_BF16, ATTN_ISA_NEON};
enum { LEVELS = sizeof levels / sizeof levels[0] };

START_TEST(names)
{
    for (int i = 0; i < LEVELS; i++) {
        const char *name = attn__cpu_isa_name(levels[i]);
        ck_assert_ptr_nonnull(name);
        ck_assert_int_eq(attn__cpu_isa_find(name), levels[i]);
    }
    ck_assert_ptr_null(attn__cpu_isa_name(5));
    ck_assert_int_eq(attn__cpu_isa_find("avx"), -1);
    ck_assert_int_eq(attn__cpu_isa_find("AVX2"), -1);
    ck_assert_int_eq(attn__cpu_isa_find(""), -1);
}
END_TEST

START_TEST(facts_are_plausible)
{
    const struct attn__cpu *cpu = attn__cpu_get();

    ck_assert_ptr_eq(cpu, attn__cpu_get());
    ck_assert_uint_gt(strlen(cpu->model), 0);
    ck_assert_uint_lt(strlen(cpu->model), sizeof cpu->model);
    ck_assert_int_ge(cpu->logical_cpus, 1);
    ck_assert_int_ge(attn__cpu_affinity_count(), 1);
    ck_assert_int_ge(cpu->l1d, 0);
    ck_assert(cpu->l2 == 0 || cpu->l2 > cpu->l1d);
    ck_assert(cpu->l3 == 0 || cpu->l3 > cpu->l2);
}
END_TEST

START_TEST(affinity_follows_the_mask)
{
    cpu_set_t old, one;
    int first = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof old, &old), 0);
    ck_assert_int_eq(attn__cpu_affinity_count(), CPU_COUNT(&old));
    while (!CPU_ISSET(first, &old))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(attn__cpu_affinity_count(), 1);
    ck_assert_int_eq(sched_setaffinity(0, sizeof old, &old), 0);
}
END_TEST

START_TEST(levels_include_lower_ones)
{
    int32_t isa = attn__cpu_get()->isa;

    ck_assert(attn__cpu_supports(ATTN_ISA_C));
    ck_assert(attn__cpu_supports(isa));
    ck_assert(!attn__cpu_supports(-1));
    ck_assert(!attn__cpu_supports(isa + 1) || isa == ATTN_ISA_AVX512);
    if (isa == ATTN_ISA_NEON) {
        ck_assert(!attn__cpu_supports(ATTN_ISA_SSE2));
    } else {
        for (int i = 0; i < LEVELS; i++)
            ck_assert(attn__cpu_supports(levels[i]) == (levels[i] <= isa));
    }
}
END_TEST

START_TEST(agrees_with_the_compiler)
{
#if defined(__x86_64__)
    uint32_t f = attn__cpu_get()->features;

    __builtin_cpu_init();
    ck_assert_int_eq(!(f & ATTN__CPU_SSE2), !__builtin_cpu_supports("sse2"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX2), !__builtin_cpu_supports("avx2"));
    ck_assert_int_eq(!(f & ATTN__CPU_FMA), !__builtin_cpu_supports("fma"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX512F), !__builtin_cpu_supports("avx512f"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX512BW), !__builtin_cpu_supports("avx512bw"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX512DQ), !__builtin_cpu_supports("avx512dq"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX512VL), !__builtin_cpu_supports("avx512vl"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX512CD), !__builtin_cpu_supports("avx512cd"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX512BF16), !__builtin_cpu_supports("avx512bf16"));
    ck_assert_int_eq(!(f & ATTN__CPU_AVX512VNNI), !__builtin_cpu_supports("avx512vnni"));
#elif defined(__aarch64__)
    ck_assert(attn__cpu_get()->features & ATTN__CPU_NEON);
#endif
}
END_TEST

/* The level that a new process finds under that ATTN_MAX_ISA. */
static int32_t level_under(const char *max_isa)
{
    int ends[2];
    char text[32];

    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (max_isa)
            setenv("ATTN_MAX_ISA", max_isa, 1);
        else
            unsetenv("ATTN_MAX_ISA");
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_cpu", "print", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    close(ends[0]);

    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_gt(got, 0);
    text[got] = '\0';
    return (int32_t)strtol(text, NULL, 10);
}

START_TEST(environment_caps_the_level)
{
    int32_t best = level_under(NULL);

    for (int i = 0; i < LEVELS; i++) {
        int32_t got = level_under(attn__cpu_isa_name(levels[i]));
        int32_t want = levels[i] < best ? levels[i] : best;
        if (best == ATTN_ISA_NEON && want != ATTN_ISA_NEON)
            want = ATTN_ISA_C;
        ck_assert_int_eq(got, want);
    }
    ck_assert_int_eq(level_under("avx9000"), best);
    ck_assert_int_eq(level_under(""), best);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        printf("%d\n", attn__cpu_get()->isa);
        return EXIT_SUCCESS;
    }
    const TTest *const list[] = {names,
                                 facts_are_plausible,
                                 affinity_follows_the_mask,
                                 levels_include_lower_ones,
                                 agrees_with_the_compiler,
                                 environment_caps_the_level};
    return unit_run("cpu", list, sizeof list / sizeof list[0]);
}
