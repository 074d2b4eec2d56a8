/* SPDX-License-Identifier: MIT */
/*
 * The parameters of the normaliser, for every mechanism that has scores.
 */
#ifndef ATTN_MECH_NORMALIZER_H
#define ATTN_MECH_NORMALIZER_H

#include "problem/params.h"
#include "problem/problem.h"

/* Fills p->norm and takes LSE away where there is none; p->k, p->sink_logits,
 * p->want and p->takes are there already. ATTN_ERR_INVALID, ATTN_ERR_UNSET or
 * ATTN_ERR_UNSUPPORTED. */
int32_t attn__mech_normalizer(const struct attn__params *v, struct attn__problem *p);

#endif /* ATTN_MECH_NORMALIZER_H */
