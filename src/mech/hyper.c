/* SPDX-License-Identifier: MIT */
/*
 * hyper: HyperAttention (Han et al., 2023). Attention without a mask is estimated
 * from blocks of queries and keys with like hash codes and from keys drawn at
 * random; causal attention is exact in short segments and such estimates between
 * them. Estimates are one stage, run for one size of segments after the other.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "mech/select_attend.h"
#include "problem/sequences.h"
#include "solvers/hyper_lists.h"
#include "solvers/map_gemm.h"
#include "solvers/row_exact.h"
#include "state/selection_object.h"

/* Stages. */
enum { EXACT, ESTIMATES, STAGES };

/* The most estimates of a stage's call, and the longest of their sequences. */
static int32_t set_sizes(const struct attn__problem *whole, struct attn__params *v)
{
    struct attn__hyper_levels levels;
    int64_t b = whole->b, q = whole->q, k = whole->k;
    attn__hyper_levels_of(&whole->pooled.hyper, whole->q, whole->k, &levels);
    if (levels.n > 0) {
        q = levels.at[0].queries;
        k = levels.at[0].keys;
        if (!attn__mul_i64(b, levels.at[levels.n - 1].segments, &b))
            return attn__error_set(ATTN_ERR_OVERFLOW, "b * segments does not fit in 64 bits");
    }
    const struct {
        int32_t param;
        int64_t value;
    } set[] = {
        {ATTN_PARAM_B, b},      {ATTN_PARAM_Q, q},
        {ATTN_PARAM_K, k},      {ATTN_PARAM_LISTS, ATTN_LISTS_AND},
        {ATTN_PARAM_CAUSAL, 0}, {ATTN_PARAM_LISTS_LOGITS, 1},
    };
    int32_t status = ATTN_OK;
    for (size_t i = 0; i < sizeof set / sizeof set[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(v, set[i].param, set[i].value);
    return status;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    if (status == ATTN_OK && n == ESTIMATES)
        status = set_sizes(whole, &copy);
    else if (status == ATTN_OK && whole->pooled.hyper.causal)
        status = attn__params_set_i64(&copy, ATTN_PARAM_SEGMENTS, 1);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct attn__hyper_room room;
    attn__hyper_take(&s, p, m->threads, &room);
    *bytes = s.used;
    return s.ok;
}

/* Have sequences lengths of their own? Then they are run one after another, each as
 * a batch entry alone. */
static bool is_each(const struct attn__call *c)
{
    return c->has[ATTN__SLOT_Q_LEN] || c->has[ATTN__SLOT_K_LEN] || c->has[ATTN__SLOT_K_START];
}

/* Tensor t of rows `first` to first + n - 1 of batch entry b. */
static attn_tensor entry_of(const attn_tensor *t, int64_t b, int64_t first, int64_t n)
{
    attn_tensor one = *t;
    int64_t at = b * t->stride[0] + first * t->stride[2];
    one.data = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    one.shape[0] = 1;
    one.shape[2] = n;
    return one;
}

/* The call of batch entry b by itself: its rows that count. */
static void call_of_entry(const struct attn__call *whole, int64_t b, struct attn__call *c)
{
    const struct attn__seq s = attn__call_seq(whole, b);
    const struct {
        enum attn__slot slot;
        int64_t first, n;
    } rows[] = {
        {ATTN__SLOT_Q, s.q0, s.nq},   {ATTN__SLOT_K, s.k0, s.nk},   {ATTN__SLOT_V, s.k0, s.nk},
        {ATTN__SLOT_OUT, s.q0, s.nq}, {ATTN__SLOT_LSE, s.q0, s.nq},
    };
    attn__call_begin(c, whole->p);
    c->n_seq = 1;
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        if (!whole->has[rows[n].slot])
            continue;
        const attn_tensor t = entry_of(&whole->t[rows[n].slot], b, rows[n].first, rows[n].n);
        attn__recipe_give(c, rows[n].slot, &t);
    }
    attn__recipe_pass(c, ATTN__SLOT_PROJECTIONS, whole, ATTN__SLOT_PROJECTIONS);
    if (!whole->has[ATTN__SLOT_SAMPLES])
        return;
    attn_tensor samples = whole->t[ATTN__SLOT_SAMPLES];
    if (samples.shape[0] > 1)
        samples = entry_of(&samples, b, 0, samples.shape[2]);
    attn__recipe_give(c, ATTN__SLOT_SAMPLES, &samples);
}

/* The levels of this execute, and the arrays. */
static void begin(const struct attn__recipe_run *r, struct attn__hyper_levels *levels,
                  struct attn__hyper_room *room)
{
    const attn_tensor *t = r->call->t;
    struct attn__scratch s = {.base = r->ws, .ok = true};
    attn__hyper_take(&s, r->call->p, r->machine->threads, room);
    attn__hyper_levels_of(&r->call->p->pooled.hyper, t[ATTN__SLOT_Q].shape[2],
                          t[ATTN__SLOT_K].shape[2], levels);
}

static int32_t select_all(const struct attn__recipe_run *r)
{
    struct attn__hyper_levels levels;
    struct attn__hyper_room room;
    begin(r, &levels, &room);
    return levels.n > 0 ? attn__hyper_hash(r, &room) : ATTN_OK;
}

/* There is room for the codes of one batch alone, so those of single entries are
 * made here to find out whether they can be, and once more when they are used. */
static int32_t select(const struct attn__recipe_run *r)
{
    int32_t status = ATTN_OK;
    if (!is_each(r->call))
        return select_all(r);
    for (int64_t b = 0; b < r->call->n_seq && status == ATTN_OK; b++) {
        struct attn__recipe_run one = *r;
        struct attn__call c;
        call_of_entry(r->call, b, &c);
        one.call = &c;
        status = select_all(&one);
        if (status != ATTN_OK)
            status = attn__sequences_error(status, b);
    }
    return status;
}

/* The segments of causal attention that are exact. */
static void give_leaves(const struct attn__hyper_levels *levels, int32_t *leaf,
                        struct attn__call *c)
{
    int64_t n = levels->queries;
    for (int64_t i = 0; i < n; i++)
        leaf[i] = attn__hyper_leaf(levels, i);
    const attn_tensor t = {.data = leaf, .dtype = ATTN_DTYPE_I32, .rank = 2,
                           .shape = {1, n}, .stride = {n, 1}};
    attn__recipe_give(c, ATTN__SLOT_SEG_Q, &t);
    attn__recipe_give(c, ATTN__SLOT_SEG_K, &t);
}

/* What estimates are merged into: the exact segments, or nothing at all. */
static void begin_sums(const struct attn__recipe_run *r, const struct attn__hyper_levels *levels,
                       const struct attn__hyper_room *room, const attn_tensor *sum,
                       const attn_tensor *lse)
{
    struct attn__call c = attn__recipe_call(r);
    if (levels->causal) {
        attn__recipe_pass_inputs(&c, r->call);
        give_leaves(levels, room->leaf, &c);
        attn__recipe_give(&c, ATTN__SLOT_OUT, sum);
        attn__recipe_give(&c, ATTN__SLOT_LSE, lse);
        r->attend(r, EXACT, &c);
        return;
    }
    int64_t rows = sum->shape[0] * sum->shape[1] * sum->shape[2];
    memset(room->sum, 0, (size_t)(rows * sum->shape[3]) * sizeof *room->sum);
    for (int64_t i = 0; i < rows; i++)
        room->sum_lse[i] = -INFINITY;
}

static void run_all(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    struct attn__hyper_levels levels;
    struct attn__hyper_room room;
    struct attn__call c = attn__recipe_call(r);
    begin(r, &levels, &room);
    int64_t b = r->call->n_seq, n = levels.queries;
    if (levels.n == 0) {
        attn__recipe_pass_all(&c, r->call);
        if (levels.causal)
            give_leaves(&levels, room.leaf, &c);
        r->attend(r, EXACT, &c);
        return;
    }
    const attn_tensor sum = attn__recipe_view(room.sum, ATTN_DTYPE_F32, b, p->hq, n, p->dv);
    const attn_tensor lse = attn__recipe_view(room.sum_lse, ATTN_DTYPE_F32, b, p->hq, n, -1);
    begin_sums(r, &levels, &room, &sum, &lse);
    for (int64_t level = 0; level < levels.n; level++) {
        struct attn__call e = attn__recipe_call(r);
        attn__hyper_prepare(r, &levels, level, &room, &e);
        r->attend(r, ESTIMATES, &e);
        attn__hyper_merge(r, &levels, level, &room);
    }
    attn__map_copy(r, &sum, &r->call->t[ATTN__SLOT_OUT]);
    if (r->call->has[ATTN__SLOT_LSE]) {
        const attn_tensor from = attn__recipe_view(room.sum_lse, ATTN_DTYPE_F32, b, p->hq, n, 1);
        attn_tensor to = r->call->t[ATTN__SLOT_LSE]; /* rows of one element */
        to.rank = 4;
        to.shape[3] = to.stride[3] = 1;
        attn__map_copy(r, &from, &to);
    }
}

static void run(const struct attn__recipe_run *r)
{
    if (!is_each(r->call)) {
        run_all(r);
        return;
    }
    for (int64_t b = 0; b < r->call->n_seq; b++) {
        struct attn__seq s = attn__call_seq(r->call, b);
        struct attn__recipe_run one = *r;
        struct attn__call c;
        call_of_entry(r->call, b, &c);
        one.call = &c;
        for (int64_t h = 0; h < c.p->hq; h++)
            attn__rows_pad(r->call, &s, h);
        (void)select_all(&one); /* which it has done before */
        run_all(&one);
    }
}

/* Hash codes of all rows, once; what a block and its samples are is the same for all
 * queries of a level. */
static void price(const struct attn__problem *p, int64_t q, int64_t k,
                  struct attn__select_price *price)
{
    const struct attn__hyper_spec *spec = &p->pooled.hyper;
    struct attn__hyper_levels levels;
    double row = (double)p->d * (double)p->hout, length = (double)k;
    attn__hyper_levels_of(&p->pooled.hyper, q, k, &levels);
    *price = (struct attn__select_price){.operations = 0};
    for (int64_t n = 0; n < levels.n; n++) {
        const struct attn__hyper_level *at = &levels.at[n];
        double keys = (double)attn__min_i64(at->keys, spec->block + spec->samples);
        double queries = (double)at->segments * (double)at->queries * (double)p->hout;
        price->pairs += queries * (at->exact ? (double)at->keys : keys);
        price->entries += at->exact ? 0 : queries / (double)spec->block * keys;
        length = (double)at->keys; /* of the segments that are left */
    }
    if (levels.n > 0) {
        price->operations = 2 * row * (double)(q + k) * (double)spec->bits;
        price->bytes = row * (double)(q + k) * (double)attn__dtype_size(p->kv_dtype);
    }
    if (levels.n == 0 || levels.causal)
        price->pairs += (double)q * length * (double)p->hout;
}

/* select=only: the same rows and draws as lists of the caller's keys. */
static bool lists_workspace(const struct attn__problem *p, const struct attn__machine *m,
                            size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct attn__hyper_room room;
    struct attn__hyper_lists lists;
    attn__hyper_take(&s, p, m->threads, &room);
    attn__hyper_lists_take(&s, p, m->threads, &lists);
    *bytes = s.used;
    return s.ok;
}

static int32_t select_lists(const struct attn__recipe_run *r)
{
    struct attn_selection *out = attn__selection_out_of(r->call);
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__hyper_levels levels;
    struct attn__hyper_lists lists;
    struct attn__hyper_room room;
    begin(r, &levels, &room);
    attn__hyper_take(&s, r->call->p, r->machine->threads, &room); /* what comes first */
    attn__hyper_lists_take(&s, r->call->p, r->machine->threads, &lists);
    int32_t status = levels.n > 0 ? attn__hyper_hash(r, &room) : ATTN_OK;
    if (status == ATTN_OK)
        status = attn__select_attend_begin(r, out);
    if (status == ATTN_OK)
        status = attn__hyper_lists_write(r, &levels, &room, &lists, &out->lists.rows);
    if (status == ATTN_OK)
        out->lists.end_key = attn__select_rows_end_key(&out->lists.rows);
    else
        attn__selection_empty(out);
    return status;
}

static const struct attn__recipe selecting = {
    .workspace = lists_workspace, .select = select_lists, .price = price};

static const struct attn__recipe recipe = {
    .n_stages = STAGES,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .select = select,
    .price = price,
    .run = run,
};

/* Samples are keys. */
static int32_t check_samples(const struct attn__call *c)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_SAMPLES];
    int64_t keys = c->t[ATTN__SLOT_K].shape[2];
    for (int64_t b = 0; b < t->shape[0]; b++)
        for (int64_t h = 0; h < t->shape[1]; h++)
            for (int64_t n = 0; n < t->shape[2]; n++) {
                int64_t at = b * t->stride[0] + h * t->stride[1] + n * t->stride[2];
                int64_t id = attn__load_i64(t->data, at, t->dtype);
                if (id < 0 || id >= keys)
                    return attn__error_set(ATTN_ERR_RANGE,
                                           "samples has %" PRId64 " at [%" PRId64 ",%" PRId64
                                           ",%" PRId64 "], expected 0 to %" PRId64,
                                           id, b, h, n, keys - 1);
            }
    return ATTN_OK;
}

static int64_t blocks_of(const struct attn__problem *p, int64_t rows)
{
    return rows / p->pooled.hyper.block + (rows % p->pooled.hyper.block != 0);
}

static int32_t check_all(const struct attn__call *c)
{
    const struct attn__hyper_spec *spec = &c->p->pooled.hyper;
    int64_t q = c->t[ATTN__SLOT_Q].shape[2], k = c->t[ATTN__SLOT_K].shape[2];
    struct attn__hyper_levels levels;
    attn__hyper_levels_of(&c->p->pooled.hyper, q, k, &levels);
    if (spec->causal && q != k)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "k has %" PRId64 " keys, expected the %" PRId64
                               " of q: with causal both are of the same tokens",
                               k, q);
    if (levels.n > 0 && blocks_of(c->p, q) != blocks_of(c->p, k))
        return attn__error_set(ATTN_ERR_SHAPE,
                               "q makes %" PRId64 " blocks and k %" PRId64
                               ", expected as many of both",
                               blocks_of(c->p, q), blocks_of(c->p, k));
    return levels.n > 0 && spec->given ? check_samples(c) : ATTN_OK;
}

static int32_t check_call(const struct attn__call *c)
{
    int32_t status = attn__select_attend_check_out(c);
    if (status != ATTN_OK)
        return status;
    if (!is_each(c))
        return check_all(c);
    for (int64_t b = 0; b < c->n_seq && status == ATTN_OK; b++) {
        struct attn__call one;
        call_of_entry(c, b, &one);
        status = check_all(&one);
        if (status != ATTN_OK)
            status = attn__sequences_error(status, b);
    }
    return status;
}

static int32_t check(const struct attn__params *v, const struct attn__problem *p)
{
    const struct attn__hyper_spec *spec = &p->pooled.hyper;
    bool seeded = false;
    int32_t status = attn__params_is_set(v, ATTN_PARAM_HYPER_SEED, &seeded);
    if (status != ATTN_OK)
        return status;
    if (spec->given && seeded)
        return attn__select_unread(v, ATTN_PARAM_HYPER_SEED);
    if (p->select.only && p->packed)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "packed is set with select=only, expected a batch");
    if (!spec->given && !seeded)
        return attn__select_need(v, ATTN_PARAM_HYPER_SEED);
    if (p->hk != p->hq || p->hv != p->hq)
        return attn__error_set(ATTN_ERR_INVALID,
                               "h=%" PRId64 "/%" PRId64 "/%" PRId64
                               ": expected as many key and value heads as query heads",
                               p->hq, p->hk, p->hv);
    if (p->k == ATTN_UNBOUNDED)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "k is inf, expected a number: hyper keeps rows in order");
    if (p->dtype == ATTN_DTYPE_F64)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "dtype is f64, expected another: hyper has its estimates in f32");
    return ATTN_OK;
}

static void settle(const struct attn__params *v, struct attn__problem *p)
{
    struct attn__hyper_spec *spec = &p->pooled.hyper;
    spec->causal = attn__params_i64_or(v, ATTN_PARAM_CAUSAL, 0) != 0;
    spec->block = attn__params_i64_or(v, ATTN_PARAM_HYPER_BLOCK, 256);
    spec->samples = attn__params_i64_or(v, ATTN_PARAM_HYPER_SAMPLES, 256);
    spec->least = attn__params_i64_or(v, ATTN_PARAM_HYPER_LEAST, 4096);
    spec->bits = attn__params_i64_or(v, ATTN_PARAM_HYPER_BITS, 7);
    spec->seed = attn__params_i64_or(v, ATTN_PARAM_HYPER_SEED, 0);
    spec->given = attn__params_i64_or(v, ATTN_PARAM_HYPER_GIVEN, 0) != 0;
    p->recipe = &recipe;
    p->check_call = check_call;
    p->extent[p->n_extents++] = (struct attn__extent){"Bits", spec->bits};
    p->extent[p->n_extents++] = (struct attn__extent){"Samples", spec->samples};
    p->takes[ATTN__SLOT_PROJECTIONS] = ATTN__TAKES_MUST;
    if (spec->given)
        p->takes[ATTN__SLOT_SAMPLES] = ATTN__TAKES_MUST;
    if (attn__params_i64_or(v, ATTN_PARAM_SELECT, 0) != ATTN_SELECT_ONLY)
        return;
    p->recipe = &selecting;
    p->select.only = true;
    p->pooled.form = ATTN__FORM_HYPER;
    p->pooled.head_group = p->pooled.q_block = p->pooled.k_block = 1;
    p->pooled.logits = true;
    p->takes[ATTN__SLOT_V] = p->takes[ATTN__SLOT_OUT] = p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_SELECTION_OUT] = ATTN__TAKES_MUST;
}

int32_t attn__mech_hyper(const struct attn__params *params, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    static const int32_t also[] = {ATTN_PARAM_CAUSAL, ATTN_PARAM_SCALE, ATTN_PARAM_SOFTCAP,
                                   ATTN_PARAM_PACKED, ATTN_PARAM_SELECT};
    int32_t status = attn__preset_only(params, also, sizeof also / sizeof also[0]);
    if (status == ATTN_OK)
        status = attn__mech_attend(params, params, mem, p);
    if (status != ATTN_OK)
        return status;
    settle(params, p);
    status = check(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
