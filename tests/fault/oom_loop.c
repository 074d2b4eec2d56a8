/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out, in the manner of SQLite's tests: a story of calls is
 * told again and again, first with the first allocation failing, then with the
 * second, until one telling needs no more than it gets. Once with that one
 * failure, once with memory gone for good from there on.
 *
 * A call that fails must say ATTN_ERR_NOMEM, make nothing, and change nothing:
 * with memory back, the same call on the same objects must work, and at the
 * end every byte must have been given back.
 */
#include "fault.h"

#include <stdio.h>
#include <string.h>

static const int64_t old_heads[FAULT_HQ] = {0, 0, 0, 0};
static const int64_t new_heads[FAULT_HQ] = {0, 0, 1, 1};
static const double old_slopes[FAULT_HQ] = {1, 1, 1, 1};
static const double new_slopes[FAULT_HQ] = {0.5, 0.25, 0.125, 0.0625};

struct story {
    struct fault_mem mem;
    char problem[128];
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    attn_state *state, *segment;
    float out[FAULT_OUT];
};

/* One call of a story. `made` tells whether its result is there. */
struct step {
    const char *name;
    int32_t (*call)(struct story *s);
    bool (*made)(const struct story *s);
};

static int32_t ctx_create(struct story *s)
{
    const attn_allocator hook = fault_mem_hook(&s->mem);
    s->ctx = (attn_ctx *)s; /* must become NULL on failure */
    int32_t status = attn_ctx_create(&hook, &s->ctx);
    return status == ATTN_OK ? attn_ctx_set_i64(s->ctx, ATTN_CTX_THREADS, 2) : status;
}

static bool ctx_made(const struct story *s)
{
    return s->ctx != NULL;
}

static int32_t desc_create(struct story *s)
{
    s->desc = (attn_desc *)s;
    return attn_desc_create(s->ctx, ATTN_MECH_SOFTMAX, &s->desc);
}

static int32_t desc_parse(struct story *s)
{
    s->desc = (attn_desc *)s;
    return attn_desc_parse(s->ctx, s->problem, &s->desc);
}

static bool desc_made(const struct story *s)
{
    return s->desc != NULL;
}

static int32_t set_old(struct story *s)
{
    int32_t status = attn_desc_set_i64s(s->desc, ATTN_PARAM_Q_HEAD, old_heads, FAULT_HQ);
    if (status == ATTN_OK)
        status = attn_desc_set_i64s(s->desc, ATTN_PARAM_KV_HEAD, old_heads, FAULT_HQ);
    if (status == ATTN_OK)
        status = attn_desc_set_f64s(s->desc, ATTN_PARAM_ALIBI_SLOPES, old_slopes, FAULT_HQ);
    if (status == ATTN_OK)
        status = attn_desc_set_text(s->desc, ATTN_PARAM_SOLVER, "old");
    return status;
}

/* 1: list `param` holds the new heads, 0: the old ones, -1: anything else. */
static int heads_now(const struct story *s, int32_t param)
{
    int64_t heads[FAULT_HQ];
    size_t n = 0;
    if (attn_desc_get_i64s(s->desc, param, heads, FAULT_HQ, &n) != ATTN_OK || n != FAULT_HQ)
        return -1;
    if (memcmp(heads, new_heads, sizeof heads) == 0)
        return 1;
    return memcmp(heads, old_heads, sizeof heads) == 0 ? 0 : -1;
}

static int32_t set_q_head(struct story *s)
{
    return attn_desc_set_i64s(s->desc, ATTN_PARAM_Q_HEAD, new_heads, FAULT_HQ);
}

static bool q_head_set(const struct story *s)
{
    return heads_now(s, ATTN_PARAM_Q_HEAD) != 0;
}

/* One call that sets two lists: neither may change if one cannot. */
static int32_t set_kv_head(struct story *s)
{
    return attn_desc_set_i64s(s->desc, ATTN_PARAM_KV_HEAD, new_heads, FAULT_HQ);
}

static bool kv_head_set(const struct story *s)
{
    return heads_now(s, ATTN_PARAM_K_HEAD) != 0 || heads_now(s, ATTN_PARAM_V_HEAD) != 0;
}

static int32_t set_slopes(struct story *s)
{
    return attn_desc_set_f64s(s->desc, ATTN_PARAM_ALIBI_SLOPES, new_slopes, FAULT_HQ);
}

static bool slopes_set(const struct story *s)
{
    double slopes[FAULT_HQ];
    size_t n = 0;
    int32_t status =
        attn_desc_get_f64s(s->desc, ATTN_PARAM_ALIBI_SLOPES, slopes, FAULT_HQ, &n);
    return status != ATTN_OK || n != FAULT_HQ || memcmp(slopes, old_slopes, sizeof slopes) != 0;
}

static int32_t set_solver(struct story *s)
{
    return attn_desc_set_text(s->desc, ATTN_PARAM_SOLVER, "new");
}

static bool solver_set(const struct story *s)
{
    char text[64];
    int32_t status = attn_desc_get_text(s->desc, ATTN_PARAM_SOLVER, text, sizeof text, NULL);
    return status != ATTN_OK || strcmp(text, "old") != 0;
}

static int32_t plan_create(struct story *s)
{
    s->plan = (attn_plan *)s;
    return attn_plan_create(s->ctx, s->desc, &s->plan);
}

static bool plan_made(const struct story *s)
{
    return s->plan != NULL;
}

static int32_t state_create(struct story *s)
{
    s->state = (attn_state *)s;
    return attn_state_create(s->ctx, s->plan, 2, &s->state);
}

static bool state_made(const struct story *s)
{
    return s->state != NULL;
}

static int32_t segment_create(struct story *s)
{
    s->segment = (attn_state *)s;
    return attn_segment_create(s->ctx, s->plan, 2, &s->segment);
}

static bool segment_made(const struct story *s)
{
    return s->segment != NULL;
}

static int32_t segment_compose(struct story *s)
{
    return attn_segment_compose(s->segment, 0, s->segment, 0, s->segment, 1);
}

static int32_t segment_apply(struct story *s)
{
    return attn_segment_apply(s->segment, 0, s->state, 1);
}

static int32_t one_shot(struct story *s)
{
    return attn_softmax_f32(s->ctx, FAULT_B, FAULT_HQ, FAULT_HK, FAULT_Q, FAULT_K, FAULT_D, 1,
                            fault_q, fault_k, fault_v, s->out);
}

static int32_t execute(struct story *s)
{
    return fault_execute(s->plan, s->out);
}

static bool out_written(const struct story *s)
{
    for (int i = 0; i < FAULT_OUT; i++)
        if (s->out[i] != 0)
            return true;
    return false;
}

/* Wisdom that another context has measured; empty if that failed. */
static char learnt[4096];

static void learn(const char *problem)
{
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    int32_t status = attn_ctx_create(NULL, &ctx);
    if (status == ATTN_OK)
        status = attn_desc_parse(ctx, problem, &desc);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    if (status == ATTN_OK)
        status = attn_wisdom_export(ctx, learnt, sizeof learnt, NULL);
    if (status != ATTN_OK || !strchr(learnt, '|'))
        fault_report(problem, "nothing was learnt: status is %s", attn_status_name(status));
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}

static int32_t wisdom_import(struct story *s)
{
    return attn_wisdom_import(s->ctx, learnt, NULL, NULL);
}

/* There is one line or none. */
static bool wisdom_there(const struct story *s)
{
    size_t needed = 0;
    attn_wisdom_export(s->ctx, NULL, 0, &needed);
    return needed == strlen(learnt) + 1;
}

static const struct step measuring[] = {
    {"attn_ctx_create", ctx_create, ctx_made},
    {"attn_desc_parse", desc_parse, desc_made},
    {"attn_plan_create", plan_create, plan_made},
    {0},
};
static const struct step importing[] = {
    {"attn_ctx_create", ctx_create, ctx_made},
    {"attn_wisdom_import", wisdom_import, wisdom_there},
    {"attn_desc_parse", desc_parse, desc_made},
    {"attn_plan_create", plan_create, plan_made},
    {"attn_wisdom_import", wisdom_import, NULL},
    {0},
};
static const struct step setters[] = {
    {"attn_ctx_create", ctx_create, ctx_made},
    {"attn_desc_create", desc_create, desc_made},
    {"first values", set_old, NULL},
    {"q_head", set_q_head, q_head_set},
    {"kv_head", set_kv_head, kv_head_set},
    {"alibi_slopes", set_slopes, slopes_set},
    {"solver", set_solver, solver_set},
    {0},
};
static const struct step planning[] = {
    {"attn_ctx_create", ctx_create, ctx_made},
    {"attn_desc_parse", desc_parse, desc_made},
    {"attn_plan_create", plan_create, plan_made},
    {"attn_plan_execute", execute, out_written},
    {0},
};
static const struct step recurring[] = {
    {"attn_ctx_create", ctx_create, ctx_made},
    {"attn_desc_parse", desc_parse, desc_made},
    {"attn_plan_create", plan_create, plan_made},
    {"attn_state_create", state_create, state_made},
    {"attn_segment_create", segment_create, segment_made},
    {"attn_segment_compose", segment_compose, NULL},
    {"attn_segment_apply", segment_apply, NULL},
    {0},
};
static const struct step one_call[] = {
    {"attn_ctx_create", ctx_create, ctx_made},
    {"attn_softmax_f32", one_shot, out_written},
    {0},
};

/* Tells a story; *want has the output after the first telling. False when the
 * failure was never reached, or when there is nothing more to learn. */
static bool tell(const char *title, const char *problem, const struct step *steps,
                 int64_t fail_at, bool for_good, float want[FAULT_OUT])
{
    struct story s = {.mem = {.fail_at = fail_at, .for_good = for_good}};
    char test[192];
    bool whole = true;
    snprintf(s.problem, sizeof s.problem, "%s", problem);

    for (const struct step *step = steps; step->name && whole; step++) {
        snprintf(test, sizeof test, "%s: allocation %lld fails %s: %s", title, (long long)fail_at,
                 for_good ? "for good" : "once", step->name);
        int64_t hits = s.mem.hits, live = s.mem.live, bytes = s.mem.bytes;
        int32_t status = step->call(&s);
        if (s.mem.hits > hits) {
            if (status != ATTN_ERR_NOMEM)
                fault_report(test, "status is %s, expected ATTN_ERR_NOMEM",
                             attn_status_name(status));
            if (step->made && step->made(&s))
                fault_report(test, "something was made or changed all the same");
            /* Workers once started stay with the context, and so does what
             * the first of several values took. */
            bool may_keep = step->call == plan_create || step->call == one_shot || !step->made;
            if ((s.mem.live != live || s.mem.bytes != bytes) && !may_keep)
                fault_report(test, "%lld blocks of %lld bytes were not given back",
                             (long long)(s.mem.live - live), (long long)(s.mem.bytes - bytes));
            if (for_good && step->call(&s) != ATTN_ERR_NOMEM)
                fault_report(test, "the call did not fail a second time");
            s.mem.fail_at = 0;
            status = step->call(&s);
        }
        if (status != ATTN_OK) {
            fault_report(test, "status is %s although there is memory", attn_status_name(status));
            whole = false;
        } else if (step->made && !step->made(&s)) {
            fault_report(test, "nothing was made although there is memory");
        }
    }
    if (whole && fail_at == 0)
        memcpy(want, s.out, sizeof s.out);
    else if (whole && memcmp(want, s.out, sizeof s.out) != 0)
        fault_report(title, "allocation %lld: the output has other bits", (long long)fail_at);

    /* The context first: it must live until the last object is gone. */
    attn_ctx_destroy(s.ctx);
    attn_plan_destroy(s.plan);
    attn_desc_destroy(s.desc);
    attn_state_destroy(s.state);
    attn_state_destroy(s.segment);
    if (s.mem.live != 0 || s.mem.bytes != 0 || s.mem.wrong != 0)
        fault_report(title, "allocation %lld: %lld blocks of %lld bytes leaked, %lld wrong frees",
                     (long long)fail_at, (long long)s.mem.live, (long long)s.mem.bytes,
                     (long long)s.mem.wrong);
    return fail_at == 0 ? whole : whole && s.mem.hits > 0;
}

static void loop(const char *title, const char *problem, const struct step *steps)
{
    float want[FAULT_OUT];
    long long most = 0;
    int before = fault_reports();
    if (!tell(title, problem, steps, 0, false, want))
        return;
    for (int for_good = 0; for_good < 2; for_good++)
        for (int64_t n = 1; tell(title, problem, steps, n, for_good, want); n++)
            most = n;
    printf("%s: %s, %lld allocations\n", fault_reports() > before ? "FAIL" : "ok", title, most);
    if (most == 0)
        fault_report(title, "nothing was allocated through the hook");
}

/* Whether this build can serve the problem at all. */
static bool served(const char *problem)
{
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    int32_t status = attn_ctx_create(NULL, &ctx);
    if (status == ATTN_OK)
        status = attn_desc_parse(ctx, problem, &desc);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    if (status != ATTN_OK && status != ATTN_ERR_UNSUPPORTED)
        fault_report(problem, "status is %s", attn_status_name(status));
    return status == ATTN_OK;
}

int main(void)
{
    static const char lists[] = FAULT_PROBLEM " q_head=[3,2,1,0] k_head=[0,1,0,1] "
                                              "v_head=[1,1,0,0] alibi alibi_slopes=[1,2,3,4]";
    const char *solver;
    fault_fill();
    loop("setters", "", setters);
    loop("one shot", "", one_call);
    loop("lists", lists, planning);
    loop("states", "deltanet h=2 q=8 d=8 l2norm", recurring);
    /* One row: one class of lengths, so that little is measured. */
    static const char measured[] = "softmax h=2 q=1 k=20 d=8 blas=never effort=measure";
    learn(measured);
    loop("measuring", measured, measuring);
    loop("importing", measured, importing);
    for (size_t n = 0; (solver = attn_solver_at(n)) != NULL; n++) {
        char problem[128], title[64];
        snprintf(problem, sizeof problem, FAULT_PROBLEM " executors=3 solver=%s", solver);
        snprintf(title, sizeof title, "solver %s", solver);
        if (served(problem))
            loop(title, problem, planning);
        else
            printf("not in this build: %s\n", title);
    }
    return fault_reports() != 0;
}
