/* SPDX-License-Identifier: MIT */
/*
 * routing: the Routing Transformer (Roy et al., 2020). Each centroid of a head has
 * the rows that suit it best, and those attend to each other; a query has the mean
 * of what its clusters give. All clusters are one packed batch, so that whatever
 * goes by distance goes by the ranks of rows in their cluster. What centroids
 * become in training is an output.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/select_attend.h"
#include "solvers/map_clusters.h"
#include "state/selection_object.h"

/* Places in own. */
enum { SHARED, STRIDED, EPS, DECAY };

/* Rows are normalised, which takes away any scale of theirs. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_QK_NORM, ATTN__FIXED, ATTN_QK_NORM_LAYER, 0},
    {ATTN_PARAM_QK_NORM_EPS, ATTN__FIXED, 0, 1e-6},
    {ATTN_PARAM_SCALE, ATTN__FIXED, 0, 1},
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

static struct attn__clusters_spec spec_of(const struct attn__problem *p)
{
    return (struct attn__clusters_spec){.count = p->pooled.top,
                                        .window = p->pooled.window,
                                        .shared = p->own[SHARED] > 0,
                                        .strided = p->own[STRIDED] > 0,
                                        .eps = p->own[EPS],
                                        .decay = p->own[DECAY]};
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    const struct attn__clusters_spec spec = spec_of(whole);
    struct attn__params copy;
    int64_t sequences = 0;
    bool fits = attn__mul_i64(whole->b, spec.count, &sequences);
    const struct {
        int32_t param;
        int64_t value;
    } set[] = {
        {ATTN_PARAM_PACKED, 1},        {ATTN_PARAM_B, sequences},
        {ATTN_PARAM_HQ, whole->hout},  {ATTN_PARAM_HK, whole->hout},
        {ATTN_PARAM_HV, whole->hout},  {ATTN_PARAM_Q, spec.window},
        {ATTN_PARAM_K, spec.window},   {ATTN_PARAM_ALIGN, ATTN_ALIGN_TOP_LEFT},
    };
    int32_t status = attn__preset_stage_set(v, mem, settings, SETTINGS, &copy);
    (void)n;
    if (status == ATTN_OK && !fits)
        status = attn__error_set(ATTN_ERR_OVERFLOW, "b * clusters does not fit in 64 bits");
    for (size_t i = 0; i < sizeof set / sizeof set[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, set[i].param, set[i].value);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    const struct attn__clusters_spec spec = spec_of(p);
    struct attn__scratch s = {.ok = true};
    struct attn__clusters clusters;
    attn__clusters_take(&s, p, &spec, m->threads, &clusters);
    *bytes = s.used;
    return s.ok;
}

static struct attn__clusters clusters_of(const struct attn__recipe_run *r,
                                         const struct attn__clusters_spec *spec)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__clusters clusters;
    attn__clusters_take(&s, r->call->p, spec, r->machine->threads, &clusters);
    return clusters;
}

static int32_t select(const struct attn__recipe_run *r)
{
    const struct attn__clusters_spec spec = spec_of(r->call->p);
    const struct attn__clusters clusters = clusters_of(r, &spec);
    return attn__clusters_find(r, &spec, &clusters);
}

static int32_t select_only(const struct attn__recipe_run *r)
{
    const struct attn__call *call = r->call;
    const struct attn__clusters_spec spec = spec_of(call->p);
    const struct attn__clusters clusters = clusters_of(r, &spec);
    struct attn_selection *out = attn__selection_out_of(call);
    struct attn__select_rows rows;
    int32_t status = attn__selection_groups_shape(call->p, call->n_seq,
                                                  call->t[ATTN__SLOT_Q].shape[2], &rows);
    if (status == ATTN_OK)
        status = attn__clusters_find(r, &spec, &clusters);
    if (status != ATTN_OK) {
        attn__selection_empty(out);
        return status;
    }
    attn__selection_begin_groups(out, &rows);
    return attn__clusters_write(r, &spec, &clusters, &out->lists);
}

static void run(const struct attn__recipe_run *r)
{
    static const enum attn__slot terms[] = {ATTN__SLOT_BIAS_TABLE, ATTN__SLOT_T5_WEIGHT,
                                            ATTN__SLOT_QUERY_TABLE, ATTN__SLOT_QUERY_TABLE_BIAS};
    const struct attn__clusters_spec spec = spec_of(r->call->p);
    const struct attn__clusters clusters = clusters_of(r, &spec);
    struct attn__call c; /* of clusters, not of the caller's sequences */
    attn__call_begin(&c, NULL);
    for (size_t n = 0; n < sizeof terms / sizeof terms[0]; n++)
        attn__recipe_pass(&c, terms[n], r->call, terms[n]);
    attn__clusters_gather(r, &spec, &clusters, &c);
    r->attend(r, 0, &c);
    attn__clusters_scatter(r, &spec, &clusters);
    attn__clusters_update(r, &spec, &clusters);
}

/* Every row meets every centroid. */
static void price(const struct attn__problem *p, int64_t q, int64_t k,
                  struct attn__select_price *price)
{
    const struct attn__clusters_spec spec = spec_of(p);
    double rows = (double)q + (spec.shared ? 0 : (double)k), d = (double)p->d;
    double members = (double)p->hout * (double)spec.count * (double)spec.window;
    *price = (struct attn__select_price){
        .operations = 2 * (double)p->hout * rows * d * (double)spec.count,
        .bytes = (double)p->hout * rows * d * (double)attn__dtype_size(p->kv_dtype),
        .entries = 2 * members,
        .pairs = members * (double)spec.window,
    };
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .stage = stage,
    .workspace = workspace,
    .select = select,
    .price = price,
    .run = run,
};

/* select=only. */
static const struct attn__recipe selecting = {
    .workspace = workspace, .select = select_only, .price = price};

static int32_t check_out(const struct attn__call *c)
{
    struct attn__select_rows rows;
    if (!c->p->select.only)
        return ATTN_OK;
    int32_t status =
        attn__selection_groups_shape(c->p, c->n_seq, c->t[ATTN__SLOT_Q].shape[2], &rows);
    return status == ATTN_OK ? attn__selection_check_out_groups(c, &rows) : status;
}

static int32_t check_call(const struct attn__call *c)
{
    for (int64_t n = 0; n < c->n_seq && c->p->own[SHARED] > 0; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        if (s.nq != s.nk)
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "sequence %" PRId64 " has %" PRId64
                                   " keys, expected the %" PRId64
                                   " of its queries: with routing_shared keys are in the clusters "
                                   "of queries",
                                   n, s.nk, s.nq);
    }
    return check_out(c);
}

/* Parameters that say something only beside others. */
static int32_t check_set(const struct attn__params *v, bool update)
{
    bool causal = attn__params_i64_or(v, ATTN_PARAM_CAUSAL, 0) != 0, decayed = false;
    bool shared = attn__params_i64_or(v, ATTN_PARAM_ROUTING_SHARED, 1) != 0, ranked = false;
    int32_t status = attn__params_is_set(v, ATTN_PARAM_ROUTING_DECAY, &decayed);
    if (status == ATTN_OK)
        status = attn__params_is_set(v, ATTN_PARAM_ROUTING_RANKED, &ranked);
    if (status != ATTN_OK)
        return status;
    if (decayed && !update)
        return attn__select_unread(v, ATTN_PARAM_ROUTING_DECAY);
    if (ranked && (shared || !causal))
        return attn__select_unread(v, ATTN_PARAM_ROUTING_RANKED);
    bool only = attn__params_i64_or(v, ATTN_PARAM_SELECT, 0) == ATTN_SELECT_ONLY;
    if (!shared && causal && !only && !attn__params_i64_or(v, ATTN_PARAM_ROUTING_RANKED, 0))
        return attn__error_set(ATTN_ERR_INVALID,
                               "routing_shared is 0 with causal: a query and the keys in front of "
                               "it are in no common order, expected 1, or routing_ranked");
    return ATTN_OK;
}

static int32_t check(const struct attn__params *v, const struct attn__problem *p, bool update)
{
    int32_t status = check_set(v, update);
    if (status != ATTN_OK)
        return status;
    if (p->select.only && (p->packed || update))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "%s is set with select=only, expected a batch whose clusters alone "
                               "are told",
                               p->packed ? "packed" : "routing_update");
    if (p->k == ATTN_UNBOUNDED)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "k is inf, expected a number: routing puts rows in order");
    if (p->pooled.window > attn__min_i64(p->q, p->k))
        return attn__error_set(ATTN_ERR_INVALID,
                               "routing_window is %" PRId64
                               ", expected at most the %" PRId64 " rows of q and k",
                               p->pooled.window, attn__min_i64(p->q, p->k));
    if (update && p->dtype == ATTN_DTYPE_F64)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "routing_update with dtype=f64, expected another: rows that make "
                               "centroids are f32");
    return ATTN_OK;
}

static int32_t settle(const struct attn__params *v, struct attn__problem *p)
{
    bool update = attn__params_i64_or(v, ATTN_PARAM_ROUTING_UPDATE, 0) != 0;
    p->pooled.top = attn__params_i64_or(v, ATTN_PARAM_ROUTING_CLUSTERS, 0);
    p->pooled.window = attn__params_i64_or(v, ATTN_PARAM_ROUTING_WINDOW, 0);
    p->own[SHARED] = (double)attn__params_i64_or(v, ATTN_PARAM_ROUTING_SHARED, 1);
    p->own[EPS] = attn__params_f64_or(v, ATTN_PARAM_ROUTING_EPS, 1e-2);
    p->own[DECAY] = attn__params_f64_or(v, ATTN_PARAM_ROUTING_DECAY, 0.999);
    p->own[STRIDED] = (double)attn__params_i64_or(v, ATTN_PARAM_ROUTING_STRIDED, 0);
    p->recipe = &recipe;
    p->check_call = check_call;
    p->extent[p->n_extents++] = (struct attn__extent){"Clusters", p->pooled.top};
    p->extent[p->n_extents++] = (struct attn__extent){"State", p->d + 1};
    p->takes[ATTN__SLOT_CENTROIDS] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_NOT; /* a mean has none */
    if (attn__params_i64_or(v, ATTN_PARAM_SELECT, 0) == ATTN_SELECT_ONLY) {
        p->recipe = &selecting;
        p->select.only = true;
        p->select.groups = p->pooled.top;
        p->takes[ATTN__SLOT_V] = p->takes[ATTN__SLOT_OUT] = ATTN__TAKES_NOT;
        p->takes[ATTN__SLOT_SELECTION_OUT] = ATTN__TAKES_MUST;
    }
    if (update) {
        p->takes[ATTN__SLOT_CENTROID_STATE] = ATTN__TAKES_MUST;
        p->takes[ATTN__SLOT_NEW_CENTROIDS] = ATTN__TAKES_MAY;
        p->takes[ATTN__SLOT_NEW_CENTROID_STATE] = ATTN__TAKES_MAY;
    }
    return check(v, p, update);
}

int32_t attn__mech_routing(const struct attn__params *params, const struct attn__mem *mem,
                           struct attn__problem *p)
{
    static const int32_t also[] = {
        ATTN_PARAM_CAUSAL,        ATTN_PARAM_SOFTCAP,          ATTN_PARAM_QK_NORM,
        ATTN_PARAM_QK_NORM_EPS,   ATTN_PARAM_SCALE,            ATTN_PARAM_PACKED,
        ATTN_PARAM_ALIBI,         ATTN_PARAM_ALIBI_SLOPES,     ATTN_PARAM_BIAS_TABLE,
        ATTN_PARAM_TABLE_ZERO,    ATTN_PARAM_T5_BUCKETS,       ATTN_PARAM_T5_MAX_DISTANCE,
        ATTN_PARAM_T5_BIDIRECTIONAL, ATTN_PARAM_QUERY_TABLE,   ATTN_PARAM_QUERY_TABLE_ZERO,
        ATTN_PARAM_QUERY_TABLE_BIAS, ATTN_PARAM_SELECT,
    };
    int32_t status = attn__select_need(params, ATTN_PARAM_ROUTING_CLUSTERS);
    if (status == ATTN_OK)
        status = attn__select_need(params, ATTN_PARAM_ROUTING_WINDOW);
    if (status == ATTN_OK)
        status = attn__preset_only(params, also, sizeof also / sizeof also[0]);
    if (status == ATTN_OK)
        status = attn__preset(params, mem, settings, SETTINGS, p);
    if (status != ATTN_OK)
        return status;
    status = settle(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
