/* SPDX-License-Identifier: MIT */
/*
 * Softmax in base 2, of tiles and of rows (online: one block of keys after the
 * other) and of whole rows. Scores come multiplied by log2(e).
 *
 * The weights of a block are summed in one order: key j goes to partial sum
 * j mod VF_LANES, and those are joined as v_hsum4 joins lanes. So a row has the
 * same sum as a lane of a tile and as a row of its own, and keys without
 * weight, there or not, change nothing.
 */

/* one vector of queries; see tile_softmax */
ATTN__INLINE void softmax_lanes(float *restrict st, int64_t nk, int64_t w, float *restrict m,
                                float *restrict l, float *restrict ot, int64_t dv)
{
    vf sum;
    const vf base = softmax_base(st, nk, w, m, l, ot, dv, &sum);
    int64_t j;
    vf quad[VF_LANES / 4];
    for (int n = 0; n < VF_LANES / 4; n++) {
        vf part[4] = { v_zero(), v_zero(), v_zero(), v_zero() };
#define ATTN__STEP(i, _)                                                                  \
        if (j + i < nk) {                                                                 \
            vf p = v_exp2(v_sub(v_load(st + (j + i) * w), base));                         \
            v_store(st + (j + i) * w, p);                                                 \
            part[i] = v_add(part[i], p);                                                  \
        }
        for (j = 4 * n; j + 4 <= nk; j += VF_LANES) {
            ATTN__UNROLL4(ATTN__STEP, )
        }
        ATTN__UNROLL4(ATTN__STEP, )
#undef ATTN__STEP
        quad[n] = v_add4(part[0], part[1], part[2], part[3]);
    }
#if VF_LANES == 16
    quad[0] = v_add4(quad[0], quad[1], quad[2], quad[3]);
#elif VF_LANES == 8
    quad[0] = v_add(quad[0], quad[1]);
#endif
    v_store(l, v_add(sum, quad[0]));
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

/*
 * The same for the n scores of one row, whose output the caller keeps: returns
 * the factor 2^(m - M) that it has to take, which is 1 while m does not grow.
 */
static float row_softmax(float *s, int64_t n, float *m, float *l)
{
    const vf none = v_set1(-INFINITY);
    vf high[2] = { none, none };
    int64_t j = 0;
    for (; j + 2 * VF_LANES <= n; j += 2 * VF_LANES) {
        high[0] = v_max(v_load(s + j), high[0]);
        high[1] = v_max(v_load(s + j + VF_LANES), high[1]);
    }
    for (; j < n; j += VF_LANES) {
        int64_t k = n - j < VF_LANES ? n - j : VF_LANES;
        vf a = v_select(m_bits((uint32_t)(1u << k) - 1), v_loadn(s + j, k), none);
        high[0] = v_max(a, high[0]);
    }
    float old = *m, now = v_hmax(v_max(high[0], high[1]));
    now = old > now ? old : now;
    *m = now;

    const vf base = v_set1(-INFINITY < now ? now : 0.0f);
    float f = 1.0f;
    if (-INFINITY < old && old < now) {
        float t[VF_LANES];
        v_store(t, v_exp2(v_sub(v_set1(old), base)));
        f = t[0];
    }
    vf part = v_zero();
    for (j = 0; j + VF_LANES <= n; j += VF_LANES) {
        vf p = v_exp2(v_sub(v_load(s + j), base));
        v_store(s + j, p);
        part = v_add(part, p);
    }
    if (j < n) {
        v_storen(s + j, v_exp2(v_sub(v_loadn(s + j, n - j), base)), n - j);
        part = v_add(part, v_loadn(s + j, n - j));
    }
    *l = *l * f + v_hsum(part);
    return f;
}

/*
 * row_softmax of four at a time, of n scores each, n a multiple of the lanes: what one waits
 * for, its largest score and its sum, takes longer than its exponentials.
 */

/* top[i]: the largest of s[i * apart ..] */
ATTN__INLINE void softmax4_tops(const float *s, int64_t apart, int64_t n, float top[4])
{
    const vf none = v_set1(-INFINITY);
    vf high[4] = { none, none, none, none }, x[4];
    float t[4 * VF_LANES];
    for (int64_t j = 0; j < n; j += VF_LANES) {
#define ATTN__STEP(i, _) high[i] = v_max(v_load(s + i * apart + j), high[i]);
        ATTN__UNROLL4(ATTN__STEP, )
#undef ATTN__STEP
    }
#define ATTN__STEP(i, _) v_store(t + i * VF_LANES, high[i]);
    ATTN__UNROLL4(ATTN__STEP, )
#undef ATTN__STEP
    v_columns4(x, t, 4); /* each lane is the first, second, ... of four neighbours in t */
    v_store(t, v_max(v_max(x[0], x[1]), v_max(x[2], x[3])));
    for (int i = 0; i < 4; i++) {
        top[i] = t[i * (VF_LANES / 4)];
        for (int e = 1; e < VF_LANES / 4; e++) {
            float other = t[i * (VF_LANES / 4) + e];
            top[i] = other > top[i] ? other : top[i];
        }
    }
}

/* The weights of all, what they add up to, and the factors of what came before: old[i] and m[i]
 * are the largest scores without and with those of s. */
ATTN__INLINE void softmax4_weights(float *s, int64_t apart, int64_t n, const float old[4],
                                   const float m[4], float sum[4], float f[4])
{
    float from[4];
    vf base[4], part[4];
#define ATTN__STEP(i, _)                                                                  \
    from[i] = -INFINITY < m[i] ? m[i] : 0.0f;                                             \
    base[i] = v_set1(from[i]);                                                            \
    part[i] = v_zero();
    ATTN__UNROLL4(ATTN__STEP, )
#undef ATTN__STEP
    for (int64_t j = 0; j < n; j += VF_LANES) {
#define ATTN__STEP(i, _)                                                                  \
        {                                                                                 \
            vf p = v_exp2(v_sub(v_load(s + i * apart + j), base[i]));                     \
            v_store(s + i * apart + j, p);                                                \
            part[i] = v_add(part[i], p);                                                  \
        }
        ATTN__UNROLL4(ATTN__STEP, )
#undef ATTN__STEP
    }
    v_hsum4(sum, part[0], part[1], part[2], part[3]);
    v_storen(f, v_exp2(v_sub(v_loadn(old, 4), v_loadn(from, 4))), 4);
    for (int i = 0; i < 4; i++)
        f[i] = -INFINITY < old[i] && old[i] < m[i] ? f[i] : 1.0f;
}

/* Of four rows, `apart` from each other. */
static void row_softmax_rows4(float *s, int64_t apart, int64_t n, float m[4], float l[4],
                              float f[4])
{
    float top[4], old[4], sum[4];
    softmax4_tops(s, apart, n, top);
    for (int i = 0; i < 4; i++) {
        old[i] = m[i];
        m[i] = old[i] > top[i] ? old[i] : top[i];
    }
    softmax4_weights(s, apart, n, old, m, sum, f);
    for (int i = 0; i < 4; i++)
        l[i] = l[i] * f[i] + sum[i];
}

/* Of four blocks of a row, one after the other: m[i] and f[i] are as row_softmax leaves and
 * returns them at block i. `was` is the row's largest score before. */
static void row_softmax_blocks4(float *s, int64_t n, float was, float *l, float m[4], float f[4])
{
    float top[4], old[4], sum[4];
    softmax4_tops(s, n, n, top);
    for (int i = 0; i < 4; i++) {
        old[i] = i ? m[i - 1] : was;
        m[i] = old[i] > top[i] ? old[i] : top[i];
    }
    softmax4_weights(s, n, n, old, m, sum, f);
    for (int i = 0; i < 4; i++)
        *l = *l * f[i] + sum[i];
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
