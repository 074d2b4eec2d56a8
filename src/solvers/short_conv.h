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
#include "thread/parallel.h"

enum { ATTN__SHORT_CONV_TAPS = 64 };

struct attn__short_conv {
    const attn_tensor *x, *weight, *bias, *state, *y; /* bias and state may be NULL */
    bool silu;
};

/* Strips of channels are shared out; the bits are those of one thread. */
void attn__short_conv(const struct attn__kernels *kern, struct attn__threads *threads,
                      const struct attn__short_conv *a);

/* Is there so much to do that threads are worth starting? */
bool attn__short_conv_is_large(const struct attn__short_conv *a);

#endif /* ATTN_SOLVERS_SHORT_CONV_H */
