/* SPDX-License-Identifier: MIT */
/*
 * Orders: one task a head. Turning: workers take blocks of rows in turn, each
 * with a room of its own.
 */
#include "solvers/map_pine.h"

#include <math.h>

#include "solvers/rows_load.h"

int64_t attn__pine_doc(const struct attn__pine *x, int64_t i)
{
    int64_t e = -1;
    while (e < x->n_docs && i >= x->doc[e + 1])
        e++;
    return e;
}

int64_t attn__pine_position(const struct attn__pine *x, int64_t i)
{
    int64_t e = attn__pine_doc(x, i);
    return e < 0 || e == x->n_docs ? i : x->doc[x->n_docs] - (x->doc[e + 1] - i);
}

static int64_t length(const struct attn__pine *x, int64_t e)
{
    return x->doc[e + 1] - x->doc[e];
}

struct job {
    const struct attn__pine *x;
    int64_t heads;
    const attn_tensor *lse;
    double *room;
    int64_t *shift;
};

static double lse_at(const struct job *j, int64_t e, int64_t h, int64_t row)
{
    int64_t rows = j->x->n - j->x->first;
    return attn__load_f64(j->lse->data, (e * j->heads + h) * rows + row, j->lse->dtype);
}

/* Document `own` (-1: none) is the first. No document is its own neighbour, so
 * that equal ones keep their numbers' order. */
static void shifts_of(const struct attn__pine *x, int64_t own, const double *weight, int64_t *to,
                      int64_t step)
{
    for (int64_t e = 0; e < x->n_docs; e++) {
        int64_t sum = 0;
        for (int64_t f = 0; f < x->n_docs && e != own; f++)
            if (f == own ||
                (f != e && (weight[f] > weight[e] || (weight[f] == weight[e] && f < e))))
                sum += length(x, f);
        to[e * step] = sum;
    }
}

/* Adds up what the others weigh in a row of document `own`. */
static void add_row(const struct job *j, int64_t own, int64_t h, int64_t row, double *weight)
{
    const struct attn__pine *x = j->x;
    double top = -INFINITY, sum = 0;
    for (int64_t e = 0; e < x->n_docs; e++)
        if (e != own && length(x, e) > 0)
            top = fmax(top, lse_at(j, e, h, row));
    for (int64_t e = 0; e < x->n_docs && top > -INFINITY; e++)
        if (e != own && length(x, e) > 0)
            sum += exp(lse_at(j, e, h, row) - top);
    for (int64_t e = 0; e < x->n_docs && sum > 0; e++)
        if (e != own && length(x, e) > 0)
            weight[e] += exp(lse_at(j, e, h, row) - top) / sum / (double)length(x, e);
}

static void order(void *arg, int64_t h)
{
    const struct job *j = arg;
    const struct attn__pine *x = j->x;
    int64_t rows = x->n - x->first, end = x->doc[x->n_docs], step = j->heads * rows;
    double *weight = j->room + h * x->n_docs;
    for (int64_t d = 0; d < x->n_docs; d++) {
        int64_t i0 = x->doc[d], i1 = i0 < x->first ? i0 : x->doc[d + 1];
        for (int64_t e = 0; e < x->n_docs; e++)
            weight[e] = 0;
        for (int64_t i = i0; i < i1 && attn__pine_weighs(x, false); i++)
            add_row(j, d, h, i - x->first, weight);
        for (int64_t i = i0; i < i1; i++)
            shifts_of(x, d, weight, &j->shift[h * rows + i - x->first], step);
    }
    for (int64_t i = attn__max_i64(end, x->first); i < x->n; i++) {
        /* the mean probability of a key, all but what documents have in common */
        for (int64_t e = 0; e < x->n_docs; e++)
            weight[e] = !attn__pine_weighs(x, true) ? 0
                        : length(x, e) == 0         ? -INFINITY
                                                    : lse_at(j, e, h, i - x->first) -
                                                  log((double)length(x, e));
        shifts_of(x, -1, weight, &j->shift[h * rows + i - x->first], step);
    }
}

void attn__map_pine_shifts(struct attn__threads *threads, const struct attn__pine *x,
                           int64_t heads, const attn_tensor *lse, double *room, int64_t *shift)
{
    struct job j = {x, heads, lse, room, shift};
    attn__threads_run(threads, heads, order, &j);
}

enum { ROWS = 64 };

struct turn_job {
    const struct attn__recipe_run *r;
    const struct attn__pine_turn *turn;
    struct attn__rope_room *room;
    int64_t blocks, tasks, workers;
};

static int64_t position(const struct attn__pine_turn *t, int64_t h, int64_t i)
{
    return attn__pine_position(t->x, t->first_token + i) +
           (t->shift ? t->shift[h * t->shift_rows + i] : 0);
}

/* Rows i0 to i1 - 1 of a head, which are in `to` already. */
static void turn_rows(const struct turn_job *j, struct attn__rope_room *room, int64_t h,
                      int64_t i0, int64_t i1)
{
    const struct attn__pine_turn *t = j->turn;
    const struct attn__rope *rope = &j->r->call->p->rope;
    const attn_tensor *to = t->to;
    int64_t width = to->shape[3];
    for (int64_t i = i0, n; i < i1; i += n) {
        int64_t at = position(t, h, i), place = h * to->stride[1] + i * to->stride[2];
        for (n = 1; i + n < i1 && position(t, h, i + n) == at + n;)
            n++;
        if (to->dtype == ATTN_DTYPE_F32)
            attn__rope_turn_rows(j->r->machine->kern, rope, room, at, n,
                                 (float *)to->data + place, width);
        else
            for (int64_t x = 0; x < n; x++)
                attn__rope_turn_f64(rope, room, at + x, (double *)to->data + place + x * width);
    }
}

static void work(void *arg, int64_t worker)
{
    const struct turn_job *j = arg;
    const struct attn__pine_turn *t = j->turn;
    const attn_tensor *from = t->from, *to = t->to;
    struct attn__rope_room *room = &j->room[worker];
    for (int64_t task = worker; task < j->tasks; task += j->workers) {
        int64_t h = task / j->blocks, i0 = task % j->blocks * ROWS;
        int64_t i1 = attn__min_i64(i0 + ROWS, to->shape[2]), width = to->shape[3];
        int64_t at = (t->head ? t->head[h] : h) * from->stride[1];
        struct attn__rows rows = {.row = from->stride[2], .col = from->stride[3],
                                  .dtype = from->dtype};
        rows.base = (char *)from->data + at * (int64_t)attn__dtype_size(from->dtype);
        int64_t place = h * to->stride[1] + i0 * to->stride[2];
        if (to->dtype == ATTN_DTYPE_F32)
            attn__rows_to_f32(j->r->machine->kern, &rows, i0, i1 - i0, 0, width,
                              (float *)to->data + place, width);
        for (int64_t i = i0; i < i1 && to->dtype == ATTN_DTYPE_F64; i++)
            for (int64_t c = 0; c < width; c++)
                ((double *)to->data)[place + (i - i0) * width + c] = attn__rows_load(&rows, i, c);
        if (j->r->call->p->rope.pairing != ATTN_ROPE_NONE)
            turn_rows(j, room, h, i0, i1);
    }
}

void attn__map_pine_turn(const struct attn__recipe_run *r, const struct attn__pine_turn *turn,
                         struct attn__rope_room *room)
{
    struct turn_job j = {.r = r, .turn = turn, .room = room};
    j.blocks = (turn->to->shape[2] + ROWS - 1) / ROWS;
    j.tasks = turn->to->shape[1] * j.blocks;
    j.workers = attn__min_i64(r->machine->threads, j.tasks);
    for (int64_t n = 0; n < j.workers; n++)
        attn__rope_room_begin(&r->call->p->rope, &room[n], turn->x->n);
    attn__threads_run(r->threads, j.workers, work, &j);
}
