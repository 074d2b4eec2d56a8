/* SPDX-License-Identifier: MIT */
/*
 * Active rows of head groups.
 */
#include "solvers/active.h"

#include "solvers/epilogue.h"
#include "solvers/row_exact.h"

/* Queries of a block. */
enum { BLOCK = 64 };

static int64_t lists_of(const struct attn__problem *p, bool by_head)
{
    return by_head ? p->hout : p->n_groups;
}

void attn__active_take(struct attn__scratch *s, const struct attn__problem *p, bool by_head,
                       struct attn__active *a)
{
    int64_t lists = 0, all = 0, q = p->q;
    *a = (struct attn__active){.by_head = by_head, .blocks = q / BLOCK + (q % BLOCK != 0)};
    if (!p->epilogue.head_gate)
        return;
    s->ok = s->ok && attn__mul_i64(p->b, lists_of(p, by_head), &lists) &&
            attn__mul_i64(lists, a->blocks + 1, &all);
    a->before = ATTN__TAKE(s, all, int64_t);
}

/* The heads of list n. */
struct heads {
    int64_t h0, n;
};

static struct heads heads_of(const struct attn__problem *p, const struct attn__active *a,
                             int64_t n)
{
    return a->by_head ? (struct heads){n, 1}
                      : (struct heads){p->group[n], p->group[n + 1] - p->group[n]};
}

static int64_t *before(const struct attn__problem *p, const struct attn__active *a,
                       const struct attn__seq *s, int64_t n)
{
    return a->before + (s->index * lists_of(p, a->by_head) + n) * (a->blocks + 1);
}

struct job {
    const struct attn__exec *x;
    const struct attn__active *a;
    int64_t lists, workers;
};

static void begin_list(const struct attn__call *c, const struct attn__active *a,
                       const struct attn__seq *s, int64_t n)
{
    struct heads heads = heads_of(c->p, a, n);
    int64_t *count = before(c->p, a, s, n), active = 0;
    for (int64_t h = heads.h0; h < heads.h0 + heads.n; h++)
        attn__rows_pad(c, s, h);
    for (int64_t i = 0; i < s->nq; i++) {
        if (i % BLOCK == 0)
            count[i / BLOCK] = active;
        for (int64_t h = heads.h0; h < heads.h0 + heads.n; h++) {
            if (attn__epilogue_active(c, s, h, i))
                active++;
            else
                attn__row_skipped(c, s, h, i);
        }
    }
    for (int64_t k = s->nq / BLOCK + (s->nq % BLOCK != 0); k <= a->blocks; k++)
        count[k] = active;
}

static void work(void *arg, int64_t worker)
{
    const struct job *job = arg;
    const struct attn__call *c = job->x->call;
    for (int64_t n = worker; n < c->n_seq * job->lists; n += job->workers) {
        struct attn__seq s = attn__call_seq(c, n / job->lists);
        if (attn__exec_mine(job->x, &s))
            begin_list(c, job->a, &s, n % job->lists);
    }
}

const struct attn__active *attn__active_begin(const struct attn__exec *x, struct attn__active *a)
{
    const struct attn__problem *p = x->call->p;
    struct job job = {.x = x, .a = a, .lists = lists_of(p, a->by_head)};
    if (!p->epilogue.head_gate)
        return NULL;
    job.workers = attn__min_i64(x->machine->threads, x->call->n_seq * job.lists);
    attn__threads_run(x->threads, job.workers, work, &job);
    return a;
}

int64_t attn__active_count(const struct attn__exec *x, const struct attn__seq *s, int64_t n)
{
    return before(x->call->p, x->active, s, n)[x->active->blocks];
}

void attn__active_lines(const struct attn__exec *x, const struct attn__seq *s, int64_t n,
                        int64_t first, int64_t rows, int64_t *lines)
{
    const struct attn__call *c = x->call;
    struct heads heads = heads_of(c->p, x->active, n);
    const int64_t *count = before(c->p, x->active, s, n);
    int64_t lo = 0, hi = x->active->blocks;
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (count[mid] <= first)
            lo = mid;
        else
            hi = mid;
    }
    for (int64_t i = lo * BLOCK, at = count[lo] - first; at < rows; i++)
        for (int64_t h = 0; h < heads.n && at < rows; h++)
            if (attn__epilogue_active(c, s, heads.h0 + h, i)) {
                if (at >= 0)
                    lines[at] = i * heads.n + h;
                at++;
            }
}
