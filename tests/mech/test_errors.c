/* SPDX-License-Identifier: MIT */
/*
 * Every status that planning and executing can end in: which one, whether the
 * text names the culprit, and that nothing was written.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

/* ---- attn_plan_create ---- */

static const struct {
    const char *text;
    int32_t status;
    const char *word; /* in the message */
} plans[] = {
    {"softmax q=1 k=1 d=1", ATTN_ERR_UNSET, "h "},
    {"softmax h=1 k=1 d=1", ATTN_ERR_UNSET, "q "},
    {"softmax h=1 q=1 d=1", ATTN_ERR_UNSET, "k "},
    {"softmax h=1 q=1 k=1", ATTN_ERR_UNSET, "d "},
    {"softmax h=4/3 q=1 k=1 d=1", ATTN_ERR_INVALID, "k_head"},
    {"softmax h=4/2/3 q=1 k=1 d=1", ATTN_ERR_INVALID, "v_head"},
    {"softmax h=2 q=1 k=1 d=1 q_head=[0,2]", ATTN_ERR_INVALID, "q_head[1] is 2"},
    {"softmax h=2 q=1 k=1 d=1 q_head=[]", ATTN_ERR_INVALID, "q_head"},
    {"softmax h=4/2 q=1 k=1 d=1 k_head=[0,1]", ATTN_ERR_INVALID, "k_head has 2"},
    {"softmax h=4/2 q=1 k=1 d=1 v_head=[0,1,2,0]", ATTN_ERR_INVALID, "v_head[2] is 2"},
    {"softmax h=4/2 q=1 k=1 d=1 kv_head=[0,1,7,0]", ATTN_ERR_INVALID, "7"},
    {"softmax h=2 q=1 k=1 d=1 alibi_slopes=[1,2]", ATTN_ERR_INVALID, "alibi"},
    {"softmax h=2 q=1 k=1 d=1 alibi alibi_slopes=[1]", ATTN_ERR_INVALID, "alibi_slopes"},
    {"softmax h=1 q=1 k=1 d=1 dtype=f64 kv_dtype=f16", ATTN_ERR_INVALID, "kv_dtype=f16"},
    {"softmax h=1 q=1 k=1 d=1 kv_dtype=f64", ATTN_ERR_INVALID, "kv_dtype=f64"},
    {"softmax h=1 q=1 k=1 d=1 dtype=f64 compute=bf16", ATTN_ERR_INVALID, "compute=bf16"},
    {"softmax h=1 q=1 k=1 d=1 prefix=2 sink_tokens=3", ATTN_ERR_UNSUPPORTED, "sink_tokens=3"},
    {"softmax h=1 q=1 k=inf d=1 solver=gemm", ATTN_ERR_UNSUPPORTED, "gemm"},
    {"softmax h=1 q=1 k=1 d=1 invariant=chunk solver=gemm", ATTN_ERR_UNSUPPORTED,
     "invariant=chunk|no BLAS"},
    {"softmax h=1 q=1 k=1 d=1 blas=never solver=gemm", ATTN_ERR_UNSUPPORTED, "BLAS|blas"},
    {"softmax h=1 q=1 k=1 d=1 dtype=f64 solver=flash", ATTN_ERR_UNSUPPORTED, "f64"},
    {"softmax h=1 q=1 k=1 d=1 want=probs solver=decode", ATTN_ERR_UNSUPPORTED, "want"},
    {"softmax h=1 q=1 k=1 d=1 solver=flesh", ATTN_ERR_UNKNOWN_SOLVER, "'flash'"},
    {"softmax h=1 q=1 k=1 d=1 norm_power=2", ATTN_ERR_INVALID, "norm_power is set"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=relu norm_bias=2", ATTN_ERR_INVALID, "norm_bias is set"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=sigmoid norm_gamma=2", ATTN_ERR_INVALID, "norm_gamma"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=relu norm_count=given", ATTN_ERR_UNSET, "norm_n"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=relu norm_n=3", ATTN_ERR_INVALID, "norm_count"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=entmax norm_power=1", ATTN_ERR_INVALID, "more than 1"},
    {"softmax h=1 q=1 k=inf d=1 normalizer=entmax", ATTN_ERR_UNSUPPORTED, "k=inf"},
    {"softmax h=1 q=1 k=inf d=1 normalizer=sparsemax", ATTN_ERR_UNSUPPORTED, "sparsemax"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=relu sink_logits", ATTN_ERR_UNSUPPORTED, "sink_logits"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=exp_sum sink_logits", ATTN_ERR_UNSUPPORTED, "exp_sum"},
    {"softmax h=1 q=1 k=1 d=1 normalizer=exp_n want=entropy", ATTN_ERR_UNSUPPORTED, "entropy"},
    {"relu_attention h=1 q=1 k=1 d=1 normalizer=none", ATTN_ERR_INVALID, "relu_attention"},
    {"entmax15 h=1 q=1 k=1 d=1 norm_power=2", ATTN_ERR_INVALID, "norm_power"},
    {"sparsemax h=1 q=1 k=inf d=1", ATTN_ERR_UNSUPPORTED, "k=inf"},
    {"pattention h=1 q=1 k=1 d=1 normalizer=relu", ATTN_ERR_INVALID, "l2_gelu"},
    {"pattention h=1 q=1 k=1 d=1 causal", ATTN_ERR_INVALID, "causal"},
    {"lssa h=1 q=1 k=1 d=1 mask", ATTN_ERR_INVALID, "mask"},
    {"lssar h=1 q=1 k=1 d=1 window=3,0", ATTN_ERR_INVALID, "window_left"},
    {"softmax b=9223372036854775807 h=1 q=1 k=1 d=1", ATTN_ERR_OVERFLOW, "workspace"},
};

/* words: alternatives divided by a bar */
static bool says(const char *message, const char *words)
{
    while (*words) {
        size_t n = strcspn(words, "|");
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)n, words);
        if (strstr(message, word))
            return true;
        words += n + (words[n] == '|');
    }
    return false;
}

START_TEST(plan_create)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_desc *desc = NULL;
        attn_plan *plan = (attn_plan *)ctx; /* anything but NULL */
        ck_assert_msg(attn_desc_parse(ctx, plans[n].text, &desc) == ATTN_OK, "%s: %s",
                      plans[n].text, dense_error());
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == plans[n].status, "%s: %s, expected %s: %s", plans[n].text,
                      attn_status_name(status), attn_status_name(plans[n].status), dense_error());
        ck_assert_ptr_null(plan);
        ck_assert_msg(says(dense_error(), plans[n].word), "%s: \"%s\" does not say %s",
                      plans[n].text, dense_error(), plans[n].word);
        attn_desc_destroy(desc);
    }
    attn_desc *desc;
    attn_plan *plan = (attn_plan *)ctx;
    ck_assert_int_eq(attn_desc_parse(ctx, "softmax h=1 q=1 k=1 d=1", &desc), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(NULL, desc, &plan), ATTN_ERR_NULL);
    ck_assert_ptr_null(plan);
    ck_assert_int_eq(attn_plan_create(ctx, NULL, &plan), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_create(ctx, desc, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_workspace(NULL, NULL, NULL), ATTN_ERR_NULL);
    attn_plan_destroy(NULL);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}
END_TEST

/* An allocator that says no from call number `left` on. */
static void *stingy_alloc(void *user, size_t bytes, size_t align)
{
    int *left = user;
    void *p = NULL;
    if ((*left)-- <= 0 || posix_memalign(&p, align < sizeof p ? sizeof p : align, bytes) != 0)
        return NULL;
    return p;
}

static void stingy_free(void *user, void *p, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(p);
}

START_TEST(no_memory)
{
    bool served = false;
    for (int allowed = 0; allowed < 100 && !served; allowed++) {
        int left = 1000;
        attn_allocator hook = {
            .size = sizeof hook, .user = &left, .alloc = stingy_alloc, .free = stingy_free};
        attn_ctx *ctx;
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_int_eq(attn_ctx_create(&hook, &ctx), ATTN_OK);
        ck_assert_int_eq(attn_desc_parse(ctx, "softmax h=2 q=9 k=9 d=4 executors=2", &desc),
                         ATTN_OK);
        left = allowed;
        int32_t status = attn_plan_create(ctx, desc, &plan);
        served = status == ATTN_OK;
        ck_assert(served || status == ATTN_ERR_NOMEM);
        ck_assert(served == (plan != NULL));
        attn_plan_destroy(plan);
        attn_desc_destroy(desc);
        attn_ctx_destroy(ctx);
    }
    ck_assert(served);
}
END_TEST

/* ---- attn_plan_execute ---- */

enum { B = 2, H = 4, HK = 2, NQ = 8, NK = 16, D = 8, DV = 4 };

static const char *const full = "softmax b=2 h=4/2 q=8 k=16 d=8/4 bias mask sink_logits segments "
                                "want=probs,colsum check=data";
static const char *const packed = "softmax b=2 h=4/2 q=8 k=16 d=8/4 packed";

static void make_full(struct dense *x)
{
    static const int32_t lens[3][2] = {{8, 5}, {10, 16}, {6, 0}};
    static const int32_t roles[3] = {ATTN_ROLE_Q_LEN, ATTN_ROLE_K_LEN, ATTN_ROLE_K_START};
    int64_t pairs[4] = {B, H, NQ, NK}, heads = H, seg_q[2] = {B, NQ}, seg_k[2] = {B, NK};
    int64_t columns[3] = {B, H, NK};
    dense_make(x, B, H, HK, NQ, NK, D, DV);
    dense_add(x, ATTN_ROLE_BIAS, ATTN_DTYPE_F32, 4, pairs, NULL);
    dense_add(x, ATTN_ROLE_MASK, ATTN_DTYPE_BOOL, 4, pairs, NULL);
    dense_add(x, ATTN_ROLE_SINK_LOGITS, ATTN_DTYPE_F32, 1, &heads, NULL);
    dense_add(x, ATTN_ROLE_SEG_Q, ATTN_DTYPE_I32, 2, seg_q, NULL);
    dense_add(x, ATTN_ROLE_SEG_K, ATTN_DTYPE_I64, 2, seg_k, NULL);
    for (int n = 0; n < 3; n++)
        dense_list(x, roles[n], lens[n], B);
    dense_add(x, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, 4, pairs, NULL);
    dense_add(x, ATTN_ROLE_COLSUM, ATTN_DTYPE_F32, 3, columns, NULL);
}

static void make_packed(struct dense *x)
{
    static const int32_t q_at[3] = {0, 8, 11}, k_at[3] = {0, 16, 20};
    dense_make(x, 1, H, HK, 11, 20, D, DV);
    dense_list(x, ATTN_ROLE_Q_OFFSETS, q_at, 3);
    dense_list(x, ATTN_ROLE_K_OFFSETS, k_at, 3);
}

static void drop(struct dense *x, int32_t role)
{
    for (size_t n = 0; n < x->n; n++)
        if (x->arg[n].role == role)
            x->arg[n] = x->arg[--x->n];
}

static void set_list(struct dense *x, int32_t role, int64_t at, int32_t value)
{
    ((int32_t *)dense_view(x, role)->data)[at] = value;
}

/* What is done to the arguments of a good call. */
enum what {
    DROP,      /* leave the role out */
    TWICE,     /* give it twice */
    ROLE,      /* call it role number n */
    ZERO,      /* arg.zero = n */
    OBJECT,    /* object = NULL */
    DATA,      /* data = NULL */
    DTYPE,     /* dtype = n */
    RANK,      /* rank = n */
    SHAPE,     /* shape[i] = n */
    STRIDE,    /* stride[i] = n */
    LIST,      /* list[i] = n */
    NAN_AT,    /* an f32 element becomes NaN (n = 0) or +inf */
};

struct fault {
    bool packed;
    int32_t role;
    enum what what;
    int i;
    int64_t n;
    int32_t status;
    const char *word;
};

static const struct fault faults[] = {
    {false, ATTN_ROLE_Q, DROP, 0, 0, ATTN_ERR_ROLE, "q is missing"},
    {false, ATTN_ROLE_OUT, DROP, 0, 0, ATTN_ERR_ROLE, "out is missing"},
    {false, ATTN_ROLE_BIAS, DROP, 0, 0, ATTN_ERR_ROLE, "bias is missing"},
    {false, ATTN_ROLE_MASK, DROP, 0, 0, ATTN_ERR_ROLE, "mask"},
    {false, ATTN_ROLE_SINK_LOGITS, DROP, 0, 0, ATTN_ERR_ROLE, "sink_logits"},
    {false, ATTN_ROLE_SEG_K, DROP, 0, 0, ATTN_ERR_ROLE, "seg_k"},
    {true, ATTN_ROLE_K_OFFSETS, DROP, 0, 0, ATTN_ERR_ROLE, "k_offsets"},
    {false, ATTN_ROLE_K, TWICE, 0, 0, ATTN_ERR_ROLE, "k is given twice"},
    {false, ATTN_ROLE_LSE, ROLE, 0, 9999, ATTN_ERR_ROLE, "9999"},
    {false, ATTN_ROLE_LSE, ROLE, 0, ATTN_ROLE_ENTROPY, ATTN_ERR_ROLE, "entropy"},
    {false, ATTN_ROLE_LSE, ROLE, 0, ATTN_ROLE_Q_OFFSETS, ATTN_ERR_ROLE, "q_offsets"},
    {true, ATTN_ROLE_LSE, ROLE, 0, ATTN_ROLE_BIAS, ATTN_ERR_ROLE, "bias"},
    {false, ATTN_ROLE_Q, ZERO, 0, 3, ATTN_ERR_INVALID, "zero is 3"},
    {false, ATTN_ROLE_V, OBJECT, 0, 0, ATTN_ERR_NULL, "role v"},
    {false, ATTN_ROLE_V, DATA, 0, 0, ATTN_ERR_NULL, "v has"},
    {false, ATTN_ROLE_Q, DTYPE, 0, ATTN_DTYPE_F16, ATTN_ERR_DTYPE, "q has dtype f16"},
    {false, ATTN_ROLE_Q, DTYPE, 0, 77, ATTN_ERR_DTYPE, "77"},
    {false, ATTN_ROLE_K, DTYPE, 0, ATTN_DTYPE_F64, ATTN_ERR_DTYPE, "k has dtype f64"},
    {false, ATTN_ROLE_OUT, DTYPE, 0, ATTN_DTYPE_BF16, ATTN_ERR_DTYPE, "out"},
    {false, ATTN_ROLE_BIAS, DTYPE, 0, ATTN_DTYPE_F16, ATTN_ERR_DTYPE, "bias"},
    {false, ATTN_ROLE_MASK, DTYPE, 0, ATTN_DTYPE_I32, ATTN_ERR_DTYPE, "mask"},
    {false, ATTN_ROLE_SINK_LOGITS, DTYPE, 0, ATTN_DTYPE_F64, ATTN_ERR_DTYPE, "sink_logits"},
    {false, ATTN_ROLE_SEG_Q, DTYPE, 0, ATTN_DTYPE_F32, ATTN_ERR_DTYPE, "seg_q"},
    {false, ATTN_ROLE_Q_LEN, DTYPE, 0, ATTN_DTYPE_U8, ATTN_ERR_DTYPE, "q_len"},
    {true, ATTN_ROLE_Q_OFFSETS, DTYPE, 0, ATTN_DTYPE_F32, ATTN_ERR_DTYPE, "q_offsets"},
    {false, ATTN_ROLE_LSE, DTYPE, 0, ATTN_DTYPE_F64, ATTN_ERR_DTYPE, "lse"},
    {false, ATTN_ROLE_PROBS, DTYPE, 0, ATTN_DTYPE_F16, ATTN_ERR_DTYPE, "probs"},
    {false, ATTN_ROLE_Q, RANK, 0, 3, ATTN_ERR_SHAPE, "q has rank 3"},
    {false, ATTN_ROLE_K, RANK, 0, 9, ATTN_ERR_SHAPE, "k has rank 9"},
    {false, ATTN_ROLE_V, RANK, 0, -1, ATTN_ERR_SHAPE, "v has rank -1"},
    {false, ATTN_ROLE_LSE, RANK, 0, 2, ATTN_ERR_SHAPE, "lse has rank 2"},
    {false, ATTN_ROLE_SINK_LOGITS, RANK, 0, 0, ATTN_ERR_SHAPE, "sink_logits has rank 0"},
    {false, ATTN_ROLE_Q, SHAPE, 0, 3, ATTN_ERR_SHAPE, "q has|k has"},
    {false, ATTN_ROLE_Q, SHAPE, 1, 3, ATTN_ERR_SHAPE, "q has extent 3"},
    {false, ATTN_ROLE_Q, SHAPE, 3, 7, ATTN_ERR_SHAPE, "q has extent 7"},
    {false, ATTN_ROLE_Q, SHAPE, 2, -1, ATTN_ERR_SHAPE, "q has extent -1"},
    {false, ATTN_ROLE_K, SHAPE, 1, 4, ATTN_ERR_SHAPE, "k has extent 4"},
    {false, ATTN_ROLE_K, SHAPE, 2, 15, ATTN_ERR_SHAPE, "v has extent 16"},
    {false, ATTN_ROLE_V, SHAPE, 3, 8, ATTN_ERR_SHAPE, "v has extent 8"},
    {false, ATTN_ROLE_OUT, SHAPE, 2, 7, ATTN_ERR_SHAPE, "out has extent 7"},
    {false, ATTN_ROLE_BIAS, SHAPE, 3, 15, ATTN_ERR_SHAPE, "bias has extent 15"},
    {false, ATTN_ROLE_MASK, SHAPE, 1, 2, ATTN_ERR_SHAPE, "mask has extent 2"},
    {false, ATTN_ROLE_SINK_LOGITS, SHAPE, 0, 3, ATTN_ERR_SHAPE, "sink_logits has extent 3"},
    {false, ATTN_ROLE_SEG_K, SHAPE, 1, 8, ATTN_ERR_SHAPE, "seg_k has extent 8"},
    {false, ATTN_ROLE_Q_LEN, SHAPE, 0, 1, ATTN_ERR_SHAPE, "q_len has extent 1"},
    {false, ATTN_ROLE_PROBS, SHAPE, 2, 7, ATTN_ERR_SHAPE, "probs has extent 7"},
    {false, ATTN_ROLE_COLSUM, SHAPE, 2, 15, ATTN_ERR_SHAPE, "colsum has extent 15"},
    {true, ATTN_ROLE_Q_OFFSETS, SHAPE, 0, 2, ATTN_ERR_SHAPE, "k_offsets|q_offsets"},
    {true, ATTN_ROLE_Q_OFFSETS, SHAPE, 0, 0, ATTN_ERR_SHAPE, "q_offsets"},
    {true, ATTN_ROLE_Q, SHAPE, 0, 2, ATTN_ERR_SHAPE, "q has extent 2"},
    {false, ATTN_ROLE_OUT, STRIDE, 2, 0, ATTN_ERR_STRIDE, "out has stride 0"},
    {false, ATTN_ROLE_OUT, STRIDE, 1, -32, ATTN_ERR_STRIDE, "out has stride -32"},
    {false, ATTN_ROLE_OUT, STRIDE, 2, 3, ATTN_ERR_STRIDE, "out has stride"},
    {false, ATTN_ROLE_LSE, STRIDE, 0, 1, ATTN_ERR_STRIDE, "lse has stride"},
    {false, ATTN_ROLE_Q, STRIDE, 2, INT64_MAX / 4, ATTN_ERR_STRIDE, "q has stride"},
    {false, ATTN_ROLE_Q_LEN, LIST, 1, 9, ATTN_ERR_RANGE, "q_len[1] is 9"},
    {false, ATTN_ROLE_Q_LEN, LIST, 0, -1, ATTN_ERR_RANGE, "q_len[0] is -1"},
    {false, ATTN_ROLE_K_LEN, LIST, 0, 11, ATTN_ERR_RANGE, "k_len[0] is 11"},
    {false, ATTN_ROLE_K_LEN, LIST, 1, -7, ATTN_ERR_RANGE, "k_len[1] is -7"},
    {false, ATTN_ROLE_K_START, LIST, 1, 17, ATTN_ERR_RANGE, "k_start[1] is 17"},
    {false, ATTN_ROLE_K_START, LIST, 0, -1, ATTN_ERR_RANGE, "k_start[0] is -1"},
    {true, ATTN_ROLE_Q_OFFSETS, LIST, 1, 12, ATTN_ERR_RANGE, "q_offsets"},
    {true, ATTN_ROLE_Q_OFFSETS, LIST, 0, -1, ATTN_ERR_RANGE, "q_offsets[0] is -1"},
    {true, ATTN_ROLE_Q_OFFSETS, LIST, 1, 9, ATTN_ERR_RANGE, "9"},
    {true, ATTN_ROLE_K_OFFSETS, LIST, 2, 21, ATTN_ERR_RANGE, "k_offsets[2] is 21"},
    {true, ATTN_ROLE_K_OFFSETS, LIST, 1, 17, ATTN_ERR_RANGE, "k_offsets"},
    {false, ATTN_ROLE_SINK_LOGITS, NAN_AT, 2, 0, ATTN_ERR_DATA, "sink_logits"},
    {false, ATTN_ROLE_SINK_LOGITS, NAN_AT, 3, 1, ATTN_ERR_DATA, "sink_logits"},
};

static void spoil(struct dense *x, const struct fault *f)
{
    attn_tensor *t = dense_view(x, f->role);
    attn_arg *a = x->arg;
    while (a->role != f->role)
        a++;
    switch (f->what) {
    case DROP:
        drop(x, f->role);
        break;
    case TWICE:
        x->arg[x->n++] = *a;
        break;
    case ROLE:
        a->role = (int32_t)f->n;
        break;
    case ZERO:
        a->zero = (int32_t)f->n;
        break;
    case OBJECT:
        a->object = NULL;
        break;
    case DATA:
        t->data = NULL;
        break;
    case DTYPE:
        t->dtype = (int32_t)f->n;
        break;
    case RANK:
        t->rank = (int32_t)f->n;
        break;
    case SHAPE:
        t->shape[f->i] = f->n;
        break;
    case STRIDE:
        t->stride[f->i] = f->n;
        break;
    case LIST:
        set_list(x, f->role, f->i, (int32_t)f->n);
        break;
    case NAN_AT:
        ((float *)t->data)[f->i] = f->n ? INFINITY : NAN;
        break;
    }
}

static bool all_nan(const struct dense *x)
{
    for (size_t n = 0; n < x->n_out; n++)
        if (!isnan(x->out[n]))
            return false;
    for (size_t n = 0; n < x->n_lse; n++)
        if (!isnan(x->lse[n]))
            return false;
    return true;
}

START_TEST(execute)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan[2] = {dense_plan(ctx, full, NULL), dense_plan(ctx, packed, NULL)};
    for (size_t n = 0; n < sizeof faults / sizeof faults[0]; n++) {
        const struct fault *f = &faults[n];
        struct dense x;
        if (f->packed)
            make_packed(&x);
        else
            make_full(&x);
        const char *what = attn_role_name(f->role);
        ck_assert_msg(attn_plan_execute(plan[f->packed], x.arg, x.n, NULL, 0) == ATTN_OK,
                      "fault %d: the good call: %s", (int)n, dense_error());
        dense_clear(&x);
        spoil(&x, f);
        int32_t status = attn_plan_execute(plan[f->packed], x.arg, x.n, NULL, 0);
        ck_assert_msg(status == f->status, "fault %d (%s): %s, expected %s: %s", (int)n, what,
                      attn_status_name(status), attn_status_name(f->status), dense_error());
        ck_assert_msg(says(dense_error(), f->word), "fault %d: \"%s\" does not say %s", (int)n,
                      dense_error(), f->word);
        ck_assert_msg(all_nan(&x), "fault %d (%s): an output was written", (int)n, what);
        dense_free(&x);
    }
    attn_plan_destroy(plan[0]);
    attn_plan_destroy(plan[1]);
    attn_ctx_destroy(ctx);
}
END_TEST

/* More than the plan was made for. */
START_TEST(above_the_maxima)
{
    static const struct {
        int64_t b, nq, nk;
        const char *word;
    } sizes[] = {{3, 8, 16, "q has extent 3"}, {2, 9, 16, "q has extent 9"},
                 {2, 8, 17, "k has extent 17"}};
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, "softmax b=2 h=4/2 q=8 k=16 d=8/4", NULL);
    for (int n = 0; n < 3; n++) {
        struct dense x;
        dense_make(&x, sizes[n].b, H, HK, sizes[n].nq, sizes[n].nk, D, DV);
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
        ck_assert_msg(says(dense_error(), sizes[n].word), "\"%s\"", dense_error());
        ck_assert(all_nan(&x));
        dense_free(&x);
    }
    attn_plan_destroy(plan);
    plan = dense_plan(ctx, "softmax b=1 h=4/2 q=8 k=16 d=8/4 packed", NULL);
    struct dense x;
    make_packed(&x);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert(says(dense_error(), "q_offsets"));
    dense_free(&x);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(workspace)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, "softmax b=2 h=4/2 q=8 k=16 d=8/4", NULL);
    struct dense x;
    size_t bytes = 0, align = 0;
    void *ws;
    dense_make(&x, B, H, HK, NQ, NK, D, DV);
    ck_assert_int_eq(attn_plan_workspace(plan, &bytes, &align), ATTN_OK);
    ck_assert_uint_gt(bytes, 0);
    ck_assert_int_eq(posix_memalign(&ws, align, bytes + align), 0);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, ws, bytes - 1), ATTN_ERR_WORKSPACE);
    ck_assert(says(dense_error(), "workspace_bytes"));
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, (char *)ws + 1, bytes), ATTN_ERR_ALIGN);
    ck_assert(says(dense_error(), "workspace"));
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, bytes), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_execute(NULL, x.arg, x.n, NULL, 0), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_execute(plan, NULL, x.n, NULL, 0), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_execute(plan, NULL, 0, NULL, 0), ATTN_ERR_ROLE);
    ck_assert(all_nan(&x));
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, ws, bytes), ATTN_OK);
    free(ws);
    dense_free(&x);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(describe)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, "softmax h=1 q=8 k=16 d=8", NULL);
    static const int64_t bad[][2] = {{-1, 3}, {9, 3}, {3, -1}, {3, 17}};
    char buf[64];
    size_t needed = 0;
    for (int n = 0; n < 4; n++) {
        ck_assert_int_eq(attn_plan_describe(plan, bad[n][0], bad[n][1], buf, sizeof buf, NULL),
                         ATTN_ERR_INVALID);
        ck_assert_ptr_null(attn_plan_solver(plan, bad[n][0], bad[n][1]));
    }
    ck_assert_int_eq(attn_plan_describe(NULL, 1, 1, buf, sizeof buf, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_describe(plan, 1, 1, NULL, 5, NULL), ATTN_ERR_NULL);
    ck_assert_ptr_null(attn_plan_solver(NULL, 1, 1));
    ck_assert_int_eq(attn_plan_describe(plan, 8, 16, buf, sizeof buf, &needed), ATTN_OK);
    ck_assert_uint_gt(needed, sizeof buf);
    ck_assert_uint_eq(strlen(buf), sizeof buf - 1);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

/* A context is fixed once something was made from it. */
START_TEST(too_late)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, "softmax h=1 q=1 k=1 d=1", NULL);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 2), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, NULL), ATTN_ERR_STATE);
    attn_ctx_destroy(ctx); /* before the plan, which keeps what it needs */
    struct dense x;
    dense_make(&x, 1, 1, 1, 1, 1, 1, 1);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
    ck_assert_float_eq(x.out[0], x.v[0]);
    dense_free(&x);
    attn_plan_destroy(plan);
}
END_TEST

UNIT_MAIN("errors", plan_create, no_memory, execute, above_the_maxima, workspace, describe,
          too_late)
