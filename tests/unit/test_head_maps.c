/* SPDX-License-Identifier: MIT */
/*
 * Head maps and the noise of pgqa (src/solvers/head_alloc.c, map_noise.c)
 * against golden numbers, and their arguments.
 */
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "base/dtype.h"
#include "golden_head_maps.h"
#include "unit.h"

enum { MOST = 12, UNTOUCHED = -77 };

static void check_error(int32_t status, int32_t expected, const char *part)
{
    char text[512];

    attn_last_error(text, sizeof text);
    ck_assert_msg(status == expected && strstr(text, part), "%d: '%s' does not say '%s'",
                  (int)status, text, part);
}

START_TEST(allocations_as_the_oracle)
{
    for (size_t n = 0; n < sizeof allocations / sizeof allocations[0]; n++) {
        size_t hk = (size_t)allocations[n].hk, hq = (size_t)allocations[n].hq;
        int64_t alloc[MOST], map[64], at = 0;
        int32_t status =
            allocations[n].rule < 0
                ? attn_head_map_kdgqa(hk, allocations[n].norms, hq, alloc)
                : attn_head_map_dgqa(hk, allocations[n].norms, allocations[n].cache,
                                     allocations[n].rule, hq, alloc);
        ck_assert_int_eq(status, ATTN_OK);
        for (size_t g = 0; g < hk; g++)
            ck_assert_msg(alloc[g] == allocations[n].alloc[g], "row %zu, head %zu: %d", n, g,
                          (int)alloc[g]);
        ck_assert_int_eq(attn_head_map_expand(hk, alloc, hq, map), ATTN_OK);
        for (size_t g = 0; g < hk; g++)
            for (int64_t i = 0; i < alloc[g]; i++)
                ck_assert_int_eq(map[at++], (int64_t)g);
        ck_assert_int_eq(at, (int64_t)hq);
    }
}
END_TEST

static attn_tensor make(int32_t dtype, int32_t rank, const int64_t *shape, int64_t n)
{
    attn_tensor t;
    void *data = calloc((size_t)n, attn_dtype_size(dtype));

    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(attn_tensor_init(&t, data, dtype, rank, shape), ATTN_OK);
    return t;
}

START_TEST(norms_as_the_oracle)
{
    static const int32_t types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                    ATTN_DTYPE_BF16};
    const int64_t shape[] = {2, 3, 5, 4};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        attn_tensor k = make(types[t], 4, shape, 120);
        double norms[3];
        for (uint32_t i = 0; i < 120; i++)
            attn__store_f64(k.data, i, types[t],
                            ((double)(((i * 2654435761u + 40503u) >> 16) % 61) - 30) / 16);
        ck_assert_int_eq(attn_head_map_norms(&k, 3, norms), ATTN_OK);
        for (int g = 0; g < 3; g++)
            ck_assert_double_eq_tol(norms[g], key_norms[g], 1e-12);
        /* a view without the last token is another thing */
        k.shape[2] = 4;
        double less[3];
        ck_assert_int_eq(attn_head_map_norms(&k, 3, less), ATTN_OK);
        ck_assert(less[0] < norms[0]);
        free(k.data);
    }
}
END_TEST

START_TEST(noise_as_the_oracle)
{
    const int64_t shape[] = {4, 2, 3};
    attn_tensor u = make(ATTN_DTYPE_F64, 3, shape, 24), z = make(ATTN_DTYPE_F64, 3, shape, 24);
    memcpy(u.data, pgqa_uniform, sizeof pgqa_uniform);
    ck_assert_int_eq(attn_pgqa_noise(&u, 2, &z), ATTN_OK);
    for (int i = 0; i < 24; i++)
        ck_assert_double_eq_tol(((double *)z.data)[i], pgqa_noise[i], 1e-12);
    /* in place, the same */
    ck_assert_int_eq(attn_pgqa_noise(&u, 2, &u), ATTN_OK);
    ck_assert_mem_eq(u.data, z.data, 24 * sizeof(double));
    /* one number all over: nothing to divide by but where the 0 was put in */
    const int64_t one[] = {1, 1, 1};
    attn_tensor single = make(ATTN_DTYPE_F32, 3, one, 1);
    ck_assert_int_eq(attn_pgqa_noise(&single, 1, &single), ATTN_OK);
    ck_assert(*(float *)single.data == 0);
    /* no tokens at all */
    single.shape[1] = 0;
    ck_assert_int_eq(attn_pgqa_noise(&single, 1, &single), ATTN_OK);
    free(single.data);
    free(u.data);
    free(z.data);
}
END_TEST

START_TEST(bad_arguments)
{
    const double same[3] = {2, 2, 2}, bad[3] = {1, NAN, 2}, negative[3] = {1, 2, -1};
    const double huge[3] = {1e308, 1e308, 1e308}, good[3] = {1, 2, 3};
    const int64_t many[3] = {2, 3, 1}, below[3] = {2, -1, 4};
    const int64_t shape[] = {1, 3, 2, 2}, noise_shape[] = {4, 2, 3};
    int64_t alloc[3] = {UNTOUCHED, UNTOUCHED, UNTOUCHED}, map[8] = {UNTOUCHED};
    double norms[3] = {UNTOUCHED};

    check_error(attn_head_map_kdgqa(3, NULL, 4, alloc), ATTN_ERR_NULL, "norms is NULL");
    check_error(attn_head_map_kdgqa(3, good, 4, NULL), ATTN_ERR_NULL, "alloc is NULL");
    check_error(attn_head_map_kdgqa(0, good, 4, alloc), ATTN_ERR_INVALID, "hk is 0");
    check_error(attn_head_map_kdgqa(3, good, 65537, alloc), ATTN_ERR_INVALID, "hq is 65537");
    check_error(attn_head_map_kdgqa(3, same, 4, alloc), ATTN_ERR_DATA, "norms are all 2");
    check_error(attn_head_map_kdgqa(1, good, 4, alloc), ATTN_ERR_DATA, "norms are all 1");
    check_error(attn_head_map_kdgqa(3, bad, 4, alloc), ATTN_ERR_DATA, "norms[1] is nan");
    check_error(attn_head_map_dgqa(3, good, negative, 0, 4, alloc), ATTN_ERR_DATA,
                "cache[2] is -1");
    check_error(attn_head_map_dgqa(3, good, NULL, 0, 4, alloc), ATTN_ERR_NULL, "cache is NULL");
    check_error(attn_head_map_dgqa(3, good, good, 2, 4, alloc), ATTN_ERR_INVALID, "rule is 2");
    check_error(attn_head_map_dgqa(3, good, good, ATTN_DGQA_DIFF, 4, alloc), ATTN_ERR_DATA,
                "sum to 0");
    check_error(attn_head_map_dgqa(3, huge, huge, ATTN_DGQA_EMA, 4, alloc), ATTN_ERR_DATA,
                "sum to inf");
    ck_assert(alloc[0] == UNTOUCHED && alloc[1] == UNTOUCHED && alloc[2] == UNTOUCHED);

    check_error(attn_head_map_expand(3, NULL, 6, map), ATTN_ERR_NULL, "alloc is NULL");
    check_error(attn_head_map_expand(3, many, 6, NULL), ATTN_ERR_NULL, "map is NULL");
    check_error(attn_head_map_expand(3, many, 5, map), ATTN_ERR_INVALID, "alloc[2] is 1");
    check_error(attn_head_map_expand(3, many, 8, map), ATTN_ERR_INVALID, "alloc sums to 6");
    check_error(attn_head_map_expand(3, below, 5, map), ATTN_ERR_INVALID, "alloc[1] is -1");
    ck_assert_int_eq(map[0], UNTOUCHED);

    attn_tensor k = make(ATTN_DTYPE_F32, 4, shape, 12);
    check_error(attn_head_map_norms(NULL, 3, norms), ATTN_ERR_NULL, "k is NULL");
    check_error(attn_head_map_norms(&k, 3, NULL), ATTN_ERR_NULL, "norms is NULL");
    check_error(attn_head_map_norms(&k, 2, norms), ATTN_ERR_SHAPE, "k has extent 3");
    k.dtype = ATTN_DTYPE_I32;
    check_error(attn_head_map_norms(&k, 3, norms), ATTN_ERR_DTYPE, "k has dtype 5 (i32)");
    k.dtype = ATTN_DTYPE_F32;
    k.rank = 3;
    check_error(attn_head_map_norms(&k, 3, norms), ATTN_ERR_SHAPE, "k has rank 3");
    ck_assert_double_eq(norms[0], UNTOUCHED);
    free(k.data);

    attn_tensor u = make(ATTN_DTYPE_F32, 3, noise_shape, 24), z = u;
    check_error(attn_pgqa_noise(NULL, 2, &z), ATTN_ERR_NULL, "uniform is NULL");
    check_error(attn_pgqa_noise(&u, 2, NULL), ATTN_ERR_NULL, "noise is NULL");
    check_error(attn_pgqa_noise(&u, 3, &z), ATTN_ERR_INVALID, "hk is 3");
    check_error(attn_pgqa_noise(&u, 0, &z), ATTN_ERR_INVALID, "hk is 0");
    z.shape[1] = 1;
    check_error(attn_pgqa_noise(&u, 2, &z), ATTN_ERR_SHAPE, "noise has extent 1");
    z.shape[1] = 2;
    z.stride[0] = 0;
    check_error(attn_pgqa_noise(&u, 2, &z), ATTN_ERR_STRIDE, "noise");
    free(u.data);
}
END_TEST

UNIT_MAIN("head_maps", allocations_as_the_oracle, norms_as_the_oracle, noise_as_the_oracle,
          bad_arguments)
