/* SPDX-License-Identifier: MIT */
/*
 * Workers take heads, or blocks of rows, in turn. In f32 products are those of
 * the kernels of few rows: a piece of keys X gives X^T X, pieces are summed in
 * double. In f64 everything is element by element.
 */
#include "solvers/map_gram.h"

#include <math.h>
#include <string.h>

#include "solvers/rows_load.h"

enum { CLASSES = 2, PIECE = 64 };

/* What a worker has: the sums of its head, a product, a piece of rows as they
 * come, those of one class, and these across. */
struct work {
    double *sum;
    float *product, *rows, *some, *across;
};

static void take_work(struct attn__scratch *s, int64_t d, struct work *w)
{
    /* d is at most 65536 */
    w->sum = ATTN__TAKE(s, CLASSES * d * d, double);
    w->product = ATTN__TAKE(s, d * d, float);
    w->rows = ATTN__TAKE(s, PIECE * d, float);
    w->some = ATTN__TAKE(s, PIECE * d, float);
    w->across = ATTN__TAKE(s, PIECE * d, float);
}

static size_t work_bytes(int64_t d)
{
    struct attn__scratch s = {.ok = true};
    struct work w;
    take_work(&s, d, &w);
    return s.used;
}

void attn__map_gram_take(struct attn__scratch *s, const struct attn__problem *p,
                         const struct attn__machine *m, struct attn__gram *g)
{
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hk, &n) &&
            attn__mul_i64(n, CLASSES * p->d * p->d, &n);
    g->matrix = attn__scratch_take(s, n, attn__dtype_size(attn__problem_row_dtype(p)));
    g->work = attn__scratch_take(s, m->threads, work_bytes(p->d));
}

struct job {
    const struct attn__recipe_run *r;
    const attn_tensor *from, *class_of, *to;
    const struct attn__gram *g;
    int64_t blocks, tasks, workers;
};

static struct work work_of(const struct job *j, int64_t worker)
{
    int64_t d = j->r->call->p->d;
    struct attn__scratch s = {.base = j->g->work + (size_t)worker * work_bytes(d), .ok = true};
    struct work w;
    take_work(&s, d, &w);
    return w;
}

static int class_at(const struct job *j, int64_t b, int64_t n)
{
    const attn_tensor *t = j->class_of;
    int64_t at = (t->shape[0] == 1 ? 0 : b * t->stride[0]) + n * t->stride[1];
    return ((const uint8_t *)t->data)[at];
}

static struct attn__rows rows_of(const attn_tensor *t, int64_t b, int64_t h)
{
    struct attn__rows r = {.row = t->stride[2], .col = t->stride[3], .dtype = t->dtype};
    int64_t at = b * t->stride[0] + h * t->stride[1];
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

/* Adds the keys n0 to n0 + n - 1 of one class to its sum. */
static void add_piece(const struct job *j, const struct work *w, int64_t b, int64_t n0, int64_t n,
                      int class)
{
    int64_t d = j->r->call->p->d, some = 0;
    for (int64_t i = 0; i < n; i++) {
        if (class_at(j, b, n0 + i) != class)
            continue;
        memcpy(w->some + some * d, w->rows + i * d, (size_t)d * sizeof(float));
        for (int64_t c = 0; c < d; c++)
            w->across[c * PIECE + some] = w->rows[i * d + c];
        some++;
    }
    if (some == 0)
        return;
    memset(w->product, 0, (size_t)(d * d) * sizeof(float));
    j->r->machine->kern->row_pv_f32(w->some, d, some, d, w->across, PIECE, d, w->product, d, 0);
    for (int64_t c = 0; c < d * d; c++)
        w->sum[class * d * d + c] += (double)w->product[c];
}

static void add_double(const struct job *j, const struct attn__rows *rows, const struct work *w,
                       int64_t b)
{
    int64_t d = j->r->call->p->d;
    for (int64_t n = 0; n < j->from->shape[2]; n++) {
        int class = class_at(j, b, n);
        if (class >= CLASSES)
            continue;
        double *sum = w->sum + class * d * d;
        for (int64_t a = 0; a < d; a++)
            for (int64_t c = 0; c < d; c++)
                sum[a * d + c] += attn__rows_load(rows, n, a) * attn__rows_load(rows, n, c);
    }
}

/* The sums over their norms, in the type of the matrices. */
static void finish(const struct job *j, const double *sum, int64_t head)
{
    int32_t type = attn__problem_row_dtype(j->r->call->p);
    int64_t d = j->r->call->p->d;
    for (int64_t m = 0; m < CLASSES; m++) {
        const double *g = sum + m * d * d;
        int64_t at = (head * CLASSES + m) * d * d;
        double square = 0;
        for (int64_t c = 0; c < d * d; c++)
            square += g[c] * g[c];
        for (int64_t c = 0; c < d * d; c++)
            attn__store_f64(j->g->matrix, at + c, type,
                            square == 0 ? c % (d + 1) == 0 : g[c] / sqrt(square));
    }
}

static void make(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__kernels *kern = j->r->machine->kern;
    struct work w = work_of(j, worker);
    int64_t d = j->r->call->p->d, nk = j->from->shape[2];
    for (int64_t task = worker; task < j->tasks; task += j->workers) {
        int64_t h = task % j->from->shape[1], b = task / j->from->shape[1];
        struct attn__rows rows = rows_of(j->from, b, h);
        memset(w.sum, 0, (size_t)(CLASSES * d * d) * sizeof *w.sum);
        if (j->from->dtype == ATTN_DTYPE_F64)
            add_double(j, &rows, &w, b);
        for (int64_t n0 = 0; n0 < nk && j->from->dtype != ATTN_DTYPE_F64; n0 += PIECE) {
            int64_t n = attn__min_i64(PIECE, nk - n0);
            attn__rows_to_f32(kern, &rows, n0, n, 0, d, w.rows, d);
            for (int class = 0; class < CLASSES; class++)
                add_piece(j, &w, b, n0, n, class);
        }
        finish(j, w.sum, task);
    }
}

void attn__map_gram(const struct attn__recipe_run *r, const attn_tensor *k,
                    const attn_tensor *class_k, const struct attn__gram *g)
{
    struct job j = {.r = r, .from = k, .class_of = class_k, .g = g};
    j.tasks = k->shape[0] * k->shape[1];
    j.workers = attn__min_i64(r->machine->threads, j.tasks);
    attn__threads_run(r->threads, j.workers, make, &j);
}

/* Rows i0 to i0 + n - 1 of output head h; their classes are 0 or 1 or stay. */
static void turn_block(const struct job *j, const struct work *w, int64_t b, int64_t h, int64_t i0,
                       int64_t n)
{
    const struct attn__problem *p = j->r->call->p;
    const struct attn__kernels *kern = j->r->machine->kern;
    struct attn__rows rows = rows_of(j->from, b, p->q_head[h]);
    int64_t d = p->d, head = b * p->hk + p->k_head[h];
    float *out = (float *)j->to->data + b * j->to->stride[0] + h * j->to->stride[1] + i0 * d;
    attn__rows_to_f32(kern, &rows, i0, n, 0, d, out, d);
    for (int class = 0; class < CLASSES; class++) {
        const float *matrix = (const float *)j->g->matrix + (head * CLASSES + class) * d * d;
        int64_t place[PIECE], some = 0;
        for (int64_t i = 0; i < n; i++)
            if (class_at(j, b, i0 + i) == class) {
                memcpy(w->some + some * d, out + i * d, (size_t)d * sizeof(float));
                place[some++] = i;
            }
        memset(w->rows, 0, (size_t)(some * d) * sizeof(float));
        if (some > 0)
            kern->row_pv_f32(matrix, d, d, d, w->some, d, some, w->rows, d, 0);
        for (int64_t i = 0; i < some; i++)
            memcpy(out + place[i] * d, w->rows + i * d, (size_t)d * sizeof(float));
    }
}

static void turn_double(const struct job *j, int64_t b, int64_t h, int64_t i0, int64_t n)
{
    const struct attn__problem *p = j->r->call->p;
    struct attn__rows rows = rows_of(j->from, b, p->q_head[h]);
    int64_t d = p->d, head = b * p->hk + p->k_head[h];
    double *out = (double *)j->to->data + b * j->to->stride[0] + h * j->to->stride[1] + i0 * d;
    for (int64_t i = 0; i < n; i++) {
        int class = class_at(j, b, i0 + i);
        int64_t at = (head * CLASSES + attn__min_i64(class, CLASSES - 1)) * d * d;
        const double *matrix = (const double *)j->g->matrix + at;
        for (int64_t c = 0; c < d; c++) {
            double sum = 0;
            for (int64_t e = 0; e < d; e++)
                sum += matrix[c * d + e] * attn__rows_load(&rows, i0 + i, e);
            out[i * d + c] = class < CLASSES ? sum : attn__rows_load(&rows, i0 + i, c);
        }
    }
}

static void turn(void *arg, int64_t worker)
{
    const struct job *j = arg;
    struct work w = work_of(j, worker);
    for (int64_t task = worker; task < j->tasks; task += j->workers) {
        int64_t i0 = task % j->blocks * PIECE, head = task / j->blocks;
        int64_t h = head % j->to->shape[1], b = head / j->to->shape[1];
        int64_t n = attn__min_i64(PIECE, j->to->shape[2] - i0);
        if (j->to->dtype == ATTN_DTYPE_F64)
            turn_double(j, b, h, i0, n);
        else
            turn_block(j, &w, b, h, i0, n);
    }
}

void attn__map_gram_turn(const struct attn__recipe_run *r, const attn_tensor *q,
                         const attn_tensor *class_q, const struct attn__gram *g,
                         const attn_tensor *to)
{
    struct job j = {.r = r, .from = q, .class_of = class_q, .to = to, .g = g};
    j.blocks = (to->shape[2] + PIECE - 1) / PIECE;
    j.tasks = to->shape[0] * to->shape[1] * j.blocks;
    j.workers = attn__min_i64(r->machine->threads, j.tasks);
    attn__threads_run(r->threads, j.workers, turn, &j);
}
