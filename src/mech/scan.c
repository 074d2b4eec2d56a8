/* SPDX-License-Identifier: MIT */
/*
 * scan and the presets of it: sizes and head maps of a recurrence, which
 * parameters belong together, and the roles that follow.
 */
#include "mech/scan_presets.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "base/checked.h"
#include "base/error.h"
#include "problem/mech_list.h"
#include "state/scan_check.h"

static bool is_set(const struct attn__params *v, int32_t param)
{
    bool set = false;
    return attn__params_is_set(v, param, &set) == ATTN_OK && set;
}

static int64_t i64_or(const struct attn__params *v, int32_t param, int64_t fallback)
{
    return attn__params_i64_or(v, param, fallback);
}

static int32_t word_or(const struct attn__params *v, int32_t param)
{
    return (int32_t)attn__params_i64_or(v, param, 0);
}

/* Scores have many options that mean nothing to a recurrence. */
static int32_t check_known(const struct attn__params *v)
{
    static const int32_t known[] = {
        ATTN_PARAM_B,      ATTN_PARAM_HQ,    ATTN_PARAM_HK,           ATTN_PARAM_HV,
        ATTN_PARAM_Q,      ATTN_PARAM_K,     ATTN_PARAM_D,            ATTN_PARAM_DV,
        ATTN_PARAM_PACKED, ATTN_PARAM_SCALE, ATTN_PARAM_CAUSAL,       ATTN_PARAM_DTYPE,
        ATTN_PARAM_ALIBI,  ATTN_PARAM_BLAS,  ATTN_PARAM_ALIBI_SLOPES, ATTN_PARAM_KV_DTYPE,
        ATTN_PARAM_SOLVER, ATTN_PARAM_CHECK, ATTN_PARAM_EXECUTORS,    ATTN_PARAM_EFFORT,
        ATTN_PARAM_INVARIANT};
    int32_t param;
    for (size_t i = 0; (param = attn_param_at(i)) != 0; i++) {
        bool fine = attn__mech_param_of_scan(param) || attn__mech_owns(v->mech, param);
        for (size_t n = 0; n < sizeof known / sizeof known[0]; n++)
            fine |= param == known[n];
        if (!fine && is_set(v, param))
            return attn__error_set(ATTN_ERR_INVALID, "%s is set, but %s has no such choice",
                                   attn_param_name(param), attn__mech_list_name(v->mech));
    }
    if (v->pieces.n > 0 || v->score_fn || v->mask_fn)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has no pieces of visibility, score or mask function, but the "
                               "descriptor has one",
                               attn__mech_list_name(v->mech));
    return ATTN_OK;
}

static const char *word_of(const struct attn__params *v, int32_t param)
{
    int64_t value, now = i64_or(v, param, 0);
    const char *text;
    for (size_t n = 0; (text = attn_param_word(param, n, &value)) != NULL; n++)
        if (value == now)
            return text;
    return "?";
}

/* `param` is set, but only means something with `of`=word. */
static int32_t only_with(const struct attn__params *v, int32_t param, int32_t of, bool fits)
{
    if (fits || !is_set(v, param))
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "%s is set, but nothing reads it with %s=%s",
                           attn_param_name(param), attn_param_name(of), word_of(v, of));
}

static int32_t clash(const struct attn__params *v, int32_t a, int32_t b, const char *expected)
{
    return attn__error_set(ATTN_ERR_UNSUPPORTED, "%s=%s with %s=%s: expected %s",
                           attn_param_name(a), word_of(v, a), attn_param_name(b), word_of(v, b),
                           expected);
}

static bool has_weights(int32_t map)
{
    return map >= ATTN_FEATURE_LINEAR && map != ATTN_FEATURE_DPFP &&
           map != ATTN_FEATURE_TAYLOR2 && map != ATTN_FEATURE_COSFORMER;
}

/* Parameters that nothing would read. */
static int32_t check_read(const struct attn__params *v)
{
    int32_t update = word_or(v, ATTN_PARAM_UPDATE), gate = word_or(v, ATTN_PARAM_GATE);
    int32_t map = word_or(v, ATTN_PARAM_FEATURE_MAP);
    bool deltas = update == ATTN_UPDATE_DELTA;
    bool norm = word_or(v, ATTN_PARAM_STATE_NORM) != ATTN_STATE_NORM_NONE;
    bool biased = gate == ATTN_GATE_SOFTPLUS || gate == ATTN_GATE_SAFE ||
                  gate == ATTN_GATE_HGRN2 || gate == ATTN_GATE_MAMBA2;
    const struct {
        int32_t param, of;
        bool fits;
    } rows[] = {
        {ATTN_PARAM_ERASE_READS, ATTN_PARAM_UPDATE, update == ATTN_UPDATE_GENERAL},
        {ATTN_PARAM_DELTA_STEPS, ATTN_PARAM_UPDATE, deltas},
        {ATTN_PARAM_BONUS, ATTN_PARAM_READ, word_or(v, ATTN_PARAM_READ) == ATTN_READ_BEFORE},
        {ATTN_PARAM_STATE_NORM_EPS, ATTN_PARAM_STATE_NORM, norm},
        {ATTN_PARAM_FEATURE_DIM, ATTN_PARAM_FEATURE_MAP, has_weights(map)},
        {ATTN_PARAM_FEATURE_BIAS, ATTN_PARAM_FEATURE_MAP,
         has_weights(map) && map != ATTN_FEATURE_FAVOR && map != ATTN_FEATURE_FAVOR_HYP},
        {ATTN_PARAM_FEATURE_EPS, ATTN_PARAM_FEATURE_MAP,
         map == ATTN_FEATURE_RELU || map == ATTN_FEATURE_HEDGEHOG_SPLIT ||
             map == ATTN_FEATURE_FAVOR || map == ATTN_FEATURE_RELU_LINEAR},
        {ATTN_PARAM_FEATURE_MAX, ATTN_PARAM_FEATURE_MAP, map == ATTN_FEATURE_FAVOR},
        {ATTN_PARAM_FEATURE_KEY_MAX, ATTN_PARAM_FEATURE_MAX,
         word_or(v, ATTN_PARAM_FEATURE_MAX) == ATTN_FEATURE_MAX_ROWS},
        {ATTN_PARAM_MAX_POSITION, ATTN_PARAM_FEATURE_MAP, map == ATTN_FEATURE_COSFORMER},
        {ATTN_PARAM_GATE_DIVISOR, ATTN_PARAM_GATE, gate == ATTN_GATE_LOGSIGMOID},
        {ATTN_PARAM_GATE_MIN, ATTN_PARAM_GATE,
         gate == ATTN_GATE_LOGSIGMOID || gate == ATTN_GATE_SAFE || gate == ATTN_GATE_MAMBA2},
        {ATTN_PARAM_GATE_MAX, ATTN_PARAM_GATE, gate == ATTN_GATE_MAMBA2},
        {ATTN_PARAM_GATE_BIAS, ATTN_PARAM_GATE, biased},
        {ATTN_PARAM_ALIBI, ATTN_PARAM_DECAY, word_or(v, ATTN_PARAM_DECAY) == ATTN_DECAY_HEAD},
        {ATTN_PARAM_ALIBI_SLOPES, ATTN_PARAM_DECAY,
         word_or(v, ATTN_PARAM_DECAY) == ATTN_DECAY_HEAD},
    };
    int32_t status = ATTN_OK;
    for (size_t n = 0; n < sizeof rows / sizeof rows[0] && status == ATTN_OK; n++)
        status = only_with(v, rows[n].param, rows[n].of, rows[n].fits);
    if (status == ATTN_OK && is_set(v, ATTN_PARAM_L2NORM_EPS) && !i64_or(v, ATTN_PARAM_L2NORM, 0))
        status = attn__error_set(ATTN_ERR_INVALID, "l2norm_eps is set, but l2norm is not");
    return status;
}

/* What cannot go together. */
static int32_t check_choices(const struct attn__params *v)
{
    int32_t decay = word_or(v, ATTN_PARAM_DECAY), gate = word_or(v, ATTN_PARAM_GATE);
    int32_t update = word_or(v, ATTN_PARAM_UPDATE), map = word_or(v, ATTN_PARAM_FEATURE_MAP);
    int32_t direction = word_or(v, ATTN_PARAM_DIRECTION);
    bool before = word_or(v, ATTN_PARAM_READ) == ATTN_READ_BEFORE;
    bool norm = word_or(v, ATTN_PARAM_STATE_NORM) != ATTN_STATE_NORM_NONE;
    bool derived = gate == ATTN_GATE_HGRN2 || gate == ATTN_GATE_LIGHTNET;
    bool adds = update == ATTN_UPDATE_ADD;
    if (gate != ATTN_GATE_LOG && decay != ATTN_DECAY_TOKEN && decay != ATTN_DECAY_CHANNEL)
        return clash(v, ATTN_PARAM_GATE, ATTN_PARAM_DECAY, "decay=token or channel");
    if (derived && decay != ATTN_DECAY_CHANNEL)
        return clash(v, ATTN_PARAM_GATE, ATTN_PARAM_DECAY, "decay=channel");
    if (gate == ATTN_GATE_MAMBA2 && decay != ATTN_DECAY_TOKEN)
        return clash(v, ATTN_PARAM_GATE, ATTN_PARAM_DECAY, "decay=token");
    if ((derived || gate == ATTN_GATE_MAMBA2) && !adds)
        return clash(v, ATTN_PARAM_GATE, ATTN_PARAM_UPDATE, "update=add");
    if (derived && (map != ATTN_FEATURE_IDENTITY || i64_or(v, ATTN_PARAM_L2NORM, 0)))
        return clash(v, ATTN_PARAM_GATE, ATTN_PARAM_FEATURE_MAP,
                     "feature_map=identity and no l2norm");
    if (norm && (!adds || before))
        return clash(v, ATTN_PARAM_STATE_NORM, adds ? ATTN_PARAM_READ : ATTN_PARAM_UPDATE,
                     "update=add and read=after");
    if (norm && gate == ATTN_GATE_LIGHTNET)
        return clash(v, ATTN_PARAM_STATE_NORM, ATTN_PARAM_GATE, "state_norm=none");
    if (norm && v->mech != ATTN_MECH_SCAN &&
        (map == ATTN_FEATURE_IDENTITY || map == ATTN_FEATURE_SILU || map == ATTN_FEATURE_LINEAR ||
         map == ATTN_FEATURE_HADAMARD))
        return clash(v, ATTN_PARAM_STATE_NORM, ATTN_PARAM_FEATURE_MAP,
                     "a map that is nowhere negative");
    if (before && !adds)
        return clash(v, ATTN_PARAM_READ, ATTN_PARAM_UPDATE, "update=add");
    bool full = direction == ATTN_DIRECTION_FULL, both = direction == ATTN_DIRECTION_SYMMETRIC;
    if ((full || both) && (!adds || before))
        return clash(v, ATTN_PARAM_DIRECTION, adds ? ATTN_PARAM_READ : ATTN_PARAM_UPDATE,
                     "update=add and read=after");
    if (full && decay != ATTN_DECAY_NONE && gate != ATTN_GATE_LIGHTNET)
        return clash(v, ATTN_PARAM_DIRECTION, ATTN_PARAM_DECAY, "decay=none");
    if (both && (norm || derived))
        return clash(v, ATTN_PARAM_DIRECTION, norm ? ATTN_PARAM_STATE_NORM : ATTN_PARAM_GATE,
                     "state_norm=none and a gate that K has no part in");
    if ((full || both) && i64_or(v, ATTN_PARAM_RESET, 0))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "reset with direction=%s: expected forward or reverse",
                               word_of(v, ATTN_PARAM_DIRECTION));
    if (direction != ATTN_DIRECTION_FORWARD && is_set(v, ATTN_PARAM_DELTA_STEPS) &&
        i64_or(v, ATTN_PARAM_DELTA_STEPS, 1) > 1)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "delta_steps with direction=%s: expected forward",
                               word_of(v, ATTN_PARAM_DIRECTION));
    if (map == ATTN_FEATURE_COSFORMER && direction != ATTN_DIRECTION_FORWARD && !full)
        return clash(v, ATTN_PARAM_FEATURE_MAP, ATTN_PARAM_DIRECTION, "forward or full");
    if (!full && word_or(v, ATTN_PARAM_FEATURE_MAX) == ATTN_FEATURE_MAX_ALL)
        return clash(v, ATTN_PARAM_FEATURE_MAX, ATTN_PARAM_DIRECTION,
                     "direction=full: no key is known before its turn");
    if (full && i64_or(v, ATTN_PARAM_SKIP, 0))
        return attn__error_set(ATTN_ERR_UNSUPPORTED, "skip with direction=full: expected another");
    return ATTN_OK;
}

/* The direction, where `causal` says it. */
static int32_t settle_direction(const struct attn__scan_traits *traits, struct attn__params *v)
{
    bool causal = i64_or(v, ATTN_PARAM_CAUSAL, !traits->both) != 0;
    int32_t status = ATTN_OK;
    if (!is_set(v, ATTN_PARAM_DIRECTION))
        status = attn__params_set_i64(v, ATTN_PARAM_DIRECTION,
                                      causal || !traits->both ? ATTN_DIRECTION_FORWARD
                                                              : ATTN_DIRECTION_FULL);
    if (status == ATTN_OK && is_set(v, ATTN_PARAM_CAUSAL) &&
        causal != (word_or(v, ATTN_PARAM_DIRECTION) == ATTN_DIRECTION_FORWARD))
        status = attn__error_set(ATTN_ERR_INVALID, "causal=%d with direction=%s%s", causal,
                                 word_of(v, ATTN_PARAM_DIRECTION),
                                 traits->both ? "" : ", which the state needs");
    return status;
}

/* Keys go with queries but for direction=full. */
static int32_t settle_lengths(struct attn__params *v, int64_t *steps)
{
    int64_t q = i64_or(v, ATTN_PARAM_Q, 0), k = i64_or(v, ATTN_PARAM_K, q), all;
    bool full = word_or(v, ATTN_PARAM_DIRECTION) == ATTN_DIRECTION_FULL;
    *steps = full ? 0 : i64_or(v, ATTN_PARAM_DELTA_STEPS, 1);
    if (full && k == ATTN_UNBOUNDED)
        return ATTN_OK;
    if (!full && k != q)
        return attn__error_set(ATTN_ERR_INVALID,
                               "k is %" PRId64 " and q %" PRId64
                               ": expected the same, or k unset: each query has its key",
                               k, q);
    if (__builtin_mul_overflow(q, attn__max_i64(*steps, 1), &all))
        return attn__error_set(ATTN_ERR_OVERFLOW, "q * delta_steps does not fit in 64 bits");
    return is_set(v, ATTN_PARAM_Q) ? attn__params_set_i64(v, ATTN_PARAM_K, full ? k : all)
                                   : ATTN_OK;
}

static int32_t divides(const char *name, int64_t n, const char *of, int64_t all)
{
    if (n >= 1 && all % n == 0)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "%" PRId64 " %s do not divide %" PRId64 " %s", n, name,
                           all, of);
}

static int32_t set_map(struct attn__params *v, int32_t param, int64_t *room, int64_t hout,
                       int64_t heads)
{
    for (int64_t h = 0; h < hout; h++)
        room[h] = h / (hout / heads);
    return attn__params_set_i64s(v, param, room, (size_t)hout);
}

/* States and the heads that write and read them: groups of neighbours. */
static int32_t settle_heads(struct attn__params *v, const struct attn__mem *mem, int64_t *hs,
                            int64_t *hout)
{
    int64_t hq = i64_or(v, ATTN_PARAM_HQ, 1), hk = i64_or(v, ATTN_PARAM_HK, hq);
    int64_t hv = i64_or(v, ATTN_PARAM_HV, hk), most = attn__max_i64(hk, hv);
    if (word_or(v, ATTN_PARAM_DECAY) == ATTN_DECAY_HEAD)
        most = attn__max_i64(most, hq);
    *hs = i64_or(v, ATTN_PARAM_STATE_HEADS, most);
    *hout = attn__max_i64(hq, *hs);
    int32_t status = divides("key heads", hk, "states", *hs);
    if (status == ATTN_OK)
        status = divides("value heads", hv, "states", *hs);
    if (status == ATTN_OK)
        status = divides("query heads", hq, "output heads", *hout);
    if (status == ATTN_OK)
        status = divides("states", *hs, "output heads", *hout);
    if (status != ATTN_OK)
        return status;
    size_t bytes = (size_t)*hout * sizeof(int64_t); /* at most 65536 heads */
    int64_t *room = attn__mem_alloc(mem, bytes, 64);
    if (!room)
        return ATTN_ERR_NOMEM;
    status = set_map(v, ATTN_PARAM_Q_HEAD, room, *hout, hq);
    if (status == ATTN_OK)
        status = set_map(v, ATTN_PARAM_K_HEAD, room, *hout, hk);
    if (status == ATTN_OK)
        status = set_map(v, ATTN_PARAM_V_HEAD, room, *hout, hv);
    attn__mem_free(mem, room, bytes);
    return status;
}

/* Slopes that are given, ALiBi's, or RetNet's: -ln(1 - 2^(-5 - h)). */
static int32_t settle_slopes(struct attn__params *v, const struct attn__mem *mem,
                             const struct attn__scan_traits *traits, int64_t hout, bool *slopes)
{
    size_t n;
    const double *given = attn__params_f64s(v, ATTN_PARAM_ALIBI_SLOPES, &n);
    *slopes = given || i64_or(v, ATTN_PARAM_ALIBI, 0) || traits->retnet;
    for (size_t i = 0; given && i < n; i++)
        if (!(given[i] >= 0))
            return attn__error_set(ATTN_ERR_INVALID,
                                   "alibi_slopes[%zu] is %g, expected 0 or more: the decay is e to "
                                   "minus it",
                                   i, given[i]);
    if (!*slopes)
        return ATTN_OK;
    int32_t status = ATTN_OK;
    if (traits->retnet && !given && !i64_or(v, ATTN_PARAM_ALIBI, 0)) {
        size_t bytes = (size_t)hout * sizeof(double);
        double *room = attn__mem_alloc(mem, bytes, 64);
        if (!room)
            return ATTN_ERR_NOMEM;
        for (int64_t h = 0; h < hout; h++)
            room[h] = -log1p(-exp2(-5.0 - (double)h));
        status = attn__params_set_f64s(v, ATTN_PARAM_ALIBI_SLOPES, room, (size_t)hout);
        attn__mem_free(mem, room, bytes);
    }
    return status == ATTN_OK ? attn__params_set_i64(v, ATTN_PARAM_ALIBI, 1) : status;
}

static int32_t read_width(const struct attn__params *v, const struct attn__problem *p,
                          struct attn__scan_spec *s)
{
    int64_t f = i64_or(v, ATTN_PARAM_FEATURE_DIM, p->d);
    s->columns = has_weights(s->map) ? f * (s->map == ATTN_FEATURE_HADAMARD ? 2 : 1) : 0;
    switch (s->map) {
    case ATTN_FEATURE_LINEAR:
    case ATTN_FEATURE_RELU_LINEAR:
    case ATTN_FEATURE_HADAMARD:
    case ATTN_FEATURE_FAVOR: s->dk = f; break;
    case ATTN_FEATURE_HEDGEHOG_EXP:
    case ATTN_FEATURE_HEDGEHOG_JOINT:
    case ATTN_FEATURE_HEDGEHOG_SPLIT:
    case ATTN_FEATURE_FAVOR_HYP: s->dk = 2 * f; break;
    case ATTN_FEATURE_DPFP: s->dk = 8 * p->d; break;
    case ATTN_FEATURE_TAYLOR2: s->dk = 1 + p->d + p->d * p->d; break;
    case ATTN_FEATURE_COSFORMER: s->dk = 2 * p->d; break;
    default: s->dk = p->d;
    }
    if (s->dk > 1 << 24)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "feature_map=%s makes rows of %" PRId64 " features, expected at "
                               "most %d",
                               word_of(v, ATTN_PARAM_FEATURE_MAP), s->dk, 1 << 24);
    return ATTN_OK;
}

static int32_t read_spec(const struct attn__params *v, struct attn__problem *p, bool slopes,
                         int64_t hs, int64_t steps)
{
    struct attn__scan_spec *s = &p->scan;
    double map_eps = 0;
    *s = (struct attn__scan_spec){
        .decay = word_or(v, ATTN_PARAM_DECAY),
        .update = word_or(v, ATTN_PARAM_UPDATE),
        .gate = word_or(v, ATTN_PARAM_GATE),
        .direction = word_or(v, ATTN_PARAM_DIRECTION),
        .norm = word_or(v, ATTN_PARAM_STATE_NORM),
        .map = word_or(v, ATTN_PARAM_FEATURE_MAP),
        .map_max = word_or(v, ATTN_PARAM_FEATURE_MAX),
        .read_before = word_or(v, ATTN_PARAM_READ) == ATTN_READ_BEFORE,
        .l2norm = i64_or(v, ATTN_PARAM_L2NORM, 0) != 0,
        .slopes = slopes,
        .bonus = i64_or(v, ATTN_PARAM_BONUS, 0) != 0,
        .reset = i64_or(v, ATTN_PARAM_RESET, 0) != 0,
        .gate_bias = i64_or(v, ATTN_PARAM_GATE_BIAS, 0) != 0,
        .feature_bias = i64_or(v, ATTN_PARAM_FEATURE_BIAS, 0) != 0,
        .skip = i64_or(v, ATTN_PARAM_SKIP, 0) != 0,
        .norm_eps = attn__params_f64_or(v, ATTN_PARAM_STATE_NORM_EPS, 1e-6),
        .l2norm_eps = attn__params_f64_or(v, ATTN_PARAM_L2NORM_EPS, 1e-6),
        .map_key_max = attn__params_f64_or(v, ATTN_PARAM_FEATURE_KEY_MAX, 0),
        .gate_divisor = attn__params_f64_or(v, ATTN_PARAM_GATE_DIVISOR, 16),
        .gate_min = attn__params_f64_or(v, ATTN_PARAM_GATE_MIN, -INFINITY),
        .gate_max = attn__params_f64_or(v, ATTN_PARAM_GATE_MAX, INFINITY),
        .hs = hs,
        .readers = p->hout / hs,
        .steps = steps,
    };
    s->erase_previous = s->update == ATTN_UPDATE_RWKV7 ||
                        (s->update == ATTN_UPDATE_GENERAL &&
                         word_or(v, ATTN_PARAM_ERASE_READS) == ATTN_ERASE_PREVIOUS);
    if (s->gate == ATTN_GATE_SAFE && !is_set(v, ATTN_PARAM_GATE_MIN))
        s->gate_min = -5;
    if (s->gate == ATTN_GATE_SAFE && s->gate_min > 0)
        return attn__error_set(ATTN_ERR_INVALID, "gate_min is %g with gate=safe, expected 0 or "
                               "less",
                               s->gate_min);
    if (s->map == ATTN_FEATURE_HEDGEHOG_SPLIT)
        map_eps = 1e-12;
    if (s->map == ATTN_FEATURE_FAVOR)
        map_eps = 1e-6;
    s->map_eps = attn__params_f64_or(v, ATTN_PARAM_FEATURE_EPS, map_eps);
    s->period = i64_or(v, ATTN_PARAM_MAX_POSITION,
                       attn__max_i64(1, p->k == ATTN_UNBOUNDED ? 0 : attn__max_i64(p->q, p->k)));
    if (s->map == ATTN_FEATURE_COSFORMER && p->k == ATTN_UNBOUNDED &&
        !is_set(v, ATTN_PARAM_MAX_POSITION))
        return attn__error_set(ATTN_ERR_UNSET, "k is inf, so max_position is needed");
    for (int64_t h = 0; slopes && h < p->hout; h++)
        if (p->slopes[h] != p->slopes[h / s->readers * s->readers])
            return attn__error_set(ATTN_ERR_INVALID,
                                   "alibi_slopes[%" PRId64 "] differs from that of another head "
                                   "with the same state (state_heads is %" PRId64 ")",
                                   h, hs);
    return read_width(v, p, s);
}

static void must(struct attn__problem *p, enum attn__slot slot, bool has)
{
    if (has)
        p->takes[slot] = ATTN__TAKES_MUST;
}

static void set_roles(const struct attn__scan_traits *traits, struct attn__problem *p)
{
    static const enum attn__slot no[] = {ATTN__SLOT_LSE, ATTN__SLOT_USER, ATTN__SLOT_K_OFFSETS,
                                         ATTN__SLOT_K_LEN, ATTN__SLOT_K_START};
    static const char *const g_shape[] = {"", "Hs", "B,Hs,Nq", "B,Hs,Nq,Dk"};
    const struct attn__scan_spec *s = &p->scan;
    bool derived = s->gate == ATTN_GATE_HGRN2 || s->gate == ATTN_GATE_LIGHTNET;
    bool weights = s->columns > 0, own = s->update == ATTN_UPDATE_RWKV7;
    for (size_t n = 0; n < (s->steps > 0 ? sizeof no / sizeof no[0] : 2); n++)
        p->takes[no[n]] = ATTN__TAKES_NOT;
    must(p, ATTN__SLOT_G, s->decay != ATTN_DECAY_NONE && !derived);
    if (s->slopes || (traits->no_decay && s->decay == ATTN_DECAY_HEAD))
        p->takes[ATTN__SLOT_G] = ATTN__TAKES_MAY;
    p->shape[ATTN__SLOT_G] = g_shape[s->decay];
    must(p, ATTN__SLOT_GATE_A, s->gate == ATTN_GATE_SOFTPLUS || s->gate == ATTN_GATE_SAFE ||
                                   s->gate == ATTN_GATE_MAMBA2);
    p->shape[ATTN__SLOT_GATE_BIAS] = s->decay == ATTN_DECAY_CHANNEL ? "Hs,Dk" : "Hs";
    must(p, ATTN__SLOT_BETA, s->update == ATTN_UPDATE_DELTA || s->update == ATTN_UPDATE_COMBA);
    must(p, ATTN__SLOT_WRITE, s->update == ATTN_UPDATE_GENERAL || own);
    must(p, ATTN__SLOT_ERASE, s->update >= ATTN_UPDATE_WRITER && !own);
    must(p, ATTN__SLOT_VALUE_GATE, s->update == ATTN_UPDATE_GDN2);
    must(p, ATTN__SLOT_K_SCALE, own);
    must(p, ATTN__SLOT_K_MIX, own);
    must(p, ATTN__SLOT_FEATURE_WQ, weights);
    must(p, ATTN__SLOT_FEATURE_WK, weights);
    if (s->direction == ATTN_DIRECTION_FORWARD || s->direction == ATTN_DIRECTION_REVERSE)
        p->takes[ATTN__SLOT_STATE] = p->takes[ATTN__SLOT_STATE_INDEX] = ATTN__TAKES_MAY;
    p->extent[p->n_extents++] = (struct attn__extent){"Hs", s->hs};
    p->extent[p->n_extents++] = (struct attn__extent){"Dk", s->dk};
    p->extent[p->n_extents++] = (struct attn__extent){"Fw", s->columns};
}

/* WRITE and ERASE are multiplied with keys as they are behind the map. */
static int32_t check_width(const struct attn__params *v, const struct attn__problem *p)
{
    if (p->scan.dk == p->d || p->scan.update < ATTN_UPDATE_WRITER)
        return ATTN_OK;
    return clash(v, ATTN_PARAM_FEATURE_MAP, ATTN_PARAM_UPDATE, "a map that keeps the width");
}

static int32_t settle(const struct attn__params *user, const struct attn__mem *mem,
                      const struct attn__scan_traits *traits, struct attn__params *v,
                      struct attn__problem *p)
{
    int64_t hs = 1, hout = 1, steps = 1;
    bool slopes = false;
    int32_t status = settle_direction(traits, v);
    if (status == ATTN_OK)
        status = check_choices(v);
    if (status == ATTN_OK)
        status = check_read(v);
    if (status == ATTN_OK)
        status = settle_lengths(v, &steps);
    if (status == ATTN_OK)
        status = settle_heads(v, mem, &hs, &hout);
    if (status == ATTN_OK)
        status = settle_slopes(v, mem, traits, hout, &slopes);
    attn__params_unset(v, ATTN_PARAM_CAUSAL); /* nothing is masked */
    if (status == ATTN_OK)
        status = attn__mech_attend(v, user, mem, p);
    if (status != ATTN_OK)
        return status;
    p->verb = ATTN__VERB_SCAN;
    p->check_call = attn__scan_check_call;
    status = read_spec(v, p, slopes, hs, steps);
    if (status == ATTN_OK)
        status = check_width(v, p);
    if (status == ATTN_OK)
        set_roles(traits, p);
    else
        attn__problem_free(p, mem);
    return status;
}

int32_t attn__scan_problem(const struct attn__params *user, const struct attn__mem *mem,
                           const struct attn__setting *settings, size_t n,
                           const struct attn__scan_traits *traits, struct attn__problem *p)
{
    struct attn__params copy;
    attn__params_init(&copy, mem, user->mech);
    int32_t status = check_known(user);
    if (status != ATTN_OK)
        return status;
    status = attn__preset_copy(user, mem, settings, n, &copy);
    if (status == ATTN_OK)
        status = settle(user, mem, traits, &copy, p);
    attn__params_destroy(&copy);
    return status;
}
