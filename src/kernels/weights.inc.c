/* SPDX-License-Identifier: MIT */
/*
 * Weights that are functions of one score, up to a factor of the row: one loop
 * for each kind, over tiles and over rows. A score of -inf gets weight 0.
 *
 * Sums are taken in the order of tile_softmax.inc.c: key j goes to partial sum
 * j mod VF_LANES, and those are joined as v_hsum4 joins lanes.
 */

/* a where x is -inf, else b */
ATTN__INLINE vf if_none(vf x, vf a, vf b)
{
    return v_select(m_or(v_lt(v_set1(-INFINITY), x), v_isnan(x)), b, a);
}

ATTN__INLINE vf weight_relu(vf x, vf a)
{
    (void)a;
    return v_max(v_zero(), x);
}

ATTN__INLINE vf weight_relu_square(vf x, vf a)
{
    vf y = weight_relu(x, a);
    return v_mul(y, y);
}

ATTN__INLINE vf weight_relu_cube(vf x, vf a)
{
    vf y = weight_relu(x, a);
    return v_mul(v_mul(y, y), y);
}

ATTN__INLINE vf weight_sigmoid(vf x, vf a)
{
    return v_sigmoid(v_add(x, a));
}

ATTN__INLINE vf weight_identity(vf x, vf a)
{
    (void)a;
    return if_none(x, v_zero(), x);
}

ATTN__INLINE vf weight_softplus(vf x, vf a)
{
    (void)a;
    return v_softplus(x);
}

/* 1 + x + x^2/2 = ((1 + x)^2 + 1) / 2 */
ATTN__INLINE vf weight_taylor2(vf x, vf a)
{
    vf y = v_add(x, v_set1(1.0f));
    (void)a;
    return if_none(x, v_zero(), v_mul(v_fma(y, y, v_set1(1.0f)), v_set1(0.5f)));
}

ATTN__INLINE vf weight_gelu(vf x, vf a)
{
    (void)a;
    return v_gelu(x);
}

#define ATTN__TERM_COUNT(sum, x, p) v_add(sum, if_none(x, v_zero(), v_set1(1.0f)))
#define ATTN__TERM_SUM(sum, x, p) v_add(sum, p)
#define ATTN__TERM_SQUARES(sum, x, p) v_fma(p, p, sum)

/* The sums of fours of keys, joined as v_hsum4 joins groups of lanes. */
ATTN__INLINE vf join_quads(const vf quad[VF_LANES / 4])
{
#if VF_LANES == 16
    return v_add4(quad[0], quad[1], quad[2], quad[3]);
#elif VF_LANES == 8
    return v_add(quad[0], quad[1]);
#else
    return quad[0];
#endif
}

/* `at` is the first key's vector of queries. */
#define ATTN__KEY(i, kind, what)                                                          \
    if (j + i < nk) {                                                                     \
        vf x = v_load(at + (j + i) * w);                                                  \
        vf p = weight_##kind(x, add);                                                     \
        v_store(at + (j + i) * w, p);                                                     \
        part[i] = ATTN__TERM_##what(part[i], x, p);                                       \
    }

#define ATTN__WEIGHTS(kind, what)                                                         \
    static void tile_##kind(float a, float *restrict st, int64_t nk, int64_t w,           \
                            float *restrict l)                                            \
    {                                                                                     \
        const vf add = v_set1(a);                                                         \
        for (int64_t lane = 0; lane < w; lane += VF_LANES) {                              \
            float *restrict at = st + lane;                                               \
            vf quad[VF_LANES / 4];                                                        \
            for (int n = 0; n < VF_LANES / 4; n++) {                                      \
                vf part[4] = { v_zero(), v_zero(), v_zero(), v_zero() };                  \
                for (int64_t j = 4 * n; j < nk; j += VF_LANES) {                          \
                    ATTN__UNROLL4(ATTN__KEY, kind, what)                                  \
                }                                                                         \
                quad[n] = v_add4(part[0], part[1], part[2], part[3]);                     \
            }                                                                             \
            v_store(l + lane, v_add(v_load(l + lane), join_quads(quad)));                 \
        }                                                                                 \
    }                                                                                     \
                                                                                          \
    static void row_##kind(float a, float *s, int64_t n, float *l)                        \
    {                                                                                     \
        const vf add = v_set1(a);                                                         \
        vf part = v_zero();                                                               \
        int64_t j = 0;                                                                    \
        for (; j + VF_LANES <= n; j += VF_LANES) {                                        \
            vf x = v_load(s + j);                                                         \
            vf p = weight_##kind(x, add);                                                 \
            v_store(s + j, p);                                                            \
            part = ATTN__TERM_##what(part, x, p);                                         \
        }                                                                                 \
        if (j < n) {                                                                      \
            vm in = m_bits((uint32_t)(1u << (n - j)) - 1);                                \
            vf x = v_select(in, v_loadn(s + j, n - j), v_set1(-INFINITY));                \
            vf p = weight_##kind(x, add);                                                 \
            v_storen(s + j, p, n - j);                                                    \
            part = ATTN__TERM_##what(part, x, p);                                         \
        }                                                                                 \
        *l += v_hsum(part);                                                               \
    }

ATTN__WEIGHTS_LIST(ATTN__WEIGHTS)
#undef ATTN__WEIGHTS
#undef ATTN__KEY
#undef ATTN__TERM_COUNT
#undef ATTN__TERM_SUM
#undef ATTN__TERM_SQUARES

/*
 * The scores st of a tile become weights of a kind; l += what the kind sums.
 * a: what sigmoid adds.
 */
static void tile_weights(int32_t kind, float a, float *restrict st, int64_t nk, int64_t w,
                         float *restrict l)
{
#define ATTN__CALL(name, what)                                                            \
    case ATTN__WEIGHTS_##name:                                                            \
        tile_##name(a, st, nk, w, l);                                                     \
        break;
    switch (kind) {
        ATTN__WEIGHTS_LIST(ATTN__CALL)
    }
#undef ATTN__CALL
}

/* The same for the n scores of one row. */
static void row_weights(int32_t kind, float a, float *s, int64_t n, float *l)
{
#define ATTN__CALL(name, what)                                                            \
    case ATTN__WEIGHTS_##name:                                                            \
        row_##name(a, s, n, l);                                                           \
        break;
    switch (kind) {
        ATTN__WEIGHTS_LIST(ATTN__CALL)
    }
#undef ATTN__CALL
}
