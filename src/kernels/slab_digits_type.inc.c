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
    __m512i a[4][2][3];
    for (int r = 0; r < rows; r++)
        for (int n = 0; n < digits; n++)
            a[r][0][n] = a[r][1][n] = _mm512_set1_epi32(-ATTN__MORE * q[r * ldq].sum[n]);
    for (int64_t g = 0; g < 8; g++) {
        __m512i x[2];
        ATTN__NAME(codes_of)(block, g, x);
        for (int r = 0; r < rows; r++)
            for (int n = 0; n < digits; n++) {
                const __m512i y = four_digits(q[r * ldq].digit[n] + 4 * g);
                a[r][0][n] = _mm512_dpbusd_epi32(a[r][0][n], x[0], y);
                a[r][1][n] = _mm512_dpbusd_epi32(a[r][1][n], x[1], y);
            }
    }
    for (int h = 0; h < 2; h++) {
        const vf f = v_load_f16((const uint16_t *)(const void *)block + 16 * h);
        for (int r = 0; r < rows; r++) {
            const vf v = digits == 3 ? split_join(a[r][h]) : _mm512_cvtepi32_ps(a[r][h][0]);
            float *to = sum + 32 * r + 16 * h;
            v_store(to, v_fma(v, v_mul(f, v_set1(q[r * ldq].unit)), v_load(to)));
        }
    }
}

ATTN__INLINE void ATTN__NAME(qk_block)(int rows, bool int8, const uint8_t *block,
                                       const struct attn__slab_query *q, int64_t ldq,
                                       float *restrict sum)
{
    if (int8)
        ATTN__NAME(qk_digits)(rows, 1, block, q, ldq, sum);
    else
        ATTN__NAME(qk_digits)(rows, 3, block, q, ldq, sum);
}

/* o[r * ldo ..] += values of 32 channels from byte `at` of slabs on times the
 * weights of `rows` rows, w[r][..] with factors already, `weights` of them */
ATTN__INLINE void ATTN__NAME(pv_block)(int rows, const struct slab_piece *piece, int64_t pieces,
                                       int64_t at, float (*w)[SLAB_WEIGHTS], int64_t weights,
                                       float *restrict o, int64_t ldo)
{
    struct split_weights s[4];
    __m512i a[4][2][3];
    for (int r = 0; r < rows; r++) {
        split_weights(w[r], weights, &s[r]);
        for (int n = 0; n < 3; n++)
            a[r][0][n] = a[r][1][n] = _mm512_set1_epi32(-ATTN__MORE * s[r].sum[n]);
    }
    for (int64_t p = 0; p < pieces; p++)
        for (int64_t i = 0; i < piece[p].quads; i++) {
            __m512i x[2];
            ATTN__NAME(codes_of)(piece[p].slab + at, piece[p].quad + i, x);
            for (int r = 0; r < rows; r++)
                for (int n = 0; n < 3; n++) {
                    const __m512i y = four_digits(s[r].digit[n] + piece[p].to + 4 * i);
                    a[r][0][n] = _mm512_dpbusd_epi32(a[r][0][n], x[0], y);
                    a[r][1][n] = _mm512_dpbusd_epi32(a[r][1][n], x[1], y);
                }
        }
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < 2; h++) {
            float *to = o + r * ldo + 16 * h;
            v_store(to, v_fma(split_join(a[r][h]), v_set1(s[r].unit), v_load(to)));
        }
}
