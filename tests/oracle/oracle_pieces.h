/* SPDX-License-Identifier: MIT */
/*
 * Pieces of visibility, pair by pair and by the words of <attn/pieces.h>.
 */
#ifndef ATTN_ORACLE_ORACLE_PIECES_H
#define ATTN_ORACLE_ORACLE_PIECES_H

#include <stdbool.h>

#include <attn/attn.h>

struct oracle_piece {
    int32_t kind;
    bool any;
    int64_t n; /* values in all */
    const int64_t *v;
};

/* A pair and where it is: of sequence n and output head h, query i and key
 * j, both counted from the first that counts. */
struct oracle_pair {
    int64_t hout, n, h, i, j;
    int64_t at_q, at_k; /* positions */
};

bool oracle_piece_shows(const struct oracle_piece *e, const struct oracle_pair *x);

#endif /* ATTN_ORACLE_ORACLE_PIECES_H */
