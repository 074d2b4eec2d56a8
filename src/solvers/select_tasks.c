/* SPDX-License-Identifier: MIT */
/*
 * Tasks of selectors.
 */
#include "solvers/select_tasks.h"

#include "solvers/rows_load.h"
#include "solvers/select_view.h"

struct attn__scratch attn__select_part_begin(const struct attn__scratch *s)
{
    return (struct attn__scratch){.base = s->base ? s->base + s->used : NULL, .ok = s->ok};
}

void *attn__select_part_end(struct attn__scratch *s, const struct attn__scratch *part)
{
    s->ok = part->ok && part->used <= PTRDIFF_MAX;
    return attn__scratch_take(s, (int64_t)part->used, 1);
}

char *attn__select_desks(struct attn__scratch *s, const struct attn__scratch *one, int64_t threads)
{
    int64_t bytes = 0;
    s->ok = s->ok && one->ok && one->used <= PTRDIFF_MAX &&
            attn__mul_i64((int64_t)one->used, threads, &bytes);
    return attn__scratch_take(s, bytes, 1);
}

struct job {
    const struct attn__select_tasks *x;
    attn__select_task_fn *fn;
    int64_t heads, units, cut, cuts, tasks, workers;
};

static void task(void *arg, int64_t worker)
{
    const struct job *j = arg;
    char *desk = j->x->desks + (size_t)worker * j->x->desk_bytes;
    for (int64_t n = worker; n < j->tasks; n += j->workers) {
        int64_t head = n / j->cuts, at = n % j->cuts * j->cut;
        struct attn__select_part part = {.s = attn__call_seq(j->x->r->call, head / j->heads),
                                         .h = head % j->heads,
                                         .at = at,
                                         .n = attn__min_i64(j->cut, j->units - at)};
        j->fn(j->x, &part, desk);
    }
}

void attn__select_tasks_run(const struct attn__select_tasks *x, int64_t heads, int64_t units,
                            int64_t cut, attn__select_task_fn *fn)
{
    struct job j = {.x = x, .fn = fn, .heads = heads, .units = units, .cut = cut};
    j.cuts = attn__pooled_parts(units, cut);
    j.tasks = x->rows->n_batch * heads * j.cuts;
    j.workers = attn__min_i64(x->r->machine->threads, j.tasks);
    attn__threads_run(x->r->threads, j.workers, task, &j);
}

void attn__select_load(const struct attn__kernels *kern, const struct attn__rows *rows, int64_t i0,
                       int64_t n, int64_t d, bool exact, void *to)
{
    double *wide = to;
    if (!exact) {
        attn__rows_to_f32(kern, rows, i0, n, 0, d, to, d);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t e = 0; e < d; e++)
            wide[i * d + e] = attn__rows_load(rows, i0 + i, e);
}

void attn__select_row_nan(struct attn__select_rows *rows, int64_t row)
{
    struct attn__select_writer out = attn__select_row_begin(rows, row);
    attn__select_put_fault(&out, ATTN__SELECT_NAN);
    attn__select_row_end(&out);
}
