/* SPDX-License-Identifier: MIT */
/*
 * Small dense f32 problems for the property tests, and running them.
 */
#ifndef ATTN_MECH_DENSE_H
#define ATTN_MECH_DENSE_H

#include <stdbool.h>

#include <attn/attn.h>

enum { DENSE_ROLES = 22 };

struct dense {
    int64_t b, hq, hk, nq, nk, d, dv;
    float *q, *k, *v, *out, *lse; /* [b,h,n,d], [b,h,n] */
    size_t n_out, n_lse;          /* elements */
    size_t n;
    attn_arg arg[DENSE_ROLES];
    attn_tensor t[DENSE_ROLES];
    void *owned[DENSE_ROLES];
};

/* Random q, k, v; out and lse filled with NaN. Stops the program where there
 * is no memory. */
void dense_make(struct dense *x, int64_t b, int64_t hq, int64_t hk, int64_t nq, int64_t nk,
                int64_t d, int64_t dv);
void dense_free(struct dense *x);

/* The view of a role; adds the role if it is not there. A view with data
 * NULL and elements gets zeroed memory. */
attn_tensor *dense_view(struct dense *x, int32_t role);
attn_tensor *dense_add(struct dense *x, int32_t role, int32_t dtype, int32_t rank,
                       const int64_t *shape, void *data);
attn_tensor *dense_list(struct dense *x, int32_t role, const int32_t *values, int64_t n);
/* Takes the last n roles away again. */
void dense_drop(struct dense *x, size_t n);

/* out and lse become NaN. */
void dense_clear(struct dense *x);

/* A context with that many threads. */
attn_ctx *dense_ctx(int64_t threads);

/* A plan of text with solver (NULL: chosen); NULL if that cannot serve it. */
attn_plan *dense_plan(attn_ctx *ctx, const char *text, const char *solver);

/* Plans and executes; false if the solver cannot serve the problem. Any other
 * failure stops the test. */
bool dense_run(attn_ctx *ctx, const char *text, const char *solver, struct dense *x);

/* Relative RMS distance; NaN matches NaN, an infinity itself. */
double dense_distance(const float *a, const float *b, size_t n);

/* This thread's last error text, in a static buffer. */
const char *dense_error(void);

#endif /* ATTN_MECH_DENSE_H */
