/* SPDX-License-Identifier: MIT */
/*
 * One token of a recurrence on columns of its state S [dk][ld], whose rows go
 * by once: S and v, o are read in whole vectors, so n is a multiple of 16.
 * Each column is a chain of its own over the rows.
 */

#if VF_REGS >= 32
#define ATTN__SCAN_VECS 8
#define ATTN__SCAN_EACH(M) ATTN__UNROLL8(M, )
#else
#define ATTN__SCAN_VECS 4
#define ATTN__SCAN_EACH(M) ATTN__UNROLL4(M, )
#endif

/*
 * `vecs` vectors of columns; erase: 0 none, 1 k (v - c)^T, 2 k v^T - w c^T.
 *
 * Erasing goes over S twice, and RAM rests while it does so the second time,
 * in a cache. Then the rows from `next` on, which will be read next, are asked
 * for, by every second line: processors bring lines in pairs, and to ask for
 * each would keep the second pass waiting.
 */
ATTN__INLINE void scan_columns(int vecs, int erase, int before, int64_t dk, float *restrict S,
                               int64_t ld, const float *restrict dec, int64_t inc,
                               const float *restrict k, const float *restrict v,
                               const float *restrict w, const float *restrict e,
                               const float *restrict q, float own, float *restrict o,
                               const float *next)
{
    enum { PAIR = 128 / sizeof(float) }; /* two lines */
    vf x[8], c[8], a[8];
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs) {                                                                       \
        x[i] = v_load(v + i * VF_LANES);                                                  \
        a[i] = before ? v_mul(x[i], v_set1(own)) : v_zero();                              \
        c[i] = v_zero();                                                                  \
    }
    ATTN__SCAN_EACH(ATTN__EACH)
#undef ATTN__EACH
    /* This pass only reads, and from RAM is faster when asked for 8 rows ahead; the one below
     * changes what it reads, and is slower for it. */
    for (int64_t d = 0; d < dk && erase; d++) {
        const vf ed = v_set1(e[d]);
#define ATTN__EACH(i, _)                                                                  \
        if (i < vecs && i * VF_LANES % PAIR == 0)                                         \
            __builtin_prefetch(S + (d + 8) * ld + i * VF_LANES, 0, 2);                    \
        if (i < vecs)                                                                     \
            c[i] = v_fma(ed, v_load(S + d * ld + i * VF_LANES), c[i]);
        ATTN__SCAN_EACH(ATTN__EACH)
#undef ATTN__EACH
    }
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs && erase == 1)                                                           \
        x[i] = v_sub(x[i], c[i]);
    ATTN__SCAN_EACH(ATTN__EACH)
#undef ATTN__EACH
    for (int64_t d = 0; d < dk; d++) {
        const vf dd = v_set1(dec[d * inc]), kd = v_set1(k[d]), qd = v_set1(q[d]);
        const vf wd = v_set1(erase == 2 ? w[d] : 0.0f);
        for (int64_t i = 0; erase && i < vecs * VF_LANES; i += PAIR)
            __builtin_prefetch(next + d * ld + i, 0, 2);
#define ATTN__EACH(i, _)                                                                  \
        if (i < vecs) {                                                                   \
            vf s = v_load(S + d * ld + i * VF_LANES);                                     \
            if (before)                                                                   \
                a[i] = v_fma(qd, s, a[i]);                                                \
            s = v_fma(kd, x[i], v_mul(dd, s));                                            \
            if (erase == 2)                                                               \
                s = v_fnma(wd, c[i], s);                                                  \
            v_store(S + d * ld + i * VF_LANES, s);                                        \
            if (!before)                                                                  \
                a[i] = v_fma(qd, s, a[i]);                                                \
        }
        ATTN__SCAN_EACH(ATTN__EACH)
#undef ATTN__EACH
    }
#define ATTN__EACH(i, _)                                                                  \
    if (i < vecs)                                                                         \
        v_store(o + i * VF_LANES, a[i]);
    ATTN__SCAN_EACH(ATTN__EACH)
#undef ATTN__EACH
}

/* S <- dec S + k v^T - what is erased; o = S^T q, or with `before` the S of
 * before and own * v. next: the columns that will be wanted after these, like S;
 * not read. */
static void scan_token(int erase, int before, int64_t dk, int64_t n, float *restrict S, int64_t ld,
                       const float *restrict dec, int64_t inc, const float *restrict k,
                       const float *restrict v, const float *restrict w,
                       const float *restrict e, const float *restrict q, float own,
                       float *restrict o, const float *next)
{
    int64_t j = 0;
#define ATTN__COLUMNS(vecs, erase, before)                                                \
    for (; j + vecs * VF_LANES <= n; j += vecs * VF_LANES)                                \
        scan_columns(vecs, erase, before, dk, S + j, ld, dec, inc, k, v + j, w, e, q,     \
                     own, o + j, n - j > vecs * VF_LANES ? S + j + vecs * VF_LANES : next);
#define ATTN__ALL_COLUMNS(erase, before)                                                  \
    do {                                                                                  \
        ATTN__COLUMNS(ATTN__SCAN_VECS, erase, before)                                     \
        ATTN__COLUMNS((ATTN__SCAN_VECS / 2), erase, before)                               \
        ATTN__COLUMNS(1, erase, before)                                                   \
    } while (0)
    if (before)
        ATTN__ALL_COLUMNS(0, 1);
    else if (erase == 0)
        ATTN__ALL_COLUMNS(0, 0);
    else if (erase == 1)
        ATTN__ALL_COLUMNS(1, 0);
    else
        ATTN__ALL_COLUMNS(2, 0);
#undef ATTN__ALL_COLUMNS
#undef ATTN__COLUMNS
}

#undef ATTN__SCAN_EACH
#undef ATTN__SCAN_VECS
