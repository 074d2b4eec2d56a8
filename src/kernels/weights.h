/* SPDX-License-Identifier: MIT */
/*
 * The kinds of weights that tile_weights and row_weights make of natural
 * scores, and what they sum: WEIGHTS(kind, what). COUNT: the scores that are
 * not -inf; SUM: the weights; SQUARES: theirs.
 */
#ifndef ATTN_KERNELS_WEIGHTS_H
#define ATTN_KERNELS_WEIGHTS_H

#define ATTN__WEIGHTS_LIST(WEIGHTS)                                            \
    WEIGHTS(relu, COUNT)                                                       \
    WEIGHTS(relu_square, COUNT)                                                \
    WEIGHTS(relu_cube, COUNT)                                                  \
    WEIGHTS(sigmoid, COUNT) /* of the score plus a */                          \
    WEIGHTS(identity, COUNT)                                                   \
    WEIGHTS(softplus, SUM)                                                     \
    WEIGHTS(taylor2, SUM)                                                      \
    WEIGHTS(gelu, SQUARES)

enum {
#define ATTN__WEIGHTS_NUMBER(kind, what) ATTN__WEIGHTS_##kind,
    ATTN__WEIGHTS_LIST(ATTN__WEIGHTS_NUMBER)
#undef ATTN__WEIGHTS_NUMBER
    ATTN__WEIGHTS_COUNT
};

#endif /* ATTN_KERNELS_WEIGHTS_H */
