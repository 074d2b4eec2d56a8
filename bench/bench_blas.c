/* SPDX-License-Identifier: MIT */
/* Both names of the number of threads: OpenBLAS built with OpenMP has its own. */
#include "bench_blas.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_options.h"
#include "team.h"

void bench_blas_rest(int64_t threads)
{
    if (threads > 1)
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
}

#ifdef BENCH_HAVE_BLAS_SET_THREADS
extern void openblas_set_num_threads(int threads);

void bench_blas_use(int64_t threads)
{
    openblas_set_num_threads((int)threads);
}
#else
void bench_blas_use(int64_t threads)
{
    (void)threads;
}
#endif

#ifdef BENCH_HAVE_BLAS
#include <cblas.h>

void bench_blas_pin(int64_t threads, char **argv)
{
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"};
    char text[24];
    bool set = true;
    snprintf(text, sizeof text, "%" PRId64, threads);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *found = getenv(names[i]);
        if (found && strcmp(found, text) == 0)
            continue;
        set = false;
        setenv(names[i], text, 1);
    }
    if (!set)
        execv("/proc/self/exe", argv);
    if (!set)
        bench_failed("cannot start anew, BLAS may use another number of threads");
}

double bench_blas_sgemm(double seconds, int64_t *size)
{
    enum { FIRST = 512, LAST = 4096, REPEATS = 3 };
    double best = 0;
    for (int64_t n = FIRST; n <= LAST; n *= 2) {
        size_t count = (size_t)(n * n);
        float *m = malloc(3 * count * sizeof *m);
        int64_t least = INT64_MAX;
        if (!m)
            break;
        for (size_t i = 0; i < 3 * count; i++)
            m[i] = 1.0f / (float)(1 + i % 1021);
        for (int r = 0; r < REPEATS; r++) {
            int64_t start = bench_now();
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)n, (int)n, 1.0f,
                        m, (int)n, m + count, (int)n, 0.0f, m + 2 * count, (int)n);
            int64_t took = bench_now() - start;
            least = took < least ? took : least;
        }
        free(m);
        best = 2.0 * (double)n * (double)n * (double)n / (double)least;
        *size = n;
        if ((double)least * 1e-9 >= seconds)
            break;
    }
    return best > 0 ? best : NAN;
}
#else
void bench_blas_pin(int64_t threads, char **argv)
{
    (void)threads, (void)argv;
}

double bench_blas_sgemm(double seconds, int64_t *size)
{
    (void)seconds;
    *size = 0;
    return NAN;
}
#endif
