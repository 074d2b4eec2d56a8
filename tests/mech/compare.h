/* SPDX-License-Identifier: MIT */
/*
 * How far a result may be from the oracle: relative RMS of
 * 8 eps (1 + max|logit| / 4) for the arithmetic, and half an ulp of the
 * storage type for the rounding of the output.
 */
#ifndef ATTN_MECH_COMPARE_H
#define ATTN_MECH_COMPARE_H

#include "problem_gen.h"

struct compare_figures {
    const char *role; /* the output they are of; NULL: none was compared */
    double rms;       /* of the errors, relative */
    double max;       /* largest error, relative to the RMS of the result */
    double cosine;    /* 1 - correlation through the origin */
    double bound;     /* of rms */
    char why[200];    /* empty: within the bounds */
};

/* Compares every output of p with r. False at the first that fails; figures
 * are of that one, else of the one nearest to its bound. */
bool compare_all(struct gen_problem *p, const struct oracle_result *r,
                 struct compare_figures *figures);

#endif /* ATTN_MECH_COMPARE_H */
