/* SPDX-License-Identifier: MIT */
/*
 * The table of a context's wisdom.
 */
#include "plan/wisdom.h"

#include <string.h>

#include "base/error.h"

struct entry {
    struct attn__wisdom_key key; /* problem: behind the struct */
    struct attn__choice choice;
    size_t bytes;
};

struct attn__wisdom {
    size_t n;
    struct entry *entry[]; /* by key */
};

static size_t table_bytes(size_t n)
{
    return sizeof(struct attn__wisdom) + n * sizeof(struct entry *);
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const struct attn__wisdom_key *a, const struct attn__wisdom_key *b)
{
    int c = strcmp(a->problem, b->problem);
    c = c ? c : order(a->isa, b->isa);
    c = c ? c : order(a->q, b->q);
    return c ? c : order(a->k, b->k);
}

/* Where the key is, or where it would be. */
static bool search(const struct attn__wisdom *w, const struct attn__wisdom_key *key, size_t *at)
{
    size_t lo = 0, hi = w ? w->n : 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = compare(&w->entry[mid]->key, key);
        if (c == 0) {
            *at = mid;
            return true;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return false;
}

bool attn__wisdom_find(struct attn_ctx *ctx, const struct attn__wisdom_key *key,
                       struct attn__choice *choice)
{
    size_t at;
    attn__lock_take(&ctx->lock);
    bool found = search(ctx->wisdom, key, &at);
    if (found)
        *choice = ctx->wisdom->entry[at]->choice;
    attn__lock_give(&ctx->lock);
    return found;
}

static struct entry *new_entry(const struct attn__mem *mem, const struct attn__wisdom_key *key,
                               const struct attn__choice *choice)
{
    size_t text = strlen(key->problem) + 1, bytes = sizeof(struct entry) + text;
    struct entry *e = attn__mem_alloc(mem, bytes, 64);
    if (!e)
        return NULL;
    e->key = *key;
    e->key.problem = memcpy(e + 1, key->problem, text);
    e->choice = *choice;
    e->bytes = bytes;
    return e;
}

/* The lock is held. */
static int32_t insert(struct attn_ctx *ctx, size_t at, struct entry *e)
{
    struct attn__wisdom *old = ctx->wisdom;
    size_t n = old ? old->n : 0;
    if (n >= ATTN__WISDOM_MAX)
        return attn__error_set(ATTN_ERR_OVERFLOW,
                               "the context has %zu lines of wisdom, expected at most %d", n + 1,
                               ATTN__WISDOM_MAX);
    struct attn__wisdom *w = attn__mem_alloc(&ctx->mem, table_bytes(n + 1), 64);
    if (!w)
        return ATTN_ERR_NOMEM;
    w->n = n + 1;
    for (size_t i = 0; i < n; i++)
        w->entry[i + (i >= at)] = old->entry[i];
    w->entry[at] = e;
    ctx->wisdom = w;
    if (old)
        attn__mem_free(&ctx->mem, old, table_bytes(n));
    return ATTN_OK;
}

int32_t attn__wisdom_put(struct attn_ctx *ctx, const struct attn__wisdom_key *key, bool replace,
                         struct attn__choice *choice)
{
    int32_t status = ATTN_OK;
    size_t at;
    struct entry *e = new_entry(&ctx->mem, key, choice);
    if (!e)
        return ATTN_ERR_NOMEM;
    attn__lock_take(&ctx->lock);
    if (!search(ctx->wisdom, key, &at)) {
        status = insert(ctx, at, e);
        if (status == ATTN_OK)
            e = NULL;
    } else if (replace) {
        struct entry *old = ctx->wisdom->entry[at];
        ctx->wisdom->entry[at] = e;
        e = old;
    } else {
        *choice = ctx->wisdom->entry[at]->choice;
    }
    attn__lock_give(&ctx->lock);
    if (e)
        attn__mem_free(&ctx->mem, e, e->bytes);
    return status;
}

bool attn__wisdom_is_empty(struct attn_ctx *ctx)
{
    attn__lock_take(&ctx->lock);
    bool empty = ctx->wisdom == NULL;
    attn__lock_give(&ctx->lock);
    return empty;
}

void attn__wisdom_clear(struct attn_ctx *ctx)
{
    attn__lock_take(&ctx->lock);
    struct attn__wisdom *w = ctx->wisdom;
    ctx->wisdom = NULL;
    attn__lock_give(&ctx->lock);
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++)
        attn__mem_free(&ctx->mem, w->entry[i], w->entry[i]->bytes);
    attn__mem_free(&ctx->mem, w, table_bytes(w->n));
}

void attn__wisdom_export(struct attn_ctx *ctx, struct attn__textout *out)
{
    attn__textout_printf(out, ATTN__WISDOM_HEAD "\n");
    attn__lock_take(&ctx->lock);
    for (size_t i = 0; ctx->wisdom && i < ctx->wisdom->n; i++)
        attn__wisdom_line_print(&ctx->wisdom->entry[i]->key, &ctx->wisdom->entry[i]->choice, out);
    attn__lock_give(&ctx->lock);
}
