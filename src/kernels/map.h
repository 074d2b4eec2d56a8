/* SPDX-License-Identifier: MIT */
/*
 * Functions of one number that rows go through before a recurrence: the list,
 * and the number of each.
 */
#ifndef ATTN_KERNELS_MAP_H
#define ATTN_KERNELS_MAP_H

#define ATTN__MAP_LIST(X)                                                                          \
    X(relu) X(relu2) X(elu1) X(exp) X(sigmoid) X(silu) X(log_sigmoid) X(softplus) X(neg_exp) \
    X(rwkv7_decay)

#define ATTN__MAP_NUMBER(name) ATTN__MAP_##name,
enum { ATTN__MAP_LIST(ATTN__MAP_NUMBER) ATTN__MAP_COUNT };
#undef ATTN__MAP_NUMBER

#endif /* ATTN_KERNELS_MAP_H */
