/* SPDX-License-Identifier: MIT */
/*
 * Checks of single tensor views, whatever they are used for. Names are those
 * that messages use.
 */
#ifndef ATTN_BASE_VIEW_H
#define ATTN_BASE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <attn/tensor.h>

/* True if some extent is 0. rank has been checked. */
bool attn__view_is_empty(const attn_tensor *t);

/* dtype and rank are legal, extents not negative, all byte offsets fit in 64
 * bits, and there is memory if there is an element. ATTN_ERR_DTYPE,
 * ATTN_ERR_SHAPE, ATTN_ERR_STRIDE, ATTN_ERR_NULL. */
int32_t attn__view_check(const char *name, const attn_tensor *t);

/* The check above for numbers of any real type in a tensor of that rank.
 * ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, and as above. */
int32_t attn__view_check_real(const char *name, const attn_tensor *t, int32_t rank);

/* For a view that passed the check above: no two indices have one address
 * and no stride is negative. Sorted by stride, each dimension must begin
 * behind everything the smaller ones reach. ATTN_ERR_STRIDE. */
int32_t attn__view_check_output(const char *name, const attn_tensor *t);

#endif
