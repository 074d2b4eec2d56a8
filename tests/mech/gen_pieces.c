/* SPDX-License-Identifier: MIT */
/*
 * Pieces of every kind, for all heads or for each, in sizes where tiles are
 * seen in part.
 */
#include "gen_parts.h"

#include <inttypes.h>
#include <string.h>

static void say_number(struct gen_problem *p, const char *before, int64_t x)
{
    if (x == ATTN_UNBOUNDED)
        gen_say(p, "%sinf", before);
    else
        gen_say(p, "%s%" PRId64, before, x);
}

static int64_t seldom_inf(struct rng *r, int percent, int64_t x)
{
    return rng_percent(r, percent) ? ATTN_UNBOUNDED : x;
}

static int64_t values_of(struct rng *r, int32_t kind, int64_t queries, int64_t keys, int64_t *v)
{
    switch (kind) {
    case ATTN_PIECE_BAND:
        v[3] = rng_percent(r, 50) ? 1 : rng_int(r, 2, 20);
        v[0] = seldom_inf(r, 30, rng_int(r, -3, 80) / v[3]);
        v[1] = seldom_inf(r, 20, rng_percent(r, 40) ? 0 : rng_int(r, -3, 40) / v[3]);
        v[2] = rng_percent(r, 60) ? 0 : rng_int(r, -30, 30);
        if (rng_percent(r, 2))
            v[0] = INT64_MAX;
        if (rng_percent(r, 2))
            v[1] = rng_percent(r, 50) ? INT64_MAX : -INT64_MAX;
        return 4;
    case ATTN_PIECE_RECT:
        v[0] = rng_percent(r, 40) ? 0 : rng_int(r, 0, queries);
        v[1] = seldom_inf(r, 30, rng_int(r, v[0], queries + 5 > v[0] ? queries + 5 : v[0]));
        v[2] = rng_percent(r, 40) ? 0 : rng_int(r, 0, keys);
        v[3] = seldom_inf(r, 20, rng_int(r, v[2], keys + 5 > v[2] ? keys + 5 : v[2]));
        return 4;
    case ATTN_PIECE_PREFIX:
        v[0] = rng_int(r, 0, 40);
        return 1;
    default:
        v[0] = rng_percent(r, 40) ? 1 : rng_int(r, 2, 80);
        v[1] = rng_int(r, 1, 6);
        v[2] = rng_int(r, -9, 9);
        return 3;
    }
}

/* ---- what comes at execute ---- */

static attn_tensor *numbers(struct maker *m, int32_t role, int32_t dtype, int32_t rank, int64_t a,
                            int64_t b, int64_t c)
{
    int64_t shape[3] = {a, b, c};
    return &gen_add(m, role, dtype, rank, shape)->t;
}

static int64_t one_or(struct rng *r, int64_t n)
{
    return rng_percent(r, 40) ? 1 : n;
}

/* Numbers below `end`, in runs or not. */
static attn_tensor *below(struct maker *m, int32_t role, int32_t dtype, int64_t n, int64_t end)
{
    attn_tensor *t = numbers(m, role, dtype, 2, one_or(&m->rng, m->b), n, 0);
    int64_t run = rng_percent(&m->rng, 50) ? 1 : rng_int(&m->rng, 2, 90);
    for (int64_t b = 0; m->ok && b < t->shape[0]; b++)
        for (int64_t i = 0; i < n; i++)
            gen_set(t, (double)(run == 1 ? rng_int(&m->rng, 0, end - 1) : i / run % end), b, i, 0,
                    0);
    return t;
}

static void positions(struct maker *m)
{
    struct rng *r = &m->rng;
    struct oracle_piece_inputs *in = &m->p->inputs.piece;
    int64_t turn = rng_percent(r, 50) ? 0 : rng_int(r, 0, 60), step = rng_int(r, 1, 3);
    int64_t first = rng_int(r, -20, 200);
    if (!rng_percent(r, 10))
        return;
    gen_say(m->p, " positions");
    for (int side = 0; side < 2; side++) {
        int64_t n = side == 0 ? m->nq : m->nk;
        attn_tensor *t = numbers(m, side == 0 ? ATTN_ROLE_POS_Q : ATTN_ROLE_POS_K,
                                 gen_index_type(m), 2, one_or(r, m->b), n, 0);
        bool wild = rng_percent(r, 20);
        for (int64_t b = 0; m->ok && b < t->shape[0]; b++)
            for (int64_t i = 0; i < n; i++) {
                int64_t at = side == 0 ? m->nk - m->nq + i : (i + turn) % n;
                gen_set(t, (double)(wild ? rng_int(r, -50, 300) : first + at * step), b, i, 0, 0);
            }
        *(side == 0 ? &in->pos_q : &in->pos_k) = t;
    }
}

static void given_rects(struct maker *m)
{
    struct rng *r = &m->rng;
    attn_tensor *t = numbers(m, ATTN_ROLE_RECTS, gen_index_type(m), 3, one_or(r, m->n_seq),
                             rng_int(r, 0, 4), 4);
    for (int64_t b = 0; m->ok && b < t->shape[0]; b++)
        for (int64_t n = 0; n < t->shape[1]; n++)
            for (int64_t side = 0; side < 4; side += 2) {
                int64_t most = side == 0 ? m->longest_q : m->longest_k, lo = rng_int(r, 0, most);
                gen_set(t, (double)lo, b, n, side, 0);
                gen_set(t, (double)rng_int(r, lo, most), b, n, side + 1, 0);
            }
    m->p->inputs.piece.rects = t;
}

static void given_prefix(struct maker *m)
{
    attn_tensor *t = numbers(m, ATTN_ROLE_PREFIX_LEN, gen_index_type(m), 1,
                             one_or(&m->rng, m->n_seq), 0, 0);
    for (int64_t b = 0; m->ok && b < t->shape[0]; b++)
        gen_set(t, (double)rng_int(&m->rng, 0, m->longest_k), b, 0, 0, 0);
    m->p->inputs.piece.prefix_len = t;
}

static int64_t blocks(int64_t n, int64_t block)
{
    return block == ATTN_UNBOUNDED ? n > 0 : (n + block - 1) / block;
}

static void lists(struct maker *m, const int64_t *v)
{
    struct rng *r = &m->rng;
    int64_t q_blocks = blocks(m->longest_q, v[0]), k_blocks = blocks(m->longest_k, v[1]);
    int64_t spare = rng_percent(r, 20) ? 2 : 0, n = 0, room;
    attn_tensor *t = numbers(m, ATTN_ROLE_LIST_OFFSETS, gen_index_type(m), 3, one_or(r, m->n_seq),
                             one_or(r, m->p->options.hout), q_blocks + 1 + spare);
    room = t->shape[0] * t->shape[1] * q_blocks * k_blocks;
    attn_tensor *index = numbers(m, ATTN_ROLE_LIST_INDEX, gen_index_type(m), 1, room, 0, 0);
    int dense = (int)PICK(r, 5, 30, 95);
    for (int64_t b = 0; m->ok && b < t->shape[0]; b++)
        for (int64_t h = 0; h < t->shape[1]; h++) {
            gen_set(t, (double)n, b, h, 0, 0);
            for (int64_t q = 0; q < q_blocks; q++) {
                for (int64_t k = 0; k < k_blocks; k++)
                    if (rng_percent(r, dense))
                        gen_set(index, (double)k, n++, 0, 0, 0);
                gen_set(t, (double)n, b, h, q + 1, 0);
            }
        }
    for (int64_t i = n; m->ok && i < room; i++)
        gen_set(index, -9, i, 0, 0, 0); /* nobody's */
    m->p->inputs.piece.list_offsets = t;
    m->p->inputs.piece.list_index = index;
}

static void tree(struct maker *m, const int64_t *v)
{
    struct rng *r = &m->rng;
    int64_t words = ((v[0] == ATTN_UNBOUNDED ? m->longest_q : v[0]) + 63) / 64;
    attn_tensor *t = numbers(m, ATTN_ROLE_TREE_BITS, ATTN_DTYPE_I64, 3, one_or(r, m->n_seq),
                             one_or(r, m->longest_q), words + rng_int(r, 0, 1));
    int64_t index[4] = {0};
    for (int64_t i = 0; m->ok && i < gen_count(t); i++) {
        gen_unflatten(t, i, index);
        uint64_t bits = rng_next(r) & (rng_percent(r, 50) ? rng_next(r) : ~UINT64_C(0));
        memcpy(gen_element(t, index), &bits, sizeof bits);
    }
    m->p->inputs.piece.tree_bits = t;
}

static void pair(struct maker *m, struct oracle_piece *e, int64_t *v)
{
    struct rng *r = &m->rng;
    e->n = rng_int(r, 1, 9);
    for (int64_t c = 0; c < e->n; c++)
        v[c] = (int64_t)(rng_percent(r, 20) ? rng_next(r) : rng_next(r) % 512);
    m->p->inputs.piece.class_q = below(m, ATTN_ROLE_CLASS_Q, ATTN_DTYPE_U8, m->nq, e->n);
    m->p->inputs.piece.class_k =
        below(m, ATTN_ROLE_CLASS_K, ATTN_DTYPE_U8, m->nk, rng_percent(r, 20) ? 64 : 9);
}

static void segments(struct maker *m)
{
    m->p->options.no_segments = true;
    m->p->inputs.seg_q = below(m, ATTN_ROLE_SEG_Q, gen_index_type(m), m->nq, 3);
    m->p->inputs.seg_k = below(m, ATTN_ROLE_SEG_K, gen_index_type(m), m->nk, 3);
}

/* A kind whose numbers come at execute, if there is none of it yet. */
static bool brought(struct maker *m, struct oracle_piece *e, int64_t *v)
{
    struct rng *r = &m->rng;
    const struct oracle_piece_inputs *in = &m->p->inputs.piece;
    switch (rng_int(r, 0, 5)) {
    case 0:
        e->kind = ATTN_PIECE_RECT;
        return !in->rects && (given_rects(m), true);
    case 1:
        e->kind = ATTN_PIECE_PREFIX;
        return !in->prefix_len && (given_prefix(m), true);
    case 2:
        e->kind = ATTN_PIECE_LIST;
        e->n = 2;
        v[0] = seldom_inf(r, 25, rng_int(r, 1, 70));
        v[1] = rng_percent(r, 20) ? 1 : rng_int(r, 2, 80);
        return !in->list_index && (lists(m, v), true);
    case 3:
        e->kind = ATTN_PIECE_TREE;
        e->n = 1;
        v[0] = seldom_inf(r, 40, rng_int(r, 1, 150));
        return !in->tree_bits && (tree(m, v), true);
    case 4:
        e->kind = ATTN_PIECE_PAIR;
        return !in->class_q && (pair(m, e, v), true);
    default:
        e->kind = ATTN_PIECE_SEGMENT;
        e->any = true; /* the other is the parameter */
        return !m->p->inputs.seg_q && (segments(m), true);
    }
}

/* ---- all of them ---- */

static void say_piece(struct gen_problem *p, const struct oracle_piece *e)
{
    gen_say(p, " %s=%s[", e->any ? "any" : "must", attn_piece_name(e->kind));
    for (int64_t n = 0; n < e->n; n++)
        say_number(p, n > 0 ? "," : "", e->v[n]);
    gen_say(p, "]");
}

void gen_pieces(struct maker *m)
{
    static const int32_t kinds[] = {ATTN_PIECE_BAND, ATTN_PIECE_BAND, ATTN_PIECE_RECT,
                                    ATTN_PIECE_PREFIX, ATTN_PIECE_STRIDE};
    struct gen_problem *p = m->p;
    struct rng *r = &m->rng;
    int64_t pieces = rng_percent(r, 30) ? rng_int(r, 1, GEN_PIECES) : 0;

    positions(m);
    p->options.pieces = p->piece;
    for (int64_t i = 0; i < pieces; i++) {
        struct oracle_piece *e = &p->piece[p->options.n_pieces];
        int64_t *v = p->piece_value[p->options.n_pieces];
        bool heads = rng_percent(r, 25);
        *e = (struct oracle_piece){.any = rng_percent(r, 60), .v = v};
        if (rng_percent(r, 40)) {
            if (!brought(m, e, v))
                continue;
        } else {
            e->kind = kinds[rng_int(r, 0, 4)];
            for (int64_t h = 0; h < (heads ? p->options.hout : 1); h++)
                e->n += values_of(r, e->kind, m->longest_q, m->longest_k, v + e->n);
        }
        say_piece(p, e);
        p->options.n_pieces++;
    }
}

/* ---- a rule of the caller's ---- */

enum { RULE_UNIT = 24 };

static bool rule(int64_t n, int64_t h, int64_t i, int64_t j)
{
    int64_t block = (i / RULE_UNIT + j / RULE_UNIT + h + n) % 4;
    return block == 0 ? (i * 3 + j * 5) % 7 > 2 : block < 3;
}

int32_t gen_mask_fn(void *user, uint8_t *visible, int64_t q_stride, int64_t k_stride, int64_t b,
                    int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    int64_t seen = 0;
    (void)user;
    for (int64_t i = q0; i < q0 + nq; i++)
        for (int64_t j = k0; j < k0 + nk; j++)
            seen += rule(b, h, i, j);
    if (seen == 0 || seen == nq * nk)
        return seen > 0;
    for (int64_t i = 0; i < nq && visible; i++)
        for (int64_t j = 0; j < nk; j++)
            visible[i * q_stride + j * k_stride] = rule(b, h, q0 + i, k0 + j) ? 200 : 0;
    return 2;
}

void gen_rule(struct maker *m)
{
    if (m->p->dtype == ATTN_DTYPE_F64 || !rng_percent(&m->rng, 6))
        return;
    m->p->options.mask_fn = rule;
}
