/* SPDX-License-Identifier: MIT */
/*
 * Powers of two, lane by lane. x = n + f with integral n and |f| <= 1/2, and
 * 2^f by a polynomial that minimises the largest relative error under the
 * condition 2^0 = 1.
 */
#ifndef ATTN__KERNELS_EXP2_H
#define ATTN__KERNELS_EXP2_H

/* 2^f for |f| <= 1/2 */
ATTN__INLINE vf exp2_part(vf f)
{
    vf p = v_set1(0x1.5ab438p-10f);
    p = v_fma(p, f, v_set1(0x1.3cec30p-7f));
    p = v_fma(p, f, v_set1(0x1.c6b9f4p-5f));
    p = v_fma(p, f, v_set1(0x1.ebf9b2p-3f));
    p = v_fma(p, f, v_set1(0x1.62e426p-1f));
    return v_fma(p, f, v_set1(1.0f));
}

/*
 * 2^x for x <= 127 within 2 ulp; 0 below -126 (so no result is denormal), NaN
 * for NaN.
 */
ATTN__INLINE vf v_exp2(vf x)
{
    vf n = v_round(x);
    vf p = exp2_part(v_sub(x, n));
    return v_clear(v_lt(x, v_set1(-126.0f)), v_ldexp(p, n));
}

/*
 * e^(x + low) for x <= 87 within 4 ulp, |low| being small; 0 for x below -87.
 * n log(2) is taken off in two steps, the first of them exact (Cody and Waite,
 * 1980), so that large x cost no digits.
 */
ATTN__INLINE vf v_exp_pair(vf x, vf low)
{
    vf n = v_round(v_mul(x, v_set1(0x1.715476p+0f)));
    vf r = v_fnma(n, v_set1(0x1.63p-1f), x);
    r = v_add(v_fnma(n, v_set1(-0x1.bd0106p-13f), r), low);
    vf p = exp2_part(v_mul(r, v_set1(0x1.715476p+0f)));
    return v_clear(v_lt(x, v_set1(-87.0f)), v_ldexp(p, n));
}

/*
 * 2^x - 1 for 0 <= x <= 126, with small relative error down to 0: the power
 * and the -1 are joined before the polynomial is added.
 */
ATTN__INLINE vf v_exp2m1(vf x)
{
    vf n = v_round(x);
    vf f = v_sub(x, n);
    vf p = v_set1(0x1.4308fap-13f);
    p = v_fma(p, f, v_set1(0x1.5f07b4p-10f));
    p = v_fma(p, f, v_set1(0x1.3b2ba0p-7f));
    p = v_fma(p, f, v_set1(0x1.c6af6ep-5f));
    p = v_fma(p, f, v_set1(0x1.ebfbdep-3f));
    p = v_fma(p, f, v_set1(0x1.62e430p-1f));
    vf scale = v_ldexp(v_set1(1.0f), n);
    return v_fma(v_mul(p, f), scale, v_sub(scale, v_set1(1.0f)));
}

#endif
