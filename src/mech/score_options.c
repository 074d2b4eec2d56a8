/* SPDX-License-Identifier: MIT */
/*
 * The parameters of what happens to scores before the normaliser: factors of
 * heads and rows, softcap, ALiBi and the further terms; what they mean
 * together, and the steps that follow from them.
 */
#include "mech/score_options.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

size_t attn__score_options_bytes(int64_t hout)
{
    /* slopes and head_scale; hout is at most 65536 */
    return (size_t)hout * 2 * sizeof(double);
}

/* A list with one entry per output head. */
static int32_t per_head(const struct attn__params *v, const struct attn__problem *p, int32_t param,
                        const char *name, const double **given)
{
    size_t n;
    *given = attn__params_f64s(v, param, &n);
    if (*given && (int64_t)n != p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has %zu entries, expected one for each of the %" PRId64
                               " output heads",
                               name, n, p->hout);
    return ATTN_OK;
}

/*
 * The slopes of Press et al.: for a power of two n they are 2^(-8 (h+1) / n);
 * else those of the power of two below, then every second one of twice that.
 */
static double standard_slope(int64_t h, int64_t heads)
{
    int64_t n = 1;
    while (n * 2 <= heads)
        n *= 2;
    if (h < n)
        return exp2(-8.0 * (double)(h + 1) / (double)n);
    return exp2(-4.0 * (double)(2 * (h - n) + 1) / (double)n);
}

static int32_t slopes(const struct attn__params *v, struct attn__problem *p, double *room)
{
    const double *given;
    int32_t status = per_head(v, p, ATTN_PARAM_ALIBI_SLOPES, "alibi_slopes", &given);
    if (!attn__params_i64_or(v, ATTN_PARAM_ALIBI, 0)) {
        if (given)
            return attn__error_set(ATTN_ERR_INVALID, "alibi_slopes is set, but alibi is not");
        return ATTN_OK;
    }
    for (int64_t h = 0; status == ATTN_OK && h < p->hout; h++)
        room[h] = given ? given[h] : standard_slope(h, p->hout);
    p->slopes = room;
    return status;
}

/* The factor of a row: head_scale, and ln n_i in one of two ways. */
static int32_t factors(const struct attn__params *v, struct attn__problem *p, double *room)
{
    struct attn__score_spec *e = &p->score;
    const double *given;
    double train = attn__params_f64_or(v, ATTN_PARAM_LOGN_TRAIN, 0);
    bool ssmax = attn__params_i64_or(v, ATTN_PARAM_SSMAX, 0) != 0, counted;
    int32_t status = per_head(v, p, ATTN_PARAM_HEAD_SCALE, "head_scale", &given);
    if (status == ATTN_OK)
        status = attn__params_is_set(v, ATTN_PARAM_LOGN_COUNT, &counted);
    if (status != ATTN_OK)
        return status;
    if (train > 0 && ssmax)
        return attn__error_set(ATTN_ERR_INVALID,
                               "logn_train and ssmax are both set, expected one of them at most");
    if (counted && train == 0 && !ssmax)
        return attn__error_set(ATTN_ERR_INVALID,
                               "logn_count is set, but neither logn_train nor ssmax is");
    e->logn = ssmax ? ATTN__LOGN_SSMAX : train > 0 ? ATTN__LOGN_TRAIN : ATTN__LOGN_NONE;
    e->log_train = train > 0 ? log(train) : 0;
    e->logn_keys = attn__params_i64_or(v, ATTN_PARAM_LOGN_COUNT, ATTN_LOGN_COUNT_POSITION) ==
                   ATTN_LOGN_COUNT_KEYS;
    if (given)
        e->head_scale = memcpy(room, given, (size_t)p->hout * sizeof *room);
    e->row_factor = e->head_scale || e->logn != ATTN__LOGN_NONE;
    return ATTN_OK;
}

static void add_step(struct attn__problem *p, enum attn__step step, bool active)
{
    p->score.steps |= (uint32_t)active << step;
}

int32_t attn__score_options(const struct attn__params *v, struct attn__problem *p, void *room)
{
    double *heads = room;
    p->scale = attn__params_f64_or(v, ATTN_PARAM_SCALE, 1 / sqrt((double)p->d));
    p->softcap = attn__params_f64_or(v, ATTN_PARAM_SOFTCAP, 0);
    p->bias = attn__params_i64_or(v, ATTN_PARAM_BIAS, 0) != 0;
    int32_t status = slopes(v, p, heads);
    if (status == ATTN_OK)
        status = factors(v, p, heads + p->hout);
    add_step(p, ATTN__STEP_SOFTCAP, p->softcap > 0);
    add_step(p, ATTN__STEP_ALIBI, p->slopes != NULL);
    add_step(p, ATTN__STEP_BIAS, p->bias);
    return status;
}
