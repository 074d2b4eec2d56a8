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
#include "problem/slopes.h"

enum { T5_MAX_DISTANCE = 128 };

/* Distances past the last bucket's first are in it as well. */
static int64_t t5_entries(const struct attn__params *v)
{
    bool t5 = attn__params_i64_or(v, ATTN_PARAM_T5_BUCKETS, 0) > 0;
    return t5 ? 4 * attn__params_i64_or(v, ATTN_PARAM_T5_MAX_DISTANCE, T5_MAX_DISTANCE) + 1 : 0;
}

size_t attn__score_options_bytes(const struct attn__params *v, int64_t hout)
{
    /* slopes, head_scale, buckets; hout is at most 65536 */
    size_t buckets = (size_t)t5_entries(v) * sizeof(int32_t);
    return (size_t)hout * 2 * sizeof(double) + (buckets + 7) / 8 * 8;
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
        room[h] = given ? given[h] : attn__slopes_alibi(h, p->hout);
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
    e->own_rows = e->head_scale || e->logn != ATTN__LOGN_NONE ||
                  attn__params_i64_or(v, ATTN_PARAM_ROW_SCALE, 0) != 0;
    return ATTN_OK;
}

static void add_step(struct attn__problem *p, enum attn__step step, bool active)
{
    p->score.steps |= (uint32_t)active << step;
}

/* The product of queries with a table. */
static int32_t query_table(const struct attn__params *v, struct attn__problem *p)
{
    static const struct {
        int32_t param;
        const char *name;
    } of_table[] = {{ATTN_PARAM_QUERY_TABLE_ZERO, "query_table_zero"},
                    {ATTN_PARAM_Q_BIAS_TABLE, "q_bias_table"},
                    {ATTN_PARAM_QUERY_TABLE_BIAS, "query_table_bias"}};
    bool table = attn__params_i64_or(v, ATTN_PARAM_QUERY_TABLE, 0) != 0, set;
    for (size_t n = 0; n < sizeof of_table / sizeof of_table[0]; n++) {
        int32_t status = attn__params_is_set(v, of_table[n].param, &set);
        if (status != ATTN_OK)
            return status;
        if (set && !table)
            return attn__error_set(ATTN_ERR_INVALID, "%s is set, but query_table is not",
                                   of_table[n].name);
    }
    if (table && attn__params_i64_or(v, ATTN_PARAM_POSITIONS, 0))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "query_table with positions, expected at most one of them");
    p->score.query_table_zero =
        attn__params_i64_or(v, ATTN_PARAM_QUERY_TABLE_ZERO, ATTN_UNBOUNDED);
    p->score.own_rows |= table || attn__params_i64_or(v, ATTN_PARAM_Q_BIAS_CONTENT, 0) != 0;
    add_step(p, ATTN__STEP_QUERY_TABLE, table);
    return ATTN_OK;
}

/*
 * The bucket of distance d >= 0 among n: one each up to n / 2, then by
 * logarithm up to max_distance. In f32 as T5 does it, so that edges agree.
 */
static int32_t t5_bucket(int64_t d, int64_t n, int64_t max_distance)
{
    int64_t exact = n / 2;
    if (d < exact)
        return (int32_t)d;
    float part = logf((float)d / (float)exact) /
                 (float)log((double)max_distance / (double)exact) * (float)(n - exact);
    return (int32_t)fmin((double)exact + floor((double)part), (double)(n - 1));
}

static int32_t t5(const struct attn__params *v, struct attn__problem *p, int32_t *room)
{
    struct attn__score_spec *e = &p->score;
    int64_t max = attn__params_i64_or(v, ATTN_PARAM_T5_MAX_DISTANCE, T5_MAX_DISTANCE);
    bool both = attn__params_i64_or(v, ATTN_PARAM_T5_BIDIRECTIONAL, 0) != 0;
    int64_t all = attn__params_i64_or(v, ATTN_PARAM_T5_BUCKETS, 0), n = both ? all / 2 : all;
    if (all == 0)
        return ATTN_OK;
    if (n < 2 || (both && all % 2 != 0))
        return attn__error_set(ATTN_ERR_INVALID,
                               "t5_buckets is %" PRId64 ", expected an even number of at least 4 "
                               "with t5_bidirectional",
                               all);
    if (max <= n / 2)
        return attn__error_set(ATTN_ERR_INVALID,
                               "t5_max_distance is %" PRId64 ", expected more than the %" PRId64
                               " distances that have a bucket of their own",
                               max, n / 2);
    while (e->t5_reach < 2 * max && t5_bucket(e->t5_reach, n, max) < n - 1)
        e->t5_reach++;
    for (int64_t d = -e->t5_reach; d <= e->t5_reach; d++)
        room[d + e->t5_reach] = both ? t5_bucket(d < 0 ? -d : d, n, max) + (int32_t)(d > 0 ? n : 0)
                                     : t5_bucket(d < 0 ? -d : 0, n, max);
    e->t5_bucket = room;
    e->t5_buckets = all;
    return ATTN_OK;
}

/* The sources of bias besides the dense one: one of them at most. */
static int32_t sources(const struct attn__params *v, struct attn__problem *p, int32_t *room)
{
    struct attn__score_spec *e = &p->score;
    bool table = attn__params_i64_or(v, ATTN_PARAM_BIAS_TABLE, 0) != 0;
    int32_t status = t5(v, p, room);
    e->table_zero = attn__params_i64_or(v, ATTN_PARAM_TABLE_ZERO, ATTN_UNBOUNDED);
    e->grid_w = attn__params_i64_or(v, ATTN_PARAM_GRID_W, 0);
    e->swin_h = attn__params_i64_or(v, ATTN_PARAM_SWIN_H, 0);
    e->swin_w = attn__params_i64_or(v, ATTN_PARAM_SWIN_W, 0);
    if (status != ATTN_OK)
        return status;
    if ((e->swin_h > 0) != (e->swin_w > 0))
        return attn__error_set(ATTN_ERR_INVALID, "swin_h and swin_w: only one of them is set");
    if (e->table_zero != ATTN_UNBOUNDED && !table)
        return attn__error_set(ATTN_ERR_INVALID, "table_zero is set, but bias_table is not");
    if (!e->t5_bucket && (attn__params_i64_or(v, ATTN_PARAM_T5_MAX_DISTANCE, 0) > 0 ||
                          attn__params_i64_or(v, ATTN_PARAM_T5_BIDIRECTIONAL, 0) != 0))
        return attn__error_set(ATTN_ERR_INVALID,
                               "t5_max_distance or t5_bidirectional is set, but t5_buckets is not");
    const struct {
        const char *name;
        bool set;
    } each[] = {{"alibi", p->slopes != NULL},
                {"bias_table", table},
                {"t5_buckets", e->t5_bucket != NULL},
                {"swin_h", e->swin_h > 0},
                {"grid_w", e->grid_w > 0}};
    const char *first = NULL;
    for (size_t n = 0; n < sizeof each / sizeof each[0]; n++) {
        if (each[n].set && first)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "%s and %s are both set, expected one of them at most (bias "
                                   "may be added to it)",
                                   first, each[n].name);
        first = each[n].set ? each[n].name : first;
    }
    add_step(p, ATTN__STEP_DISTANCE, table || e->t5_bucket);
    add_step(p, ATTN__STEP_SWIN, e->swin_h > 0);
    add_step(p, ATTN__STEP_GRID, e->grid_w > 0);
    return ATTN_OK;
}

static void takes(struct attn__problem *p, enum attn__slot slot, bool must)
{
    if (must)
        p->takes[slot] = ATTN__TAKES_MUST;
}

static void extent(struct attn__problem *p, const char *name, int64_t value)
{
    p->extent[p->n_extents++] = (struct attn__extent){name, value};
}

void attn__score_roles(struct attn__problem *p)
{
    const struct attn__score_spec *e = &p->score;
    takes(p, ATTN__SLOT_T5_WEIGHT, e->t5_bucket);
    takes(p, ATTN__SLOT_GRID_Y, e->grid_w > 0);
    takes(p, ATTN__SLOT_GRID_X, e->grid_w > 0);
    takes(p, ATTN__SLOT_SWIN_TABLE, e->swin_h > 0);
    takes(p, ATTN__SLOT_CLASS_K, e->classes > 0);
    takes(p, ATTN__SLOT_CLASS_TERMS, e->classes > 0);
    extent(p, "Classes", e->classes);
    extent(p, "Buckets", e->t5_buckets);
    extent(p, "W", e->grid_w);
    extent(p, "Window", (2 * e->swin_h - 1) * (2 * e->swin_w - 1));
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
    if (status == ATTN_OK)
        status = query_table(v, p);
    if (status == ATTN_OK)
        status = sources(v, p, (int32_t *)(void *)(heads + 2 * p->hout));
    add_step(p, ATTN__STEP_SOFTCAP, p->softcap > 0);
    bool positions = attn__params_i64_or(v, ATTN_PARAM_POSITIONS, 0) != 0;
    add_step(p, ATTN__STEP_ALIBI, p->slopes && !positions);
    add_step(p, ATTN__STEP_ALIBI_AT, p->slopes && positions);
    p->score.classes = attn__params_i64_or(v, ATTN_PARAM_CLASS_TERMS, 0);
    p->score.class_rows = attn__params_i64_or(v, ATTN_PARAM_CLASS_ROWS, ATTN_UNBOUNDED);
    add_step(p, ATTN__STEP_CLASS, p->score.classes > 0);
    if (status == ATTN_OK && p->score.class_rows != ATTN_UNBOUNDED && p->score.classes == 0)
        status = attn__error_set(ATTN_ERR_INVALID, "class_rows is set, but class_terms is not");
    add_step(p, ATTN__STEP_BIAS, p->bias);
    add_step(p, ATTN__STEP_USER, v->score_fn != NULL);
    p->score.user = v->score_fn;
    if (status == ATTN_OK && v->score_fn && p->dtype == ATTN_DTYPE_F64)
        status = attn__error_set(ATTN_ERR_UNSUPPORTED,
                                 "a score function with dtype=f64, expected another type");
    return status;
}
