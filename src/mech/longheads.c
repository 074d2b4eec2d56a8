/* SPDX-License-Identifier: MIT */
/*
 * longheads: LongHeads (Lu et al., 2024). A query attends to the first chunk of
 * keys, to its own and the one in front of it, and to those whose chunk key has
 * the largest products with the query without positions. Chunk keys are the
 * caller's or made here: attention inside of each chunk, whose mean result is the
 * query of a second one, of the chunk's keys as keys and as values. Chosen keys can
 * have new positions in the order that they are attended to.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "mech/compact_attend.h"
#include "mech/one_attend.h"
#include "mech/select_attend.h"
#include "solvers/map_gemm.h"
#include "solvers/map_windows.h"
#include "solvers/scratch.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

static int32_t compact_stage(const struct attn__params *v, const struct attn__problem *whole,
                             int32_t n, const struct attn__mem *mem, struct attn__problem *p)
{
    (void)n;
    return attn__compact_stage(v, mem, settings, 1, whole, p);
}

static const struct attn__recipe compact = ATTN__COMPACT_RECIPE(compact_stage);

/* Stages where chunk keys are made; with select=only the last one is not there. */
enum { INSIDE, KEYS, ALONG, STAGES };

/* Rows of chunks that are attended to together: enough for all threads. */
enum { ROWS_AT_ONCE = 8192 };

struct arrays {
    void *out;       /* [chunks at once][Hout][chunk][D] */
    void *mean;      /* [chunks at once][Hout][1][D] */
    void *keys;      /* [B][Hout][chunks][D] */
    size_t selector; /* where the selector's workspace begins */
};

static int64_t at_once(const struct attn__problem *p)
{
    int64_t l = p->pooled.k_block;
    return attn__max_i64(attn__min_i64(p->k, ROWS_AT_ONCE) / l, 1);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t mean = 0, out = 0, keys = 0;
    s->ok = s->ok && attn__mul_i64(at_once(p), p->hout, &mean) &&
            attn__mul_i64(mean, p->d, &mean) &&
            attn__mul_i64(mean, attn__min_i64(p->pooled.k_block, p->k), &out) &&
            attn__mul_i64(p->b, p->hout, &keys) && attn__mul_i64(keys, p->d, &keys) &&
            attn__mul_i64(keys, p->k / p->pooled.k_block, &keys);
    a->out = attn__scratch_take(s, out, size);
    a->mean = attn__scratch_take(s, mean, size);
    a->keys = attn__scratch_take(s, keys, size);
    a->selector = s->used;
}

static bool made_workspace(const struct attn__problem *p, const struct attn__machine *m,
                           size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    size_t selector = 0;
    carve(&s, p, &a);
    bool fits = attn__select_attend_workspace(p, m, &selector);
    return attn__add_size(s.used, selector, bytes) && s.ok && fits;
}

/* Chunks as a batch, which is how the two attentions inside of them see them. */
static int32_t chunk_stage(const struct attn__params *v, const struct attn__problem *whole,
                           int32_t n, const struct attn__mem *mem, struct attn__problem *p)
{
    static const int32_t no[] = {ATTN_PARAM_CAUSAL, ATTN_PARAM_ALIGN, ATTN_PARAM_SOFTCAP};
    const struct {
        int32_t stages, param;
        int64_t value;
    } set[] = {
        {1 << INSIDE | 1 << KEYS, ATTN_PARAM_B, at_once(whole)},
        {1 << INSIDE, ATTN_PARAM_Q, whole->pooled.k_block},
        {1 << INSIDE | 1 << KEYS, ATTN_PARAM_K, whole->pooled.k_block},
        {1 << KEYS, ATTN_PARAM_Q, 1},
        {1 << KEYS, ATTN_PARAM_HV, whole->hk}, /* keys are values as well */
        {1 << KEYS, ATTN_PARAM_DTYPE, attn__problem_row_dtype(whole)},
        {1 << KEYS, ATTN_PARAM_KV_DTYPE, whole->kv_dtype},
    };
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    if (status == ATTN_OK)
        status = attn__compact_unset(&copy);
    for (size_t i = 0; i < sizeof no / sizeof no[0] && status == ATTN_OK; i++)
        status = attn__params_unset(&copy, no[i]);
    for (size_t i = 0; i < sizeof set / sizeof set[0] && status == ATTN_OK; i++)
        if (set[i].stages >> n & 1)
            status = attn__params_set_i64(&copy, set[i].param, set[i].value);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static int32_t made_stage(const struct attn__params *v, const struct attn__problem *whole,
                          int32_t n, const struct attn__mem *mem, struct attn__problem *p)
{
    return n == ALONG ? attn__select_attend_stage(v, mem, settings, 1, whole, p)
                      : chunk_stage(v, whole, n, mem, p);
}

static void attend(const struct attn__recipe_run *r, int32_t stage, const attn_tensor *q,
                   const attn_tensor *k, const attn_tensor *v, const attn_tensor *out)
{
    struct attn__call c;
    attn__call_begin(&c, NULL);
    c.n_seq = q->shape[0];
    attn__recipe_give(&c, ATTN__SLOT_Q, q);
    attn__recipe_give(&c, ATTN__SLOT_K, k);
    attn__recipe_give(&c, ATTN__SLOT_V, v);
    attn__recipe_give(&c, ATTN__SLOT_OUT, out);
    r->attend(r, stage, &c);
}

static const attn_tensor *local(const struct attn__call *c, enum attn__slot slot,
                                enum attn__slot otherwise)
{
    return &c->t[c->has[slot] ? slot : otherwise];
}

/* The chunk keys of a sequence, those of its whole chunks; others are 0. */
static void make_keys(const struct attn__recipe_run *r, int64_t b, const struct arrays *a,
                      const attn_tensor *keys)
{
    const struct attn__call *c = r->call;
    const struct attn__problem *p = c->p;
    const attn_tensor *q = local(c, ATTN__SLOT_LOCAL_Q, ATTN__SLOT_Q);
    const attn_tensor *k = local(c, ATTN__SLOT_LOCAL_K, ATTN__SLOT_K);
    int32_t type = attn__problem_row_dtype(p);
    int64_t l = p->pooled.k_block, whole = attn__call_seq(c, b).nk / l, n;
    size_t bytes = (size_t)keys->stride[0] * attn__dtype_size(type);
    if (keys->shape[2] > whole)
        memset((char *)keys->data + (size_t)b * bytes, 0, bytes);
    for (int64_t g = 0; g < whole; g += n) {
        n = attn__min_i64(at_once(p), whole - g);
        const attn_tensor qs = attn__recipe_blocks(q, b, g * l, l, n);
        const attn_tensor ks = attn__recipe_blocks(k, b, g * l, l, n);
        const attn_tensor vs = attn__recipe_blocks(&c->t[ATTN__SLOT_V], b, g * l, l, n);
        const attn_tensor out = attn__recipe_view(a->out, type, n, p->hout, l, p->d);
        const attn_tensor mean = attn__recipe_view(a->mean, type, n, p->hout, 1, p->d);
        const attn_tensor to = attn__recipe_blocks(keys, b, g, 1, n);
        attend(r, INSIDE, &qs, &ks, &vs, &out);
        attn__map_windows(r->threads, &out, l, l, &mean);
        attend(r, KEYS, &mean, &ks, &ks, &to);
    }
}

static int32_t made_select(const struct attn__recipe_run *r)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__call c = *r->call;
    struct attn__recipe_run own = *r;
    struct arrays a;
    carve(&s, c.p, &a);
    int64_t chunks = c.t[ATTN__SLOT_K].shape[2] / c.p->pooled.k_block;
    const attn_tensor keys = attn__recipe_view(a.keys, attn__problem_row_dtype(c.p), c.n_seq,
                                               c.p->hout, chunks, c.p->d);
    for (int64_t b = 0; b < c.n_seq; b++)
        make_keys(r, b, &a, &keys);
    attn__recipe_give(&c, ATTN__SLOT_SELECT_K, &keys);
    own.ws = r->ws + a.selector;
    own.call = &c;
    int32_t status = attn__select_attend_select(&own);
    if (status == ATTN_OK && c.has[ATTN__SLOT_CHUNK_KEYS])
        attn__map_copy(r, &keys, &c.t[ATTN__SLOT_CHUNK_KEYS]);
    return status;
}

static void made_run(const struct attn__recipe_run *r)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__recipe_run own = *r;
    struct attn__call c = attn__one_attend_call(r);
    struct arrays a;
    carve(&s, r->call->p, &a);
    own.ws = r->ws + a.selector;
    c.object[ATTN__SLOT_SELECTION] = attn__select_attend_lists(&own);
    c.has[ATTN__SLOT_SELECTION] = true;
    r->attend(r, ALONG, &c);
}

static void made_price(const struct attn__problem *p, int64_t q, int64_t k,
                       struct attn__select_price *price)
{
    double rows = (double)(k / p->pooled.k_block) * (double)p->pooled.k_block;
    attn__select_attend_price(p, q, k, price);
    price->operations += 4 * rows * (double)(p->pooled.k_block + 1) * (double)p->d *
                         (double)p->hout;
}

static const struct attn__recipe making = {
    .n_stages = STAGES,
    .by_sequence = true,
    .stage = made_stage,
    .workspace = made_workspace,
    .select = made_select,
    .price = made_price,
    .run = made_run,
};

static int32_t made_compact_stage(const struct attn__params *v, const struct attn__problem *whole,
                                  int32_t n, const struct attn__mem *mem, struct attn__problem *p)
{
    return n == ALONG ? compact_stage(v, whole, n, mem, p) : chunk_stage(v, whole, n, mem, p);
}

static bool made_compact_workspace(const struct attn__problem *p, const struct attn__machine *m,
                                   size_t *bytes)
{
    size_t before = 0;
    return made_workspace(p, m, &before) && attn__compact_workspace(p, before, bytes);
}

static void made_compact_run(const struct attn__recipe_run *r)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__recipe_run own = *r;
    struct arrays a;
    size_t before = 0;
    carve(&s, r->call->p, &a);
    own.ws = r->ws + a.selector;
    made_workspace(r->call->p, r->machine, &before);
    attn__compact_run(r, ALONG, attn__select_attend_lists(&own), before);
}

static const struct attn__recipe making_compact = {
    .n_stages = STAGES,
    .by_sequence = true,
    .stage = made_compact_stage,
    .workspace = made_compact_workspace,
    .select = made_select,
    .price = made_price,
    .run = made_compact_run,
};

/* select=only. */
static const struct attn__recipe making_only = {
    .n_stages = ALONG,
    .by_sequence = true,
    .stage = made_stage,
    .workspace = made_workspace,
    .select = made_select,
    .price = made_price,
};

static int32_t check_made_call(const struct attn__call *c)
{
    int64_t chunks = c->t[ATTN__SLOT_K].shape[2] / c->p->pooled.k_block;
    if (c->has[ATTN__SLOT_CHUNK_KEYS] && c->t[ATTN__SLOT_CHUNK_KEYS].shape[2] != chunks)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "chunk_keys has %" PRId64 " rows, expected the %" PRId64
                               " whole chunks of the keys",
                               c->t[ATTN__SLOT_CHUNK_KEYS].shape[2], chunks);
    for (int64_t n = 0; n < c->n_seq && !c->has[ATTN__SLOT_LOCAL_Q]; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        if (s.nq != s.nk)
            return attn__error_set(ATTN_ERR_ROLE,
                                   "role local_q is missing, expected where q is not of the "
                                   "tokens of k: sequence %" PRId64 " has %" PRId64
                                   " queries and %" PRId64 " keys",
                                   n, s.nq, s.nk);
    }
    return attn__select_attend_check(c);
}

/* Chunks know no head maps, and their results are queries, as wide as keys. */
static int32_t check_made(const struct attn__params *v, const struct attn__problem *p)
{
    static const int32_t no[] = {ATTN_PARAM_Q_HEAD, ATTN_PARAM_K_HEAD, ATTN_PARAM_V_HEAD,
                                 ATTN_PARAM_KV_HEAD};
    for (size_t n = 0; n < sizeof no / sizeof no[0]; n++) {
        bool set = false;
        int32_t status = attn__params_is_set(v, no[n], &set);
        if (status != ATTN_OK || set)
            return status != ATTN_OK ? status : attn__select_unread(v, no[n]);
    }
    if (p->dv == p->d)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "dv is %" PRId64 " with longheads_made, expected the %" PRId64
                           " of d: means of results are compared with keys",
                           p->dv, p->d);
}

static void settle_made(struct attn__problem *p, bool turned)
{
    attn__select_given(p, p->hout, p->hout, p->d); /* a chunk key for each head of queries */
    p->recipe = turned ? &making_compact : p->select.only ? &making_only : &making;
    p->check_call = check_made_call;
    p->takes[ATTN__SLOT_SELECT_K] = p->takes[ATTN__SLOT_K_START] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_LOCAL_Q] = p->takes[ATTN__SLOT_LOCAL_K] =
        turned ? ATTN__TAKES_MUST : ATTN__TAKES_MAY;
    p->takes[ATTN__SLOT_CHUNK_KEYS] = p->packed ? ATTN__TAKES_NOT : ATTN__TAKES_MAY;
    p->takes[ATTN__SLOT_V] = ATTN__TAKES_MUST;
}

int32_t attn__mech_longheads(const struct attn__params *params, const struct attn__mem *mem,
                             struct attn__problem *p)
{
    bool turned = attn__compact_is(params);
    int32_t status = attn__select_attend(params, mem, settings, 1, turned ? &compact : &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.rep = ATTN__REP_GIVEN;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.first = 1;
    p->pooled.last = 2;
    p->pooled.k_block = attn__params_i64_or(params, ATTN_PARAM_LONGHEADS_CHUNK, 256);
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_LONGHEADS_CHUNKS, 16);
    status = turned ? attn__compact_check(params, p) : ATTN_OK;
    bool made = attn__params_i64_or(params, ATTN_PARAM_LONGHEADS_MADE, 0) != 0;
    if (status == ATTN_OK && made)
        status = check_made(params, p);
    if (status != ATTN_OK) {
        attn__problem_free(p, mem);
        return status;
    }
    if (made)
        settle_made(p, turned);
    else
        attn__select_given(p, 0, 0, p->d);
    if (turned) /* Q has no positions either */
        p->takes[ATTN__SLOT_SELECT_Q] = ATTN__TAKES_MAY;
    return ATTN_OK;
}
