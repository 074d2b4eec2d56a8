/* SPDX-License-Identifier: MIT */
/*
 * Rotary positions (Su et al., RoFormer, 2021): which channels turn with the
 * position, how fast, and the tables from which the angle of any position is
 * put together. A position is 4096 far + 64 mid + low; the turn by it is the
 * complex product of three turns, of which two come from tables of 64 rows,
 * so that no table grows with the longest sequence. Angles are taken in
 * double with the rounding of position * frequency made good: up to 2^53 a
 * turn is right to some 2^-50, and its rounding to f32 is what counts.
 */
#ifndef ATTN_PROBLEM_ROPE_H
#define ATTN_PROBLEM_ROPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ATTN__ROPE_ROWS = 64 };

/* Turns of positions r and 64 r for r < 64, each row the cosines of all pairs
 * and then the sines; low32: as the kernel of the pairing takes them, rows of
 * attn__rope_width. */
struct attn__rope_table {
    const double *low, *mid; /* [64][dim] */
    const float *low32;      /* [64][width] */
};

struct attn__rope {
    int32_t pairing; /* ATTN_ROPE_*; NONE: nothing is turned */
    bool on_q, on_k;
    int64_t dim; /* the first so many channels turn, in dim / 2 pairs */

    int32_t scaling; /* ATTN_ROPE_SCALING_* */
    double base, factor;
    double original; /* length the model was trained with */
    double beta_fast, beta_slow;
    bool truncate;
    double low, high;

    double attention;   /* factor of cosines and sines */
    const double *freq; /* [dim / 2]; with dynamic NTK those of short sequences */
    struct attn__rope_table table;
};

/* Frequencies of all pairs for a sequence of n keys; only dynamic NTK looks
 * at n. */
void attn__rope_freqs(const struct attn__rope *r, int64_t n, double *freq);

/* Floats per row of low32. */
int64_t attn__rope_width(const struct attn__rope *r);

/* Bytes of the tables; `room` of that size, aligned as doubles are. */
size_t attn__rope_table_bytes(const struct attn__rope *r);
void attn__rope_table_fill(const struct attn__rope *r, const double *freq, void *room,
                           struct attn__rope_table *t);

/* The turn by a whole number of positions. */
void attn__rope_turn(double position, double freq, double *c, double *s);

/* A row of low32, or the like of it, from cosines and sines [dim]. */
void attn__rope_narrow(const struct attn__rope *r, const double *turn, float *out);

#endif /* ATTN_PROBLEM_ROPE_H */
