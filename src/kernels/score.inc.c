/* SPDX-License-Identifier: MIT */
/* What happens to scores between the product and the softmax. */

/* s *= f */
static void vec_scale(float *s, int64_t n, float f)
{
    const vf x = v_set1(f);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        v_store(s + i, v_mul(v_load(s + i), x));
    if (i < n)
        v_storen(s + i, v_mul(v_loadn(s + i, n - i), x), n - i);
}

/*
 * cap * tanh(s / cap). With t = 2^y - 1, y = 2 log2(e) |s / cap|, the tanh is
 * t / (t + 2); past y = 40 it is 1 in single precision. A NaN stays.
 */
ATTN__INLINE vf softcap(vf s, vf scale, vf cap)
{
    vf y = v_min(v_set1(40.0f), v_abs(v_mul(s, scale)));
    vf t = v_exp2m1(y);
    return v_copysign(v_mul(cap, v_div(t, v_add(t, v_set1(2.0f)))), s);
}

/* s = cap * tanh(s / cap), cap > 0 */
static void vec_softcap(float *s, int64_t n, float cap)
{
    const vf x = v_set1((float)(2.0 * 1.4426950408889634 / cap));
    const vf top = v_set1(cap);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        v_store(s + i, softcap(v_load(s + i), x, top));
    if (i < n)
        v_storen(s + i, softcap(v_loadn(s + i, n - i), x, top), n - i);
}

/* st[j*w + i] = -inf where bit i of bits[j] is 0, whatever was there */
static void tile_mask(float *restrict st, int64_t nk, int64_t w, const uint64_t *restrict bits)
{
    const vf none = v_set1(-INFINITY);
    const uint64_t all = w < 64 ? ((uint64_t)1 << w) - 1 : UINT64_MAX;
    for (int64_t j = 0; j < nk; j++) {
        uint64_t b = bits[j] & all;
        if (b == all)
            continue;
        for (int64_t i = 0; i < w; i += VF_LANES) {
            float *s = st + j * w + i;
            v_store(s, v_select(m_bits((uint32_t)(b >> i)), v_load(s), none));
        }
    }
}

/* st[j*w + i] -= slope[i] * |dist[i] - j| */
static void tile_alibi(float *restrict st, int64_t nk, int64_t w, const float *restrict slope,
                       const float *restrict dist)
{
    for (int64_t i = 0; i < w; i += VF_LANES) {
        const vf x = v_load(slope + i), first = v_load(dist + i);
        for (int64_t j = 0; j < nk; j++) {
            float *s = st + j * w + i;
            v_store(s, v_fnma(x, v_abs(v_sub(first, v_set1((float)j))), v_load(s)));
        }
    }
}

/* s[j] -= slope * |dist0 - j| */
static void row_alibi(float *s, int64_t n, float slope, float dist0)
{
    const vf x = v_set1(slope);
    for (int64_t j = 0; j < n; j += VF_LANES) {
        int64_t k = n - j < VF_LANES ? n - j : VF_LANES;
        vf dist = v_abs(v_sub(v_set1(dist0), v_add(v_set1((float)j), v_iota())));
        v_storen(s + j, v_fnma(x, dist, v_loadn(s + j, k)), k);
    }
}

/* one vector of queries, of which `rows` exist; see tile_bias */
ATTN__INLINE void bias_lanes(float *restrict st, int64_t nk, int64_t w, int64_t rows,
                             const float *restrict bias, int64_t ldi, int64_t ldj)
{
    int64_t j = 0;
    if (ldj == 1 && ldi != 0) {
        for (; j < nk; j += VF_LANES) {
            int64_t n = nk - j < VF_LANES ? nk - j : VF_LANES;
            vf r[VF_LANES];
            for (int64_t i = 0; i < VF_LANES; i++)
                r[i] = i < rows ? v_loadn(bias + i * ldi + j, n) : v_zero();
            v_transpose(r);
            for (int64_t i = 0; i < n; i++) {
                float *s = st + (j + i) * w;
                v_storen(s, v_add(v_load(s), r[i]), rows);
            }
        }
        return;
    }
    for (; j < nk; j++) {
        float *s = st + j * w;
        vf b;
        if (ldi == 0) {
            b = v_set1(bias[j * ldj]);
        } else if (ldi == 1) {
            b = v_loadn(bias + j * ldj, rows);
        } else {
            float t[VF_LANES] = { 0 };
            for (int64_t i = 0; i < rows; i++)
                t[i] = bias[i * ldi + j * ldj];
            b = v_load(t);
        }
        v_storen(s, v_add(v_load(s), b), rows);
    }
}

/* st[j*w + i] += bias[i*ldi + j*ldj] for i < rows */
static void tile_bias(float *restrict st, int64_t nk, int64_t w, int64_t rows,
                      const float *restrict bias, int64_t ldi, int64_t ldj)
{
    for (int64_t i = 0; i < w && i < rows; i += VF_LANES) {
        int64_t n = rows - i < VF_LANES ? rows - i : VF_LANES;
        bias_lanes(st + i, nk, w, n, bias + i * ldi, ldi, ldj);
    }
}
