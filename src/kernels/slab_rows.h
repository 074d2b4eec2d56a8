/* SPDX-License-Identifier: MIT */
/*
 * Rows of values in slabs as the kernels go through them: quads of four rows,
 * which share words, with weights 0 for rows of a quad that no run has.
 */
#ifndef ATTN__KERNELS_SLAB_ROWS_H
#define ATTN__KERNELS_SLAB_ROWS_H

enum {
    SLAB_WEIGHTS = 4 * ATTN__SLAB_CALL, /* each row may have a quad for itself */
};

/* Quads of one slab. */
struct slab_piece {
    const uint8_t *slab;
    int32_t first, rows; /* of the slab; `rows` of them, whose weights begin at p[from] */
    int32_t from;
    int32_t quad, quads; /* of the slab; their weights begin at w[to] */
    int32_t to;
};

/* A call: its pieces and what is asked for beside them; in quads, with zeros behind
 * them up to a multiple of sixteen, weights of a few query rows and factors of 32
 * channels. */
struct slab_call {
    struct slab_piece piece[ATTN__SLAB_CALL], later[ATTN__SLAB_CALL];
    int64_t pieces, laters, weights;
    _Alignas(64) float p[4][SLAB_WEIGHTS], f[SLAB_WEIGHTS];
};

/* Cuts runs into pieces; *weights: of all their quads. */
ATTN__INLINE int64_t slab_pieces(const struct attn__slab_run *run, int64_t runs, int64_t bytes,
                                 struct slab_piece *piece, int64_t *weights)
{
    int64_t n = 0, to = 0;
    for (int64_t i = 0; i < runs; i++) {
        int64_t from = run[i].from;
        int64_t row = (int64_t)((uintptr_t)run[i].at % 64);
        const uint8_t *slab = run[i].at - row;
        for (int64_t left = run[i].rows, rows; left > 0; left -= rows, row = 0, slab += bytes) {
            rows = left < 32 - row ? left : 32 - row;
            const int64_t quad = row / 4, quads = (row + rows + 3) / 4 - quad;
            piece[n++] = (struct slab_piece){slab, (int32_t)row, (int32_t)rows, (int32_t)from,
                                             (int32_t)quad, (int32_t)quads, (int32_t)to};
            from += rows;
            to += 4 * quads;
        }
    }
    if (weights)
        *weights = to;
    return n;
}

/* Zeros behind n of SLAB_WEIGHTS numbers, up to a multiple of sixteen. */
ATTN__INLINE void slab_pad(float *x, int64_t n)
{
    memset(x + n, 0, (size_t)(-n & 15) * sizeof *x);
}

/* to: the weights p in quads */
ATTN__INLINE void slab_spread(const struct slab_call *c, const float *p, float *to)
{
    slab_pad(to, c->weights);
    for (int64_t n = 0; n < c->pieces; n++) {
        const struct slab_piece *s = &c->piece[n];
        if (s->rows < 4 * s->quads)
            memset(to + s->to, 0, (size_t)(4 * s->quads) * sizeof *to);
        memcpy(to + s->to + s->first % 4, p + s->from, (size_t)s->rows * sizeof *to);
    }
}

/* c->f: what rows have for the slab's 32 channels from byte `at` on */
ATTN__INLINE void slab_factors(struct slab_call *c, int64_t at)
{
    slab_pad(c->f, c->weights);
    for (int64_t n = 0; n < c->pieces; n++) {
        const struct slab_piece *s = &c->piece[n];
        const uint16_t *half = (const uint16_t *)(const void *)(s->slab + at) + s->first;
        float *to = c->f + s->to + s->first % 4;
        if (s->rows < 4 * s->quads)
            memset(c->f + s->to, 0, (size_t)(4 * s->quads) * sizeof *to);
        int64_t i = 0;
        for (; i + VF_LANES <= s->rows; i += VF_LANES)
            v_store(to + i, v_load_f16(half + i));
        if (i < s->rows)
            v_storen(to + i, v_loadn_f16(half + i, s->rows - i), s->rows - i);
    }
}

#endif
