/* SPDX-License-Identifier: MIT */
/*
 * What visibility.c asks of the kinds of pieces. A piece that follows from
 * positions shows each query one run of keys, a span; other kinds are asked
 * for words of 64 keys of a row.
 */
#ifndef ATTN_PROBLEM_VIS_PIECE_H
#define ATTN_PROBLEM_VIS_PIECE_H

#include "base/dtype.h"
#include "problem/visibility.h"

enum { ATTN__VIS_WORD = 64 };

/* Keys lo..hi-1. */
struct attn__vis_span {
    int64_t lo, hi;
};

/* A tile: rows r0..r1-1, whose queries are among i0..i1-1. */
struct attn__vis_rows {
    int64_t r0, r1, i0, i1;
};

static inline struct attn__vis_rows attn__vis_rows_of(const struct attn__vis *v, int64_t r0,
                                                      int64_t r1)
{
    return (struct attn__vis_rows){r0, r1, attn__vis_query(v, r0), attn__vis_query(v, r1 - 1) + 1};
}

/* The values of a piece for output head h. */
static inline const int64_t *attn__vis_values(const struct attn__vis *v,
                                              const struct attn__piece *e, int64_t h)
{
    if (e->kind == ATTN_PIECE_PREFIX && e->given)
        return &v->prefix_len;
    return e->heads ? e->heads + h * e->n : e->v;
}

static inline int64_t attn__vis_id(const struct attn__vis_ids *d, int64_t n)
{
    return attn__load_i64(d->data, d->at + n * d->stride, d->dtype);
}

/* The n lowest bits. */
static inline uint64_t attn__vis_low(int64_t n)
{
    return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

/* Bits of keys j0..j0+n-1 that lie in lo..hi-1; n is at most 64. */
static inline uint64_t attn__vis_run(int64_t j0, int64_t n, int64_t lo, int64_t hi)
{
    lo = lo < j0 ? j0 : lo;
    hi = hi > j0 + n ? j0 + n : hi;
    return lo < hi ? attn__vis_low(hi - j0) & ~attn__vis_low(lo - j0) : 0;
}

static inline int64_t attn__vis_floor(int64_t a, int64_t unit)
{
    return unit == 1 ? a : a >= 0 ? a / unit : -((-(a + 1)) / unit) - 1;
}

static inline int64_t attn__vis_add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

/* unit is positive. */
static inline int64_t attn__vis_times(int64_t a, int64_t unit)
{
    int64_t product;
    return __builtin_mul_overflow(a, unit, &product) ? (a > 0 ? INT64_MAX : INT64_MIN) : product;
}

/* visibility.c: what each ANY piece may show rows r0..r1-1, in order and apart
 * from each other; returns how many there are. */
int32_t attn__vis_any_hulls(const struct attn__vis *v, int64_t r0, int64_t r1,
                            struct attn__vis_span out[ATTN__MAX_PIECES]);

/* vis_span.c: BAND, RECT and PREFIX with the values val. */

/* The keys a piece shows to query i, within [0, nk). */
struct attn__vis_span attn__vis_span(const struct attn__vis *v, int32_t kind, const int64_t *val,
                                     int64_t i);
enum attn__tile attn__vis_span_tile(const struct attn__vis *v, int32_t kind, const int64_t *val,
                                    const struct attn__vis_rows *r, int64_t j0, int64_t j1);
/* Of all rows together. */
struct attn__vis_span attn__vis_span_hull(const struct attn__vis *v, int32_t kind,
                                          const int64_t *val, const struct attn__vis_rows *r);
/* Takes from bits[j - j0] the rows, counted from r0, that do not see key j. */
void attn__vis_span_bits(const struct attn__vis *v, int32_t kind, const int64_t *val,
                         const struct attn__vis_rows *r, int64_t j0, int64_t j1, uint64_t *bits);

/* vis_data.c: STRIDE, and the segments and mask that all pairs must pass. */

enum attn__tile attn__vis_stride_tile(const int64_t *val, int64_t j0, int64_t j1);
uint64_t attn__vis_stride_word(const int64_t *val, int64_t j0, int64_t n);
/* Takes the bits away of what is not visible. */
void attn__vis_segment_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                            int64_t j1, uint64_t *bits);
void attn__vis_mask_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                         uint64_t *bits);
void attn__vis_segment_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1,
                            float *s);
void attn__vis_mask_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s);
/* bits[k] loses the rows whose byte row[r][j + k] is 0, for k < 8; at most 64
 * rows. */
void attn__vis_mask_eight(const uint8_t *const *row, int64_t rows, int64_t j, uint64_t *bits);

/* vis_ids.c: pieces that follow from a number of each query and each key. */

/* What 64 keys from j0 on are, filled where a piece asks for it. */
struct attn__vis_keys {
    int64_t j0, n;
    bool has_pos, has_seg, has_class;
    bool in_order; /* the positions are pos[0], pos[0] + 1 ... */
    int64_t pos[ATTN__VIS_WORD], seg[ATTN__VIS_WORD];
    uint64_t of_class[64]; /* the keys of each class */
    uint64_t classes;      /* those that some key has */
};

/* SEGMENT, PAIR, or BAND and STRIDE by positions. */
bool attn__vis_is_by_id(const struct attn__vis *v, const struct attn__piece *e);
enum attn__tile attn__vis_id_tile(const struct attn__vis *v, const struct attn__piece *e,
                                  const int64_t *val, const struct attn__vis_rows *r, int64_t j0,
                                  int64_t j1);
enum attn__tile attn__vis_segment_tile(const struct attn__vis *v, const struct attn__vis_rows *r,
                                       int64_t j0, int64_t j1);
uint64_t attn__vis_id_word(const struct attn__vis *v, const struct attn__piece *e,
                           const int64_t *val, int64_t i, struct attn__vis_keys *keys);

/* vis_list.c: LIST, TREE and RECTS. */

enum attn__tile attn__vis_list_tile(const struct attn__vis *v, const int64_t *val, int64_t h,
                                    const struct attn__vis_rows *r, int64_t j0, int64_t j1);
struct attn__vis_span attn__vis_list_hull(const struct attn__vis *v, const int64_t *val, int64_t h,
                                          const struct attn__vis_rows *r);
uint64_t attn__vis_list_word(const struct attn__vis *v, const int64_t *val, int64_t h, int64_t i,
                             int64_t j0, int64_t n);
enum attn__tile attn__vis_tree_tile(const struct attn__vis *v, const int64_t *val, int64_t j1);
uint64_t attn__vis_tree_word(const struct attn__vis *v, const int64_t *val, int64_t i, int64_t j0,
                             int64_t n);
enum attn__tile attn__vis_rects_tile(const struct attn__vis *v, const struct attn__vis_rows *r,
                                     int64_t j0, int64_t j1);
struct attn__vis_span attn__vis_rects_hull(const struct attn__vis *v,
                                           const struct attn__vis_rows *r);
uint64_t attn__vis_rects_word(const struct attn__vis *v, int64_t i, int64_t j0, int64_t n);

/* vis_rows.c: the lists of role SELECTION. */

/* Do the heads of v have different lists? */
bool attn__vis_rows_differ(const struct attn__vis *v);
enum attn__tile attn__vis_rows_tile(const struct attn__vis *v, int64_t h,
                                    const struct attn__vis_rows *r, int64_t j0, int64_t j1);
struct attn__vis_span attn__vis_rows_hull(const struct attn__vis *v, int64_t h,
                                          const struct attn__vis_rows *r);
uint64_t attn__vis_rows_word(const struct attn__vis *v, int64_t h, int64_t i, int64_t j0,
                             int64_t n);

/* vis_paged.c: what is missing in pages, and branching steps. */

enum attn__tile attn__vis_paged_tile(const struct attn__vis *v, int64_t j0, int64_t j1);
void attn__vis_paged_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                          int64_t j1, uint64_t *bits);
void attn__vis_paged_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s);

/* vis_user.c: the callback. */

enum attn__tile attn__vis_user_tile(const struct attn__vis *v, const struct attn__vis_rows *r,
                                    int64_t j0, int64_t j1);
void attn__vis_user_bits(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t j0,
                         int64_t j1, uint64_t *bits);
void attn__vis_user_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s);

#endif /* ATTN_PROBLEM_VIS_PIECE_H */
