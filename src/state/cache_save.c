/* SPDX-License-Identifier: MIT */
/*
 * A sequence as bytes, to be kept or sent, and back. Numbers are little
 * endian:
 *
 *     "ATKV", u32 version, u32 n, u32 CRC-32 of the description
 *     description [n]: what rows mean; see put_description
 *     u64 m, u32 CRC-32 of the body, u32 CRC-32 of all bytes before
 *     body [m]: next, last, lossy as i64; of each table i64 number of cells,
 *         lost_end, pruned_at, n_folded; the cells, each an i64 position and
 *         then its score as f32 where there are such, then its rows; sums as
 *         f64 where the rule folds
 *
 * Pages do not show, so that a cache with others can load it. Whoever made the
 * bytes may have made their checksums too: everything is looked at before it
 * is believed, and all of it before anything changes.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/crc32.h"
#include "base/dtype.h"
#include "base/error.h"

enum { VERSION = 1, FRONT = 16, MIDDLE = 16, TABLE = 32, SEQ = 24 };

static const char magic[4] = {'A', 'T', 'K', 'V'};

/* ---- writing; a NULL place counts only */

struct out {
    char *at;
    size_t n;
};

static void put(struct out *o, const void *data, size_t bytes)
{
    if (o->at)
        memcpy(o->at + o->n, data, bytes);
    o->n += bytes;
}

static void put_u64(struct out *o, uint64_t x, size_t bytes)
{
    unsigned char b[8];
    for (size_t i = 0; i < bytes; i++)
        b[i] = (unsigned char)(x >> 8 * i);
    put(o, b, bytes);
}

static void put_i64(struct out *o, int64_t x)
{
    put_u64(o, (uint64_t)x, 8);
}

static void put_f64s(struct out *o, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        put_u64(o, bits, 8);
    }
}

/* What fp8 of each head and row is divided by. */
static void put_scales(struct out *o, const struct attn__cache_config *c, const float *scale,
                       bool values)
{
    for (int64_t n = 0; n < c->rows * c->groups; n++) {
        const struct attn__cache_group *g = &c->group[n % c->groups];
        for (int64_t h = 0; h < g->n_heads && attn__dtype_fp8(values ? g->v_dtype : g->k_dtype);
             h++) {
            const double one =
                scale ? (double)scale[n / c->groups * c->heads + g->head[h]] : 1.0;
            put_f64s(o, &one, 1);
        }
    }
}

static void put_description(struct out *o, const struct attn__cache_config *c)
{
    /* a sequence of block_local is one of rotated: who reads it differs */
    const int64_t sizes[] = {c->layers, c->rows,     c->heads, c->groups,  c->d,
                             c->dv,     c->v_prefix, c->raw,   c->pairing, c->rope_dim};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        put_i64(o, sizes[i]);
    for (int64_t l = 0; l < c->layers; l++)
        put_u64(o, (uint64_t)c->row[l], 4);
    for (int64_t g = 0; g < c->groups; g++) {
        const struct attn__cache_group *group = &c->group[g];
        put_i64(o, group->n_heads);
        put_u64(o, (uint64_t)group->k_dtype, 4);
        put_u64(o, (uint64_t)group->v_dtype, 4);
        put_u64(o, (uint64_t)group->scores, 4);
        for (int64_t h = 0; h < group->n_heads; h++)
            put_u64(o, (uint64_t)group->head[h], 4);
    }
    for (int64_t n = 0; n < c->rows * c->groups; n++) {
        put_i64(o, c->rule[n].window);
        put_i64(o, c->rule[n].sink);
        put_i64(o, c->rule[n].slack);
        put_i64(o, c->rule[n].fold);
    }
    put_f64s(o, c->freq, c->rope_dim / 2);
    put_scales(o, c, c->k_scale, false);
    put_scales(o, c, c->v_scale, true);
}

static int64_t sums_of(const attn_cache *cache, int64_t table)
{
    return attn__cache_group_of(cache, table)->n_heads * (cache->c.d + cache->c.dv);
}

/* Of what follows a cell's position: its score, where it has one, and rows. */
static size_t row_bytes(const attn_cache *cache, int64_t table)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    size_t score = attn__cache_tracks(cache, table) ? 4 : 0;
    return (size_t)g->n_heads * (g->k_row + g->v_bytes) + score;
}

static void put_table(struct out *o, const attn_cache *cache, int64_t n,
                      const struct attn__cache_table *t)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, n);
    const int64_t head[] = {t->n_cells, t->lost_end, t->pruned_at, t->n_folded};
    for (int i = 0; i < 4; i++)
        put_i64(o, head[i]);
    for (int64_t i = 0; i < t->n_cells; i++) {
        put_i64(o, t->cell[i].pos);
        if (attn__cache_tracks(cache, n)) {
            uint32_t bits;
            memcpy(&bits, &t->cell[i].score, sizeof bits);
            put_u64(o, bits, 4);
        }
        for (int64_t h = 0; h < g->n_heads; h++)
            put(o, attn__cache_k(cache, g, t->cell[i], h), g->k_row);
        for (int64_t h = 0; h < g->n_heads; h++)
            put(o, attn__cache_v(cache, g, t->cell[i], h), g->v_bytes);
    }
    if (t->fold)
        put_f64s(o, t->fold, sums_of(cache, n));
}

static void put_body(struct out *o, const attn_cache *cache, const struct attn__cache_seq *s)
{
    put_i64(o, s->next);
    put_i64(o, s->last);
    put_i64(o, s->lossy);
    for (int64_t n = 0; n < attn__cache_tables(cache); n++)
        put_table(o, cache, n, &s->table[n]);
}

/* Rows are as this machine has them. */
static int32_t check_order(void)
{
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "this machine is big endian, expected a little endian one");
#else
    return ATTN_OK;
#endif
}

static size_t description_bytes(const attn_cache *cache)
{
    struct out o = {0};
    put_description(&o, &cache->c);
    return o.n;
}

static size_t body_bytes(const attn_cache *cache, const struct attn__cache_seq *s)
{
    size_t bytes = SEQ;
    for (int64_t n = 0; n < attn__cache_tables(cache); n++) {
        const struct attn__cache_table *t = &s->table[n];
        bytes += TABLE + (size_t)t->n_cells * (8 + row_bytes(cache, n)) +
                 (t->fold ? (size_t)sums_of(cache, n) * 8 : 0);
    }
    return bytes;
}

int32_t attn__cache_save(const attn_cache *cache, int64_t seq, void *buf, size_t len,
                         size_t *needed)
{
    struct attn__cache_seq *s;
    int32_t status = attn__cache_idle(cache, "seq", seq, &s);
    if (status == ATTN_OK)
        status = check_order();
    if (status != ATTN_OK)
        return status;
    size_t head = description_bytes(cache), body = body_bytes(cache, s);
    size_t all = FRONT + head + MIDDLE + body;
    if (buf && len < all)
        return attn__error_set(ATTN_ERR_INVALID, "len is %zu, expected at least %zu", len, all);
    if (needed)
        *needed = all;
    if (!buf)
        return ATTN_OK;
    /* the checksums come before what they are of */
    char *base = buf, *description = base + FRONT, *tail = description + head;
    struct out o = {.at = description};
    put_description(&o, &cache->c);
    o = (struct out){.at = tail + MIDDLE};
    put_body(&o, cache, s);
    o = (struct out){.at = base};
    put(&o, magic, sizeof magic);
    put_u64(&o, VERSION, 4);
    put_u64(&o, head, 4);
    put_u64(&o, attn__crc32(0, description, head), 4);
    o = (struct out){.at = tail};
    put_u64(&o, body, 8);
    put_u64(&o, attn__crc32(0, tail + MIDDLE, body), 4);
    put_u64(&o, attn__crc32(0, base, FRONT + head + o.n), 4);
    return ATTN_OK;
}

/* ---- reading */

struct in {
    const unsigned char *at;
    size_t left;
    bool short_of; /* asked for more than there is */
};

static const unsigned char *take(struct in *in, size_t bytes)
{
    const unsigned char *at = in->at;
    if (bytes > in->left) {
        in->short_of = true;
        return NULL;
    }
    in->at += bytes;
    in->left -= bytes;
    return at;
}

static uint64_t get_u64(struct in *in, size_t bytes)
{
    const unsigned char *at = take(in, bytes);
    uint64_t x = 0;
    for (size_t i = 0; at && i < bytes; i++)
        x |= (uint64_t)at[i] << 8 * i;
    return x;
}

static int64_t get_i64(struct in *in)
{
    return (int64_t)get_u64(in, 8);
}

static int32_t corrupt(const char *what)
{
    return attn__error_set(ATTN_ERR_CORRUPT, "the saved sequence is damaged: %s", what);
}

/* The description is that of the cache, byte for byte. */
static int32_t check_description(const attn_cache *cache, const void *found, size_t bytes)
{
    size_t want = description_bytes(cache);
    bool same = bytes == want;
    if (same) {
        void *own = attn__mem_alloc(&cache->ctx->mem, want, 16);
        if (!own)
            return ATTN_ERR_NOMEM;
        struct out o = {.at = own};
        put_description(&o, &cache->c);
        same = memcmp(own, found, want) == 0;
        attn__mem_free(&cache->ctx->mem, own, want);
    }
    if (same)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_MISMATCH,
                           "the sequence was saved from a cache of other layers, heads, sizes, "
                           "types, scales, rules or rotation, expected those of this one");
}

/* Everything around the body, which *body is left with. */
static int32_t open_body(const attn_cache *cache, const void *buf, size_t len, struct in *body)
{
    struct in in = {buf, len, false};
    const unsigned char *mark = take(&in, sizeof magic), *description;
    if (!mark || memcmp(mark, magic, sizeof magic) != 0)
        return attn__error_set(ATTN_ERR_FORMAT, "buf is no saved sequence, expected 'ATKV' first");
    uint64_t version = get_u64(&in, 4);
    if (!in.short_of && version != VERSION)
        return attn__error_set(ATTN_ERR_FORMAT,
                               "the saved sequence has version %" PRIu64 ", expected %d", version,
                               (int)VERSION);
    size_t bytes = (size_t)get_u64(&in, 4);
    uint64_t crc = get_u64(&in, 4);
    description = take(&in, bytes);
    if (!description || attn__crc32(0, description, bytes) != crc)
        return corrupt("its description is cut off or has another checksum");
    uint64_t body_len = get_u64(&in, 8), body_crc = get_u64(&in, 4);
    size_t before = len - in.left;
    if (get_u64(&in, 4) != attn__crc32(0, buf, before) || in.short_of)
        return corrupt("its head is cut off or has another checksum");
    if (in.left != body_len || attn__crc32(0, in.at, in.left) != body_crc)
        return corrupt("its body is cut off, too long, or has another checksum");
    *body = in;
    return check_description(cache, description, bytes);
}

/* One table of a body, looked at: positions ascend below `next`, marks are in
 * range, and nothing was dropped where nothing can be. */
static int32_t check_saved_table(const attn_cache *cache, int64_t n, int64_t next, struct in *in,
                                 int64_t *cells)
{
    const struct attn__cache_rule *rule = &cache->c.rule[n];
    size_t rows = row_bytes(cache, n);
    int64_t most = cache->c.max_position, pos = -1;
    *cells = get_i64(in);
    int64_t lost_end = get_i64(in), pruned_at = get_i64(in), n_folded = get_i64(in);
    if (in->short_of || *cells < 0 || (uint64_t)*cells > in->left / (8 + rows))
        return corrupt("a list is longer than what follows");
    if (lost_end < 0 || lost_end > most || pruned_at < 0 || pruned_at > most || n_folded < 0 ||
        n_folded > most || (n_folded > 0 && !rule->fold) ||
        (rule->window == ATTN_UNBOUNDED ? lost_end > 0 : pruned_at > 0))
        return corrupt("what was dropped cannot be");
    for (int64_t i = 0; i < *cells; i++) {
        int64_t found = get_i64(in);
        if (found <= pos || found >= next)
            return corrupt("positions do not ascend to the length");
        pos = found;
        (void)take(in, rows);
    }
    if (rule->fold)
        (void)take(in, (size_t)sums_of(cache, n) * 8);
    return in->short_of ? corrupt("a list is cut off") : ATTN_OK;
}

/* The whole body; need[] gets the pages of each group. */
static int32_t check_saved_body(attn_cache *cache, struct in in)
{
    int64_t next = get_i64(&in), last = get_i64(&in), lossy = get_i64(&in), cells;
    for (int64_t g = 0; g < cache->c.groups; g++)
        cache->need[g] = 0;
    if (in.short_of || next < 0 || last < 0 || lossy < 0 || lossy > 1)
        return corrupt("its ends are no positions");
    if (next > cache->c.max_position || last > cache->c.max_position)
        return attn__error_set(ATTN_ERR_LIMIT,
                               "the saved sequence reaches to %" PRId64 ", expected at most %"
                               PRId64, attn__max_i64(next, last), cache->c.max_position);
    for (int64_t n = 0; n < attn__cache_tables(cache); n++) {
        int32_t status = check_saved_table(cache, n, next, &in, &cells);
        if (status != ATTN_OK)
            return status;
        cache->need[n % cache->c.groups] +=
            cells / cache->c.page_size + (cells % cache->c.page_size > 0);
    }
    return in.left == 0 ? ATTN_OK : corrupt("there is more than its lists");
}

/* Room for all that the body has. */
static int32_t grow_to_body(attn_cache *cache, struct attn__cache_seq *s, struct in in)
{
    (void)take(&in, SEQ);
    for (int64_t n = 0; n < attn__cache_tables(cache); n++) {
        size_t rows = row_bytes(cache, n);
        int64_t cells = get_i64(&in);
        int32_t status = attn__cache_table_grow(cache, &s->table[n], cells,
                                                cells / cache->c.page_size + 1);
        if (status != ATTN_OK)
            return status;
        (void)take(&in, TABLE - 8 + (size_t)cells * (8 + rows) +
                            (s->table[n].fold ? (size_t)sums_of(cache, n) * 8 : 0));
    }
    return attn__cache_pool_reserve(cache);
}

static void fill_table(attn_cache *cache, int64_t n, struct attn__cache_table *t, struct in *in)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, n);
    int64_t cells = get_i64(in), from = 0;
    t->lost_end = get_i64(in);
    t->pruned_at = get_i64(in);
    t->n_folded = get_i64(in);
    while (t->n_cells < cells) {
        int64_t pos = get_i64(in);
        struct attn__cache_cell at = attn__cache_table_slot(cache, t, &from);
        at.pos = pos;
        if (attn__cache_tracks(cache, n)) {
            uint32_t bits = (uint32_t)get_u64(in, 4);
            memcpy(&at.score, &bits, sizeof bits);
        }
        for (int64_t h = 0; h < g->n_heads; h++)
            memcpy(attn__cache_k(cache, g, at, h), take(in, g->k_row), g->k_row);
        for (int64_t h = 0; h < g->n_heads; h++)
            memcpy(attn__cache_v(cache, g, at, h), take(in, g->v_bytes), g->v_bytes);
        attn__cache_bounds_add(cache, t, from, at);
        t->cell[t->n_cells++] = at;
    }
    for (int64_t i = 0; t->fold && i < sums_of(cache, n); i++) {
        uint64_t bits = get_u64(in, 8);
        memcpy(&t->fold[i], &bits, sizeof bits);
    }
}

int32_t attn__cache_load(attn_cache *cache, const void *buf, size_t len, int64_t *seq)
{
    struct in body;
    int32_t status = check_order();
    if (status == ATTN_OK)
        status = open_body(cache, buf, len, &body);
    if (status == ATTN_OK)
        status = check_saved_body(cache, body);
    if (status == ATTN_OK)
        status = attn__cache_seq_room(cache);
    if (status == ATTN_OK)
        status = attn__cache_pool_fits(cache, "the saved sequence");
    if (status != ATTN_OK)
        return status;
    struct attn__cache_seq *s = attn__cache_seq_make(cache);
    if (!s)
        return ATTN_ERR_NOMEM;
    status = grow_to_body(cache, s, body);
    if (status != ATTN_OK) {
        attn__cache_seq_drop(cache, s);
        return status;
    }
    s->next = get_i64(&body);
    s->last = get_i64(&body);
    s->lossy = get_i64(&body) != 0;
    for (int64_t n = 0; n < attn__cache_tables(cache); n++)
        fill_table(cache, n, &s->table[n], &body);
    *seq = attn__cache_seq_put(cache, s);
    return ATTN_OK;
}
