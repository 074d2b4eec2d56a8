/* SPDX-License-Identifier: MIT */
/*
 * Rows sorted by their expert, so that its matrix is read for many at once.
 */
#include "solvers/map_experts.h"

#include "solvers/map_gemm.h"
#include "solvers/rows_load.h"

struct job {
    const struct attn__recipe_run *r;
    const struct attn__map_experts *m;
    const struct attn__map_experts_room *room;
    int64_t width, workers;
};

void attn__map_experts_take(struct attn__scratch *s, int64_t experts, int64_t rows,
                            int64_t width, int64_t threads, struct attn__map_experts_room *room)
{
    room->first = ATTN__TAKE(s, experts + 1, int64_t);
    room->row = ATTN__TAKE(s, rows, int64_t);
    room->gemm = attn__map_gemm_take(s, width, threads);
}

/* The token that row n of out is made of. */
static struct attn__rows token_of(const struct attn__map_experts *m, int64_t n)
{
    const attn_tensor *x = m->x;
    int64_t slots = m->out->shape[1], tokens = m->out->shape[2];
    int64_t at = n / tokens / slots * x->stride[0] + n % tokens * x->stride[1];
    return (struct attn__rows){.base = (char *)x->data + at * (int64_t)attn__dtype_size(x->dtype),
                               .col = x->stride[2], .dtype = x->dtype};
}

static void in_double(const struct attn__map_experts *m, const struct attn__rows *w, int64_t n)
{
    struct attn__rows x = token_of(m, n);
    double *to = (double *)m->out->data + n * m->out->shape[3];
    for (int64_t c = 0; c < m->out->shape[3]; c++) {
        to[c] = 0;
        for (int64_t e = 0; e < m->x->shape[2]; e++)
            to[c] += attn__rows_load(&x, 0, e) * attn__rows_load(w, c, e);
    }
}

/* Rows row[0] to row[n - 1] of out, all of the expert whose matrix is w. */
static void block(const struct job *j, const struct attn__rows *w, const int64_t *row, int64_t n,
                  float *room)
{
    const struct attn__map_experts *m = j->m;
    const struct attn__kernels *kern = j->r->machine->kern;
    int64_t c = m->x->shape[2], d = m->out->shape[3];
    float *a = room, *o = a + ATTN__MAP_GEMM_ROWS * j->width;
    for (int64_t i = 0; i < n; i++) {
        struct attn__rows x = token_of(m, row[i]);
        attn__rows_to_f32(kern, &x, 0, 1, 0, c, a + i * c, c);
    }
    attn__map_gemm_block(kern, w, true, a, c, n, o, d, o + ATTN__MAP_GEMM_ROWS * j->width);
    for (int64_t i = 0; i < n; i++)
        memcpy((float *)m->out->data + row[i] * d, o + i * d, (size_t)d * sizeof *o);
}

static void work(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const attn_tensor *w = j->m->w;
    float *room = (float *)j->room->gemm + worker * attn__map_gemm_room(j->width);
    int64_t task = 0;
    for (int64_t e = 0; e < w->shape[0]; e++) {
        struct attn__rows matrix = {.row = w->stride[1], .col = w->stride[2], .dtype = w->dtype};
        matrix.base = (char *)w->data + e * w->stride[0] * (int64_t)attn__dtype_size(w->dtype);
        int64_t end = j->room->first[e + 1];
        for (int64_t at = j->room->first[e]; at < end; at += ATTN__MAP_GEMM_ROWS) {
            int64_t n = attn__min_i64(ATTN__MAP_GEMM_ROWS, end - at);
            if (task++ % j->workers != worker)
                continue;
            if (j->m->x->dtype != ATTN_DTYPE_F64)
                block(j, &matrix, j->room->row + at, n, room);
            for (int64_t i = at; i < at + n && j->m->x->dtype == ATTN_DTYPE_F64; i++)
                in_double(j->m, &matrix, j->room->row[i]);
        }
    }
}

/* Sorts the rows; those of nobody are zeros. Returns how many blocks there are
 * at most. */
static int64_t sort(const struct attn__map_experts *m, const struct attn__map_experts_room *room)
{
    const int64_t *of = m->experts->data;
    int64_t experts = m->w->shape[0], d = m->out->shape[3];
    int64_t rows = m->out->shape[0] * m->out->shape[1] * m->out->shape[2], before = 0, blocks = 0;
    size_t size = (size_t)d * attn__dtype_size(m->out->dtype);
    for (int64_t e = 0; e <= experts; e++)
        room->first[e] = 0;
    for (int64_t n = 0; n < rows; n++)
        if (of[n] >= 0)
            room->first[of[n]]++;
    for (int64_t e = 0; e < experts; e++) {
        int64_t count = room->first[e];
        room->first[e] = before;
        before += count;
        blocks += (count + ATTN__MAP_GEMM_ROWS - 1) / ATTN__MAP_GEMM_ROWS;
    }
    for (int64_t n = 0; n < rows; n++)
        if (of[n] >= 0)
            room->row[room->first[of[n]]++] = n;
        else
            memset((char *)m->out->data + (size_t)n * size, 0, size);
    /* each has moved to where the next one begins */
    for (int64_t e = experts; e > 0; e--)
        room->first[e] = room->first[e - 1];
    room->first[0] = 0;
    return blocks;
}

void attn__map_experts(const struct attn__recipe_run *r, const struct attn__map_experts *m,
                       int64_t width, const struct attn__map_experts_room *room)
{
    struct job j = {.r = r, .m = m, .room = room, .width = width};
    j.workers = attn__min_i64(r->machine->threads, sort(m, room));
    attn__threads_run(r->threads, j.workers, work, &j);
}

struct copy {
    const attn_tensor *experts, *to;
};

static void copy_slot(void *arg, int64_t n)
{
    const struct copy *c = arg;
    const attn_tensor *t = c->to;
    int64_t slots = t->shape[1], tokens = t->shape[2];
    const int64_t *from = (const int64_t *)c->experts->data + n * tokens;
    for (int64_t i = 0; i < tokens; i++)
        attn__store_i64(t->data,
                        n / slots * t->stride[0] + n % slots * t->stride[1] + i * t->stride[2],
                        t->dtype, from[i]);
}

void attn__map_experts_tell(const struct attn__recipe_run *r, const attn_tensor *experts,
                            const attn_tensor *to)
{
    struct copy c = {experts, to};
    attn__threads_run(r->threads, to->shape[0] * to->shape[1], copy_slot, &c);
}
