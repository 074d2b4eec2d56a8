/* SPDX-License-Identifier: MIT */
/*
 * Rotary positions on f32 rows: row r turns by the complex product of `base`
 * and row r of `low`, which keeps tables small for any position. The product
 * of two rounded turns is within 2^-22 of the turn meant.
 */

ATTN__INLINE vf rope_get(const float *p, int64_t n, bool all)
{
    return all ? v_load(p) : v_loadn(p, n);
}

ATTN__INLINE void rope_put(float *p, vf a, int64_t n, bool all)
{
    if (all)
        v_store(p, a);
    else
        v_storen(p, a, n);
}

/* One vector of pairs, n of them if not all. */
ATTN__INLINE void rope_half_lanes(float *restrict x, int64_t ldx, int64_t rows, int64_t half,
                                  const float *restrict base, const float *restrict low,
                                  int64_t n, bool all)
{
    const vf bc = rope_get(base, n, all), bs = rope_get(base + half, n, all);
    for (int64_t r = 0; r < rows; r++, x += ldx, low += 2 * half) {
        const vf lc = rope_get(low, n, all), ls = rope_get(low + half, n, all);
        const vf co = v_fnma(bs, ls, v_mul(bc, lc)), si = v_fma(bc, ls, v_mul(bs, lc));
        const vf a = rope_get(x, n, all), b = rope_get(x + half, n, all);
        rope_put(x, v_fnma(b, si, v_mul(a, co)), n, all);
        rope_put(x + half, v_fma(a, si, v_mul(b, co)), n, all);
    }
}

/*
 * Channel c turns with channel c + half. base [2*half] and low [rows][2*half]:
 * cosines, then sines.
 */
static void rope_half(float *restrict x, int64_t ldx, int64_t rows, int64_t half,
                      const float *restrict base, const float *restrict low)
{
    int64_t c = 0;
    for (; c + VF_LANES <= half; c += VF_LANES)
        rope_half_lanes(x + c, ldx, rows, half, base + c, low + c, VF_LANES, true);
    if (c < half)
        rope_half_lanes(x + c, ldx, rows, half, base + c, low + c, half - c, false);
}

/* One vector of channels, n of them if not all. */
ATTN__INLINE void rope_pair_lanes(float *restrict x, int64_t ldx, int64_t rows, int64_t dim,
                                  const float *restrict base, const float *restrict low,
                                  int64_t n, bool all)
{
    const vf bc = rope_get(base, n, all), bs = rope_get(base + dim, n, all);
    for (int64_t r = 0; r < rows; r++, x += ldx, low += 2 * dim) {
        const vf lc = rope_get(low, n, all), ls = rope_get(low + dim, n, all);
        const vf co = v_fnma(bs, ls, v_mul(bc, lc)), si = v_fma(bc, ls, v_mul(bs, lc));
        const vf a = rope_get(x, n, all);
        rope_put(x, v_fma(v_swap2(a), si, v_mul(a, co)), n, all);
    }
}

/*
 * Channel 2c turns with channel 2c + 1; dim is even. base [2*dim] and low
 * [rows][2*dim]: the cosine of each channel's pair, then the sine with which
 * its other channel comes in, negative for even channels.
 */
static void rope_interleaved(float *restrict x, int64_t ldx, int64_t rows, int64_t dim,
                             const float *restrict base, const float *restrict low)
{
    int64_t c = 0;
    for (; c + VF_LANES <= dim; c += VF_LANES)
        rope_pair_lanes(x + c, ldx, rows, dim, base + c, low + c, VF_LANES, true);
    if (c < dim)
        rope_pair_lanes(x + c, ldx, rows, dim, base + c, low + c, dim - c, false);
}
