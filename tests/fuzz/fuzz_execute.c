/* SPDX-License-Identifier: MIT */
/*
 * Bytes as a whole use of the library. The input is one line of problem
 * string, then bytes that drive everything after it: parameters set to odd
 * numbers, the context, and a few executes whose tensors are right except
 * where a byte says otherwise (types, ranks, extents, strides, roles, lists).
 * At the end of the input all bytes are 0, which is the tame choice.
 *
 * Memory is the caller's word, so this caller tells the truth: every tensor
 * that can be reached in MEMORY_MAX bytes gets exactly the memory its view
 * reaches, and any other has data = NULL, which must be refused. Besides
 * crashes and what sanitizers see, these trap: an unknown status, an error
 * without text, a result handle that is not NULL after an error, inputs that
 * were written, outputs that were written by an execute that failed, memory
 * that leaked, and plans of small problems that ask for a lot of memory.
 */
#include <attn/attn.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum {
    ALLOC_MAX = 1 << 28,  /* bytes the allocator hook gives out in all */
    SMALL_MAX = 1 << 24,  /* bytes that a plan of a small problem may own */
    MEMORY_MAX = 1 << 16, /* bytes of one tensor */
    WORK_MAX = 1 << 18,   /* multiplications of one execute, about */
    ROLES_MAX = 256,
    LINE_MAX_BYTES = 1024
};

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)

struct input {
    const uint8_t *data;
    size_t size, at;
};

static uint8_t byte(struct input *in)
{
    return in->at < in->size ? in->data[in->at++] : 0;
}

/* One of 0..n-1. */
static int64_t pick(struct input *in, int64_t n)
{
    return n > 1 ? byte(in) % n : 0;
}

/* True for few bytes, and never at the end of the input. */
static bool seldom(struct input *in)
{
    return byte(in) >= 240;
}

static int64_t odd_number(struct input *in)
{
    static const int64_t table[] = {0,
                                    1,
                                    -1,
                                    2,
                                    3,
                                    7,
                                    64,
                                    65536,
                                    65537,
                                    INT32_MAX,
                                    INT32_MIN,
                                    INT64_MAX,
                                    INT64_MIN,
                                    INT64_MIN + 1,
                                    INT64_MAX - 1,
                                    (int64_t)1 << 31,
                                    (int64_t)1 << 32,
                                    (int64_t)1 << 40,
                                    (int64_t)1 << 60,
                                    (int64_t)1 << 62,
                                    -((int64_t)1 << 62)};
    uint8_t b = byte(in);
    return b & 1 ? table[(b >> 1) % (sizeof table / sizeof table[0])] : (int8_t)byte(in);
}

static double odd_real(struct input *in)
{
    static const double table[] = {0,    -0.0, 1,     -1,      0.5,    3.25,     1e-30,  1e30,
                                   -1e30, 1e-300, 1e300, 5e-324, 65504, -1e5, 1.0 / 3, 100};
    uint8_t b = byte(in);
    if (b >= 250)
        return b == 250 ? __builtin_nan("") : b < 253 ? __builtin_inf() : -__builtin_inf();
    return b & 1 ? table[(b >> 1) % 16] : (double)(int8_t)byte(in) / 16;
}

/* ---- the host ---- */

struct host {
    int64_t bytes, blocks, most;
};

static void *host_alloc(void *user, size_t bytes, size_t align)
{
    struct host *host = user;
    void *ptr = NULL;
    if (bytes > (size_t)(ALLOC_MAX - host->bytes) || posix_memalign(&ptr, align, bytes) != 0)
        return NULL;
    host->bytes += (int64_t)bytes;
    host->most = host->bytes > host->most ? host->bytes : host->most;
    host->blocks++;
    return ptr;
}

static void host_free(void *user, void *ptr, size_t bytes)
{
    struct host *host = user;
    host->bytes -= (int64_t)bytes;
    host->blocks--;
    free(ptr);
}

static void host_run(void *user, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    (void)user;
    for (int64_t i = n; i-- > 0;)
        fn(arg, i);
}

static void host_log(void *user, int32_t level, const char *line)
{
    (void)user;
    MUST(level >= ATTN_LOG_ERROR && level <= ATTN_LOG_TRACE && strchr(line, '\n') == NULL);
}

/* Passes a status on after looking at it. */
static int32_t looked_at(int32_t status)
{
    char text[600];
    MUST(strcmp(attn_status_name(status), "ATTN_ERR_?") != 0);
    MUST(status != ATTN_ERR_INTERNAL);
    if (status != ATTN_OK)
        MUST(attn_last_error(text, sizeof text) > 8);
    return status;
}

/* ---- the problem ---- */

static void set_odd(struct input *in, attn_desc *desc)
{
    int64_t heads[8];
    double slopes[8];
    size_t count = 0;
    while (attn_param_at(count) != 0)
        count++;
    int32_t param = attn_param_at((size_t)pick(in, (int64_t)count));
    size_t n = (size_t)pick(in, 8);
    switch (attn_param_type(param)) {
    case ATTN_PARAM_TYPE_I64S:
        for (size_t i = 0; i < n; i++)
            heads[i] = seldom(in) ? odd_number(in) : pick(in, 8);
        looked_at(attn_desc_set_i64s(desc, param, heads, n));
        break;
    case ATTN_PARAM_TYPE_F64S:
        for (size_t i = 0; i < n; i++)
            slopes[i] = odd_real(in);
        looked_at(attn_desc_set_f64s(desc, param, slopes, n));
        break;
    case ATTN_PARAM_TYPE_F64:
        looked_at(attn_desc_set_f64(desc, param, odd_real(in)));
        break;
    case ATTN_PARAM_TYPE_TEXT: {
        const char *name = attn_solver_at(n);
        looked_at(attn_desc_set_text(desc, param, name ? name : "?"));
        break;
    }
    default:
        looked_at(seldom(in) ? attn_desc_unset(desc, param)
                             : attn_desc_set_i64(desc, param, odd_number(in)));
    }
}

struct sizes {
    int64_t b, hq, hk, hv, hout, q, k, d, dv;
    bool packed;
    int32_t dtype, kv_dtype;
    bool trusting; /* check=shapes: lists are not looked at */
};

static int64_t get(const attn_desc *desc, int32_t param, int64_t fallback)
{
    int64_t value;
    return attn_desc_get_i64(desc, param, &value) == ATTN_OK ? value : fallback;
}

static void read_sizes(const attn_desc *desc, struct sizes *s)
{
    size_t n = 0;
    *s = (struct sizes){0};
    s->b = get(desc, ATTN_PARAM_B, 1);
    s->hq = get(desc, ATTN_PARAM_HQ, 1);
    s->hk = get(desc, ATTN_PARAM_HK, s->hq);
    s->hv = get(desc, ATTN_PARAM_HV, s->hk);
    s->q = get(desc, ATTN_PARAM_Q, 0);
    s->k = get(desc, ATTN_PARAM_K, 0);
    s->d = get(desc, ATTN_PARAM_D, 1);
    s->dv = get(desc, ATTN_PARAM_DV, s->d);
    s->hout = attn_desc_get_i64s(desc, ATTN_PARAM_Q_HEAD, NULL, 0, &n) == ATTN_OK ? (int64_t)n
                                                                                  : s->hq;
    s->packed = get(desc, ATTN_PARAM_PACKED, 0);
    s->dtype = (int32_t)get(desc, ATTN_PARAM_DTYPE, ATTN_DTYPE_F32);
    s->kv_dtype = (int32_t)get(desc, ATTN_PARAM_KV_DTYPE, s->dtype);
    s->trusting = get(desc, ATTN_PARAM_CHECK, ATTN_CHECK_INDICES) == ATTN_CHECK_SHAPES;
}

static bool is_small(const struct sizes *s)
{
    return s->b <= 64 && s->hq <= 64 && s->hk <= 64 && s->hv <= 64 && s->hout <= 64 &&
           s->q <= 256 && s->k >= 0 && s->k <= 256 && s->d <= 256 && s->dv <= 256;
}

/* ---- one execute ---- */

struct object {
    attn_tensor view;
    uint8_t *block, *copy;
    size_t bytes;
    int64_t first; /* byte of the view's element 0 in the block */
    bool output, sound; /* sound: its memory is what the view reaches */
};

struct execute {
    const attn_plan *plan;
    const struct sizes *s;
    int64_t b, n_seq, nq, nk; /* tokens of all sequences if packed */
    int64_t max_q, max_k;
    int64_t q_offsets[9], k_offsets[9];
    struct object object[ROLES_MAX];
    attn_arg args[ROLES_MAX + 2];
    size_t n_args;
};

/* A length up to the plan's maximum, small or, seldom, large. */
static int64_t length(struct input *in, int64_t most, int64_t usual)
{
    if (seldom(in))
        return odd_number(in) & (INT64_MAX >> 1);
    return pick(in, (most < usual && most >= 0 ? most : usual) + 1);
}

static void lay_out(struct input *in, struct execute *x)
{
    const struct sizes *s = x->s;
    if (!s->packed) {
        x->b = x->n_seq = length(in, s->b, 3);
        x->nq = x->max_q = length(in, s->q, 9);
        x->nk = x->max_k = length(in, s->k, 70);
        return;
    }
    x->b = 1;
    x->n_seq = pick(in, (s->b < 8 ? s->b : 8) + 1);
    for (int64_t i = 0; i < x->n_seq; i++) {
        int64_t q = pick(in, (s->q < 6 ? s->q : 6) + 1);
        int64_t k = pick(in, (s->k >= 0 && s->k < 30 ? s->k : 30) + 1);
        x->max_q = q > x->max_q ? q : x->max_q;
        x->max_k = k > x->max_k ? k : x->max_k;
        x->q_offsets[i + 1] = x->q_offsets[i] + q;
        x->k_offsets[i + 1] = x->k_offsets[i] + k;
    }
    x->nq = x->q_offsets[x->n_seq] + pick(in, 2);
    x->nk = x->k_offsets[x->n_seq] + pick(in, 2);
}

/* What the library says of a role, or scores where it cannot. */
static void told_view(const struct execute *x, int32_t role, int32_t whole, attn_tensor *t)
{
    const int64_t pairs[4] = {x->n_seq, x->s->hout, x->max_q, x->max_k};
    attn_tensor told;
    if (looked_at(attn_plan_shape(x->plan, x->args, x->n_args, role, &told)) == ATTN_OK) {
        *t = told;
        t->data = NULL;
        t->dtype = told.dtype == ATTN_DTYPE_I32 ? whole : told.dtype;
        return;
    }
    t->rank = 4;
    memcpy(t->shape, pairs, sizeof pairs);
}

/* Type and shape that the role should have. */
static void right_view(struct input *in, const struct execute *x, int32_t role, attn_tensor *t)
{
    const struct sizes *s = x->s;
    int32_t row = s->dtype == ATTN_DTYPE_F64 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;
    int32_t whole = byte(in) & 1 ? ATTN_DTYPE_I64 : ATTN_DTYPE_I32;
    int64_t pairs[4] = {x->n_seq, s->hout, x->max_q, x->max_k};
    *t = (attn_tensor){.dtype = row};
#define SHAPE(r, ...)                                                                              \
    do {                                                                                           \
        const int64_t extents[] = {__VA_ARGS__};                                                   \
        t->rank = r;                                                                               \
        memcpy(t->shape, extents, sizeof extents);                                                 \
    } while (0)
    switch (role) {
    case ATTN_ROLE_Q:
        t->dtype = s->dtype;
        SHAPE(4, x->b, s->hq, x->nq, s->d);
        break;
    case ATTN_ROLE_K:
        t->dtype = s->kv_dtype;
        SHAPE(4, x->b, s->hk, x->nk, s->d);
        break;
    case ATTN_ROLE_V:
        t->dtype = s->kv_dtype;
        SHAPE(4, x->b, s->hv, x->nk, s->dv);
        break;
    case ATTN_ROLE_OUT:
        t->dtype = s->dtype;
        SHAPE(4, x->b, s->hout, x->nq, s->dv);
        break;
    case ATTN_ROLE_BIAS:
    case ATTN_ROLE_MASK: {
        uint8_t ones = byte(in);
        for (int i = 0; i < 4; i++)
            pairs[i] = ones >> i & 1 ? 1 : pairs[i];
        t->dtype = role == ATTN_ROLE_MASK ? ones & 16 ? ATTN_DTYPE_U8 : ATTN_DTYPE_BOOL
                   : ones & 16            ? s->dtype
                                          : row;
        SHAPE(4, pairs[0], pairs[1], pairs[2], pairs[3]);
        break;
    }
    case ATTN_ROLE_SINK_LOGITS: {
        uint8_t ones = byte(in);
        if (ones & 4)
            SHAPE(3, ones & 1 ? 1 : x->n_seq, s->hout, ones & 2 ? 1 : x->max_q);
        else
            SHAPE(1, s->hout);
        break;
    }
    case ATTN_ROLE_SEG_Q:
    case ATTN_ROLE_SEG_K:
        t->dtype = whole;
        SHAPE(2, byte(in) & 1 ? 1 : x->b, role == ATTN_ROLE_SEG_Q ? x->nq : x->nk);
        break;
    case ATTN_ROLE_DOCS: /* some of which rise, as they should */
        t->dtype = whole;
        SHAPE(2, byte(in) & 1 ? 1 : x->b, 3);
        break;
    case ATTN_ROLE_Q_OFFSETS:
    case ATTN_ROLE_K_OFFSETS:
        t->dtype = whole;
        SHAPE(1, x->n_seq + 1);
        break;
    case ATTN_ROLE_Q_LEN:
    case ATTN_ROLE_K_LEN:
    case ATTN_ROLE_K_START:
        t->dtype = whole;
        SHAPE(1, x->n_seq);
        break;
    default:
        told_view(x, role, whole, t);
    }
#undef SHAPE
}

static bool is_list(int32_t role)
{
    return role >= ATTN_ROLE_Q_OFFSETS && role <= ATTN_ROLE_K_START;
}

/* Strides of a dense view in a random order of dimensions with gaps. */
static void right_strides(struct input *in, attn_tensor *t)
{
    int32_t order[ATTN_TENSOR_MAX_RANK];
    int64_t step = 1;
    uint8_t how = byte(in);
    for (int32_t i = 0; i < t->rank; i++)
        order[i] = t->rank - 1 - i;
    if (how & 1 && t->rank == 4) { /* [B,N,H,D] in memory */
        order[1] = 1;
        order[2] = 2;
    }
    if (how & 2 && t->rank > 1) {
        int32_t last = order[0];
        order[0] = order[1];
        order[1] = last;
    }
    for (int32_t i = 0; i < t->rank; i++) {
        step += how & 4 ? 1 : 0;
        t->stride[order[i]] = step;
        if (__builtin_mul_overflow(step, t->shape[order[i]] > 0 ? t->shape[order[i]] : 1, &step) ||
            step > INT64_MAX / 4)
            step = INT64_MAX / 4;
    }
}

/* lists_hold: only what is refused without a look at the list's numbers. */
static void spoil(struct input *in, attn_tensor *t, bool lists_hold)
{
    int32_t i = (int32_t)pick(in, t->rank > 0 ? t->rank : 1);
    switch (lists_hold ? 0 : pick(in, 8)) {
    case 0:
        t->dtype = (int32_t)odd_number(in);
        break;
    case 1:
        t->rank = (int32_t)odd_number(in);
        break;
    case 2:
        t->shape[i] = odd_number(in);
        break;
    case 3:
        t->shape[i] = (int64_t)((uint64_t)t->shape[i] + (byte(in) & 1 ? 1 : UINT64_MAX));
        break;
    case 4:
        t->stride[i] = odd_number(in);
        break;
    case 5:
        t->stride[i] = 0;
        break;
    case 6:
        t->stride[i] = -t->stride[i];
        break;
    default:
        t->dtype = (int32_t)pick(in, 10);
    }
}

static int64_t element_bytes(int32_t dtype)
{
    return (int64_t)attn_dtype_size(dtype);
}

/* Gives the view exactly the memory that it reaches, if that is little. */
static void give_memory(struct input *in, struct object *o)
{
    attn_tensor *t = &o->view;
    int64_t low = 0, high = 0, size = element_bytes(t->dtype);
    bool sane = size > 0 && t->rank >= 0 && t->rank <= ATTN_TENSOR_MAX_RANK, empty = false;
    for (int32_t i = 0; sane && i < t->rank; i++) {
        sane = t->shape[i] >= 0;
        empty |= t->shape[i] == 0;
    }
    for (int32_t i = 0; sane && !empty && i < t->rank; i++) {
        int64_t reach, *side = t->stride[i] < 0 ? &low : &high;
        if (t->shape[i] == 1)
            continue;
        sane = !__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &reach) &&
               !__builtin_add_overflow(*side, reach, side) && *side < MEMORY_MAX &&
               *side > -MEMORY_MAX;
    }
    if (!sane || (high - low + 1) * size > MEMORY_MAX)
        return;
    o->sound = true;
    if (empty) {
        t->data = byte(in) & 1 ? &o->view : NULL;
        return;
    }
    size_t odd = byte(in) & 1; /* no alignment is asked for */
    size_t used = (size_t)((high - low + 1) * size);
    o->bytes = odd + used;
    o->block = malloc(o->bytes);
    o->copy = malloc(o->bytes);
    MUST(o->block && o->copy);
    memset(o->block, 0x55, o->bytes);
    o->first = (int64_t)odd - low * size;
    t->data = o->block + o->first;
}

/* Walks all elements; false at the end. */
static bool next_index(const attn_tensor *t, int64_t *index)
{
    for (int32_t i = t->rank; i-- > 0;) {
        if (++index[i] < t->shape[i])
            return true;
        index[i] = 0;
    }
    return false;
}

static void put_real(uint8_t *at, int32_t dtype, double value)
{
    float f = value > 3e38 ? __builtin_inff() : value < -3e38 ? -__builtin_inff() : (float)value;
    uint32_t bits;
    uint16_t half;
    memcpy(&bits, &f, 4);
    switch (dtype) {
    case ATTN_DTYPE_F64:
        memcpy(at, &value, 8);
        break;
    case ATTN_DTYPE_F32:
        memcpy(at, &f, 4);
        break;
    default: /* the upper half means something in both 16-bit types */
        half = (uint16_t)(bits >> 16);
        memcpy(at, &half, 2);
    }
}

static void put_whole(uint8_t *at, int32_t dtype, int64_t value)
{
    int32_t narrow = (int32_t)(value > INT32_MAX || value < INT32_MIN ? -1 : value);
    if (dtype == ATTN_DTYPE_I64)
        memcpy(at, &value, 8);
    else
        memcpy(at, &narrow, 4);
}

/* A number that the list may have at place i. */
static int64_t right_entry(struct input *in, const struct execute *x, int32_t role, int64_t i)
{
    if (role == ATTN_ROLE_Q_OFFSETS || role == ATTN_ROLE_K_OFFSETS)
        return i > 8 ? 0 : role == ATTN_ROLE_Q_OFFSETS ? x->q_offsets[i] : x->k_offsets[i];
    int64_t q = x->nq, k = x->nk;
    if (x->s->packed && i < 8) {
        q = x->q_offsets[i + 1] - x->q_offsets[i];
        k = x->k_offsets[i + 1] - x->k_offsets[i];
    }
    /* With both, K_START takes the lower half of the keys. */
    return role == ATTN_ROLE_Q_LEN     ? pick(in, q < 255 ? q + 1 : q)
           : role == ATTN_ROLE_K_START ? pick(in, k / 2 + 1)
                                       : pick(in, k - k / 2 + 1);
}

static void fill(struct input *in, const struct execute *x, int32_t role, struct object *o)
{
    const attn_tensor *t = &o->view;
    int64_t index[ATTN_TENSOR_MAX_RANK] = {0}, n = 0;
    uint32_t noise = 1 + byte(in);
    bool calm = !seldom(in);
    if (!o->block || o->output)
        return;
    do {
        int64_t at = o->first;
        for (int32_t i = 0; i < t->rank; i++)
            at += index[i] * (t->shape[i] > 1 ? t->stride[i] : 0) * element_bytes(t->dtype);
        noise = noise * 1664525 + 1013904223;
        if (is_list(role) && t->dtype <= ATTN_DTYPE_I64 && t->dtype >= ATTN_DTYPE_I32)
            put_whole(o->block + at, t->dtype,
                      !x->s->trusting && seldom(in) ? odd_number(in)
                                                    : right_entry(in, x, role, n));
        else if (role == ATTN_ROLE_GATE && calm && noise >> 30 == 0)
            put_real(o->block + at, t->dtype, 0);
        else if (t->dtype <= ATTN_DTYPE_BF16)
            put_real(o->block + at, t->dtype,
                     calm ? (double)(int32_t)noise / ((double)(1u << 31)) * 2 : odd_real(in));
        else if (t->dtype <= ATTN_DTYPE_I64)
            put_whole(o->block + at, t->dtype, x->s->trusting ? 0 : (int64_t)(noise >> 30));
        else
            o->block[at] = x->s->trusting && role != ATTN_ROLE_MASK ? 0 : (uint8_t)(noise >> 31);
        /* A repeated element may stand for more than can be walked. */
    } while (++n < MEMORY_MAX && next_index(t, index));
}

/* Does the plan take the role? *required: must it have it? */
static bool takes(const attn_plan *plan, int32_t role, int32_t *required)
{
    int32_t found;
    for (size_t n = 0; (found = attn_plan_role_at(plan, n, required)) != 0; n++)
        if (found == role)
            return true;
    return false;
}

static void build(struct input *in, struct execute *x)
{
    int32_t stray = seldom(in) ? attn_role_at((size_t)pick(in, ROLES_MAX)) : 0;
    MUST(attn_role_at(ROLES_MAX) == 0); /* else executes lack roles, and are all refused */
    lay_out(in, x);
    for (size_t i = 0; i < ROLES_MAX && attn_role_at(i) != 0; i++) {
        int32_t role = attn_role_at(i);
        struct object *o = &x->object[i];
        int32_t required = 0;
        bool taken = takes(x->plan, role, &required) && attn_role_shape(role)[0] != '\0';
        o->output = attn_role_is_output(role);
        if (role != stray && !(taken && (required || byte(in) & 1)))
            continue;
        right_view(in, x, role, &o->view);
        right_strides(in, &o->view);
        if (seldom(in))
            spoil(in, &o->view, x->s->trusting && is_list(role));
        give_memory(in, o);
        fill(in, x, role, o);
        x->args[x->n_args++] = (attn_arg){role, 0, &o->view};
    }
    if (seldom(in) && x->n_args > 0) {
        attn_arg *arg = &x->args[pick(in, (int64_t)x->n_args)];
        switch (pick(in, 5)) {
        case 0:
            arg->role = (int32_t)odd_number(in);
            break;
        case 1:
            arg->zero = (int32_t)odd_number(in);
            break;
        case 2:
            arg->object = NULL;
            break;
        case 3:
            x->args[x->n_args] = *arg;
            x->n_args++;
            break;
        default:
            *arg = x->args[--x->n_args];
        }
    }
    for (size_t i = 0; i < ROLES_MAX; i++)
        if (x->object[i].block)
            memcpy(x->object[i].copy, x->object[i].block, x->object[i].bytes);
}

/* Whether the work is little enough for one of thousands of runs a second. */
static bool is_little_work(const struct execute *x)
{
    const struct sizes *s = x->s;
    const int64_t factors[] = {x->n_seq > 1 ? x->n_seq : 1, s->hout, x->nq > 1 ? x->nq : 1,
                               x->nk > 1 ? x->nk : 1, s->d > s->dv ? s->d : s->dv};
    int64_t work = 1;
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++)
        if (__builtin_mul_overflow(work, factors[i], &work) || work > WORK_MAX)
            return false;
    return true;
}

/* The tiles of these arguments, or a refusal that wrote nothing. */
static void look_at_tiles(struct input *in, const struct execute *x)
{
    uint8_t classes[64];
    int64_t rows = -1, columns = -1;
    int64_t seq = seldom(in) ? odd_number(in) : pick(in, 3);
    int64_t head = seldom(in) ? odd_number(in) : pick(in, 4);
    int64_t q = seldom(in) ? odd_number(in) : 1 + pick(in, 9);
    int64_t k = seldom(in) ? odd_number(in) : 1 + pick(in, 30);
    memset(classes, 0xA5, sizeof classes);
    int32_t status = looked_at(attn_plan_tiles(x->plan, x->args, x->n_args, seq, head, q, k,
                                               classes, sizeof classes, &rows, &columns));
    MUST((status == ATTN_OK) == (rows >= 0) && (rows < 0) == (columns < 0));
    for (int64_t n = 0; n < (int64_t)sizeof classes; n++)
        MUST(status == ATTN_OK && n < rows * columns ? classes[n] <= ATTN_TILE_FULL
                                                     : classes[n] == 0xA5);
}

static void run(struct input *in, const attn_plan *plan, const struct sizes *s)
{
    struct execute *x = calloc(1, sizeof *x);
    size_t bytes = 0, align = 0;
    char *block = NULL, *ws = NULL;
    MUST(x);
    x->plan = plan;
    x->s = s;
    build(in, x);
    MUST(attn_plan_workspace(plan, &bytes, &align) == ATTN_OK && align > 0);
    bool own = byte(in) & 1 && bytes < 1 << 20;
    if (own) {
        block = malloc(bytes + align);
        MUST(block);
        ws = block + (align - (uintptr_t)block % align) % align;
        memset(ws, 0xA5, bytes);
    }
    size_t said = own ? bytes : 0;
    if (seldom(in)) {
        said = (size_t)odd_number(in);
        /* Memory that is not there may not be promised. */
        said = own && said > bytes ? bytes : said;
    }

    if (is_little_work(x)) {
        bool all_sound = true;
        int32_t status = looked_at(attn_plan_execute(plan, x->args, x->n_args, ws, said));
        for (size_t i = 0; i < x->n_args; i++)
            for (size_t n = 0; n < ROLES_MAX; n++)
                all_sound &= x->args[i].object != &x->object[n].view || x->object[n].sound;
        MUST(status != ATTN_OK || all_sound);
        for (size_t i = 0; i < ROLES_MAX; i++) {
            const struct object *o = &x->object[i];
            if (o->block && (status != ATTN_OK || !o->output))
                MUST(memcmp(o->block, o->copy, o->bytes) == 0);
        }
        look_at_tiles(in, x);
    }
    for (size_t i = 0; i < ROLES_MAX; i++) {
        free(x->object[i].block);
        free(x->object[i].copy);
    }
    free(block);
    free(x);
}

static attn_ctx *make_ctx(struct input *in, struct host *host)
{
    const attn_allocator allocator = {sizeof allocator, host, host_alloc, host_free};
    const attn_parallel parallel = {sizeof parallel, NULL, 3, host_run};
    const attn_logger logger = {sizeof logger, NULL, host_log};
    attn_ctx *ctx = NULL;
    uint8_t how = byte(in);
    MUST(attn_ctx_create(&allocator, &ctx) == ATTN_OK);
    if (how & 1)
        MUST(attn_ctx_set_parallel(ctx, &parallel) == ATTN_OK);
    else if ((how & 0xf0) == 0xf0) /* seldom: starting threads takes long */
        MUST(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 2) == ATTN_OK);
    if (how & 2)
        MUST(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, ATTN_ISA_C) == ATTN_OK);
    if (how & 4) {
        MUST(attn_ctx_set_logger(ctx, &logger) == ATTN_OK);
        MUST(attn_ctx_set_i64(ctx, ATTN_CTX_LOG_LEVEL, ATTN_LOG_TRACE) == ATTN_OK);
    }
    return ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct host host = {0};
    char line[LINE_MAX_BYTES];
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t n = end ? (size_t)(end - data) : size;
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    struct sizes sizes;

    if (n >= sizeof line)
        return 0;
    if (n > 0)
        memcpy(line, data, n);
    line[n] = '\0';
    struct input in = {data, size, end ? n + 1 : n};
    attn_ctx *ctx = make_ctx(&in, &host);

    int32_t status = looked_at(attn_desc_parse(ctx, line, &desc));
    MUST((status == ATTN_OK) == (desc != NULL));
    if (desc) {
        for (int64_t ops = pick(&in, 4); ops > 0; ops--)
            set_odd(&in, desc);
        read_sizes(desc, &sizes);
        status = looked_at(attn_plan_create(ctx, desc, &plan));
        MUST((status == ATTN_OK) == (plan != NULL));
        if (is_small(&sizes) && get(desc, ATTN_PARAM_EXECUTORS, 1) == 1)
            MUST(host.most < SMALL_MAX && status != ATTN_ERR_NOMEM);
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
    for (int64_t times = plan ? 1 + pick(&in, 3) : 0; times > 0; times--)
        run(&in, plan, &sizes);
    if (plan) {
        char text[64];
        int64_t q = odd_number(&in), k = odd_number(&in);
        looked_at(attn_plan_describe(plan, q, k, text, sizeof text, NULL));
    }
    attn_plan_destroy(plan);
    MUST(host.blocks == 0 && host.bytes == 0);
    return 0;
}
