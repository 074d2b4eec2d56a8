/* SPDX-License-Identifier: MIT */
/*
 * Head maps and the noise of pgqa: the arguments.
 */
#include <attn/head_maps.h>

#include <inttypes.h>
#include <math.h>

#include "api/api_check.h"
#include "base/view.h"
#include "solvers/head_alloc.h"
#include "solvers/map_noise.h"

enum { MOST_HEADS = 65536 };

static int32_t check_heads(const char *name, size_t n)
{
    if (n >= 1 && n <= MOST_HEADS)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "%s is %zu, expected 1 to %d heads", name, n,
                           (int)MOST_HEADS);
}

static int32_t check_norms(const char *name, size_t hk, const double *norms)
{
    for (size_t g = 0; g < hk; g++)
        if (!(norms[g] >= 0) || !isfinite(norms[g]))
            return attn__error_set(ATTN_ERR_DATA, "%s[%zu] is %g, expected a norm", name, g,
                                   norms[g]);
    return ATTN_OK;
}

int32_t attn_head_map_norms(const attn_tensor *k, size_t hk, double *norms)
{
    ATTN__CHECK_POINTER(k);
    ATTN__CHECK_POINTER(norms);
    int32_t status = attn__view_check_real("k", k, 4);
    if (status == ATTN_OK && (uint64_t)k->shape[1] != hk)
        status = attn__error_set(ATTN_ERR_SHAPE,
                                 "k has extent %" PRId64 " in dimension 1, expected hk, which is "
                                 "%zu",
                                 k->shape[1], hk);
    if (status == ATTN_OK)
        attn__head_alloc_norms(k, norms);
    return status;
}

int32_t attn_head_map_kdgqa(size_t hk, const double *norms, size_t hq, int64_t *alloc)
{
    ATTN__CHECK_POINTER(norms);
    ATTN__CHECK_POINTER(alloc);
    int32_t status = check_heads("hk", hk);
    if (status == ATTN_OK)
        status = check_heads("hq", hq);
    if (status == ATTN_OK)
        status = check_norms("norms", hk, norms);
    if (status != ATTN_OK)
        return status;
    double least = norms[0], most = norms[0];
    for (size_t g = 1; g < hk; g++) {
        least = fmin(least, norms[g]);
        most = fmax(most, norms[g]);
    }
    if (most == least)
        return attn__error_set(ATTN_ERR_DATA,
                               "norms are all %g, expected at least two different ones: with "
                               "equal norms there is nothing to go by",
                               most);
    const struct attn__head_weights w = {norms, &least, 0, -1, most - least};
    attn__head_alloc(&w, (int64_t)hk, (int64_t)hq, alloc);
    return ATTN_OK;
}

int32_t attn_head_map_dgqa(size_t hk, const double *norms, const double *cache, int32_t rule,
                           size_t hq, int64_t *alloc)
{
    ATTN__CHECK_POINTER(norms);
    ATTN__CHECK_POINTER(cache);
    ATTN__CHECK_POINTER(alloc);
    int32_t status = check_heads("hk", hk);
    if (status == ATTN_OK)
        status = check_heads("hq", hq);
    if (status == ATTN_OK && rule != ATTN_DGQA_DIFF && rule != ATTN_DGQA_EMA)
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "rule is %" PRId32 ", expected ATTN_DGQA_DIFF or ATTN_DGQA_EMA",
                                 rule);
    if (status == ATTN_OK)
        status = check_norms("norms", hk, norms);
    if (status == ATTN_OK)
        status = check_norms("cache", hk, cache);
    if (status != ATTN_OK)
        return status;
    const struct attn__head_weights w = {norms, cache, 1, rule == ATTN_DGQA_EMA ? 0.9 : -1, 1};
    double sum = 0;
    for (size_t g = 0; g < hk; g++)
        sum += attn__head_weight(&w, (int64_t)g);
    if (!(sum > 0) || !isfinite(sum))
        return attn__error_set(ATTN_ERR_DATA,
                               "the weights made of norms and cache sum to %g, expected a finite "
                               "number above 0",
                               sum);
    attn__head_alloc(&w, (int64_t)hk, (int64_t)hq, alloc);
    return ATTN_OK;
}

int32_t attn_head_map_expand(size_t hk, const int64_t *alloc, size_t hq, int64_t *map)
{
    ATTN__CHECK_POINTER(alloc);
    ATTN__CHECK_POINTER(map);
    int32_t status = check_heads("hk", hk);
    if (status == ATTN_OK)
        status = check_heads("hq", hq);
    int64_t left = (int64_t)hq;
    for (size_t g = 0; g < hk && status == ATTN_OK; left -= alloc[g], g++)
        if (alloc[g] < 0 || alloc[g] > left)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "alloc[%zu] is %" PRId64 ", expected 0 to %" PRId64
                                   ", the query heads that are left",
                                   g, alloc[g], left);
    if (status == ATTN_OK && left > 0)
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "alloc sums to %" PRId64 ", expected hq, which is %zu",
                                 (int64_t)hq - left, hq);
    for (size_t g = 0; g < hk && status == ATTN_OK; g++)
        for (int64_t n = 0; n < alloc[g]; n++)
            *map++ = (int64_t)g;
    return status;
}

int32_t attn_pgqa_noise(const attn_tensor *uniform, size_t hk, const attn_tensor *noise)
{
    ATTN__CHECK_POINTER(uniform);
    ATTN__CHECK_POINTER(noise);
    int32_t status = attn__view_check_real("uniform", uniform, 3);
    if (status == ATTN_OK)
        status = attn__view_check_real("noise", noise, 3);
    if (status == ATTN_OK)
        status = attn__view_check_output("noise", noise);
    if (status != ATTN_OK)
        return status;
    for (int32_t n = 0; n < 3; n++)
        if (noise->shape[n] != uniform->shape[n])
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "noise has extent %" PRId64 " in dimension %" PRId32
                                   ", expected %" PRId64 " as uniform has",
                                   noise->shape[n], n, uniform->shape[n]);
    if (hk < 1 || (uint64_t)uniform->shape[0] % hk != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "hk is %zu, expected a divisor of uniform's %" PRId64 " heads", hk,
                               uniform->shape[0]);
    if (!attn__view_is_empty(uniform))
        attn__map_noise_make(uniform, uniform->shape[0] / (int64_t)hk, noise);
    return ATTN_OK;
}
