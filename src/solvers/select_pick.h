/* SPDX-License-Identifier: MIT */
/*
 * Which blocks of a row a selector takes, by their scores: the best few, those
 * that cover a share of the whole, or all from some score on.
 */
#ifndef ATTN_SOLVERS_SELECT_PICK_H
#define ATTN_SOLVERS_SELECT_PICK_H

#include <stdbool.h>
#include <stdint.h>

/* What a block of a row is before a pick; none is MAY afterwards. */
enum attn__pick_state { ATTN__PICK_OUT, ATTN__PICK_MAY, ATTN__PICK_IN };

enum attn__pick_rule {
    ATTN__PICK_TOP = 1, /* the best, until `top` are in */
    ATTN__PICK_COVER,   /* the best, until those that are in have `mass` of the sum of all */
    ATTN__PICK_LEAST    /* all with `mass` or more */
};

struct attn__pick {
    enum attn__pick_rule rule;
    int64_t top;
    double mass;
};

/*
 * score[n] and state[n] of one row; blocks that are IN stay so and count.
 * Larger scores come first, among equal ones the lower block, and -inf is
 * never taken. False, with nothing decided, if the score of a block that MAY be
 * taken is NaN, or of one that is IN where it counts (COVER). room: n doubles.
 */
bool attn__pick_row(const struct attn__pick *p, const double *score, uint8_t *state, int64_t n,
                    double *room);

/*
 * How many of the largest of score[n] have a sum of at most `mass`: the one that
 * would go beyond it is not counted, nor are those behind it. taken (may be NULL):
 * becomes 1 for those. No score is NaN. room: n doubles.
 */
int64_t attn__pick_within(const double *score, int64_t n, double mass, double *room,
                          uint8_t *taken);

#endif /* ATTN_SOLVERS_SELECT_PICK_H */
