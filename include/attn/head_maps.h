/* SPDX-License-Identifier: MIT */
/*
 * Which query heads share a key head, told by the keys themselves: what the
 * mechanisms kdgqa, dgqa and pgqa are given (Beyond Uniform Query Distribution:
 * Key-Driven Grouped Query Attention, Khan et al., 2024).
 *
 *     attn_head_map_norms(&k, hk, norms);
 *     attn_head_map_kdgqa(hk, norms, hq, alloc);
 *     attn_head_map_expand(hk, alloc, hq, map);
 *     attn_desc_set_i64s(desc, ATTN_PARAM_KV_HEAD, map, hq);
 *
 * Hq query heads, Hk key heads, at most 65536 each. All functions work on the
 * calling thread, allocate nothing and may be called by any number of threads
 * at once; what they write is untouched on failure.
 */
#ifndef ATTN_HEAD_MAPS_H
#define ATTN_HEAD_MAPS_H

#include <attn/tensor.h>

/* What attn_head_map_dgqa makes of old and new norms. */
enum {
    ATTN_DGQA_DIFF = 0, /* |cache - norms|, how much a head has changed */
    ATTN_DGQA_EMA = 1   /* 0.9 norms + 0.1 cache */
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The size of each key head: norms[g] = sum over b of the Frobenius norm of
 * k[b,g], over all tokens and channels; padded tokens count, so leave them out
 * of the view. k: [B,Hk,N,D] of f32, f64, f16 or bf16; hk: its extent 1;
 * norms: [hk], the caller's. Sums are f64. Nothing is looked for in the data:
 * NaN comes out as NaN, which the functions below refuse. ATTN_ERR_NULL,
 * ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, ATTN_ERR_STRIDE. Since 0.1.
 */
ATTN_API int32_t attn_head_map_norms(const attn_tensor *k, size_t hk,
                                     double *norms);

/*
 * Query heads of each key head in proportion to w_g = (norms_g - min) /
 * (max - min): alloc_g = Hq w_g / sum w, rounded to nearest, ties to even;
 * while they are too many the largest loses one, while they are too few the
 * smallest gets one (of equals the first). The key head with the smallest norm
 * has w = 0 and usually no query head at all. norms: [hk] from
 * attn_head_map_norms, at least two different ones; hq: query heads, 1 or
 * more; alloc: [hk], the caller's, sums to hq. ATTN_ERR_NULL,
 * ATTN_ERR_INVALID (hk or hq), ATTN_ERR_DATA (a norm that is NaN, infinite or
 * negative; norms that are all the same, where w is 0/0). Since 0.1.
 */
ATTN_API int32_t attn_head_map_kdgqa(size_t hk, const double *norms, size_t hq,
                                     int64_t *alloc);

/*
 * The same with w_g by `rule` from the norms and those of before, `cache`
 * [hk]. In training the map is made again every `window` steps, after which
 * cache = (cache + norms) / window; else for every input, and cache = norms.
 * The published code evens out the sum at random heads; this one as above.
 * ATTN_ERR_NULL, ATTN_ERR_INVALID (hk, hq, rule), ATTN_ERR_DATA (as above; w
 * of 0 throughout, as with ATTN_DGQA_DIFF and norms that did not change).
 * Since 0.1.
 */
ATTN_API int32_t attn_head_map_dgqa(size_t hk, const double *norms,
                                    const double *cache, int32_t rule,
                                    size_t hq, int64_t *alloc);

/*
 * The key head of each query head: query heads 0 to alloc_0 - 1 get key head
 * 0, the next alloc_1 get 1, and so on. alloc: [hk], none negative, their sum
 * hq; map: [hq], the caller's, a list for ATTN_PARAM_KV_HEAD. ATTN_ERR_NULL,
 * ATTN_ERR_INVALID. Since 0.1.
 */
ATTN_API int32_t attn_head_map_expand(size_t hk, const int64_t *alloc,
                                      size_t hq, int64_t *map);

/*
 * The noise of pgqa from uniform random numbers of the caller's: with
 * r = h mod (Hq/Hk), the place of head h in its group, element r of head h
 * (tokens, then channels) becomes 0, then each head less its mean is divided by
 * its standard deviation (of n - 1; 0 counts as 1). uniform: [Hq,Nq,Dv] of
 * f32, f64, f16 or bf16, one draw for all of a batch; hk: key heads, a
 * divisor of Hq; noise: the same shape, the caller's, for the role
 * PGQA_NOISE; it may be exactly uniform's memory. ATTN_ERR_NULL,
 * ATTN_ERR_INVALID (hk), ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, ATTN_ERR_STRIDE.
 * Since 0.1.
 */
ATTN_API int32_t attn_pgqa_noise(const attn_tensor *uniform, size_t hk,
                                 const attn_tensor *noise);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_HEAD_MAPS_H */
