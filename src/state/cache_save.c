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
 * Where keys are kivi closed cells come first, block by block: a u32 that says
 * which of its 32 slots have a cell, the steps and minima of its channels, and
 * the cells, with codes for keys; then a u32 0, and open cells with rows of
 * floats.
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

static void put_row(struct out *o, int32_t stored, const char *row, size_t bytes)
{
    if (o->at)
        attn__cache_row_pack(stored, row, o->at + o->n, bytes);
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

/* Of what follows an open cell's position: its score, where it has one, and rows. */
static size_t row_bytes(const attn_cache *cache, int64_t table)
{
    const struct attn__cache_group *g = &cache->c.group[attn__cache_open_kind(cache, table)];
    size_t score = attn__cache_tracks(cache, table) ? 4 : 0;
    return (size_t)g->n_heads * (g->k_row + g->v_bytes) + score;
}

/* Position and score. */
static void put_cell(struct out *o, const attn_cache *cache, int64_t n, struct attn__cache_cell at)
{
    put_i64(o, at.pos);
    if (attn__cache_tracks(cache, n)) {
        uint32_t bits;
        memcpy(&bits, &at.score, sizeof bits);
        put_u64(o, bits, 4);
    }
}

/* Parts of a block of keys: of 32 channels the steps and minima, or the codes of
 * a row, of all heads. Of a saved table, where they are and how many bytes. */
enum { FACTORS = 128, CODES = 4 /* bytes for each bit */ };

static char *block_part(const attn_cache *cache, struct attn__cache_cell at, int64_t part,
                        bool codes, size_t *bytes)
{
    int64_t each = cache->c.d / ATTN__SLAB_ROWS;
    const struct attn__cache_group *g = attn__cache_stored(cache, at);
    int32_t bits = attn__dtype_kivi(g->k_dtype);
    char *block = attn__cache_k(cache, at, part / each);
    char *from = (char *)attn__slab(block) + part % each * attn__slab_bytes(g->k_stored);
    *bytes = codes ? (size_t)(CODES * bits) : FACTORS;
    return codes ? from + FACTORS + attn__slab_row(block) * CODES * bits : from;
}

static int64_t block_parts(const attn_cache *cache, int64_t table)
{
    return attn__cache_group_of(cache, table)->n_heads * cache->c.d / ATTN__SLAB_ROWS;
}

/* What a block has for itself, and each of its cells behind the position. */
static size_t block_bytes(const attn_cache *cache, int64_t table)
{
    return (size_t)block_parts(cache, table) * FACTORS;
}

static size_t closed_bytes(const attn_cache *cache, int64_t table)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    size_t score = attn__cache_tracks(cache, table) ? 4 : 0;
    size_t codes = (size_t)(block_parts(cache, table) * CODES * attn__dtype_kivi(g->k_dtype));
    return score + codes + (size_t)g->n_heads * g->v_bytes;
}

/* The block of cells i..i+n-1. */
static void put_block(struct out *o, const attn_cache *cache, const struct attn__cache_table *t,
                      int64_t i, int64_t n)
{
    const struct attn__cache_cell *cell = t->cell + i;
    const struct attn__cache_group *g = attn__cache_stored(cache, *cell);
    int64_t parts = block_parts(cache, t->number);
    uint32_t used = 0;
    size_t bytes;
    for (int64_t c = 0; c < n; c++)
        used |= UINT32_C(1) << cell[c].slot % ATTN__SLAB_ROWS;
    put_u64(o, used, 4);
    for (int64_t p = 0; p < parts; p++) {
        const char *factors = block_part(cache, *cell, p, false, &bytes);
        put(o, factors, bytes);
    }
    for (int64_t c = 0; c < n; c++) {
        put_cell(o, cache, t->number, cell[c]);
        for (int64_t p = 0; p < parts; p++) {
            const char *codes = block_part(cache, cell[c], p, true, &bytes);
            put(o, codes, bytes);
        }
        for (int64_t h = 0; h < g->n_heads; h++)
            put_row(o, g->v_stored, attn__cache_v(cache, cell[c], h), g->v_bytes);
    }
}

static void put_table(struct out *o, const attn_cache *cache, int64_t n,
                      const struct attn__cache_table *t)
{
    const struct attn__cache_group *g = &cache->c.group[attn__cache_open_kind(cache, n)];
    const int64_t head[] = {t->n_cells, t->lost_end, t->pruned_at, t->n_folded};
    bool closes = attn__cache_closes(cache, n);
    int64_t closed = closes ? t->n_cells - attn__cache_open_cells(cache, t) : 0;
    for (int i = 0; i < 4; i++)
        put_i64(o, head[i]);
    for (int64_t i = 0, cells; i < closed; i += cells) {
        cells = attn__cache_block_cells(t, i, closed);
        put_block(o, cache, t, i, cells);
    }
    if (closes)
        put_u64(o, 0, 4);
    for (int64_t i = closed; i < t->n_cells; i++) {
        put_cell(o, cache, n, t->cell[i]);
        for (int64_t h = 0; h < g->n_heads; h++)
            put_row(o, g->k_stored, attn__cache_k(cache, t->cell[i], h), g->k_row);
        for (int64_t h = 0; h < g->n_heads; h++)
            put_row(o, g->v_stored, attn__cache_v(cache, t->cell[i], h), g->v_bytes);
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
    struct out o = {0};
    put_body(&o, cache, s);
    return o.n;
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

/* Cells of a table: all, those that are closed, and the blocks these are in. */
struct counts {
    int64_t cells, closed, blocks;
};

/* Positions of n cells, each with `rows` bytes behind it: they ascend from *pos
 * to below `next`. */
static bool check_positions(struct in *in, int64_t n, size_t rows, int64_t next, int64_t *pos)
{
    for (int64_t i = 0; i < n && !in->short_of; i++) {
        int64_t found = get_i64(in);
        if (found <= *pos || found >= next)
            return false;
        *pos = found;
        (void)take(in, rows);
    }
    return true;
}

/* The blocks of a table, up to the 0 behind them. */
static int32_t check_saved_blocks(const attn_cache *cache, int64_t n, int64_t next, struct in *in,
                                  struct counts *count, int64_t *pos)
{
    for (uint32_t used; (used = (uint32_t)get_u64(in, 4)) != 0; count->blocks++) {
        int64_t cells = __builtin_popcount(used);
        count->closed += cells;
        if (count->closed > count->cells)
            return corrupt("blocks have more tokens than their list");
        (void)take(in, block_bytes(cache, n));
        if (!check_positions(in, cells, closed_bytes(cache, n), next, pos))
            return corrupt("positions do not ascend to the length");
    }
    return ATTN_OK;
}

/* One table of a body, looked at: positions ascend below `next`, marks are in
 * range, and nothing was dropped where nothing can be. */
static int32_t check_saved_table(const attn_cache *cache, int64_t n, int64_t next, struct in *in,
                                 struct counts *count)
{
    const struct attn__cache_rule *rule = &cache->c.rule[n];
    bool closes = attn__cache_closes(cache, n);
    size_t rows = row_bytes(cache, n), least = closes ? closed_bytes(cache, n) : rows;
    int64_t most = cache->c.max_position, pos = -1;
    *count = (struct counts){.cells = get_i64(in)};
    int64_t lost_end = get_i64(in), pruned_at = get_i64(in), n_folded = get_i64(in);
    if (in->short_of || count->cells < 0 || (uint64_t)count->cells > in->left / (8 + least))
        return corrupt("a list is longer than what follows");
    if (lost_end < 0 || lost_end > most || pruned_at < 0 || pruned_at > most || n_folded < 0 ||
        n_folded > most || (n_folded > 0 && !rule->fold) ||
        (rule->window == ATTN_UNBOUNDED ? lost_end > 0 : pruned_at > 0))
        return corrupt("what was dropped cannot be");
    int32_t status = closes ? check_saved_blocks(cache, n, next, in, count, &pos) : ATTN_OK;
    if (status != ATTN_OK)
        return status;
    if (!check_positions(in, count->cells - count->closed, rows, next, &pos))
        return corrupt("positions do not ascend to the length");
    if (rule->fold)
        (void)take(in, (size_t)sums_of(cache, n) * 8);
    return in->short_of ? corrupt("a list is cut off") : ATTN_OK;
}

/* Pages for the open cells and for the blocks of a table. */
static int64_t open_pages(const attn_cache *cache, const struct counts *count)
{
    int64_t open = count->cells - count->closed, page = cache->c.page_size;
    return open / page + (open % page > 0);
}

static int64_t closed_pages(const attn_cache *cache, const struct counts *count)
{
    int64_t page = cache->c.page_size;
    return count->blocks > 0 ? (count->blocks * ATTN__SLAB_ROWS - 1) / page + 1 : 0;
}

/* The whole body; need[] gets the pages of each kind. */
static int32_t check_saved_body(attn_cache *cache, struct in in)
{
    int64_t next = get_i64(&in), last = get_i64(&in), lossy = get_i64(&in);
    for (int64_t g = 0; g < cache->c.kinds; g++)
        cache->need[g] = 0;
    if (in.short_of || next < 0 || last < 0 || lossy < 0 || lossy > 1)
        return corrupt("its ends are no positions");
    if (next > cache->c.max_position || last > cache->c.max_position)
        return attn__error_set(ATTN_ERR_LIMIT,
                               "the saved sequence reaches to %" PRId64 ", expected at most %"
                               PRId64, attn__max_i64(next, last), cache->c.max_position);
    for (int64_t n = 0; n < attn__cache_tables(cache); n++) {
        struct counts count;
        int32_t status = check_saved_table(cache, n, next, &in, &count);
        if (status != ATTN_OK)
            return status;
        cache->need[attn__cache_open_kind(cache, n)] += open_pages(cache, &count);
        cache->need[n % cache->c.groups] += closed_pages(cache, &count);
    }
    return in.left == 0 ? ATTN_OK : corrupt("there is more than its lists");
}

/* Room for all that the body has. */
static int32_t grow_to_body(attn_cache *cache, struct attn__cache_seq *s, struct in in)
{
    int64_t next = get_i64(&in);
    (void)take(&in, SEQ - 8);
    for (int64_t n = 0; n < attn__cache_tables(cache); n++) {
        struct counts count;
        int32_t status = check_saved_table(cache, n, next, &in, &count);
        if (status == ATTN_OK)
            status = attn__cache_table_grow(cache, &s->table[n], count.cells,
                                            open_pages(cache, &count) +
                                                closed_pages(cache, &count));
        if (status != ATTN_OK)
            return status;
    }
    return attn__cache_pool_reserve(cache);
}

/* Position and score of the cell at a place. */
static struct attn__cache_cell get_cell(const attn_cache *cache, int64_t n, struct in *in,
                                        struct attn__cache_cell at)
{
    at.pos = get_i64(in);
    if (attn__cache_tracks(cache, n)) {
        uint32_t bits = (uint32_t)get_u64(in, 4);
        memcpy(&at.score, &bits, sizeof bits);
    }
    return at;
}

static void get_rows(const attn_cache *cache, struct attn__cache_cell at, bool keys, struct in *in)
{
    const struct attn__cache_group *g = attn__cache_stored(cache, at);
    size_t bytes = keys ? g->k_row : g->v_bytes;
    for (int64_t h = 0; h < g->n_heads; h++)
        attn__cache_row_unpack(keys ? g->k_stored : g->v_stored,
                               keys ? attn__cache_k(cache, at, h) : attn__cache_v(cache, at, h),
                               take(in, bytes), bytes);
}

/* Where a block is as it was: keys in slots without a cell become 0 codes. */
static void fill_block(attn_cache *cache, struct attn__cache_table *t, uint32_t used,
                       int64_t *page, struct in *in)
{
    struct attn__cache_cell first = attn__cache_close_block(cache, t, page), at;
    int64_t parts = block_parts(cache, t->number);
    size_t bytes;
    for (int64_t p = 0; p < parts; p++) {
        char *factors = block_part(cache, first, p, false, &bytes);
        memcpy(factors, take(in, bytes), bytes);
    }
    for (int32_t i = 0; i < ATTN__SLAB_ROWS; i++) {
        bool live = used >> i & 1;
        at = first;
        at.slot += i;
        at = live ? get_cell(cache, t->number, in, at) : at;
        for (int64_t p = 0; p < parts; p++) {
            char *codes = block_part(cache, at, p, true, &bytes);
            if (live)
                memcpy(codes, take(in, bytes), bytes);
            else
                memset(codes, 0, bytes);
        }
        if (!live)
            continue;
        get_rows(cache, at, false, in);
        attn__cache_map(cache, at.page)[at.slot / 64] |= UINT64_C(1) << at.slot % 64;
        cache->page[at.page].n_used++;
        attn__cache_bounds_add(cache, t, *page, at);
        t->cell[t->n_cells++] = at;
    }
}

static void fill_table(attn_cache *cache, int64_t n, struct attn__cache_table *t, struct in *in)
{
    int64_t cells = get_i64(in), from = 0, block_from = 0;
    t->lost_end = get_i64(in);
    t->pruned_at = get_i64(in);
    t->n_folded = get_i64(in);
    for (uint32_t used = 1; attn__cache_closes(cache, n) && used;) {
        used = (uint32_t)get_u64(in, 4);
        if (used)
            fill_block(cache, t, used, &block_from, in);
    }
    while (t->n_cells < cells) {
        struct attn__cache_cell at =
            get_cell(cache, n, in, attn__cache_table_slot(cache, t, &from));
        get_rows(cache, at, true, in);
        get_rows(cache, at, false, in);
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
