/* SPDX-License-Identifier: MIT */
/*
 * Views that cannot be made or used, and plans that cannot read them
 * (mech/view_options, plan/bind_view); several sequences behind each other,
 * which are as one; memory that runs out.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <attn/attn.h>

#include "../unit/count_mem.h"
#include "../unit/unit.h"

enum { H = 2, D = 4, MOST = 64 };

#define CACHE "cache cache_layers=2 cache_pages=64 cache_page=8 h=2 d=4"
#define ALL "softmax b=4 h=4/2 q=16 k=inf d=4 packed view cache_page=8"
#define PLAN ALL " causal"

struct bench {
    attn_ctx *ctx;
    attn_cache *cache;
    attn_step *step;
    float k[H * MOST * D], v[H * MOST * D], q[2 * H * MOST * D], out[2 * H * MOST * D];
    int64_t offset[8], layer;
};

static void ok(int32_t status)
{
    char text[512];
    attn_last_error(text, sizeof text);
    ck_assert_msg(status == ATTN_OK, "%s", text);
}

static void is(int32_t status, int32_t want, const char *says)
{
    char text[512];
    attn_last_error(text, sizeof text);
    ck_assert_msg(status == want && strstr(text, says), "%s: %s", attn_status_name(status), text);
}

static struct bench *begin(const char *text, const attn_allocator *mem)
{
    static struct bench b;
    attn_desc *desc;
    memset(&b, 0, sizeof b);
    ok(attn_ctx_create(mem, &b.ctx));
    ok(attn_desc_parse(b.ctx, text, &desc));
    ok(attn_cache_create(b.ctx, desc, &b.cache));
    attn_desc_destroy(desc);
    for (int i = 0; i < 2 * H * MOST * D; i++)
        b.q[i] = sinf((float)i);
    return &b;
}

static void end(struct bench *b)
{
    attn_step_destroy(b->step);
    attn_cache_destroy(b->cache);
    attn_ctx_destroy(b->ctx);
}

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, int64_t s0, int64_t s1,
                         int64_t s2, int64_t s3)
{
    attn_tensor t = {.data = data, .dtype = dtype, .rank = rank, .shape = {s0, s1, s2, s3}};
    int64_t stride = 1;
    for (int32_t n = rank - 1; n >= 0; stride *= t.shape[n--])
        t.stride[n] = stride;
    return t;
}

/* Layers `first` to 1 of the open step, of n tokens. */
static void write_from(struct bench *b, int64_t first, int64_t n)
{
    for (int64_t layer = first; layer < 2; layer++) {
        for (int64_t i = 0; i < H * n * D; i++) {
            b->k[i] = cosf((float)(i * 7 + layer + n));
            b->v[i] = sinf((float)(i * 5 + layer + n));
        }
        attn_tensor k = dense(b->k, ATTN_DTYPE_F32, 4, 1, H, n, D);
        attn_tensor v = dense(b->v, ATTN_DTYPE_F32, 4, 1, H, n, D);
        ok(attn_step_write(b->step, layer, &k, &v));
    }
}

static void open_step(struct bench *b, int64_t seq, int64_t n)
{
    ok(attn_step_begin(b->cache, 1, &seq, &n, NULL, &b->step));
}

static void commit(struct bench *b)
{
    ok(attn_step_commit(b->step, NULL, NULL));
    attn_step_destroy(b->step);
    b->step = NULL;
}

static int64_t sequence(struct bench *b, int64_t n)
{
    int64_t seq;
    ok(attn_cache_seq_create(b->cache, &seq));
    if (n == 0)
        return seq;
    open_step(b, seq, n);
    write_from(b, 0, n);
    commit(b);
    return seq;
}

static attn_plan *plan_of(struct bench *b, const char *text)
{
    attn_desc *desc;
    attn_plan *plan;
    ok(attn_desc_parse(b->ctx, text, &desc));
    ok(attn_plan_create(b->ctx, desc, &plan));
    attn_desc_destroy(desc);
    return plan;
}

/* n sequences of `rows` rows each. */
static int32_t run(struct bench *b, attn_plan *plan, const void *view, int64_t n, int64_t rows)
{
    attn_tensor q = dense(b->q, ATTN_DTYPE_F32, 4, 1, 2 * H, n * rows, D);
    attn_tensor out = dense(b->out, ATTN_DTYPE_F32, 4, 1, 2 * H, n * rows, D);
    attn_tensor off = dense(b->offset, ATTN_DTYPE_I64, 1, n + 1, 0, 0, 0);
    attn_tensor layer = dense(&b->layer, ATTN_DTYPE_I64, 1, 1, 0, 0, 0);
    for (int64_t i = 0; i <= n; i++)
        b->offset[i] = i * rows;
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},
                             {ATTN_ROLE_OUT, 0, &out},
                             {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, view},
                             {ATTN_ROLE_LAYER, 0, &layer}};
    return attn_plan_execute(plan, args, 5, NULL, 0);
}

static void refuses(struct bench *b, const char *text, int32_t want, const char *says)
{
    attn_desc *desc;
    attn_plan *plan;
    ok(attn_desc_parse(b->ctx, text, &desc));
    is(attn_plan_create(b->ctx, desc, &plan), want, says);
    attn_desc_destroy(desc);
}

START_TEST(descriptors)
{
    struct bench *b = begin(CACHE, NULL);
    refuses(b, PLAN " segments", ATTN_ERR_UNSUPPORTED, "segments");
    refuses(b, PLAN " prefix=3", ATTN_ERR_UNSUPPORTED, "prefix");
    refuses(b, PLAN " must=tree[8]", ATTN_ERR_UNSUPPORTED, "band, stride and prefix");
    refuses(b, PLAN " any=prefix[]", ATTN_ERR_UNSUPPORTED, "its length");
    refuses(b, ALL " window=3,0", ATTN_ERR_UNSUPPORTED, "without causal");
    refuses(b, PLAN " qk_norm=rms", ATTN_ERR_UNSUPPORTED, "cache_keys=raw");
    refuses(b, PLAN " normalizer=sigmoid observe", ATTN_ERR_UNSUPPORTED, "observe");
    refuses(b, PLAN " normalizer=exp_n observe", ATTN_ERR_UNSUPPORTED, "observe");
    refuses(b, PLAN " want=probs", ATTN_ERR_UNSUPPORTED, "want");
    refuses(b, PLAN " effort=measure", ATTN_ERR_UNSUPPORTED, "effort");
    refuses(b, PLAN " head_gate observe", ATTN_ERR_UNSUPPORTED, "head_gate");
    refuses(b, PLAN " compute=int8", ATTN_ERR_UNSUPPORTED, "f32 keys of head 0");
    refuses(b, "softmax h=4/2 q=1 k=8 d=32 compute=int8", ATTN_ERR_UNSUPPORTED, "view");
    refuses(b, "softmax h=4/2 q=1 k=8 d=32 view cache_page=8 compute=int8 cache_group=[0,1] "
               "cache_k_dtype=[32,1]", ATTN_ERR_UNSUPPORTED, "head 1");
    refuses(b, PLAN " cache_group=[0]", ATTN_ERR_INVALID, "cache_group");
    refuses(b, PLAN " cache_k_dtype=[1,1]", ATTN_ERR_INVALID, "cache_k_dtype");
    refuses(b, PLAN " cache_v_dtype=[6]", ATTN_ERR_UNSUPPORTED, "i64");
    refuses(b, PLAN " cache_pages=6", ATTN_ERR_INVALID, "cache_pages");
    refuses(b, PLAN " rope=half rope_apply=qk", ATTN_ERR_INVALID, "rope_apply");
    refuses(b, PLAN " rope=half rope_apply=q cache_keys=raw", ATTN_ERR_INVALID, "rope_apply");
    refuses(b, PLAN " k_head=[0,0,1,1] v_head=[0,1,1,1]", ATTN_ERR_UNSUPPORTED, "v_head");
    refuses(b, "quest b=4 h=4/2 q=16 k=64 d=4 packed view cache_page=8 quest_budget=2",
            ATTN_ERR_UNSUPPORTED, "packed");
    refuses(b, "moba b=4 h=4/2 q=16 k=64 d=4 view cache_page=8 moba_block=8 moba_top=2",
            ATTN_ERR_UNSUPPORTED, "lists or quest");
    refuses(b, "lists b=4 h=4/2 q=16 k=64 d=4 view cache_page=8", ATTN_ERR_UNSUPPORTED,
            "causal");
    refuses(b, PLAN " solver=gemm", ATTN_ERR_UNSUPPORTED, "view");
    refuses(b, "softmax h=4/2/4 q=1 k=8 d=4 view", ATTN_ERR_INVALID, "hv");
    refuses(b, "softmax h=4/2 q=1 k=8 d=4 cache_page=8", ATTN_ERR_INVALID, "cache_page");
    refuses(b, "sigmoid_attention h=4 q=1 k=8 d=4 view", ATTN_ERR_UNSUPPORTED, "view");
    end(b);
}
END_TEST

START_TEST(made)
{
    struct bench *b = begin(CACHE, NULL);
    attn_view *view;
    int64_t seqs[] = {sequence(b, 9), sequence(b, 3)}, bad[] = {seqs[0], 77};
    const int64_t counts[] = {2}, none[] = {0}, far[] = {10, -1}, low[] = {-2, 0};
    is(attn_view_create(NULL, 1, NULL, seqs, NULL, &view), ATTN_ERR_NULL, "cache");
    is(attn_view_create(b->cache, 1, NULL, NULL, NULL, &view), ATTN_ERR_NULL, "seqs");
    is(attn_view_create(b->cache, 1, NULL, seqs, NULL, NULL), ATTN_ERR_NULL, "view");
    is(attn_view_create(b->cache, 2, NULL, bad, NULL, &view), ATTN_ERR_BAD_ID, "77");
    is(attn_view_create(b->cache, 1, none, seqs, NULL, &view), ATTN_ERR_INVALID, "counts[0]");
    is(attn_view_create(b->cache, 2, NULL, seqs, far, &view), ATTN_ERR_INVALID, "10");
    is(attn_view_create(b->cache, 2, NULL, seqs, low, &view), ATTN_ERR_INVALID, "-2");
    open_step(b, seqs[0], 1);
    is(attn_view_create(b->cache, 1, counts, seqs, NULL, &view), ATTN_ERR_BUSY, "open step");
    end(b);
    b = begin(CACHE " cache_window=[5]", NULL);
    seqs[0] = sequence(b, 2);
    seqs[1] = seqs[0];
    is(attn_view_create(b->cache, 1, counts, seqs, NULL, &view), ATTN_ERR_UNSUPPORTED, "windows");
    end(b);
}
END_TEST

START_TEST(used)
{
    struct bench *b = begin(CACHE, NULL);
    attn_plan *plan = plan_of(b, PLAN), *all = plan_of(b, ALL);
    static const struct {
        const char *text, *says;
        int32_t status;
    } others[] = {
        {"softmax b=4 h=4/2 q=16 k=inf d=4 packed view causal", "cache_page", ATTN_ERR_SHAPE},
        {"softmax b=4 h=4 q=16 k=inf d=4 packed view causal cache_page=8", "has h", ATTN_ERR_SHAPE},
        {"softmax b=4 h=4/2 q=16 k=inf d=6 packed view causal cache_page=8", "has d",
         ATTN_ERR_SHAPE},
        {PLAN " kv_dtype=f16", "f16", ATTN_ERR_DTYPE},
        {PLAN " cache_keys=raw", "rotated", ATTN_ERR_INVALID},
        {PLAN " cache_group=[0,1]", "cache_group", ATTN_ERR_SHAPE},
        {"softmax b=4 h=4/2 q=16 k=8 d=4 packed view causal cache_page=8", "9 keys",
         ATTN_ERR_SHAPE},
    };
    int64_t seqs[] = {sequence(b, 9), sequence(b, 3)};
    attn_view *view;
    ok(attn_view_create(b->cache, 2, NULL, seqs, NULL, &view));
    ok(run(b, plan, view, 2, 3));
    ok(run(b, plan, view, 2, 0));
    is(run(b, plan, NULL, 2, 1), ATTN_ERR_NULL, "view");
    is(run(b, plan, b->cache, 2, 1), ATTN_ERR_INVALID, "view");
    is(run(b, plan, view, 3, 1), ATTN_ERR_SHAPE, "2 query sequences");
    is(run(b, plan, view, 2, 4), ATTN_ERR_SHAPE, "at most 3");
    b->layer = 2;
    is(run(b, plan, view, 2, 1), ATTN_ERR_RANGE, "layer");
    b->layer = 1;
    for (size_t n = 0; n < sizeof others / sizeof others[0]; n++) {
        attn_plan *other = plan_of(b, others[n].text);
        if (n != 2) /* of another width, whose tensors differ as well */
            is(run(b, other, view, 2, 1), others[n].status, others[n].says);
        attn_plan_destroy(other);
    }
    /* a step makes it old, and a new one sees the step once it is written */
    open_step(b, seqs[0], 2);
    is(run(b, plan, view, 2, 1), ATTN_ERR_STATE, "changed");
    attn_view_destroy(view);
    ok(attn_view_create(b->cache, 1, NULL, seqs, NULL, &view));
    is(run(b, plan, view, 1, 2), ATTN_ERR_STATE, "not written");
    write_from(b, 1, 2);
    ok(run(b, plan, view, 1, 2));
    is(run(b, plan, view, 1, 1), ATTN_ERR_SHAPE, "2 tokens");
    is(run(b, all, view, 1, 2), ATTN_ERR_UNSUPPORTED, "causal");
    b->layer = 0;
    is(run(b, plan, view, 1, 2), ATTN_ERR_STATE, "not written");
    attn_step_destroy(b->step);
    b->step = NULL;
    is(run(b, plan, view, 1, 1), ATTN_ERR_STATE, "changed");
    attn_view_destroy(view);
    /* freed: also when another one has its place */
    ok(attn_view_create(b->cache, 1, NULL, seqs, NULL, &view));
    ok(attn_cache_seq_free(b->cache, seqs[0]));
    is(run(b, plan, view, 1, 1), ATTN_ERR_STATE, "freed");
    seqs[0] = sequence(b, 9);
    is(run(b, plan, view, 1, 1), ATTN_ERR_STATE, "freed");
    attn_view_destroy(view);
    /* a fork leaves it as it is */
    int64_t fork;
    ok(attn_view_create(b->cache, 1, NULL, seqs, NULL, &view));
    ok(attn_cache_fork(b->cache, seqs[0], 4, 0, &fork));
    ok(run(b, plan, view, 1, 1));
    ok(attn_cache_truncate(b->cache, seqs[0], 4, 0));
    is(run(b, plan, view, 1, 1), ATTN_ERR_STATE, "changed");
    attn_cache *cache = b->cache;
    b->cache = NULL;
    attn_cache_destroy(cache);
    is(run(b, plan, view, 1, 1), ATTN_ERR_STATE, "destroyed");
    attn_view_destroy(view);
    attn_view_destroy(NULL);
    attn_plan_destroy(plan);
    attn_plan_destroy(all);
    end(b);
}
END_TEST

START_TEST(windows_and_trees)
{
    struct bench *b = begin(CACHE " cache_window=[4]", NULL);
    attn_plan *plan = plan_of(b, PLAN), *alibi = plan_of(b, PLAN " alibi");
    attn_plan *all = plan_of(b, ALL);
    int64_t seq = sequence(b, 6), two = 2;
    const int32_t parents[] = {-1, -1};
    attn_view *view;
    open_step(b, seq, 4);
    write_from(b, 0, 4);
    commit(b);
    ok(attn_view_create(b->cache, 1, NULL, &seq, NULL, &view));
    ok(run(b, plan, view, 1, 4));
    is(run(b, plan, view, 1, 7), ATTN_ERR_UNAVAILABLE, "dropped");
    is(run(b, all, view, 1, 1), ATTN_ERR_UNSUPPORTED, "window");
    attn_view_destroy(view);
    ok(attn_step_begin(b->cache, 1, &seq, &two, parents, &b->step));
    write_from(b, 0, 2);
    ok(attn_view_create(b->cache, 1, NULL, &seq, NULL, &view));
    ok(run(b, plan, view, 1, 2));
    is(run(b, alibi, view, 1, 2), ATTN_ERR_UNSUPPORTED, "branches");
    attn_view_destroy(view);
    attn_plan_destroy(plan);
    attn_plan_destroy(alibi);
    attn_plan_destroy(all);
    end(b);
}
END_TEST

/* A prefix and a sequence behind it, against one sequence with the rows of
 * both: in one batch, and by itself. */
START_TEST(several)
{
    struct bench *b = begin(CACHE " cache_keys=raw", NULL);
    attn_plan *plan =
        plan_of(b, PLAN " cache_keys=raw rope=half want=rowmax,argmax invariant=chunk");
    int64_t whole = sequence(b, 13), seqs[4], join[2];
    const int64_t counts[] = {2, 1}, ends[] = {11, -1, -1};
    float one[2 * H * 2 * D];
    attn_view *view;
    /* the same rows again: all of them, of which 11 are read, and the last two */
    ok(attn_cache_seq_create(b->cache, &join[0]));
    attn_tensor k = dense(b->k, ATTN_DTYPE_F32, 4, 1, H, 13, D);
    attn_tensor v = dense(b->v, ATTN_DTYPE_F32, 4, 1, H, 13, D);
    int64_t n13 = 13, n2 = 2;
    ok(attn_cache_seq_create(b->cache, &join[1]));
    for (int part = 0; part < 2; part++) {
        ok(attn_step_begin(b->cache, 1, &join[part], part ? &n2 : &n13, NULL, &b->step));
        for (int64_t layer = 0; layer < 2; layer++) {
            ok(attn_cache_read(b->cache, whole, layer, 0, &k, &v));
            attn_tensor pk = k, pv = v;
            pk.shape[2] = pv.shape[2] = part ? 2 : 13;
            if (part) {
                pk.data = b->k + 11 * D;
                pv.data = b->v + 11 * D;
            }
            ok(attn_step_write(b->step, layer, &pk, &pv));
        }
        commit(b);
    }
    seqs[0] = join[0];
    seqs[1] = join[1];
    seqs[2] = whole;
    ok(attn_view_create(b->cache, 2, counts, seqs, ends, &view));
    memcpy(b->q + 2 * D, b->q, 2 * D * sizeof *b->q);
    for (int h = 1; h < 2 * H; h++)
        memcpy(b->q + (h * 4 + 2) * D, b->q + h * 4 * D, 2 * D * sizeof *b->q);
    ok(run(b, plan, view, 2, 2));
    for (int h = 0; h < 2 * H; h++)
        ck_assert(memcmp(b->out + h * 4 * D, b->out + (h * 4 + 2) * D,
                         2 * D * sizeof *b->out) == 0);
    for (int h = 0; h < 2 * H; h++) {
        memcpy(one + h * 2 * D, b->out + h * 4 * D, 2 * D * sizeof *one);
        memmove(b->q + h * 2 * D, b->q + h * 4 * D, 2 * D * sizeof *b->q);
    }
    attn_view_destroy(view);
    ok(attn_view_create(b->cache, 1, NULL, &whole, NULL, &view));
    ok(run(b, plan, view, 1, 2));
    ck_assert(memcmp(b->out, one, sizeof one) == 0);
    attn_view_destroy(view);
    attn_plan_destroy(plan);
    end(b);
}
END_TEST

START_TEST(memory)
{
    struct count_mem c = {0};
    attn_allocator mem = count_mem_hook(&c);
    struct bench *b = begin(CACHE, &mem);
    int64_t seq = sequence(b, 5), calls = c.calls, blocks = c.blocks;
    attn_view *view = (attn_view *)(void *)b;
    c.fail_from = calls + 1;
    ck_assert_int_eq(attn_view_create(b->cache, 1, NULL, &seq, NULL, &view), ATTN_ERR_NOMEM);
    ck_assert(!view && c.blocks == blocks);
    c.fail_from = 0;
    ok(attn_view_create(b->cache, 1, NULL, &seq, NULL, &view));
    attn_plan *plan = plan_of(b, PLAN);
    calls = c.calls;
    ok(run(b, plan, view, 1, 1));
    ck_assert_int_eq(c.calls, calls);
    attn_plan_destroy(plan);
    end(b); /* the view keeps what it needs */
    attn_view_destroy(view);
    ck_assert_int_eq(c.blocks, 0);
}
END_TEST

UNIT_MAIN("view_errors", descriptors, made, used, windows_and_trees, several, memory)
