/* SPDX-License-Identifier: MIT */
/*
 * The learned biases of agents and an image. Arguments as in layer_helpers.h,
 * checked.
 */
#ifndef ATTN_SOLVERS_AGENT_BIAS_H
#define ATTN_SOLVERS_AGENT_BIAS_H

#include <attn/tensor.h>

struct attn__agent_bias {
    const attn_tensor *table, *rows, *columns, *first, *to; /* first may be NULL */
};

void attn__agent_bias(const struct attn__agent_bias *a);

#endif /* ATTN_SOLVERS_AGENT_BIAS_H */
