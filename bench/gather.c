/* SPDX-License-Identifier: MIT */
/*
 * Each query has a list of tokens at random, by itself or with the heads of its
 * key head. What bounds such attention is how fast rows of K and V that lie
 * anywhere can be read, which hangs on where they are (L3, RAM, how many pages);
 * so the limit is measured with the same lists on the same K and V.
 */
#include "gather.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_library.h"
#include "limits.h"
#include "measure.h"
#include "plan_side.h"
#include "team.h"

enum { LISTED = 256, LEAST_TURNS = 5, MOST_TURNS = 1024, MOST_LEAD = 32 };

enum runner { FULL, LISTS, READ, RUNNERS };

static const struct row {
    const char *shape;
    int64_t head_group; /* heads with one list */
} rows[] = {
    {"h=4/1 q=512 k=16384 d=128", 4},
    {"h=4 q=512 k=16384 d=128", 1},
    {"h=4/1 q=512 k=16384 d=64", 4},
    {"h=4 q=512 k=16384 d=64", 1},
};

/* One loop that reads the listed rows of K and V. */
struct reading {
    const attn_tensor *k, *v;
    const int32_t *start;
    int64_t lists, per_head, threads, lead;
};

struct measured {
    char text[RUNNERS][96];
    bench_plan_side full;
    attn_plan *lists;
    attn_selection *selection;
    attn_arg args[5];
    int32_t *start;
    struct reading reading;
    size_t n;
    double *sample[RUNNERS];
};

static volatile float sink; /* what keeps the sums alive */

static int by_number(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

/* LISTED different ones of the first n numbers for each list, rising; behind the
 * last list some more, for who looks ahead. */
static int32_t *make_lists(int64_t lists, int64_t n, uint64_t seed)
{
    int32_t *start = calloc((size_t)(lists * LISTED + MOST_LEAD), sizeof *start);
    int32_t *all = malloc((size_t)n * sizeof *all);
    for (int64_t i = 0; all && i < n; i++)
        all[i] = (int32_t)i;
    for (int64_t l = 0; start && all && l < lists; l++) {
        for (int64_t i = 0; i < LISTED; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            int64_t j = i + (int64_t)((seed >> 33) % (uint64_t)(n - i));
            int32_t chosen = all[j];
            all[j] = all[i];
            all[i] = chosen;
        }
        memcpy(start + l * LISTED, all, LISTED * sizeof *start);
        qsort(start + l * LISTED, LISTED, sizeof *start, by_number);
    }
    if (!all) {
        free(start);
        start = NULL;
    }
    free(all);
    return start;
}

static int import_lists(attn_ctx *ctx, const struct row *row, struct measured *m)
{
    const bench_size *z = &m->full.size;
    int64_t lists = m->reading.lists, pointers = lists + 1, entries = lists * LISTED;
    int64_t *row_ptr = malloc((size_t)pointers * sizeof *row_ptr);
    attn_tensor t[2];
    if (!row_ptr)
        return bench_failed("no memory for lists");
    for (int64_t i = 0; i < pointers; i++)
        row_ptr[i] = i * LISTED;
    attn_tensor_init(&t[0], row_ptr, ATTN_DTYPE_I64, 1, &pointers);
    attn_tensor_init(&t[1], m->start, ATTN_DTYPE_I32, 1, &entries);
    const attn_arg parts[] = {{ATTN_SELECTION_PART_ROW_PTR, 0, &t[0]},
                              {ATTN_SELECTION_PART_START, 0, &t[1]}};
    int rc = 0;
    if (attn_selection_import_rows(ctx, 1, z->hout, row->head_group, z->q, 1, z->k, 1, parts, 2,
                                   &m->selection) != ATTN_OK)
        rc = bench_library_failed("lists");
    free(row_ptr);
    return rc;
}

static int make_plan(attn_ctx *ctx, struct measured *m)
{
    attn_desc *desc;
    if (attn_desc_parse(ctx, m->text[LISTS], &desc) != ATTN_OK)
        return bench_library_failed(m->text[LISTS]);
    int rc = attn_plan_create(ctx, desc, &m->lists) == ATTN_OK
                 ? 0
                 : bench_library_failed(m->text[LISTS]);
    attn_desc_destroy(desc);
    return rc;
}

static int prepare(attn_ctx *ctx, const bench_options *options, int64_t threads,
                   const struct row *row, struct measured *m)
{
    static const int32_t roles[] = {ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V, ATTN_ROLE_OUT};
    const bench_size *z = &m->full.size;
    snprintf(m->text[FULL], sizeof m->text[FULL], "softmax %s", row->shape);
    snprintf(m->text[LISTS], sizeof m->text[LISTS], "lists %s", row->shape);
    for (int n = 0; n < RUNNERS; n++)
        if (!(m->sample[n] = malloc(MOST_TURNS * sizeof *m->sample[n])))
            return bench_failed("no memory for samples");
    int rc = bench_plan_side_parse(ctx, options, m->text[FULL], &m->full);
    if (rc == 0)
        rc = make_plan(ctx, m);
    if (rc != 0)
        return rc;
    const bench_data *data = &m->full.data;
    m->reading.k = bench_data_tensor(data, ATTN_ROLE_K);
    m->reading.v = bench_data_tensor(data, ATTN_ROLE_V);
    m->reading.threads = threads;
    m->reading.per_head = z->q;
    m->reading.lists = z->hout / row->head_group * z->q;
    m->start = make_lists(m->reading.lists, z->k, options->seed);
    m->reading.start = m->start;
    if (!m->start)
        return bench_failed("no memory for lists");
    rc = import_lists(ctx, row, m);
    for (int n = 0; n < 4; n++)
        m->args[n] = (attn_arg){roles[n], 0, bench_data_tensor(data, roles[n])};
    m->args[4] = (attn_arg){ATTN_ROLE_SELECTION, 0, m->selection};
    return rc;
}

/* A thread's share of the lists. */
static void read_share(void *arg, int64_t thread)
{
    const struct reading *r = arg;
    const bench_probe *probe = bench_probe_widest();
    int64_t d = r->k->shape[3], head = r->k->shape[2] * d;
    int64_t end = r->lists * (thread + 1) / r->threads;
    for (int64_t l = r->lists * thread / r->threads; l < end; l++) {
        int64_t at = l / r->per_head * head;
        sink = probe->gather((const float *)r->k->data + at, (const float *)r->v->data + at, d,
                             r->start + l * LISTED, LISTED, r->lead);
    }
}

static int run(struct measured *m, int n, double *ns)
{
    int64_t start = bench_now();
    if (n == READ) {
        *ns = (double)bench_team(m->reading.threads, read_share, &m->reading);
        return *ns > 0 ? 0 : bench_failed("no threads to read with");
    }
    if (attn_plan_execute(n == FULL ? m->full.plan : m->lists, m->args, n == FULL ? 4 : 5, NULL,
                          0) != ATTN_OK)
        return bench_library_failed(m->text[n]);
    *ns = (double)(bench_now() - start);
    return 0;
}

/* The distance at which the rows are read fastest. */
static int find_lead(struct reading *r)
{
    int64_t best = INT64_MAX, lead = 0;
    for (int repeat = 0; repeat < 3; repeat++)
        for (r->lead = 8; r->lead <= MOST_LEAD; r->lead += 8) {
            int64_t ns = bench_team(r->threads, read_share, r);
            if (ns <= 0 || ns >= best)
                continue;
            best = ns;
            lead = r->lead;
        }
    r->lead = lead;
    return lead > 0 ? 0 : bench_failed("no threads to read with");
}

static int measure(const bench_options *options, struct measured *m)
{
    double spent = 0, ns = 0;
    int rc = find_lead(&m->reading);
    for (int n = 0; n < RUNNERS && rc == 0; n++)
        rc = run(m, n, &ns);
    while (rc == 0 && m->n < MOST_TURNS &&
           (m->n < LEAST_TURNS || spent < RUNNERS * options->seconds * 1e9)) {
        for (int n = 0; n < RUNNERS && rc == 0; n++) {
            if (n == LISTS) /* the caches are as full attention left them */
                rc = run(m, n, &ns);
            if (rc == 0)
                rc = run(m, n, &ns);
            m->sample[n][m->n] = ns;
            spent += ns;
        }
        m->n++;
    }
    return rc;
}

static void print_row(const struct row *row, struct measured *m, FILE *table)
{
    double ns[RUNNERS];
    const attn_tensor *k = m->reading.k;
    double bytes = 2 * sizeof(float) * (double)(m->reading.lists * LISTED * k->shape[3]);
    for (int n = 0; n < RUNNERS; n++)
        ns[n] = bench_median(m->sample[n], m->n);
    fprintf(table, "%-32s %-14s %10.1f %10.1f %7.1f %8.1f %8.1f %8.2f\n", m->text[LISTS],
            row->head_group > 1 ? "of a key head" : "of each head", ns[FULL] * 1e-3,
            ns[LISTS] * 1e-3, ns[FULL] / ns[LISTS], bytes / ns[LISTS], bytes / ns[READ],
            ns[READ] / ns[LISTS]);
    fflush(table);
}

static int one_row(attn_ctx *ctx, const bench_options *options, int64_t threads,
                   const struct row *row, FILE *table)
{
    struct measured *m = calloc(1, sizeof *m);
    if (!m)
        return bench_failed("no memory");
    int rc = prepare(ctx, options, threads, row, m);
    if (rc == 0)
        rc = measure(options, m);
    if (rc == 0)
        print_row(row, m, table);
    attn_plan_destroy(m->lists);
    attn_selection_destroy(m->selection);
    bench_plan_side_free(&m->full);
    free(m->start);
    for (int n = 0; n < RUNNERS; n++)
        free(m->sample[n]);
    free(m);
    return rc;
}

int bench_gather(const bench_options *options, int64_t threads, FILE *table)
{
    attn_ctx *ctx = bench_context(options, threads);
    int rc = ctx ? 0 : BENCH_FAILED;
    fprintf(table,
            "\n%d tokens at random for each query, against all, %" PRId64
            " thread%s, medians of runs in turns; gather: a loop that only reads the listed rows "
            "of K and V\n\n%-32s %-14s %10s %10s %7s %8s %8s %8s\n",
            LISTED, threads, threads == 1 ? "" : "s", "problem", "lists", "us full", "us lists",
            "times", "GB/s", "gather", "/gather");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && rc == 0; i++)
        rc = one_row(ctx, options, threads, &rows[i], table);
    attn_ctx_destroy(ctx);
    return rc;
}
