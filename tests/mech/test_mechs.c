/* SPDX-License-Identifier: MIT */
/*
 * Golden files (tests/mech/golden/gold.py says what is in them): each case in
 * f32, f16 and f64, at every ISA level of the machine, with the solver of the
 * planner's choice and with each one forced that can serve it, with one
 * thread and with three. What it goes through besides solvers: src/mech/preset.c,
 * src/mech/norm_presets.c, src/plan/staged.c, src/problem/recipe.c,
 * src/solvers/map_merge.c.
 *
 *     test_mechs [--bf16] FILE.gold...
 *
 * --bf16: in bf16 as well, whose cases keep to numbers that it has.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "base/dtype.h"

enum { MAX_ARRAYS = 32, MAX_PARTS = 6, MAX_NUMBERS = 6 };

/* An input or an expected result. */
struct array {
    int32_t role;
    char kind[8]; /* of inputs */
    int32_t rank;
    int64_t shape[ATTN_TENSOR_MAX_RANK], n;
    double *values;
};

struct golden {
    char problem[1024];
    double logit;
    int n_in, n_out, n_part;
    struct array in[MAX_ARRAYS], out[MAX_ARRAYS];
    /* SELECTION: its parts, with their numbers as roles, and what import takes
     * besides them, in order. */
    struct array part[MAX_PARTS];
    char layout[8]; /* empty: there is none */
    double number[MAX_NUMBERS];
};

static const char *file_name;
static long line_number, runs, failures, kept;
static bool bf16;
static double worst;
static char worst_text[1400];

static void die(const char *what)
{
    fprintf(stderr, "%s:%ld: %s\n", file_name, line_number, what);
    exit(2);
}

/* The next word of *text, cut off. */
static char *word(char **text)
{
    *text += strspn(*text, " ");
    char *w = *text;
    *text += strcspn(w, " \n");
    if (**text)
        *(*text)++ = 0;
    return w;
}

static void read_shape(struct array *a, char *text)
{
    a->n = 1;
    for (char *end = text; *text; text = end + (*end == ',')) {
        a->shape[a->rank] = strtoll(text, &end, 10);
        if (end == text || a->rank == ATTN_TENSOR_MAX_RANK)
            die("bad shape");
        a->n *= a->shape[a->rank++];
    }
    a->values = calloc((size_t)a->n + 1, sizeof *a->values);
    if (!a->values)
        die("no memory");
}

static void read_values(struct array *a, char *text)
{
    for (int64_t i = 0; i < a->n; i++) {
        char *end;
        a->values[i] = strtod(text, &end);
        if (end == text)
            die("too few values");
        text = end;
    }
}

static void make_values(struct array *a, char *text)
{
    uint32_t seed = (uint32_t)strtoul(word(&text), NULL, 10) * 40503u;
    double scale = strtod(text, NULL);
    for (int64_t i = 0; i < a->n; i++)
        a->values[i] = ((double)((((uint32_t)i * 2654435761u + seed) >> 16) % 61) - 30) * scale;
}

static void read_array(struct array *list, int *n, char *text, bool input,
                       void (*values)(struct array *a, char *text))
{
    if (*n == MAX_ARRAYS)
        die("too many arrays");
    struct array *a = &list[(*n)++];
    if (attn_role_find(word(&text), &a->role) != ATTN_OK)
        die("unknown role");
    if (input)
        snprintf(a->kind, sizeof a->kind, "%s", word(&text));
    read_shape(a, word(&text));
    values(a, text);
}

static void read_part(struct golden *g, char *text)
{
    if (g->n_part == MAX_PARTS)
        die("too many parts");
    struct array *a = &g->part[g->n_part++];
    a->role = (int32_t)strtol(word(&text), NULL, 10);
    read_shape(a, word(&text));
    read_values(a, text);
}

static void read_selection(struct golden *g, char *text)
{
    snprintf(g->layout, sizeof g->layout, "%s", word(&text));
    for (int i = 0; i < MAX_NUMBERS; i++)
        g->number[i] = strtod(word(&text), NULL);
}

/* The next case of a file; false at its end. */
static bool read_case(FILE *f, struct golden *g)
{
    static char *line;
    static size_t room;
    *g = (struct golden){.logit = 1};
    while (getline(&line, &room, f) > 0) {
        char *text = line, *key = word(&text);
        line_number++;
        if (strcmp(key, "case") == 0)
            snprintf(g->problem, sizeof g->problem, "%.*s", (int)strcspn(text, "\n"), text);
        else if (strcmp(key, "logit") == 0)
            g->logit = strtod(text, NULL);
        else if (strcmp(key, "make") == 0)
            read_array(g->in, &g->n_in, text, true, make_values);
        else if (strcmp(key, "give") == 0)
            read_array(g->in, &g->n_in, text, true, read_values);
        else if (strcmp(key, "part") == 0)
            read_part(g, text);
        else if (strcmp(key, "selection") == 0)
            read_selection(g, text);
        else if (strcmp(key, "want") == 0)
            read_array(g->out, &g->n_out, text, false, read_values);
        else if (strcmp(key, "end") == 0)
            return true;
        else if (*key && *key != '#')
            die("unknown key");
    }
    return false;
}

static void free_case(struct golden *g)
{
    for (int i = 0; i < g->n_in; i++)
        free(g->in[i].values);
    for (int i = 0; i < g->n_out; i++)
        free(g->out[i].values);
    for (int i = 0; i < g->n_part; i++)
        free(g->part[i].values);
}

static int32_t type_of(const char *kind, int32_t dtype)
{
    static const struct {
        const char *kind;
        int32_t dtype;
    } types[] = {{"i32", ATTN_DTYPE_I32}, {"i64", ATTN_DTYPE_I64}, {"u8", ATTN_DTYPE_U8},
                 {"bool", ATTN_DTYPE_BOOL}, {"f32", ATTN_DTYPE_F32}};
    if (strcmp(kind, "q") == 0 || strcmp(kind, "kv") == 0)
        return dtype;
    if (strcmp(kind, "row") == 0)
        return dtype == ATTN_DTYPE_F64 ? dtype : ATTN_DTYPE_F32;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(kind, types[i].kind) == 0)
            return types[i].dtype;
    die("unknown type");
    return 0;
}

static void store(attn_tensor *t, int64_t i, double x)
{
    switch (t->dtype) {
    case ATTN_DTYPE_I32: ((int32_t *)t->data)[i] = (int32_t)x; break;
    case ATTN_DTYPE_I64: ((int64_t *)t->data)[i] = (int64_t)x; break;
    case ATTN_DTYPE_U8:
    case ATTN_DTYPE_BOOL: ((uint8_t *)t->data)[i] = (uint8_t)x; break;
    default: attn__store_f64(t->data, i, t->dtype, x);
    }
}

static double load(const attn_tensor *t, int64_t i)
{
    return t->dtype == ATTN_DTYPE_I32 || t->dtype == ATTN_DTYPE_I64
               ? (double)attn__load_i64(t->data, i, t->dtype)
               : attn__load_f64(t->data, i, t->dtype);
}

static void allocate(attn_tensor *t, const attn_tensor *like)
{
    int64_t n = 1;
    for (int32_t i = 0; i < like->rank; i++)
        n *= like->shape[i];
    void *memory = calloc((size_t)n + 1, attn_dtype_size(like->dtype));
    if (!memory || attn_tensor_init(t, memory, like->dtype, like->rank, like->shape) != ATTN_OK)
        die("no memory");
}

/* Relative RMS, largest error and correlation of one result. */
static void compare(const struct array *a, const attn_tensor *t, double logit, const char *text)
{
    double error = 0, size = 0, got2 = 0, product = 0, most = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < a->n; i++) {
        double want = a->values[i], got = load(t, i);
        bool same = isnan(want) || isnan(got) ? isnan(want) && isnan(got)
                    : isinf(want) || isinf(got) ? want == got
                                                : true;
        if (!same) {
            printf("FAIL %s: %s[%" PRId64 "] is %g, expected %g\n", text, attn_role_name(a->role),
                   i, got, want);
            failures++;
            return;
        }
        if (!isfinite(want))
            continue;
        n++;
        error += (got - want) * (got - want);
        size += want * want;
        got2 += got * got;
        product += got * want;
        most = fmax(most, fabs(got - want));
    }
    double eps = t->dtype == ATTN_DTYPE_F64 ? 1e-10 : 0x1p-23; /* ten digits are stored */
    double rounding = t->dtype == ATTN_DTYPE_F16    ? 0x1p-11
                      : t->dtype == ATTN_DTYPE_BF16 ? 0x1p-8
                                                    : 0;
    double bound = 8 * eps * (1 + logit / 4) + rounding;
    /* Per-row numbers such as lse may be near 0 by chance: then against 1. */
    double scale = sqrt(size / (double)(n > 0 ? n : 1));
    if (attn_role_is_output(a->role) && a->rank < 4 && scale < 1)
        scale = 1;
    double rms = n > 0 && error > 0 ? sqrt(error / (double)n) / scale : 0;
    double cosine = size > 0 && got2 > 0 ? 1 - product / sqrt(size * got2) : 0;
    bool ok = rms <= bound && most <= 64 * bound * scale &&
              (n < 256 || cosine <= bound * bound + 1e-13);
    if (!ok) {
        printf("FAIL %s: %s: relative RMS %.3g, bound %.3g; largest error %.3g; 1-cosine %.3g\n",
               text, attn_role_name(a->role), rms, bound, most, cosine);
        failures++;
    }
    if (rms / bound > worst) {
        worst = rms / bound;
        snprintf(worst_text, sizeof worst_text, "%s: %s", text, attn_role_name(a->role));
    }
}

/* Are all inputs numbers of this type? */
static bool has_all(const struct golden *g, int32_t dtype)
{
    char room[8];
    for (int i = 0; i < g->n_in; i++) {
        int32_t type = type_of(g->in[i].kind, dtype);
        for (int64_t e = 0; e < g->in[i].n && type == dtype; e++) {
            attn__store_f64(room, 0, type, g->in[i].values[e]);
            if (attn__load_f64(room, 0, type) != g->in[i].values[e])
                return false;
        }
    }
    return true;
}

static int32_t part_type(int32_t part)
{
    return part == ATTN_SELECTION_PART_LOGIT     ? ATTN_DTYPE_F64
           : part == ATTN_SELECTION_PART_REPLACE ? ATTN_DTYPE_U8
                                                 : ATTN_DTYPE_I64;
}

/* The selection of a case; NULL without. */
static attn_selection *select_keys(attn_ctx *ctx, const struct golden *g)
{
    attn_tensor t[MAX_PARTS];
    attn_arg args[MAX_PARTS];
    attn_selection *sel = NULL;
    int64_t x[MAX_NUMBERS];
    int32_t status = ATTN_OK;
    if (!g->layout[0])
        return NULL;
    for (int i = 0; i < MAX_NUMBERS; i++)
        x[i] = (int64_t)g->number[i];
    for (int i = 0; i < g->n_part; i++) {
        const struct array *a = &g->part[i];
        allocate(&t[i], &(attn_tensor){.dtype = part_type(a->role), .rank = 1, .shape = {a->n}});
        for (int64_t e = 0; e < a->n; e++)
            store(&t[i], e, a->values[e]);
        args[i] = (attn_arg){a->role, 0, &t[i]};
    }
    if (strcmp(g->layout, "rows") == 0)
        status = attn_selection_import_rows(ctx, x[0], x[1], x[2], x[3], x[4], x[5], 0, args,
                                            (size_t)g->n_part, &sel);
    else
        status = attn_selection_import_groups(ctx, x[0], x[1], x[2], x[3], (int32_t)x[4],
                                              g->number[5], args, (size_t)g->n_part, &sel);
    for (int i = 0; i < g->n_part; i++)
        free(t[i].data);
    if (status != ATTN_OK)
        die("a selection was refused");
    return sel;
}

/* One case, planned and run once; false if the solver cannot serve it. */
static bool run(attn_ctx *ctx, const struct golden *g, int32_t dtype, const char *solver,
                const char *label)
{
    attn_tensor in[MAX_ARRAYS], out[MAX_ARRAYS];
    attn_arg args[2 * MAX_ARRAYS];
    size_t n = 0;
    attn_desc *desc;
    attn_plan *plan;
    char text[1300], why[512];
    snprintf(text, sizeof text, "%s dtype=%s%s%s", g->problem, attn_dtype_name(dtype),
             solver ? " solver=" : "", solver ? solver : "");
    int32_t status = attn_desc_parse(ctx, text, &desc);
    if (status == ATTN_OK) {
        status = attn_plan_create(ctx, desc, &plan);
        attn_desc_destroy(desc);
    }
    bool may_refuse = solver || (dtype == ATTN_DTYPE_F64 && status == ATTN_ERR_UNSUPPORTED);
    if (status != ATTN_OK && may_refuse)
        return false;
    if (status != ATTN_OK) {
        attn_last_error(why, sizeof why);
        printf("FAIL %s: %s\n", text, why);
        failures++;
        return false;
    }
    for (int i = 0; i < g->n_in; i++) {
        const struct array *a = &g->in[i];
        attn_tensor like = {.dtype = type_of(a->kind, dtype), .rank = a->rank};
        memcpy(like.shape, a->shape, sizeof like.shape);
        allocate(&in[i], &like);
        for (int64_t e = 0; e < a->n; e++)
            store(&in[i], e, a->values[e]);
        args[n++] = (attn_arg){a->role, 0, &in[i]};
    }
    attn_selection *sel = select_keys(ctx, g);
    if (sel)
        args[n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
    size_t n_in = n;
    int made = 0;
    for (; made < g->n_out && status == ATTN_OK; made++) {
        attn_tensor like;
        status = attn_plan_shape(plan, args, n_in, g->out[made].role, &like);
        if (status != ATTN_OK)
            break;
        int64_t elements = 1;
        for (int32_t i = 0; i < like.rank; i++)
            elements *= like.shape[i];
        if (elements != g->out[made].n)
            die("the file's shape of a result is not the library's");
        allocate(&out[made], &like);
        args[n++] = (attn_arg){g->out[made].role, 0, &out[made]};
    }
    if (status == ATTN_OK)
        status = attn_plan_execute(plan, args, n, NULL, 0);
    snprintf(text + strlen(text), sizeof text - strlen(text), " (%s)", label);
    runs++;
    if (status != ATTN_OK) {
        attn_last_error(why, sizeof why);
        printf("FAIL %s: %s\n", text, why);
        failures++;
    }
    for (int i = 0; i < made; i++) {
        if (status == ATTN_OK)
            compare(&g->out[i], &out[i], g->logit, text);
        free(out[i].data);
    }
    for (int i = 0; i < g->n_in; i++)
        free(in[i].data);
    attn_selection_destroy(sel);
    attn_plan_destroy(plan);
    return true;
}

static void run_case(const struct golden *g, int32_t isa, int64_t threads)
{
    static const int32_t types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F16, ATTN_DTYPE_F64,
                                    ATTN_DTYPE_BF16};
    const size_t n_types = sizeof types / sizeof types[0] - !(bf16 && has_all(g, ATTN_DTYPE_BF16));
    attn_ctx *ctx;
    char label[64];
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK ||
        attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, isa) != ATTN_OK ||
        attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads) != ATTN_OK)
        die("no context");
    snprintf(label, sizeof label, "%s, %" PRId64 " threads", attn_isa_name(isa), threads);
    kept += n_types == sizeof types / sizeof types[0];
    for (size_t t = 0; t < n_types; t++) {
        const char *solver;
        run(ctx, g, types[t], NULL, label);
        for (size_t s = 0; threads == 1 && (solver = attn_solver_at(s)) != NULL; s++)
            run(ctx, g, types[t], solver, label);
    }
    attn_ctx_destroy(ctx);
}

int main(int argc, char **argv)
{
    for (int a = 1; a < argc; a++) {
        struct golden g;
        if (strcmp(argv[a], "--bf16") == 0) {
            bf16 = true;
            continue;
        }
        FILE *f = fopen(argv[a], "r");
        file_name = argv[a];
        line_number = 0;
        if (!f)
            die("cannot be read");
        while (read_case(f, &g)) {
            int32_t isa, last = ATTN_ISA_C;
            for (size_t i = 0; (isa = attn_isa_at(i)) >= 0; i++)
                if (attn_isa_usable(isa)) {
                    run_case(&g, isa, 1);
                    last = isa;
                }
            run_case(&g, last, 3);
            free_case(&g);
        }
        fclose(f);
    }
    if (bf16)
        printf("%ld times in bf16\n", kept);
    printf("%ld runs, %ld failures; worst at %.2f of its bound: %s\n", runs, failures, worst,
           worst_text);
    return failures > 0 || runs == 0;
}
