/* SPDX-License-Identifier: MIT */
/*
 * Views of pools that are the caller's: keys and values lie in pages of its
 * tensors, and its tables say which pages a sequence has. Tables are copied and
 * every number in them is looked at; rows are read where they are.
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/view.h"
#include "state/cache_view.h"

/* The dimensions of a pool. */
enum { PAGES, SLOTS, HEADS, CHANNELS, POOL_RANK };

/* The lists of a view, all in one block. */
struct lists {
    int64_t *keys;
    struct attn__paged_step *step;
    struct attn__paged *table;
    struct attn__paged_part *part;
    struct attn__paged_head *head;
    struct attn__paged_pool *pool;
    int32_t *page;
};

static bool lay_out(const struct attn__raw_pools *from, int64_t n_pages, char *base,
                    struct lists *l, size_t *bytes)
{
    int64_t seqs = from->lengths->shape[0];
    const struct {
        int64_t n;
        size_t size;
        void *place;
    } list[] = {{seqs, sizeof *l->keys, &l->keys},
                {seqs, sizeof *l->step, &l->step},
                {seqs, sizeof *l->table, &l->table},
                {seqs, sizeof *l->part, &l->part},
                {from->k[0].shape[HEADS], sizeof *l->head, &l->head},
                {(int64_t)from->layers, sizeof *l->pool, &l->pool},
                {n_pages, sizeof *l->page, &l->page}};
    *bytes = sizeof(struct attn_view);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        size_t size;
        void *at;
        if (!attn__align_up(*bytes, 16, bytes))
            return false;
        at = base ? base + *bytes : NULL;
        memcpy(list[i].place, &at, sizeof at);
        if (!attn__mul_size((size_t)list[i].n, list[i].size, &size) ||
            !attn__add_size(*bytes, size, bytes))
            return false;
    }
    return true;
}

/* ---- what the caller gave */

/* A pool that kernels can read: rows of channels one behind the other. */
static int32_t check_pool(const char *name, size_t layer, const attn_tensor *t)
{
    int32_t status = attn__view_check_real(name, t, POOL_RANK);
    if (status != ATTN_OK)
        return status;
    if (t->dtype == ATTN_DTYPE_F64)
        return attn__error_set(ATTN_ERR_DTYPE,
                               "%s[%zu] has dtype f64, expected f32, f16 or bf16", name, layer);
    if (t->shape[SLOTS] < 1 || t->shape[HEADS] < 1 || t->shape[CHANNELS] < 1 ||
        t->shape[PAGES] > INT32_MAX)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "%s[%zu] has shape [%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
                               "], expected [pages,slots,heads,channels] of at least 1 but for "
                               "pages, and those at most 2^31 - 1",
                               name, layer, t->shape[PAGES], t->shape[SLOTS], t->shape[HEADS],
                               t->shape[CHANNELS]);
    if (t->stride[CHANNELS] != 1 && t->shape[CHANNELS] > 1)
        return attn__error_set(ATTN_ERR_STRIDE,
                               "%s[%zu] has stride %" PRId64 " between channels, expected 1", name,
                               layer, t->stride[CHANNELS]);
    if ((uintptr_t)t->data % attn__dtype_size(t->dtype) != 0)
        return attn__error_set(ATTN_ERR_ALIGN, "%s[%zu] is not aligned to its type, %s", name,
                               layer, attn__dtype_name(t->dtype));
    return ATTN_OK;
}

/* Layers are alike in all but where they are. */
static int32_t check_alike(const char *name, size_t layer, const attn_tensor *t,
                           const attn_tensor *first)
{
    if (t->dtype != first->dtype)
        return attn__error_set(ATTN_ERR_DTYPE, "%s[%zu] has dtype %s, expected %s as %s[0]", name,
                               layer, attn__dtype_name(t->dtype), attn__dtype_name(first->dtype),
                               name);
    for (int i = 0; i < POOL_RANK; i++) {
        if (t->shape[i] != first->shape[i])
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "%s[%zu] has extent %" PRId64 " in dimension %d, expected "
                                   "%" PRId64 " as %s[0]",
                                   name, layer, t->shape[i], i, first->shape[i], name);
        if (t->stride[i] != first->stride[i])
            return attn__error_set(ATTN_ERR_STRIDE,
                                   "%s[%zu] has stride %" PRId64 " in dimension %d, expected "
                                   "%" PRId64 " as %s[0]",
                                   name, layer, t->stride[i], i, first->stride[i], name);
    }
    return ATTN_OK;
}

static int32_t check_pools(const struct attn__raw_pools *from)
{
    int32_t status = ATTN_OK;
    if (from->layers < 1)
        return attn__error_set(ATTN_ERR_INVALID, "n_layers is 0, expected 1 or more");
    for (size_t l = 0; l < from->layers && status == ATTN_OK; l++) {
        status = check_pool("k", l, &from->k[l]);
        if (status == ATTN_OK)
            status = check_pool("v", l, &from->v[l]);
        if (status == ATTN_OK)
            status = check_alike("k", l, &from->k[l], &from->k[0]);
        if (status == ATTN_OK)
            status = check_alike("v", l, &from->v[l], &from->v[0]);
    }
    for (int i = 0; i < CHANNELS && status == ATTN_OK; i++)
        if (from->k[0].shape[i] != from->v[0].shape[i])
            status = attn__error_set(ATTN_ERR_SHAPE,
                                     "v has extent %" PRId64 " in dimension %d, expected %" PRId64
                                     " as k",
                                     from->v[0].shape[i], i, from->k[0].shape[i]);
    return status;
}

/* A list of whole numbers; n < 0: of any length. */
static int32_t check_list(const char *name, const attn_tensor *t, int64_t n)
{
    int32_t status = attn__view_check(name, t);
    if (status != ATTN_OK)
        return status;
    if (t->dtype != ATTN_DTYPE_I32 && t->dtype != ATTN_DTYPE_I64)
        return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected i32 or i64", name,
                               attn__dtype_name(t->dtype));
    if (t->rank != 1 || (n >= 0 && t->shape[0] != n))
        return attn__error_set(ATTN_ERR_SHAPE,
                               "%s has rank %d and extent %" PRId64 ", expected 1 and %" PRId64,
                               name, (int)t->rank, t->rank > 0 ? t->shape[0] : 0,
                               n >= 0 ? n : t->shape[0]);
    return ATTN_OK;
}

static int64_t number(const attn_tensor *t, int64_t i)
{
    return attn__load_i64(t->data, i * t->stride[0], t->dtype);
}

static int64_t pages_of(const struct attn__raw_pools *from, int64_t length)
{
    int64_t slots = from->k[0].shape[SLOTS];
    return length / slots + (length % slots > 0);
}

/* The pages of sequence s are enough, and all of them are there. */
static int32_t check_sequence(const struct attn__raw_pools *from, int64_t s, int64_t *needed)
{
    int64_t first = number(from->offsets, s), end = number(from->offsets, s + 1);
    int64_t length = number(from->lengths, s), pages = from->k[0].shape[PAGES];
    if (first < 0 || end < first || end > from->pages->shape[0])
        return attn__error_set(ATTN_ERR_INVALID,
                               "offsets has %" PRId64 " and %" PRId64 " for sequence %" PRId64
                               ", expected ascending numbers up to %" PRId64,
                               first, end, s, from->pages->shape[0]);
    if (length < 0 || pages_of(from, length) > end - first)
        return attn__error_set(ATTN_ERR_INVALID,
                               "lengths[%" PRId64 "] is %" PRId64 ", expected 0 to what its %"
                               PRId64 " pages of %" PRId64 " hold",
                               s, length, end - first, from->k[0].shape[SLOTS]);
    for (int64_t i = first; i < first + pages_of(from, length); i++)
        if (number(from->pages, i) < 0 || number(from->pages, i) >= pages)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "pages[%" PRId64 "] is %" PRId64 ", expected 0 to %" PRId64, i,
                                   number(from->pages, i), pages - 1);
    if (!attn__add_i64(*needed, pages_of(from, length), needed))
        return attn__error_set(ATTN_ERR_OVERFLOW,
                               "the sequences have more pages together than fit in 64 bits");
    return ATTN_OK;
}

static int32_t check(const struct attn__raw_pools *from, int64_t *n_pages)
{
    int32_t status = check_pools(from);
    if (status == ATTN_OK)
        status = check_list("lengths", from->lengths, -1);
    if (status == ATTN_OK)
        status = check_list("offsets", from->offsets, from->lengths->shape[0] + 1);
    if (status == ATTN_OK)
        status = check_list("pages", from->pages, -1);
    *n_pages = 0;
    for (int64_t s = 0; status == ATTN_OK && s < from->lengths->shape[0]; s++)
        status = check_sequence(from, s, n_pages);
    return status;
}

/* ---- the view */

static void fill_heads(const attn_tensor *k, const attn_tensor *v, struct attn__paged_head *head)
{
    for (int64_t h = 0; h < k->shape[HEADS]; h++)
        head[h] = (struct attn__paged_head){
            .k_stored = k->dtype,
            .v_stored = v->dtype,
            .k_at = h * k->stride[HEADS] * (int64_t)attn__dtype_size(k->dtype),
            .v_at = h * v->stride[HEADS] * (int64_t)attn__dtype_size(v->dtype),
            .k_row = k->stride[SLOTS],
            .v_row = v->stride[SLOTS],
        };
}

static void fill_sequences(const struct attn__raw_pools *from, const struct attn_view *view,
                           const struct lists *l)
{
    int32_t *page = l->page;
    for (int64_t s = 0; s < from->lengths->shape[0]; s++) {
        int64_t length = number(from->lengths, s), first = number(from->offsets, s);
        l->keys[s] = length;
        l->step[s] = (struct attn__paged_step){.first = length};
        l->part[s] = (struct attn__paged_part){
            .past = length, .page = page, .page_size = from->k[0].shape[SLOTS]};
        l->table[s] = (struct attn__paged){.part = &l->part[s],
                                           .parts = 1,
                                           .step = &l->step[s],
                                           .piece = &view->causal,
                                           .n_pieces = 1,
                                           .window = ATTN_UNBOUNDED};
        for (int64_t i = 0; i < pages_of(from, length); i++)
            *page++ = (int32_t)number(from->pages, first + i);
    }
}

int32_t attn__raw_view_make(struct attn_ctx *ctx, const struct attn__raw_pools *from,
                            attn_view **view)
{
    struct lists l;
    size_t bytes;
    int64_t n_pages;
    int32_t status = check(from, &n_pages);
    if (status != ATTN_OK)
        return status;
    if (!lay_out(from, n_pages, NULL, &l, &bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW, "the view has more bytes than fit in 64 bits");
    struct attn_view *made = attn__mem_alloc(&ctx->mem, bytes, 64);
    if (!made)
        return ATTN_ERR_NOMEM;
    const attn_tensor *k = &from->k[0], *v = &from->v[0];
    (void)lay_out(from, n_pages, (char *)made, &l, &bytes);
    *made = (struct attn_view){
        .tag = ATTN__VIEW_TAG,
        .ctx = ctx,
        .bytes = bytes,
        .causal = {.kind = ATTN_PIECE_BAND, .n = 4, .v = {ATTN_UNBOUNDED, 0, 0, 1}},
        .raw = {(int64_t)from->layers, k->shape[HEADS], k->shape[CHANNELS], v->shape[CHANNELS],
                k->shape[SLOTS], k->dtype, v->dtype}};
    made->paged = (struct attn__paged_view){
        .n_seq = from->lengths->shape[0],
        .seq_tables = 1,
        .pool = l.pool,
        .k_page = k->stride[PAGES] * (int64_t)attn__dtype_size(k->dtype),
        .v_page = v->stride[PAGES] * (int64_t)attn__dtype_size(v->dtype),
        .keys = l.keys,
        .step = l.step,
        .table = l.table,
        .head = l.head};
    for (size_t n = 0; n < from->layers; n++)
        l.pool[n] = (struct attn__paged_pool){from->k[n].data, from->v[n].data};
    fill_heads(k, v, l.head);
    fill_sequences(from, made, &l);
    attn__ctx_retain(ctx);
    *view = made;
    return ATTN_OK;
}

/* ---- use */

int32_t attn__raw_view_usable(const attn_view *view, const struct attn__problem *p, int64_t layer)
{
    const struct attn__raw_kind *raw = &view->raw;
    const struct {
        const char *name;
        int64_t found, plan;
    } same[] = {{"h", raw->heads, p->hk},
                {"d", raw->d, p->view.d},
                {"dv", raw->dv, p->view.dv},
                {"cache_page", raw->page, p->view.page},
                {"cache_v_prefix", 0, p->view.v_prefix}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (same[i].found != same[i].plan)
            return attn__view_differs(same[i].name, same[i].found, same[i].plan);
    for (int64_t h = 0; h < raw->heads; h++) {
        bool k = p->view.k_dtype[h] != raw->k_dtype;
        if (p->view.group[h] != 0)
            return attn__view_differs("a head in cache_group", 0, p->view.group[h]);
        if (k || p->view.v_dtype[h] != raw->v_dtype)
            return attn__error_set(
                ATTN_ERR_DTYPE, "the pools of the view have %s of %s, the plan was made for %s",
                k ? "keys" : "values", attn__dtype_name(k ? raw->k_dtype : raw->v_dtype),
                attn__dtype_name((int32_t)(k ? p->view.k_dtype[h] : p->view.v_dtype[h])));
    }
    if (layer >= 0 && layer < raw->layers)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_RANGE, "layer is %" PRId64 ", expected 0 to %" PRId64, layer,
                           raw->layers - 1);
}

int32_t attn__raw_view_usable_rows(const attn_view *view, const struct attn__problem *p,
                                   int64_t index, int64_t nq)
{
    int64_t keys = view->paged.keys[index];
    if (nq <= keys || !p->view.causal)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "sequence %" PRId64 " of the view has %" PRId64
                           " rows of q, expected at most %" PRId64 ", which are its last tokens",
                           index, nq, keys);
}
