/* SPDX-License-Identifier: MIT */
/*
 * What planner and solvers say to each other. A solver is one algorithm: it
 * tells whether it can serve a problem and at what price, then runs all
 * sequences of an execute that were given to it.
 */
#ifndef ATTN_PROBLEM_SOLVER_H
#define ATTN_PROBLEM_SOLVER_H

#include <stdatomic.h>

#include "kernels/kernels.h"
#include "problem/call.h"
#include "problem/problem.h"
#include "thread/parallel.h"

/* The machine as solvers see it; part of the plan's input, never changed. */
struct attn__machine {
    const struct attn__kernels *kern;
    int64_t threads;
    int64_t blas_threads; /* 0: no BLAS; -1: not known */
};

/* Multiply-adds of a unit of cost: AVX2 does as many in a time as AVX-512 on
 * the CPUs measured, the others a fraction. */
static inline double attn__machine_rate(const struct attn__machine *m)
{
    return m->kern->lanes >= 8 ? 16 : 2.0 * (double)m->kern->lanes;
}

/* What reading K and V costs each time: nothing that shows from L2, else `l3` or
 * `ram` for 64 bytes. `keys` are those of a row; q rows that see as many each
 * read at most q more. Where they are goes by the size of one sequence: a choice
 * must not hang on the batch. */
static inline double attn__stream_cost(const struct attn__problem *p, int64_t q, int64_t k,
                                       double keys, double l3, double ram)
{
    double width = (double)(p->d + p->dv) * attn__dtype_bytes(p->kv_dtype);
    double read = keys + (double)q < (double)k ? keys + (double)q : (double)k;
    double bytes = read * width * (double)p->n_groups, lines = keys * width / 64;
    return bytes > 16 << 20 ? lines * ram : bytes > 700e3 ? lines * l3 : 0;
}

/* How a solver cuts a class of lengths; what the numbers mean is its own. */
struct attn__tiles {
    int32_t rows;  /* query rows of a tile */
    int32_t keys;  /* keys of a block */
    int32_t chunk; /* keys of a unit of work, for solvers that split keys */
    int32_t pass;  /* tiles that go over the keys together */
};

enum { ATTN__WHY_MAX = 160, ATTN__MORE_TILES = 4 };

struct attn__exec;
struct attn__active;

struct attn__solver {
    const char *name;
    int32_t verb;
    int32_t form; /* of SCAN: ATTN__SCAN_* */
    bool calls_blas;
    bool reads_pages; /* of a cache */
    bool for_groups;  /* of queries, and for nothing else */
    bool last; /* not chosen by its price where any other can serve */
    /* Can it serve the problem at all? If not, the reason goes to why. */
    bool (*applicable)(const struct attn__problem *p, char why[ATTN__WHY_MAX]);
    /* NULL: it does not cut. */
    struct attn__tiles (*tiles)(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k);
    /* Other tiles that may turn out faster, likely ones first; returns how many.
     * NULL: there are none. */
    int32_t (*more_tiles)(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                          int64_t k, struct attn__tiles out[ATTN__MORE_TILES]);
    /* Expected time for one sequence of q rows and k keys with all heads, in
     * units of 16 multiply-adds; only ratios between solvers mean anything. */
    double (*cost)(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k);
    /* False if the size overflows. Enough for every class of the problem and
     * all tiles of them. */
    bool (*workspace)(const struct attn__problem *p, const struct attn__machine *m,
                      size_t *bytes);
    void (*run)(const struct attn__exec *x);
};

/* What was decided for one class of lengths. */
struct attn__choice {
    const struct attn__solver *solver;
    struct attn__tiles tiles;
};

/* What was done, for COUNTS: solvers add to it unit by unit. Pairs in all do
 * not hang on the solver and are counted in front of it; INT64_MAX is more. */
struct attn__did {
    _Atomic int64_t pairs, tiles, all_tiles;
    int64_t all_pairs;
};

/* One execute as a solver gets it. */
struct attn__exec {
    const struct attn__call *call;
    const struct attn__machine *machine;
    struct attn__threads *threads;
    const struct attn__choice (*choice)[ATTN__K_CLASSES]; /* [Q_CLASSES] */
    const struct attn__solver *self;
    char *ws; /* 64-byte aligned */
    struct attn__did *did; /* NULL: nobody wants to know */
    /* Of a solver for itself, see solvers/active.h; NULL: all rows are. */
    const struct attn__active *active;
};

static inline void attn__exec_did(const struct attn__exec *x, int64_t pairs, int64_t tiles,
                                  int64_t all_tiles)
{
    if (!x->did)
        return;
    atomic_fetch_add_explicit(&x->did->pairs, pairs, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->did->tiles, tiles, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->did->all_tiles, all_tiles, memory_order_relaxed);
}

static inline const struct attn__choice *attn__exec_choice(const struct attn__exec *x,
                                                           const struct attn__seq *s)
{
    return &x->choice[attn__problem_q_class(s->nq)][attn__problem_k_class(s->nk)];
}

/* True if sequence s is this solver's to run. */
static inline bool attn__exec_mine(const struct attn__exec *x, const struct attn__seq *s)
{
    return attn__exec_choice(x, s)->solver == x->self;
}

#endif /* ATTN_PROBLEM_SOLVER_H */
