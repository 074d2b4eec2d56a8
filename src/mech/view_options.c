/* SPDX-License-Identifier: MIT */
/*
 * view: what a plan is told of the cache that it will read, and what it cannot
 * ask of keys in pages.
 */
#include "mech/view_options.h"

#include <inttypes.h>

#include <attn/attn.h>

#include "base/dtype.h"
#include "base/error.h"
#include "mech/mech.h"

bool attn__view_param(int32_t param)
{
    return param == ATTN_PARAM_CACHE_PAGE || param == ATTN_PARAM_CACHE_GROUP ||
           param == ATTN_PARAM_CACHE_K_DTYPE || param == ATTN_PARAM_CACHE_V_DTYPE ||
           param == ATTN_PARAM_CACHE_KEYS || param == ATTN_PARAM_CACHE_V_PREFIX;
}

/* What plans with a view know of; everything else is refused. */
static bool is_known(int32_t mech, int32_t param)
{
    static const int32_t known[] = {
        ATTN_PARAM_B,         ATTN_PARAM_HQ,           ATTN_PARAM_HK,
        ATTN_PARAM_HV,        ATTN_PARAM_Q,            ATTN_PARAM_K,
        ATTN_PARAM_D,         ATTN_PARAM_DV,           ATTN_PARAM_PACKED,
        ATTN_PARAM_VIEW,      ATTN_PARAM_OBSERVE,
        ATTN_PARAM_Q_HEAD,    ATTN_PARAM_K_HEAD,
        ATTN_PARAM_V_HEAD,    ATTN_PARAM_KV_HEAD,      ATTN_PARAM_CAUSAL,
        ATTN_PARAM_WINDOW_LEFT, ATTN_PARAM_WINDOW_RIGHT, ATTN_PARAM_SINK_TOKENS,
        ATTN_PARAM_MASK,      ATTN_PARAM_BIAS,
        ATTN_PARAM_LISTS,     ATTN_PARAM_LISTS_LOGITS, ATTN_PARAM_LISTS_LAYOUT,
        ATTN_PARAM_SELECT,
        ATTN_PARAM_NORMALIZER, ATTN_PARAM_NORM_POWER,  ATTN_PARAM_NORM_BIAS,
        ATTN_PARAM_NORM_COUNT, ATTN_PARAM_NORM_N,      ATTN_PARAM_NORM_GAMMA,
        ATTN_PARAM_SCALE,     ATTN_PARAM_SOFTCAP,      ATTN_PARAM_ALIBI,
        ATTN_PARAM_ALIBI_SLOPES, ATTN_PARAM_SINK_LOGITS, ATTN_PARAM_HEAD_SCALE,
        ATTN_PARAM_ROW_SCALE, ATTN_PARAM_LOGN_TRAIN,   ATTN_PARAM_SSMAX,
        ATTN_PARAM_LOGN_COUNT, ATTN_PARAM_BIAS_TABLE,  ATTN_PARAM_TABLE_ZERO,
        ATTN_PARAM_T5_BUCKETS, ATTN_PARAM_T5_MAX_DISTANCE, ATTN_PARAM_T5_BIDIRECTIONAL,
        ATTN_PARAM_QUERY_TABLE, ATTN_PARAM_QUERY_TABLE_ZERO, ATTN_PARAM_QUERY_TABLE_BIAS,
        ATTN_PARAM_Q_BIAS_CONTENT, ATTN_PARAM_Q_BIAS_TABLE, ATTN_PARAM_QK_NORM,
        ATTN_PARAM_QK_NORM_EPS, ATTN_PARAM_QK_NORM_WEIGHT, ATTN_PARAM_QK_NORM_BIAS,
        ATTN_PARAM_QK_NORM_PLUS_ONE,
        ATTN_PARAM_ROPE,      ATTN_PARAM_ROPE_DIM,     ATTN_PARAM_ROPE_BASE,
        ATTN_PARAM_ROPE_SCALING, ATTN_PARAM_ROPE_FACTOR, ATTN_PARAM_ROPE_ORIGINAL,
        ATTN_PARAM_ROPE_BETA_FAST, ATTN_PARAM_ROPE_BETA_SLOW, ATTN_PARAM_ROPE_TRUNCATE,
        ATTN_PARAM_ROPE_LOW,  ATTN_PARAM_ROPE_HIGH,    ATTN_PARAM_ROPE_APPLY,
        ATTN_PARAM_ROPE_ATTENTION, ATTN_PARAM_ROPE_MSCALE, ATTN_PARAM_ROPE_FREQS,
        ATTN_PARAM_OUT_GATE,  ATTN_PARAM_OUT_NORM,     ATTN_PARAM_OUT_NORM_EPS,
        ATTN_PARAM_OUT_NORM_WEIGHT, ATTN_PARAM_OUT_SCALE, ATTN_PARAM_HEAD_FACTOR,
        ATTN_PARAM_HEAD_MIX,  ATTN_PARAM_HEAD_GATE,
        ATTN_PARAM_DTYPE,     ATTN_PARAM_KV_DTYPE,     ATTN_PARAM_WANT,
        ATTN_PARAM_SOLVER,    ATTN_PARAM_BLAS,         ATTN_PARAM_EXECUTORS,
        ATTN_PARAM_CHECK,     ATTN_PARAM_INVARIANT,    ATTN_PARAM_COMPUTE};
    for (size_t n = 0; n < sizeof known / sizeof known[0]; n++)
        if (known[n] == param)
            return true;
    return attn__view_param(param) || attn__mech_owns(mech, param);
}

static int32_t check_known(const struct attn__params *v)
{
    int32_t param;
    for (size_t n = 0; (param = attn_param_at(n)) != 0; n++) {
        bool set = false;
        if (!is_known(v->mech, param) && attn__params_is_set(v, param, &set) == ATTN_OK && set)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "%s is set, which plans with a view do not know",
                                   attn_param_name(param));
    }
    return ATTN_OK;
}

/* Pieces that follow from the numbers of rows and keys, and lists of those. */
static int32_t check_pieces(const struct attn__problem *p)
{
    for (int32_t n = 0; n < p->n_pieces; n++) {
        int32_t kind = p->piece[n].kind;
        bool numbers = kind == ATTN_PIECE_BAND || kind == ATTN_PIECE_PREFIX ||
                       kind == ATTN_PIECE_STRIDE;
        if (kind != ATTN__PIECE_ROWS && (!numbers || p->piece[n].given))
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "plans with a view know of pieces band, stride and prefix with "
                                   "its length; there is another one");
    }
    return ATTN_OK;
}

static bool turns(const struct attn__problem *p)
{
    return p->rope.pairing != ATTN_ROPE_NONE;
}

static bool lacks_causal(const struct attn__problem *p)
{
    return p->view.own_pieces && !p->view.causal;
}

static bool wants_by_key(const struct attn__problem *p)
{
    return p->want &
           ~(ATTN_WANT_ROWMAX | ATTN_WANT_ARGMAX | ATTN_WANT_COUNTS | ATTN_WANT_ENTROPY);
}

static bool normalises_changed_keys(const struct attn__problem *p)
{
    return p->qk_norm.kind != ATTN_QK_NORM_NONE && !p->view.raw;
}

static bool turns_values(const struct attn__problem *p)
{
    return turns(p) && p->view.v_prefix;
}

static bool observes_skipped_rows(const struct attn__problem *p)
{
    return p->view.observe && (p->epilogue.head_factor || p->epilogue.head_gate);
}

static bool local_without_turns(const struct attn__problem *p)
{
    return p->view.local && (!turns(p) || !p->rope.on_q || p->rope.on_k);
}

static bool local_with_factor(const struct attn__problem *p)
{
    return p->view.local && p->rope.attention != 1;
}

static bool local_by_chunk(const struct attn__problem *p)
{
    return p->view.local && p->invariant == ATTN_INVARIANT_CHUNK;
}

/* What is refused, in the order in which it is looked for. */
static const struct {
    bool (*is)(const struct attn__problem *p);
    int32_t status;
    const char *says;
} conflicts[] = {
    {lacks_causal, ATTN_ERR_UNSUPPORTED,
     "windows, pieces or a mask function are set without causal, expected it with a view: rows are "
     "tokens that see nothing behind them"},
    {wants_by_key, ATTN_ERR_UNSUPPORTED,
     "want has outputs by key, which plans with a view do not make; expected rowmax, argmax, "
     "counts or entropy"},
    {normalises_changed_keys, ATTN_ERR_UNSUPPORTED,
     "qk_norm is set, expected cache_keys=raw with it: keys are normalised before they are turned"},
    {turns_values, ATTN_ERR_UNSUPPORTED,
     "rope is set with cache_v_prefix, expected queries that are turned already: rope begins with "
     "the first channels, which are values"},
    {observes_skipped_rows, ATTN_ERR_UNSUPPORTED,
     "observe is set with head_factor or head_gate, expected neither: rows that are not computed "
     "have no weights"},
    {local_without_turns, ATTN_ERR_INVALID,
     "cache_keys=block_local, expected rope with rope_apply=q: queries are turned for each "
     "sequence that they read"},
    /* relative positions are all that counts, and nothing but positions may turn */
    {local_with_factor, ATTN_ERR_UNSUPPORTED,
     "cache_keys=block_local, expected a rope without rope_attention or rope_mscale"},
    {local_by_chunk, ATTN_ERR_UNSUPPORTED,
     "cache_keys=block_local, expected invariant=batch: some solvers turn queries and some keys"},
};

static int32_t check_meaning(const struct attn__problem *p)
{
    for (size_t n = 0; n < sizeof conflicts / sizeof conflicts[0]; n++)
        if (conflicts[n].is(p))
            return attn__error_set(conflicts[n].status, "%s", conflicts[n].says);
    if (p->hk != p->hv)
        return attn__error_set(ATTN_ERR_INVALID,
                               "hv is %" PRId64 ", expected the %" PRId64
                               " KV heads of the cache",
                               p->hv, p->hk);
    for (int64_t h = 0; h < p->hout; h++)
        if (p->k_head[h] != p->v_head[h])
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "output head %" PRId64 " reads k_head %" PRId64
                                   " and v_head %" PRId64 ", expected the same with a view",
                                   h, p->k_head[h], p->v_head[h]);
    if (!p->view.local && turns(p) && (!p->rope.on_q || p->rope.on_k != p->view.raw))
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope_apply turns %s, expected %s with cache_keys=%s",
                               !p->rope.on_q ? "k" : p->rope.on_k ? "q and k" : "q",
                               p->view.raw ? "qk" : "q", p->view.raw ? "raw" : "rotated");
    return ATTN_OK;
}

/* Entry of a list by group: one for all, or one for each. */
static int32_t type_of(const struct attn__params *v, const struct attn__problem *p, int32_t param,
                       int64_t group, int64_t groups, int64_t *dtype)
{
    size_t n;
    const int64_t *list = attn__params_i64s(v, param, &n);
    *dtype = p->kv_dtype;
    if (list && n != 1 && (int64_t)n != groups)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has %zu entries, expected 1 or one for each of %" PRId64
                               " groups",
                               attn_param_name(param), n, groups);
    if (list)
        *dtype = list[n == 1 ? 0 : group];
    if (*dtype == ATTN_DTYPE_F32 || *dtype == ATTN_DTYPE_F16 || *dtype == ATTN_DTYPE_BF16 ||
        attn__dtype_stored((int32_t)*dtype))
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "the type of group %" PRId64 " is %s, expected one that caches store",
                           group, attn__dtype_name((int32_t)*dtype));
}

/* What the factors of products may be rounded to is a matter of keys. */
static int32_t check_compute(const struct attn__problem *p)
{
    for (int64_t h = 0; h < p->hk && p->compute == ATTN_COMPUTE_INT8; h++) {
        int64_t type = p->view.k_dtype[h];
        if (type != ATTN_DTYPE_Q8_0 && type != ATTN_DTYPE_Q4_0)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "compute=int8 with %s keys of head %" PRId64
                                   ", expected q8_0 or q4_0",
                                   attn__dtype_name((int32_t)type), h);
    }
    return ATTN_OK;
}

static int32_t fill_heads(const struct attn__params *v, struct attn__problem *p, int64_t *room)
{
    size_t n;
    const int64_t *list = attn__params_i64s(v, ATTN_PARAM_CACHE_GROUP, &n);
    int64_t groups = 1, *group = room, *k = group + p->hk, *value = k + p->hk;
    int32_t status = ATTN_OK;
    if (list && (int64_t)n != p->hk)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_group has %zu entries, expected one for each of the %" PRId64
                               " KV heads",
                               n, p->hk);
    for (int64_t h = 0; h < p->hk; h++) {
        group[h] = list ? list[h] : 0;
        groups = group[h] >= groups ? group[h] + 1 : groups;
    }
    for (int64_t h = 0; h < p->hk && status == ATTN_OK; h++) {
        status = type_of(v, p, ATTN_PARAM_CACHE_K_DTYPE, group[h], groups, &k[h]);
        if (status == ATTN_OK)
            status = type_of(v, p, ATTN_PARAM_CACHE_V_DTYPE, group[h], groups, &value[h]);
    }
    p->view.group = group;
    p->view.k_dtype = k;
    p->view.v_dtype = value;
    return status;
}

size_t attn__view_room(const struct attn__params *v, const struct attn__problem *p)
{
    return attn__params_i64_or(v, ATTN_PARAM_VIEW, 0) ? 3 * (size_t)p->hk : 0;
}

int32_t attn__view_fill(const struct attn__params *v, struct attn__problem *p, int64_t *room)
{
    const uint32_t by_distance = 1u << ATTN__STEP_ALIBI | 1u << ATTN__STEP_DISTANCE |
                                 1u << ATTN__STEP_QUERY_TABLE;
    p->view.is = attn__params_i64_or(v, ATTN_PARAM_VIEW, 0) != 0;
    if (!p->view.is)
        return ATTN_OK;
    p->view.page = attn__params_i64_or(v, ATTN_PARAM_CACHE_PAGE, 64);
    p->view.observe = attn__params_i64_or(v, ATTN_PARAM_OBSERVE, 0) != 0;
    int64_t keys = attn__params_i64_or(v, ATTN_PARAM_CACHE_KEYS, ATTN_CACHE_KEYS_ROTATED);
    p->view.raw = keys == ATTN_CACHE_KEYS_RAW;
    p->view.local = keys == ATTN_CACHE_KEYS_BLOCK_LOCAL;
    p->view.v_prefix = attn__params_i64_or(v, ATTN_PARAM_CACHE_V_PREFIX, 0) != 0;
    p->view.d = p->d;
    p->view.dv = p->dv;
    p->view.causal = attn__params_i64_or(v, ATTN_PARAM_CAUSAL, 0) != 0;
    p->view.own_pieces = p->n_pieces > p->view.causal || p->mask_fn;
    p->view.by_number = p->slopes || p->score.user || (p->score.steps & by_distance) ||
                        (p->score.logn != ATTN__LOGN_NONE && !p->score.logn_keys);
    int32_t status = check_known(v);
    if (status == ATTN_OK)
        status = check_pieces(p);
    if (status == ATTN_OK)
        status = check_meaning(p);
    if (status == ATTN_OK)
        status = fill_heads(v, p, room);
    return status == ATTN_OK ? check_compute(p) : status;
}

void attn__view_roles(struct attn__problem *p)
{
    static const enum attn__slot gone[] = {ATTN__SLOT_K,     ATTN__SLOT_V,     ATTN__SLOT_K_OFFSETS,
                                           ATTN__SLOT_K_LEN, ATTN__SLOT_K_START};
    if (!p->view.is)
        return;
    for (size_t n = 0; n < sizeof gone / sizeof gone[0]; n++)
        p->takes[gone[n]] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_VIEW] = p->takes[ATTN__SLOT_LAYER] = ATTN__TAKES_MUST;
    if (p->view.observe)
        p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_MUST;
}
