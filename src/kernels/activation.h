/* SPDX-License-Identifier: MIT */
/*
 * Functions of one score, lane by lane. Errors are relative and of the
 * functions themselves; on top comes what rounding x log2 e, or x^2, does to
 * the exponential: |x| 2^-23, or x^2 2^-23. NaN gives NaN.
 */
#ifndef ATTN__KERNELS_ACTIVATION_H
#define ATTN__KERNELS_ACTIVATION_H

/* e^-|x|; 0 past 87 */
ATTN__INLINE vf v_exp_minus_abs(vf x)
{
    return v_exp2(v_mul(v_abs(x), v_set1(-0x1.715476p0f)));
}

/* 1 / (1 + e^-x) within 4 * 2^-24, from an exponential that cannot overflow */
ATTN__INLINE vf v_sigmoid(vf x)
{
    vf t = v_exp_minus_abs(x);
    vf top = v_select(v_lt(x, v_zero()), t, v_set1(1.0f));
    return v_div(top, v_add(v_set1(1.0f), t));
}

/*
 * ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|) within 6 * 2^-24: ln(1 + y) / y on
 * 0..1 by a polynomial with the smallest largest relative error.
 */
ATTN__INLINE vf v_softplus(vf x)
{
    vf y = v_exp_minus_abs(x);
    vf p = v_set1(-0x1.a93138p-9f);
    p = v_fma(p, y, v_set1(0x1.453dd2p-6f));
    p = v_fma(p, y, v_set1(-0x1.d29ba0p-5f));
    p = v_fma(p, y, v_set1(0x1.b252c8p-4f));
    p = v_fma(p, y, v_set1(-0x1.397534p-3f));
    p = v_fma(p, y, v_set1(0x1.92f686p-3f));
    p = v_fma(p, y, v_set1(-0x1.ff0f84p-3f));
    p = v_fma(p, y, v_set1(0x1.554c7ep-2f));
    p = v_fma(p, y, v_set1(-0x1.ffffbep-2f));
    p = v_fma(p, y, v_set1(1.0f));
    return v_fma(p, y, v_max(x, v_zero()));
}

/*
 * x Phi(x) with the normal distribution function Phi, within 12 * 2^-24 where
 * x > -13; 0 below. Phi(-x) e^(x^2/2) is a polynomial in t = 1 / (1 + 0.3 x)
 * for x >= 0 (the form of Hastings, 1955).
 */
ATTN__INLINE vf v_gelu(vf x)
{
    vf a = v_abs(x);
    vf t = v_div(v_set1(1.0f), v_fma(a, v_set1(0.3f), v_set1(1.0f)));
    vf p = v_set1(0x1.3a61f2p-5f);
    p = v_fma(p, t, v_set1(-0x1.5a7046p-3f));
    p = v_fma(p, t, v_set1(0x1.d44532p-3f));
    p = v_fma(p, t, v_set1(-0x1.39514ep-4f));
    p = v_fma(p, t, v_set1(0x1.23e56cp-3f));
    p = v_fma(p, t, v_set1(0x1.83d626p-4f));
    p = v_fma(p, t, v_set1(0x1.f361fcp-4f));
    p = v_fma(p, t, v_set1(0x1.e96c06p-4f));
    p = v_fma(p, t, v_set1(0x1.e0c268p-18f));
    vf tail = v_mul(p, v_exp2(v_mul(v_mul(a, a), v_set1(-0x1.715476p-1f))));
    vf phi = v_select(v_lt(x, v_zero()), tail, v_sub(v_set1(1.0f), tail));
    /* where the exponential is 0, x may be -inf */
    return v_clear(v_lt(x, v_set1(-13.0f)), v_mul(x, phi));
}

#endif
