/* SPDX-License-Identifier: MIT */
/*
 * Softmax in base 2, of tiles (online: one block of keys after the other) and
 * of plain rows. Scores come multiplied by log2(e).
 */

/* one vector of queries; see tile_softmax */
ATTN__INLINE void softmax_lanes(float *restrict st, int64_t nk, int64_t w, float *restrict m,
                                float *restrict l, float *restrict ot, int64_t dv)
{
    vf sum;
    const vf base = softmax_base(st, nk, w, m, l, ot, dv, &sum);
    int64_t j;
    vf part[4] = { v_zero(), v_zero(), v_zero(), v_zero() };
    for (j = 0; j + 4 <= nk; j += 4) {
#define ATTN__STEP(i, _)                                                                  \
        {                                                                                 \
            vf p = v_exp2(v_sub(v_load(st + (j + i) * w), base));                         \
            v_store(st + (j + i) * w, p);                                                 \
            part[i] = v_add(part[i], p);                                                  \
        }
        ATTN__UNROLL4(ATTN__STEP, )
#undef ATTN__STEP
    }
    for (; j < nk; j++) {
        vf p = v_exp2(v_sub(v_load(st + j * w), base));
        v_store(st + j * w, p);
        part[0] = v_add(part[0], p);
    }
    v_store(l, v_add(sum, v_add(v_add(part[0], part[1]), v_add(part[2], part[3]))));
}

/*
 * Takes nk more keys into the running softmax of w queries. With
 * M = max(m, max_j st[j]):  l, ot *= 2^(m - M);  st = 2^(st - M);
 * l += sum_j st[j];  m = M. A query whose M is -inf keeps m, l and ot and gets
 * weights 0. A NaN score does not count for M; its weight and l become NaN.
 */
static void tile_softmax(float *restrict st, int64_t nk, int64_t w, float *restrict m,
                         float *restrict l, float *restrict ot, int64_t dv)
{
    for (int64_t i = 0; i < w; i += VF_LANES)
        softmax_lanes(st + i, nk, w, m + i, l + i, ot + i, dv);
}

/* largest of s[0..n-1]; NaN if one of them is, -inf if there are none */
static float row_max(const float *s, int64_t n)
{
    vf top[2] = { v_set1(-INFINITY), v_set1(-INFINITY) };
    vm nan = v_isnan(top[0]);
    int64_t j = 0;
    for (; j + 2 * VF_LANES <= n; j += 2 * VF_LANES) {
        vf a = v_load(s + j);
        vf b = v_load(s + j + VF_LANES);
        nan = m_or(nan, m_or(v_isnan(a), v_isnan(b)));
        top[0] = v_max(a, top[0]);
        top[1] = v_max(b, top[1]);
    }
    float best = v_hmax(v_max(top[0], top[1]));
    bool bad = m_any(nan);
    for (; j < n; j++) {
        best = s[j] > best ? s[j] : best;
        bad = bad || s[j] != s[j];
    }
    return bad ? NAN : best;
}

/* s = 2^(s - m); returns the sum. m is not below any s and not -inf. */
static float row_exp2(float *s, int64_t n, float m)
{
    const vf top = v_set1(m);
    vf part[2] = { v_zero(), v_zero() };
    int64_t j = 0;
    for (; j + 2 * VF_LANES <= n; j += 2 * VF_LANES) {
        vf a = v_exp2(v_sub(v_load(s + j), top));
        vf b = v_exp2(v_sub(v_load(s + j + VF_LANES), top));
        v_store(s + j, a);
        v_store(s + j + VF_LANES, b);
        part[0] = v_add(part[0], a);
        part[1] = v_add(part[1], b);
    }
    for (; j < n; j += VF_LANES) {
        int64_t k = n - j < VF_LANES ? n - j : VF_LANES;
        v_storen(s + j, v_exp2(v_sub(v_loadn(s + j, k), top)), k);
        part[0] = v_add(part[0], v_loadn(s + j, k));
    }
    return v_hsum(v_add(part[0], part[1]));
}
