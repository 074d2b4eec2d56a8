/* SPDX-License-Identifier: MIT */
/* What row_slab.inc.c takes of a set of instructions, by digits. */

/* group g of 8 of words, as bytes */
ATTN__INLINE void ATTN__NAME(codes_of)(const uint8_t *block, int64_t g, __m512i *x)
{
#if ATTN__BITS == 8
    x[0] = _mm512_loadu_si512(block + 64 + 128 * g);
    x[1] = _mm512_loadu_si512(block + 128 + 128 * g);
#else
    const __m512i low = _mm512_set1_epi8(15);
    for (int h = 0; h < 2; h++) {
        const __m512i two = _mm512_loadu_si512(block + 64 + 128 * (g / 2) + 64 * h);
        x[h] = _mm512_and_si512(g % 2 ? _mm512_srli_epi16(two, 4) : two, low);
    }
#endif
}

/* sum[r][..] += 32 keys times `rows` query rows, 32 channels of `digits` digits */
ATTN__INLINE void ATTN__NAME(qk_digits)(int rows, int digits, const uint8_t *block,
                                        const struct attn__slab_query *q, int64_t ldq,
                                        float *restrict sum)
{
    const int8_t *d[4];
    const int32_t *all[4];
    float unit[4];
    struct slab_sums a;
    for (int r = 0; r < rows; r++) {
        d[r] = q[r * ldq].digit[0][0];
        all[r] = q[r * ldq].sum;
        unit[r] = q[r * ldq].unit;
    }
    slab_begin(rows, digits, ATTN__MORE, all, &a);
    for (int64_t g = 0; g < 8; g++) {
        __m512i x[2];
        ATTN__NAME(codes_of)(block, g, x);
        slab_add(rows, digits, x, d, &a);
        for (int r = 0; r < rows; r++)
            d[r] += 16;
    }
    const uint16_t *half = (const uint16_t *)(const void *)block;
    const vf f[2] = {v_load_f16(half), v_load_f16(half + 16)};
    slab_end(rows, digits, &a, unit, f, sum, 32);
}

ATTN__INLINE void ATTN__NAME(qk_block)(int rows, bool int8, const uint8_t *block,
                                       const struct attn__slab_query *q, int64_t ldq,
                                       float *restrict sum)
{
    if (int8) {
        ATTN__NAME(qk_digits)(rows, 1, block, q, ldq, sum);
        return;
    }
    /* sums of more rows do not all stay in registers */
    ATTN__NAME(qk_digits)(rows > 2 ? 2 : rows, 4, block, q, ldq, sum);
    if (rows > 2)
        ATTN__NAME(qk_digits)(rows - 2, 4, block, q + 2 * ldq, ldq, sum + 2 * 32);
}

/* o[r * ldo ..] += values of 32 channels from byte `at` of slabs on times the
 * weights of `rows` rows in `digits` digits. Quad by quad the same channels of
 * c->later[n] are asked for beside those of c->piece[n]. */
ATTN__INLINE void ATTN__NAME(pv_digits)(int rows, int digits, const struct slab_call *c,
                                        int64_t at, float *restrict o, int64_t ldo)
{
    enum { LINES = ATTN__BITS / 4 }; /* of a quad */
    struct split_weights w[4];
    const int8_t *d[4];
    const int32_t *all[4];
    float unit[4];
    struct slab_sums a;
    for (int r = 0; r < rows; r++) {
        split_weights(digits, c->p[r], c->f, c->weights, &w[r]);
        d[r] = w[r].digit;
        all[r] = w[r].sum;
        unit[r] = w[r].unit;
    }
    slab_begin(rows, digits, ATTN__MORE, all, &a);
    for (int64_t n = 0; n < c->pieces; n++) {
        const struct slab_piece *s = &c->piece[n];
        const uint8_t *ask = n < c->laters ? c->later[n].slab + at : NULL;
        for (int64_t i = 0; i < s->quads; i++) {
            __m512i x[2];
            ATTN__NAME(codes_of)(s->slab + at, s->quad + i, x);
            if (ask)
                asks_for_lines(ask + i * LINES * 64, LINES);
            slab_add(rows, digits, x, d, &a);
            for (int r = 0; r < rows; r++)
                d[r] += 16;
        }
        if (ask)
            asks_for_lines(ask + s->quads * LINES * 64, 1 + LINES * (8 - s->quads));
    }
    const vf one[2] = {v_set1(1.0f), v_set1(1.0f)};
    slab_end(rows, digits, &a, unit, one, o, ldo);
}

ATTN__INLINE void ATTN__NAME(pv_block)(int rows, bool int8, const struct slab_call *c, int64_t at,
                                       float *restrict o, int64_t ldo)
{
    if (int8)
        ATTN__NAME(pv_digits)(rows, 2, c, at, o, ldo);
    else
        ATTN__NAME(pv_digits)(rows, 3, c, at, o, ldo);
}
