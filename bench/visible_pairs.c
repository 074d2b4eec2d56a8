/* SPDX-License-Identifier: MIT */
/*
 * A row of bytes for the keys, once for each query: all rules become pieces,
 * and a piece takes bytes away (MUST) or gives them back (ANY).
 */
#include "visible_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "bench_library.h"

enum { MOST_PIECES = ATTN_PIECES_MAX + 4, MOST_VALUES = 4 };

struct piece {
    int32_t kind, mode;
    size_t n; /* values, once or once a head */
    int64_t *value;
};

struct rules {
    const bench_size *size;
    bool segments, by_head;
    size_t n;
    struct piece piece[MOST_PIECES];
    uint8_t *seen, *row, *any; /* k bytes each */
};

struct run {
    int64_t from, to;
};

static int64_t get(const attn_desc *desc, int32_t param, int64_t fallback)
{
    int64_t value;
    return attn_desc_get_i64(desc, param, &value) == ATTN_OK ? value : fallback;
}

static int64_t floor_to(int64_t x, int64_t unit)
{
    return x >= 0 ? x / unit : -((unit - 1 - x) / unit);
}

/* x + by within +-2^40, far outside of any problem; inf: the end of that range. */
static int64_t moved(int64_t x, int64_t by, bool down)
{
    const int64_t far = (int64_t)1 << 40;
    if (by == ATTN_UNBOUNDED)
        return down ? -far : far;
    by = by > far ? far : by < -far ? -far : by;
    return down ? x - by : x + by;
}

static struct run cut(struct run r, int64_t k)
{
    r.from = r.from < 0 ? 0 : r.from > k ? k : r.from;
    r.to = r.to < r.from ? r.from : r.to > k ? k : r.to;
    return r;
}

static void show_list(const bench_size *z, int64_t q_block, uint8_t *to)
{
    for (int64_t n = 0; n * z->list_k < z->k; n++) {
        struct run r = cut((struct run){n * z->list_k, (n + 1) * z->list_k}, z->k);
        if (bench_size_listed(z, q_block, n))
            memset(to + r.from, 1, (size_t)(r.to - r.from));
    }
}

/* How many values a piece has; 0: it is not counted, 1 and more are for each head or for all. */
static size_t values_of(int32_t kind)
{
    static const size_t values[] = {
        [ATTN_PIECE_BAND] = 4, [ATTN_PIECE_RECT] = 4, [ATTN_PIECE_PREFIX] = 1,
        [ATTN_PIECE_STRIDE] = 3, [ATTN_PIECE_LIST] = 2,
    };
    return kind > 0 && (size_t)kind < sizeof values / sizeof values[0] ? values[kind] : 0;
}

/* Sets the bytes of the keys that the piece shows to row i. */
static void show(const struct rules *u, const struct piece *p, int64_t head, int64_t i,
                 uint8_t *to)
{
    const bench_size *z = u->size;
    const size_t each = values_of(p->kind);
    const int64_t *v = p->value + (p->n > each ? (size_t)head * each : 0);
    struct run r = {0, z->k};
    if (p->kind == ATTN_PIECE_BAND) {
        int64_t at = floor_to(i + z->off + v[2], v[3]);
        r.from = moved(at, v[0], true) * v[3];
        r.to = (moved(at, v[1], false) + 1) * v[3];
    } else if (p->kind == ATTN_PIECE_RECT) {
        bool inside = i >= v[0] && (v[1] == ATTN_UNBOUNDED || i < v[1]);
        r.from = v[2];
        r.to = !inside ? 0 : v[3] == ATTN_UNBOUNDED ? z->k : v[3];
    } else if (p->kind == ATTN_PIECE_PREFIX) {
        r.to = v[0];
    } else if (p->kind == ATTN_PIECE_LIST) {
        show_list(z, i / z->list_q, to);
        return;
    } else {
        for (int64_t j = 0; j < z->k; j++)
            if ((floor_to(j, v[0]) + v[2]) % v[1] == 0)
                to[j] = 1;
        return;
    }
    r = cut(r, z->k);
    memset(to + r.from, 1, (size_t)(r.to - r.from));
}

static struct run segment_run(const bench_size *size, int64_t at)
{
    int64_t s = bench_size_segment(size, at);
    /* smallest j with j * BENCH_SEGMENTS / k == s */
    return (struct run){(s * size->k + BENCH_SEGMENTS - 1) / BENCH_SEGMENTS,
                        ((s + 1) * size->k + BENCH_SEGMENTS - 1) / BENCH_SEGMENTS};
}

static double count_row(const struct rules *u, int64_t head, int64_t i)
{
    const size_t k = (size_t)u->size->k;
    bool some = false;
    double n = 0;
    memset(u->row, !u->segments, k);
    if (u->segments) {
        struct run mine = segment_run(u->size, i + u->size->off);
        memset(u->row + mine.from, 1, (size_t)(mine.to - mine.from));
    }
    for (int mode = ATTN_MODE_MUST; mode <= ATTN_MODE_ANY; mode++) {
        memset(u->any, 0, k);
        for (size_t p = 0; p < u->n; p++) {
            if (u->piece[p].mode != mode)
                continue;
            some = some || mode == ATTN_MODE_ANY;
            show(u, &u->piece[p], head, i, u->any);
            for (size_t j = 0; mode == ATTN_MODE_MUST && j < k; j++) {
                u->row[j] &= u->any[j];
                u->any[j] = 0;
            }
        }
    }
    for (size_t j = 0; some && j < k; j++)
        u->row[j] &= u->any[j];
    for (size_t j = 0; j < k; j++)
        u->seen[j] |= u->row[j];
    for (size_t from = 0; from < k; from += 255) { /* sums of bytes in a byte */
        uint8_t sum = 0;
        for (size_t j = from; j < k && j < from + 255; j++)
            sum = (uint8_t)(sum + u->row[j]);
        n += sum;
    }
    return n;
}

static int add(struct rules *u, int32_t kind, int32_t mode, const int64_t *values, size_t n)
{
    struct piece *p = &u->piece[u->n];
    *p = (struct piece){kind, mode, n, malloc((n + 1) * sizeof *values)};
    if (!p->value)
        return bench_failed("no memory for a piece");
    if (n > 0)
        memcpy(p->value, values, n * sizeof *values);
    u->by_head = u->by_head || n > MOST_VALUES;
    u->n++;
    return 0;
}

static int add_band(struct rules *u, int32_t mode, int64_t left, int64_t right)
{
    const int64_t v[MOST_VALUES] = {left, right, 0, 1};
    return add(u, ATTN_PIECE_BAND, mode, v, MOST_VALUES);
}

static int64_t lesser(int64_t a, int64_t b) /* of which one may be inf */
{
    return a == ATTN_UNBOUNDED ? b : b == ATTN_UNBOUNDED || a < b ? a : b;
}

/* What causal, window, sink_tokens and prefix stand for. */
static int add_shorthand(struct rules *u, const attn_desc *desc)
{
    const int64_t left = get(desc, ATTN_PARAM_WINDOW_LEFT, ATTN_UNBOUNDED),
                  right = get(desc, ATTN_PARAM_WINDOW_RIGHT, ATTN_UNBOUNDED),
                  edge = get(desc, ATTN_PARAM_CAUSAL, 0) ? 0 : ATTN_UNBOUNDED;
    const int64_t sinks = get(desc, ATTN_PARAM_SINK_TOKENS, 0),
                  prefix = get(desc, ATTN_PARAM_PREFIX, 0);
    int rc;
    if (prefix > 0) {
        rc = add_band(u, ATTN_MODE_ANY, left, lesser(right, edge));
        return rc ? rc : add(u, ATTN_PIECE_PREFIX, ATTN_MODE_ANY, &prefix, 1);
    }
    rc = add_band(u, ATTN_MODE_MUST, ATTN_UNBOUNDED, edge);
    if (rc == 0)
        rc = add_band(u, sinks > 0 ? ATTN_MODE_ANY : ATTN_MODE_MUST, left, right);
    return rc || sinks == 0 ? rc : add(u, ATTN_PIECE_PREFIX, ATTN_MODE_ANY, &sinks, 1);
}

static int add_pieces(struct rules *u, const attn_desc *desc)
{
    size_t count = 0, n;
    int rc = 0;
    attn_desc_piece_count(desc, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        int32_t kind, mode;
        if (attn_desc_piece_at(desc, i, &kind, &mode, NULL, 0, &n) != ATTN_OK)
            return bench_library_failed("piece");
        if (values_of(kind) == 0)
            continue;
        int64_t *values = malloc((n + 1) * sizeof *values);
        if (!values)
            return bench_failed("no memory for a piece");
        attn_desc_piece_at(desc, i, NULL, NULL, values, n, &n);
        if (n > 0)
            rc = add(u, kind, mode, values, n);
        free(values);
    }
    return rc;
}

int bench_pairs_count(const attn_desc *desc, const bench_size *size, bench_pairs *pairs)
{
    struct rules u = {.size = size, .segments = get(desc, ATTN_PARAM_SEGMENTS, 0)};
    const size_t k = (size_t)size->k;
    uint8_t *bytes = calloc(3 * k + 1, 1);
    int rc = bytes ? 0 : bench_failed("no memory to count pairs");
    u.seen = bytes;
    u.row = bytes + k;
    u.any = bytes + 2 * k;
    *pairs = (bench_pairs){0};
    if (rc == 0)
        rc = add_shorthand(&u, desc);
    if (rc == 0)
        rc = add_pieces(&u, desc);
    const int64_t heads = u.by_head ? size->hout : 1;
    for (int64_t h = 0; h < heads && rc == 0; h++)
        for (int64_t i = 0; i < size->q; i++)
            pairs->visible += count_row(&u, h, i) * (double)(size->hout / heads);
    for (size_t j = 0; j < k && rc == 0; j++)
        pairs->keys += u.seen[j];
    for (size_t p = 0; p < u.n; p++)
        free(u.piece[p].value);
    free(bytes);
    return rc;
}
