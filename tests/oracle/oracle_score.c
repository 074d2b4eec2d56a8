/* SPDX-License-Identifier: MIT */
/*
 * Score options, each by its formula.
 */
#include "oracle_score.h"

#include <math.h>

#include "oracle.h"

double oracle_row_factor(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w)
{
    double f = o->head_scale ? o->head_scale[w->h] : 1;
    int64_t n = o->logn_keys ? w->k_len : w->at + 1;
    double log_n = log(n < 1 ? 1 : (double)n);
    if (o->ssmax)
        f *= log_n;
    if (o->logn_train > 0)
        f *= fmax(1, log_n / log(o->logn_train));
    if (in->row_scale)
        f *= oracle_load4(in->row_scale, w->n, w->h, w->i, 0);
    return f;
}

double oracle_query_bias(const struct oracle_score_inputs *in, int64_t h, int64_t e)
{
    int64_t index[2] = {h, e};
    return in->q_bias_content ? oracle_load(in->q_bias_content, index) : 0;
}

double oracle_query_table(const struct oracle_score *o, const struct oracle_score_inputs *in,
                          const struct oracle_row *w, const double *q, int64_t d, int64_t j,
                          double *terms)
{
    if (!in->query_table)
        return 0;
    int64_t last = in->query_table->shape[1] - 1;
    int64_t at = j - w->at + (o->query_table_zero < 0 ? (last + 1) / 2 : o->query_table_zero);
    at = at < 0 ? 0 : at > last ? last : at;
    int64_t bias[2] = {w->h, at};
    double sum = in->query_table_bias ? oracle_load(in->query_table_bias, bias) : 0;
    *terms += sum * sum;
    for (int64_t e = 0; e < d; e++) {
        int64_t index[3] = {w->h, at, e}, own[2] = {w->h, e};
        double v = in->q_bias_table ? oracle_load(in->q_bias_table, own) : 0;
        double term = (q[e] + v) * oracle_load(in->query_table, index);
        sum += term;
        *terms += term * term;
    }
    return sum;
}

/* As T5 does it, in single precision where T5 has it. */
static int64_t t5_bucket(const struct oracle_score *o, int64_t distance)
{
    int64_t n = o->t5_buckets, first = 0, d = distance < 0 ? -distance : 0;
    if (o->t5_bidirectional) {
        n /= 2;
        first = distance > 0 ? n : 0;
        d = distance < 0 ? -distance : distance;
    }
    int64_t exact = n / 2;
    if (d < exact)
        return first + d;
    float x = logf((float)d / (float)exact);
    x /= (float)log((double)o->t5_max_distance / (double)exact);
    x *= (float)(n - exact);
    int64_t bucket = exact + (int64_t)x;
    return first + (bucket < n - 1 ? bucket : n - 1);
}

double oracle_class_term(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w, int64_t j, double s)
{
    if (!in->class_terms || s == -INFINITY)
        return s;
    int64_t class = (int64_t)oracle_load4(in->class_k, w->b, w->k0 + j, 0, 0);
    if (class >= in->class_terms->shape[2] ||
        (o->class_rows >= 0 && w->i < w->q_len - o->class_rows))
        return s;
    int64_t a[3] = {0, w->h, class}, c[3] = {1, w->h, class};
    double factor = oracle_load(in->class_terms, a);
    return s + (factor == 0 ? 0 : factor * fabs(s)) + oracle_load(in->class_terms, c);
}

double oracle_table_bias(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w, int64_t j)
{
    double sum = 0;
    int64_t key = in->pos_k ? (int64_t)oracle_load4(in->pos_k, w->b, w->k0 + j, 0, 0) : j;
    if (in->bias_table) {
        int64_t last = in->bias_table->shape[1] - 1;
        int64_t at = key - w->at + (o->table_zero < 0 ? (last + 1) / 2 : o->table_zero);
        int64_t index[2] = {w->h, at < 0 ? 0 : at > last ? last : at};
        sum += oracle_load(in->bias_table, index);
    }
    if (in->t5_weight) {
        int64_t index[2] = {t5_bucket(o, key - w->at), w->h};
        sum += oracle_load(in->t5_weight, index);
    }
    if (in->swin_table) {
        int64_t dy = w->i / o->swin_w - j / o->swin_w, dx = w->i % o->swin_w - j % o->swin_w;
        int64_t index[2] = {
            (dy + o->swin_h - 1) * (2 * o->swin_w - 1) + dx + o->swin_w - 1, w->h};
        sum += oracle_load(in->swin_table, index);
    }
    if (in->grid_y)
        sum += oracle_load4(in->grid_y, w->n, w->h, w->i, j / o->grid_w) +
               oracle_load4(in->grid_x, w->n, w->h, w->i, j % o->grid_w);
    return sum;
}
