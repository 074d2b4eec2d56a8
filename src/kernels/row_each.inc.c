/* SPDX-License-Identifier: MIT */
/*
 * The kernels of row.inc.c, which includes this, for keys that lie anywhere: row
 * j of K or V begins at each[j]. Where ask is not NULL, as much of the row at
 * ask[j], of later keys or of what comes next, is asked for while row j is used,
 * a line at a time: in one burst requests wait for each other and what computes
 * for them.
 */

/* The four keys from j on, of n. */
ATTN__INLINE struct ATTN__NAME(four) ATTN__NAME(each_four)(const ATTN__T *const *each, int64_t n,
                                                           const ATTN__T *const *ask)
{
    const ATTN__T *k1 = each[n > 1], *k2 = n > 2 ? each[2] : k1, *k3 = n > 3 ? each[3] : k2;
    if (!ask)
        return (struct ATTN__NAME(four)){each[0], k1, k2, k3, false, 0, 0, 0, 0};
    int64_t a0 = asks_distance(each[0], ask[0]), a1 = asks_distance(k1, ask[n > 1]);
    int64_t a2 = n > 2 ? asks_distance(k2, ask[2]) : a1;
    return (struct ATTN__NAME(four)){each[0], k1, k2, k3, true, a0, a1, a2,
                                     n > 3 ? asks_distance(k3, ask[3]) : a2};
}

/* The last line of rows that begin anywhere in one. */
ATTN__INLINE void ATTN__NAME(ask_ends)(const ATTN__T *const *ask, int64_t n, int64_t d)
{
    for (int64_t j = 0; j < n && ask; j++)
        ATTN__NAME(prefetch)(ask[j], d * (int64_t)sizeof(ATTN__T) - 1);
}

/* s[r*lds + j] = sum_c each[j][c] * q[r*ldq + c], with the bits of row_qk */
static void ATTN__NAME(row_qk_each)(const ATTN__T *const *each, int64_t nk, int64_t d,
                                    const float *restrict q, int64_t ldq, int64_t nr,
                                    float *restrict s, int64_t lds, const ATTN__T *const *ask)
{
    for (int64_t j = 0; j < nk; j += 4) {
        int64_t n = nk - j < 4 ? nk - j : 4;
        ATTN__NAME(qk_keys)(ATTN__NAME(each_four)(each + j, n, ask ? ask + j : NULL), 0, n, d,
                            q, ldq, nr, s + j, lds);
        ATTN__NAME(ask_ends)(ask ? ask + j : NULL, n, d);
    }
}

/* o[r*ldo + c] += sum_j p[r*ldp + j] * each[j][c], with the bits of row_pv */
static void ATTN__NAME(row_pv_each)(const ATTN__T *const *each, int64_t nk, int64_t dv,
                                    const float *restrict p, int64_t ldp, int64_t nr,
                                    float *restrict o, int64_t ldo, const ATTN__T *const *ask)
{
    enum { PART = 16 }; /* as many rows as stay in L1 */
    for (int64_t j = 0; j < nk; j += PART) {
        int64_t m = nk - j < PART ? nk - j : PART, c = 0;
        const ATTN__T *const *later = ask ? ask + j : NULL;
#define ATTN__GROUP(most, rows, vecs, n)                                                  \
    for (; most >= (rows) && r + (rows) <= nr; r += (rows))                               \
        ATTN__NAME(pv_rows)(rows, vecs, n, NULL, 0, each + j, r ? NULL : later, c, m,     \
                            p + r * ldp + j, ldp, o + r * ldo + c, ldo, 0, 64);
#define ATTN__COLS(vecs, most)                                                            \
    for (; c + (vecs) * VF_LANES <= dv; c += (vecs) * VF_LANES) {                         \
        int64_t r = 0;                                                                    \
        ATTN__GROUP(most, 4, vecs, 0)                                                     \
        ATTN__GROUP(most, 3, vecs, 0)                                                     \
        ATTN__GROUP(most, 2, vecs, 0)                                                     \
        ATTN__GROUP(most, 1, vecs, 0)                                                     \
    }
#if VF_REGS >= 32
        ATTN__COLS(4, 4)
#else
        ATTN__COLS(4, 2)
#endif
        ATTN__COLS(2, 4)
        ATTN__COLS(1, 4)
        if (c < dv) {
            int64_t r = 0, n = dv - c;
            ATTN__GROUP(2, 2, 1, n)
            ATTN__GROUP(2, 1, 1, n)
        }
        ATTN__NAME(ask_ends)(later, m, dv);
#undef ATTN__COLS
#undef ATTN__GROUP
    }
}
