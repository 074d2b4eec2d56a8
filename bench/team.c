/* SPDX-License-Identifier: MIT */
/* Threads that live for one probe: the time of starting them is not counted. */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

struct member {
    pthread_t thread;
    pthread_barrier_t *start;
    void (*fn)(void *arg, int64_t i);
    void *arg;
    int64_t i, begin, end;
};

int64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t bench_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}

static void *work(void *arg)
{
    struct member *m = arg;
    pthread_barrier_wait(m->start);
    m->begin = bench_now();
    m->fn(m->arg, m->i);
    m->end = bench_now();
    return NULL;
}

int64_t bench_team(int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    pthread_barrier_t start;
    struct member *m = calloc((size_t)n, sizeof *m);
    if (!m)
        return -1;
    pthread_barrier_init(&start, NULL, (unsigned)n);
    for (int64_t i = 0; i < n; i++) {
        m[i] = (struct member){.start = &start, .fn = fn, .arg = arg, .i = i};
        /* Those that did start wait for ever, and the process ends soon. */
        if (i + 1 < n && pthread_create(&m[i].thread, NULL, work, &m[i]) != 0)
            return -1;
    }
    work(&m[n - 1]);
    int64_t begin = m[n - 1].begin, end = m[n - 1].end;
    for (int64_t i = 0; i + 1 < n; i++) {
        pthread_join(m[i].thread, NULL);
        begin = m[i].begin < begin ? m[i].begin : begin;
        end = m[i].end > end ? m[i].end : end;
    }
    pthread_barrier_destroy(&start);
    free(m);
    return end - begin;
}
