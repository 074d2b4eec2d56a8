/* SPDX-License-Identifier: MIT */
/*
 * Cuts the rows of a product into blocks whose sums are held in registers.
 */
#ifndef ATTN_KERNELS_CUT_H
#define ATTN_KERNELS_CUT_H

/*
 * Runs BLOCK(rows) over n rows: blocks of `most`, then 4, 2 and 1. A rest of two is
 * joined with a block of six before it: two fours are faster than six and two.
 */
#define ATTN__CUT(n, most, BLOCK)                                                         \
    do {                                                                                  \
        int64_t left_ = (n);                                                              \
        for (; left_ >= (most) && !((most) == 6 && left_ == 8); left_ -= (most))          \
            BLOCK(most);                                                                  \
        for (; left_ >= 4; left_ -= 4)                                                    \
            BLOCK(4);                                                                     \
        for (; left_ >= 2; left_ -= 2)                                                    \
            BLOCK(2);                                                                     \
        for (; left_ >= 1; left_ -= 1)                                                    \
            BLOCK(1);                                                                     \
    } while (0)

#endif /* ATTN_KERNELS_CUT_H */
