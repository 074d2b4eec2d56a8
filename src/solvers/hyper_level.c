/* SPDX-License-Identifier: MIT */
/*
 * A level is one attention along lists. Rows of a segment are put into the order
 * of their codes, so that a block of queries and its block of keys are neighbours;
 * the list of that block of queries is the block of keys and, with the logit
 * ln(w), the keys that were drawn, each counting w = times drawn * keys / samples
 * times. So the two parts of the paper's estimate are one softmax, and need no
 * merge by their lse.
 *
 * Segments of odd length are one row longer at their end: a query of zeros, which
 * takes its place in the order and whose result nobody reads. No key is behind
 * the end, as the keys of an estimate are the first half.
 */
#include "solvers/hyper_level.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "kernels/kernels.h"
#include "solvers/map_order.h"
#include "solvers/rows_load.h"

/* Rows that are hashed at a time. */
enum { ROWS = 64 };

/* ---- levels ---- */

static void causal_levels(const struct attn__hyper_spec *spec, struct attn__hyper_levels *levels)
{
    int64_t size = levels->queries, segments = 1;
    for (; size > spec->least && levels->n < ATTN__HYPER_LEVELS; segments *= 2) {
        size = size / 2 + size % 2;
        levels->at[levels->n++] =
            (struct attn__hyper_level){segments, size, size, size < spec->least};
    }
}

void attn__hyper_levels_of(const struct attn__hyper_spec *spec, int64_t queries, int64_t keys,
                           struct attn__hyper_levels *levels)
{
    *levels = (struct attn__hyper_levels){.causal = spec->causal, .queries = queries, .keys = keys};
    if (spec->causal)
        causal_levels(spec, levels);
    else if (queries >= spec->least && queries > 0 && keys > 0)
        levels->at[levels->n++] = (struct attn__hyper_level){1, queries, keys, false};
}

int32_t attn__hyper_leaf(const struct attn__hyper_levels *levels, int64_t i)
{
    int64_t segment = 0;
    for (int64_t n = 0; n < levels->n; n++) {
        int64_t half = levels->at[n].keys;
        segment = 2 * segment + (i >= half);
        i -= i >= half ? half : 0;
    }
    return (int32_t)segment;
}

int64_t attn__hyper_segment(const struct attn__hyper_levels *levels, int64_t n, int64_t segment,
                            int64_t *start)
{
    int64_t rows = levels->queries;
    *start = 0;
    for (int64_t up = 0; up < n; up++) {
        int64_t half = levels->at[up].keys;
        if (segment >> (n - 1 - up) & 1) {
            *start += half;
            rows = attn__max_i64(rows - half, 0);
        } else {
            rows = attn__min_i64(rows, half);
        }
    }
    return rows;
}

/* ---- room ---- */

/* Rows of queries and keys, and estimates, of the largest levels. */
static bool largest(const struct attn__problem *p, int64_t *queries, int64_t *keys,
                    int64_t *estimates, int64_t *lists)
{
    struct attn__hyper_levels levels;
    int64_t heads = 0;
    *queries = *keys = *estimates = *lists = 0;
    attn__hyper_levels_of(&p->pooled.hyper, p->q, p->k, &levels);
    if (!attn__mul_i64(p->b, p->hq, &heads))
        return false;
    for (int64_t n = 0; n < levels.n; n++) {
        const struct attn__hyper_level *e = &levels.at[n];
        int64_t block = p->pooled.hyper.block, count, q, k, rows;
        if (!attn__mul_i64(heads, e->segments, &count) || !attn__mul_i64(count, e->queries, &q) ||
            !attn__mul_i64(count, e->keys, &k) ||
            !attn__mul_i64(count, e->queries / block + (e->queries % block != 0), &rows))
            return false;
        *queries = attn__max_i64(*queries, q);
        *keys = attn__max_i64(*keys, k);
        *estimates = attn__max_i64(*estimates, count);
        *lists = attn__max_i64(*lists, rows);
    }
    return true;
}

/* Floats of a worker: rows, and their products with the directions. */
static int64_t desk_of(const struct attn__problem *p)
{
    return ROWS * (p->d + p->pooled.hyper.bits);
}

/* Entries of a list: a block, and all that can be drawn. */
static int64_t per_row(const struct attn__problem *p)
{
    return p->pooled.hyper.samples + 1;
}

void attn__hyper_take(struct attn__scratch *s, const struct attn__problem *p, int64_t threads,
                      struct attn__hyper_room *room)
{
    const struct attn__hyper_spec *spec = &p->pooled.hyper;
    int64_t q = 0, k = 0, estimates = 0, desk = 0;
    int64_t heads = 0, all_q = 0, all_k = 0, draws = 0, qd = 0, kd = 0, kv = 0, o = 0, sum = 0;
    size_t size = attn__dtype_size(p->dtype), kv_size = attn__dtype_size(p->kv_dtype), bytes = 0;
    struct attn__select_rows rows = {.n_batch = 1};
    s->ok = s->ok && p->q <= INT32_MAX && p->k <= INT32_MAX && /* numbers of rows are int32 */
            largest(p, &q, &k, &estimates, &rows.rows) && attn__mul_i64(p->b, p->hq, &heads) &&
            attn__mul_i64(heads, p->q, &all_q) && attn__mul_i64(heads, p->k, &all_k) &&
            attn__mul_i64(estimates, 2 * spec->samples, &draws) &&
            attn__mul_i64(q, p->d, &qd) && attn__mul_i64(k, p->d, &kd) &&
            attn__mul_i64(k, p->dv, &kv) && attn__mul_i64(q, p->dv, &o) &&
            attn__mul_i64(all_q, p->dv, &sum) &&
            attn__mul_i64(rows.rows, per_row(p), &rows.capacity) &&
            attn__select_rows_place(&rows, true, false, NULL, &bytes) && bytes <= PTRDIFF_MAX &&
            attn__mul_i64(desk_of(p), threads, &desk);
    room->across = ATTN__TAKE(s, spec->bits * p->d, float);
    room->code_q = ATTN__TAKE(s, all_q, int32_t);
    room->code_k = ATTN__TAKE(s, all_k, int32_t);
    room->bad = ATTN__TAKE(s, heads, uint8_t);
    room->order_q = ATTN__TAKE(s, q, int32_t);
    room->order_k = ATTN__TAKE(s, k, int32_t);
    room->spare_q = ATTN__TAKE(s, q, int32_t);
    room->spare_k = ATTN__TAKE(s, k, int32_t);
    room->draw = ATTN__TAKE(s, draws, int32_t);
    room->q = attn__scratch_take(s, qd, size);
    room->k = attn__scratch_take(s, kd, kv_size);
    room->v = attn__scratch_take(s, kv, kv_size);
    room->part = ATTN__TAKE(s, o, float);
    room->part_lse = ATTN__TAKE(s, q, float);
    room->sum = ATTN__TAKE(s, sum, float);
    room->sum_lse = ATTN__TAKE(s, all_q, float);
    room->leaf = ATTN__TAKE(s, p->q, int32_t);
    room->lists = ATTN__TAKE(s, 1, struct attn__select);
    room->entries = attn__scratch_take(s, (int64_t)bytes, 1);
    room->desks = ATTN__TAKE(s, desk, float);
}

/* ---- codes ---- */

struct hash_job {
    const struct attn__recipe_run *r;
    const struct attn__hyper_room *room;
    int64_t tasks, workers;
};

/* Codes of n rows; false for NaN. */
static bool hash_rows(const struct hash_job *j, const struct attn__rows *rows, int64_t n,
                      float *desk, int32_t *code)
{
    const struct attn__kernels *kern = j->r->machine->kern;
    int64_t bits = j->r->call->p->pooled.hyper.bits, d = j->r->call->p->d, ld;
    float *s = desk + ROWS * d;
    for (int64_t i0 = 0; i0 < n; i0 += ROWS) {
        int64_t m = attn__min_i64(ROWS, n - i0);
        const float *q = attn__rows_f32(kern, rows, i0, m, d, desk, &ld);
        kern->row_qk_f32(j->room->across, d, bits, d, q, ld, m, s, bits, 0);
        for (int64_t i = 0; i < m; i++) {
            uint32_t b = 0;
            for (int64_t t = 0; t < bits; t++) {
                if (isnan(s[i * bits + t]))
                    return false;
                b |= (uint32_t)(s[i * bits + t] > 0) << t;
            }
            code[i0 + i] = (int32_t)(b ^ b >> 1);
        }
    }
    return true;
}

static void hash_task(void *arg, int64_t worker)
{
    const struct hash_job *j = arg;
    const struct attn__call *c = j->r->call;
    float *desk = j->room->desks + worker * desk_of(c->p);
    for (int64_t n = worker; n < j->tasks; n += j->workers) {
        struct attn__seq s = attn__call_seq(c, n / c->p->hq);
        struct attn__rows q = attn__call_q(c, &s, n % c->p->hq);
        struct attn__rows k = attn__call_k(c, &s, n % c->p->hq);
        j->room->bad[n] = !hash_rows(j, &q, s.nq, desk, j->room->code_q + n * s.nq) ||
                          !hash_rows(j, &k, s.nk, desk, j->room->code_k + n * s.nk);
    }
}

int32_t attn__hyper_hash(const struct attn__recipe_run *r, const struct attn__hyper_room *room)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = &r->call->t[ATTN__SLOT_PROJECTIONS];
    struct hash_job j = {.r = r, .room = room, .tasks = r->call->n_seq * p->hq};
    for (int64_t b = 0; b < p->pooled.hyper.bits; b++)
        for (int64_t e = 0; e < p->d; e++)
            room->across[b * p->d + e] =
                (float)attn__load_f64(t->data, e * t->stride[0] + b * t->stride[1], t->dtype);
    j.workers = attn__min_i64(r->machine->threads, j.tasks);
    attn__threads_run(r->threads, j.workers, hash_task, &j);
    for (int64_t n = 0; n < j.tasks; n++)
        if (room->bad[n])
            return attn__error_set(ATTN_ERR_DATA,
                                   "a row of q or k of batch entry %" PRId64 ", head %" PRId64
                                   " has NaN as its product with projections, and no code",
                                   n / p->hq, n % p->hq);
    return ATTN_OK;
}

/* ---- a level ---- */

static struct attn__hyper_estimate estimate_of(const struct attn__hyper_job *j, int64_t index)
{
    const struct attn__hyper_level *e = &j->levels->at[j->n];
    int64_t heads = j->r->call->p->hq, rows;
    struct attn__hyper_estimate x = {.b = index / heads / e->segments,
                         .g = index / heads % e->segments,
                         .h = index % heads,
                         .nq = e->queries,
                         .nk = e->keys,
                         .at_q = index * e->queries,
                         .at_k = index * e->keys};
    if (!j->levels->causal)
        return x;
    rows = attn__hyper_segment(j->levels, j->n, x.g, &x.k0);
    x.nk = attn__min_i64(rows, e->keys);
    x.nq = rows - x.nk;
    x.q0 = x.k0 + x.nk;
    return x;
}

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* The places that are drawn for an estimate, rising; behind them is room for as
 * many. Numbers hang on seed, head, level and segment, not on the batch entry. */
static void draw(const struct attn__hyper_job *j, const struct attn__hyper_estimate *x,
                 int32_t *ids)
{
    const struct attn__call *c = j->r->call;
    const struct attn__hyper_spec *spec = &c->p->pooled.hyper;
    const attn_tensor *t = &c->t[ATTN__SLOT_SAMPLES];
    int64_t keys = j->levels->at[j->n].keys;
    uint64_t own = mix(mix(mix((uint64_t)spec->seed) + (uint64_t)x->h) +
                       ((uint64_t)j->n << 48 | (uint64_t)x->g));
    for (int64_t n = 0; n < spec->samples; n++) {
        int64_t id = (int64_t)((mix(own + (uint64_t)n) >> 32) * (uint64_t)keys >> 32);
        if (spec->given) {
            int64_t at = n * t->stride[2];
            at += t->shape[0] > 1 ? x->b * t->stride[0] : 0;
            at += t->shape[1] > 1 ? x->h * t->stride[1] : 0;
            id = attn__load_i64(t->data, at, t->dtype) % keys;
        }
        ids[n] = (int32_t)id;
    }
    attn__order_sort(NULL, 0, 32, ids, spec->samples, ids + spec->samples);
}

/* The lists of an estimate. */
static void write_lists(const struct attn__hyper_job *j, int64_t index, const int32_t *ids)
{
    const struct attn__hyper_level *e = &j->levels->at[j->n];
    const struct attn__hyper_spec *spec = &j->r->call->p->pooled.hyper;
    struct attn__select_rows *rows = &j->room->lists->rows;
    int64_t samples = e->exact || e->keys <= spec->block ? 0 : spec->samples;
    for (int64_t t = 0; t < rows->blocks; t++) {
        struct attn__select_writer out = attn__select_row_begin(rows, index * rows->blocks + t);
        int64_t lo = e->exact ? 0 : t * spec->block;
        int64_t hi = e->exact ? e->keys : attn__min_i64(lo + spec->block, e->keys);
        bool written = false;
        for (int64_t n = 0, next; n < samples; n = next) {
            for (next = n + 1; next < samples && ids[next] == ids[n];)
                next++;
            if (ids[n] >= lo && !written) {
                attn__select_put(&out, lo, hi - lo, 0, false);
                written = true;
            }
            double weight = (double)(next - n) * (double)e->keys / (double)samples;
            if (ids[n] < lo || ids[n] >= hi)
                attn__select_put(&out, ids[n], 1, (float)log(weight), false);
        }
        if (!written)
            attn__select_put(&out, lo, hi - lo, 0, false);
        attn__select_row_end(&out);
    }
}

struct attn__hyper_estimate attn__hyper_order(const struct attn__hyper_job *j, int64_t index)
{
    const struct attn__hyper_level *e = &j->levels->at[j->n];
    const struct attn__hyper_room *room = j->room;
    const struct attn__problem *p = j->r->call->p;
    struct attn__hyper_estimate x = estimate_of(j, index);
    struct attn__seq s = attn__call_seq(j->r->call, x.b);
    int64_t head = x.b * p->hq + x.h, bits = e->exact ? 0 : p->pooled.hyper.bits;
    int32_t *order_q = room->order_q + x.at_q, *order_k = room->order_k + x.at_k;
    for (int64_t i = 0; i < e->queries; i++)
        order_q[i] = (int32_t)i;
    for (int64_t i = 0; i < e->keys; i++)
        order_k[i] = (int32_t)i;
    attn__order_sort(room->code_q + head * s.nq + x.q0, x.nq, bits, order_q, e->queries,
                     room->spare_q + x.at_q);
    attn__order_sort(room->code_k + head * s.nk + x.k0, x.nk, bits, order_k, e->keys,
                     room->spare_k + x.at_k);
    x.ids = room->draw + 2 * index * p->pooled.hyper.samples;
    draw(j, &x, x.ids);
    return x;
}

static void prepare(void *arg, int64_t index)
{
    const struct attn__hyper_job *j = arg;
    const struct attn__call *c = j->r->call;
    const struct attn__hyper_level *e = &j->levels->at[j->n];
    const struct attn__hyper_room *room = j->room;
    const struct attn__problem *p = c->p;
    const struct attn__hyper_estimate x = attn__hyper_order(j, index);
    struct attn__seq s = attn__call_seq(c, x.b);
    struct attn__rows q = attn__call_q(c, &s, x.h), k = attn__call_k(c, &s, x.h);
    struct attn__rows v = attn__call_v(c, &s, x.h);
    const int32_t *order_q = room->order_q + x.at_q, *order_k = room->order_k + x.at_k;
    size_t size = attn__dtype_size(p->dtype), kv_size = attn__dtype_size(p->kv_dtype);
    attn__order_rows(&q, x.q0, x.nq, order_q, e->queries, p->d,
                     (char *)room->q + (size_t)(x.at_q * p->d) * size);
    attn__order_rows(&k, x.k0, x.nk, order_k, e->keys, p->d,
                     (char *)room->k + (size_t)(x.at_k * p->d) * kv_size);
    attn__order_rows(&v, x.k0, x.nk, order_k, e->keys, p->dv,
                     (char *)room->v + (size_t)(x.at_k * p->dv) * kv_size);
    write_lists(j, index, x.ids);
}

static void give(struct attn__call *c, enum attn__slot slot, void *data, int32_t dtype,
                 int64_t heads, int64_t rows, int64_t d)
{
    const attn_tensor t = attn__recipe_view(data, dtype, c->n_seq, heads, rows, d);
    attn__recipe_give(c, slot, &t);
}

void attn__hyper_prepare(const struct attn__recipe_run *r, const struct attn__hyper_levels *levels,
                         int64_t n, const struct attn__hyper_room *room, struct attn__call *c)
{
    const struct attn__problem *p = r->call->p;
    const struct attn__hyper_level *e = &levels->at[n];
    struct attn__select_rows *rows = &room->lists->rows;
    struct attn__hyper_job j = {.r = r, .levels = levels, .n = n, .room = room};
    size_t bytes;
    c->n_seq = r->call->n_seq * e->segments;
    *room->lists = (struct attn__select){
        .tag = ATTN__SELECT_TAG,
        .layout = ATTN_SELECTION_ROWS,
        .heads = p->hq,
        .rows = {.n_batch = c->n_seq, .head_group = 1, .q_block = p->pooled.hyper.block,
                 .n_queries = e->queries},
    };
    /* At the sizes of the plan all of it had room, and this is no more. */
    attn__select_rows_shape(rows, p->hq, "selection");
    rows->capacity = rows->rows * per_row(p);
    attn__select_rows_place(rows, true, false, room->entries, &bytes);
    attn__select_begin(rows, per_row(p));
    attn__threads_run(r->threads, c->n_seq * p->hq, prepare, &j);
    attn__select_end(rows, "selection");
    give(c, ATTN__SLOT_Q, room->q, p->dtype, p->hq, e->queries, p->d);
    give(c, ATTN__SLOT_K, room->k, p->kv_dtype, p->hq, e->keys, p->d);
    give(c, ATTN__SLOT_V, room->v, p->kv_dtype, p->hq, e->keys, p->dv);
    give(c, ATTN__SLOT_OUT, room->part, ATTN_DTYPE_F32, p->hq, e->queries, p->dv);
    give(c, ATTN__SLOT_LSE, room->part_lse, ATTN_DTYPE_F32, p->hq, e->queries, -1);
    c->object[ATTN__SLOT_SELECTION] = room->lists;
    c->has[ATTN__SLOT_SELECTION] = true;
}

/* One row: both parts weighted by their share of the whole. */
static void merge_row(const float *part, float part_lse, int64_t dv, float *sum, float *sum_lse)
{
    double top = fmax(part_lse, *sum_lse);
    if (top == -INFINITY)
        return;
    double a = exp(*sum_lse - top), b = exp(part_lse - top);
    float old = (float)(a / (a + b)), new = (float)(b / (a + b));
    for (int64_t e = 0; e < dv; e++)
        sum[e] = old * sum[e] + new * part[e];
    *sum_lse = (float)(top + log(a + b));
}

static void merge(void *arg, int64_t index)
{
    const struct attn__hyper_job *j = arg;
    const struct attn__problem *p = j->r->call->p;
    const struct attn__hyper_level *e = &j->levels->at[j->n];
    const struct attn__hyper_room *room = j->room;
    struct attn__hyper_estimate x = estimate_of(j, index);
    int64_t head = (x.b * p->hq + x.h) * j->levels->queries;
    for (int64_t n = 0; n < e->queries; n++) {
        int64_t from = x.at_q + n, i = room->order_q[from];
        int64_t to = head + x.q0 + i;
        if (i < x.nq)
            merge_row(room->part + from * p->dv, room->part_lse[from], p->dv,
                      room->sum + to * p->dv, &room->sum_lse[to]);
    }
}

void attn__hyper_merge(const struct attn__recipe_run *r, const struct attn__hyper_levels *levels,
                       int64_t n, const struct attn__hyper_room *room)
{
    struct attn__hyper_job j = {.r = r, .levels = levels, .n = n, .room = room};
    int64_t estimates = r->call->n_seq * levels->at[n].segments * r->call->p->hq;
    attn__threads_run(r->threads, estimates, merge, &j);
}
