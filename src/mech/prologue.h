/* SPDX-License-Identifier: MIT */
/*
 * The options that change rows of Q and K before their product: qk_norm and
 * rope. Any mechanism that attends can have them.
 */
#ifndef ATTN_MECH_PROLOGUE_H
#define ATTN_MECH_PROLOGUE_H

#include "problem/params.h"
#include "problem/problem.h"

/* Reads and checks the parameters into p->qk_norm and p->rope; p->d is set.
 * *bytes: room that attn__prologue_fill needs, a multiple of 8. */
int32_t attn__prologue_read(const struct attn__params *v, struct attn__problem *p, size_t *bytes);

/* Frequencies and tables into room, which becomes the problem's; p->scale is
 * set and takes what rope_mscale says. */
void attn__prologue_fill(const struct attn__params *v, struct attn__problem *p, void *room);

#endif
