/* SPDX-License-Identifier: MIT */
/*
 * Making views. All lists are in one block, laid out twice: once to count its
 * bytes.
 */
#include "state/cache_view.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"

/* The lists of a view, which has not got all of them as constants. */
struct lists {
    struct attn__view_segment *segment;
    int64_t *last, *keys, *depth;
    uint64_t *see;
    struct attn__paged_step *step;
    struct attn__paged *table;
    struct attn__paged_part *part;
    struct attn__paged_head *head;
    struct attn__piece *piece; /* [rows][groups][3] */
};

/* How many of each. */
struct sizes {
    int64_t n, segments, tables, depths, words;
};

static bool lay_out(const attn_cache *cache, const struct sizes *z, char *base, struct lists *l,
                    size_t *bytes)
{
    int64_t all = 0, parts = 0, rules = attn__cache_tables(cache) * 3;
    if (!attn__mul_i64(z->n, z->tables, &all) || !attn__mul_i64(z->segments, z->tables, &parts))
        return false;
    const struct {
        int64_t n;
        size_t size;
        void *place;
    } list[] = {{z->segments, sizeof *l->segment, &l->segment},
                {z->n, sizeof *l->last, &l->last},
                {z->n, sizeof *l->keys, &l->keys},
                {z->depths, sizeof *l->depth, &l->depth},
                {z->words, sizeof *l->see, &l->see},
                {z->n, sizeof *l->step, &l->step},
                {all, sizeof *l->table, &l->table},
                {parts, sizeof *l->part, &l->part},
                {cache->c.heads, sizeof *l->head, &l->head},
                {rules, sizeof *l->piece, &l->piece}};
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

/* True if a token of the item has not the one in front of it for its parent. */
static bool branches(const struct attn_step *step, const struct attn__cache_item *item)
{
    for (int64_t t = 0; t < item->count; t++)
        if (step->parent[item->start + t] != t - 1)
            return true;
    return false;
}

static const struct attn__cache_item *item_of(const struct attn__cache_seq *s)
{
    for (int64_t i = 0; s->step && i < s->step->n; i++)
        if (s->step->item[i].seq == s)
            return &s->step->item[i];
    return NULL;
}

static int32_t check_segment(const attn_cache *cache, int64_t id, int64_t end, bool last,
                             struct sizes *z)
{
    struct attn__cache_seq *s = NULL;
    int32_t status = attn__cache_find(cache, "seqs", id, &s);
    if (status != ATTN_OK)
        return status;
    if (end < -1 || end > s->next)
        return attn__error_set(ATTN_ERR_INVALID,
                               "an end is %" PRId64 ", expected 0 to %" PRId64
                               ", the length of its sequence, or -1",
                               end, s->next);
    if (s->step && ((!last && !cache->c.local) || end >= 0))
        return attn__error_set(ATTN_ERR_BUSY,
                               "sequence %" PRId64
                               " has an open step, expected none where it is read up to an end or "
                               "in front of another",
                               id);
    const struct attn__cache_item *item = item_of(s);
    if (!item || !branches(s->step, item))
        return ATTN_OK;
    if (!last)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "sequence %" PRId64
                               " has an open step that branches, expected none where it is read "
                               "in front of another",
                               id);
    int64_t words = (item->count + 63) / 64;
    z->depths += item->count;
    return attn__mul_i64(words, item->count, &words) && attn__add_i64(z->words, words, &z->words)
               ? ATTN_OK
               : ATTN_ERR_OVERFLOW;
}

/* Windows look back from where the queries stand, which no sequence in front
 * knows of. */
static int32_t check_rules(const attn_cache *cache, bool several)
{
    for (int64_t n = 0; n < attn__cache_tables(cache); n++)
        if (several && cache->c.rule[n].window != ATTN_UNBOUNDED)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "the cache has windows, and a query sequence reads several "
                                   "sequences, expected one");
    return ATTN_OK;
}

static int32_t check_segments(const attn_cache *cache, size_t n, const int64_t *counts,
                              const int64_t *seqs, const int64_t *ends, struct sizes *z)
{
    int32_t status = ATTN_OK;
    bool several = false;
    *z = (struct sizes){.n = (int64_t)n, .tables = attn__cache_tables(cache)};
    for (size_t i = 0; i < n && status == ATTN_OK; i++) {
        int64_t count = counts ? counts[i] : 1;
        if (count < 1 || count > INT32_MAX)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "counts[%zu] is %" PRId64 ", expected 1 or more", i, count);
        several |= count > 1;
        for (int64_t k = 0; k < count && status == ATTN_OK; k++, z->segments++)
            status = check_segment(cache, seqs[z->segments], ends ? ends[z->segments] : -1,
                                   k + 1 == count, z);
    }
    return status == ATTN_OK ? check_rules(cache, several) : status;
}

/* Causal, and what the rule adds: at most three pieces. */
static int32_t fill_pieces(const struct attn__cache_rule *rule, struct attn__piece piece[3])
{
    bool window = rule->window != ATTN_UNBOUNDED, sink = window && rule->sink > 0;
    piece[0] = (struct attn__piece){
        .kind = ATTN_PIECE_BAND, .n = 4, .v = {ATTN_UNBOUNDED, 0, 0, 1}};
    if (window)
        piece[1] = (struct attn__piece){.kind = ATTN_PIECE_BAND, .any = sink, .n = 4,
                                        .v = {rule->window - 1, ATTN_UNBOUNDED, 0, 1}};
    piece[2] = (struct attn__piece){
        .kind = ATTN_PIECE_PREFIX, .any = true, .n = 1, .v = {rule->sink}};
    return 1 + window + sink;
}

/* Looked at once for each view: an execute asks for every head, of K and of V. */
static int64_t straight_cells(const struct attn__paged_part *part)
{
    const struct attn__cache_cell *cell = part->cell;
    int64_t n = 0, slot = 0;
    while (n < part->stored && cell[n].pos == n && cell[n].slot == slot &&
           (slot == 0 || cell[n].page == cell[n - 1].page)) {
        slot = slot + 1 < part->page_size ? slot + 1 : 0;
        n++;
    }
    return n;
}

/* Of what a window that dropped all up to lost_end leaves to be seen: the sinks,
 * and what stands behind. */
static bool has_holes(const struct attn__cache_rule *rule, const struct attn__paged_part *part,
                      int64_t lost_end)
{
    int64_t sinks = 0, tail = 0, from = attn__max_i64(rule->sink, lost_end);
    while (sinks < part->stored && part->cell[sinks].pos < rule->sink)
        sinks++;
    while (tail < part->stored && part->cell[part->stored - 1 - tail].pos >= from)
        tail++;
    return sinks != attn__min_i64(rule->sink, part->past) || tail != part->past - from;
}

/* The part that a table gives; true if keys are missing that its rule does not
 * hide from all who may ask. */
static bool fill_part(const attn_cache *cache, const struct attn__cache_table *t,
                      const struct attn__cache_seq *s, const struct attn__cache_item *item,
                      bool written, int64_t end, struct attn__paged_part *part)
{
    const struct attn__cache_rule *rule = &cache->c.rule[t->number];
    int64_t open = t->n_cells - attn__cache_open_cells(cache, t);
    part->cell = t->cell;
    part->stored = t->n_cells - (item && written ? item->count : 0);
    part->past = s->next;
    part->fresh = item ? item->count : 0;
    if (end >= 0) {
        while (part->stored > 0 && part->cell[part->stored - 1].pos >= end)
            part->stored--;
        part->past = end;
    }
    part->page_size = cache->c.page_size;
    part->straight = straight_cells(part);
    part->open = open < part->stored ? part->cell[open].pos : part->past;
    if (t->lost_end > 0 && end < 0)
        return has_holes(rule, part, t->lost_end);
    return part->stored != part->past;
}

static void fill_step(const struct attn__cache_seq *s, const struct attn__cache_item *item,
                      int64_t first, struct lists *l, struct attn__paged_step *out)
{
    *out = (struct attn__paged_step){.first = first};
    if (!item)
        return;
    out->tokens = item->count;
    if (!branches(s->step, item))
        return;
    int64_t n = item->count, words = (n + 63) / 64;
    out->depth = memcpy(l->depth, s->step->depth + item->start, (size_t)n * sizeof *l->depth);
    out->see = l->see;
    out->words = words;
    for (int64_t t = 0; t < n; t++) {
        int32_t parent = s->step->parent[item->start + t];
        uint64_t *see = l->see + t * words;
        for (int64_t w = 0; w < words; w++)
            see[w] = parent < 0 ? 0 : l->see[parent * words + w];
        see[t / 64] |= UINT64_C(1) << t % 64;
    }
    l->depth += n;
    l->see += n * words;
}

static struct attn__paged_bounds bounds_of(const attn_cache *cache,
                                           const struct attn__cache_table *t)
{
    return (struct attn__paged_bounds){
        .data = t->bounds,
        .bytes = t->bound_bytes,
        .page = t->page,
        .pages = t->n_pages,
        .numbers = attn__cache_group_of(cache, t->number)->n_heads * cache->c.d};
}

/* Query sequence i, whose segments begin at `first`. */
static void fill_seq(const attn_cache *cache, struct attn_view *v, struct lists *l, int64_t i,
                     int64_t first, int64_t count, const int64_t *ends)
{
    int64_t tables = attn__cache_tables(cache), last = first + count - 1, base = 0;
    const struct attn__cache_seq *own = v->segment[last].seq;
    const struct attn__cache_item *item = item_of(own);
    for (int64_t k = 0; k < count; k++) {
        const struct attn__cache_seq *s = v->segment[first + k].seq;
        const struct attn__cache_item *fresh = item_of(s);
        int64_t end = ends ? ends[first + k] : -1;
        for (int64_t n = 0; n < tables; n++) {
            struct attn__paged *p = &l->table[i * tables + n];
            struct attn__paged_part *part = &l->part[first * tables + n * count];
            bool written = fresh && s->step->written[n / cache->c.groups];
            p->part = part;
            p->parts = count;
            part[k].base = base;
            p->odd |= fill_part(cache, &s->table[n], s, fresh, written, end, &part[k]);
        }
        if (k + 1 < count)
            base += (end >= 0 ? end : s->next) + (fresh ? fresh->count : 0);
    }
    int64_t end = ends ? ends[last] : -1, past = end >= 0 ? end : own->next;
    v->last[i] = last;
    l->keys[i] = base + past + (item ? item->count : 0);
    fill_step(own, item, base + past, l, &l->step[i]);
    for (int64_t n = 0; n < tables; n++) {
        struct attn__paged *p = &l->table[i * tables + n];
        const struct attn__cache_rule *rule = &cache->c.rule[n];
        p->step = &l->step[i];
        p->odd |= l->step[i].depth != NULL;
        p->piece = &l->piece[n * 3];
        /* where a step branches positions are no numbers */
        p->n_pieces = l->step[i].depth ? 1 : fill_pieces(rule, &l->piece[n * 3]);
        p->window = rule->window;
        p->sink = rule->sink;
        p->bounds = bounds_of(cache, &own->table[n]);
        p->fold = own->table[n].fold;
        p->n_folded = own->table[n].n_folded;
    }
}

static void fill_heads(const attn_cache *cache, struct attn__paged_head *head)
{
    for (int64_t g = 0; g < cache->c.groups; g++) {
        const struct attn__cache_group *of = &cache->c.group[g];
        const struct attn__cache_group *open = &cache->c.group[attn__cache_open_kind(cache, g)];
        int64_t floats = open != of ? (int64_t)sizeof(float) : 0;
        for (int64_t n = 0; n < of->n_heads; n++)
            head[of->head[n]] = (struct attn__paged_head){
                .group = (int32_t)g,
                .k_stored = of->k_stored,
                .v_stored = of->v_stored,
                .k_at = n * (int64_t)of->k_head,
                .v_at = n * (int64_t)of->v_head,
                .k_row = (int64_t)of->k_row / attn__dtype_step(of->k_dtype),
                .v_row = (int64_t)of->v_row / attn__dtype_step(of->v_dtype),
                .open_k_at = n * (int64_t)open->k_head,
                .open_v_at = n * (int64_t)open->v_head,
                .open_k_row = floats ? (int64_t)open->k_row / floats : 0,
                .open_v_row = floats ? (int64_t)open->v_row / floats : 0,
                .fold_k = n * cache->c.d,
                .bounds = n * cache->c.d,
                .fold_v = of->n_heads * cache->c.d + n * cache->c.dv,
            };
    }
}

/* A token has one score, and rows that may be taken back none. */
static const char *find_unobserved(const struct attn_view *v, const int64_t *ends)
{
    const char *why = NULL;
    if (v->n_segments > v->paged.n_seq)
        why = "several are read by one query sequence";
    for (int64_t k = 0; k < v->n_segments; k++) {
        struct attn__cache_seq *s = v->segment[k].seq;
        if (ends && ends[k] >= 0)
            why = "one is read up to an end";
        if (s->marked)
            why = "one is read twice";
        s->marked = true;
    }
    for (int64_t k = 0; k < v->n_segments; k++)
        v->segment[k].seq->marked = false;
    for (int64_t i = 0; i < v->paged.n_seq; i++)
        if (v->paged.step[i].depth)
            why = "the open step of one branches";
    return why;
}

int32_t attn__view_make(attn_cache *cache, size_t n, const int64_t *counts, const int64_t *seqs,
                        const int64_t *ends, attn_view **view)
{
    struct sizes z;
    struct lists l;
    size_t bytes;
    int32_t status = check_segments(cache, n, counts, seqs, ends, &z);
    if (status != ATTN_OK)
        return status;
    if (!lay_out(cache, &z, NULL, &l, &bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW, "the view has more bytes than fit in 64 bits");
    struct attn_view *v = attn__mem_alloc(&cache->ctx->mem, bytes, 64);
    if (!v)
        return ATTN_ERR_NOMEM;
    (void)lay_out(cache, &z, (char *)v, &l, &bytes);
    *v = (struct attn_view){.tag = ATTN__VIEW_TAG, .cache = cache, .n_segments = z.segments,
                            .segment = l.segment, .last = l.last, .bytes = bytes};
    v->paged = (struct attn__paged_view){.n_seq = z.n,
                                         .seq_tables = z.tables,
                                         .row_tables = cache->c.groups,
                                         .page = &cache->page[0].at,
                                         .page_step = sizeof cache->page[0],
                                         .keys = l.keys,
                                         .step = l.step,
                                         .table = l.table,
                                         .head = l.head,
                                         .k_scale = cache->c.k_scale,
                                         .v_scale = cache->c.v_scale};
    for (int64_t k = 0; k < z.segments; k++) {
        struct attn__cache_seq *s = NULL;
        (void)attn__cache_find(cache, "seqs", seqs[k], &s);
        v->segment[k] = (struct attn__view_segment){seqs[k], s->version, s};
    }
    for (int64_t n_tables = attn__cache_tables(cache), t = 0; t < n_tables; t++)
        (void)fill_pieces(&cache->c.rule[t], &l.piece[t * 3]);
    fill_heads(cache, l.head);
    memset(l.table, 0, (size_t)(z.n * z.tables) * sizeof *l.table);
    for (int64_t i = 0, first = 0; i < z.n; i++) {
        int64_t count = counts ? counts[i] : 1;
        fill_seq(cache, v, &l, i, first, count, ends);
        first += count;
    }
    v->unobserved = find_unobserved(v, ends);
    cache->refs++;
    *view = v;
    return ATTN_OK;
}

void attn__view_free(attn_view *view)
{
    attn_cache *cache = view->cache;
    struct attn_ctx *ctx = cache ? cache->ctx : view->ctx;
    view->tag = 0;
    attn__mem_free(&ctx->mem, view, view->bytes);
    if (cache)
        attn__cache_release(cache);
    else
        attn__ctx_release(ctx);
}

/* ---- use ---- */

static int32_t check_fresh(const attn_view *view)
{
    const attn_cache *cache = view->cache;
    if (cache->closed)
        return attn__error_set(ATTN_ERR_STATE, "the cache of the view was destroyed");
    for (int64_t k = 0; k < view->n_segments; k++) {
        const struct attn__view_segment *g = &view->segment[k];
        int64_t slot = g->id & UINT32_MAX;
        if (!cache->seq[slot] || cache->generation[slot] != g->id >> 32 ||
            g->seq->version != g->version)
            return attn__error_set(ATTN_ERR_STATE,
                                   "sequence %" PRId64
                                   " of the view was changed or freed, expected a new view",
                                   g->id);
    }
    return ATTN_OK;
}

int32_t attn__view_differs(const char *what, int64_t found, int64_t plan)
{
    return attn__error_set(ATTN_ERR_SHAPE,
                           "the view has %s %" PRId64 ", the plan was made for %" PRId64, what,
                           found, plan);
}

static const char *keys_word(bool raw, bool local)
{
    return raw ? "raw" : local ? "block_local" : "rotated";
}

/* Is it the cache that the plan was told of? */
static int32_t check_kind(const attn_cache *cache, const struct attn__problem *p)
{
    const struct attn__cache_config *c = &cache->c;
    const struct attn__view_spec *spec = &p->view;
    if (c->heads != p->hk)
        return attn__view_differs("h", c->heads, p->hk);
    if (c->d != spec->d)
        return attn__view_differs("d", c->d, spec->d);
    if (c->dv != spec->dv)
        return attn__view_differs("dv", c->dv, spec->dv);
    if (c->v_prefix != spec->v_prefix)
        return attn__view_differs("cache_v_prefix", c->v_prefix, spec->v_prefix);
    if (c->page_size != spec->page)
        return attn__view_differs("cache_page", c->page_size, spec->page);
    if (c->raw != spec->raw || c->local != spec->local)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the cache of the view has %s keys, the plan was made for %s ones",
                               keys_word(c->raw, c->local), keys_word(spec->raw, spec->local));
    for (int64_t g = 0; g < c->groups; g++) {
        const struct attn__cache_group *of = &c->group[g];
        for (int64_t n = 0; n < of->n_heads; n++) {
            int64_t h = of->head[n];
            if (spec->group[h] != g)
                return attn__view_differs("a head in cache_group", g, spec->group[h]);
            bool k = of->k_dtype != spec->k_dtype[h];
            if (k || of->v_dtype != spec->v_dtype[h])
                return attn__error_set(ATTN_ERR_DTYPE,
                                       "the cache of the view stores %s of group %" PRId64
                                       " as %s, the plan was made for %s",
                                       k ? "keys" : "values", g,
                                       attn__dtype_name(k ? of->k_dtype : of->v_dtype),
                                       attn__dtype_name(
                                           (int32_t)(k ? spec->k_dtype[h] : spec->v_dtype[h])));
        }
    }
    return ATTN_OK;
}

/* Sums of what was dropped are one key without a place, made of keys as they
 * are stored. */
static int32_t check_fold(const attn_cache *cache, const struct attn__problem *p, int64_t row)
{
    const int32_t by_key = ATTN_WANT_ROWMAX | ATTN_WANT_ARGMAX | ATTN_WANT_ENTROPY;
    const bool changes_k = p->rope.on_k || p->qk_norm.kind != ATTN_QK_NORM_NONE;
    const char *what = NULL;
    for (int64_t g = 0; g < cache->c.groups; g++)
        if (cache->c.rule[row * cache->c.groups + g].fold)
            what = p->view.by_number    ? "terms or a factor by positions"
                   : p->view.own_pieces ? "windows, pieces or lists of its own"
                   : p->mask || p->bias ? "a mask or a bias by keys"
                   : p->norm.kind != ATTN_NORMALIZER_SOFTMAX ? "a normalizer other than softmax"
                   : p->want & by_key ? "want=rowmax, argmax or entropy"
                   : changes_k        ? "keys that the plan turns or normalises"
                                      : what;
    if (!what)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "the plan has %s, expected none with a cache that has cache_fold", what);
}

/* Keys are chosen from all that stand in front of a row. */
static int32_t check_rule(const attn_cache *cache, const struct attn__problem *p, int64_t row)
{
    for (int64_t g = 0; g < cache->c.groups && p->view.selects; g++)
        if (cache->c.rule[row * cache->c.groups + g].window != ATTN_UNBOUNDED)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "group %" PRId64
                                   " of the cache has a window, expected a plan that does not "
                                   "choose keys itself",
                                   g);
    return ATTN_OK;
}

int32_t attn__view_usable(const attn_view *view, const struct attn__problem *p, int64_t layer,
                         int64_t *row)
{
    if (!view->cache) {
        *row = layer;
        return attn__raw_view_usable(view, p, layer);
    }
    int32_t status = check_fresh(view);
    if (status == ATTN_OK)
        status = check_kind(view->cache, p);
    if (status != ATTN_OK)
        return status;
    if (layer < 0 || layer >= view->cache->c.layers)
        return attn__error_set(ATTN_ERR_RANGE,
                               "layer is %" PRId64 ", expected 0 to %" PRId64, layer,
                               view->cache->c.layers - 1);
    *row = view->cache->c.row[layer];
    status = check_rule(view->cache, p, *row);
    return status == ATTN_OK ? check_fold(view->cache, p, *row) : status;
}

/* Rows that see all: those of no step, and no window hides keys from them. */
static int32_t check_all(const attn_view *view, const struct attn__cache_seq *s, int64_t row,
                         int64_t index)
{
    const struct attn__cache_config *c = &view->cache->c;
    if (s->step)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "sequence %" PRId64
                               " of the view has an open step, expected causal: its rows see "
                               "nothing behind them",
                               index);
    for (int64_t g = 0; g < c->groups; g++)
        if (c->rule[row * c->groups + g].window != ATTN_UNBOUNDED)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "group %" PRId64
                                   " of the cache has a window, expected causal: a row that sees "
                                   "all stands nowhere to look back from",
                                   g);
    return ATTN_OK;
}

int32_t attn__view_usable_rows(const attn_view *view, const struct attn__problem *p, int64_t row,
                              int64_t index, int64_t nq)
{
    if (!view->cache)
        return attn__raw_view_usable_rows(view, p, index, nq);
    const struct attn__cache_config *c = &view->cache->c;
    const struct attn__paged_step *step = &view->paged.step[index];
    const struct attn__cache_seq *s = view->segment[view->last[index]].seq;
    int64_t keys = view->paged.keys[index];
    if (nq == 0)
        return ATTN_OK;
    if (!p->view.causal)
        return check_all(view, s, row, index);
    if (step->tokens > 0 ? nq != step->tokens : nq > keys)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "sequence %" PRId64 " of the view has %" PRId64
                               " rows of q, expected %s%" PRId64 "%s",
                               index, nq, step->tokens > 0 ? "the " : "at most ",
                               step->tokens > 0 ? step->tokens : keys,
                               step->tokens > 0 ? " tokens of its open step" : "");
    for (int64_t k = index > 0 ? view->last[index - 1] + 1 : 0; k <= view->last[index]; k++) {
        const struct attn_step *open = view->segment[k].seq->step;
        if (open && !open->written[row])
            return attn__error_set(ATTN_ERR_STATE,
                                   "this layer of the open step of sequence %" PRId64
                                   " of the view was not written yet",
                                   index);
    }
    if (step->depth && (p->view.by_number || p->view.selects))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "the step of sequence %" PRId64
                               " of the view branches, expected no terms or factors by positions "
                               "and no choice of keys then",
                               index);
    for (int64_t g = 0; g < c->groups; g++) {
        int64_t n = row * c->groups + g, lost = s->table[n].lost_end;
        const struct attn__cache_rule *rule = &c->rule[n];
        int64_t first = step->tokens > 0 ? s->next : keys - nq;
        int64_t last = step->tokens > 0 ? INT64_MAX : keys - 1;
        first = attn__max_i64(first, rule->sink);
        if (rule->fold && step->depth)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "the step of sequence %" PRId64
                                   " of the view branches, expected none that does with "
                                   "cache_fold",
                                   index);
        if (rule->window != ATTN_UNBOUNDED && first <= last &&
            lost > attn__max_i64(rule->sink, first - rule->window + 1))
            return attn__error_set(ATTN_ERR_UNAVAILABLE,
                                   "a row of sequence %" PRId64 " of the view stands at %" PRId64
                                   " and would see tokens that the window dropped",
                                   index, first);
    }
    return ATTN_OK;
}

int32_t attn__view_observable(const attn_view *view)
{
    const attn_cache *cache = view->cache;
    bool tracks = false;
    if (!cache)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "observe is set, but the view is of a caller's pools, which have "
                               "no scores");
    for (int64_t n = 0; n < attn__cache_tables(cache); n++)
        tracks |= attn__cache_tracks(cache, n);
    if (!tracks)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "observe is set, but the cache of the view has no cache_scores, or "
                               "windows in all groups that have");
    if (view->unobserved)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "observe is set, expected a view of single sequences, each whole "
                               "and once: %s",
                               view->unobserved);
    return ATTN_OK;
}
