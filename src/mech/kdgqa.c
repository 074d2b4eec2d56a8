/* SPDX-License-Identifier: MIT */
/*
 * kdgqa and dgqa: grouped queries whose groups are as large as their key heads
 * matter (Beyond Uniform Query Distribution, Khan et al., 2024). Softmax
 * attention with the head map that attn/head_maps.h makes of the keys, or of
 * how much they have changed; the map is the caller's and lasts as long as the
 * plan.
 */
#include <inttypes.h>

#include <attn/attn.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/mech_list.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_Q_HEAD, ATTN__REFUSED, 0, 0}};

/* One list for keys and values, query heads of a key head side by side. */
static int32_t check_map(const struct attn__params *v)
{
    size_t n_k, n_v;
    const int64_t *k = attn__params_i64s(v, ATTN_PARAM_K_HEAD, &n_k);
    const int64_t *values = attn__params_i64s(v, ATTN_PARAM_V_HEAD, &n_v);
    const char *name = attn__mech_list_name(v->mech);
    if (!k || !values)
        return attn__error_set(ATTN_ERR_UNSET,
                               "%s needs kv_head (from attn_head_map_expand), which was not set",
                               name);
    if (n_k != n_v)
        return attn__error_set(ATTN_ERR_INVALID,
                               "k_head has %zu entries and v_head %zu, but %s has one map for both",
                               n_k, n_v, name);
    for (size_t h = 0; h < n_k; h++) {
        if (k[h] != values[h])
            return attn__error_set(ATTN_ERR_INVALID,
                                   "k_head[%zu] is %" PRId64 " and v_head[%zu] %" PRId64
                                   ", but %s has one map for both",
                                   h, k[h], h, values[h], name);
        if (h > 0 && k[h] < k[h - 1])
            return attn__error_set(ATTN_ERR_INVALID,
                                   "kv_head[%zu] is %" PRId64 " after %" PRId64
                                   ": %s cuts query heads in the order of the key heads",
                                   h, k[h], k[h - 1], name);
    }
    return ATTN_OK;
}

int32_t attn__mech_kdgqa(const struct attn__params *params, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    int32_t status = check_map(params);
    return status == ATTN_OK ? attn__preset(params, mem, settings, 1, p) : status;
}

int32_t attn__mech_dgqa(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    return attn__mech_kdgqa(params, mem, p);
}
