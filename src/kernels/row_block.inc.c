/* SPDX-License-Identifier: MIT */
/*
 * row.inc.c for rows of blocks of 32 with a factor of their own. A block is
 * widened to vectors of numbers once and then used for all query rows. These
 * numbers are exact and the sums are in the order of row.inc.c, so that the
 * results have the bits of row_qk_f32 and row_pv_f32 on widened rows. Included
 * once for each type with
 *   ATTN__NAME(name)       the function names
 *   ATTN__BYTES            of a block
 *   ATTN__WIDEN(p, x)      widens the block at p
 *   ATTN__ONLY_PRODUCTS    if keys come by qk_keys alone and there are no values,
 *   ATTN__ONLY_VALUES      or no keys
 *
 * ldk and ldv are in bytes; d and dv are multiples of 32.
 */

#ifndef ATTN__ONLY_VALUES

/* query rows at once */
#if VF_REGS >= 32
#define ATTN__ROWS 4
#else
#define ATTN__ROWS 2
#endif

/* `rows` query rows x n <= 4 keys */
ATTN__INLINE void ATTN__NAME(qk_rows)(int rows, const uint8_t *restrict k, int64_t ldk, int64_t n,
                                      int64_t blocks, const float *restrict q, int64_t ldq,
                                      float *restrict s, int64_t lds)
{
    /* keys that do not exist repeat the last one and are not stored */
    const uint8_t *k1 = n > 1 ? k + ldk : k;
    const uint8_t *k2 = n > 2 ? k + 2 * ldk : k1;
    const uint8_t *k3 = n > 3 ? k + 3 * ldk : k2;
    vf a[4][4];
#define ATTN__INIT(r, _)                                                                  \
    if (r < rows)                                                                         \
        a[r][0] = a[r][1] = a[r][2] = a[r][3] = v_zero();
    ATTN__UNROLL4(ATTN__INIT, )
#undef ATTN__INIT
    for (int64_t b = 0; b < blocks; b++, q += 32) {
        vf x[VF_BLOCK];
#define ATTN__ROW(r, i)                                                                   \
        if (r < rows)                                                                     \
            for (int v = 0; v < VF_BLOCK; v++)                                            \
                a[r][i] = v_fma(x[v], v_load(q + r * ldq + v * VF_LANES), a[r][i]);
#define ATTN__KEY(i, from)                                                                \
        ATTN__WIDEN(from + b * ATTN__BYTES, x);                                     \
        ATTN__UNROLL4(ATTN__ROW, i)
        ATTN__KEY(0, k)
        ATTN__KEY(1, k1)
        ATTN__KEY(2, k2)
        ATTN__KEY(3, k3)
#undef ATTN__KEY
#undef ATTN__ROW
    }
#define ATTN__OUT(r, _)                                                                   \
    if (r < rows) {                                                                       \
        float t[4];                                                                       \
        v_hsum4(t, a[r][0], a[r][1], a[r][2], a[r][3]);                                   \
        for (int64_t i = 0; i < n; i++)                                                   \
            s[r * lds + i] = t[i];                                                        \
    }
    ATTN__UNROLL4(ATTN__OUT, )
#undef ATTN__OUT
}

/* all query rows x n <= 4 keys */
ATTN__INLINE void ATTN__NAME(qk_keys)(const uint8_t *restrict k, int64_t ldk, int64_t n,
                                      int64_t blocks, const float *restrict q, int64_t ldq,
                                      int64_t nr, float *restrict s, int64_t lds)
{
    int64_t r = 0;
#define ATTN__GROUP(rows)                                                                 \
    for (; r + (rows) <= nr; r += (rows))                                                 \
        ATTN__NAME(qk_rows)(rows, k, ldk, n, blocks, q + r * ldq, ldq, s + r * lds, lds);
#if ATTN__ROWS >= 4
    ATTN__GROUP(4)
    ATTN__GROUP(3)
#endif
    ATTN__GROUP(2)
    ATTN__GROUP(1)
#undef ATTN__GROUP
}

#ifndef ATTN__ONLY_PRODUCTS

/* s[r*lds + j] = sum_c k[j][c] * q[r*ldq + c] */
static void ATTN__NAME(row_qk)(const uint8_t *restrict k, int64_t ldk, int64_t nk, int64_t d,
                               const float *restrict q, int64_t ldq, int64_t nr,
                               float *restrict s, int64_t lds, const struct attn__source *source)
{
    const int64_t bytes = d / 32 * ATTN__BYTES;
    const struct asks a = asks_of(k, ldk, nk, ATTN__AHEAD_BYTES / ldk + 1, source);
    int64_t j = 0;
    for (; j + 4 <= nk; j += 4) {
        for (int i = 0; i < 4 && a.ahead; i++)
            asks_for(k + (j + i) * ldk, bytes, j < a.turn ? a.ahead : a.beyond);
        ATTN__NAME(qk_keys)(k + j * ldk, ldk, 4, d / 32, q, ldq, nr, s + j, lds);
    }
    if (j < nk)
        ATTN__NAME(qk_keys)(k + j * ldk, ldk, nk - j, d / 32, q, ldq, nr, s + j, lds);
}

#endif /* ATTN__ONLY_PRODUCTS */

#undef ATTN__ROWS
#endif /* ATTN__ONLY_VALUES */

#ifndef ATTN__ONLY_PRODUCTS

/* rows x `blocks` blocks of outputs */
ATTN__INLINE void ATTN__NAME(pv_rows)(int rows, int blocks, const uint8_t *restrict v, int64_t ldv,
                                      int64_t nk, const float *restrict p, int64_t ldp,
                                      float *restrict o, int64_t ldo, int64_t fetch)
{
    vf a[4][4 * VF_BLOCK];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < blocks * VF_BLOCK; c++)
            a[r][c] = v_load(o + r * ldo + c * VF_LANES);
    for (int64_t j = 0; j < nk; j++, v += ldv) {
        vf y[4];
        for (int r = 0; r < rows; r++)
            y[r] = v_set1(p[r * ldp + j]);
        if (fetch)
            asks_for(v, blocks * ATTN__BYTES, fetch);
        for (int b = 0; b < blocks; b++) {
            vf x[VF_BLOCK];
            ATTN__WIDEN(v + b * ATTN__BYTES, x);
            for (int c = 0; c < VF_BLOCK; c++)
                for (int r = 0; r < rows; r++)
                    a[r][b * VF_BLOCK + c] = v_fma(y[r], x[c], a[r][b * VF_BLOCK + c]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < blocks * VF_BLOCK; c++)
            v_store(o + r * ldo + c * VF_LANES, a[r][c]);
}

/* all query rows, `blocks` blocks of columns, at most `most` rows at once */
ATTN__INLINE void ATTN__NAME(pv_cols)(int blocks, int most, const uint8_t *v, int64_t ldv,
                                      int64_t nk, const float *p, int64_t ldp, int64_t nr,
                                      float *o, int64_t ldo, int64_t fetch)
{
    int64_t r = 0;
#define ATTN__GROUP(rows)                                                                 \
    for (; most >= (rows) && r + (rows) <= nr; r += (rows))                               \
        ATTN__NAME(pv_rows)(rows, blocks, v, ldv, nk, p + r * ldp, ldp, o + r * ldo, ldo, \
                            r ? 0 : fetch);
    ATTN__GROUP(4)
    ATTN__GROUP(3)
    ATTN__GROUP(2)
    ATTN__GROUP(1)
#undef ATTN__GROUP
}

/* Keys taken before the next columns and query rows; see row.inc.c. */
#define ATTN__NEAR_BYTES 4096

/* fetch: bytes from a row to the one that is asked for, 0: none is */
static void ATTN__NAME(pv_keys)(const uint8_t *v, int64_t ldv, int64_t nk, int64_t dv,
                                const float *p, int64_t ldp, int64_t nr, float *o, int64_t ldo,
                                int64_t fetch)
{
    int64_t blocks = dv / 32, step = ATTN__NEAR_BYTES / (blocks * ATTN__BYTES);
    step = step < 8 ? 8 : step;
    for (int64_t j = 0; j < nk; j += step) {
        int64_t m = nk - j < step ? nk - j : step, b = 0;
#define ATTN__COLS(count, most)                                                           \
        for (; b + (count) <= blocks; b += (count))                                       \
            ATTN__NAME(pv_cols)(count, most, v + j * ldv + b * ATTN__BYTES, ldv, m, p + j, \
                                ldp, nr, o + b * 32, ldo, fetch);
#if VF_BLOCK * 4 <= VF_REGS / 4
        if (nr <= 2) {
            ATTN__COLS(4, 2)
        }
        ATTN__COLS(2, 4)
        ATTN__COLS(1, 4)
#elif VF_BLOCK * 4 <= VF_REGS
        if (nr == 1) {
            ATTN__COLS(2, 1)
        }
        ATTN__COLS(1, 2)
#else
        ATTN__COLS(1, 1)
#endif
#undef ATTN__COLS
    }
}

/* o[r*ldo + c] += sum_j p[r*ldp + j] * v[j][c] */
static void ATTN__NAME(row_pv)(const uint8_t *restrict v, int64_t ldv, int64_t nk, int64_t dv,
                               const float *restrict p, int64_t ldp, int64_t nr,
                               float *restrict o, int64_t ldo, const struct attn__source *source)
{
    if (dv <= 0)
        return;
    const struct asks a = asks_of(v, ldv, nk, ATTN__AHEAD_BYTES / ldv + 1, source);
    ATTN__NAME(pv_keys)(v, ldv, a.turn, dv, p, ldp, nr, o, ldo, a.ahead);
    ATTN__NAME(pv_keys)(v + a.turn * ldv, ldv, nk - a.turn, dv, p + a.turn, ldp, nr, o, ldo,
                        a.beyond);
}

#undef ATTN__NEAR_BYTES

#endif /* ATTN__ONLY_PRODUCTS */

#undef ATTN__NAME
#undef ATTN__BYTES
#undef ATTN__WIDEN
#undef ATTN__ONLY_PRODUCTS
#undef ATTN__ONLY_VALUES
