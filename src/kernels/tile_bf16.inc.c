/* SPDX-License-Identifier: MIT */
/*
 * A flash tile with both products in bf16, two steps of a sum per lane at once
 * (compute=bf16). The layout is that of the f32 tile with a pair of numbers in
 * every lane: pairs of columns for q.k, where a row of K is read in place, and
 * pairs of keys for the weights, for which V is packed.
 *
 * Sums are f32 and run in the order of the pairs, so how rows fall into blocks
 * does not change a bit.
 */

/*
 * rows x vecs sums over n pairs: x[r] = sum_c a[r*row + c*step] . b[c*w + lanes].
 * Scores are x * scale, outputs are added to.
 */
ATTN__INLINE void pair_block(int rows, int vecs, bool scores, const vp_word *a, int64_t row,
                             int64_t step, int64_t n, const uint32_t *restrict b, int64_t w,
                             float scale, float *restrict out)
{
    const vp_word *at[8];
    vf x[8], y[8];
#define ATTN__INIT(r, _)                                                                  \
    if (r < rows) {                                                                       \
        at[r] = (const vp_word *)((const char *)a + r * row);                             \
        x[r] = y[r] = v_zero();                                                           \
    }
    ATTN__UNROLL8(ATTN__INIT, )
#undef ATTN__INIT
    for (int64_t c = 0; c < n; c++) {
        vp b0 = vp_load(b);
        vp b1 = vecs == 2 ? vp_load(b + VF_LANES) : b0;
#define ATTN__STEP(r, _)                                                                  \
        if (r < rows) {                                                                   \
            vp k = vp_set1(at[r] + c * step);                                             \
            x[r] = vp_dot(x[r], k, b0);                                                   \
            if (vecs == 2)                                                                \
                y[r] = vp_dot(y[r], k, b1);                                               \
        }
        ATTN__UNROLL8(ATTN__STEP, )
#undef ATTN__STEP
        b += w;
    }
    const vf f = v_set1(scale);
#define ATTN__OUT(r, _)                                                                   \
    if (r < rows && scores) {                                                             \
        v_store(out + r * w, v_mul(x[r], f));                                             \
        if (vecs == 2)                                                                    \
            v_store(out + r * w + VF_LANES, v_mul(y[r], f));                              \
    } else if (r < rows) {                                                                \
        v_store(out + r * w, v_add(v_load(out + r * w), x[r]));                           \
        if (vecs == 2)                                                                    \
            v_store(out + r * w + VF_LANES, v_add(v_load(out + r * w + VF_LANES), y[r])); \
    }
    ATTN__UNROLL8(ATTN__OUT, )
#undef ATTN__OUT
}

/* All `count` rows, `row` bytes apart, in blocks of eight. */
ATTN__INLINE void pair_lanes(int vecs, bool scores, const vp_word *a, int64_t count, int64_t row,
                             int64_t step, int64_t n, const uint32_t *b, int64_t w, float scale,
                             float *out)
{
#define ATTN__BLOCK(rows)                                                                 \
    (pair_block(rows, vecs, scores, a, row, step, n, b, w, scale, out),                   \
     a = (const vp_word *)((const char *)a + (rows) * row), out += (rows) * w)
    for (; count >= 8; count -= 8)
        ATTN__BLOCK(8);
    for (; count >= 4; count -= 4)
        ATTN__BLOCK(4);
    for (; count >= 1; count -= 1)
        ATTN__BLOCK(1);
#undef ATTN__BLOCK
}

/* st[j*w + i] = scale * sum_c k[j*ldk + c] * q_i[c] over 2 * pairs columns,
 * query i packed in column i of qt */
static void tile_qk_bf16(const uint16_t *restrict k, int64_t ldk, int64_t nk, int64_t pairs,
                         const uint32_t *restrict qt, int64_t w, float scale, float *restrict st)
{
    const vp_word *a = (const vp_word *)(const void *)k;
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= w; i += 2 * VF_LANES)
        pair_lanes(2, true, a, nk, 2 * ldk, 1, pairs, qt + i, w, scale, st + i);
    if (i < w)
        pair_lanes(1, true, a, nk, 2 * ldk, 1, pairs, qt + i, w, scale, st + i);
}

/* ot[c*w + i] += sum_j v_j[c] * p_j[i] over 2 * pairs keys, both packed in pairs
 * of keys: vt [pairs][dv], pt [pairs][w] */
static void tile_pv_bf16(const uint32_t *restrict vt, int64_t pairs, int64_t dv,
                         const uint32_t *restrict pt, int64_t w, float *restrict ot)
{
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= w; i += 2 * VF_LANES)
        pair_lanes(2, false, vt, dv, 4, dv, pairs, pt + i, w, 1, ot + i);
    if (i < w)
        pair_lanes(1, false, vt, dv, 4, dv, pairs, pt + i, w, 1, ot + i);
}

/*
 * As tile_softmax, but the weights are rounded to bf16 and go to pt in pairs of
 * keys, a missing last one being 0, and it is their rounded values that are
 * summed.
 */
static void tile_softmax_bf16(const float *restrict st, int64_t nk, int64_t w, float *restrict m,
                              float *restrict l, float *restrict ot, int64_t dv,
                              uint32_t *restrict pt)
{
    for (int64_t i = 0; i < w; i += VF_LANES) {
        vf sum;
        const vf base = softmax_base(st + i, nk, w, m + i, l + i, ot + i, dv, &sum);
        vf part[2] = { v_zero(), v_zero() };
        int64_t j = 0;
        for (; j + 4 <= nk; j += 4) {
            const float *s = st + j * w + i;
            uint32_t *p = pt + j / 2 * w + i;
            vp a = vp_pair(v_exp2(v_sub(v_load(s), base)), v_exp2(v_sub(v_load(s + w), base)));
            vp b = vp_pair(v_exp2(v_sub(v_load(s + 2 * w), base)),
                           v_exp2(v_sub(v_load(s + 3 * w), base)));
            vp_store(p, a);
            vp_store(p + w, b);
            part[0] = vp_dot(part[0], a, vp_ones());
            part[1] = vp_dot(part[1], b, vp_ones());
        }
        for (; j < nk; j += 2) {
            const float *s = st + j * w + i;
            vf second = j + 1 < nk ? v_exp2(v_sub(v_load(s + w), base)) : v_zero();
            vp a = vp_pair(v_exp2(v_sub(v_load(s), base)), second);
            vp_store(pt + j / 2 * w + i, a);
            part[j / 2 % 2] = vp_dot(part[j / 2 % 2], a, vp_ones());
        }
        v_store(l + i, v_add(sum, v_add(part[0], part[1])));
    }
}

/* qt[c*w + i] = (q[i*ldq + 2c], q[i*ldq + 2c + 1]) as bf16, 0 past d and past
 * rows, for c < (d + 1) / 2 */
static void tile_pack_q_bf16(const float *restrict q, int64_t ldq, int64_t rows, int64_t d,
                             int64_t w, uint32_t *restrict qt)
{
    for (int64_t i0 = 0; i0 < w; i0 += VF_LANES) {
        for (int64_t c = 0; c < d; c += VF_LANES) {
            int64_t n = d - c < VF_LANES ? d - c : VF_LANES;
            vf r[VF_LANES];
            for (int64_t i = 0; i < VF_LANES; i++)
                r[i] = i0 + i < rows ? v_loadn(q + (i0 + i) * ldq + c, n) : v_zero();
            v_transpose(r);
            for (int64_t i = 0; i < n; i += 2)
                vp_store(qt + (c + i) / 2 * w + i0, vp_pair(r[i], r[i + 1]));
        }
    }
}

/* vt[j*dv + c] = (v[2j*ldv + c], v[(2j + 1)*ldv + c]), 0 past nk */
static void pack_v_bf16(const uint16_t *restrict v, int64_t ldv, int64_t nk, int64_t dv,
                        uint32_t *restrict vt)
{
    for (int64_t j = 0; j < nk; j += 2, v += 2 * ldv, vt += dv) {
        if (j + 1 == nk) {
            for (int64_t c = 0; c < dv; c++)
                vt[c] = v[c];
            break;
        }
        for (int64_t c = 0; c < dv; c += VF_LANES) {
            int64_t n = dv - c < VF_LANES ? dv - c : VF_LANES;
            vp_storen(vt + c, vp_joinn(v + c, v + ldv + c, n), n);
        }
    }
}
