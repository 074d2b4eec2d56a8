/* SPDX-License-Identifier: MIT */
/*
 * A task is a head of a batch entry, of updates a head. Products are f32 for every
 * dtype; sums of outputs and of centroids are double.
 */
#include "solvers/map_clusters.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "solvers/map_order.h"
#include "solvers/qk_norm.h"
#include "solvers/row_exact.h"
#include "solvers/rows_load.h"
#include "solvers/select_pick.h"
#include "state/selection.h"
#include "state/selection_groups.h"

/* Rows that meet the centroids together. */
enum { ROWS = 64 };

/* Added to the number of rows of a centroid, as the published code does. */
#define SMOOTHING 1e-5

struct desk {
    float *rows;           /* [ROWS][d] */
    float *s;              /* [ROWS][count] */
    float *column;         /* [count][max(q, k)] */
    double *line, *pick;   /* [max(q, k)] */
    uint8_t *state;        /* [max(q, k)] */
    double *sum;           /* [max(dv, count * (d + 1))] */
    int64_t *cursor;       /* [count] */
    int32_t *code, *order, *spare; /* [max(q, k)], to take each so many of the best */
};

static void desk_take(struct attn__scratch *s, const struct attn__problem *p,
                      const struct attn__clusters_spec *spec, struct desk *k)
{
    int64_t n = attn__max_i64(p->q, p->k), rows = 0, products = 0, columns = 0, state = 0;
    s->ok = s->ok && attn__mul_i64(ROWS, p->d, &rows) &&
            attn__mul_i64(ROWS, spec->count, &products) &&
            attn__mul_i64(spec->count, n, &columns) &&
            attn__mul_i64(spec->count, p->d + 1, &state);
    k->rows = ATTN__TAKE(s, rows, float);
    k->s = ATTN__TAKE(s, products, float);
    k->column = ATTN__TAKE(s, columns, float);
    k->line = ATTN__TAKE(s, n, double);
    k->pick = ATTN__TAKE(s, n, double);
    k->state = ATTN__TAKE(s, n, uint8_t);
    k->sum = ATTN__TAKE(s, attn__max_i64(p->dv, state), double);
    k->cursor = ATTN__TAKE(s, spec->count, int64_t);
    k->code = ATTN__TAKE(s, spec->strided ? n : 0, int32_t);
    k->order = ATTN__TAKE(s, spec->strided ? n : 0, int32_t);
    k->spare = ATTN__TAKE(s, spec->strided ? n : 0, int32_t);
}

static size_t desk_bytes(const struct attn__problem *p, const struct attn__clusters_spec *spec)
{
    struct attn__scratch s = {.ok = true};
    struct desk k;
    desk_take(&s, p, spec, &k);
    return s.ok && s.used <= PTRDIFF_MAX ? s.used : SIZE_MAX;
}

void attn__clusters_take(struct attn__scratch *s, const struct attn__problem *p,
                         const struct attn__clusters_spec *spec, int64_t threads,
                         struct attn__clusters *m)
{
    int64_t centroids = 0, heads = 0, sequences = 0, rows = 0, d = 0, dv = 0, desks = 0;
    size_t size = attn__dtype_size(p->dtype), kv_size = attn__dtype_size(p->kv_dtype);
    size_t desk = desk_bytes(p, spec);
    s->ok = s->ok && p->q <= INT32_MAX && p->k <= INT32_MAX && /* numbers of rows are int32 */
            desk != SIZE_MAX && attn__mul_i64((int64_t)desk, threads, &desks) &&
            attn__mul_i64(p->hout, spec->count, &centroids) &&
            attn__mul_i64(centroids, p->d, &centroids) && attn__mul_i64(p->b, p->hout, &heads) &&
            attn__mul_i64(p->b, spec->count, &sequences) && sequences < INT64_MAX &&
            attn__mul_i64(sequences, spec->window, &rows) &&
            attn__mul_i64(rows, p->hout, &rows) && attn__mul_i64(rows, p->d, &d) &&
            attn__mul_i64(rows, p->dv, &dv);
    m->centroids = ATTN__TAKE(s, centroids, float);
    m->q_token = ATTN__TAKE(s, rows, int32_t);
    m->k_token = spec->shared ? m->q_token : ATTN__TAKE(s, rows, int32_t);
    m->q_offsets = ATTN__TAKE(s, sequences + 1, int64_t);
    m->k_offsets = spec->shared ? m->q_offsets : ATTN__TAKE(s, sequences + 1, int64_t);
    m->bad = ATTN__TAKE(s, heads, uint8_t);
    m->q = attn__scratch_take(s, d, size);
    m->k = attn__scratch_take(s, d, kv_size);
    m->v = attn__scratch_take(s, dv, kv_size);
    m->out = attn__scratch_take(s, dv, attn__dtype_size(attn__problem_row_dtype(p)));
    m->desks = attn__scratch_take(s, desks, 1);
}

struct job {
    const struct attn__recipe_run *r;
    const struct attn__clusters_spec *spec;
    const struct attn__clusters *m;
    void (*fn)(const struct job *j, int64_t n, const struct desk *k);
    struct attn__select *out; /* of writing */
    int64_t tasks, workers;
};

static void work(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__problem *p = j->r->call->p;
    struct attn__scratch s = {.base = j->m->desks + (size_t)worker * desk_bytes(p, j->spec),
                              .ok = true};
    struct desk k;
    desk_take(&s, p, j->spec, &k);
    for (int64_t n = worker; n < j->tasks; n += j->workers)
        j->fn(j, n, &k);
}

static void in_parallel(struct job *j, int64_t tasks)
{
    j->tasks = tasks;
    j->workers = attn__min_i64(j->r->machine->threads, tasks);
    attn__threads_run(j->r->threads, j->workers, work, j);
}

/* Rows i0 to i0 + n - 1 of a head into the desk, and their products with all of
 * its centroids. */
static void products(const struct job *j, const struct attn__rows *rows, bool keys, int64_t h,
                     const float *centroids, int64_t i0, int64_t n, const struct desk *k)
{
    const struct attn__kernels *kern = j->r->machine->kern;
    int64_t d = j->r->call->p->d, count = j->spec->count;
    attn__rows_to_f32(kern, rows, i0, n, 0, d, k->rows, d);
    attn__qk_norm_rows(j->r->call, kern, keys, h, n, k->rows, d);
    kern->row_qk_f32(centroids, d, count, d, k->rows, d, n, k->s, count, 0);
}

/* ---- who is in which cluster ---- */

/* Members of a cluster of n rows. */
static int64_t members_of(const struct attn__clusters_spec *spec, int64_t n)
{
    return attn__min_i64(spec->window, n);
}

/* Where the rows of the clusters of a sequence begin in those of a head. */
static int64_t first_of(const struct job *j, const int64_t *offsets, int64_t b)
{
    return offsets[b * j->spec->count];
}

/* The same behind those of head h, in the rows of all heads. */
static int64_t place_of(const struct job *j, const int64_t *offsets, int64_t b, int64_t h)
{
    return h * first_of(j, offsets, j->r->call->n_seq) + first_of(j, offsets, b);
}

static void lay_out(const struct job *j)
{
    const struct attn__clusters *m = j->m;
    int64_t count = j->spec->count;
    m->q_offsets[0] = m->k_offsets[0] = 0;
    for (int64_t n = 0; n < j->r->call->n_seq * count; n++) {
        struct attn__seq s = attn__call_seq(j->r->call, n / count);
        m->q_offsets[n + 1] = m->q_offsets[n] + members_of(j->spec, s.nq);
        if (!j->spec->shared)
            m->k_offsets[n + 1] = m->k_offsets[n] + members_of(j->spec, s.nk);
    }
}

/* Larger numbers have smaller codes, as unsigned numbers. */
static int32_t falling(float x)
{
    uint32_t bits;
    x += 0; /* -0 is 0 */
    memcpy(&bits, &x, sizeof bits);
    return (int32_t)(bits >> 31 ? bits : ~bits & INT32_MAX);
}

/* k->state: which of n rows a centroid has, by their products with it. */
static void choose(const struct attn__clusters_spec *spec, const float *product, int64_t n,
                   const struct desk *k)
{
    const struct attn__pick pick = {.rule = ATTN__PICK_TOP, .top = spec->window};
    int64_t members = members_of(spec, n);
    for (int64_t i = 0; i < n; i++) {
        k->line[i] = product[i];
        k->state[i] = ATTN__PICK_MAY;
    }
    if (!spec->strided) {
        attn__pick_row(&pick, k->line, k->state, n, k->pick);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        k->code[i] = falling(product[i]);
        k->order[i] = (int32_t)i;
    }
    attn__order_sort(k->code, n, 32, k->order, n, k->spare);
    for (int64_t i = 0; i < members; i++)
        k->state[k->order[n / members * i]] = ATTN__PICK_IN;
}

/* The rows of n of a head that each centroid has; false if a product is not
 * finite. */
static bool find(const struct job *j, const struct attn__rows *rows, bool keys, int64_t h,
                 int64_t n, int32_t *token, const struct desk *k)
{
    int64_t count = j->spec->count;
    const float *centroids = j->m->centroids + h * count * j->r->call->p->d;
    for (int64_t i0 = 0; i0 < n; i0 += ROWS) {
        int64_t some = attn__min_i64(ROWS, n - i0);
        products(j, rows, keys, h, centroids, i0, some, k);
        for (int64_t i = 0; i < some; i++)
            for (int64_t c = 0; c < count; c++) {
                float y = k->s[i * count + c];
                if (!isfinite(y))
                    return false;
                k->column[c * n + i0 + i] = y;
            }
    }
    for (int64_t c = 0; c < count; c++) {
        choose(j->spec, k->column + c * n, n, k);
        for (int64_t i = 0; i < n; i++)
            if (k->state[i] == ATTN__PICK_IN)
                *token++ = (int32_t)i;
    }
    return true;
}

static void find_task(const struct job *j, int64_t n, const struct desk *k)
{
    const struct attn__call *c = j->r->call;
    const struct attn__clusters *m = j->m;
    int64_t h = n % c->p->hout, b = n / c->p->hout;
    struct attn__seq s = attn__call_seq(c, b);
    struct attn__rows q = attn__call_q(c, &s, h), key = attn__call_k(c, &s, h);
    bool good = find(j, &q, false, h, s.nq, m->q_token + place_of(j, m->q_offsets, b, h), k);
    if (good && !j->spec->shared)
        good = find(j, &key, true, h, s.nk, m->k_token + place_of(j, m->k_offsets, b, h), k);
    m->bad[n] = !good;
}

int32_t attn__clusters_find(const struct attn__recipe_run *r,
                            const struct attn__clusters_spec *spec,
                            const struct attn__clusters *m)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = &r->call->t[ATTN__SLOT_CENTROIDS];
    struct job j = {.r = r, .spec = spec, .m = m, .fn = find_task};
    float *to = m->centroids;
    for (int64_t h = 0; h < p->hout; h++)
        for (int64_t c = 0; c < spec->count; c++)
            for (int64_t e = 0; e < p->d; e++) {
                int64_t at = h * t->stride[0] + c * t->stride[1] + e * t->stride[2];
                *to++ = (float)attn__load_f64(t->data, at, t->dtype);
            }
    lay_out(&j);
    in_parallel(&j, r->call->n_seq * p->hout);
    for (int64_t n = 0; n < j.tasks; n++)
        if (m->bad[n])
            return attn__error_set(ATTN_ERR_DATA,
                                   "a product of a row of batch entry %" PRId64 ", head %" PRId64
                                   " with a centroid is NaN or inf, expected a finite number",
                                   n / p->hout, n % p->hout);
    return ATTN_OK;
}

/* ---- as groups ---- */

static void write_task(const struct job *j, int64_t n, const struct desk *k)
{
    const struct attn__clusters *m = j->m;
    struct attn__select *out = j->out;
    int64_t heads = j->r->call->p->hout, count = j->spec->count, b = n / heads, h = n % heads;
    (void)k;
    for (int64_t c = 0; c < count; c++) {
        int64_t group = n * count + c, cluster = b * count + c;
        int64_t at_q = h * m->q_offsets[j->r->call->n_seq * count] + m->q_offsets[cluster];
        int64_t at_k = h * m->k_offsets[j->r->call->n_seq * count] + m->k_offsets[cluster];
        int64_t queries = m->q_offsets[cluster + 1] - m->q_offsets[cluster];
        int64_t keys = m->k_offsets[cluster + 1] - m->k_offsets[cluster];
        struct attn__select_writer w = attn__select_row_begin(&out->rows, group);
        attn__select_put_keys(&w, m->k_token + at_k, keys);
        attn__select_row_end(&w);
        out->groups.batch[group] = (int32_t)b;
        out->groups.head[group] = (int32_t)h;
        memcpy(out->groups.query + out->groups.q_ptr[group], m->q_token + at_q,
               (size_t)queries * sizeof *m->q_token);
    }
}

int32_t attn__clusters_write(const struct attn__recipe_run *r,
                             const struct attn__clusters_spec *spec,
                             const struct attn__clusters *m, struct attn__select *out)
{
    struct job j = {.r = r, .spec = spec, .m = m, .fn = write_task, .out = out};
    int64_t heads = r->call->p->hout, count = spec->count;
    out->groups.combine = ATTN_SELECTION_MEAN;
    out->groups.eps = spec->eps;
    out->groups.q_ptr[0] = 0;
    for (int64_t g = 0; g < out->groups.n; g++) {
        int64_t cluster = g / count / heads * count + g % count;
        out->groups.q_ptr[g + 1] =
            out->groups.q_ptr[g] + m->q_offsets[cluster + 1] - m->q_offsets[cluster];
    }
    attn__select_begin(&out->rows, spec->window);
    in_parallel(&j, r->call->n_seq * heads);
    int32_t status = attn__select_end(&out->rows, "selection");
    attn__select_groups_sort(out);
    out->end_key = attn__select_rows_end_key(&out->rows);
    return status;
}

/* ---- there and back ---- */

static void gather_task(const struct job *j, int64_t n, const struct desk *desk)
{
    const struct attn__call *c = j->r->call;
    const struct attn__clusters *m = j->m;
    const struct attn__problem *p = c->p;
    int64_t h = n % p->hout, b = n / p->hout;
    int64_t at_q = place_of(j, m->q_offsets, b, h), at_k = place_of(j, m->k_offsets, b, h);
    int64_t rows_q = first_of(j, m->q_offsets, b + 1) - first_of(j, m->q_offsets, b);
    int64_t rows_k = first_of(j, m->k_offsets, b + 1) - first_of(j, m->k_offsets, b);
    size_t size = attn__dtype_size(p->dtype), kv_size = attn__dtype_size(p->kv_dtype);
    struct attn__seq s = attn__call_seq(c, b);
    struct attn__rows q = attn__call_q(c, &s, h), k = attn__call_k(c, &s, h);
    struct attn__rows v = attn__call_v(c, &s, h);
    (void)desk;
    attn__order_rows(&q, 0, s.nq, m->q_token + at_q, rows_q, p->d,
                     (char *)m->q + (size_t)(at_q * p->d) * size);
    attn__order_rows(&k, 0, s.nk, m->k_token + at_k, rows_k, p->d,
                     (char *)m->k + (size_t)(at_k * p->d) * kv_size);
    attn__order_rows(&v, 0, s.nk, m->k_token + at_k, rows_k, p->dv,
                     (char *)m->v + (size_t)(at_k * p->dv) * kv_size);
}

static attn_tensor offsets_of(int64_t *offsets, int64_t sequences)
{
    return (attn_tensor){.data = offsets, .dtype = ATTN_DTYPE_I64, .rank = 1,
                         .shape = {sequences + 1}, .stride = {1}};
}

void attn__clusters_gather(const struct attn__recipe_run *r,
                           const struct attn__clusters_spec *spec, const struct attn__clusters *m,
                           struct attn__call *c)
{
    const struct attn__problem *p = r->call->p;
    struct job j = {.r = r, .spec = spec, .m = m, .fn = gather_task};
    int64_t n_seq = r->call->n_seq, sequences = n_seq * spec->count;
    int64_t rows_q = first_of(&j, m->q_offsets, n_seq), rows_k = first_of(&j, m->k_offsets, n_seq);
    in_parallel(&j, n_seq * p->hout);
    const attn_tensor q_offsets = offsets_of(m->q_offsets, sequences);
    const attn_tensor k_offsets = offsets_of(m->k_offsets, sequences);
    const attn_tensor q = attn__recipe_view(m->q, p->dtype, 1, p->hout, rows_q, p->d);
    const attn_tensor k = attn__recipe_view(m->k, p->kv_dtype, 1, p->hout, rows_k, p->d);
    const attn_tensor v = attn__recipe_view(m->v, p->kv_dtype, 1, p->hout, rows_k, p->dv);
    const attn_tensor out =
        attn__recipe_view(m->out, attn__problem_row_dtype(p), 1, p->hout, rows_q, p->dv);
    attn__recipe_give(c, ATTN__SLOT_Q, &q);
    attn__recipe_give(c, ATTN__SLOT_K, &k);
    attn__recipe_give(c, ATTN__SLOT_V, &v);
    attn__recipe_give(c, ATTN__SLOT_OUT, &out);
    attn__recipe_give(c, ATTN__SLOT_Q_OFFSETS, &q_offsets);
    attn__recipe_give(c, ATTN__SLOT_K_OFFSETS, &k_offsets);
    c->n_seq = sequences;
}

/* Queries in their order; a cursor of each cluster stands at its next one. */
static void scatter_task(const struct job *j, int64_t n, const struct desk *k)
{
    const struct attn__call *c = j->r->call;
    const struct attn__problem *p = c->p;
    int64_t count = j->spec->count, h = n % p->hout, b = n / p->hout;
    struct attn__seq s = attn__call_seq(c, b);
    struct attn__rows out = attn__call_out(c, &s, h);
    int64_t members = members_of(j->spec, s.nq), first = place_of(j, j->m->q_offsets, b, h);
    const int32_t *token = j->m->q_token + first;
    attn__rows_pad(c, &s, h);
    memset(k->cursor, 0, (size_t)count * sizeof *k->cursor);
    for (int64_t i = 0; i < s.nq; i++) {
        int64_t in = 0;
        memset(k->sum, 0, (size_t)p->dv * sizeof *k->sum);
        for (int64_t a = 0; a < count; a++) {
            int64_t at = a * members + k->cursor[a];
            if (k->cursor[a] == members || token[at] != i)
                continue;
            int64_t row = (first + at) * p->dv;
            for (int64_t e = 0; e < p->dv; e++)
                k->sum[e] += attn__load_f64(j->m->out, row + e, attn__problem_row_dtype(p));
            k->cursor[a]++;
            in++;
        }
        for (int64_t e = 0; e < p->dv; e++)
            attn__rows_store(&out, i, e, in ? k->sum[e] / ((double)in + j->spec->eps) : 0);
    }
}

void attn__clusters_scatter(const struct attn__recipe_run *r,
                            const struct attn__clusters_spec *spec,
                            const struct attn__clusters *m)
{
    struct job j = {.r = r, .spec = spec, .m = m, .fn = scatter_task};
    in_parallel(&j, r->call->n_seq * r->call->p->hout);
}

/* ---- centroids as they will be ---- */

/* Adds the rows of a head to the sums [count][d + 1] of their nearest centroids,
 * times `share`; rows that are all 0 are nobody's. */
static void add_rows(const struct job *j, const struct attn__rows *rows, bool keys, int64_t h,
                     int64_t n, double share, const struct desk *k)
{
    int64_t count = j->spec->count, d = j->r->call->p->d;
    const float *centroids = j->m->centroids + h * count * d;
    for (int64_t i0 = 0; i0 < n; i0 += ROWS) {
        int64_t some = attn__min_i64(ROWS, n - i0);
        products(j, rows, keys, h, centroids, i0, some, k);
        for (int64_t i = 0; i < some; i++) {
            const float *row = k->rows + i * d, *s = k->s + i * count;
            int64_t best = 0;
            double size = 0, *sum;
            for (int64_t c = 1; c < count; c++)
                best = s[c] > s[best] ? c : best;
            sum = k->sum + best * (d + 1);
            for (int64_t e = 0; e < d; e++) {
                sum[e] += share * row[e];
                size += fabs(row[e]);
            }
            sum[d] += size > 0 ? share : 0;
        }
    }
}

/* Sums become those that are known so far times decay and the rows of all batch
 * entries times the rest, and centroids their means. */
static void step(const struct job *j, bool keys, int64_t h, const struct desk *k)
{
    const struct attn__call *c = j->r->call;
    int64_t count = j->spec->count, d = c->p->d;
    double all = 0;
    for (int64_t e = 0; e < count * (d + 1); e++)
        k->sum[e] *= j->spec->decay;
    for (int64_t b = 0; b < c->n_seq; b++) {
        struct attn__seq s = attn__call_seq(c, b);
        struct attn__rows rows = keys ? attn__call_k(c, &s, h) : attn__call_q(c, &s, h);
        add_rows(j, &rows, keys, h, keys ? s.nk : s.nq, 1 - j->spec->decay, k);
    }
    for (int64_t a = 0; a < count; a++)
        all += k->sum[a * (d + 1) + d];
    for (int64_t a = 0; a < count && all > 0; a++) {
        double *sum = k->sum + a * (d + 1);
        double rows = (sum[d] + SMOOTHING) / (all + (double)count * SMOOTHING) * all;
        for (int64_t e = 0; e < d; e++)
            j->m->centroids[(h * count + a) * d + e] = (float)(sum[e] / rows);
    }
}

static void update_task(const struct job *j, int64_t h, const struct desk *k)
{
    const struct attn__call *c = j->r->call;
    const attn_tensor *t = c->t, *from = &t[ATTN__SLOT_CENTROID_STATE];
    int64_t count = j->spec->count, d = c->p->d;
    for (int64_t a = 0; a < count; a++)
        for (int64_t e = 0; e <= d; e++) {
            int64_t at = h * from->stride[0] + a * from->stride[1] + e * from->stride[2];
            k->sum[a * (d + 1) + e] = attn__load_f64(from->data, at, from->dtype);
        }
    step(j, false, h, k);
    if (!j->spec->shared)
        step(j, true, h, k);
    for (int64_t a = 0; a < count; a++)
        for (int64_t e = 0; e <= d; e++) {
            const attn_tensor *to = &t[ATTN__SLOT_NEW_CENTROID_STATE];
            if (c->has[ATTN__SLOT_NEW_CENTROID_STATE])
                attn__store_f64(to->data,
                                h * to->stride[0] + a * to->stride[1] + e * to->stride[2],
                                to->dtype, k->sum[a * (d + 1) + e]);
            to = &t[ATTN__SLOT_NEW_CENTROIDS];
            if (c->has[ATTN__SLOT_NEW_CENTROIDS] && e < d)
                attn__store_f64(to->data,
                                h * to->stride[0] + a * to->stride[1] + e * to->stride[2],
                                to->dtype, j->m->centroids[(h * count + a) * d + e]);
        }
}

void attn__clusters_update(const struct attn__recipe_run *r,
                           const struct attn__clusters_spec *spec, const struct attn__clusters *m)
{
    struct job j = {.r = r, .spec = spec, .m = m, .fn = update_task};
    if (r->call->has[ATTN__SLOT_NEW_CENTROID_STATE] || r->call->has[ATTN__SLOT_NEW_CENTROIDS])
        in_parallel(&j, r->call->p->hout);
}
