/* SPDX-License-Identifier: MIT */
/*
 * Powers of two, lane by lane. x = n + f with integral n and |f| <= 1/2, and
 * 2^f by a polynomial that minimises the largest relative error under the
 * condition 2^0 = 1.
 */
#ifndef ATTN__KERNELS_EXP2_H
#define ATTN__KERNELS_EXP2_H

/*
 * 2^x for x <= 127 within 2 ulp; 0 below -126 (so no result is denormal), NaN
 * for NaN.
 */
ATTN__INLINE vf v_exp2(vf x)
{
    vf n = v_round(x);
    vf f = v_sub(x, n);
    vf p = v_set1(0x1.5ab438p-10f);
    p = v_fma(p, f, v_set1(0x1.3cec30p-7f));
    p = v_fma(p, f, v_set1(0x1.c6b9f4p-5f));
    p = v_fma(p, f, v_set1(0x1.ebf9b2p-3f));
    p = v_fma(p, f, v_set1(0x1.62e426p-1f));
    p = v_fma(p, f, v_set1(1.0f));
    return v_clear(v_lt(x, v_set1(-126.0f)), v_ldexp(p, n));
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
