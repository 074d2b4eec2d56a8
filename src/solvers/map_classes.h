/* SPDX-License-Identifier: MIT */
/*
 * Post-softmax weights by class of key, as steps of a recipe. Where the keys
 * are cut into classes and each class c was attended to by itself, giving
 * (O_c, L_c), the probability mass of the class in the whole row is
 * e^(L_c - L) with L = ln sum_c e^L_c, and multiplying the probabilities of
 * class c by g_c gives sum_c g_c e^(L_c - L) O_c. No matrix of probabilities
 * is needed.
 */
#ifndef ATTN_SOLVERS_MAP_CLASSES_H
#define ATTN_SOLVERS_MAP_CLASSES_H

#include <stdbool.h>

#include <attn/tensor.h>

#include "thread/parallel.h"

enum { ATTN__CLASSES_MAX = 4 };

/*
 * Mass is moved from some classes to others: those of `from` keep the share
 * `keep`, what they give up goes to those of `to` in proportion to what these
 * have. A row in which `to` has nothing stays as it is, and so do rows that
 * are not chosen. Classes are bits.
 */
struct attn__class_rule {
    uint32_t from, to;
    double keep;
    /* A row is chosen if of the mass of `among`, at least `least`, classes
     * `part` have at most the share `most`. among 0: every row. */
    uint32_t among, part;
    double least, most;
};

/* What the rule needs of each batch element. */
struct attn__class_batch {
    int64_t first_row; /* rows before it are not chosen */
    double floor;      /* added to the mass of `among` in the share */
};

/* part_out[c] [B,H,N,Dv], part_lse[c] [B,H,N] of f32 or f64 for the n_classes;
 * batch [B], NULL: zeros. out of any float type; lse (NULL: none) becomes L. */
void attn__map_classes(struct attn__threads *threads, int n_classes, const attn_tensor *part_out,
                       const attn_tensor *part_lse, const struct attn__class_rule *rule,
                       const struct attn__class_batch *batch, const attn_tensor *out,
                       const attn_tensor *lse);

/* mask[b,0,0,j] = class_k[b,j] == c; class_k [B|1,Nk] of u8, mask [B,1,1,Nk]. */
void attn__map_class_mask(const attn_tensor *class_k, int c, const attn_tensor *mask);

#endif /* ATTN_SOLVERS_MAP_CLASSES_H */
