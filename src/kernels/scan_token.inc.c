/* SPDX-License-Identifier: MIT */
/*
 * One token of a recurrence on columns of its state S [dk][ld]. Each column is
 * a chain of its own over the rows. S and v, o are read in whole vectors, so n
 * is a multiple of 16.
 *
 * RAM is fast where rows go by from their first column to their last. Columns
 * whose sums find room in registers go by over all rows. The sums of more, up to
 * a span, wait in L1 while a few rows go by: with more rows at a time RAM is
 * slower, with fewer L2, where wide states are seldom.
 */
enum { SCAN_SPAN = 512, SCAN_NARROW = 128 };

/* Vectors of the widest piece: their sums are all that has to stay in registers. */
enum { SCAN_MOST = VF_REGS >= 32 ? 16 : 8 };

/* Columns of two lines: processors bring lines in pairs, so that asking for every second one brings
 * all, and to ask for each would keep those who ask waiting. */
enum { SCAN_PAIR = 128 / sizeof(float) };

/* Of a token: a number for each row of S, in `dec` `inc` apart; own: of scan_token. */
struct scan_numbers {
    const float *dec;
    int64_t inc;
    const float *k, *w, *e, *q;
    float own;
};

ATTN__INLINE struct scan_numbers scan_numbers_from(const struct scan_numbers *t, int64_t d)
{
    return (struct scan_numbers){t->dec + d * t->inc, t->inc, t->k + d, t->w + d,
                                 t->e + d, t->q + d, t->own};
}

/* c += S^T e, c being 0 if `fresh`; `vecs` vectors of columns. It only reads S, and from RAM is
 * faster when asked for 8 rows ahead. */
ATTN__INLINE void scan_read_columns(int vecs, bool fresh, int64_t rows, const float *restrict S,
                                    int64_t ld, const struct scan_numbers *t, float *restrict c)
{
    vf a[16];
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs)                                                                         \
        a[i] = fresh ? v_zero() : v_load(c + i * VF_LANES);
    ATTN__UNROLL16(ATTN__EACH, )
#undef ATTN__EACH
    for (int64_t d = 0; d < rows; d++) {
        const vf ed = v_set1(t->e[d]);
#define ATTN__EACH(i, _)                                                                  \
        if (i < vecs && i * VF_LANES % SCAN_PAIR == 0)                                    \
            __builtin_prefetch(S + (d + 8) * ld + i * VF_LANES, 0, 2);                    \
        if (i < vecs)                                                                     \
            a[i] = v_fma(ed, v_load(S + d * ld + i * VF_LANES), a[i]);
        ATTN__UNROLL16(ATTN__EACH, )
#undef ATTN__EACH
    }
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs)                                                                         \
        v_store(c + i * VF_LANES, a[i]);
    ATTN__UNROLL16(ATTN__EACH, )
#undef ATTN__EACH
}

/*
 * S = dec S + k x^T, with erase 2 - w c^T, and o += S^T q, with `before` of the
 * S that was; what a fresh o begins with is own x or 0.
 *
 * Where something is erased, S has been read a moment ago and RAM would rest.
 * So the rows from `next` on, which come next, are asked for. Without erasing S
 * comes from RAM itself, and is slower for such requests.
 */
ATTN__INLINE void scan_change_columns(int vecs, int erase, int before, bool fresh, int64_t rows,
                                      float *restrict S, int64_t ld, const struct scan_numbers *t,
                                      const float *restrict x, const float *restrict c,
                                      float *restrict o, const float *next)
{
    const bool held = vecs <= 8; /* x and c, as more than that leave no registers for them */
    vf a[16], y[8], z[8];
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs && held) {                                                               \
        y[i % 8] = v_load(x + i * VF_LANES);                                              \
        z[i % 8] = erase == 2 ? v_load(c + i * VF_LANES) : y[i % 8];                      \
    }                                                                                     \
    if (i < vecs)                                                                         \
        a[i] = !fresh   ? v_load(o + i * VF_LANES)                                        \
               : before ? v_mul(v_load(x + i * VF_LANES), v_set1(t->own))                 \
                        : v_zero();
    ATTN__UNROLL16(ATTN__EACH, )
#undef ATTN__EACH
    for (int64_t d = 0; d < rows; d++) {
        const vf dd = v_set1(t->dec[d * t->inc]), kd = v_set1(t->k[d]), qd = v_set1(t->q[d]);
        const vf wd = v_set1(erase == 2 ? t->w[d] : 0.0f);
#define ATTN__EACH(i, _)                                                                  \
        if (i < vecs && erase && i * VF_LANES % SCAN_PAIR == 0)                           \
            __builtin_prefetch(next + d * ld + i * VF_LANES, 0, 2);                       \
        if (i < vecs) {                                                                   \
            vf s = v_load(S + d * ld + i * VF_LANES);                                     \
            if (before)                                                                   \
                a[i] = v_fma(qd, s, a[i]);                                                \
            s = v_fma(kd, held ? y[i % 8] : v_load(x + i * VF_LANES), v_mul(dd, s));      \
            if (erase == 2)                                                               \
                s = v_fnma(wd, held ? z[i % 8] : v_load(c + i * VF_LANES), s);            \
            v_store(S + d * ld + i * VF_LANES, s);                                        \
            if (!before)                                                                  \
                a[i] = v_fma(qd, s, a[i]);                                                \
        }
        ATTN__UNROLL16(ATTN__EACH, )
#undef ATTN__EACH
    }
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs)                                                                         \
        v_store(o + i * VF_LANES, a[i]);
    ATTN__UNROLL16(ATTN__EACH, )
#undef ATTN__EACH
}

/* Columns j < n by the widest pieces that fit: M gets how many vectors they have. */
#define ATTN__PIECES(M)                                                                   \
    do {                                                                                  \
        int64_t j = 0;                                                                    \
        for (; SCAN_MOST >= 16 && j + 16 * VF_LANES <= n; j += 16 * VF_LANES)             \
            M(16);                                                                        \
        for (; j + 8 * VF_LANES <= n; j += 8 * VF_LANES)                                  \
            M(8);                                                                         \
        for (; j + 4 * VF_LANES <= n; j += 4 * VF_LANES)                                  \
            M(4);                                                                         \
        for (; j + 2 * VF_LANES <= n; j += 2 * VF_LANES)                                  \
            M(2);                                                                         \
        for (; j < n; j += VF_LANES)                                                      \
            M(1);                                                                         \
    } while (0)

ATTN__INLINE void scan_read_rows(bool fresh, int64_t rows, int64_t n, const float *restrict S,
                                 int64_t ld, const struct scan_numbers *t, float *restrict c)
{
#define ATTN__PIECE(vecs) scan_read_columns(vecs, fresh, rows, S + j, ld, t, c + j)
    ATTN__PIECES(ATTN__PIECE);
#undef ATTN__PIECE
}

ATTN__INLINE void scan_change_rows(int erase, int before, bool fresh, int64_t rows, int64_t n,
                                   float *restrict S, int64_t ld, const struct scan_numbers *t,
                                   const float *restrict x, const float *restrict c,
                                   float *restrict o, const float *next)
{
#define ATTN__PIECE(vecs)                                                                 \
    scan_change_columns(vecs, erase, before, fresh, rows, S + j, ld, t, x + j, c + j,     \
                        o + j, next + j)
    ATTN__PIECES(ATTN__PIECE);
#undef ATTN__PIECE
}

/* n <= SCAN_SPAN columns; erase: 0 none, 1 k (v - c)^T, 2 k v^T - w c^T. */
ATTN__INLINE void scan_span(int erase, int before, int64_t dk, int64_t n, float *restrict S,
                            int64_t ld, const struct scan_numbers *token,
                            const float *restrict v, float *restrict o, const float *next)
{
    float c[SCAN_SPAN];
    const float *x = erase == 1 ? c : v;
    const bool one = n <= SCAN_MOST * VF_LANES && (n & (n - 1)) == 0; /* piece */
    const int64_t step = n > SCAN_NARROW ? 1 : 4 * SCAN_NARROW / n;
    if (one && erase)
        scan_read_rows(true, dk, n, S, ld, token, c);
    for (int64_t d = 0; !one && erase && d < dk; d += step) {
        const struct scan_numbers t = scan_numbers_from(token, d);
        scan_read_rows(d == 0, dk - d < step ? dk - d : step, n, S + d * ld, ld, &t, c);
    }
    for (int64_t i = 0; erase == 1 && i < n; i += VF_LANES)
        v_store(c + i, v_sub(v_load(v + i), v_load(c + i)));
    if (one)
        scan_change_rows(erase, before, true, dk, n, S, ld, token, x, c, o, next);
    for (int64_t d = 0; !one && d < dk; d += step) {
        const struct scan_numbers t = scan_numbers_from(token, d);
        scan_change_rows(erase, before, d == 0, dk - d < step ? dk - d : step, n, S + d * ld, ld,
                         &t, x, c, o, next + d * ld);
    }
}
#undef ATTN__PIECES

/* S <- dec S + k v^T - what is erased; o = S^T q, or with `before` the S of
 * before and own * v. next: the columns that will be wanted after these, like S;
 * not read. */
static void scan_token(int erase, int before, int64_t dk, int64_t n, float *restrict S, int64_t ld,
                       const float *restrict dec, int64_t inc, const float *restrict k,
                       const float *restrict v, const float *restrict w,
                       const float *restrict e, const float *restrict q, float own,
                       float *restrict o, const float *next)
{
    const struct scan_numbers t = {dec, inc, k, w, e, q, own};
    for (int64_t j = 0; j < n; j += SCAN_SPAN) {
        const int64_t m = n - j < SCAN_SPAN ? n - j : SCAN_SPAN;
        const float *then = j + m < n ? S + j + m : next;
        if (before)
            scan_span(0, 1, dk, m, S + j, ld, &t, v + j, o + j, then);
        else if (erase == 0)
            scan_span(0, 0, dk, m, S + j, ld, &t, v + j, o + j, then);
        else if (erase == 1)
            scan_span(1, 0, dk, m, S + j, ld, &t, v + j, o + j, then);
        else
            scan_span(2, 0, dk, m, S + j, ld, &t, v + j, o + j, then);
    }
}
