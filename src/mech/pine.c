/* SPDX-License-Identifier: MIT */
/*
 * pine: position-invariant inference (Eliminating Position Bias of Language
 * Models: A Mechanistic Approach, Wang et al., 2024). A prompt is a text,
 * documents whose order shall not matter, and more text. All documents end at
 * the same position and see each other; a row puts the documents in the order
 * of what they mean to it, its own nearest, then the one it would look at most
 * without positions, and so on, by moving their keys down.
 *
 * Turning a key down by some positions is turning the query up. So keys are
 * turned once, and each document is a part by itself, attended to with queries
 * turned for it; parts are joined by lse. Stage BASE is what all rows see at
 * plain positions: the text in front, and their own document or the text
 * behind up to themselves.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/class_merge.h"
#include "solvers/map_merge.h"
#include "solvers/map_pine.h"

enum { WEIGH, BASE, DOC, STAGES };

/* Of one batch element at a time. */
struct arrays {
    void *k;               /* [Hk,k,D] turned, f32 or f64 */
    void *q;               /* [Hout,q,D] turned for a part */
    void *part, *part_lse; /* [Hout,q,Dv], [Hout,q] */
    double *acc, *acc_lse; /* joined so far: many parts, so in double */
    void *lse;             /* [docs,Hout,q] of scores without positions */
    int64_t *shift;        /* the same */
    double *weight;        /* [Hout,docs] */
    int64_t *doc, *rects;  /* [docs + 1], [docs + 2,4] */
    void *none;            /* the one element of a V that nobody needs */
    struct attn__rope_room *rope;
};

static int64_t most_docs(const struct attn__problem *p)
{
    return (int64_t)p->own[0];
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t k = 0, q = 0, rows = 0, out = 0, all = 0, docs = most_docs(p);
    s->ok = s->ok && attn__mul_i64(p->hk, p->k, &k) && attn__mul_i64(k, p->d, &k) &&
            attn__mul_i64(p->hout, p->q, &rows) && attn__mul_i64(rows, p->d, &q) &&
            attn__mul_i64(rows, p->dv, &out) && attn__mul_i64(rows, docs, &all);
    a->k = attn__scratch_take(s, k, size);
    a->q = attn__scratch_take(s, q, size);
    a->part = attn__scratch_take(s, out, size);
    a->part_lse = attn__scratch_take(s, rows, size);
    a->acc = ATTN__TAKE(s, out, double);
    a->acc_lse = ATTN__TAKE(s, rows, double);
    a->lse = attn__scratch_take(s, all, size);
    a->shift = ATTN__TAKE(s, all, int64_t);
    a->weight = ATTN__TAKE(s, p->hout * docs, double); /* both at most 65536 */
    a->doc = ATTN__TAKE(s, docs + 1, int64_t);
    a->rects = ATTN__TAKE(s, (docs + 2) * 4, int64_t);
    a->none = attn__scratch_take(s, 1, sizeof(double));
    a->rope = ATTN__TAKE(s, m->threads, struct attn__rope_room);
    for (int64_t n = 0; n < m->threads; n++) {
        struct attn__rope_room room;
        attn__rope_room_take(s, p, &room);
        if (a->rope)
            a->rope[n] = room;
    }
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    carve(&s, p, m, &a);
    *bytes = s.used;
    return s.ok;
}

static const int32_t rope_params[] = {
    ATTN_PARAM_ROPE,          ATTN_PARAM_ROPE_DIM,       ATTN_PARAM_ROPE_BASE,
    ATTN_PARAM_ROPE_SCALING,  ATTN_PARAM_ROPE_FACTOR,    ATTN_PARAM_ROPE_ORIGINAL,
    ATTN_PARAM_ROPE_BETA_FAST, ATTN_PARAM_ROPE_BETA_SLOW, ATTN_PARAM_ROPE_TRUNCATE,
    ATTN_PARAM_ROPE_LOW,      ATTN_PARAM_ROPE_HIGH,      ATTN_PARAM_ROPE_ATTENTION,
    ATTN_PARAM_ROPE_MSCALE,   ATTN_PARAM_ROPE_FREQS};

enum { ROPE_PARAMS = sizeof rope_params / sizeof rope_params[0] };

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    const struct {
        int32_t param;
        int64_t value;
    } set[] = {
        /* turned queries are one for each output head */
        {ATTN_PARAM_HQ, n == WEIGH ? whole->hq : whole->hout},
        {ATTN_PARAM_HK, whole->hk},
        {ATTN_PARAM_HV, whole->hv},
        {ATTN_PARAM_DV, n == WEIGH ? 1 : whole->dv},
        {ATTN_PARAM_CAUSAL, n == BASE},
    };
    int32_t status = attn__preset_stage(v, mem, &copy);
    for (size_t i = 0; i < ROPE_PARAMS && status == ATTN_OK; i++)
        status = attn__params_unset(&copy, rope_params[i]);
    for (size_t i = 0; i < sizeof set / sizeof set[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, set[i].param, set[i].value);
    if (status == ATTN_OK && n != WEIGH)
        status = attn__params_unset(&copy, ATTN_PARAM_Q_HEAD);
    if (status == ATTN_OK) /* with rope_mscale in it */
        status = attn__params_set_f64(&copy, ATTN_PARAM_SCALE, whole->scale);
    if (status == ATTN_OK && n == BASE)
        status = attn__piece_list_add(&copy.pieces, mem, ATTN_PIECE_RECT, ATTN_MODE_ANY, NULL, 0);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* One batch element of an execute. */
struct element {
    const struct attn__recipe_run *r;
    const struct arrays *a;
    struct attn__pine x;
    int64_t rows;
    attn_tensor q, k, v, out, lse; /* the caller's; lse without data: none */
};

static attn_tensor batch_of(const attn_tensor *t, int64_t b)
{
    attn_tensor s = *t;
    s.data = (char *)t->data + b * t->stride[0] * (int64_t)attn__dtype_size(t->dtype);
    s.shape[0] = 1;
    return s;
}

/* A call of one sequence with the rows and keys of a part. */
static struct attn__call begin(const struct element *e, const attn_tensor *q, const attn_tensor *k,
                               const attn_tensor *v, const attn_tensor *out,
                               const attn_tensor *lse)
{
    struct attn__call c = attn__recipe_call(e->r);
    c.n_seq = 1;
    attn__recipe_give(&c, ATTN__SLOT_Q, q);
    attn__recipe_give(&c, ATTN__SLOT_K, k);
    attn__recipe_give(&c, ATTN__SLOT_V, v);
    attn__recipe_give(&c, ATTN__SLOT_OUT, out);
    attn__recipe_give(&c, ATTN__SLOT_LSE, lse);
    return c;
}

/*
 * Queries that see document d but are not of it, as rows i0 to i1 - 1: side 0
 * those in front of it, side 1 those behind. While weighing, only those whose
 * order is not plain.
 */
static bool others(const struct element *e, int64_t d, int side, bool weighing, int64_t *i0,
                   int64_t *i1)
{
    const struct attn__pine *x = &e->x;
    int64_t from = side == 0 ? x->doc[0] : x->doc[d + 1], to = side == 0 ? x->doc[d] : x->n;
    if (weighing && !attn__pine_weighs(x, false))
        from = attn__max_i64(from, x->doc[x->n_docs]);
    if (weighing && !attn__pine_weighs(x, true))
        from = x->n;
    *i0 = attn__max_i64(from - x->first, 0);
    *i1 = to - x->first;
    return *i0 < *i1 && x->doc[d] < x->doc[d + 1];
}

/* What documents mean to rows, by scores without positions. */
static void weigh(const struct element *e, const attn_tensor *lse)
{
    const struct attn__problem *p = e->r->call->p;
    int64_t i0, i1;
    for (int64_t d = 0; d < e->x.n_docs; d++)
        for (int side = 0; side < 2; side++) {
            if (!others(e, d, side, true, &i0, &i1))
                continue;
            int64_t len = e->x.doc[d + 1] - e->x.doc[d];
            attn_tensor q = attn__recipe_rows(&e->q, i0, i1 - i0);
            attn_tensor k = attn__recipe_rows(&e->k, e->x.doc[d], len), to = *lse;
            attn_tensor v = attn__recipe_constant(e->a->none, p->kv_dtype, 1, p->hv, len, 1);
            attn_tensor drop = attn__recipe_view(e->a->part, lse->dtype, 1, p->hout, i1 - i0, 1);
            to.data = (char *)to.data + d * p->hout * e->rows *
                                            (int64_t)attn__dtype_size(lse->dtype);
            to = attn__recipe_rows(&to, i0, i1 - i0);
            struct attn__call c = begin(e, &q, &k, &v, &drop, &to);
            e->r->attend(e->r, WEIGH, &c);
        }
}

/* The queries of rows i0 to i1 - 1, turned for document d; -1: as they stand. */
static attn_tensor turned(const struct element *e, int64_t d, int64_t i0, int64_t i1)
{
    const struct attn__problem *p = e->r->call->p;
    attn_tensor to = attn__recipe_view(e->a->q, attn__problem_row_dtype(p), 1, p->hout, i1 - i0,
                                       p->d);
    attn_tensor from = attn__recipe_rows(&e->q, i0, i1 - i0);
    const struct attn__pine_turn turn = {
        .x = &e->x, .from = &from, .to = &to, .head = p->q_head,
        .shift = d < 0 ? NULL : e->a->shift + d * p->hout * e->rows + i0,
        .shift_rows = e->rows, .first_token = e->x.first + i0};
    attn__map_pine_turn(e->r, &turn, e->a->rope);
    return to;
}

static attn_tensor make_rects(const struct element *e)
{
    const struct attn__pine *x = &e->x;
    int64_t *at = e->a->rects, n = x->n_docs + 2;
    for (int64_t i = -1; i <= x->n_docs; i++, at += 4) {
        at[2] = i < 0 ? 0 : x->doc[i];
        at[3] = i < x->n_docs ? x->doc[i + 1] : x->n;
        /* the text in front is for all, the others for their own rows */
        at[0] = i < 0 ? 0 : attn__max_i64(at[2] - x->first, 0);
        at[1] = i < 0 ? e->rows : attn__max_i64(at[3] - x->first, 0);
    }
    return (attn_tensor){.data = e->a->rects, .dtype = ATTN_DTYPE_I64, .rank = 3,
                         .shape = {1, n, 4}, .stride = {n * 4, 4, 1}};
}

static void run_one(const struct element *e)
{
    const struct attn__problem *p = e->r->call->p;
    const struct arrays *a = e->a;
    int32_t type = attn__problem_row_dtype(p);
    attn_tensor lse = attn__recipe_view(a->lse, type, 1, p->hout, e->rows, -1);
    attn_tensor acc = attn__recipe_view(a->acc, ATTN_DTYPE_F64, 1, p->hout, e->rows, p->dv);
    attn_tensor acc_lse = attn__recipe_view(a->acc_lse, ATTN_DTYPE_F64, 1, p->hout, e->rows, -1);
    attn_tensor part = attn__recipe_view(a->part, type, 1, p->hout, e->rows, p->dv);
    attn_tensor part_lse = attn__recipe_view(a->part_lse, type, 1, p->hout, e->rows, -1);
    attn_tensor keys = attn__recipe_view(a->k, type, 1, p->hk, e->x.n, p->d);
    const struct attn__pine_turn turn = {.x = &e->x, .from = &e->k, .to = &keys};
    int64_t i0, i1;

    weigh(e, &lse);
    attn__map_pine_shifts(e->r->threads, &e->x, p->hout, &lse, a->weight, a->shift);
    attn__map_pine_turn(e->r, &turn, a->rope);
    attn_tensor q = turned(e, -1, 0, e->rows), rects = make_rects(e);
    struct attn__call c = begin(e, &q, &keys, &e->v, &part, &part_lse);
    attn__recipe_give(&c, ATTN__SLOT_RECTS, &rects);
    e->r->attend(e->r, BASE, &c);
    attn__map_merge(e->r->threads, 1, &part, &part_lse, &acc, &acc_lse);

    for (int64_t d = 0; d < e->x.n_docs; d++)
        for (int side = 0; side < 2; side++) {
            if (!others(e, d, side, false, &i0, &i1))
                continue;
            int64_t n = i1 - i0, len = e->x.doc[d + 1] - e->x.doc[d];
            attn_tensor k = attn__recipe_rows(&keys, e->x.doc[d], len);
            attn_tensor v = attn__recipe_rows(&e->v, e->x.doc[d], len);
            part = attn__recipe_view(a->part, type, 1, p->hout, n, p->dv);
            part_lse = attn__recipe_view(a->part_lse, type, 1, p->hout, n, -1);
            q = turned(e, d, i0, i1);
            c = begin(e, &q, &k, &v, &part, &part_lse);
            e->r->attend(e->r, DOC, &c);
            attn_tensor both[2] = {attn__recipe_rows(&acc, i0, n), part};
            attn_tensor both_lse[2] = {attn__recipe_rows(&acc_lse, i0, n), part_lse};
            attn__map_merge(e->r->threads, 2, both, both_lse, &both[0], &both_lse[0]);
        }
    attn__map_merge(e->r->threads, 1, &acc, &acc_lse, &e->out, e->lse.data ? &e->lse : NULL);
}

static int64_t doc_at(const attn_tensor *t, int64_t b, int64_t n)
{
    int64_t at = (t->shape[0] == 1 ? 0 : b * t->stride[0]) + n * t->stride[1];
    return attn__load_i64(t->data, at, t->dtype);
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__call *call = r->call;
    const attn_tensor *t = call->t, *docs = &t[ATTN__SLOT_DOCS];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, call->p, r->machine, &a);
    memset(a.none, 0, sizeof(double));
    int64_t nq = t[ATTN__SLOT_Q].shape[2], nk = t[ATTN__SLOT_K].shape[2];
    for (int64_t b = 0; b < t[ATTN__SLOT_Q].shape[0] && nq > 0; b++) {
        struct element e = {
            .r = r, .a = &a, .rows = nq,
            .x = {.n_docs = docs->shape[1] - 1, .n = nk, .first = nk - nq, .doc = a.doc},
            .q = batch_of(&t[ATTN__SLOT_Q], b), .k = batch_of(&t[ATTN__SLOT_K], b),
            .v = batch_of(&t[ATTN__SLOT_V], b), .out = batch_of(&t[ATTN__SLOT_OUT], b)};
        if (call->has[ATTN__SLOT_LSE])
            e.lse = batch_of(&t[ATTN__SLOT_LSE], b);
        for (int64_t n = 0; n <= e.x.n_docs; n++)
            a.doc[n] = doc_at(docs, b, n);
        run_one(&e);
    }
}

/* The documents of a batch element: in order, inside, and none of them has
 * rows without its first one. */
static int32_t check_docs(const struct attn__call *c, int64_t b, int64_t nq, int64_t nk)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_DOCS];
    for (int64_t n = 0, before = 0; n < t->shape[1]; n++) {
        int64_t at = doc_at(t, b, n);
        if (at < before || at > nk)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "docs[%" PRId64 ",%" PRId64 "] is %" PRId64
                                   ", expected %" PRId64 " to %" PRId64,
                                   b, n, at, before, nk);
        if (n > 0 && before < nk - nq && at > nk - nq)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "the first of %" PRId64 " queries stands at token %" PRId64
                                   ", inside of document %" PRId64 " (%" PRId64 " to %" PRId64
                                   "): expected all rows of a document in one execute",
                                   nq, nk - nq, n - 1, before, at - 1);
        before = at;
    }
    return ATTN_OK;
}

static int32_t check(const struct attn__call *c)
{
    const attn_tensor *docs = &c->t[ATTN__SLOT_DOCS];
    int64_t nq = c->t[ATTN__SLOT_Q].shape[2], nk = c->t[ATTN__SLOT_K].shape[2];
    int64_t most = most_docs(c->p) + 1;
    int32_t status = ATTN_OK;
    if (docs->shape[1] < 2 || docs->shape[1] > most)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "docs has extent %" PRId64
                               " in dimension 1, expected 2 to pine_docs + 1 = %" PRId64,
                               docs->shape[1], most);
    if (nq > nk)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "q has %" PRId64 " rows and k %" PRId64
                               ", expected queries to be the last tokens",
                               nq, nk);
    for (int64_t b = 0; b < docs->shape[0] && status == ATTN_OK; b++)
        if (c->p->check >= ATTN_CHECK_INDICES)
            status = check_docs(c, b, nq, nk);
    return status;
}

static const struct attn__recipe recipe = {
    .n_stages = STAGES,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

static const struct attn__setting settings[] = {
    {ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_ROPE, ATTN__DEFAULT, ATTN_ROPE_HALF, 0},
};

int32_t attn__mech_pine(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int32_t also[7 + ROPE_PARAMS] = {ATTN_PARAM_CAUSAL, ATTN_PARAM_Q_HEAD, ATTN_PARAM_K_HEAD,
                                     ATTN_PARAM_V_HEAD, ATTN_PARAM_SCALE,  ATTN_PARAM_SOFTCAP,
                                     ATTN_PARAM_PACKED};
    struct attn__params copy;
    int64_t docs = attn__params_i64_or(params, ATTN_PARAM_PINE_DOCS, 0);
    if (docs == 0)
        return attn__error_set(ATTN_ERR_UNSET, "pine needs pine_docs (the most documents of a "
                                               "prompt), which was not set");
    memcpy(also + 7, rope_params, sizeof rope_params);
    int32_t status = attn__preset_only(params, also, sizeof also / sizeof also[0]);
    if (status != ATTN_OK)
        return status;
    status = attn__preset_copy(params, mem, settings, sizeof settings / sizeof settings[0], &copy);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, params, mem, p);
    attn__params_destroy(&copy);
    if (status == ATTN_OK)
        status = attn__class_finish(mem, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->check_call = check;
    p->takes[ATTN__SLOT_DOCS] = ATTN__TAKES_MUST;
    p->own[0] = (double)docs;
    return ATTN_OK;
}
