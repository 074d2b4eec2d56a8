/* SPDX-License-Identifier: MIT */
/*
 * Hidden tokens as one key. A row and its key are two partial results over
 * disjoint keys, which join by their log-sum-exps.
 */
#include "solvers/fold_row.h"

#include "base/checked.h"
#include "solvers/score_steps.h"

void attn__fold_row_begin(struct attn__fold_row *f, const struct attn__call *c,
                          const struct attn__seq *s, int64_t h, const struct attn__row_scratch *w)
{
    const struct attn__paged_head *head = &c->view->head[c->p->k_head[h]];
    *f = (struct attn__fold_row){.c = c,
                                 .s = s,
                                 .h = h,
                                 .from = attn__call_paged(c, s, h),
                                 .k = attn__call_k(c, s, h),
                                 .v = attn__call_v(c, s, h),
                                 .k_sum = w->k,
                                 .v_sum = w->v};
    f->n = f->from->n_folded;
    f->next = f->from->sink;
    memcpy(f->k_sum, f->from->fold + head->fold_k, (size_t)c->p->d * sizeof *f->k_sum);
    memcpy(f->v_sum, f->from->fold + head->fold_v, (size_t)c->p->dv * sizeof *f->v_sum);
}

/* Adds rows j..j+n-1, which lie one behind the other. */
static void add_rows(const struct attn__rows *rows, int64_t j, int64_t n, int64_t width,
                     double *sum)
{
    char *at;
    (void)attn__rows_page_run(rows, j, n, &at);
    for (int64_t i = 0; i < n; i++)
        for (int64_t e = 0; e < width; e++)
            sum[e] += attn__load_f64(at, i * rows->row + e, rows->dtype);
}

static void add_hidden(struct attn__fold_row *f, int64_t end)
{
    for (int64_t j = f->next, n; j < end; j += n) {
        char *at;
        n = attn__rows_page_run(&f->k, j, end - j, &at);
        if (!at)
            continue;
        add_rows(&f->k, j, n, f->c->p->d, f->k_sum);
        add_rows(&f->v, j, n, f->c->p->dv, f->v_sum);
        f->n += n;
    }
    f->next = attn__max_i64(f->next, end);
}

double attn__fold_row_score(struct attn__fold_row *f, int64_t i, const double *q)
{
    const struct attn__score_exact x = {f->c, f->s, f->h, i,
                                        attn__score_scale(f->c, f->s, f->h, i), NULL};
    int64_t end = i + f->s->off - f->from->window + 1; /* the first key in the window */
    double sum = 0;
    if (f->from->window == ATTN_UNBOUNDED || end <= f->from->sink)
        return -INFINITY;
    add_hidden(f, end);
    if (f->n == 0)
        return -INFINITY;
    for (int64_t e = 0; e < f->c->p->d; e++)
        sum += q[e] * f->k_sum[e];
    sum *= x.scale / (double)f->n;
    return attn__score_pair_steps(&x, ATTN__STEPS_CAP, 0, sum) + log((double)f->n);
}

/* Row i of Q as doubles, as the exact path has it. */
static void load_query(const struct attn__fold_row *f, int64_t i,
                       const struct attn__row_scratch *w)
{
    struct attn__rows q = attn__call_q(f->c, f->s, f->h);
    struct attn__qk qk = attn__qk_begin(f->c, f->s, w->qk);
    for (int64_t e = 0; e < f->c->p->d; e++)
        w->q[e] = attn__rows_load(&q, i, e);
    if (attn__qk_changes_q(f->c->p))
        attn__qk_change_q_f64(&qk, f->h, i, w->q);
    attn__score_query_exact(f->c, f->h, w->q, NULL);
}

void attn__fold_row_join(struct attn__fold_row *f, int64_t i, const struct attn__row_scratch *w,
                         float *o, float *m, float *l)
{
    load_query(f, i, w);
    double x = attn__fold_row_score(f, i, w->q);
    if (x == -INFINITY)
        return;
    double seen = *l == 0 ? -INFINITY : ((double)*m + log2((double)*l)) * M_LN2;
    double top = fmax(seen, x), of_seen = exp(seen - top), of_hidden = exp(x - top);
    double sum = of_seen + of_hidden, factor = of_hidden / (sum * (double)f->n);
    for (int64_t e = 0; e < f->c->p->dv; e++)
        o[e] = (float)(of_seen / sum * (double)o[e] + factor * f->v_sum[e]);
    *m = (float)((top + log(sum)) * M_LOG2E);
    *l = 1;
}
