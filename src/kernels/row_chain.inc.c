/* SPDX-License-Identifier: MIT */
/*
 * Scores of a few query rows with keys as lanes: four columns of VF_LANES keys
 * at a time are turned in registers. Each score is one chain of multiply-adds
 * over the columns, as in tile_qk, so its bits are those of a flash tile; and
 * nothing is summed across lanes, which is what pays from three rows on.
 */

/* Vectors of keys, and query rows, at once. */
#if VF_REGS >= 32
#define ATTN__CHAIN_VECS 1
#define ATTN__CHAIN_ROWS 8
#else
#define ATTN__CHAIN_VECS 2
#define ATTN__CHAIN_ROWS 4
#endif
#define ATTN__CHAIN_KEYS (ATTN__CHAIN_VECS * VF_LANES)

/* Four columns where not all exist: m of them, of n keys; zeros elsewhere. */
ATTN__INLINE void chain_strip(float t[ATTN__CHAIN_KEYS * 4], const float *k, int64_t ldk,
                              int64_t n, int64_t m)
{
    for (int i = 0; i < ATTN__CHAIN_KEYS; i++)
        for (int e = 0; e < 4; e++)
            t[i * 4 + e] = i < n && e < m ? k[i * ldk + e] : 0.0f;
}

/* rows x n scores; n is ATTN__CHAIN_KEYS, or less and `all` is false */
ATTN__INLINE void chain_block(int rows, bool all, const float *restrict k, int64_t ldk, int64_t n,
                              int64_t d, const float *restrict q, int64_t ldq,
                              float *restrict s, int64_t lds, int64_t ahead)
{
    vf a[8][ATTN__CHAIN_VECS], x[ATTN__CHAIN_VECS][4];
#define ATTN__INIT(r, _)                                                                  \
    if (r < rows)                                                                         \
        for (int v = 0; v < ATTN__CHAIN_VECS; v++)                                        \
            a[r][v] = v_zero();
    ATTN__UNROLL8(ATTN__INIT, )
#undef ATTN__INIT
#define ATTN__COLUMN(e, r, m)                                                             \
    if (e < m) {                                                                          \
        vf y = v_set1(q[r * ldq + c + e]);                                                \
        for (int v = 0; v < ATTN__CHAIN_VECS; v++)                                        \
            a[r][v] = v_fma(x[v][e], y, a[r][v]);                                         \
    }
#define ATTN__STEP(r, m)                                                                  \
    if (r < rows) {                                                                       \
        ATTN__INNER4(ATTN__COLUMN, r, m)                                                  \
    }
    float t[ATTN__CHAIN_KEYS * 4];
    int64_t c = 0;
    for (; c + 4 <= d; c += 4) {
        if (ahead && c % 16 == 0)
            for (int64_t i = 0; i < n; i++)
                prefetch_f32(k + i * ldk + c, ahead);
        if (!all)
            chain_strip(t, k + c, ldk, n, 4);
        for (int v = 0; v < ATTN__CHAIN_VECS; v++)
            v_columns4(x[v], (all ? k + v * VF_LANES * ldk + c : t + v * VF_LANES * 4),
                       all ? ldk : 4);
        ATTN__UNROLL8(ATTN__STEP, 4)
    }
    if (c < d) {
        chain_strip(t, k + c, ldk, n, d - c);
        for (int v = 0; v < ATTN__CHAIN_VECS; v++)
            v_columns4(x[v], t + v * VF_LANES * 4, 4);
        ATTN__UNROLL8(ATTN__STEP, d - c)
    }
#undef ATTN__STEP
#undef ATTN__COLUMN
#define ATTN__OUT(r, _)                                                                   \
    if (r < rows)                                                                         \
        for (int v = 0; v < ATTN__CHAIN_VECS; v++) {                                      \
            int64_t left = all ? VF_LANES : n - v * VF_LANES;                             \
            if (left >= VF_LANES)                                                         \
                v_store(s + r * lds + v * VF_LANES, a[r][v]);                             \
            else if (left > 0)                                                            \
                v_storen(s + r * lds + v * VF_LANES, a[r][v], left);                      \
        }
    ATTN__UNROLL8(ATTN__OUT, )
#undef ATTN__OUT
}

ATTN__INLINE void chain_rows(bool all, const float *restrict k, int64_t ldk, int64_t n, int64_t d,
                             const float *restrict q, int64_t ldq, int64_t nr, float *restrict s,
                             int64_t lds, int64_t ahead)
{
    int64_t r = 0;
#define ATTN__GROUP(rows)                                                                 \
    for (; r + (rows) <= nr; r += (rows))                                                 \
        chain_block(rows, all, k, ldk, n, d, q + r * ldq, ldq, s + r * lds, lds,          \
                    r ? 0 : ahead);
#if ATTN__CHAIN_ROWS >= 8
    ATTN__GROUP(8)
    ATTN__GROUP(6)
#endif
    ATTN__GROUP(4)
    ATTN__GROUP(3)
    ATTN__GROUP(2)
    ATTN__GROUP(1)
#undef ATTN__GROUP
}

/* s[r*lds + j] = sum_c k[j*ldk + c] * q[r*ldq + c]; `from` as in row.inc.c */
static void row_chain(const float *restrict k, int64_t ldk, int64_t nk, int64_t d,
                      const float *restrict q, int64_t ldq, int64_t nr, float *restrict s,
                      int64_t lds, int64_t from)
{
    /* counted from the last of the keys that are used together */
    const int64_t lead =
        d > 0 && from != ATTN__FROM_L2 ? lead_f32(d, ATTN__AHEAD_BYTES) + ATTN__CHAIN_KEYS - 1 : 0;
    const int64_t ahead = lead * ldk * (int64_t)sizeof *k;
    int64_t j = 0;
    for (; j + ATTN__CHAIN_KEYS <= nk && ahead; j += ATTN__CHAIN_KEYS)
        chain_rows(true, k + j * ldk, ldk, ATTN__CHAIN_KEYS, d, q, ldq, nr, s + j, lds, ahead);
    for (; j + ATTN__CHAIN_KEYS <= nk; j += ATTN__CHAIN_KEYS)
        chain_rows(true, k + j * ldk, ldk, ATTN__CHAIN_KEYS, d, q, ldq, nr, s + j, lds, 0);
    if (j < nk)
        chain_rows(false, k + j * ldk, ldk, nk - j, d, q, ldq, nr, s + j, lds, 0);
}

#undef ATTN__CHAIN_KEYS
#undef ATTN__CHAIN_VECS
#undef ATTN__CHAIN_ROWS
