/* SPDX-License-Identifier: MIT */
/*
 * The options that change finished rows: out_gate, head_factor, head_mix,
 * out_norm and out_scale. Any mechanism that attends can have them.
 */
#ifndef ATTN_MECH_EPILOGUE_OPTIONS_H
#define ATTN_MECH_EPILOGUE_OPTIONS_H

#include "problem/params.h"
#include "problem/problem.h"

/* Reads and checks the parameters into p->epilogue. */
int32_t attn__epilogue_options(const struct attn__params *v, struct attn__problem *p);

#endif
