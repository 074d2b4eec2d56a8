/* SPDX-License-Identifier: MIT */
/*
 * Turning rows by their positions.
 */
#include "solvers/rope_turn.h"

enum { BLOCK = ATTN__ROPE_ROWS, FAR = BLOCK * BLOCK };

void attn__rope_room_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__rope_room *room)
{
    const struct attn__rope *r = &p->rope;
    bool any = r->pairing != ATTN_ROPE_NONE;
    bool dynamic = any && r->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK;
    int64_t dim = any ? r->dim : 0;
    *room = (struct attn__rope_room){.table = r->table, .n = -1};
    room->far = ATTN__TAKE(s, dim, double);
    room->at = ATTN__TAKE(s, dim, double);
    room->at32 = ATTN__TAKE(s, any ? attn__rope_width(r) : 0, float);
    room->freq = ATTN__TAKE(s, dynamic ? dim / 2 : 0, double);
    room->tables =
        ATTN__TAKE(s, dynamic ? (int64_t)attn__rope_table_bytes(r) : 0, unsigned char);
}

void attn__rope_room_begin(const struct attn__rope *r, struct attn__rope_room *room, int64_t n)
{
    if (r->pairing == ATTN_ROPE_NONE || r->scaling != ATTN_ROPE_SCALING_DYNAMIC_NTK)
        return;
    bool longer = (double)n > r->original;
    int64_t key = longer ? n : 0;
    if (room->n == key)
        return;
    room->n = key;
    room->is_far = room->is_at = false;
    attn__rope_freqs(r, n, room->freq);
    if (longer)
        attn__rope_table_fill(r, room->freq, room->tables, &room->table);
    else
        room->table = r->table;
}

static const double *freq_of(const struct attn__rope *r, const struct attn__rope_room *room)
{
    return r->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK ? room->freq : r->freq;
}

/* Makes `at` the turn of the block of 64 positions that pos is in; returns
 * which of them it is. */
static int64_t move_to(const struct attn__rope *r, struct attn__rope_room *room, int64_t pos)
{
    int64_t half = r->dim / 2, low = pos & (BLOCK - 1), at = pos - low;
    if (room->is_at && room->at_pos == at)
        return low;
    int64_t mid = at & (FAR - 1), far = at - mid;
    const double *freq = freq_of(r, room), *b = room->table.mid + mid / BLOCK * r->dim;
    double *a = room->far, *out = room->at;
    if (!room->is_far || room->far_pos != far) {
        for (int64_t c = 0; c < half; c++) {
            a[c] = 1;
            a[half + c] = 0;
            if (far != 0)
                attn__rope_turn((double)far, freq[c], &a[c], &a[half + c]);
            a[c] *= r->attention;
            a[half + c] *= r->attention;
        }
        room->far_pos = far;
        room->is_far = true;
    }
    for (int64_t c = 0; c < half; c++) {
        out[c] = a[c] * b[c] - a[half + c] * b[half + c];
        out[half + c] = a[half + c] * b[c] + a[c] * b[half + c];
    }
    attn__rope_narrow(r, out, room->at32);
    room->at_pos = at;
    room->is_at = true;
    return low;
}

void attn__rope_turn_rows(const struct attn__kernels *kern, const struct attn__rope *r,
                          struct attn__rope_room *room, int64_t pos, int64_t rows, float *x,
                          int64_t ld)
{
    int64_t width = attn__rope_width(r);
    while (rows > 0) {
        int64_t low = move_to(r, room, pos), n = attn__min_i64(rows, BLOCK - low);
        const float *table = room->table.low32 + low * width;
        if (r->pairing == ATTN_ROPE_INTERLEAVED)
            kern->rope_interleaved(x, ld, n, r->dim, room->at32, table);
        else
            kern->rope_half(x, ld, n, r->dim / 2, room->at32, table);
        x += n * ld;
        rows -= n;
        pos += rows > 0 ? n : 0; /* the last position may be the largest there is */
    }
}

void attn__rope_turn_f64(const struct attn__rope *r, struct attn__rope_room *room, int64_t pos,
                         double *x)
{
    int64_t half = r->dim / 2, low = move_to(r, room, pos);
    bool inter = r->pairing == ATTN_ROPE_INTERLEAVED;
    const double *a = room->at, *b = room->table.low + low * r->dim;
    for (int64_t c = 0; c < half; c++) {
        double co = a[c] * b[c] - a[half + c] * b[half + c];
        double si = a[half + c] * b[c] + a[c] * b[half + c];
        double *u = &x[inter ? 2 * c : c], *v = &x[inter ? 2 * c + 1 : c + half], u0 = *u;
        *u = u0 * co - *v * si;
        *v = *v * co + u0 * si;
    }
}
