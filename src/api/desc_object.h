/* SPDX-License-Identifier: MIT */
/*
 * The struct of a descriptor, for the functions that make something of one.
 */
#ifndef ATTN_API_DESC_OBJECT_H
#define ATTN_API_DESC_OBJECT_H

#include "base/ctx.h"
#include "problem/params.h"

struct attn_desc {
    struct attn_ctx *ctx; /* a reference */
    struct attn__params params;
};

#endif
