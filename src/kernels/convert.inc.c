/* SPDX-License-Identifier: MIT */
/* Rows of n numbers between float and the 16-bit types; narrowing rounds to
 * nearest even. */

#define ATTN__CONVERT(name, from, to, LOAD, LOADN, STORE, STOREN)                         \
    static void name(to *restrict dst, int64_t ldd, const from *restrict src,            \
                     int64_t lds, int64_t rows, int64_t n)                               \
    {                                                                                     \
        for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds) {                      \
            int64_t i = 0;                                                                \
            for (; i + VF_LANES <= n; i += VF_LANES)                                      \
                STORE(dst + i, LOAD(src + i));                                            \
            if (i < n)                                                                    \
                STOREN(dst + i, LOADN(src + i, n - i), n - i);                            \
        }                                                                                 \
    }

ATTN__CONVERT(cvt_f16_f32, uint16_t, float, v_load_f16, v_loadn_f16, v_store, v_storen)
ATTN__CONVERT(cvt_bf16_f32, uint16_t, float, v_load_bf16, v_loadn_bf16, v_store, v_storen)
ATTN__CONVERT(cvt_f32_f16, float, uint16_t, v_load, v_loadn, v_store_f16, v_storen_f16)
ATTN__CONVERT(cvt_f32_bf16, float, uint16_t, v_load, v_loadn, v_store_bf16, v_storen_bf16)

#undef ATTN__CONVERT
