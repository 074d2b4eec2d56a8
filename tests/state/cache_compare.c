/* SPDX-License-Identifier: MIT */
/*
 * All that can be seen of a cache against its model.
 */
#include <math.h>
#include <string.h>

#include "../oracle/stored_types.h"
#include "cache_exact_bounds.h"
#include "cache_world.h"

static void add_hash(uint64_t *hash, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++)
        *hash = (*hash ^ at[i]) * UINT64_C(0x100000001B3);
}

/* What a row that was not turned must be read as. Rounding is slow here, and
 * most rows are asked for again after the next call. */
static const float *want_row(const struct world *w, int g, int serial, int row, int head,
                             bool values)
{
    enum { ROOM = 1 << 14 };
    static struct {
        bool there, values;
        int dtype, width, serial, row, head;
        float x[MODEL_WIDTH];
    } known[ROOM], *k;
    const int width = w->m.width, dtype = w->dtype[g];
    k = &known[((serial * 3 + row) * 3 + head) * 2 % ROOM + values];
    if (k->there && k->values == values && k->dtype == dtype && k->width == width &&
        k->serial == serial && k->row == row && k->head == head)
        return k->x;
    k->there = true;
    k->values = values;
    k->dtype = dtype;
    k->width = width;
    k->serial = serial;
    k->row = row;
    k->head = head;
    for (int e = 0; e < width; e++)
        k->x[e] = (float)model_value(width, serial, row, head, values ? width + e : e, 0);
    if (w->stored[g]) {
        uint8_t bytes[2 * MODEL_WIDTH];
        stored_encode(dtype, k->x, width, MODEL_SCALE, bytes);
        stored_decode(dtype, bytes, width, MODEL_SCALE, k->x);
    }
    return k->x;
}

/* How far a turned key may be off: rounding adds up over many turns. */
static double slack_of(int32_t dtype)
{
    switch (dtype) {
    case ATTN_DTYPE_F32:
        return 1e-5 * 256;
    case ATTN_DTYPE_F16:
        return 1e-2 * 256;
    case ATTN_DTYPE_BF16:
        return 6e-2 * 256;
    default:
        return 1e9; /* test_cache_types.c and test_cache_kivi.c look at these */
    }
}

static void compare_rows(struct world *w, int s, int row, int g, uint64_t *hash)
{
    const struct model_table *t = &w->m.seq[s].table[row][g];
    static float k[MODEL_HEADS * MODEL_CELLS * MODEL_WIDTH], v[sizeof k / sizeof *k];
    const int width = w->m.width;
    const int64_t shape[4] = {1, w->heads_in[g], t->n_cells, width};
    attn_tensor tk, tv;
    attn_tensor_init(&tk, k, ATTN_DTYPE_F32, 4, shape);
    attn_tensor_init(&tv, v, ATTN_DTYPE_F32, 4, shape);
    int32_t status = attn_cache_read(w->cache, w->id[s], w->layer_of[row], g, &tk, &tv);
    if (status != ATTN_OK) {
        FAIL("%s: read gives %s", w->text, attn_status_name(status));
        return;
    }
    for (int h = 0, in = 0; h < w->m.heads; h++) {
        if (w->m.group_of[h] != g)
            continue;
        for (int c = 0; c < t->n_cells; c++) {
            const struct model_page *p = &w->m.page[t->cell[c].page];
            int slot = t->cell[c].slot;
            bool turned = p->turned[slot];
            const float *kivi = w->m.kivi[g] ? p->row[slot][h] : NULL;
            const float *want = kivi ? kivi + width
                                     : want_row(w, g, p->serial[slot], row, h, !w->prefix);
            int64_t at = ((int64_t)in * t->n_cells + c) * width;
            if (memcmp(want, v + at, (size_t)width * sizeof *v) != 0 && failures < 5)
                FAIL("%s: row %d group %d cell %d head %d: values differ", w->text, row, g, c, h);
            want = kivi ? kivi : want_row(w, g, p->serial[slot], row, h, false);
            for (int e = 0; e < width; e++) {
                double most = turned ? slack_of(w->dtype[g]) : 0, x = (double)want[e];
                if (turned)
                    x = model_value(width, p->serial[slot], row, h, e, p->turn[slot]);
                if (!(fabs((double)k[at + e] - x) <= most) && failures < 5)
                    FAIL("%s: row %d group %d cell %d head %d channel %d is %g, expected %g",
                         w->text, row, g, c, h, e, (double)k[at + e], x);
            }
        }
        in++;
    }
    if (w->bounds && !cache_exact_bounds(w->cache, w->id[s], w->layer_of[row], g, &tk))
        FAIL("%s: row %d group %d: bounds are not those of the keys", w->text, row, g);
    size_t bytes = (size_t)(w->heads_in[g] * t->n_cells * width) * sizeof *k;
    add_hash(hash, k, bytes);
    add_hash(hash, v, bytes);
}

static void compare_fold(struct world *w, int s, int row, int g, uint64_t *hash)
{
    const struct model_table *t = &w->m.seq[s].table[row][g];
    double k[MODEL_HEADS * MODEL_WIDTH], v[MODEL_HEADS * MODEL_WIDTH];
    const int width = w->m.width;
    const int64_t shape[4] = {1, w->heads_in[g], 1, width};
    int64_t n = -1;
    attn_tensor tk, tv;
    attn_tensor_init(&tk, k, ATTN_DTYPE_F64, 4, shape);
    attn_tensor_init(&tv, v, ATTN_DTYPE_F64, 4, shape);
    int32_t status = attn_cache_read_fold(w->cache, w->id[s], w->layer_of[row], g, &n, &tk, &tv);
    if (status != ATTN_OK || n != t->folded) {
        FAIL("%s: read_fold gives %s and %lld, expected %lld", w->text, attn_status_name(status),
             (long long)n, (long long)t->folded);
        return;
    }
    for (int h = 0, in = 0; h < w->m.heads; h++) {
        if (w->m.group_of[h] != g)
            continue;
        for (int e = 0; e < 2 * width; e++) {
            double got = (e < width ? k : v)[in * width + e % width];
            double want = n > 0 ? t->fold[h][w->prefix ? e % width : e] / (double)n : 0;
            if (!(fabs(got - want) <= (w->m.turns && w->m.knows_turn ? 16 : 1e-9)) && failures < 5)
                FAIL("%s: folded head %d channel %d is %g, expected %g", w->text, h, e, got, want);
        }
        in++;
    }
    size_t bytes = (size_t)(w->heads_in[g] * width) * sizeof *k;
    add_hash(hash, k, bytes);
    add_hash(hash, v, bytes);
}

static void compare_seq(struct world *w, int s, uint64_t *hash)
{
    const struct model_seq *q = &w->m.seq[s];
    const int64_t want[] = {q->next, q->last, -1, -1, q->open};
    for (int i = 0; i < 5; i++) {
        int64_t got = 0;
        int32_t status = attn_cache_seq_get_i64(w->cache, w->id[s], ATTN_CACHE_SEQ_NEXT + i, &got);
        add_hash(hash, &got, sizeof got);
        if (status != ATTN_OK || (want[i] >= 0 && got != want[i]))
            FAIL("%s: figure %d of sequence %d is %lld, expected %lld", w->text, i + 1, s,
                 (long long)got, (long long)want[i]);
    }
    for (int row = 0; row < w->m.rows; row++)
        for (int g = 0; g < w->m.groups; g++) {
            const struct model_table *t = &q->table[row][g];
            int64_t pos[MODEL_CELLS];
            size_t n = 0;
            attn_cache_positions(w->cache, w->id[s], w->layer_of[row], g, pos, MODEL_CELLS, &n);
            bool same = n == (size_t)t->n_cells;
            for (int c = 0; c < t->n_cells && same; c++)
                same = pos[c] == t->cell[c].pos;
            if (!same) {
                FAIL("%s: positions of sequence %d row %d group %d differ", w->text, s, row, g);
                continue;
            }
            add_hash(hash, pos, n * sizeof *pos);
            compare_rows(w, s, row, g, hash);
            if (w->m.rule[row][g].fold)
                compare_fold(w, s, row, g, hash);
        }
}

uint64_t world_compare(struct world *w)
{
    int64_t shared = 0, live = 0;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (int p = 0; p < w->m.pages; p++)
        shared += w->m.page[p].refs > 1;
    for (int s = 0; s < MODEL_SEQS; s++)
        live += w->m.seq[s].live;
    const int64_t want[] = {w->m.pages, w->m.used, w->m.peak, shared, -1, live, -1, -1,
                            w->m.copies};
    for (int i = 0; i < 11; i++) {
        int64_t got = 0;
        attn_cache_get_i64(w->cache, i + 1, &got);
        add_hash(&hash, &got, sizeof got);
        if (i < 9 && want[i] >= 0 && got != want[i])
            FAIL("%s: figure %d is %lld, expected %lld", w->text, i + 1, (long long)got,
                 (long long)want[i]);
    }
    for (int s = 0; s < MODEL_SEQS; s++)
        if (w->m.seq[s].live)
            compare_seq(w, s, &hash);
    if (attn_cache_check(w->cache) != ATTN_OK) {
        char text[512];
        attn_last_error(text, sizeof text);
        FAIL("%s: check: %s", w->text, text);
    }
    return hash;
}
