/* SPDX-License-Identifier: MIT */
/*
 * A selection in the workspace, and one ATTEND along it.
 */
#include "mech/select_attend.h"

#include <inttypes.h>

#include <attn/attn.h>

#include "base/error.h"
#include "mech/compact_attend.h"
#include "mech/one_attend.h"
#include "problem/mech_list.h"
#include "solvers/hyper_lists.h"
#include "solvers/select_codes.h"
#include "solvers/select_flex.h"
#include "solvers/select_kept.h"
#include "solvers/select_landmark.h"
#include "solvers/select_pick.h"
#include "solvers/select_pooled.h"
#include "solvers/select_predict.h"
#include "solvers/select_regions.h"
#include "solvers/select_stripes.h"
#include "solvers/select_tree.h"
#include "state/selection_object.h"

/* What an algorithm of selecting has; by p->pooled.form. */
static const struct selector {
    bool (*per_row)(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                    int64_t *entries);
    void *(*room)(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                  const struct attn__pooled_size *z, int64_t threads);
    int32_t (*run)(const struct attn__recipe_run *r, const struct attn__pooled *m,
                   const struct attn__pooled_size *z, struct attn__select_rows *rows,
                   int64_t per_row, void *room);
    bool tied; /* queries and keys are of the same tokens */
} selectors[] = {
    [ATTN__FORM_POOLED] = {attn__pooled_per_row, attn__pooled_take, attn__pooled_run, false},
    [ATTN__FORM_STRIPES] = {attn__stripes_per_row, attn__stripes_room, attn__stripes_run, true},
    [ATTN__FORM_FLEX] = {attn__flex_per_row, attn__flex_room, attn__flex_run, true},
    [ATTN__FORM_LANDMARK] = {attn__landmark_per_row, attn__landmark_room, attn__landmark_run,
                             false},
    [ATTN__FORM_PREDICT] = {attn__predict_per_row, attn__predict_room, attn__predict_run, true},
    [ATTN__FORM_TREE] = {attn__tree_per_row, attn__tree_room, attn__tree_run, false},
    [ATTN__FORM_CODES] = {attn__codes_per_row, attn__codes_room, attn__codes_run, false},
    [ATTN__FORM_REGIONS] = {attn__regions_per_row, attn__regions_room, attn__regions_run, true},
    [ATTN__FORM_HYPER] = {attn__hyper_per_row, NULL, NULL, false}, /* its mechanism selects */
};

/* In the workspace. */
struct arrays {
    struct attn__select *lists; /* one */
    struct attn__kept kept;     /* with spec->keeps */
    void *entries;              /* the memory of its rows */
    void *room;                 /* of the selector */
};

/* Blocks at most where the caller tells them. */
static int64_t blocks_of(const struct attn__problem *p)
{
    const struct attn__pooled_spec *spec = &p->pooled;
    if (spec->ragged)
        return p->k;
    if (spec->rep == ATTN__REP_WINDOWS)
        return p->k < spec->window ? 0 : (p->k - spec->window) / spec->stride + 1;
    return p->k / spec->k_block + (p->k % spec->k_block != 0);
}

static struct attn__pooled_size size_of(const struct attn__problem *p)
{
    const struct attn__pooled_spec *spec = &p->pooled;
    return (struct attn__pooled_size){
        .b = p->b,
        .q = p->q,
        .k = p->k,
        .sets = p->hout / spec->head_group,
        .heads = spec->heads > 0 ? spec->heads : p->hout,
        .k_heads = spec->heads > 0 ? spec->k_heads : p->hk,
        .d = spec->width > 0 ? spec->width : p->d,
        .blocks = blocks_of(p),
        .exact = p->dtype == ATTN_DTYPE_F64,
    };
}

/* Entries that a row may have at most. */
static bool per_row_of(const struct attn__problem *p, int64_t *per_row)
{
    const struct attn__pooled_size z = size_of(p);
    return selectors[p->pooled.form].per_row(&p->pooled, &z, per_row);
}

int32_t attn__select_attend_rows(const struct attn__problem *p, int64_t b, int64_t n_queries,
                                 struct attn__select_rows *rows)
{
    int64_t per_row = 0;
    *rows = (struct attn__select_rows){
        .n_batch = b,
        .head_group = p->pooled.head_group,
        .q_block = p->pooled.q_block,
        .n_queries = n_queries,
    };
    int32_t status = attn__select_rows_shape(rows, p->hout, "selection");
    if (status == ATTN_OK && (!per_row_of(p, &per_row) ||
                              !attn__mul_i64(rows->rows, per_row, &rows->capacity)))
        status = attn__error_set(ATTN_ERR_OVERFLOW, "the selection does not fit in 64 bits");
    return status;
}

/* Lists of so many batch entries and queries, and the bytes of their arrays. */
static int32_t size_rows(const struct attn__problem *p, int64_t b, int64_t n_queries,
                         struct attn__select_rows *rows, size_t *bytes)
{
    int32_t status = attn__select_attend_rows(p, b, n_queries, rows);
    *bytes = 0;
    if (status == ATTN_OK &&
        (!attn__select_rows_place(rows, p->pooled.logits, p->pooled.logits, NULL, bytes) ||
         *bytes > INT64_MAX))
        status = attn__error_set(ATTN_ERR_OVERFLOW, "the selection does not fit in 64 bits");
    return status;
}

static bool carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct arrays *a)
{
    const struct attn__pooled_size z = size_of(p);
    struct attn__select_rows rows;
    size_t bytes = 0;
    s->ok = s->ok && size_rows(p, attn__max_i64(p->b, 1), p->q, &rows, &bytes) == ATTN_OK;
    bool out = p->select.only; /* the lists have an object of their own */
    a->lists = ATTN__TAKE(s, out ? 0 : 1, struct attn__select);
    a->entries = attn__scratch_take(s, out ? 0 : (int64_t)bytes, 1);
    a->room = selectors[p->pooled.form].room(s, &p->pooled, &z, m->threads);
    a->kept = (struct attn__kept){0};
    if (p->pooled.keeps)
        attn__kept_take(s, p, &a->kept);
    return s->ok;
}

bool attn__select_attend_workspace(const struct attn__problem *p, const struct attn__machine *m,
                                   size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    carve(&s, p, m, &a);
    *bytes = s.used;
    return s.ok;
}

static const attn_tensor *given(const struct attn__call *c, enum attn__slot slot)
{
    return c->has[slot] ? &c->t[slot] : NULL;
}

static struct attn__pooled pooled_of(const struct attn__call *c, const struct attn__pooled_size *z)
{
    const struct attn__problem *p = c->p;
    const attn_tensor *k = given(c, c->has[ATTN__SLOT_SELECT_K] ? ATTN__SLOT_SELECT_K
                                                                : ATTN__SLOT_K);
    bool own = p->pooled.heads > 0;
    return (struct attn__pooled){
        .spec = &p->pooled,
        .q = c->t[c->has[ATTN__SLOT_SELECT_Q] ? ATTN__SLOT_SELECT_Q : ATTN__SLOT_Q],
        .k = k ? *k : (attn_tensor){0}, /* none of a view */
        .heads = z->heads,
        .q_head = own ? NULL : p->q_head,
        .k_head = own ? NULL : p->k_head,
        .offsets = given(c, ATTN__SLOT_SELECT_OFFSETS),
        .mask = given(c, ATTN__SLOT_SELECT_MASK),
        .weight = given(c, ATTN__SLOT_SELECT_W),
        .kept = given(c, ATTN__SLOT_CHOICE_KEYS),
    };
}

static int64_t batch_of(const struct attn__call *c)
{
    return attn__max_i64(c->n_seq, 1);
}

/* Lays out lists for this execute, whose arrays are at `memory`. */
static int32_t lay_out(const struct attn__recipe_run *r, struct attn__select *lists, void *memory)
{
    const struct attn__problem *p = r->call->p;
    size_t bytes = 0;
    *lists = (struct attn__select){
        .tag = ATTN__SELECT_TAG, .layout = ATTN_SELECTION_ROWS, .heads = p->hout};
    /* never more than at planning, where it fitted */
    int32_t status = attn__select_attend_rows(p, batch_of(r->call),
                                              r->call->t[ATTN__SLOT_Q].shape[2], &lists->rows);
    if (status == ATTN_OK)
        attn__select_rows_place(&lists->rows, p->pooled.logits, p->pooled.logits, memory, &bytes);
    return status;
}

int32_t attn__select_attend_begin(const struct attn__recipe_run *r, struct attn_selection *out)
{
    int64_t per_row = 0;
    int32_t status = lay_out(r, &out->lists, out->memory);
    per_row_of(r->call->p, &per_row);
    if (status == ATTN_OK)
        attn__select_begin(&out->lists.rows, per_row);
    return status;
}

/* Selects into lists whose arrays are at `memory`. */
static int32_t select_into(const struct attn__recipe_run *r, const struct arrays *a,
                           struct attn__select *lists, void *memory)
{
    const struct attn__problem *p = r->call->p;
    const struct attn__pooled_size z = size_of(p);
    const struct attn__pooled m = pooled_of(r->call, &z);
    int64_t per_row = 0;
    int32_t status = lay_out(r, lists, memory);
    per_row_of(p, &per_row);
    if (status != ATTN_OK || r->call->n_seq == 0)
        return status;
    return selectors[p->pooled.form].run(r, &m, &z, &lists->rows, per_row, a->room);
}

/* The same where choices of the last call may hold. */
static int32_t select_kept(const struct attn__recipe_run *r, const struct arrays *a,
                           struct attn__select *lists, void *memory)
{
    struct attn__call c = *r->call;
    struct attn__recipe_run own = *r;
    own.call = &c;
    attn__kept_look(r, &a->kept, &c);
    int32_t status = select_into(&own, a, lists, memory);
    if (status == ATTN_OK)
        attn__kept_tell(r, &a->kept, lists);
    return status;
}

int32_t attn__select_attend_select(const struct attn__recipe_run *r)
{
    struct attn_selection *out = attn__selection_out_of(r->call);
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, r->call->p, r->machine, &a);
    int32_t (*into)(const struct attn__recipe_run *, const struct arrays *, struct attn__select *,
                    void *) = r->call->p->pooled.keeps ? select_kept : select_into;
    if (!out)
        return into(r, &a, a.lists, a.entries);
    int32_t status = into(r, &a, &out->lists, out->memory);
    if (status == ATTN_OK)
        out->lists.end_key = attn__select_rows_end_key(&out->lists.rows);
    else
        attn__selection_empty(out);
    return status;
}

const struct attn__select *attn__select_attend_lists(const struct attn__recipe_run *r)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, r->call->p, r->machine, &a);
    return a.lists;
}

void attn__select_attend_run(const struct attn__recipe_run *r)
{
    struct attn__call c = attn__one_attend_call(r);
    c.object[ATTN__SLOT_SELECTION] = attn__select_attend_lists(r);
    c.has[ATTN__SLOT_SELECTION] = true;
    r->attend(r, 0, &c);
}

int32_t attn__select_attend_stage(const struct attn__params *user, const struct attn__mem *mem,
                                  const struct attn__setting *settings, size_t n,
                                  const struct attn__problem *whole, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__one_attend_params(user, mem, settings, n, &copy);
    int64_t local = whole->pooled.local;
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_LISTS,
                                      local > 0 ? ATTN_LISTS_OR : ATTN_LISTS_AND);
    if (status == ATTN_OK && local > 0)
        status = attn__params_set_i64(&copy, ATTN_PARAM_WINDOW_LEFT, local - 1);
    if (status == ATTN_OK && whole->pooled.logits)
        status = attn__params_set_i64(&copy, ATTN_PARAM_LISTS_LOGITS, 1);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* Queries and keys are of the same tokens. */
static int32_t check_tied(const struct attn__call *c)
{
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        if (s.nq != s.nk)
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "sequence %" PRId64 " has %" PRId64 " queries and %" PRId64
                                   " keys, expected as many of both: %s is for prefill",
                                   n, s.nq, s.nk, attn__mech_list_name(c->p->mech));
    }
    return ATTN_OK;
}

/* Rows of SELECT_K and columns of SELECT_MASK against the blocks that the keys
 * are cut into. */
static int32_t check_blocks(const struct attn__call *c)
{
    const struct attn__pooled_spec *spec = &c->p->pooled;
    int64_t keys = c->t[ATTN__SLOT_K].shape[2], blocks = keys / spec->k_block;
    blocks += keys % spec->k_block != 0;
    if (spec->ragged)
        blocks = c->t[ATTN__SLOT_SELECT_OFFSETS].shape[1] - 1;
    if (spec->ragged && blocks < 0)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "select_offsets has no numbers, expected one more than blocks");
    if (c->has[ATTN__SLOT_SELECT_MASK] && c->t[ATTN__SLOT_SELECT_MASK].shape[2] != blocks)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "select_mask has %" PRId64 " columns, expected the %" PRId64
                               " blocks of the keys",
                               c->t[ATTN__SLOT_SELECT_MASK].shape[2], blocks);
    if (spec->rep == ATTN__REP_WINDOWS)
        blocks = keys < spec->window ? 0 : (keys - spec->window) / spec->stride + 1;
    if (c->has[ATTN__SLOT_SELECT_K] && c->t[ATTN__SLOT_SELECT_K].shape[2] > blocks)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "select_k has %" PRId64 " rows, expected at most the %" PRId64
                               " blocks of the keys",
                               c->t[ATTN__SLOT_SELECT_K].shape[2], blocks);
    return ATTN_OK;
}

/* What stands for a block is of all its keys. */
static int32_t check_view(const struct attn__call *c)
{
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        for (int64_t h = 0; h < c->p->hk; h++)
            if (attn__call_paged_kv(c, &s, h)->odd)
                return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                       "keys of sequence %" PRId64
                                       " of the view were removed or pruned, expected all of them "
                                       "with %s",
                                       n, attn__mech_list_name(c->p->mech));
    }
    return ATTN_OK;
}

int32_t attn__select_attend_check_out(const struct attn__call *c)
{
    struct attn__select_rows rows;
    size_t bytes = 0;
    if (!c->p->select.only)
        return ATTN_OK;
    int32_t status = size_rows(c->p, batch_of(c), c->t[ATTN__SLOT_Q].shape[2], &rows, &bytes);
    return status == ATTN_OK ? attn__selection_check_out(c, bytes) : status;
}

int32_t attn__select_attend_check(const struct attn__call *c)
{
    int32_t status = attn__select_attend_check_out(c);
    if (status != ATTN_OK)
        return status;
    if (selectors[c->p->pooled.form].tied)
        return check_tied(c);
    if (c->view)
        return check_view(c);
    return c->p->pooled.form == ATTN__FORM_POOLED ? check_blocks(c) : ATTN_OK;
}

/* What asks for results of attending has no place where nothing is attended to. */
static int32_t check_unasked(const struct attn__params *user)
{
    static const int32_t asks[] = {ATTN_PARAM_WANT, ATTN_PARAM_MASS_CLASSES, ATTN_PARAM_SOLVER};
    for (size_t n = 0; n < sizeof asks / sizeof asks[0]; n++) {
        bool set = false;
        int32_t status = attn__params_is_set(user, asks[n], &set);
        if (status == ATTN_OK && set)
            status = attn__error_set(ATTN_ERR_INVALID,
                                     "%s is set, but with select=only nothing is attended to",
                                     attn_param_name(asks[n]));
        if (status != ATTN_OK)
            return status;
    }
    return ATTN_OK;
}

/* The same problem without its second half. */
static void select_only(struct attn__problem *p)
{
    static const struct attn__recipe recipe = {
        .by_sequence = true,
        .workspace = attn__select_attend_workspace,
        .select = attn__select_attend_select,
        .price = attn__select_attend_price,
    };
    p->recipe = &recipe;
    p->select.only = true;
    p->takes[ATTN__SLOT_V] = p->takes[ATTN__SLOT_OUT] = p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_SELECTION_OUT] = ATTN__TAKES_MUST;
}

/* Parameters besides a mechanism's own and those of any. */
#define ALSO                                                                 \
    ATTN_PARAM_CAUSAL, ATTN_PARAM_ALIGN, ATTN_PARAM_SCALE,                   \
    ATTN_PARAM_SOFTCAP, ATTN_PARAM_Q_HEAD, ATTN_PARAM_K_HEAD,                \
    ATTN_PARAM_V_HEAD, ATTN_PARAM_KV_HEAD, ATTN_PARAM_SOLVER,                \
    ATTN_PARAM_WANT, ATTN_PARAM_MASS_CLASSES, ATTN_PARAM_SELECT,             \
    ATTN_PARAM_PACKED, ATTN_PARAM_VIEW, ATTN_PARAM_CACHE_PAGE,               \
    ATTN_PARAM_CACHE_GROUP, ATTN_PARAM_CACHE_KEYS,                           \
    ATTN_PARAM_CACHE_K_DTYPE, ATTN_PARAM_CACHE_V_DTYPE,                      \
    ATTN_PARAM_CACHE_V_PREFIX
/* And where chosen keys have positions of their own, mech/compact_attend.h. */
#define ALSO_TURNED                                                          \
    ATTN_PARAM_ROPE, ATTN_PARAM_ROPE_DIM, ATTN_PARAM_ROPE_BASE,              \
    ATTN_PARAM_ROPE_SCALING, ATTN_PARAM_ROPE_FACTOR,                         \
    ATTN_PARAM_ROPE_ORIGINAL, ATTN_PARAM_ROPE_BETA_FAST,                     \
    ATTN_PARAM_ROPE_BETA_SLOW, ATTN_PARAM_ROPE_TRUNCATE,                     \
    ATTN_PARAM_ROPE_LOW, ATTN_PARAM_ROPE_HIGH, ATTN_PARAM_ROPE_ATTENTION,    \
    ATTN_PARAM_ROPE_MSCALE, ATTN_PARAM_ROPE_FREQS

int32_t attn__select_attend(const struct attn__params *user, const struct attn__mem *mem,
                            const struct attn__setting *settings, size_t n,
                            const struct attn__recipe *recipe, struct attn__problem *p)
{
    static const int32_t plain[] = {ALSO}, turned[] = {ALSO, ALSO_TURNED};
    bool turns = attn__compact_is(user);
    const int32_t *also = turns ? turned : plain;
    size_t n_also = turns ? sizeof turned / sizeof turned[0] : sizeof plain / sizeof plain[0];
    bool only = attn__params_i64_or(user, ATTN_PARAM_SELECT, 0) == ATTN_SELECT_ONLY;
    int32_t status = attn__preset_only(user, also, n_also);
    if (status == ATTN_OK && only)
        status = check_unasked(user);
    if (status == ATTN_OK)
        status = attn__preset(user, mem, settings, n, p);
    if (status != ATTN_OK)
        return status;
    p->recipe = recipe;
    p->check_call = attn__select_attend_check;
    p->view.own_pieces = p->view.selects = p->view.is; /* the lists are pieces */
    p->pooled = (struct attn__pooled_spec){
        .rule = ATTN__PICK_TOP, .scale = 1, .head_group = 1, .q_block = 1, .k_block = 1};
    if (only)
        select_only(p);
    const char *reason = NULL;
    if (p->k == ATTN_UNBOUNDED)
        reason = "k is inf, expected a number: there is room for what is selected";
    else if (p->view.is && p->packed)
        reason = "packed is set with view, expected sequences of a view in a batch";
    if (!reason)
        return ATTN_OK;
    attn__problem_free(p, mem);
    return attn__error_set(ATTN_ERR_UNSUPPORTED, "%s, with %s", reason,
                           attn__mech_list_name(user->mech));
}

void attn__select_given(struct attn__problem *p, int64_t heads, int64_t k_heads, int64_t width)
{
    p->pooled.heads = heads;
    p->pooled.k_heads = k_heads;
    p->pooled.width = width;
    p->extent[p->n_extents++] = (struct attn__extent){"Scorers", heads > 0 ? heads : p->hq};
    p->extent[p->n_extents++] = (struct attn__extent){"Scored", heads > 0 ? k_heads : p->hk};
    p->extent[p->n_extents++] = (struct attn__extent){"Width", width};
    p->takes[ATTN__SLOT_SELECT_Q] = p->takes[ATTN__SLOT_SELECT_K] = ATTN__TAKES_MUST;
}

int32_t attn__select_attend_plain(const struct attn__params *user, const struct attn__problem *p,
                                  int32_t param, const char *why)
{
    const char *reason = NULL;
    if (p->want != 0)
        reason = "want is set";
    else if (p->select.only)
        reason = "select is only";
    else if (p->view.is)
        reason = "view is set";
    else if (attn__params_i64_or(user, ATTN_PARAM_ALIGN, ATTN_ALIGN_BOTTOM_RIGHT) !=
             ATTN_ALIGN_BOTTOM_RIGHT)
        reason = "align is top_left";
    if (!reason)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_UNSUPPORTED, "%s with %s, expected it unset: %s", reason,
                           attn_param_name(param), why);
}

int32_t attn__select_need(const struct attn__params *v, int32_t param)
{
    bool set = false;
    int32_t status = attn__params_is_set(v, param, &set);
    if (status != ATTN_OK || set)
        return status;
    return attn__error_set(ATTN_ERR_UNSET, "%s needs %s, which was not set",
                           attn__mech_list_name(v->mech), attn_param_name(param));
}

int32_t attn__select_unread(const struct attn__params *v, int32_t param)
{
    return attn__error_set(ATTN_ERR_INVALID,
                           "%s is set, but with the other settings of %s nothing reads it",
                           attn_param_name(param), attn__mech_list_name(v->mech));
}
