/* SPDX-License-Identifier: MIT */
/*
 * CLASSMASS: the weights of a row summed by class of the key, in double.
 */
#ifndef ATTN_SOLVERS_CLASS_MASS_H
#define ATTN_SOLVERS_CLASS_MASS_H

#include "problem/call.h"

/* A class is a byte. */
enum { ATTN__MASS_CLASSES = 256 };

/* Writes the masses of row i of head h: keys j0..j0+n-1 have the weights
 * p[j - j0], all others none. A sum does not depend on which keys of weight 0
 * are among them. */
void attn__class_mass_row(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                          int64_t i, int64_t j0, int64_t n, const float *p);

/* The same of sums by class that are there already. */
void attn__class_mass_store(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                            int64_t i, const double mass[ATTN__MASS_CLASSES]);

#endif /* ATTN_SOLVERS_CLASS_MASS_H */
