/* SPDX-License-Identifier: MIT */
/*
 * Scores of keys stored in blocks of 32 codes with query rows that are such
 * codes as well (compute=int8): products of codes are summed exactly in blocks,
 * and these sums times both factors are added in float. Included once for each
 * type of keys with
 *   ATTN__NAME(name)   the function names
 *   ATTN__BYTES        of a block
 *   ATTN__CODES(p)     the codes of a block at p
 *
 * Query row r has its codes at q + r * d and their factors at f + r * ldf, which
 * are made by row_codes_int8. A score does not depend on other rows and keys.
 */

/* query rows at once */
#if VF_REGS >= 32
#define ATTN__ROWS 4
#else
#define ATTN__ROWS 2
#endif

/* `rows` query rows x n <= 4 keys; keys that do not exist repeat the last one */
ATTN__INLINE void ATTN__NAME(int8_rows)(int rows, const uint8_t *const *k, int64_t n,
                                        int64_t blocks, const int8_t *restrict q,
                                        const float *restrict f, int64_t ldf, float *restrict s,
                                        int64_t lds)
{
    v_sums a[4][4];
#define ATTN__INIT(r, _)                                                                  \
    if (r < rows)                                                                         \
        a[r][0] = a[r][1] = a[r][2] = a[r][3] = d_zero();
    ATTN__UNROLL4(ATTN__INIT, )
#undef ATTN__INIT
    for (int64_t b0 = 0, some; b0 < blocks; b0 += some) {
        float w[4][4][4]; /* the factors of key i, query row r and block b0 + b */
        some = blocks - b0 < 4 ? blocks - b0 : 4;
        for (int i = 0; i < 4; i++) {
            const v_four of = v4_halves(k[i] + b0 * ATTN__BYTES, ATTN__BYTES, some);
            for (int r = 0; r < rows; r++)
                v4_scaled(w[i][r], of, f + r * ldf + b0);
        }
        for (int64_t b = 0; b < some; b++) {
            v_codes y[4];
            v_bias t[4];
#define ATTN__QUERY(r, _)                                                                 \
            if (r < rows) {                                                               \
                y[r] = b_row(q + (r * blocks + b0 + b) * 32);                             \
                t[r] = d_start(y[r]);                                                     \
            }
            ATTN__UNROLL4(ATTN__QUERY, )
#undef ATTN__QUERY
#define ATTN__ROW(r, i)                                                                   \
            if (r < rows)                                                                 \
                a[r][i] = d_fma(d_dot(x, y[r], t[r]), w[i][r][b], a[r][i]);
#define ATTN__KEY(i, _)                                                                   \
            {                                                                             \
                const v_codes x = ATTN__CODES(k[i] + (b0 + b) * ATTN__BYTES + 2);         \
                ATTN__INNER4(ATTN__ROW, i)                                                \
            }
            ATTN__UNROLL4(ATTN__KEY, )
#undef ATTN__KEY
#undef ATTN__ROW
        }
    }
#define ATTN__OUT(r, _)                                                                   \
    if (r < rows) {                                                                       \
        float t[4];                                                                       \
        d_hsum4(t, a[r][0], a[r][1], a[r][2], a[r][3]);                                   \
        for (int64_t i = 0; i < n; i++)                                                   \
            s[r * lds + i] = t[i];                                                        \
    }
    ATTN__UNROLL4(ATTN__OUT, )
#undef ATTN__OUT
}

/* s[r*lds + j] = sum over blocks b of k's factor * f[r*ldf + b] * (codes of key j)
 * times (codes of row r) */
static void ATTN__NAME(row_qk_int8)(const uint8_t *restrict k, int64_t ldk, int64_t nk, int64_t d,
                                    const int8_t *restrict q, const float *restrict f, int64_t ldf,
                                    int64_t nr, float *restrict s, int64_t lds,
                                    const struct attn__source *source)
{
    const int64_t blocks = d / 32, bytes = blocks * ATTN__BYTES;
    const struct asks ask = asks_of(k, ldk, nk, ATTN__AHEAD_BYTES / ldk + 1, source);
    for (int64_t j = 0; j < nk; j += 4) {
        const int64_t n = nk - j < 4 ? nk - j : 4;
        const uint8_t *key[4];
        for (int64_t i = 0; i < 4; i++)
            key[i] = k + (j + (i < n ? i : n - 1)) * ldk;
        for (int64_t i = 0; i < n && ask.ahead; i++)
            asks_for(key[i], bytes, j < ask.turn ? ask.ahead : ask.beyond);
        int64_t r = 0;
#define ATTN__GROUP(rows)                                                                 \
        for (; r + (rows) <= nr; r += (rows))                                             \
            ATTN__NAME(int8_rows)(rows, key, n, blocks, q + r * d, f + r * ldf, ldf,      \
                                  s + r * lds + j, lds);
#if ATTN__ROWS >= 4
        ATTN__GROUP(4)
        ATTN__GROUP(3)
#endif
        ATTN__GROUP(2)
        ATTN__GROUP(1)
#undef ATTN__GROUP
    }
}

#undef ATTN__ROWS
#undef ATTN__NAME
#undef ATTN__BYTES
#undef ATTN__CODES
