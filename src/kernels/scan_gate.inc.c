/* SPDX-License-Identifier: MIT */
/*
 * The gates of a chunk of a linear recurrence. Sums of log decays are kept as
 * pairs of floats, high + low, which together have twice the digits: what
 * counts are small differences of sums that may be large.
 */

/* a + b, and what rounding took from it (Knuth's two-sum) */
ATTN__INLINE vf two_sum(vf a, vf b, vf *low)
{
    vf s = v_add(a, b);
    vf t = v_sub(s, a);
    *low = v_add(v_sub(a, v_sub(s, t)), v_sub(b, t));
    return s;
}

/*
 * hi + lo, rows 0..n of d elements: row 0 is zeros, row i the sum of the first
 * i rows of g. d is a multiple of 16.
 */
static void scan_sums(const float *restrict g, int64_t ldg, int64_t n, int64_t d,
                      float *restrict hi, float *restrict lo)
{
    for (int64_t c = 0; c < d; c += VF_LANES) {
        vf sum = v_zero(), low = sum;
        v_store(hi + c, sum);
        v_store(lo + c, low);
        for (int64_t i = 0; i < n; i++) {
            vf rest;
            sum = two_sum(sum, v_load(g + i * ldg + c), &rest);
            low = v_add(low, rest);
            v_store(hi + (i + 1) * d + c, sum);
            v_store(lo + (i + 1) * d + c, low);
        }
    }
}

/*
 * y[t] = x[t] * exp(sign * (hi + lo - ref)) for n rows of d elements of each of
 * `count` arrays; ref is one row, ref_hi + ref_lo. hi and lo have the stride d,
 * a multiple of 16. sign: 1 or -1. What would be below exp(-87) is 0.
 */
static void scan_decay(float sign, const float *hi, const float *lo, const float *ref_hi,
                       const float *ref_lo, int64_t n, int64_t d, int64_t count,
                       const float *const *x, int64_t ldx, float *const *y, int64_t ldy)
{
    const vf turn = v_set1(sign);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < d; c += VF_LANES) {
            vf rest, top = v_load(hi + i * d + c);
            vf a = two_sum(top, v_sub(v_zero(), v_load(ref_hi + c)), &rest);
            rest = v_add(rest, v_sub(v_load(lo + i * d + c), v_load(ref_lo + c)));
            vf f = v_exp_pair(v_mul(a, turn), v_mul(rest, turn));
            for (int64_t t = 0; t < count; t++)
                v_store(y[t] + i * ldy + c, v_mul(v_load(x[t] + i * ldx + c), f));
        }
    }
}

/*
 * a[t][i][j] *= exp(reader i - writer j) for j <= i and each of `count` arrays;
 * both are hi + lo. What is right of the diagonal in the vector that it falls
 * into is left undefined: lda is at least n rounded up to 16.
 */
static void scan_fade(const float *restrict reader_hi, const float *restrict reader_lo,
                      const float *restrict writer_hi, const float *restrict writer_lo, int64_t n,
                      int64_t count, float *const *a, int64_t lda)
{
    const vf unit = v_set1(0x1.715476p+0f);
    for (int64_t i = 0; i < n; i++) {
        const vf hi = v_set1(reader_hi[i]), lo = v_set1(reader_lo[i]);
        for (int64_t j = 0; j <= i; j += VF_LANES) {
            const int64_t m = n - j < VF_LANES ? n - j : VF_LANES;
            vf x = v_add(v_sub(hi, v_loadn(writer_hi + j, m)),
                         v_sub(lo, v_loadn(writer_lo + j, m)));
            vf f = v_exp2(v_mul(x, unit));
            for (int64_t t = 0; t < count; t++) {
                float *p = a[t] + i * lda + j;
                v_store(p, v_mul(v_load(p), f));
            }
        }
    }
}

/* y_i = f_i x_i for n rows of d elements; d is a multiple of 16 */
static void scan_scale(const float *restrict x, int64_t ldx, int64_t n, int64_t d,
                       const float *restrict f, float *restrict y, int64_t ldy)
{
    for (int64_t i = 0; i < n; i++) {
        const vf by = v_set1(f[i]);
        for (int64_t c = 0; c < d; c += VF_LANES)
            v_store(y + i * ldy + c, v_mul(v_load(x + i * ldx + c), by));
    }
}

/* e = scale k of length 1, w = a e, to = k (1 + (a - 1) mix); `to` may be k, w may be a */
static void scan_rwkv7(const float *k, const float *a, int64_t d, const float *restrict scale,
                       const float *restrict mix, float *to, float *w, float *restrict e)
{
    const vf one = v_set1(1.0f);
    vf sum = v_zero();
    for (int64_t c = 0; c < d; c += VF_LANES) {
        const int64_t m = d - c < VF_LANES ? d - c : VF_LANES;
        vf x = v_mul(v_loadn(k + c, m), v_loadn(scale + c, m));
        sum = v_fma(x, x, sum);
    }
    const float length = sqrtf(v_hsum(sum));
    const vf by = v_set1(1.0f / (length > 1e-12f ? length : 1e-12f));
    for (int64_t c = 0; c < d; c += VF_LANES) {
        const int64_t m = d - c < VF_LANES ? d - c : VF_LANES;
        vf x = v_loadn(k + c, m), rate = v_loadn(a + c, m);
        vf unit = v_mul(v_mul(x, v_loadn(scale + c, m)), by);
        vf keep = v_add(one, v_mul(v_sub(rate, one), v_loadn(mix + c, m)));
        v_storen(to + c, v_mul(x, keep), m);
        v_storen(w + c, v_mul(rate, unit), m);
        v_storen(e + c, unit, m);
    }
}

/* out[i * ldo] = sum_c q_ic u_c k_ic for n rows of d elements; ld is that of q and k */
static void scan_bonus(const float *restrict q, const float *restrict k, int64_t ld, int64_t n,
                       int64_t d, const float *restrict u, float *restrict out, int64_t ldo)
{
    for (int64_t i = 0; i < n; i++, q += ld, k += ld) {
        vf sum = v_zero();
        for (int64_t c = 0; c < d; c += VF_LANES) {
            const int64_t m = d - c < VF_LANES ? d - c : VF_LANES;
            vf ku = v_mul(v_loadn(k + c, m), v_loadn(u + c, m));
            sum = v_fma(v_loadn(q + c, m), ku, sum);
        }
        out[i * ldo] = v_hsum(sum);
    }
}

/* largest a_c - b_c, and at least 0; d is a multiple of 16 */
static float scan_range(const float *a, const float *b, int64_t d)
{
    vf most = v_zero();
    for (int64_t c = 0; c < d; c += VF_LANES)
        most = v_max(v_sub(v_load(a + c), v_load(b + c)), most);
    return v_hmax(most);
}
