/* SPDX-License-Identifier: MIT */
/* Functions of one number, along a row; activation.h says how exact. */

ATTN__INLINE vf map_relu(vf x) { return v_max(v_zero(), x); }

ATTN__INLINE vf map_relu2(vf x)
{
    vf y = v_max(v_zero(), x);
    return v_mul(y, y);
}

/* e^x, infinite from 88.72 on, 0 below -87.3; the rounding of
 * x log2 e is made good where additions are fused */
ATTN__INLINE vf map_exp(vf x)
{
    const vf log2e = v_set1(0x1.715476p0f), rest = v_set1(0x1.4ae0cp-26f);
    vf y = v_mul(x, log2e);
    vf low = v_fma(x, rest, v_fma(x, log2e, v_sub(v_zero(), y)));
    vm big = v_lt(v_set1(126.0f), y); /* e^x is twice what v_exp2 can do */
    vf r = v_exp2(v_select(big, v_min(v_set1(127.0f), v_sub(y, v_set1(1.0f))), y));
    r = v_select(big, v_add(r, r), r);
    r = v_fma(v_mul(r, low), v_set1(0x1.62e43p-1f), r);
    r = v_select(v_lt(y, v_set1(-126.0f)), v_zero(), r);
    r = v_select(v_lt(v_set1(127.99999f), y), v_mul(v_set1(0x1p127f), v_set1(2.0f)), r);
    return v_select(v_isnan(x), x, r);
}

/* x + 1 where x > 0, else e^x */
ATTN__INLINE vf map_elu1(vf x)
{
    return v_select(v_lt(v_zero(), x), v_add(x, v_set1(1.0f)), map_exp(v_min(v_zero(), x)));
}

ATTN__INLINE vf map_sigmoid(vf x) { return v_sigmoid(x); }
ATTN__INLINE vf map_silu(vf x) { return v_mul(x, v_sigmoid(x)); }
ATTN__INLINE vf map_softplus(vf x) { return v_softplus(x); }

/* ln of the sigmoid */
ATTN__INLINE vf map_log_sigmoid(vf x)
{
    return v_sub(v_zero(), v_softplus(v_sub(v_zero(), x)));
}

ATTN__INLINE vf map_neg_exp(vf x) { return v_sub(v_zero(), map_exp(x)); }

/* rwkv7's log decay: -e^-0.5 of the sigmoid, and so between that and 0 */
ATTN__INLINE vf map_rwkv7_decay(vf x)
{
    return v_mul(v_sigmoid(x), v_set1(-0.60653065971263342f));
}

/* s = f(s), f one of map.h */
static void vec_map(int32_t kind, float *s, int64_t n)
{
#define ATTN__MAP_CASE(name)                                                              \
    case ATTN__MAP_##name:                                                                \
        for (int64_t i = 0; i < n; i += VF_LANES) {                                       \
            const int64_t m = n - i < VF_LANES ? n - i : VF_LANES;                        \
            v_storen(s + i, map_##name(v_loadn(s + i, m)), m);                            \
        }                                                                                 \
        break;
    switch (kind) {
        ATTN__MAP_LIST(ATTN__MAP_CASE)
    default:
        break;
    }
#undef ATTN__MAP_CASE
}
