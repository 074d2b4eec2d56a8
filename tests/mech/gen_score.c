/* SPDX-License-Identifier: MIT */
/*
 * The score options of random problems.
 */
#include <math.h>

#include "gen_parts.h"

static void say_numbers(struct gen_problem *p, const char *key, const double *list, int64_t n)
{
    gen_say(p, " %s=[", key);
    for (int64_t i = 0; i < n; i++)
        gen_say(p, "%s%.17g", i == 0 ? "" : ",", list[i]);
    gen_say(p, "]");
}

/* Factors of heads and rows. */
static void factors(struct maker *m)
{
    struct oracle_options *o = &m->p->options;
    struct rng *r = &m->rng;
    if (rng_percent(r, 10)) {
        for (int64_t h = 0; h < o->hout; h++)
            m->p->head_scale[h] = rng_percent(r, 10) ? 0 : 1 + rng_normal(r) / 3;
        o->score.head_scale = m->p->head_scale;
        say_numbers(m->p, "head_scale", m->p->head_scale, o->hout);
    }
    if (rng_percent(r, 92))
        return;
    if (rng_percent(r, 50)) {
        o->score.ssmax = true;
        gen_say(m->p, " ssmax");
    } else {
        o->score.logn_train = (double)rng_int(r, 2, 40);
        gen_say(m->p, " logn_train=%.17g", o->score.logn_train);
    }
    if (rng_percent(r, 40)) {
        o->score.logn_keys = true;
        gen_say(m->p, " logn_count=keys");
    }
}

/* The sources of bias that are tables: one at most, none with ALiBi. */
static void sources(struct maker *m)
{
    struct oracle_score *o = &m->p->options.score;
    struct rng *r = &m->rng;
    int kind = (int)rng_int(r, 0, 19);
    o->table_zero = -1;
    if (m->p->options.alibi)
        return;
    if (m->grid_h > 0 && m->square && kind < 16) {
        o->swin_h = m->grid_h;
        o->swin_w = m->grid_w;
        gen_say(m->p, " swin_h=%d swin_w=%d", (int)o->swin_h, (int)o->swin_w);
    } else if (m->grid_h > 0) {
        o->grid_w = m->grid_w;
        gen_say(m->p, " grid_w=%d", (int)o->grid_w);
    } else if (kind == 0) {
        o->t5_bidirectional = rng_percent(r, 50);
        o->t5_buckets = 2 * rng_int(r, 2, 20);
        o->t5_max_distance = rng_percent(r, 40) ? 128 : rng_int(r, o->t5_buckets, 200);
        gen_say(m->p, " t5_buckets=%d", (int)o->t5_buckets);
        if (o->t5_max_distance != 128)
            gen_say(m->p, " t5_max_distance=%d", (int)o->t5_max_distance);
        if (o->t5_bidirectional)
            gen_say(m->p, " t5_bidirectional");
    } else if (kind == 1) {
        m->p->table_entries = rng_int(r, 1, rng_percent(r, 50) ? 30 : 700);
        gen_say(m->p, " bias_table");
        if (rng_percent(r, 50)) {
            o->table_zero = rng_int(r, 0, m->p->table_entries - 1);
            gen_say(m->p, " table_zero=%d", (int)o->table_zero);
        }
    }
}

/* Products of queries with a table, and biases of queries. */
static void query_table(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct rng *r = &m->rng;
    p->options.score.query_table_zero = -1;
    if ((p->q_bias_content = rng_percent(r, 4)))
        gen_say(p, " q_bias_content");
    if (!rng_percent(r, 7) || p->inputs.piece.pos_q)
        return;
    p->query_table_rows = rng_int(r, 1, rng_percent(r, 50) ? 30 : 500);
    gen_say(p, " query_table");
    if (rng_percent(r, 50)) {
        p->options.score.query_table_zero = rng_int(r, 0, p->query_table_rows - 1);
        gen_say(p, " query_table_zero=%d", (int)p->options.score.query_table_zero);
    }
    if ((p->q_bias_table = rng_percent(r, 40)))
        gen_say(p, " q_bias_table");
    if ((p->query_table_bias = rng_percent(r, 40)))
        gen_say(p, " query_table_bias");
}

/* Terms by class of the key; classes beyond them have none. */
static void classes(struct maker *m)
{
    struct gen_problem *p = m->p;
    p->options.score.class_rows = -1;
    if (!rng_percent(&m->rng, 7))
        return;
    p->classes = rng_int(&m->rng, 1, 5);
    gen_say(p, " class_terms=%d", (int)p->classes);
    if (rng_percent(&m->rng, 30)) {
        p->options.score.class_rows = rng_int(&m->rng, 0, 20);
        gen_say(p, " class_rows=%d", (int)p->options.score.class_rows);
    }
}

const attn_tensor *gen_classes_of_keys(struct maker *m)
{
    if (m->p->inputs.piece.class_k || m->p->inputs.score.class_k)
        return m->p->inputs.piece.class_k ? m->p->inputs.piece.class_k
                                          : m->p->inputs.score.class_k;
    int64_t shape[2] = {rng_percent(&m->rng, 40) ? 1 : m->b, m->nk};
    struct gen_tensor *g = gen_add(m, ATTN_ROLE_CLASS_K, ATTN_DTYPE_U8, 2, shape);
    int64_t run = rng_percent(&m->rng, 50) ? 1 : rng_int(&m->rng, 2, 40);
    for (int64_t b = 0; m->ok && b < shape[0]; b++)
        for (int64_t j = 0; j < shape[1]; j++)
            gen_set(&g->t, (double)(run == 1 ? rng_int(&m->rng, 0, 5) : j / run % 6), b, j, 0, 0);
    return &g->t;
}

void gen_score(struct maker *m)
{
    factors(m);
    classes(m);
    query_table(m);
    sources(m);
    if (rng_percent(&m->rng, 5)) {
        m->p->row_scale = true;
        gen_say(m->p, " row_scale");
    }
}

static double user_bias(int64_t n, int64_t h, int64_t i, int64_t j)
{
    return 0.25 * (double)(h % 3) + 0.125 * (double)(n % 4) -
           0.03125 * fabs((double)((i - j) % 64));
}

/* A wrong run of the library's shows as a crash or as a wrong score. */
void gen_score_fn(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                  int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    const struct gen_problem *p = user;
    for (int64_t q = 0; q < nq; q++)
        for (int64_t k = 0; k < nk; k++)
            s[q * q_stride + k * k_stride] += (float)p->options.score.user(b, h, q0 + q, k0 + k);
}

static int32_t bias_type(struct maker *m)
{
    return rng_percent(&m->rng, 50) ? m->p->row_dtype : m->p->dtype;
}

static const attn_tensor *table(struct maker *m, int32_t role, int64_t rows, int64_t columns)
{
    int64_t shape[2] = {rows, columns};
    return gen_fill_normal(m, gen_add(m, role, bias_type(m), 2, shape), 2);
}

/* Data of query rows: each of the first three extents may be 1. */
static void row_shape(struct maker *m, int64_t *shape)
{
    int64_t spare = m->p->options.packed && rng_percent(&m->rng, 30);
    int64_t full[3] = {m->n_seq, m->p->options.hout, m->longest_q + spare};
    for (int n = 0; n < 3; n++)
        shape[n] = rng_percent(&m->rng, 30) ? 1 : full[n];
}

void gen_score_tensors(struct maker *m)
{
    const struct oracle_score *o = &m->p->options.score;
    struct oracle_score_inputs *in = &m->p->inputs.score;
    int64_t hout = m->p->options.hout, shape[4];
    if (m->p->dtype != ATTN_DTYPE_F64 && rng_percent(&m->rng, 5)) {
        m->p->score_fn = gen_score_fn;
        m->p->options.score.user = user_bias;
    }
    if (m->p->row_scale) {
        row_shape(m, shape);
        in->row_scale =
            gen_fill_normal(m, gen_add(m, ATTN_ROLE_ROW_SCALE, m->p->row_dtype, 3, shape), 1);
    }
    in->pos_q = m->p->inputs.piece.pos_q;
    in->pos_k = m->p->inputs.piece.pos_k;
    if (m->p->classes > 0) {
        int64_t terms[3] = {2, hout, m->p->classes};
        in->class_k = gen_classes_of_keys(m);
        in->class_terms = gen_fill_normal(
            m, gen_add(m, ATTN_ROLE_CLASS_TERMS, bias_type(m), 3, terms), 0.5);
    }
    if (m->p->q_bias_content)
        in->q_bias_content = table(m, ATTN_ROLE_Q_BIAS_CONTENT, hout, m->p->options.d);
    if (m->p->q_bias_table)
        in->q_bias_table = table(m, ATTN_ROLE_Q_BIAS_TABLE, hout, m->p->options.d);
    if (m->p->query_table_bias)
        in->query_table_bias = table(m, ATTN_ROLE_QUERY_TABLE_BIAS, hout, m->p->query_table_rows);
    if (m->p->query_table_rows > 0) {
        int64_t three[3] = {hout, m->p->query_table_rows, m->p->options.d};
        in->query_table = gen_fill_normal(
            m, gen_add(m, ATTN_ROLE_QUERY_TABLE, bias_type(m), 3, three), 1);
    }
    if (m->p->table_entries > 0)
        in->bias_table = table(m, ATTN_ROLE_BIAS_TABLE, hout, m->p->table_entries);
    if (o->t5_buckets > 0)
        in->t5_weight = table(m, ATTN_ROLE_T5_WEIGHT, o->t5_buckets, hout);
    if (o->swin_h > 0)
        in->swin_table = table(m, ATTN_ROLE_SWIN_TABLE,
                               (2 * o->swin_h - 1) * (2 * o->swin_w - 1), hout);
    if (o->grid_w > 0) {
        row_shape(m, shape);
        shape[3] = m->grid_h;
        in->grid_y = gen_fill_normal(m, gen_add(m, ATTN_ROLE_GRID_Y, bias_type(m), 4, shape), 2);
        row_shape(m, shape);
        shape[3] = o->grid_w;
        in->grid_x = gen_fill_normal(m, gen_add(m, ATTN_ROLE_GRID_X, bias_type(m), 4, shape), 2);
    }
}
