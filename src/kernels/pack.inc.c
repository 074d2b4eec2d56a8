/* SPDX-License-Identifier: MIT */
/* Between rows of queries or outputs in memory and tiles with queries as lanes. */

/* qt[c*w + i] = q[i*ldq + c] * scale, and 0 for i >= rows */
static void tile_pack_q(const float *restrict q, int64_t ldq, int64_t rows, int64_t d,
                        float scale, int64_t w, float *restrict qt)
{
    const vf x = v_set1(scale);
    for (int64_t i0 = 0; i0 < w; i0 += VF_LANES) {
        for (int64_t c = 0; c < d; c += VF_LANES) {
            int64_t n = d - c < VF_LANES ? d - c : VF_LANES;
            vf r[VF_LANES];
            for (int64_t i = 0; i < VF_LANES; i++) {
                r[i] = v_zero();
                if (i0 + i < rows)
                    r[i] = v_mul(v_loadn(q + (i0 + i) * ldq + c, n), x);
            }
            v_transpose(r);
            for (int64_t i = 0; i < n; i++)
                v_store(qt + (c + i) * w + i0, r[i]);
        }
    }
}

/* o[i*ldo + c] = ot[c*w + i] * f[i] for i < rows */
static void tile_unpack_o(const float *restrict ot, int64_t w, int64_t rows, int64_t dv,
                          const float *restrict f, float *restrict o, int64_t ldo)
{
    for (int64_t i0 = 0; i0 < rows; i0 += VF_LANES) {
        int64_t m = rows - i0 < VF_LANES ? rows - i0 : VF_LANES;
        const vf x = v_loadn(f + i0, m);
        for (int64_t c = 0; c < dv; c += VF_LANES) {
            int64_t n = dv - c < VF_LANES ? dv - c : VF_LANES;
            vf r[VF_LANES];
            for (int64_t i = 0; i < VF_LANES; i++)
                r[i] = i < n ? v_mul(v_load(ot + (c + i) * w + i0), x) : v_zero();
            v_transpose(r);
            for (int64_t i = 0; i < m; i++)
                v_storen(o + (i0 + i) * ldo + c, r[i], n);
        }
    }
}

/* True if every element is finite: x * 0 is 0 for those and NaN for others, so
 * one sum tells about all. */
static bool rows_finite(const float *restrict o, int64_t ldo, int64_t rows, int64_t n)
{
    const vf zero = v_zero();
    vf a = zero, b = zero;
    for (int64_t i = 0; i < rows; i++, o += ldo) {
        int64_t c = 0;
        for (; c + 2 * VF_LANES <= n; c += 2 * VF_LANES) {
            a = v_fma(v_load(o + c), zero, a);
            b = v_fma(v_load(o + c + VF_LANES), zero, b);
        }
        for (; c < n; c += VF_LANES)
            a = v_fma(v_loadn(o + c, n - c < VF_LANES ? n - c : VF_LANES), zero, a);
    }
    return !m_any(v_isnan(v_add(a, b)));
}
