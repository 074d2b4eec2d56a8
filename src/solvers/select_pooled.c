/* SPDX-License-Identifier: MIT */
/*
 * The steps of the pooled selector: what stands for blocks, then rows with their
 * scores and picks.
 *
 * Scores are f32, or f64 with f64 tensors, and are widened for sums over heads
 * and blocks. Units of work are fixed by the problem, and each row is written by
 * itself, so that lists are the same for any number of threads.
 */
#include "solvers/select_pooled.h"

#include <inttypes.h>

#include "base/error.h"
#include "solvers/select_pick.h"
#include "solvers/select_reps.h"
#include "solvers/select_score.h"

/* Blocks of a head that are a task. */
enum { BLOCKS = 64 };

/* ---- room ---- */

/* Places for scores that a row can have, of products and of blocks. */
static int64_t columns_of(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z)
{
    int64_t n = attn__pooled_parts(z->k, attn__pooled_unit(spec));
    if (spec->ragged && !spec->tokens)
        return z->blocks;
    return attn__pooled_is_given(spec) || spec->ragged ? attn__max_i64(n, z->blocks) : n;
}

static int64_t rep_heads_of(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z)
{
    return spec->reduce == ATTN__REDUCE_MEAN ? z->sets : z->k_heads;
}

bool attn__pooled_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                          int64_t *entries)
{
    int64_t columns = attn__max_i64(columns_of(spec, z), 1), forced = 0;
    *entries = columns;
    if (spec->rule != ATTN__PICK_TOP)
        return true;
    if (!attn__add_i64(spec->first, spec->last, &forced))
        return false;
    *entries = attn__min_i64(columns, attn__max_i64(attn__max_i64(spec->top, forced), 1));
    return true;
}

static void desk_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, struct attn__pooled_desk *k)
{
    int64_t columns = columns_of(spec, z), width = attn__reps_width(spec, z->d);
    int64_t q = 0, scores = 0, piece = 0;
    size_t size = z->exact ? sizeof(double) : sizeof(float);
    s->ok = s->ok && attn__mul_i64(ATTN__POOLED_ROWS, width, &q) &&
            attn__mul_i64(ATTN__POOLED_ROWS, columns, &scores) &&
            attn__mul_i64(ATTN__POOLED_PIECE, width, &piece);
    k->q = attn__scratch_take(s, q, size);
    k->s = attn__scratch_take(s, scores, size);
    k->line = ATTN__TAKE(s, columns, double);
    k->pick = ATTN__TAKE(s, columns, double);
    k->sum = ATTN__TAKE(s, scores, double);
    k->rep = ATTN__TAKE(s, attn__reps_room(z->d), double);
    k->piece = ATTN__TAKE(s, piece, float);
    k->state = ATTN__TAKE(s, columns, uint8_t);
}

static size_t desk_bytes(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z)
{
    struct attn__scratch s = {.ok = true};
    struct attn__pooled_desk k;
    desk_take(&s, spec, z, &k);
    return s.ok && s.used <= PTRDIFF_MAX ? s.used : SIZE_MAX;
}

static bool reps_bytes(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                       int64_t *n)
{
    *n = 0;
    if (attn__pooled_is_direct(spec))
        return true;
    return attn__mul_i64(z->b, rep_heads_of(spec, z), n) &&
           attn__mul_i64(*n, columns_of(spec, z), n) &&
           attn__mul_i64(*n, attn__reps_width(spec, z->d), n) &&
           attn__mul_i64(*n, z->exact ? 8 : 4, n);
}

void *attn__pooled_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                        const struct attn__pooled_size *z, int64_t threads)
{
    size_t desk = desk_bytes(spec, z);
    int64_t reps = 0, desks = 0;
    s->ok = s->ok && desk != SIZE_MAX && reps_bytes(spec, z, &reps) &&
            attn__mul_i64(threads, (int64_t)desk, &desks);
    char *room = attn__scratch_take(s, reps, 1);
    attn__scratch_take(s, desks, 1);
    return room;
}

/* ---- what stands for blocks ---- */

static struct attn__pooled_desk desk_of(const struct attn__pooled_job *x, int64_t worker)
{
    struct attn__scratch s = {.base = x->desks + (size_t)worker * x->desk_bytes, .ok = true};
    struct attn__pooled_desk k;
    desk_take(&s, x->spec, x->z, &k);
    return k;
}

/* Keys of a head; those of a view are rows of K. */
static struct attn__rows key_rows(const struct attn__pooled_job *x,
                                  const struct attn__pooled_view *v, int64_t h)
{
    if (x->r->call->view)
        return attn__call_k_head(x->r->call, &v->s, h);
    return attn__pooled_head(&x->m->k, v->s.b, h, v->s.k0);
}

/* False: nobody has kept the bounds of keys lo..hi-1. */
static bool kept_bounds(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                        int64_t h, int64_t lo, int64_t hi, float *to)
{
    const struct attn__paged_view *view = x->r->call->view;
    if (x->spec->rep != ATTN__REP_BOUNDS || !view)
        return false;
    const struct attn__paged *p = attn__call_paged_kv(x->r->call, &v->s, h);
    const float *low = attn__paged_low(p, view->head[h].bounds, lo, hi);
    if (!low)
        return false;
    size_t bytes = (size_t)x->z->d * sizeof *low;
    memcpy(to, low + p->bounds.numbers, bytes);
    memcpy(to + x->z->d, low, bytes);
    return true;
}

/* h: a head of k, or a set whose heads are averaged. */
static void rep_block(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                      int64_t h, int64_t j, const struct attn__pooled_desk *k)
{
    const struct attn__kernels *kern = x->r->machine->kern;
    int64_t lo, hi, d = x->z->d, group = attn__pooled_group(x);
    char *to = attn__pooled_reps(x, v->s.index, h);
    attn__pooled_block(x, v, j, &lo, &hi);
    if (x->spec->reduce != ATTN__REDUCE_MEAN) {
        if (kept_bounds(x, v, h, lo, hi, (float *)(void *)to + j * x->width))
            return;
        struct attn__rows one = key_rows(x, v, h);
        attn__reps_block(kern, x->spec, &one, d, lo, hi, x->z->exact, to, j * x->width, k->rep);
        return;
    }
    for (int64_t g = 0; g < group; g++) {
        struct attn__rows one = key_rows(x, v, attn__pooled_k_head(x, h * group + g));
        attn__reps_sum(kern, &one, d, lo, hi, g == 0, k->rep);
    }
    attn__reps_mean(x->spec, d, group, hi - lo, x->z->exact, to, j * x->width, k->rep);
}

static void rep_task(void *arg, int64_t worker)
{
    const struct attn__pooled_job *x = arg;
    const struct attn__pooled_desk k = desk_of(x, worker);
    for (int64_t t = worker; t < x->tasks; t += x->workers) {
        int64_t head = t / x->cuts, j0 = t % x->cuts * BLOCKS;
        struct attn__pooled_view v = attn__pooled_view_of(x, head / x->rep_heads);
        for (int64_t j = j0; j < attn__min_i64(j0 + BLOCKS, v.units); j++)
            rep_block(x, &v, head % x->rep_heads, j, &k);
    }
}

/* ---- rows ---- */

/* Scores become the largest of `pool` around them, as far as those are open. */
static void max_pool(int64_t pool, int64_t lo, int64_t hi, double *line, double *sum)
{
    int64_t half = (pool - 1) / 2;
    for (int64_t j = lo; j < hi; j++) {
        line[j] = sum[j];
        for (int64_t e = attn__max_i64(lo, j - half); e < attn__min_i64(hi, j + half + 1); e++)
            if (sum[e] > line[j] || isnan(sum[e]))
                line[j] = sum[e];
    }
    for (int64_t j = lo; j < hi; j++)
        sum[j] = line[j];
}

/* What may be picked, and what is in anyhow. */
static void open_row(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                     const struct attn__pooled_row *w, int64_t units, uint8_t *state)
{
    const attn_tensor *t = x->m->mask;
    int64_t scored = x->spec->rep == ATTN__REP_GIVEN ? units : v->blocks;
    for (int64_t j = 0; j < v->blocks; j++) {
        bool seen = j >= w->open_from && j < w->open_end;
        bool forced = seen && (j < w->forced_to || j >= w->forced_from);
        bool open = seen && j < w->open && j < scored;
        if (open && t) {
            int64_t at = t->shape[0] > 1 ? v->s.b * t->stride[0] : 0;
            at += w->first * t->stride[1] + j * t->stride[2];
            open = attn__load_i64(t->data, at, t->dtype) != 0;
        }
        state[j] = forced ? ATTN__PICK_IN : open ? ATTN__PICK_MAY : ATTN__PICK_OUT;
    }
}

static void write_row(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                      int64_t row, const uint8_t *state, const double *score, bool good)
{
    const struct attn__pooled_spec *spec = x->spec;
    struct attn__select_writer out = attn__select_row_begin(x->rows, row);
    if (!good)
        attn__select_put_fault(&out, ATTN__SELECT_NAN);
    for (int64_t j = 0; j < v->blocks && good; j++) {
        int64_t lo = j * spec->k_block, hi = attn__min_i64(v->s.nk, lo + spec->k_block);
        if (state[j] != ATTN__PICK_IN)
            continue;
        if (spec->ragged && !spec->tokens)
            attn__pooled_block(x, v, j, &lo, &hi);
        attn__select_put(&out, lo, hi - lo, spec->logits ? (float)score[j] : 0, spec->logits);
    }
    attn__select_row_end(&out);
}

/* The only row of an entry whose picks are told; false: they are not. */
static bool take_kept(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                      const struct attn__pooled_desk *k)
{
    const attn_tensor *t = x->m->kept;
    int64_t first = t ? v->s.index * t->stride[0] : 0;
    if (!t || v->s.nq == 0 || attn__load_i64(t->data, first, t->dtype) < 0)
        return false;
    const struct attn__pooled_row w = attn__pooled_row_of(x, v, 0);
    open_row(x, v, &w, v->blocks, k->state);
    for (int64_t n = 0; n < t->shape[1]; n++) {
        int64_t j = attn__load_i64(t->data, first + n * t->stride[1], t->dtype);
        if (j >= w.forced_to && j < w.forced_from)
            k->state[j] = ATTN__PICK_IN;
    }
    write_row(x, v, v->s.index * x->rows->blocks, k->state, k->sum, true);
    return true;
}

/* Rows t0 to t0 + n - 1 of a set. */
static void select_rows(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                        int64_t set, int64_t t0, int64_t n, const struct attn__pooled_desk *k)
{
    const struct attn__pooled_spec *spec = x->spec;
    const struct attn__pick pick = {(enum attn__pick_rule)spec->rule, spec->top,
                                    spec->masses ? spec->masses[set] : spec->mass};
    int64_t units[ATTN__POOLED_ROWS];
    if (take_kept(x, v, k))
        return;
    attn__pooled_score(x, v, set, t0, n, k, units);
    for (int64_t i = 0; i < n; i++) {
        struct attn__pooled_row w = attn__pooled_row_of(x, v, t0 + i);
        double *score = k->sum + i * x->columns;
        int64_t row = (v->s.index * x->rows->sets + set) * x->rows->blocks + t0 + i;
        if (spec->pool > 1)
            max_pool(spec->pool, w.forced_to, attn__min_i64(w.forced_from, w.open), k->line, score);
        open_row(x, v, &w, units[i], k->state);
        write_row(x, v, row, k->state, score,
                  attn__pick_row(&pick, score, k->state, v->blocks, k->pick));
    }
}

static void row_task(void *arg, int64_t worker)
{
    const struct attn__pooled_job *x = arg;
    const struct attn__pooled_desk k = desk_of(x, worker);
    for (int64_t t = worker; t < x->tasks; t += x->workers) {
        int64_t set = t / x->cuts, t0 = t % x->cuts * ATTN__POOLED_ROWS;
        struct attn__pooled_view v = attn__pooled_view_of(x, set / x->rows->sets);
        int64_t n = attn__min_i64(ATTN__POOLED_ROWS, x->rows->blocks - t0);
        select_rows(x, &v, set % x->rows->sets, t0, n, &k);
    }
}

/* ---- the whole ---- */

/* Blocks that the caller tells begin at 0, rise and end with the keys. */
static int32_t check_offsets(const struct attn__pooled_job *x)
{
    const attn_tensor *t = x->m->offsets;
    for (int64_t b = 0; b < x->rows->n_batch && t; b++) {
        struct attn__seq s = attn__call_seq(x->r->call, b);
        int64_t before = 0, n = t->shape[1];
        for (int64_t j = 0; j < n; j++) {
            int64_t at = attn__pooled_offset(x, b, j);
            if (j == 0 ? at != 0 : at <= before || at > s.nk)
                return attn__error_set(ATTN_ERR_RANGE,
                                       "select_offsets has %" PRId64 " at [%" PRId64 ",%" PRId64
                                       "], expected 0 first, then rising numbers up to the "
                                       "%" PRId64 " keys",
                                       at, b, j, s.nk);
            before = at;
        }
        if (before != s.nk)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "select_offsets ends with %" PRId64 " in batch entry %" PRId64
                                   ", expected the %" PRId64 " keys",
                                   before, b, s.nk);
    }
    return ATTN_OK;
}

static void in_parallel(struct attn__pooled_job *x, attn__task_fn *fn, int64_t heads, int64_t cuts)
{
    x->cuts = cuts;
    x->tasks = heads * cuts;
    x->workers = attn__min_i64(x->r->machine->threads, x->tasks);
    attn__threads_run(x->r->threads, x->workers, fn, x);
}

int32_t attn__pooled_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                         const struct attn__pooled_size *z, struct attn__select_rows *rows,
                         int64_t per_row, void *room)
{
    struct attn__pooled_job x = {.r = r, .m = m, .spec = m->spec, .z = z, .rows = rows,
                                 .reps = room};
    struct attn__scratch s = {.ok = true};
    int64_t reps = 0;
    reps_bytes(m->spec, z, &reps);
    attn__scratch_take(&s, reps, 1);
    x.desks = x.reps + s.used;
    x.desk_bytes = desk_bytes(m->spec, z);
    x.columns = columns_of(m->spec, z);
    x.width = attn__reps_width(m->spec, z->d);
    x.rep_heads = rep_heads_of(m->spec, z);
    attn__select_begin(rows, per_row);
    int32_t status = check_offsets(&x);
    if (status != ATTN_OK)
        return status;
    if (!attn__pooled_is_direct(m->spec))
        in_parallel(&x, rep_task, rows->n_batch * x.rep_heads,
                    attn__pooled_parts(x.columns, BLOCKS));
    in_parallel(&x, row_task, rows->n_batch * rows->sets,
                attn__pooled_parts(rows->blocks, ATTN__POOLED_ROWS));
    return attn__select_end(rows, "selection");
}
