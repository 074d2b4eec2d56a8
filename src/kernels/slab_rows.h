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

/* w: weights p times the factors that the rows have in the slab's 32 channels
 * from byte `at` on, in quads. */
ATTN__INLINE void slab_weights(const struct slab_piece *piece, int64_t pieces, int64_t at,
                               const float *p, float *w)
{
    for (int64_t n = 0; n < pieces; n++) {
        const struct slab_piece *s = &piece[n];
        const uint16_t *factor = (const uint16_t *)(const void *)(s->slab + at) + s->first;
        float *to = w + s->to + s->first % 4;
        if (s->rows < 4 * s->quads)
            memset(w + s->to, 0, (size_t)(4 * s->quads) * sizeof *w);
        int64_t i = 0;
        for (; i + VF_LANES <= s->rows; i += VF_LANES)
            v_store(to + i, v_mul(v_load(p + s->from + i), v_load_f16(factor + i)));
        if (i < s->rows) {
            const int64_t m = s->rows - i;
            v_storen(to + i, v_mul(v_loadn(p + s->from + i, m), v_loadn_f16(factor + i, m)), m);
        }
    }
}

#endif
