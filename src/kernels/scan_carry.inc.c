/* SPDX-License-Identifier: MIT */
/*
 * A state's way through chunks whose gains are known, row by row.
 */

ATTN__INLINE void carry_columns(int vecs, float *restrict s, float *restrict x, int64_t step,
                                int64_t n, const float *restrict f, const float *restrict h,
                                int64_t ldf, const uint8_t *restrict fresh)
{
    vf a[4];
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs)                                                                         \
        a[i] = v_load(s + i * VF_LANES);
    ATTN__UNROLL4(ATTN__EACH, )
#undef ATTN__EACH
    for (int64_t t = 0; t < n; t++, x += step, f += ldf, h += ldf) {
        const vf old = v_set1(*f), sum = v_set1(*h);
        const bool empty = fresh[t] != 0;
#define ATTN__EACH(i, _)                                                                  \
        if (i < vecs) {                                                                   \
            vf gain = v_load(x + i * VF_LANES);                                           \
            if (empty)                                                                    \
                a[i] = v_zero();                                                          \
            v_store(x + i * VF_LANES, a[i]);                                              \
            a[i] = v_fma(sum, gain, v_mul(old, a[i]));                                    \
        }
        ATTN__UNROLL4(ATTN__EACH, )
#undef ATTN__EACH
    }
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs)                                                                         \
        v_store(s + i * VF_LANES, a[i]);
    ATTN__UNROLL4(ATTN__EACH, )
#undef ATTN__EACH
}

/*
 * For d rows of `cols` columns and chunks t < n: x_t becomes S, or zeros where
 * fresh[t], and S becomes f_t S + h_t x_t with the x_t of before. x_t: `step`
 * apart, rows like those of S; f and h: [d], ldf apart. cols is a multiple of 16.
 */
static void scan_carry(float *restrict s, int64_t lds, int64_t d, int64_t cols, float *restrict x,
                       int64_t step, int64_t n, const float *restrict f, const float *restrict h,
                       int64_t ldf, const uint8_t *restrict fresh)
{
    for (int64_t c = 0; c < d; c++) {
        int64_t i = 0;
        for (; i + 4 * VF_LANES <= cols; i += 4 * VF_LANES)
            carry_columns(4, s + c * lds + i, x + c * lds + i, step, n, f + c, h + c, ldf, fresh);
        for (; i < cols; i += VF_LANES)
            carry_columns(1, s + c * lds + i, x + c * lds + i, step, n, f + c, h + c, ldf, fresh);
    }
}
