/* SPDX-License-Identifier: MIT */
/*
 * Rows of lists, some at a time, as a packed copy of their keys and values and
 * one dense causal ATTEND, which turns both by their places.
 *
 * Lists are of one head or of all heads, and the last keys that a row lists are
 * those of its queries. Aligned at their ends, query and key then have the places
 * that they have among the row's keys.
 */
#include "mech/compact_attend.h"

#include "base/checked.h"
#include "base/error.h"
#include "mech/one_attend.h"
#include "problem/mech_list.h"
#include "solvers/map_pick.h"
#include "solvers/scratch.h"

/* Keys of a head that are copied at a time, as far as rows are not longer: enough to share
 * among threads. */
enum { KEYS_AT_ONCE = 16384 };

struct arrays {
    void *k, *v;           /* [rows at once][heads][keys of a row][D, Dv] */
    int32_t *key, *length; /* [rows at once][keys of a row], [rows at once] */
};

/* The parameter that asks for it; 0: none does. */
static int32_t asked_by(const struct attn__params *user)
{
    static const int32_t asks[] = {ATTN_PARAM_TOKENSELECT_COMPACT, ATTN_PARAM_LONGHEADS_COMPACT};
    for (size_t n = 0; n < sizeof asks / sizeof asks[0]; n++)
        if (attn__params_i64_or(user, asks[n], 0) != 0)
            return asks[n];
    return 0;
}

bool attn__compact_is(const struct attn__params *user)
{
    return asked_by(user) != 0;
}

int32_t attn__compact_check(const struct attn__params *user, const struct attn__problem *p)
{
    int32_t param = asked_by(user);
    if (p->rope.pairing == ATTN_ROPE_NONE)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s is set without rope, expected both: places of chosen keys are "
                               "what they are turned by",
                               attn_param_name(param));
    return attn__select_attend_plain(user, p, param, "chosen keys are copied together");
}

int32_t attn__compact_unset(struct attn__params *copy)
{
    int32_t status = ATTN_OK;
    for (int32_t param = ATTN_PARAM_ROPE; param <= ATTN_PARAM_ROPE_FREQS; param++)
        if (status == ATTN_OK)
            status = attn__params_unset(copy, param);
    return status;
}

/* ---- sizes ---- */

static bool is_of_all_heads(const struct attn__problem *p)
{
    return p->pooled.head_group == p->hout;
}

/* Keys of a row at most. */
static int64_t keys_of(const struct attn__problem *p)
{
    const struct attn__pooled_spec *spec = &p->pooled;
    int64_t blocks = attn__max_i64(spec->top, spec->first + spec->last);
    return attn__min_i64(blocks * spec->k_block, p->k); /* each below 2^33 and 2^31 */
}

static int64_t queries_of(const struct attn__problem *p)
{
    return attn__min_i64(p->pooled.q_block, p->q);
}

static int64_t at_once(const struct attn__problem *p)
{
    int64_t m = attn__max_i64(queries_of(p), 1), rows = p->q / m + (p->q % m != 0);
    return attn__max_i64(attn__min_i64(rows, KEYS_AT_ONCE / attn__max_i64(keys_of(p), 1)), 1);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p, size_t before,
                  struct arrays *a)
{
    size_t size = attn__dtype_size(p->kv_dtype);
    int64_t keys = 0, k = 0, v = 0;
    s->ok = attn__align_up(before, 64, &s->used) &&
            attn__mul_i64(at_once(p), keys_of(p), &keys) &&
            attn__mul_i64(keys, is_of_all_heads(p) ? p->hk : 1, &k) && attn__mul_i64(k, p->d, &k) &&
            attn__mul_i64(keys, is_of_all_heads(p) ? p->hv : 1, &v) && attn__mul_i64(v, p->dv, &v);
    a->k = attn__scratch_take(s, k, size);
    a->v = attn__scratch_take(s, v, size);
    a->key = ATTN__TAKE(s, keys, int32_t);
    a->length = ATTN__TAKE(s, at_once(p), int32_t);
}

bool attn__compact_workspace(const struct attn__problem *p, size_t before, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    carve(&s, p, before, &a);
    *bytes = s.used;
    return s.ok;
}

int32_t attn__compact_stage(const struct attn__params *user, const struct attn__mem *mem,
                            const struct attn__setting *settings, size_t n,
                            const struct attn__problem *whole, struct attn__problem *p)
{
    static const int32_t maps[] = {ATTN_PARAM_Q_HEAD, ATTN_PARAM_K_HEAD, ATTN_PARAM_V_HEAD,
                                   ATTN_PARAM_KV_HEAD};
    static const int32_t heads[] = {ATTN_PARAM_HQ, ATTN_PARAM_HK, ATTN_PARAM_HV};
    const struct {
        int32_t param;
        int64_t value;
    } set[] = {
        {ATTN_PARAM_B, at_once(whole)},
        {ATTN_PARAM_Q, queries_of(whole)},
        {ATTN_PARAM_K, keys_of(whole)},
    };
    struct attn__params copy;
    int32_t status = attn__one_attend_params(user, mem, settings, n, &copy);
    for (size_t i = 0; i < sizeof set / sizeof set[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, set[i].param, set[i].value);
    for (size_t i = 0; i < 4 && status == ATTN_OK && !is_of_all_heads(whole); i++)
        status = attn__params_unset(&copy, maps[i]);
    for (size_t i = 0; i < 3 && status == ATTN_OK && !is_of_all_heads(whole); i++)
        status = attn__params_set_i64(&copy, heads[i], 1);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* ---- rows ---- */

/* Some rows of one batch entry, of head `head` or of all heads. */
struct part {
    struct attn__seq s;
    int64_t head;
    int64_t row, first; /* the first row of lists, and its first query */
    int64_t n, queries; /* rows, and queries of each */
};

/* A view whose entries in the batch are the rows: of head `head`, or of all with -1. */
static attn_tensor rows_of(const attn_tensor *t, int64_t b, int64_t head, int64_t at,
                           int64_t queries, int64_t n)
{
    attn_tensor x = attn__recipe_blocks(t, b, at, queries, n);
    if (head < 0)
        return x;
    x.data = (char *)x.data + head * t->stride[1] * (int64_t)attn__dtype_size(t->dtype);
    x.shape[1] = 1;
    return x;
}

/* The keys of each row up to its last query's own; returns the most of a row. */
static int64_t list_keys(const struct attn__select_rows *rows, const struct part *x, int64_t room,
                         const struct arrays *a)
{
    int64_t most = 0;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t end = x->first + (i + 1) * x->queries + x->s.off, n = 0;
        int32_t *key = a->key + i * room;
        for (int64_t e = rows->row_ptr[x->row + i]; e < rows->row_ptr[x->row + i + 1]; e++) {
            int64_t to = attn__min_i64((int64_t)rows->start[e] + rows->length[e], end);
            for (int64_t j = rows->start[e]; j < to; j++)
                key[n++] = (int32_t)j;
        }
        a->length[i] = (int32_t)n;
        most = attn__max_i64(most, n);
    }
    for (int64_t i = 0; i < x->n; i++) /* no key, but one that is there */
        for (int64_t n = a->length[i]; n < most; n++)
            a->key[i * room + n] = 0;
    return most;
}

/* The keys or values of the rows. */
static void give_keys(const struct attn__recipe_run *r, struct attn__call *c, enum attn__slot slot,
                      const struct part *x, int64_t head, const attn_tensor *key, void *memory)
{
    const attn_tensor *t = &r->call->t[slot];
    attn_tensor from = rows_of(t, x->s.b, head, x->s.k0, x->s.nk, x->n);
    from.stride[0] = 0;
    const attn_tensor to = attn__recipe_view(memory, t->dtype, x->n, from.shape[1], key->shape[1],
                                             t->shape[3]);
    attn__map_pick(r->threads, &from, key, &to);
    attn__recipe_give(c, slot, &to);
}

static void give_queries(const struct attn__recipe_run *r, struct attn__call *c,
                         enum attn__slot slot, const struct part *x, int64_t head)
{
    if (!r->call->has[slot])
        return;
    const attn_tensor t = rows_of(&r->call->t[slot], x->s.b, head, x->s.q0 + x->first, x->queries,
                                  x->n);
    attn__recipe_give(c, slot, &t);
}

static void run_part(const struct attn__recipe_run *r, int32_t stage,
                     const struct attn__select_rows *rows, const struct part *x,
                     const struct arrays *a)
{
    const struct attn__problem *p = r->call->p;
    int64_t room = keys_of(p), h = x->head;
    bool one = h >= 0;
    const attn_tensor length = {.data = a->length, .dtype = ATTN_DTYPE_I32, .rank = 1,
                                .shape = {x->n}, .stride = {1}};
    const attn_tensor key = {.data = a->key, .dtype = ATTN_DTYPE_I32, .rank = 2,
                             .shape = {x->n, list_keys(rows, x, room, a)}, .stride = {room, 1}};
    struct attn__call c;
    attn__call_begin(&c, NULL);
    c.n_seq = x->n;
    give_queries(r, &c, ATTN__SLOT_Q, x, one ? p->q_head[h] : -1);
    give_queries(r, &c, ATTN__SLOT_OUT, x, h);
    give_queries(r, &c, ATTN__SLOT_LSE, x, h);
    give_keys(r, &c, ATTN__SLOT_K, x, one ? p->k_head[h] : -1, &key, a->k);
    give_keys(r, &c, ATTN__SLOT_V, x, one ? p->v_head[h] : -1, &key, a->v);
    attn__recipe_give(&c, ATTN__SLOT_K_LEN, &length);
    r->attend(r, stage, &c);
}

void attn__compact_run(const struct attn__recipe_run *r, int32_t stage,
                       const struct attn__select *lists, size_t before)
{
    const struct attn__problem *p = r->call->p;
    const struct attn__select_rows *rows = &lists->rows;
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, before, &a);
    for (int64_t b = 0; b < r->call->n_seq; b++)
        for (int64_t set = 0; set < rows->sets; set++) {
            struct part x = {.s = attn__call_seq(r->call, b),
                             .head = is_of_all_heads(p) ? -1 : set};
            for (x.first = 0; x.first < x.s.nq; x.first += x.n * x.queries) {
                int64_t left = x.s.nq - x.first;
                x.queries = attn__min_i64(rows->q_block, left);
                x.n = attn__min_i64(left / x.queries, at_once(p));
                x.row = (b * rows->sets + set) * rows->blocks + x.first / rows->q_block;
                run_part(r, stage, rows, &x, &a);
            }
        }
}

bool attn__compact_alone_workspace(const struct attn__problem *p, const struct attn__machine *m,
                                   size_t *bytes)
{
    size_t before = 0;
    return attn__select_attend_workspace(p, m, &before) &&
           attn__compact_workspace(p, before, bytes);
}

void attn__compact_alone_run(const struct attn__recipe_run *r)
{
    size_t before = 0;
    attn__select_attend_workspace(r->call->p, r->machine, &before);
    attn__compact_run(r, 0, attn__select_attend_lists(r), before);
}
