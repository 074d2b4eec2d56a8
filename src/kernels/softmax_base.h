/* SPDX-License-Identifier: MIT */
/*
 * The first half of the online softmax of a tile (Milakov and Gimelshein,
 * 2018), common to all ways of keeping the weights.
 */
#ifndef ATTN__KERNELS_SOFTMAX_BASE_H
#define ATTN__KERNELS_SOFTMAX_BASE_H

/*
 * One vector of queries takes in the largest of nk more scores: m, and the
 * factor on ot. Returns what the scores are measured from; *sum is l rescaled.
 */
ATTN__INLINE vf softmax_base(const float *restrict st, int64_t nk, int64_t w, float *restrict m,
                             const float *restrict l, float *restrict ot, int64_t dv, vf *sum)
{
    const vf none = v_set1(-INFINITY);
    vf old = v_load(m);
    vf top[4] = { old, old, old, old };
    int64_t j = 0;
    for (; j + 4 <= nk; j += 4) {
#define ATTN__STEP(i, _) top[i] = v_max(v_load(st + (j + i) * w), top[i]);
        ATTN__UNROLL4(ATTN__STEP, )
#undef ATTN__STEP
    }
    for (; j < nk; j++)
        top[0] = v_max(v_load(st + j * w), top[0]);
    vf now = v_max(v_max(top[0], top[1]), v_max(top[2], top[3]));
    v_store(m, now);

    /* A lane that has seen nothing is measured from 0: 2^(-inf - 0) = 0. */
    vf base = v_select(v_lt(none, now), now, v_zero());
    *sum = v_load(l);
    vm rose = v_lt(old, now);
    if (m_any(m_and(rose, v_lt(none, old)))) {
        vf f = v_select(rose, v_exp2(v_sub(old, base)), v_set1(1.0f));
        *sum = v_mul(*sum, f);
        for (int64_t c = 0; c < dv; c++)
            v_store(ot + c * w, v_mul(v_load(ot + c * w), f));
    }
    return base;
}

#endif
