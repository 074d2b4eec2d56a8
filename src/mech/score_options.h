/* SPDX-License-Identifier: MIT */
/*
 * The score options of a descriptor, for every mechanism that has scores.
 */
#ifndef ATTN_MECH_SCORE_OPTIONS_H
#define ATTN_MECH_SCORE_OPTIONS_H

#include "problem/params.h"
#include "problem/problem.h"

/* Bytes of lists, a multiple of 8. */
size_t attn__score_options_bytes(const struct attn__params *v, int64_t hout);

/*
 * Fills scale, softcap, slopes, bias and score of *p, whose sizes are known;
 * room: that many bytes, aligned for doubles, that live as long as *p.
 * ATTN_ERR_INVALID and ATTN_ERR_UNSUPPORTED for options that contradict each
 * other.
 */
int32_t attn__score_options(const struct attn__params *v, struct attn__problem *p, void *room);

/* The roles that the options ask for, after attn__mech_roles. */
void attn__score_roles(struct attn__problem *p);

#endif /* ATTN_MECH_SCORE_OPTIONS_H */
