/* SPDX-License-Identifier: MIT */
/*
 * Handing out units: an atomic counter, so that unequal units (a causal
 * triangle, ragged lengths) spread themselves over the threads.
 */
#include "solvers/units.h"

void attn__units_take(struct attn__scratch *s, const struct attn__problem *p, int64_t **start)
{
    int64_t n = 0;
    s->ok = s->ok && attn__add_i64(p->b, 1, &n);
    *start = ATTN__TAKE(s, n, int64_t);
}

int64_t attn__units_count(struct attn__units *u)
{
    int64_t sum = 0, n_seq = u->x->call->n_seq;
    for (int64_t n = 0; n < n_seq; n++) {
        struct attn__seq s = attn__call_seq(u->x->call, n);
        u->start[n] = sum;
        if (attn__exec_mine(u->x, &s))
            sum += u->count(u->x, &s);
    }
    u->start[n_seq] = sum;
    return sum;
}

int64_t attn__units_find(const struct attn__units *u, int64_t n)
{
    int64_t lo = 0, hi = u->x->call->n_seq;
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (u->start[mid] <= n)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static void work(void *arg, int64_t worker)
{
    struct attn__units *u = arg;
    int64_t total = u->start[u->x->call->n_seq];
    for (;;) {
        int64_t n = atomic_fetch_add_explicit(&u->next, 1, memory_order_relaxed);
        if (n >= total)
            return;
        int64_t index = attn__units_find(u, n);
        struct attn__seq s = attn__call_seq(u->x->call, index);
        u->unit(u->arg, worker, &s, n - u->start[index]);
    }
}

void attn__units_run(struct attn__units *u)
{
    int64_t total = attn__units_count(u);
    int64_t workers = attn__min_i64(u->x->machine->threads, total);
    atomic_init(&u->next, 0);
    attn__threads_run(u->x->threads, workers, work, u);
}

int64_t attn__units_of_groups(const struct attn__exec *x, const struct attn__seq *s,
                              attn__group_units_fn *units)
{
    const struct attn__problem *p = x->call->p;
    if (p->even_groups && !x->active)
        return p->n_groups * units(x, s, 0);
    int64_t sum = 0;
    for (int64_t g = 0; g < p->n_groups; g++)
        sum += units(x, s, g);
    return sum;
}

int64_t attn__units_find_group(const struct attn__exec *x, const struct attn__seq *s,
                               attn__group_units_fn *units, int64_t *index)
{
    int64_t g = 0, n;
    if (x->call->p->even_groups && !x->active) {
        n = units(x, s, 0);
        g = *index / n;
        *index %= n;
        return g;
    }
    for (; *index >= (n = units(x, s, g)); g++)
        *index -= n;
    return g;
}
