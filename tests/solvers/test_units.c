/* SPDX-License-Identifier: MIT */
/*
 * Units of work: every unit of every sequence that is this solver's is done
 * exactly once, on as many threads as there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "solvers/units.h"

enum { SEQUENCES = 9, UNITS_MOST = 64, THREADS_MOST = 4 };

static const int32_t q_offsets[SEQUENCES + 1] = {0, 3, 3, 4, 40, 41, 300, 300, 302, 310};
static const struct attn__solver mine = {.name = "mine"}, other = {.name = "other"};

static int failed;
static atomic_int done[SEQUENCES][UNITS_MOST];

static void expect(int ok, const char *what, int64_t a, int64_t b)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s (%lld, %lld)\n", what, (long long)a, (long long)b);
    failed = 1;
}

/* None for some, many for others. */
static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    (void)x;
    return s->nq / 8;
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    int64_t threads = *(const int64_t *)arg;
    if (worker < 0 || worker >= threads || index < 0 || index >= UNITS_MOST)
        abort();
    atomic_fetch_add(&done[s->index][index], 1);
}

static void run(const struct attn__mem *mem, int64_t threads)
{
    struct attn__problem p = {.b = SEQUENCES, .packed = true, .q = 1000, .k = 10};
    struct attn__call call = {.p = &p, .n_seq = SEQUENCES};
    struct attn__machine machine = {.threads = threads};
    struct attn__choice choice[ATTN__Q_CLASSES][ATTN__K_CLASSES];
    struct attn__exec x = {
        .call = &call, .machine = &machine, .choice = (void *)choice, .self = &mine};
    struct attn__units u = {.x = &x, .count = count, .unit = unit, .arg = &threads};
    attn_tensor list = {
        .dtype = ATTN_DTYPE_I32, .rank = 1, .shape = {SEQUENCES + 1}, .stride = {1}};
    int64_t start[SEQUENCES + 1], total = 0;

    memset((void *)done, 0, sizeof done);
    list.data = (void *)q_offsets;
    call.has[ATTN__SLOT_Q_OFFSETS] = call.has[ATTN__SLOT_K_OFFSETS] = true;
    call.t[ATTN__SLOT_Q_OFFSETS] = call.t[ATTN__SLOT_K_OFFSETS] = list;
    /* Single rows belong to somebody else. */
    for (int32_t q = 0; q < ATTN__Q_CLASSES; q++)
        for (int32_t k = 0; k < ATTN__K_CLASSES; k++)
            choice[q][k].solver = q == attn__problem_q_class(1) ? &other : &mine;
    if (attn__threads_create(mem, threads, NULL, &x.threads) != ATTN_OK ||
        attn__threads_start(x.threads) != ATTN_OK)
        abort();

    struct attn__scratch s = {.ok = true};
    int64_t *measured;
    attn__units_take(&s, &p, &measured);
    expect(s.ok && s.used >= sizeof start, "room for the starts", (int64_t)s.used, 0);
    u.start = start;
    attn__units_run(&u);
    for (int64_t n = 0; n < SEQUENCES; n++) {
        int64_t rows = q_offsets[n + 1] - q_offsets[n];
        int64_t want = rows == 1 ? 0 : rows / 8;
        expect(start[n] == total, "start of the sequence", n, start[n]);
        for (int64_t i = 0; i < UNITS_MOST; i++)
            expect(done[n][i] == (i < want), "times a unit was done", n, done[n][i]);
        for (int64_t i = 0; i < want; i++)
            expect(attn__units_find(&u, total + i) == n, "sequence of a unit", n, total + i);
        total += want;
    }
    expect(attn__units_count(&u) == total, "number of units", attn__units_count(&u), total);
    attn__threads_destroy(x.threads);
}

int main(void)
{
    struct attn__mem mem;
    if (attn__mem_init(&mem, NULL) != ATTN_OK)
        return 1;
    for (int64_t threads = 1; threads <= THREADS_MOST; threads++)
        for (int times = 0; times < 50; times++)
            run(&mem, threads);

    struct attn__problem endless = {.b = INT64_MAX};
    struct attn__scratch s = {.ok = true};
    int64_t *start;
    attn__units_take(&s, &endless, &start);
    expect(!s.ok, "a list for every batch there could be", INT64_MAX, 0);
    printf("%s: units on 1 to %d threads\n", failed ? "FAIL" : "ok", THREADS_MOST);
    return failed;
}
