/* SPDX-License-Identifier: MIT */
/*
 * The products of a chunk of a linear recurrence. Columns are the lanes and
 * every array lies in rows, so the right factor is loaded where it is and the
 * left one is broadcast element by element. What is not needed above a diagonal
 * is not read, be it infinite.
 *
 * Every result is one chain of multiply-adds in the order of the summation
 * index, whatever block computes it.
 */

/* rows of a block that is two vectors wide, as in tile_mm.inc.c */
#if VF_REGS >= 32
#define ATTN__SCAN_ROWS 8
#else
#define ATTN__SCAN_ROWS 6
#endif

/*
 * Rows from..from + rows - 1 of scan_rows, `vecs` vectors of columns. `lower`
 * is a constant, so that only one way remains of all that is said here.
 */
ATTN__INLINE void scan_block(int rows, int vecs, int lower, int64_t from,
                             const float *restrict x, int64_t ldx, int64_t d,
                             const float *restrict s, int64_t lds, const float *restrict l,
                             int64_t ldl, const float *v, int64_t ldv, const float *init,
                             int64_t ldi, float *out, int64_t ldo)
{
    const bool minus = lower == ATTN__SCAN_LESS || lower == ATTN__SCAN_SOLVE;
    const float *row[8];
    vf a[8], b[8];
#define ATTN__INIT(r, _)                                                                  \
    if (r < rows) {                                                                       \
        row[r] = x + (from + r) * ldx;                                                    \
        a[r] = init ? v_load(init + (from + r) * ldi) : v_zero();                         \
        b[r] = init && vecs == 2 ? v_load(init + (from + r) * ldi + VF_LANES) : v_zero(); \
    }
    ATTN__UNROLL8(ATTN__INIT, )
#undef ATTN__INIT
#define ATTN__STEP(r, c)                                                                  \
    if (r < rows) {                                                                       \
        vf t = v_set1(row[r][c]);                                                         \
        a[r] = minus ? v_fnma(t, y0, a[r]) : v_fma(t, y0, a[r]);                          \
        if (vecs == 2)                                                                    \
            b[r] = minus ? v_fnma(t, y1, b[r]) : v_fma(t, y1, b[r]);                      \
    }
    for (int64_t c = 0; c < d; c++, s += lds) {
        vf y0 = v_load(s);
        vf y1 = vecs == 2 ? v_load(s + VF_LANES) : y0;
        ATTN__UNROLL8(ATTN__STEP, c)
    }
    if (lower != ATTN__SCAN_DENSE) {
#define ATTN__INIT(r, _)                                                                  \
        if (r < rows)                                                                     \
            row[r] = l + (from + r) * ldl;
        ATTN__UNROLL8(ATTN__INIT, )
#undef ATTN__INIT
        for (int64_t c = 0; c < from; c++, v += ldv) {
            vf y0 = v_load(v);
            vf y1 = vecs == 2 ? v_load(v + VF_LANES) : y0;
            ATTN__UNROLL8(ATTN__STEP, c)
        }
    }
#undef ATTN__STEP
    /* the triangle: column from + c, which SOLVE has just finished */
#define ATTN__STEP(r, c)                                                                  \
    if (r < rows && (r > c || (r == c && lower == ATTN__SCAN_LOWER))) {                   \
        vf t = v_set1(row[r][from + c]);                                                  \
        a[r] = minus ? v_fnma(t, y0, a[r]) : v_fma(t, y0, a[r]);                          \
        if (vecs == 2)                                                                    \
            b[r] = minus ? v_fnma(t, y1, b[r]) : v_fma(t, y1, b[r]);                      \
    }
#define ATTN__COLUMN(c, _)                                                                \
    if (lower != ATTN__SCAN_DENSE && c < rows) {                                          \
        vf y0 = lower == ATTN__SCAN_SOLVE ? a[c] : v_load(v + c * ldv);                   \
        vf y1 = vecs == 1 ? y0                                                            \
              : lower == ATTN__SCAN_SOLVE ? b[c] : v_load(v + c * ldv + VF_LANES);        \
        ATTN__INNER8(ATTN__STEP, c)                                                       \
    }
    ATTN__UNROLL8(ATTN__COLUMN, )
#undef ATTN__COLUMN
#undef ATTN__STEP
#define ATTN__OUT(r, _)                                                                   \
    if (r < rows) {                                                                       \
        v_store(out + (from + r) * ldo, a[r]);                                            \
        if (vecs == 2)                                                                    \
            v_store(out + (from + r) * ldo + VF_LANES, b[r]);                             \
    }
    ATTN__UNROLL8(ATTN__OUT, )
#undef ATTN__OUT
}

ATTN__INLINE void scan_strip(int vecs, int lower, const float *restrict x, int64_t ldx, int64_t n,
                             int64_t d, const float *restrict s, int64_t lds,
                             const float *restrict l, int64_t ldl, const float *v, int64_t ldv,
                             const float *init, int64_t ldi, float *out, int64_t ldo)
{
    int64_t from = 0;
#define ATTN__BLOCK(rows)                                                                 \
    (scan_block(rows, vecs, lower, from, x, ldx, d, s, lds, l, ldl, v, ldv, init, ldi,    \
                out, ldo), from += (rows))
    ATTN__CUT(n, ATTN__SCAN_ROWS, ATTN__BLOCK);
#undef ATTN__BLOCK
}

ATTN__INLINE void scan_strips(int lower, const float *restrict x, int64_t ldx, int64_t n,
                              int64_t d, const float *restrict s, int64_t lds,
                              const float *restrict l, int64_t ldl, const float *v, int64_t ldv,
                              const float *init, int64_t ldi, float *out, int64_t ldo,
                              int64_t cols)
{
    int64_t i = 0;
#define ATTN__STRIP(vecs)                                                                 \
    scan_strip(vecs, lower, x, ldx, n, d, s + i, lds, l, ldl, v ? v + i : v, ldv,         \
               init ? init + i : init, ldi, out + i, ldo)
    for (; i + 2 * VF_LANES <= cols; i += 2 * VF_LANES)
        ATTN__STRIP(2);
#if VF_LANES == 16 /* cols is a multiple of 16 */
    if (i < cols)
        ATTN__STRIP(1);
#endif
#undef ATTN__STRIP
}

/*
 * out = init + x s + (lower triangle of l) v, or with minus signs, by row i:
 *   DENSE  out_i = init_i + sum_{c < d} x_ic s_c
 *   LOWER  the same + sum_{j <= i} l_ij v_j
 *   LESS   out_i = init_i - sum_c x_ic s_c - sum_{j < i} l_ij v_j
 *   SOLVE  as LESS with v = out: out solves (1 + l) out = init - x s
 * init NULL is zeros, and it may be out. cols is a multiple of 16.
 */
static void scan_rows(int32_t lower, const float *restrict x, int64_t ldx, int64_t n, int64_t d,
                      const float *restrict s, int64_t lds, const float *restrict l, int64_t ldl,
                      const float *v, int64_t ldv, const float *init, int64_t ldi, float *out,
                      int64_t ldo, int64_t cols)
{
#define ATTN__CASE(lower)                                                                 \
    scan_strips(lower, x, ldx, n, d, s, lds, l, ldl, v, ldv, init, ldi, out, ldo, cols)
    if (lower == ATTN__SCAN_DENSE)
        ATTN__CASE(ATTN__SCAN_DENSE);
    else if (lower == ATTN__SCAN_LOWER)
        ATTN__CASE(ATTN__SCAN_LOWER);
    else if (lower == ATTN__SCAN_LESS)
        ATTN__CASE(ATTN__SCAN_LESS);
    else {
        v = out;
        ldv = ldo;
        ATTN__CASE(ATTN__SCAN_SOLVE);
    }
#undef ATTN__CASE
}

ATTN__INLINE void outer_block(int rows, int vecs, const float *restrict a, int64_t lda, int64_t n,
                              const float *restrict v, int64_t ldv, const float *restrict f,
                              const float *restrict h, float *restrict s, int64_t lds)
{
    vf p[8], q[8];
#define ATTN__INIT(r, _)                                                                  \
    if (r < rows)                                                                         \
        p[r] = q[r] = v_zero();
    ATTN__UNROLL8(ATTN__INIT, )
#undef ATTN__INIT
    for (int64_t j = 0; j < n; j++, a += lda, v += ldv) {
        vf y0 = v_load(v);
        vf y1 = vecs == 2 ? v_load(v + VF_LANES) : y0;
#define ATTN__STEP(r, _)                                                                  \
        if (r < rows) {                                                                   \
            vf t = v_set1(a[r]);                                                          \
            p[r] = v_fma(t, y0, p[r]);                                                    \
            if (vecs == 2)                                                                \
                q[r] = v_fma(t, y1, q[r]);                                                \
        }
        ATTN__UNROLL8(ATTN__STEP, )
#undef ATTN__STEP
    }
#define ATTN__OUT(r, _)                                                                   \
    if (r < rows) {                                                                       \
        float *o = s + r * lds;                                                           \
        vf old = v_set1(f[r]), sum = v_set1(h[r]);                                        \
        v_store(o, v_fma(sum, p[r], v_mul(old, v_load(o))));                              \
        if (vecs == 2)                                                                    \
            v_store(o + VF_LANES, v_fma(sum, q[r], v_mul(old, v_load(o + VF_LANES))));    \
    }
    ATTN__UNROLL8(ATTN__OUT, )
#undef ATTN__OUT
}

ATTN__INLINE void outer_strip(int vecs, const float *a, int64_t lda, int64_t n, int64_t d,
                              const float *v, int64_t ldv, const float *f, const float *h,
                              float *s, int64_t lds)
{
    int64_t c = 0;
#define ATTN__BLOCK(rows)                                                                 \
    (outer_block(rows, vecs, a + c, lda, n, v, ldv, f + c, h + c, s + c * lds, lds),      \
     c += (rows))
    ATTN__CUT(d, ATTN__SCAN_ROWS, ATTN__BLOCK);
#undef ATTN__BLOCK
}

/* s_c = f_c s_c + h_c sum_{j < n} a_jc v_j for c < d; cols is a multiple of 16 */
static void scan_outer(const float *restrict a, int64_t lda, int64_t n, int64_t d,
                       const float *restrict v, int64_t ldv, const float *restrict f,
                       const float *restrict h, float *restrict s, int64_t lds, int64_t cols)
{
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= cols; i += 2 * VF_LANES)
        outer_strip(2, a, lda, n, d, v + i, ldv, f, h, s + i, lds);
#if VF_LANES == 16
    if (i < cols)
        outer_strip(1, a, lda, n, d, v + i, ldv, f, h, s + i, lds);
#endif
}

#undef ATTN__SCAN_ROWS
