/* SPDX-License-Identifier: MIT */
/* What row_slab.inc.c takes of a set of instructions: codes become floats. */

#define ATTN__FLIP (ATTN__BITS == 8 ? 0x80808080u : 0x88888888u)

/* vectors of keys at once: sums enough to be busy with */
#define ATTN__VECS (VF_BLOCK < 4 ? VF_BLOCK : 4)

/* sum[r][..] += 32 keys times `rows` query rows, 32 channels; int8 or not */
ATTN__INLINE void ATTN__NAME(qk_block)(int rows, bool int8, const uint8_t *block,
                                       const struct attn__slab_query *q, int64_t ldq,
                                       float *restrict sum)
{
    (void)int8;
    for (int v0 = 0; v0 < VF_BLOCK; v0 += ATTN__VECS) {
        const uint8_t *words = block + 64 + 4 * VF_LANES * v0;
        vf a[4][ATTN__VECS];
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < ATTN__VECS; v++)
                a[r][v] = v_zero();
        for (int c = 0; c < 32; c += 32 / ATTN__BITS, words += 128)
            for (int v = 0; v < ATTN__VECS; v++) {
                const v_words w = w_load(words + 4 * VF_LANES * v, ATTN__FLIP);
#define ATTN__CODE(i, at)                                                                 \
                {                                                                         \
                    const vf x = W_CODE(w, at, ATTN__BITS);                               \
                    for (int r = 0; r < rows; r++)                                        \
                        a[r][v] = v_fma(x, v_set1(q[r * ldq].x[c + i]), a[r][v]);         \
                }
                ATTN__CODE(0, 0) ATTN__CODE(1, 8) ATTN__CODE(2, 16) ATTN__CODE(3, 24)
#if ATTN__BITS == 4
                ATTN__CODE(4, 4) ATTN__CODE(5, 12) ATTN__CODE(6, 20) ATTN__CODE(7, 28)
#endif
#undef ATTN__CODE
            }
        for (int v = 0; v < ATTN__VECS; v++) {
            const int lane = (v0 + v) * VF_LANES;
            const vf f = v_load_f16((const uint16_t *)(const void *)block + lane);
            for (int r = 0; r < rows; r++)
                v_store(sum + 32 * r + lane, v_fma(a[r][v], f, v_load(sum + 32 * r + lane)));
        }
    }
}

/* a[r][..] += four rows of 32 channels, whose codes begin at bit `at` of words */
ATTN__INLINE void ATTN__NAME(pv_quad)(int rows, int at, const uint8_t *words,
                                      float (*w)[SLAB_WEIGHTS], int64_t to, vf (*a)[VF_BLOCK])
{
    for (int v = 0; v < VF_BLOCK; v++) {
        const v_words c = w_load(words + 4 * VF_LANES * v, ATTN__FLIP);
#define ATTN__ROW(i)                                                                      \
        {                                                                                 \
            const vf x = at ? W_CODE(c, 8 * i + 4, 4) : W_CODE(c, 8 * i, ATTN__BITS);     \
            for (int r = 0; r < rows; r++)                                                \
                a[r][v] = v_fma(x, v_set1(w[r][to + i]), a[r][v]);                        \
        }
        ATTN__ROW(0) ATTN__ROW(1) ATTN__ROW(2) ATTN__ROW(3)
#undef ATTN__ROW
    }
}

/* o[r * ldo ..] += values of 32 channels from byte `at` of slabs on times the
 * weights of `rows` rows, int8 or not. The same channels of c->later[n] are asked
 * for beside those of c->piece[n]. */
ATTN__INLINE void ATTN__NAME(pv_block)(int rows, bool int8, const struct slab_call *c, int64_t at,
                                       float *restrict o, int64_t ldo)
{
    (void)int8;
    vf a[4][VF_BLOCK];
    float w[4][SLAB_WEIGHTS];
    for (int r = 0; r < rows; r++) {
        slab_products(c->p[r], c->f, c->weights, w[r]);
        for (int v = 0; v < VF_BLOCK; v++)
            a[r][v] = v_zero();
    }
    for (int64_t n = 0; n < c->pieces; n++) {
        const struct slab_piece *s = &c->piece[n];
        if (n < c->laters)
            asks_for(c->later[n].slab, ATTN__BYTES, at);
        for (int64_t i = 0; i < s->quads; i++) {
            const int64_t quad = s->quad + i, to = s->to + 4 * i;
            const uint8_t *words = s->slab + at + 64;
#if ATTN__BITS == 4
            words += 128 * (quad / 2);
            if (quad % 2) {
                ATTN__NAME(pv_quad)(rows, 4, words, w, to, a);
                continue;
            }
#else
            words += 128 * quad;
#endif
            ATTN__NAME(pv_quad)(rows, 0, words, w, to, a);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VF_BLOCK; v++) {
            float *out = o + r * ldo + v * VF_LANES;
            v_store(out, v_add(v_load(out), a[r][v]));
        }
}

#undef ATTN__FLIP
#undef ATTN__VECS
