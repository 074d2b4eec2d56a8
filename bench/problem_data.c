/* SPDX-License-Identifier: MIT */
/*
 * Which tensors there are, the plan says; only what is in them is known here.
 * A pool of normal numbers is converted once per type and drawn from, so that
 * hundreds of megabytes take a fraction of a second.
 */
#include "problem_data.h"

#include <math.h>
#include <string.h>

#include "bench_library.h"
#include "pages.h"
#include "recurrence.h"

enum { POOL = 1 << 14 };
enum contents {
    NORMAL,
    LENGTH_1, /* rows of about that length */
    UNIT,     /* 0 to 1 */
    LOG_GATE, /* of e^-0.4 to e^-0.006, nine in ten */
    HIDDEN,
    SEGMENTS_Q,
    SEGMENTS_K,
    OFFSETS_Q,
    OFFSETS_K,
    LISTS,
    LIST_ENDS,
    NOTHING
};

static uint64_t next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double normal(uint64_t *state)
{
    double u = ((double)(next(state) >> 11) + 1) * 0x1p-53;
    double v = (double)(next(state) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* A normal number of f16's range: below its least normal number it is 0. */
static uint16_t to_f16(double x)
{
    int e;
    double m = frexp(fabs(x), &e); /* m in [1/2, 1) */
    uint16_t sign = x < 0 ? 0x8000 : 0;
    if (e < -13)
        return sign;
    /* The round-up to m = 1 carries into the exponent by itself. */
    return (uint16_t)(sign | (((e + 14) << 10) + (int)lrint((m - 0.5) * 2048)));
}

static void store(void *to, int64_t i, int32_t dtype, double x)
{
    float f = (float)x;
    uint32_t bits;
    switch (dtype) {
    case ATTN_DTYPE_F64:
        ((double *)to)[i] = x;
        break;
    case ATTN_DTYPE_F16:
        ((uint16_t *)to)[i] = to_f16(x);
        break;
    case ATTN_DTYPE_BF16:
        memcpy(&bits, &f, sizeof bits);
        ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
        break;
    default:
        ((float *)to)[i] = f;
        break;
    }
}

static double draw(enum contents contents, int64_t row, uint64_t *state)
{
    switch (contents) {
    case LENGTH_1:
        return normal(state) / sqrt((double)row);
    case UNIT:
        return (double)(next(state) >> 11) * 0x1p-53;
    case LOG_GATE:
        return -exp(normal(state) * 1.25 - 3);
    default:
        return normal(state);
    }
}

static void fill_drawn(const attn_tensor *t, int64_t n, enum contents contents, uint64_t *state)
{
    static double pool[POOL]; /* 8 bytes an entry: enough for every type */
    size_t size = attn_dtype_size(t->dtype);
    for (int64_t i = 0; i < POOL; i++)
        store(pool, i, t->dtype, draw(contents, t->shape[t->rank - 1], state));
#define DRAW(type) \
    for (int64_t i = 0; i < n; i++) \
        ((type *)t->data)[i] = ((const type *)pool)[next(state) % POOL];
    if (size == 8)
        DRAW(uint64_t)
    else if (size == 4)
        DRAW(uint32_t)
    else
        DRAW(uint16_t)
}

void bench_data_normal(float *to, int64_t n, uint64_t *state)
{
    attn_tensor t;
    attn_tensor_init(&t, to, ATTN_DTYPE_F32, 1, &n);
    fill_drawn(&t, n, NORMAL, state);
}

/* The blocks of all lists, end to end, and where each list ends; *lists: how many there are. */
static int64_t make_lists(const bench_size *size, int64_t *block, int64_t *end, int64_t *lists)
{
    int64_t n = 0;
    *lists = 0;
    if (end)
        end[0] = 0;
    for (int64_t q = 0; q * size->list_q < size->q; q++, *lists += 1) {
        for (int64_t k = 0; k * size->list_k < size->k; k++) {
            if (!bench_size_listed(size, q, k))
                continue;
            if (block)
                block[n] = k;
            n++;
        }
        if (end)
            end[*lists + 1] = n;
    }
    return n;
}

static void fill(const attn_tensor *t, int64_t n, enum contents contents, const bench_size *size,
                 uint64_t *state)
{
    switch (contents) {
    case NORMAL:
    case LENGTH_1:
    case UNIT:
    case LOG_GATE:
        fill_drawn(t, n, contents, state);
        break;
    case HIDDEN:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)t->data)[i] = next(state) % 8 != 0;
        break;
    case SEGMENTS_Q:
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)t->data)[i] = bench_size_segment(size, i % size->q + size->off);
        break;
    case SEGMENTS_K:
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)t->data)[i] = bench_size_segment(size, i % size->k);
        break;
    case OFFSETS_Q:
    case OFFSETS_K:
        for (int64_t i = 0; i < n; i++)
            ((int64_t *)t->data)[i] = i * (contents == OFFSETS_Q ? size->q : size->k);
        break;
    case LISTS:
        make_lists(size, t->data, NULL, &n);
        break;
    case LIST_ENDS:
        make_lists(size, NULL, t->data, &n);
        break;
    case NOTHING: /* written once, so that no page is new to the first execute */
        memset(t->data, 0, (size_t)n * attn_dtype_size(t->dtype));
        break;
    }
}

/* A tensor in the next slot of the arguments. */
static int add(bench_data *data, int32_t role, int32_t dtype, int32_t rank, const int64_t *shape,
               enum contents contents, const bench_size *size, uint64_t *state, bool huge)
{
    attn_tensor *t = &data->tensor[data->n_args];
    size_t unit = attn_dtype_size(dtype), bytes = unit;
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++) {
        n *= shape[i];
        if (__builtin_mul_overflow(bytes, (size_t)shape[i], &bytes))
            return bench_failed("%s is too large", attn_role_name(role));
    }
    if ((double)bytes > 0.5 * (double)bench_ram_bytes())
        return bench_failed("%s would take %.1f GB, more than half of the RAM",
                            attn_role_name(role), (double)bytes * 1e-9);
    void *p = bench_pages_alloc(bytes, huge);
    if (!p)
        return bench_failed("no memory for %s (%zu bytes)", attn_role_name(role), bytes);
    attn_tensor_init(t, p, dtype, rank, shape);
    fill(t, n, contents, size, state);
    data->bytes[data->n_args] = bytes;
    for (int i = 0; i < BENCH_MOST_COPIES; i++)
        data->args[i][data->n_args] = (attn_arg){role, 0, t};
    data->n_args++;
    return 0;
}

/* Copies of K and V, so many that together they exceed the cache by far. What
 * fits in half of it is left to stay there. */
static int add_copies(const bench_size *size, bool huge, bench_data *data)
{
    enum { FEW_ROWS = 16 };
    bool known;
    double cache = (double)bench_cache_bytes(&known);
    double both = (double)data->bytes[1] + (double)data->bytes[2];
    data->copies = 1;
    if (size->q > FEW_ROWS || both <= cache / 2)
        return 0;
    while (data->copies < BENCH_MOST_COPIES && both * (double)data->copies < 8 * cache &&
           both * (double)(data->copies + 1) < 0.25 * (double)bench_ram_bytes()) {
        for (int i = 0; i < 2; i++) {
            attn_tensor *t = &data->more[data->copies][i];
            *t = data->tensor[1 + i];
            t->data = bench_pages_alloc(data->bytes[1 + i], huge);
            if (!t->data)
                return bench_failed("no memory for a copy of K or V");
            memcpy(t->data, data->tensor[1 + i].data, data->bytes[1 + i]);
            data->args[data->copies][1 + i].object = t;
        }
        data->copies++;
    }
    return 0;
}

static enum contents contents_of(int32_t role, int32_t dtype)
{
    static const struct {
        int32_t role;
        enum contents contents;
    } special[] = {
        {ATTN_ROLE_MASK, HIDDEN},
        {ATTN_ROLE_SEG_Q, SEGMENTS_Q},
        {ATTN_ROLE_SEG_K, SEGMENTS_K},
        {ATTN_ROLE_G, LOG_GATE},
        {ATTN_ROLE_GATE_A, LOG_GATE},
        {ATTN_ROLE_BETA, UNIT},
        {ATTN_ROLE_WRITE, UNIT},
        {ATTN_ROLE_ERASE, UNIT},
        {ATTN_ROLE_VALUE_GATE, UNIT},
        {ATTN_ROLE_K_MIX, UNIT},
        /* longer rows would saturate softmax: gates of 0 for heads that were chosen */
        {ATTN_ROLE_ROUTER_W, LENGTH_1},
        {ATTN_ROLE_ROUTER_SHARED_W, LENGTH_1},
        {ATTN_ROLE_ROUTER_MIX_W, LENGTH_1},
        {ATTN_ROLE_EXPERT_W, LENGTH_1},
    };
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if (special[i].role == role)
            return special[i].contents;
    bool real = dtype == ATTN_DTYPE_F32 || dtype == ATTN_DTYPE_F64 || dtype == ATTN_DTYPE_F16 ||
                dtype == ATTN_DTYPE_BF16;
    return real && !attn_role_is_output(role) ? NORMAL : NOTHING;
}

/* Batch and heads share where they may: a mask or bias is one for all. */
static void share(int32_t role, attn_tensor *t)
{
    const char *at = attn_role_shape(role);
    for (int32_t i = 0; i < t->rank && at && *at; i++) {
        size_t n = strcspn(at, ",|");
        if (at[n > 0 ? n - 1 : 0] == '?' && *at != 'Q' && *at != 'K' && *at != 'N')
            t->shape[i] = 1;
        at += n + (at[n] == ',');
    }
}

/* What the plan asks for besides Q, K, V and offsets, and what it offers but LSE. */
static int add_others(const attn_plan *plan, const bench_size *size, uint64_t *seed, bool huge,
                      bench_data *data)
{
    const size_t known = data->n_args;
    int32_t role, required;
    for (size_t i = 0; (role = attn_plan_role_at(plan, i, &required)) != 0; i++) {
        attn_tensor t;
        bool have = role == ATTN_ROLE_LSE;
        for (size_t j = 0; j < known; j++)
            have = have || data->args[0][j].role == role;
        if (have || !(required || attn_role_is_output(role)))
            continue;
        if (data->n_args == BENCH_MOST_ARGS)
            return bench_failed("more than %d arguments", BENCH_MOST_ARGS);
        if (attn_plan_shape(plan, data->args[0], known, role, &t) != ATTN_OK)
            return bench_library_failed(attn_role_name(role));
        share(role, &t);
        int rc = add(data, role, t.dtype, t.rank, t.shape, contents_of(role, t.dtype), size, seed,
                     huge);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int bench_data_make(const attn_plan *plan, const bench_size *size, uint64_t seed, bool huge,
                    bench_data *data)
{
    const bench_size *z = size;
    const int64_t b = z->packed ? 1 : z->b, q = z->packed ? z->b * z->q : z->q,
                  k = z->packed ? z->b * z->k : z->k;
    int64_t lists = 0, listed = z->list_k ? make_lists(z, NULL, NULL, &lists) : 0;
    const struct {
        bool wanted;
        int32_t role, dtype, rank;
        enum contents contents;
        int64_t shape[4];
    } list[] = {
        {true, ATTN_ROLE_Q, z->dtype, 4, NORMAL, {b, z->hq, q, z->d}},
        {true, ATTN_ROLE_K, z->kv_dtype, 4, z->recurrent ? LENGTH_1 : NORMAL, {b, z->hk, k, z->d}},
        {true, ATTN_ROLE_V, z->kv_dtype, 4, NORMAL, {b, z->hv, k, z->dv}},
        {z->packed, ATTN_ROLE_Q_OFFSETS, ATTN_DTYPE_I64, 1, OFFSETS_Q, {z->b + 1}},
        {z->packed, ATTN_ROLE_K_OFFSETS, ATTN_DTYPE_I64, 1, OFFSETS_K, {z->b + 1}},
        {z->list_k, ATTN_ROLE_LIST_OFFSETS, ATTN_DTYPE_I64, 3, LIST_ENDS, {1, 1, lists + 1}},
        {z->list_k, ATTN_ROLE_LIST_INDEX, ATTN_DTYPE_I64, 1, LISTS, {listed}},
    };
    int rc = 0;
    memset(data, 0, sizeof *data);
    for (size_t i = 0; i < sizeof list / sizeof list[0] && rc == 0; i++)
        if (list[i].wanted)
            rc = add(data, list[i].role, list[i].dtype, list[i].rank, list[i].shape,
                     list[i].contents, size, &seed, huge);
    if (rc == 0)
        rc = add_others(plan, size, &seed, huge, data);
    return rc == 0 ? add_copies(size, huge, data) : rc;
}

const attn_tensor *bench_data_tensor(const bench_data *data, int32_t role)
{
    for (size_t i = 0; i < data->n_args; i++)
        if (data->args[0][i].role == role)
            return data->args[0][i].object;
    return NULL;
}

void bench_data_free(bench_data *data)
{
    for (size_t i = 0; i < BENCH_MOST_ARGS; i++)
        bench_pages_free(data->tensor[i].data, data->bytes[i]);
    bench_recurrence_free(data);
    for (int64_t c = 1; c < BENCH_MOST_COPIES; c++)
        for (int i = 0; i < 2; i++)
            bench_pages_free(data->more[c][i].data, data->bytes[1 + i]);
}
