/* SPDX-License-Identifier: MIT */
/*
 * The row kernels for what kivi.inc.c makes, of ATTN__KIVI_BITS bits. Values go
 * through row_block.inc.c; of keys only the products of codes do.
 */
#define ATTN__KIVI_NAME_(name, bits) name##_kivi##bits
#define ATTN__KIVI_NAME__(name, bits) ATTN__KIVI_NAME_(name, bits)

#define ATTN__NAME(name) ATTN__KIVI_NAME__(name, ATTN__KIVI_BITS)
#define ATTN__BYTES ATTN__KIVI_VALUES(ATTN__KIVI_BITS)
#define ATTN__ONLY_VALUES
ATTN__INLINE void ATTN__NAME(widen_values)(const uint8_t *p, vf *x)
{
    vf s = v_set1_f16(half_at(p)), m = v_set1_f16(half_at(p + 2));
    kivi_unpack(p + 4, ATTN__KIVI_BITS, x);
    for (int i = 0; i < VF_BLOCK; i++)
        x[i] = v_fma(x[i], s, m);
}
#define ATTN__WIDEN ATTN__NAME(widen_values)
#include "kernels/row_block.inc.c"

#define ATTN__NAME(name) ATTN__KIVI_NAME__(codes_##name, ATTN__KIVI_BITS)
#define ATTN__BYTES ATTN__KIVI_KEYS(ATTN__KIVI_BITS)
#define ATTN__ONLY_PRODUCTS
#define ATTN__WIDEN(p, x) kivi_unpack(p, ATTN__KIVI_BITS, x)
#include "kernels/row_block.inc.c"

/* As row_qk_f32: keys `first`..first + nk - 1 of a block. then: the block that
 * is read next, or NULL. */
static void ATTN__KIVI_NAME__(row_qk, ATTN__KIVI_BITS)(
    const uint8_t *restrict block, int64_t first, int64_t nk, int64_t d, const float *restrict q,
    int64_t ldq, int64_t nr, float *restrict s, int64_t lds, const uint8_t *then)
{
    const int64_t ldk = ATTN__KIVI_CODES(ATTN__KIVI_BITS);
    for (int64_t i = 0; i < d / 32 * ATTN__KIVI_KEYS(ATTN__KIVI_BITS) && then; i += 64)
        __builtin_prefetch(then + i, 0, 2);
    for (int64_t r = 0; r < nr; r += KIVI_ROWS, q += KIVI_ROWS * ldq, s += KIVI_ROWS * lds) {
        const int64_t rows = nr - r < KIVI_ROWS ? nr - r : KIVI_ROWS;
        for (int64_t c = 0; c < d; c += KIVI_CHANNELS) {
            const int64_t n = d - c < KIVI_CHANNELS ? d - c : KIVI_CHANNELS;
            const uint8_t *at = block + c / 32 * ATTN__KIVI_KEYS(ATTN__KIVI_BITS);
            const uint8_t *k = at + 128 + first * ldk;
            float turned[KIVI_ROWS * KIVI_CHANNELS], base[KIVI_ROWS], t[KIVI_ROWS * 32];
            for (int64_t i = 0; i < rows; i++)
                base[i] = kivi_turn(q + i * ldq + c, at, ATTN__KIVI_BITS, n,
                                    turned + i * KIVI_CHANNELS);
            for (int64_t j = 0; j < nk; j += 4)
                ATTN__KIVI_NAME__(codes_qk_keys, ATTN__KIVI_BITS)(
                    k + j * ldk, ldk, nk - j < 4 ? nk - j : 4, n / 32, turned, KIVI_CHANNELS, rows,
                    t + j, 32);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < nk; j++)
                    s[i * lds + j] = (c > 0 ? s[i * lds + j] : 0) + base[i] + t[i * 32 + j];
        }
    }
}

#undef ATTN__KIVI_NAME__
#undef ATTN__KIVI_NAME_
#undef ATTN__KIVI_BITS
