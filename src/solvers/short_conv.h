/* SPDX-License-Identifier: MIT */
/*
 * A short causal convolution of each channel along tokens that come in pieces.
 * Arguments as in layer_helpers.h, checked.
 */
#ifndef ATTN_SOLVERS_SHORT_CONV_H
#define ATTN_SOLVERS_SHORT_CONV_H

#include <stdbool.h>

#include <attn/tensor.h>

#include "kernels/kernels.h"

enum { ATTN__SHORT_CONV_TAPS = 64 };

struct attn__short_conv {
    const attn_tensor *x, *weight, *bias, *state, *y; /* bias and state may be NULL */
    bool silu;
};

void attn__short_conv(const struct attn__kernels *kern, const struct attn__short_conv *a);

#endif /* ATTN_SOLVERS_SHORT_CONV_H */
