/* SPDX-License-Identifier: MIT */
/*
 * One pair, one piece.
 */
#include "oracle_pieces.h"

#include <string.h>

int64_t oracle_piece_number(const attn_tensor *t, int64_t a, int64_t b, int64_t c)
{
    int64_t index[3] = {a, b, c}, at = 0, i64;
    int32_t i32;
    for (int32_t r = 0; r < t->rank; r++)
        at += (t->shape[r] == 1 ? 0 : index[r]) * t->stride[r];
    const unsigned char *data = t->data;
    switch (t->dtype) {
    case ATTN_DTYPE_I32:
        memcpy(&i32, data + at * 4, 4);
        return i32;
    case ATTN_DTYPE_I64:
        memcpy(&i64, data + at * 8, 8);
        return i64;
    default:
        return data[at];
    }
}

static int64_t floor_of(int64_t a, int64_t unit)
{
    int64_t q = a / unit;
    return q * unit > a ? q - 1 : q;
}

static bool within(int64_t x, int64_t lo, int64_t hi)
{
    return x >= lo && (hi == ATTN_UNBOUNDED || x < hi);
}

static bool in_some_rect(const struct oracle_pair *x)
{
    const attn_tensor *t = x->in->rects;
    for (int64_t r = 0; r < t->shape[1]; r++) {
        int64_t c[4];
        for (int64_t k = 0; k < 4; k++)
            c[k] = oracle_piece_number(t, x->n, r, k);
        if (x->i >= c[0] && x->i < c[1] && x->j >= c[2] && x->j < c[3])
            return true;
    }
    return false;
}

static bool in_list(const int64_t *v, const struct oracle_pair *x)
{
    const attn_tensor *offsets = x->in->list_offsets;
    int64_t block = v[0] == ATTN_UNBOUNDED ? 0 : x->i / v[0];
    int64_t end = oracle_piece_number(offsets, x->n, x->h, block + 1);
    for (int64_t n = oracle_piece_number(offsets, x->n, x->h, block); n < end; n++)
        if (oracle_piece_number(x->in->list_index, n, 0, 0) == x->j / v[1])
            return true;
    return false;
}

static bool in_tree(const int64_t *v, const struct oracle_pair *x)
{
    int64_t t = v[0] == ATTN_UNBOUNDED ? x->q_len : v[0], bit = x->j - (x->k_len - t);
    if (bit < 0)
        return true;
    uint64_t word = (uint64_t)oracle_piece_number(x->in->tree_bits, x->n, x->i, bit / 64);
    return word >> bit % 64 & 1;
}

bool oracle_piece_shows(const struct oracle_piece *e, const struct oracle_pair *x)
{
    static const int64_t width[] = {
        [ATTN_PIECE_BAND] = 4,    [ATTN_PIECE_RECT] = 4,  [ATTN_PIECE_PREFIX] = 1,
        [ATTN_PIECE_STRIDE] = 3,  [ATTN_PIECE_PAIR] = 64, [ATTN_PIECE_LIST] = 2,
        [ATTN_PIECE_SEGMENT] = 1, [ATTN_PIECE_TREE] = 1};
    const struct oracle_piece_inputs *in = x->in;
    int64_t w = width[e->kind], distance;
    const int64_t *v = e->n > w ? e->v + x->h * w : e->v;

    switch (e->kind) {
    case ATTN_PIECE_BAND:
        distance = floor_of(x->at_k, v[3]) - floor_of(x->at_q + v[2], v[3]);
        return (v[0] == ATTN_UNBOUNDED || distance >= -v[0]) &&
               (v[1] == ATTN_UNBOUNDED || distance <= v[1]);
    case ATTN_PIECE_RECT:
        return e->n == 0 ? in_some_rect(x) : within(x->i, v[0], v[1]) && within(x->j, v[2], v[3]);
    case ATTN_PIECE_PREFIX:
        return x->j < (e->n == 0 ? oracle_piece_number(in->prefix_len, x->n, 0, 0) : v[0]);
    case ATTN_PIECE_STRIDE:
        return (floor_of(x->at_k, v[0]) + v[2]) % v[1] == 0;
    case ATTN_PIECE_SEGMENT:
        return oracle_piece_number(in->seg_q, x->b, x->row, 0) ==
               oracle_piece_number(in->seg_k, x->b, x->key, 0);
    case ATTN_PIECE_PAIR:
        return (uint64_t)v[oracle_piece_number(in->class_q, x->b, x->row, 0)] >>
                   oracle_piece_number(in->class_k, x->b, x->key, 0) &
               1;
    case ATTN_PIECE_LIST:
        return in_list(v, x);
    default:
        return in_tree(v, x);
    }
}

int64_t oracle_entry(const struct oracle_lists *l, int64_t n, int64_t h, int64_t i, int64_t j)
{
    int64_t blocks = (l->queries + l->q_block - 1) / l->q_block, sets = l->heads / l->head_group;
    int64_t row = ((l->batch == 1 ? 0 : n) * sets + h / l->head_group) * blocks + i / l->q_block;
    for (int64_t e = l->row_ptr[row]; e < l->row_ptr[row + 1]; e++)
        if (j >= l->start[e] && j < (int64_t)l->start[e] + l->length[e])
            return e;
    return -1;
}
