/* SPDX-License-Identifier: MIT */
/*
 * Random problems: every solver that accepts one must agree with the oracle,
 * and write nothing but its outputs. Needs no test framework.
 *
 *     test_random --seed S --count N [--first I] [--solver NAME] [--isa NAME]
 *                 [--threads N] [--verbose]
 *
 * Seed "fresh" takes one from the clock and prints it. Exit status: 0, 1 for
 * a failure, 2 for a wrong option, 77 where the machine lacks the ISA.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "problem_gen.h"
#include "rng.h"

enum { MAX_THREADS = 3, SKIPPED = 77, WS_FILL = 0xFF };

struct options {
    uint64_t seed;
    int64_t count, first;
    const char *solver;
    int32_t isa; /* -1: the best */
    int64_t threads;
    bool verbose;
};

struct tally {
    char name[64];
    int64_t runs;
    double worst; /* of rms / bound */
};

struct test {
    struct options opt;
    attn_ctx *ctx[MAX_THREADS + 1]; /* by threads; 0: the number asked for */
    struct tally tally[16];
    int64_t failed;
};

static const char *last_error(void)
{
    static char text[512];
    attn_last_error(text, sizeof text);
    return text;
}

static void report(struct test *t, int64_t index, struct gen_problem *p, const char *solver,
                   const struct compare_figures *f, const char *why)
{
    char views[4096];
    gen_describe(p, views, sizeof views);
    printf("FAILED %s%s\n  solver %s, --seed %" PRIu64 " --first %" PRId64 " --count 1\n", p->text,
           p->score_fn ? " score=user" : "", solver, t->opt.seed, index);
    if (f && f->role)
        printf("  %s: %s: relative RMS %.3g (bound %.3g), largest error %.3g, 1 - correlation "
               "%.3g\n",
               f->role, why, f->rms, f->bound, f->max, f->cosine);
    else
        printf("  %s\n", why);
    printf("%s\n", views);
    t->failed++;
}

static struct tally *tally_of(struct test *t, const char *name)
{
    struct tally *y = t->tally;
    while (y->name[0] && strcmp(y->name, name) != 0)
        y++;
    snprintf(y->name, sizeof y->name, "%s", name);
    return y;
}

/* Executes with a workspace of exactly the promised size, full of NaN. */
static int32_t execute_args(const attn_plan *plan, const attn_arg *args, size_t n)
{
    size_t bytes, align;
    void *ws = NULL;
    attn_plan_workspace(plan, &bytes, &align);
    if (posix_memalign(&ws, align, bytes > 0 ? bytes : 1) != 0)
        return ATTN_ERR_NOMEM;
    memset(ws, WS_FILL, bytes);
    int32_t status = attn_plan_execute(plan, args, n, ws, bytes);
    free(ws);
    return status;
}

static int32_t execute(attn_ctx *ctx, const attn_plan *plan, struct gen_problem *p)
{
    attn_arg args[GEN_ROLES];
    size_t n = gen_args(p, args);
    attn_selection *sel = NULL;
    if (p->options.lists) {
        sel = gen_selection(p, ctx);
        args[n++] = (attn_arg){.role = ATTN_ROLE_SELECTION, .object = sel};
    }
    int32_t status = p->own_workspace ? attn_plan_execute(plan, args, n, NULL, 0)
                                      : execute_args(plan, args, n);
    attn_selection_destroy(sel);
    return status;
}

/* solver NULL: the planner's choice */
static void run_solver(struct test *t, int64_t index, struct gen_problem *p,
                       const struct oracle_result *r, const char *solver)
{
    attn_ctx *ctx = t->ctx[t->opt.threads > 0 ? 0 : p->threads];
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    struct compare_figures f = {0};
    const char *name = solver ? solver : "(chosen)", *role;
    if (attn_desc_parse(ctx, p->text, &desc) != ATTN_OK) {
        report(t, index, p, name, NULL, last_error());
        return;
    }
    if (solver)
        attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver);
    attn_desc_set_score_fn(desc, p->score_fn);
    if (p->options.mask_fn)
        attn_desc_set_mask_fn(desc, gen_mask_fn);
    int32_t status = attn_plan_create(ctx, desc, &plan);
    attn_desc_destroy(desc);
    bool serves_all = solver && strcmp(solver, "reference") == 0 && !p->groups.q_ptr;
    if (status == ATTN_ERR_UNSUPPORTED && solver && !serves_all)
        return;
    gen_reset_outputs(p);
    if (status == ATTN_OK)
        status = execute(ctx, plan, p);
    attn_plan_destroy(plan);
    if (status != ATTN_OK) {
        report(t, index, p, name, NULL, last_error());
        return;
    }
    if ((role = gen_trespass(p)) != NULL) {
        char why[100];
        snprintf(why, sizeof why, "wrote memory around or of %s", role);
        report(t, index, p, name, NULL, why);
    }
    if (!compare_all(p, r, &f))
        report(t, index, p, name, &f, f.why);
    struct tally *y = tally_of(t, name);
    y->runs++;
    if (f.role && f.rms / f.bound > y->worst)
        y->worst = f.rms / f.bound;
    if (t->opt.verbose)
        printf("%" PRId64 " %s: %s: %s rms %.3g of %.3g\n", index, p->text, name,
               f.role ? f.role : "-", f.rms, f.bound);
}

static void run_problem(struct test *t, int64_t index)
{
    struct rng seeds = {t->opt.seed ^ (uint64_t)index * UINT64_C(0xD1342543DE82EF95)};
    struct gen_problem *p = malloc(sizeof *p);
    struct oracle_result r;
    const char *name;
    if (!p || !gen_make(p, rng_next(&seeds)))
        abort();
    if (!oracle_run(&p->options, &p->inputs, p->pair_q, p->pair_k, &r))
        abort();
    for (size_t n = 0; (name = attn_solver_at(n)) != NULL; n++)
        if (!t->opt.solver || strcmp(t->opt.solver, name) == 0)
            run_solver(t, index, p, &r, name);
    if (!t->opt.solver)
        run_solver(t, index, p, &r, NULL);
    oracle_free(&r);
    gen_free(p);
    free(p);
}

static bool read_options(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *key = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(key, "--verbose") == 0) {
            o->verbose = true;
            continue;
        }
        if (!value)
            return false;
        i++;
        if (strcmp(key, "--seed") == 0) {
            o->seed = strcmp(value, "fresh") == 0
                          ? (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid()
                          : strtoull(value, NULL, 10);
        } else if (strcmp(key, "--count") == 0) {
            o->count = strtoll(value, NULL, 10);
        } else if (strcmp(key, "--first") == 0) {
            o->first = strtoll(value, NULL, 10);
        } else if (strcmp(key, "--threads") == 0) {
            o->threads = strtoll(value, NULL, 10);
        } else if (strcmp(key, "--solver") == 0) {
            o->solver = value;
        } else if (strcmp(key, "--isa") == 0) {
            for (o->isa = 0; o->isa < 100; o->isa++)
                if (attn_isa_name(o->isa) && strcmp(attn_isa_name(o->isa), value) == 0)
                    break;
            if (o->isa == 100)
                return false;
        } else {
            return false;
        }
    }
    return true;
}

static attn_ctx *make_ctx(const struct options *o, int64_t threads)
{
    attn_ctx *ctx;
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK ||
        attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads) != ATTN_OK ||
        (o->isa >= 0 && attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, o->isa) != ATTN_OK)) {
        fprintf(stderr, "%s\n", last_error());
        exit(2);
    }
    return ctx;
}

int main(int argc, char **argv)
{
    static struct test t = {.opt = {.seed = 1, .count = 100, .isa = -1}};
    if (!read_options(&t.opt, argc, argv)) {
        fprintf(stderr, "usage: test_random [--seed S|fresh] [--count N] [--first I] "
                        "[--solver NAME] [--isa NAME] [--threads N] [--verbose]\n");
        return 2;
    }
    if (t.opt.isa >= 0 && !attn_isa_usable(t.opt.isa))
        return SKIPPED;
    printf("seed %" PRIu64 "\n", t.opt.seed);
    for (int64_t n = 0; n <= MAX_THREADS; n++)
        t.ctx[n] = make_ctx(&t.opt, n > 0 ? n : t.opt.threads > 0 ? t.opt.threads : 1);
    for (int64_t i = 0; i < t.opt.count && t.failed < 20; i++)
        run_problem(&t, t.opt.first + i);
    for (int64_t n = 0; n <= MAX_THREADS; n++)
        attn_ctx_destroy(t.ctx[n]);
    for (const struct tally *y = t.tally; y->name[0]; y++)
        printf("%s: %" PRId64 " runs, at worst %.0f %% of the bound\n", y->name, y->runs,
               100 * y->worst);
    return t.failed > 0;
}
