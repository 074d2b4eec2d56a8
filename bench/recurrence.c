/* SPDX-License-Identifier: MIT */
/*
 * Useful operations are those of chunks of 64 tokens whose squares of scores
 * count whole, whatever a solver does: 4 Dk Dv + 128 (Dk + Dv) for a token and
 * head where keys and values are added up, 6 Dk Dv + 64 (4 Dk + 3 Dv) where
 * what a key had is replaced (delta rule). Fewer tokens are one chunk.
 */
#include "recurrence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_library.h"
#include "pages.h"

enum { CHUNK = 64, FEW_TOKENS = 16 };

/* The first word of the problem string. */
static bool named(const attn_desc *desc, const char *const *list, size_t n)
{
    char *text = bench_desc_text(desc);
    bool found = false;
    if (!text)
        return false;
    text[strcspn(text, " ")] = 0;
    for (size_t i = 0; i < n; i++)
        found = found || strcmp(text, list[i]) == 0;
    free(text);
    return found;
}

#define NAMED(desc, list) named(desc, list, sizeof(list) / sizeof(list)[0])

bool bench_recurrence_is(const attn_desc *desc)
{
    static const char *const all[] = {
        "scan",     "linear_attention", "gla",       "lightning",      "hedgehog", "lightnet",
        "retnet",   "mamba2",           "deltanet",  "gated_deltanet", "kda",      "rwkv6",
        "rwkv7",    "hgrn2",            "performer", "cosformer",      "gdn2",     "comba",
        "deltaproduct", "based",
    };
    return NAMED(desc, all);
}

static bool replaces(const attn_desc *desc)
{
    static const char *const delta[] = {"deltanet", "gated_deltanet", "kda",         "rwkv7",
                                        "gdn2",     "comba",          "deltaproduct"};
    char update[24];
    if (attn_desc_get_text(desc, ATTN_PARAM_UPDATE, update, sizeof update, NULL) == ATTN_OK)
        return strcmp(update, "add") != 0;
    return NAMED(desc, delta);
}

static bool takes_state(const attn_plan *plan)
{
    int32_t role;
    for (size_t i = 0; (role = attn_plan_role_at(plan, i, NULL)) != 0; i++)
        if (role == ATTN_ROLE_STATE)
            return true;
    return false;
}

int bench_recurrence_size(attn_ctx *ctx, const attn_plan *plan, const attn_desc *desc,
                          bench_size *size)
{
    attn_state *state = NULL;
    attn_tensor s;
    if (!takes_state(plan)) {
        size->flops = NAN; /* no order of tokens: nothing says what is useful */
        return 0;
    }
    int32_t status = attn_state_create(ctx, plan, 1, &state);
    if (status == ATTN_OK)
        status = attn_state_shape(state, ATTN_STATE_PART_S, &s);
    attn_state_destroy(state);
    if (status != ATTN_OK)
        return bench_library_failed("state");
    const int64_t heads = s.shape[0] > size->hq ? s.shape[0] : size->hq;
    const double dk = (double)s.shape[1], dv = (double)s.shape[2],
                 chunk = (double)(size->k < CHUNK ? size->k : CHUNK),
                 keys = (double)size->k / (double)(size->q > 0 ? size->q : 1);
    const double token = replaces(desc) ? 6 * dk * dv * keys + chunk * (4 * dk + 3 * dv)
                                        : 4 * dk * dv + 2 * chunk * (dk + dv);
    size->flops = token * (double)size->b * (double)size->q * (double)heads;
    size->kept_bytes = 4.0 * dk * dv * (double)s.shape[0] * (double)size->b;
    size->updates = size->q <= FEW_TOKENS;
    if (size->updates)
        size->kv_bytes = 2 * size->kept_bytes;
    return 0;
}

int bench_recurrence_states(attn_ctx *ctx, const attn_plan *plan, const bench_size *size,
                            bench_data *data)
{
    if (!size->updates)
        return 0;
    bool known;
    const double cache = (double)bench_cache_bytes(&known), ram = (double)bench_ram_bytes();
    const size_t at = data->n_args;
    data->copies = 1;
    if (size->kept_bytes > cache / 2)
        while (data->copies < BENCH_MOST_COPIES &&
               size->kept_bytes * (double)data->copies < 8 * cache &&
               size->kept_bytes * (double)(data->copies + 1) < 0.25 * ram)
            data->copies++;
    if (at + 2 > BENCH_MOST_ARGS)
        return bench_failed("more than %d arguments", BENCH_MOST_ARGS);
    if (attn_state_create(ctx, plan, size->b * data->copies, &data->state) != ATTN_OK)
        return bench_library_failed("state");
    data->slot = malloc((size_t)(size->b * data->copies) * sizeof *data->slot);
    if (!data->slot)
        return bench_failed("no memory for numbers of slots");
    for (int64_t i = 0; i < size->b * data->copies; i++)
        data->slot[i] = i;
    for (int64_t c = 0; c < data->copies; c++) {
        attn_tensor_init(&data->slots[c], data->slot + c * size->b, ATTN_DTYPE_I64, 1, &size->b);
        data->args[c][at] = (attn_arg){ATTN_ROLE_STATE, 0, data->state};
        data->args[c][at + 1] = (attn_arg){ATTN_ROLE_STATE_INDEX, 0, &data->slots[c]};
    }
    data->n_args += 2;
    return 0;
}

void bench_recurrence_free(bench_data *data)
{
    attn_state_destroy(data->state);
    free(data->slot);
}
