/* SPDX-License-Identifier: MIT */
/*
 * The kernels of row.inc.c, which includes this, for keys that lie anywhere: row
 * j of K or V begins at each[j]. ask[j], `bytes` of it, is asked for when row j
 * is used: rows of later keys or of what comes next.
 */

ATTN__INLINE void ATTN__NAME(ask_rows)(const ATTN__T *const *ask, int64_t n, int64_t bytes)
{
    for (int64_t j = 0; j < n && bytes > 0; j++) {
        for (int64_t b = 0; b < bytes; b += 64)
            __builtin_prefetch((const char *)ask[j] + b, 0, 3);
        __builtin_prefetch((const char *)ask[j] + bytes - 1, 0, 3);
    }
}

/* s[r*lds + j] = sum_c each[j][c] * q[r*ldq + c], with the bits of row_qk */
static void ATTN__NAME(row_qk_each)(const ATTN__T *const *each, int64_t nk, int64_t d,
                                    const float *restrict q, int64_t ldq, int64_t nr,
                                    float *restrict s, int64_t lds, const ATTN__T *const *ask,
                                    int64_t bytes)
{
    for (int64_t j = 0; j < nk; j += 4) {
        int64_t n = nk - j < 4 ? nk - j : 4, r = 0;
        const ATTN__T *k1 = each[j + (n > 1)], *k2 = n > 2 ? each[j + 2] : k1;
        const struct ATTN__NAME(four) f = {each[j], k1, k2, n > 3 ? each[j + 3] : k2, false,
                                           0, 0, 0, 0};
        ATTN__NAME(ask_rows)(ask + j, n, bytes);
#define ATTN__GROUP(rows)                                                                 \
    for (; r + (rows) <= nr; r += (rows))                                                 \
        ATTN__NAME(qk_rows)(rows, f, 0, n, 1, d, q + r * ldq, ldq, s + r * lds + j, lds);
#if ATTN__ROWS >= 4
        ATTN__GROUP(4)
        ATTN__GROUP(3)
#endif
        ATTN__GROUP(2)
        ATTN__GROUP(1)
#undef ATTN__GROUP
    }
}

/* o[r*ldo + c] += sum_j p[r*ldp + j] * each[j][c], with the bits of row_pv */
static void ATTN__NAME(row_pv_each)(const ATTN__T *const *each, int64_t nk, int64_t dv,
                                    const float *restrict p, int64_t ldp, int64_t nr,
                                    float *restrict o, int64_t ldo, const ATTN__T *const *ask,
                                    int64_t bytes)
{
    enum { PART = 8 };
    for (int64_t j = 0; j < nk; j += PART) {
        int64_t m = nk - j < PART ? nk - j : PART, c = 0;
        ATTN__NAME(ask_rows)(ask + j, m, bytes);
#define ATTN__GROUP(rows, vecs, n)                                                        \
    for (; r + (rows) <= nr; r += (rows))                                                 \
        ATTN__NAME(pv_rows)(rows, vecs, n, NULL, 0, each + j, c, m, p + r * ldp + j, ldp, \
                            o + r * ldo + c, ldo, 0);
#if VF_REGS >= 32
        for (; c + 4 * VF_LANES <= dv; c += 4 * VF_LANES) {
            int64_t r = 0;
            ATTN__GROUP(4, 4, 0)
            ATTN__GROUP(3, 4, 0)
            ATTN__GROUP(2, 4, 0)
            ATTN__GROUP(1, 4, 0)
        }
#else
        for (; c + 4 * VF_LANES <= dv; c += 4 * VF_LANES) {
            int64_t r = 0;
            ATTN__GROUP(2, 4, 0)
            ATTN__GROUP(1, 4, 0)
        }
#endif
        for (; c < dv; c += VF_LANES) {
            int64_t r = 0, n = dv - c < VF_LANES ? dv - c : 0;
            if (n) {
                ATTN__GROUP(2, 1, n)
                ATTN__GROUP(1, 1, n)
            } else {
                ATTN__GROUP(2, 1, 0)
                ATTN__GROUP(1, 1, 0)
            }
        }
#undef ATTN__GROUP
    }
}
