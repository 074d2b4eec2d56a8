/* SPDX-License-Identifier: MIT */
/*
 * Rows of a head times its matrix, some rows at a time, by the kernels of
 * few rows: the matrix takes the place of the values, or across of the keys.
 */
#include "solvers/map_gemm.h"

#include "solvers/rows_load.h"

enum { ROWS = ATTN__MAP_GEMM_ROWS, PIECE = 64 };

struct job {
    const struct attn__recipe_run *r;
    const struct attn__map_gemm *g;
    float *room;
    int64_t width, blocks, tasks, workers;
};

/* Rows of a and of the result, and a piece of the matrix. */
int64_t attn__map_gemm_room(int64_t width)
{
    return (2 * ROWS + PIECE) * width;
}

void *attn__map_gemm_take(struct attn__scratch *s, int64_t width, int64_t threads)
{
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(width, (2 * ROWS + PIECE) * threads, &n);
    return ATTN__TAKE(s, n, float);
}

static struct attn__rows rows_of(const attn_tensor *t, int64_t b, int64_t h)
{
    struct attn__rows r = {.row = t->stride[2], .col = t->stride[3], .dtype = t->dtype};
    int64_t at = b * t->stride[0] + (t->shape[1] == 1 ? 0 : h * t->stride[1]);
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

static struct attn__rows matrix_of(const attn_tensor *w, int64_t h)
{
    struct attn__rows r = {.row = w->stride[1], .col = w->stride[2], .dtype = w->dtype};
    r.base = (char *)w->data + h * w->stride[0] * (int64_t)attn__dtype_size(w->dtype);
    return r;
}

static void in_double(const struct attn__map_gemm *g, int64_t b, int64_t h, int64_t i0, int64_t n)
{
    struct attn__rows a = rows_of(g->a, b, h), out = rows_of(g->out, b, h);
    struct attn__rows w = matrix_of(g->w, h);
    int64_t k = g->a->shape[3], m = g->out->shape[3];
    for (int64_t i = i0; i < i0 + n; i++)
        for (int64_t c = 0; c < m; c++) {
            double sum = 0;
            for (int64_t e = 0; e < k; e++)
                sum += attn__rows_load(&a, i, e) *
                       attn__rows_load(&w, g->across ? c : e, g->across ? e : c);
            attn__rows_store(&out, i, c, sum);
        }
}

/* Rows p0.. of the matrix, n of them, against rows a [rows][k]. */
static void piece(const struct attn__kernels *kern, const struct attn__rows *w, bool across,
                  int64_t p0, int64_t n, const float *a, int64_t k, int64_t rows, float *o,
                  int64_t m, float *room)
{
    const void *at = attn__rows_at(w, p0);
    int64_t ld = w->row, width = across ? k : m;
    int32_t type = attn__rows_plain(w, w->dtype) ? w->dtype : 0;
    if (type != ATTN_DTYPE_F16 && type != ATTN_DTYPE_BF16) {
        at = attn__rows_f32(kern, w, p0, n, width, room, &ld);
        type = ATTN_DTYPE_F32;
    }
    if (across && type == ATTN_DTYPE_F16)
        kern->row_qk_f16(at, ld, n, k, a, k, rows, o + p0, m, 0);
    else if (across && type == ATTN_DTYPE_BF16)
        kern->row_qk_bf16(at, ld, n, k, a, k, rows, o + p0, m, 0);
    else if (across)
        kern->row_qk_f32(at, ld, n, k, a, k, rows, o + p0, m, 0);
    else if (type == ATTN_DTYPE_F16)
        kern->row_pv_f16(at, ld, n, m, a + p0, k, rows, o, m, 0);
    else if (type == ATTN_DTYPE_BF16)
        kern->row_pv_bf16(at, ld, n, m, a + p0, k, rows, o, m, 0);
    else
        kern->row_pv_f32(at, ld, n, m, a + p0, k, rows, o, m, 0);
}

void attn__map_gemm_block(const struct attn__kernels *kern, const struct attn__rows *w,
                          bool across, const float *a, int64_t k, int64_t rows, float *o,
                          int64_t m, float *room)
{
    int64_t all = across ? m : k;
    memset(o, 0, (size_t)(rows * m) * sizeof *o);
    for (int64_t p = 0; p < all; p += PIECE)
        piece(kern, w, across, p, attn__min_i64(PIECE, all - p), a, k, rows, o, m, room);
}

static void work(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__map_gemm *g = j->g;
    const struct attn__kernels *kern = j->r->machine->kern;
    int64_t k = g->a->shape[3], m = g->out->shape[3], heads = g->out->shape[1];
    float *a = j->room + worker * attn__map_gemm_room(j->width), *o = a + ROWS * j->width;
    float *room = o + ROWS * j->width;
    for (int64_t t = worker; t < j->tasks; t += j->workers) {
        int64_t i0 = t % j->blocks * ROWS, h = t / j->blocks % heads, b = t / j->blocks / heads;
        int64_t n = attn__min_i64(ROWS, g->out->shape[2] - i0);
        if (g->a->dtype == ATTN_DTYPE_F64) {
            in_double(g, b, h, i0, n);
            continue;
        }
        struct attn__rows from = rows_of(g->a, b, h), to = rows_of(g->out, b, h);
        struct attn__rows w = matrix_of(g->w, h);
        attn__rows_to_f32(kern, &from, i0, n, 0, k, a, k);
        attn__map_gemm_block(kern, &w, g->across, a, k, n, o, m, room);
        attn__rows_from_f32(kern, o, m, n, m, &to, i0);
    }
}

void attn__map_gemm(const struct attn__recipe_run *r, const struct attn__map_gemm *g,
                    int64_t width, void *room)
{
    struct job j = {.r = r, .g = g, .room = room, .width = width};
    j.blocks = (g->out->shape[2] + ROWS - 1) / ROWS;
    j.tasks = g->out->shape[0] * g->out->shape[1] * j.blocks;
    j.workers = attn__min_i64(r->machine->threads, j.tasks);
    attn__threads_run(r->threads, j.workers, work, &j);
}

struct copy {
    const attn_tensor *a, *out;
};

static void copy_head(void *arg, int64_t n)
{
    const struct copy *c = arg;
    int64_t heads = c->out->shape[1], b = n / heads, h = n % heads;
    struct attn__rows a = rows_of(c->a, b, h), out = rows_of(c->out, b, h);
    for (int64_t i = 0; i < c->out->shape[2]; i++)
        for (int64_t e = 0; e < c->out->shape[3]; e++)
            attn__rows_store(&out, i, e, attn__rows_load(&a, i, e));
}

void attn__map_copy(const struct attn__recipe_run *r, const attn_tensor *a, const attn_tensor *out)
{
    struct copy c = {a, out};
    attn__threads_run(r->threads, out->shape[0] * out->shape[1], copy_head, &c);
}
