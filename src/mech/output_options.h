/* SPDX-License-Identifier: MIT */
/*
 * Further outputs: what `want` asks for and what that needs.
 */
#ifndef ATTN_MECH_OUTPUT_OPTIONS_H
#define ATTN_MECH_OUTPUT_OPTIONS_H

#include "problem/params.h"
#include "problem/problem.h"

/* Reads p->want and p->mass_classes. ATTN_ERR_UNSET, ATTN_ERR_INVALID. */
int32_t attn__output_options(const struct attn__params *v, struct attn__problem *p);

/* The roles and extents that follow from them, after attn__mech_roles. */
void attn__output_roles(struct attn__problem *p);

/* Can want=skip_bound be served? Everything else is settled. */
int32_t attn__output_skip_bound(const struct attn__problem *p);

#endif /* ATTN_MECH_OUTPUT_OPTIONS_H */
