/* SPDX-License-Identifier: MIT */
/*
 * Rows before their product and after their sum, by definition: qk_norm and
 * rope. One row at a time, every angle by itself in long double.
 */
#ifndef ATTN_ORACLE_ROWS_H
#define ATTN_ORACLE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* pairing, scaling and kind as in the public header; 0: none. */
struct oracle_rope {
    int32_t pairing, scaling;
    bool on_q, on_k, truncate;
    int64_t dim;
    double base, factor, original, beta_fast, beta_slow, low, high;
    double attention; /* NAN: what the scaling says */
    double mscale;    /* NAN: none */
    const double *freqs;
};

struct oracle_qk_norm {
    int32_t kind;
    double eps;
    bool plus_one;
};

/* A row of d channels in place; w and b [d] may be NULL. */
void oracle_qk_norm(const struct oracle_qk_norm *n, int64_t d, const double *w, const double *b,
                    double *x);

/* The row at a position of a sequence of n_keys keys. */
void oracle_rope_row(const struct oracle_rope *r, int64_t n_keys, int64_t position, double *x);

/* What the scale of the scores is multiplied with. */
double oracle_rope_scale(const struct oracle_rope *r);

struct oracle_epilogue {
    bool norm, has_scale;
    double eps, out_scale;
    int32_t gate;
    double alpha, factor;             /* of this row and head */
    const double *w, *gates, *target; /* [n]; NULL: none */
};

/* A finished row of n numbers; size: of what was added up for each; error: of
 * each number, however they are scaled. */
void oracle_epilogue(const struct oracle_epilogue *x, int64_t n, double *o, double *size,
                     double *error);

#endif /* ATTN_ORACLE_ROWS_H */
