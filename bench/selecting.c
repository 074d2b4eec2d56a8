/* SPDX-License-Identifier: MIT */
/*
 * Selecting and attending apart: a plan with select=only, `lists` along what it
 * has written, the mechanism as a whole and dense attention, on the same data
 * and in turns. Selectors find something only where there is something to be
 * found, so the data has it: passages on a few subjects, or columns and
 * diagonals; noise shows what becomes of them without.
 */
#include "selecting.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_library.h"
#include "measure.h"
#include "problem_data.h"
#include "team.h"

enum { LEAST_TURNS = 3, MOST_TURNS = 1024 };

enum runner { DENSE, WHOLE, SELECT, ATTEND, RUNNERS };

enum data { NOISE, SUBJECTS, LINES };

static const char *const data_names[] = {
    [NOISE] = "noise", [SUBJECTS] = "subjects", [LINES] = "lines"};

/* Problems without their lengths. */
static const struct row {
    const char *heads, *mechanism;
    enum data data;
    int64_t n;
} rows[] = {
    {"h=4 d=64", "moba moba_block=512 moba_top=3", SUBJECTS, 4096},
    {"h=4 d=64", "moba moba_block=512 moba_top=3", SUBJECTS, 8192},
    {"h=4 d=64", "moba moba_block=512 moba_top=3", SUBJECTS, 16384},
    {"h=4 d=64", "moba moba_block=512 moba_top=3", NOISE, 16384},
    {"h=4/1 d=64", "nsa", SUBJECTS, 4096},
    {"h=4/1 d=64", "nsa", SUBJECTS, 8192},
    {"h=4/1 d=64", "nsa", SUBJECTS, 16384},
    {"h=4/1 d=64", "nsa", NOISE, 16384},
    {"h=4 d=64", "flexprefill", LINES, 4096},
    {"h=4 d=64", "flexprefill", LINES, 8192},
    {"h=4 d=64", "flexprefill", LINES, 16384},
};

struct measured {
    attn_plan *plan[RUNNERS];
    attn_arg args[RUNNERS][BENCH_MOST_ARGS];
    size_t n_args[RUNNERS];
    bench_data data; /* of the whole, from which all others have what they take */
    attn_selection *selection;
    size_t n;
    double *sample[RUNNERS];
};

/* ---- data ---- */

static uint64_t hash(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static float sign(uint64_t x)
{
    return hash(x) & 1 ? 1.0f : -1.0f;
}

/* Passages of 512 tokens, each on one of eight subjects: a direction that all
 * of its queries and keys have in common. */
static void add_subject(float *row, int64_t i, int64_t d)
{
    uint64_t subject = hash((uint64_t)(i / 512 + 1)) % 8;
    for (int64_t e = 0; e < d; e++)
        row[e] += sign(subject * 4096 + (uint64_t)e + 1);
}

/* Four columns, which all queries look at, in the first quarter of the channels;
 * in the next half angles that agree at multiples of 4096 positions: diagonals. */
static void add_lines(float *row, int64_t i, int64_t d, bool key)
{
    const double turn = 6.283185307179586 / 4096;
    bool column = i < 4096 && i % 1024 == 7;
    for (int64_t e = 0; e < d / 4 && (column || !key); e++)
        row[e] += key ? 8 : 1;
    for (int64_t f = 0; f < d / 4; f++) {
        double angle = turn * (double)(hash((uint64_t)f + 1) % 4096) * (double)i;
        row[d / 4 + 2 * f] += (float)(3 * cos(angle));
        row[d / 4 + 2 * f + 1] += (float)(3 * sin(angle));
    }
}

static void plant(const attn_tensor *t, enum data data, bool key)
{
    int64_t heads = t->shape[0] * t->shape[1], n = t->shape[2], d = t->shape[3];
    for (int64_t h = 0; h < heads && data != NOISE; h++)
        for (int64_t i = 0; i < n; i++) {
            float *row = (float *)t->data + (h * n + i) * d;
            if (data == SUBJECTS)
                add_subject(row, i, d);
            else
                add_lines(row, i, d, key);
        }
}

/* ---- plans ---- */

static int make_plan(attn_ctx *ctx, const char *text, attn_plan **plan, bench_size *size)
{
    attn_desc *desc;
    if (attn_desc_parse(ctx, text, &desc) != ATTN_OK)
        return bench_library_failed(text);
    int rc = bench_size_read(desc, 0, size);
    if (rc == 0 && attn_plan_create(ctx, desc, plan) != ATTN_OK)
        rc = bench_library_failed(text);
    attn_desc_destroy(desc);
    return rc;
}

static const void *object_of(const struct measured *m, int32_t role)
{
    if (role == ATTN_ROLE_SELECTION || role == ATTN_ROLE_SELECTION_OUT)
        return m->selection;
    return bench_data_tensor(&m->data, role);
}

/* Of the data of the whole what a plan cannot do without. */
static int bind(struct measured *m, int n)
{
    int32_t role, required;
    for (size_t i = 0; (role = attn_plan_role_at(m->plan[n], i, &required)) != 0; i++) {
        if (!required)
            continue;
        const void *object = object_of(m, role);
        if (!object)
            return bench_failed("there is no %s", attn_role_name(role));
        m->args[n][m->n_args[n]++] = (attn_arg){role, 0, object};
    }
    return 0;
}

static int prepare(attn_ctx *ctx, const bench_options *options, const struct row *row,
                   struct measured *m)
{
    const struct {
        const char *mechanism, *option;
    } said[RUNNERS] = {
        [DENSE] = {"softmax", "causal"},
        [WHOLE] = {row->mechanism, ""},
        [SELECT] = {row->mechanism, "select=only"},
        [ATTEND] = {"lists", "causal"},
    };
    bench_size size[RUNNERS];
    int rc = 0;
    for (int n = 0; n < RUNNERS && rc == 0; n++) {
        char text[256];
        snprintf(text, sizeof text, "%s %s n=%" PRId64 " %s", said[n].mechanism, row->heads,
                 row->n, said[n].option);
        rc = make_plan(ctx, text, &m->plan[n], &size[n]);
        m->sample[n] = malloc(MOST_TURNS * sizeof *m->sample[n]);
        if (rc == 0 && !m->sample[n])
            rc = bench_failed("no memory for samples");
    }
    if (rc == 0)
        rc = bench_data_make(m->plan[WHOLE], &size[WHOLE], options->seed, options->huge, &m->data);
    if (rc == 0 && attn_selection_create(ctx, m->plan[SELECT], &m->selection) != ATTN_OK)
        rc = bench_library_failed(row->mechanism);
    for (int n = 0; n < RUNNERS && rc == 0; n++)
        rc = bind(m, n);
    if (rc == 0) {
        plant(object_of(m, ATTN_ROLE_Q), row->data, false);
        plant(object_of(m, ATTN_ROLE_K), row->data, true);
    }
    return rc;
}

/* ---- measuring ---- */

static int run(struct measured *m, int n, double *ns)
{
    int64_t start = bench_now();
    if (attn_plan_execute(m->plan[n], m->args[n], m->n_args[n], NULL, 0) != ATTN_OK)
        return bench_library_failed("selecting");
    *ns = (double)(bench_now() - start);
    return 0;
}

static int measure(const bench_options *options, struct measured *m)
{
    double spent = 0, ns = 0;
    int rc = run(m, SELECT, &ns); /* what is attended to */
    while (rc == 0 && m->n < MOST_TURNS &&
           (m->n < LEAST_TURNS || spent < RUNNERS * options->seconds * 1e9)) {
        for (int n = 0; n < RUNNERS && rc == 0; n++) {
            rc = run(m, n, &ns);
            m->sample[n][m->n] = ns;
            spent += ns;
        }
        m->n++;
    }
    return rc;
}

/* Which part of the visible pairs is selected. */
static double density(const struct measured *m)
{
    int64_t keys = 0, count = 0, q_block = 0, queries = 0;
    attn_selection_get_i64(m->selection, ATTN_SELECTION_KEYS_LISTED, &keys);
    attn_selection_get_i64(m->selection, ATTN_SELECTION_ROW_COUNT, &count);
    attn_selection_get_i64(m->selection, ATTN_SELECTION_Q_BLOCK, &q_block);
    attn_selection_get_i64(m->selection, ATTN_SELECTION_QUERIES, &queries);
    return (double)keys / ((double)count * (double)(queries + q_block) / 2);
}

static void print_row(const struct row *row, struct measured *m, FILE *table)
{
    double us[RUNNERS];
    for (int n = 0; n < RUNNERS; n++)
        us[n] = bench_median(m->sample[n], m->n) * 1e-3;
    fprintf(table, "%-34s %-10s %6" PRId64 " %-9s %6.3f %11.1f %11.1f %11.1f %11.1f %7.3f\n",
            row->mechanism, row->heads, row->n, data_names[row->data], density(m), us[DENSE],
            us[WHOLE], us[SELECT], us[ATTEND], us[WHOLE] / us[DENSE]);
    fflush(table);
}

static int one_row(attn_ctx *ctx, const bench_options *options, const struct row *row, FILE *table)
{
    struct measured *m = calloc(1, sizeof *m);
    if (!m)
        return bench_failed("no memory");
    int rc = prepare(ctx, options, row, m);
    if (rc == 0)
        rc = measure(options, m);
    if (rc == 0)
        print_row(row, m, table);
    for (int n = 0; n < RUNNERS; n++) {
        attn_plan_destroy(m->plan[n]);
        free(m->sample[n]);
    }
    attn_selection_destroy(m->selection);
    bench_data_free(&m->data);
    free(m);
    return rc;
}

int bench_selecting(const bench_options *options, int64_t threads, FILE *table)
{
    attn_ctx *ctx = bench_context(options, threads);
    int rc = ctx ? 0 : BENCH_FAILED;
    fprintf(table,
            "\nselecting and attending apart, against dense causal attention, %" PRId64
            " thread%s, medians of runs in turns\n\n%-34s %-10s %6s %-9s %6s %11s %11s %11s %11s "
            "%7s\n",
            threads, threads == 1 ? "" : "s", "mechanism", "heads", "N", "data", "listed",
            "us dense", "us whole", "us select", "us attend", "/dense");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && rc == 0; i++)
        rc = one_row(ctx, options, &rows[i], table);
    attn_ctx_destroy(ctx);
    return rc;
}
