/* SPDX-License-Identifier: MIT */
/*
 * Turning rows by their positions. A worker keeps the turn of the 64 positions
 * it is at, so that rows in order cost one complex product per pair in f32
 * besides the turn itself. What a position gives does not depend on how it
 * was come to.
 */
#ifndef ATTN_SOLVERS_ROPE_TURN_H
#define ATTN_SOLVERS_ROPE_TURN_H

#include "kernels/kernels.h"
#include "problem/problem.h"
#include "solvers/scratch.h"

struct attn__rope_room {
    struct attn__rope_table table;
    int64_t n;          /* dynamic NTK: keys the table is for; -1: none yet */
    bool is_far, is_at; /* are these filled? */
    int64_t far_pos;    /* multiple of 4096 */
    int64_t at_pos;     /* multiple of 64 */
    double *far, *at;   /* [dim], turns of those positions, far with `attention` */
    float *at32;        /* [width] */
    double *freq;       /* dynamic NTK: [dim / 2], and room for tables */
    void *tables;
};

/* Nothing is taken if the problem turns nothing. */
void attn__rope_room_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__rope_room *room);

/* Before a sequence of n keys. */
void attn__rope_room_begin(const struct attn__rope *r, struct attn__rope_room *room, int64_t n);

/* Turns x[i * ld ..] by position pos + i for i < rows. */
void attn__rope_turn_rows(const struct attn__kernels *kern, const struct attn__rope *r,
                          struct attn__rope_room *room, int64_t pos, int64_t rows, float *x,
                          int64_t ld);

/* The same for one row of doubles. */
void attn__rope_turn_f64(const struct attn__rope *r, struct attn__rope_room *room, int64_t pos,
                         double *x);

#endif /* ATTN_SOLVERS_ROPE_TURN_H */
