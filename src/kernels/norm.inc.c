/* SPDX-License-Identifier: MIT */
/* Normalising a row: its sums, and the step that they lead to. */

/* sum of s */
static float vec_sum(const float *s, int64_t n)
{
    vf a = v_zero();
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        a = v_add(a, v_load(s + i));
    if (i < n)
        a = v_add(a, v_loadn(s + i, n - i));
    return v_hsum(a);
}

/* sum of (s - mean)^2 */
static float vec_sumsq(const float *s, int64_t n, float mean)
{
    const vf m = v_set1(mean);
    vf a = v_zero();
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf x = v_sub(v_load(s + i), m);
        a = v_fma(x, x, a);
    }
    if (i < n) { /* lanes past the end must not add mean^2 */
        vf x = v_sub(v_loadn(s + i, n - i), m);
        x = v_select(m_bits((1u << (n - i)) - 1), x, v_zero());
        a = v_fma(x, x, a);
    }
    return v_hsum(a);
}

/* s = (s - mean) * f * (w + more) + b; w NULL: 1 for w + more, b NULL: 0 */
static void vec_affine(float *restrict s, int64_t n, float mean, float f, const float *restrict w,
                       float more, const float *restrict b)
{
    const vf m = v_set1(mean), x = v_set1(f), one = v_set1(more);
    for (int64_t i = 0; i < n; i += VF_LANES) {
        const int64_t k = n - i < VF_LANES ? n - i : VF_LANES;
        vf y = v_mul(v_sub(v_loadn(s + i, k), m), x);
        if (w)
            y = v_mul(y, v_add(v_loadn(w + i, k), one));
        if (b)
            y = v_add(y, v_loadn(b + i, k));
        v_storen(s + i, y, k);
    }
}

/* o *= g, or o *= 1 / (1 + e^-g) if sigmoid */
static void vec_gate(float *restrict o, int64_t n, const float *restrict g, int sigmoid)
{
    const vf to2 = v_set1(-1.4426950408889634f), one = v_set1(1.0f), most = v_set1(126.0f);
    for (int64_t i = 0; i < n; i += VF_LANES) {
        const int64_t k = n - i < VF_LANES ? n - i : VF_LANES;
        vf x = v_loadn(g + i, k), y = v_loadn(o + i, k);
        if (sigmoid)
            y = v_div(y, v_add(one, v_exp2(v_min(most, v_mul(x, to2)))));
        else
            y = v_mul(y, x);
        v_storen(o + i, y, k);
    }
}
