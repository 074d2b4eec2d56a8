/* SPDX-License-Identifier: MIT */
/*
 * The two products of a flash tile. Queries are the lanes, so a row of K or V
 * is used where it lies, one element at a time broadcast to all lanes, and
 * neither is ever packed.
 *
 * Every result is one chain of multiply-adds in the order of the summation
 * index, whatever block computes it: how rows fall into blocks does not change
 * a bit.
 */

/*
 * Rows per block when two vectors of queries are done at once, and when it is
 * one. The accumulators must hide the latency of the multiply-adds and leave
 * room for two or three operands; more than eight rows would need more pointers
 * than there are general registers.
 */
#define ATTN__MM_ROWS1 8
#if VF_REGS >= 32
#define ATTN__MM_ROWS2 8
#else
#define ATTN__MM_ROWS2 6
#endif

/* rows x vecs scores: st[j*w + lanes] = sum_c k[j*ldk + c] * qt[c*w + lanes] */
ATTN__INLINE void qk_block(int rows, int vecs, const float *restrict k, int64_t ldk, int64_t d,
                           const float *restrict qt, int64_t w, float *restrict st)
{
    const float *row[8];
    vf a[8], b[8];
#define ATTN__INIT(j, _)                                                                  \
    if (j < rows) {                                                                       \
        row[j] = k + j * ldk;                                                             \
        a[j] = b[j] = v_zero();                                                           \
    }
    ATTN__UNROLL8(ATTN__INIT, )
#undef ATTN__INIT
    for (int64_t c = 0; c < d; c++) {
        vf q0 = v_load(qt);
        vf q1 = vecs == 2 ? v_load(qt + VF_LANES) : q0;
#define ATTN__STEP(j, _)                                                                  \
        if (j < rows) {                                                                   \
            vf x = v_set1(row[j][c]);                                                     \
            a[j] = v_fma(x, q0, a[j]);                                                    \
            if (vecs == 2)                                                                \
                b[j] = v_fma(x, q1, b[j]);                                                \
        }
        ATTN__UNROLL8(ATTN__STEP, )
#undef ATTN__STEP
        qt += w;
    }
#define ATTN__OUT(j, _)                                                                   \
    if (j < rows) {                                                                       \
        v_store(st + j * w, a[j]);                                                        \
        if (vecs == 2)                                                                    \
            v_store(st + j * w + VF_LANES, b[j]);                                         \
    }
    ATTN__UNROLL8(ATTN__OUT, )
#undef ATTN__OUT
}

/*
 * cols x vecs outputs: ot[c*w + lanes] += sum_j v[j*ldv + c] * pt[j*w + lanes].
 * The keys of a call are summed by themselves and added once: over many calls
 * the error grows with their number and not with the number of keys.
 */
ATTN__INLINE void pv_block(int cols, int vecs, const float *restrict v, int64_t ldv, int64_t nk,
                           const float *restrict pt, int64_t w, float *restrict ot)
{
    vf a[8], b[8];
#define ATTN__INIT(c, _)                                                                  \
    if (c < cols)                                                                         \
        a[c] = b[c] = v_zero();
    ATTN__UNROLL8(ATTN__INIT, )
#undef ATTN__INIT
    for (int64_t j = 0; j < nk; j++) {
        vf p0 = v_load(pt);
        vf p1 = vecs == 2 ? v_load(pt + VF_LANES) : p0;
#define ATTN__STEP(c, _)                                                                  \
        if (c < cols) {                                                                   \
            vf x = v_set1(v[c]);                                                          \
            a[c] = v_fma(x, p0, a[c]);                                                    \
            if (vecs == 2)                                                                \
                b[c] = v_fma(x, p1, b[c]);                                                \
        }
        ATTN__UNROLL8(ATTN__STEP, )
#undef ATTN__STEP
        pt += w;
        v += ldv;
    }
#define ATTN__OUT(c, _)                                                                   \
    if (c < cols) {                                                                       \
        v_store(ot + c * w, v_add(v_load(ot + c * w), a[c]));                             \
        if (vecs == 2)                                                                    \
            v_store(ot + c * w + VF_LANES, v_add(v_load(ot + c * w + VF_LANES), b[c]));   \
    }
    ATTN__UNROLL8(ATTN__OUT, )
#undef ATTN__OUT
}

ATTN__INLINE void qk_lanes(int vecs, int most, const float *k, int64_t ldk, int64_t nk, int64_t d,
                           const float *qt, int64_t w, float *st)
{
#define ATTN__BLOCK(rows)                                                                 \
    (qk_block(rows, vecs, k, ldk, d, qt, w, st), k += (rows) * ldk, st += (rows) * w)
    ATTN__CUT(nk, most, ATTN__BLOCK);
#undef ATTN__BLOCK
}

/* st[j*w + i] = sum_c k[j*ldk + c] * qt[c*w + i] */
static void tile_qk(const float *restrict k, int64_t ldk, int64_t nk, int64_t d,
                    const float *restrict qt, int64_t w, float *restrict st)
{
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= w; i += 2 * VF_LANES)
        qk_lanes(2, ATTN__MM_ROWS2, k, ldk, nk, d, qt + i, w, st + i);
    if (i < w)
        qk_lanes(1, ATTN__MM_ROWS1, k, ldk, nk, d, qt + i, w, st + i);
}

ATTN__INLINE void pv_lanes(int vecs, int most, const float *v, int64_t ldv, int64_t nk, int64_t dv,
                           const float *pt, int64_t w, float *ot)
{
#define ATTN__BLOCK(cols)                                                                 \
    (pv_block(cols, vecs, v, ldv, nk, pt, w, ot), v += (cols), ot += (cols) * w)
    ATTN__CUT(dv, most, ATTN__BLOCK);
#undef ATTN__BLOCK
}

/* ot[c*w + i] += sum_j v[j*ldv + c] * pt[j*w + i] */
static void tile_pv(const float *restrict v, int64_t ldv, int64_t nk, int64_t dv,
                    const float *restrict pt, int64_t w, float *restrict ot)
{
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= w; i += 2 * VF_LANES)
        pv_lanes(2, ATTN__MM_ROWS2, v, ldv, nk, dv, pt + i, w, ot + i);
    if (i < w)
        pv_lanes(1, ATTN__MM_ROWS1, v, ldv, nk, dv, pt + i, w, ot + i);
}

#undef ATTN__MM_ROWS1
#undef ATTN__MM_ROWS2
