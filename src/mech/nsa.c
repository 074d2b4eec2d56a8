/* SPDX-License-Identifier: MIT */
/*
 * nsa: native sparse attention (Yuan et al., 2025). Three parts weighted by the
 * caller's gates: attention to compressed keys, each of a run of keys;
 * attention to the blocks that those weights say are important, the same ones
 * for all query heads of a key head; and attention to the latest keys.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/select_attend.h"
#include "solvers/map_windows.h"
#include "solvers/scratch.h"

/* Stages and parts. */
enum { COMPRESSED, SELECTED, LATEST, PARTS };
/* Places in own. */
enum { LOCAL, GIVEN };

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

struct arrays {
    void *k, *v;         /* compressed, where the plan makes them */
    int64_t *pos_q;      /* [B][q] */
    int64_t *pos_k;      /* [compressed] */
    void *part[PARTS];   /* [B][Hout][q][Dv] */
    size_t selector;     /* where the selector's workspace begins */
};

static bool is_given(const struct attn__problem *p)
{
    return p->own[GIVEN] > 0;
}

/* Runs of keys that are whole. */
static int64_t runs_of(const struct attn__problem *p, int64_t keys)
{
    int64_t width = p->pooled.window;
    return keys < width ? 0 : (keys - width) / p->pooled.stride + 1;
}

/* What attending needs besides the compressed keys. */
static void carve_parts(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t n = runs_of(p, p->k), v = 0, rows = 0, out = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->q, &rows) && attn__mul_i64(rows, p->hout, &out) &&
            attn__mul_i64(out, p->dv, &out);
    if (!is_given(p))
        s->ok = s->ok && attn__mul_i64(p->b, n, &v) && attn__mul_i64(v, p->hv, &v) &&
                attn__mul_i64(v, p->dv, &v);
    a->v = attn__scratch_take(s, v, size);
    a->pos_q = ATTN__TAKE(s, rows, int64_t);
    a->pos_k = ATTN__TAKE(s, n, int64_t);
    for (int n_part = 0; n_part < PARTS; n_part++)
        a->part[n_part] = attn__scratch_take(s, out, size);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    int64_t k = 0;
    if (!is_given(p))
        s->ok = s->ok && attn__mul_i64(p->b, runs_of(p, p->k), &k) &&
                attn__mul_i64(k, p->hk, &k) && attn__mul_i64(k, p->d, &k);
    *a = (struct arrays){
        .k = attn__scratch_take(s, k, attn__dtype_size(attn__problem_row_dtype(p)))};
    if (!p->select.only)
        carve_parts(s, p, a);
    a->selector = s->used;
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    size_t selector = 0;
    carve(&s, p, &a);
    bool fits = attn__select_attend_workspace(p, m, &selector);
    return attn__add_size(s.used, selector, bytes) && s.ok && fits;
}

static int32_t set_all(struct attn__params *v, const struct attn__problem *whole, int32_t n)
{
    const struct {
        int32_t stage, param;
        int64_t value;
    } values[] = {
        {COMPRESSED, ATTN_PARAM_POSITIONS, 1},
        {COMPRESSED, ATTN_PARAM_K, runs_of(whole, whole->k)},
        {COMPRESSED, ATTN_PARAM_KV_DTYPE,
         is_given(whole) ? whole->kv_dtype : attn__problem_row_dtype(whole)},
        {SELECTED, ATTN_PARAM_LISTS, ATTN_LISTS_AND},
        {LATEST, ATTN_PARAM_WINDOW_LEFT, (int64_t)whole->own[LOCAL] - 1},
    };
    int32_t status = attn__params_set_i64(v, ATTN_PARAM_HEAD_GATE, 1);
    for (size_t i = 0; i < sizeof values / sizeof values[0] && status == ATTN_OK; i++)
        if (values[i].stage == n)
            status = attn__params_set_i64(v, values[i].param, values[i].value);
    return status;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage_set(v, mem, settings, 1, &copy);
    if (status == ATTN_OK)
        status = set_all(&copy, whole, n);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* The compressed keys or values of a call: the caller's, or made here. */
static attn_tensor compressed(const struct attn__recipe_run *r, enum attn__slot given, void *made,
                              int64_t heads, int64_t width)
{
    const struct attn__call *c = r->call;
    if (is_given(c->p))
        return c->t[given];
    return attn__recipe_view(made, attn__problem_row_dtype(c->p), c->n_seq, heads,
                             runs_of(c->p, c->t[ATTN__SLOT_K].shape[2]), width);
}

/* Means of runs of rows, where the caller gives none. */
static void compress(const struct attn__recipe_run *r, enum attn__slot of, const attn_tensor *to)
{
    const struct attn__problem *p = r->call->p;
    if (!is_given(p))
        attn__map_windows(r->threads, &r->call->t[of], p->pooled.window, p->pooled.stride, to);
}

/* A run of the recipe with the workspace that the selector has. */
static struct attn__recipe_run of_selector(const struct attn__recipe_run *r,
                                           const struct arrays *a, const struct attn__call *c)
{
    struct attn__recipe_run own = *r;
    own.ws = r->ws + a->selector;
    own.call = c;
    return own;
}

static int32_t select(const struct attn__recipe_run *r)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__call c = *r->call;
    struct arrays a;
    carve(&s, c.p, &a);
    const attn_tensor k = compressed(r, ATTN__SLOT_K2, a.k, c.p->hk, c.p->d);
    compress(r, ATTN__SLOT_K, &k);
    attn__recipe_give(&c, ATTN__SLOT_SELECT_K, &k);
    struct attn__recipe_run own = of_selector(r, &a, &c);
    return attn__select_attend_select(&own);
}

/* A compressed key stands where its last key does. */
static void give_positions(const struct attn__recipe_run *r, const struct arrays *a, int64_t n,
                           struct attn__call *c)
{
    const struct attn__pooled_spec *spec = &r->call->p->pooled;
    int64_t b = r->call->n_seq, nq = r->call->t[ATTN__SLOT_Q].shape[2];
    for (int64_t i = 0; i < b; i++) {
        struct attn__seq s = attn__call_seq(r->call, i);
        for (int64_t e = 0; e < nq; e++)
            a->pos_q[i * nq + e] = e + s.off;
    }
    for (int64_t j = 0; j < n; j++)
        a->pos_k[j] = j * spec->stride + spec->window - 1;
    const attn_tensor q = {.data = a->pos_q, .dtype = ATTN_DTYPE_I64, .rank = 2,
                           .shape = {b, nq}, .stride = {nq, 1}};
    const attn_tensor k = {.data = a->pos_k, .dtype = ATTN_DTYPE_I64, .rank = 2,
                           .shape = {1, n}, .stride = {n, 1}};
    attn__recipe_give(c, ATTN__SLOT_POS_Q, &q);
    attn__recipe_give(c, ATTN__SLOT_POS_K, &k);
}

static attn_tensor gate_of(const struct attn__call *c, int32_t part)
{
    attn_tensor g = c->t[ATTN__SLOT_GATE];
    g.data = (char *)g.data + part * g.stride[3] * (int64_t)attn__dtype_size(g.dtype);
    g.rank = 3;
    return g;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *q = &r->call->t[ATTN__SLOT_Q];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    attn_tensor out[PARTS];
    size_t parts = 0;
    carve(&s, p, &a);
    const attn_tensor k = compressed(r, ATTN__SLOT_K2, a.k, p->hk, p->d);
    const attn_tensor v = compressed(r, ATTN__SLOT_V2, a.v, p->hv, p->dv);
    compress(r, ATTN__SLOT_V, &v);
    struct attn__recipe_run own = of_selector(r, &a, r->call);
    for (int32_t n = 0; n < PARTS; n++) {
        struct attn__call c = attn__recipe_call(r);
        attn_tensor gate = gate_of(r->call, n);
        if (n == LATEST && p->own[LOCAL] <= 0)
            continue;
        out[parts] = attn__recipe_view(a.part[n], attn__problem_row_dtype(p), q->shape[0], p->hout,
                                       q->shape[2], p->dv);
        attn__recipe_pass_inputs(&c, r->call);
        attn__recipe_give(&c, ATTN__SLOT_GATE, &gate);
        attn__recipe_give(&c, ATTN__SLOT_OUT, &out[parts++]);
        if (n == COMPRESSED) {
            attn__recipe_give(&c, ATTN__SLOT_K, &k);
            attn__recipe_give(&c, ATTN__SLOT_V, &v);
            c.has[ATTN__SLOT_K_LEN] = false; /* longer ones stand behind all queries */
            give_positions(r, &a, k.shape[2], &c);
        } else if (n == SELECTED) {
            c.object[ATTN__SLOT_SELECTION] = attn__select_attend_lists(&own);
            c.has[ATTN__SLOT_SELECTION] = true;
        }
        r->attend(r, n, &c);
    }
    attn__map_sum(r->threads, out, parts, &r->call->t[ATTN__SLOT_OUT]);
}

static const struct attn__recipe recipe = {
    .n_stages = PARTS,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .select = select,
    .price = attn__select_attend_price,
    .run = run,
};

/* select=only: the choice of the selected part. */
static const struct attn__recipe selecting = {
    .by_sequence = true, .workspace = workspace, .select = select};

/* Padding rows as well. */
static int32_t check_gates(const attn_tensor *t)
{
    for (int64_t b = 0; b < t->shape[0]; b++)
        for (int64_t h = 0; h < t->shape[1]; h++)
            for (int64_t i = 0; i < t->shape[2]; i++)
                for (int64_t n = 0; n < PARTS; n++) {
                    int64_t at = b * t->stride[0] + h * t->stride[1] + i * t->stride[2];
                    double g = attn__load_f64(t->data, at + n * t->stride[3], t->dtype);
                    if (!isfinite(g))
                        return attn__error_set(ATTN_ERR_DATA,
                                               "gate has %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                                               ",%" PRId64 "], expected a finite number",
                                               g, b, h, i, n);
                }
    return ATTN_OK;
}

static int32_t check_call(const struct attn__call *c)
{
    int64_t keys = c->t[ATTN__SLOT_K].shape[2], want = runs_of(c->p, keys);
    if (is_given(c->p) && c->t[ATTN__SLOT_K2].shape[2] != want)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "k2 has %" PRId64 " compressed keys, expected the %" PRId64
                               " whole runs of %" PRId64 " keys",
                               c->t[ATTN__SLOT_K2].shape[2], want, keys);
    if (c->p->select.only)
        return attn__select_attend_check_out(c);
    if (c->p->check >= ATTN_CHECK_INDICES)
        return check_gates(&c->t[ATTN__SLOT_GATE]);
    return ATTN_OK;
}

static int32_t check(const struct attn__problem *p)
{
    const struct attn__pooled_spec *s = &p->pooled;
    const char *name = s->window % s->stride != 0 ? "nsa_compress" : "nsa_block";
    int64_t found = s->window % s->stride != 0 ? s->window : s->k_block;
    if (found % s->stride != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s is %" PRId64
                               ", expected a multiple of nsa_stride, which is %" PRId64,
                               name, found, s->stride);
    if (s->first + s->last > s->top)
        return attn__error_set(ATTN_ERR_INVALID,
                               "nsa_top is %" PRId64
                               ", expected at least the %" PRId64 " of nsa_first and nsa_last",
                               s->top, s->first + s->last);
    if (p->packed && is_given(p))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "packed and nsa_given are set, expected one of them: runs of "
                               "keys have no offsets of their own");
    if (p->hq % p->hk != 0 || p->hout != p->hq || p->hv != p->hk)
        return attn__error_set(ATTN_ERR_INVALID,
                               "h=%" PRId64 "/%" PRId64 "/%" PRId64
                               ": expected query heads in equal groups of a key and value head",
                               p->hq, p->hk, p->hv);
    return ATTN_OK;
}

static int32_t settle(const struct attn__params *v, struct attn__problem *p)
{
    struct attn__pooled_spec *s = &p->pooled;
    p->own[LOCAL] = (double)attn__params_i64_or(v, ATTN_PARAM_NSA_LOCAL, 512);
    p->own[GIVEN] = (double)attn__params_i64_or(v, ATTN_PARAM_NSA_GIVEN, 0);
    s->rep = ATTN__REP_WINDOWS;
    s->score = ATTN__SCORE_PROB;
    s->open = ATTN__OPEN_STARTS;
    s->scale = p->scale;
    s->head_group = p->hk > 0 && p->hout % p->hk == 0 ? p->hout / p->hk : 1;
    s->reduce = s->head_group > 1 ? ATTN__REDUCE_SUM : ATTN__REDUCE_NONE;
    s->window = attn__params_i64_or(v, ATTN_PARAM_NSA_COMPRESS, 32);
    s->stride = attn__params_i64_or(v, ATTN_PARAM_NSA_STRIDE, 16);
    s->k_block = attn__params_i64_or(v, ATTN_PARAM_NSA_BLOCK, 64);
    s->top = attn__params_i64_or(v, ATTN_PARAM_NSA_TOP, 16);
    s->first = attn__params_i64_or(v, ATTN_PARAM_NSA_FIRST, 1);
    s->last = attn__params_i64_or(v, ATTN_PARAM_NSA_LAST, 2);
    p->check_call = check_call;
    p->takes[ATTN__SLOT_K_START] = ATTN__TAKES_NOT;
    if (is_given(p))
        p->takes[ATTN__SLOT_K2] = ATTN__TAKES_MUST;
    if (p->select.only) {
        p->recipe = &selecting;
        return check(p);
    }
    p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_GATE] = ATTN__TAKES_MUST;
    p->shape[ATTN__SLOT_GATE] = "B,Hout,Nq,3";
    if (is_given(p))
        p->takes[ATTN__SLOT_V2] = ATTN__TAKES_MUST;
    return check(p);
}

int32_t attn__mech_nsa(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    bool wanted = attn__params_i64_or(params, ATTN_PARAM_WANT, 0) & ~(int64_t)ATTN_WANT_COUNTS;
    if (wanted)
        return attn__error_set(ATTN_ERR_INVALID,
                               "want is set, but nsa is the sum of three attentions: expected "
                               "counts at most");
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    status = settle(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
