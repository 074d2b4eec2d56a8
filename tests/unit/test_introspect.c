/* SPDX-License-Identifier: MIT */
/*
 * What the library tells about itself against what the headers say. The first
 * argument is the folder of the public headers (include/attn).
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "unit.h"

static const char *folder;

static char *read_header(const char *name)
{
    static char text[65536];
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

/* The next `prefix`NAME = NUMBER from *at on; false at the end. */
static bool next_constant(const char **at, const char *prefix, char name[64], int32_t *number)
{
    for (const char *p = *at; (p = strstr(p, prefix)) != NULL;) {
        size_t n = 0;

        p += strlen(prefix);
        while (n < 63 && (isupper((unsigned char)p[n]) || isdigit((unsigned char)p[n]) ||
                          p[n] == '_'))
            n++;
        if (sscanf(p + n, " = %" SCNd32, number) == 1) {
            for (size_t i = 0; i < n; i++)
                name[i] = (char)tolower((unsigned char)p[i]);
            name[n] = '\0';
            *at = p;
            return true;
        }
    }
    return false;
}

/* Those with parameters, in the order of their numbers. */
static const char *const headers[] = {"desc.h", "mech_params.h"};

START_TEST(parameters_as_in_the_header)
{
    size_t count = 0;
    int32_t number, found;
    char name[64];

    for (size_t n = 0; n < sizeof headers / sizeof headers[0]; n++)
        for (const char *at = read_header(headers[n]);
             next_constant(&at, "ATTN_PARAM_", name, &number);) {
            if (strncmp(name, "type_", 5) == 0)
                continue;
            ck_assert_int_eq(attn_param_at(count++), number);
            ck_assert_str_eq(attn_param_name(number), name);
            ck_assert_int_eq(attn_param_find(name, &found), ATTN_OK);
            ck_assert_int_eq(found, number);
            ck_assert_int_gt(attn_param_type(number), 0);
            ck_assert_ptr_nonnull(attn_param_help(number));
        }
    ck_assert_int_gt(count, 30);
    ck_assert_int_eq(attn_param_at(count), 0);
    ck_assert_int_eq(attn_param_at(SIZE_MAX), 0);
    ck_assert_ptr_null(attn_param_name(0));
    ck_assert_ptr_null(attn_param_help(0));
    ck_assert_int_eq(attn_param_type(0), 0);
    ck_assert_int_eq(attn_param_find("causa", &found), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(attn_param_find(NULL, &found), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_param_find("b", NULL), ATTN_ERR_NULL);
}
END_TEST

/* The rows "| no. | key | type |" of the table in the header. */
START_TEST(types_as_in_the_table)
{
    static const char *const types[] = {
        [ATTN_PARAM_TYPE_I64] = "i64",   [ATTN_PARAM_TYPE_BOOL] = "bool",
        [ATTN_PARAM_TYPE_ENUM] = "enum", [ATTN_PARAM_TYPE_SET] = "set",
        [ATTN_PARAM_TYPE_F64] = "f64",   [ATTN_PARAM_TYPE_TEXT] = "text",
        [ATTN_PARAM_TYPE_I64S] = "i64s", [ATTN_PARAM_TYPE_F64S] = "f64s"};
    size_t count = 0;

    for (size_t n = 0; n < sizeof headers / sizeof headers[0]; n++)
        for (const char *at = read_header(headers[n]); (at = strstr(at, " * | ")) != NULL;
             at += 5) {
            int32_t number;
            char type[16];

            if (sscanf(at, " * | %" SCNd32 " | %*[^|]| %15s |", &number, type) != 2)
                continue;
            ck_assert_int_eq(attn_param_at(count++), number);
            ck_assert_str_eq(types[attn_param_type(number)], type);
        }
    ck_assert_int_eq(attn_param_at(count), 0);
}
END_TEST

START_TEST(words_as_in_the_header)
{
    static const struct {
        const char *prefix;
        int32_t param;
    } groups[] = {{"ATTN_ALIGN_", ATTN_PARAM_ALIGN},
                  {"ATTN_BLAS_", ATTN_PARAM_BLAS},
                  {"ATTN_CHECK_", ATTN_PARAM_CHECK},
                  {"ATTN_INVARIANT_", ATTN_PARAM_INVARIANT},
                  {"ATTN_COMPUTE_", ATTN_PARAM_COMPUTE},
                  {"ATTN_NORMALIZER_", ATTN_PARAM_NORMALIZER},
                  {"ATTN_NORM_COUNT_", ATTN_PARAM_NORM_COUNT},
                  {"ATTN_MLA_", ATTN_PARAM_MLA_FORM},
                  {"ATTN_MOA_", ATTN_PARAM_MOA_FORM},
                  {"ATTN_MOH_", ATTN_PARAM_MOH_FORM},
                  {"ATTN_OUT_GATE_", ATTN_PARAM_OUT_GATE},
                  {"ATTN_OUT_NORM_", ATTN_PARAM_OUT_NORM},
                  {"ATTN_QK_NORM_", ATTN_PARAM_QK_NORM},
                  {"ATTN_ROPE_SCALING_", ATTN_PARAM_ROPE_SCALING},
                  {"ATTN_ROPE_APPLY_", ATTN_PARAM_ROPE_APPLY},
                  {"ATTN_WANT_", ATTN_PARAM_WANT}};

    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        const char *at = read_header("values.h");
        size_t count = 0;
        int32_t number;
        int64_t value;
        char name[64];

        while (next_constant(&at, groups[g].prefix, name, &number)) {
            ck_assert_str_eq(attn_param_word(groups[g].param, count++, &value), name);
            ck_assert_int_eq(value, number);
        }
        ck_assert_ptr_null(attn_param_word(groups[g].param, count, &value));
    }
    for (size_t i = 0; i < 4; i++) {
        int64_t value = 0;
        const char *word = attn_param_word(ATTN_PARAM_DTYPE, i, &value);

        ck_assert_str_eq(word, attn_dtype_name((int32_t)value));
        ck_assert_str_eq(attn_param_word(ATTN_PARAM_KV_DTYPE, i, NULL), word);
    }
    ck_assert_ptr_null(attn_param_word(ATTN_PARAM_DTYPE, 4, NULL));
    ck_assert_ptr_null(attn_param_word(ATTN_PARAM_B, 0, NULL));
    ck_assert_ptr_null(attn_param_word(1, 0, NULL));
}
END_TEST

START_TEST(bounds)
{
    int64_t least = 0, greatest = 0;
    double low = 0, high = 0;

    ck_assert_int_eq(attn_param_bounds_i64(ATTN_PARAM_HQ, &least, &greatest), ATTN_OK);
    ck_assert(least == 1 && greatest == 65536);
    ck_assert_int_eq(attn_param_bounds_i64(ATTN_PARAM_K, &least, &greatest), ATTN_OK);
    ck_assert(least == 0 && greatest == ATTN_UNBOUNDED);
    ck_assert_int_eq(attn_param_bounds_i64(ATTN_PARAM_CAUSAL, &least, &greatest), ATTN_OK);
    ck_assert(least == 0 && greatest == 1);
    ck_assert_int_eq(attn_param_bounds_i64(ATTN_PARAM_Q_HEAD, &least, &greatest), ATTN_OK);
    ck_assert(least == 0 && greatest == 65535);
    ck_assert_int_eq(attn_param_bounds_f64(ATTN_PARAM_SOFTCAP, &low, &high), ATTN_OK);
    ck_assert(low > 0 && high > 1e300);
    ck_assert_int_eq(attn_param_bounds_i64(ATTN_PARAM_SCALE, &least, &greatest),
                     ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_param_bounds_i64(ATTN_PARAM_DTYPE, &least, &greatest),
                     ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_param_bounds_f64(ATTN_PARAM_B, &low, &high), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_param_bounds_i64(1, &least, &greatest), ATTN_ERR_UNKNOWN_PARAM);
    ck_assert_int_eq(attn_param_bounds_i64(ATTN_PARAM_B, NULL, &greatest), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_param_bounds_f64(ATTN_PARAM_SCALE, &low, NULL), ATTN_ERR_NULL);
}
END_TEST

START_TEST(roles_as_in_the_header)
{
    const char *at = read_header("plan.h");
    size_t count = 0;
    int32_t number, found;
    char name[64];

    while (next_constant(&at, "ATTN_ROLE_", name, &number)) {
        ck_assert_int_eq(attn_role_at(count++), number);
        ck_assert_str_eq(attn_role_name(number), name);
        ck_assert_int_eq(attn_role_find(name, &found), ATTN_OK);
        ck_assert_int_eq(found, number);
        bool output = (number >= ATTN_ROLE_OUT && number < ATTN_ROLE_G) ||
                      number == ATTN_ROLE_SELECTION_OUT || number == ATTN_ROLE_NEW_CENTROIDS ||
                      number == ATTN_ROLE_NEW_CENTROID_STATE || number == ATTN_ROLE_CHUNK_KEYS ||
                      number == ATTN_ROLE_NEW_CHOICE_Q || number == ATTN_ROLE_NEW_CHOICE_KEYS;
        ck_assert_int_eq(attn_role_is_output(number), output);
    }
    ck_assert_int_gt(count, 20);
    ck_assert_int_eq(attn_role_at(count), 0);
    ck_assert_ptr_null(attn_role_name(99));
    ck_assert_int_eq(attn_role_is_output(99), 0);
    ck_assert_int_eq(attn_role_find("Q", &found), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(attn_role_find("", &found), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(attn_role_find(NULL, &found), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_role_find("q", NULL), ATTN_ERR_NULL);
}
END_TEST

START_TEST(mechanisms_as_in_the_header)
{
    const char *at = read_header("mechs.h");
    size_t count = 0;
    int32_t number, found;
    char name[64];

    while (next_constant(&at, "ATTN_MECH_", name, &number)) {
        ck_assert_int_eq(attn_mech_at(count++), number);
        ck_assert_str_eq(attn_mech_name(number), name);
        ck_assert_int_eq(attn_mech_find(name, &found), ATTN_OK);
        ck_assert_int_eq(found, number);
    }
    ck_assert_int_ge(count, 1);
    ck_assert_int_eq(attn_mech_at(count), 0);
    ck_assert_ptr_null(attn_mech_name(2));
    ck_assert_int_eq(attn_mech_find("softma", &found), ATTN_ERR_UNKNOWN_MECH);
    ck_assert_int_eq(attn_mech_find(NULL, &found), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_mech_find("softmax", NULL), ATTN_ERR_NULL);
}
END_TEST

START_TEST(statuses_types_version)
{
    char text[32], buf[4];

#define CHECK_STATUS(name, value, phrase)                                                          \
    ck_assert_str_eq(attn_status_name(value), "ATTN_" #name);                                      \
    ck_assert_str_eq(attn_status_text(value), phrase);
    ATTN_STATUS_LIST(CHECK_STATUS)
#undef CHECK_STATUS
    ck_assert_str_eq(attn_status_name(1), "ATTN_ERR_?");
    ck_assert_ptr_nonnull(attn_status_text(1));

    ck_assert_int_eq(attn_dtype_size(ATTN_DTYPE_BF16), 2);
    ck_assert_int_eq(attn_dtype_size(0), 0);
    ck_assert_ptr_null(attn_dtype_name(0));
    ck_assert_ptr_null(attn_dtype_name(11));

    /* rows of caches */
    ck_assert_str_eq(attn_dtype_name(ATTN_DTYPE_Q8_0), "q8_0");
    ck_assert_uint_eq(attn_dtype_size(ATTN_DTYPE_FP8_E4M3), 0);
    ck_assert_uint_eq(attn_dtype_row_size(ATTN_DTYPE_F16, 3), 6);
    ck_assert_uint_eq(attn_dtype_row_size(ATTN_DTYPE_FP8_E5M2, 3), 3);
    ck_assert_uint_eq(attn_dtype_row_size(ATTN_DTYPE_Q8_0, 128), 136);
    ck_assert_uint_eq(attn_dtype_row_size(ATTN_DTYPE_Q4_0, 128), 72);
    ck_assert_uint_eq(attn_dtype_row_size(ATTN_DTYPE_Q4_0, 40), 0);
    ck_assert_uint_eq(attn_dtype_row_size(ATTN_DTYPE_F64, INT64_MAX), 0);
    ck_assert_uint_eq(attn_dtype_row_size(ATTN_DTYPE_F64, 0), 0);
    ck_assert_uint_eq(attn_dtype_row_size(11, 4), 0);

    ck_assert_int_eq(attn_version(), ATTN_VERSION);
    snprintf(text, sizeof text, "%d.%d.%d", ATTN_VERSION_MAJOR, ATTN_VERSION_MINOR,
             ATTN_VERSION_PATCH);
    ck_assert_str_eq(attn_version_text(), text);

    attn_param_find("x", &(int32_t){0});
    ck_assert_int_gt(attn_last_error(NULL, 0), 10);
    ck_assert_int_gt(attn_last_error(buf, sizeof buf), 10);
    ck_assert_str_eq(buf, "'x'");
}
END_TEST

START_TEST(tensors)
{
    const int64_t shape[] = {2, 3, 4, 5}, empty[] = {4, 0, 3}, bad[] = {2, -1};
    const int64_t huge[] = {INT64_MAX / 4, 2}, ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    attn_tensor t = {.rank = 77};
    float data[120];

    ck_assert_int_eq(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 4, shape), ATTN_OK);
    ck_assert_ptr_eq(t.data, data);
    ck_assert(t.dtype == ATTN_DTYPE_F32 && t.rank == 4);
    ck_assert(t.stride[0] == 60 && t.stride[1] == 20 && t.stride[2] == 5 && t.stride[3] == 1);
    ck_assert_int_eq(attn_tensor_init(&t, NULL, ATTN_DTYPE_I64, 0, NULL), ATTN_OK);
    ck_assert_int_eq(t.rank, 0);
    ck_assert_int_eq(attn_tensor_init(&t, NULL, ATTN_DTYPE_F32, 3, empty), ATTN_OK);
    ck_assert_int_eq(attn_tensor_init(&t, NULL, ATTN_DTYPE_F32, 8, ones), ATTN_OK);

    t.rank = 77;
    ck_assert_int_eq(attn_tensor_init(NULL, data, ATTN_DTYPE_F32, 4, shape), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 4, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_tensor_init(&t, data, 0, 4, shape), ATTN_ERR_DTYPE);
    ck_assert_int_eq(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 9, ones), ATTN_ERR_SHAPE);
    ck_assert_int_eq(attn_tensor_init(&t, data, ATTN_DTYPE_F32, -1, ones), ATTN_ERR_SHAPE);
    ck_assert_int_eq(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 2, bad), ATTN_ERR_SHAPE);
    ck_assert_int_eq(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 2, huge), ATTN_ERR_OVERFLOW);
    ck_assert_int_eq(attn_tensor_init(&t, data, ATTN_DTYPE_U8, 2, huge), ATTN_OK);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {parameters_as_in_the_header, types_as_in_the_table,
                                  words_as_in_the_header,      bounds,
                                  roles_as_in_the_header,      mechanisms_as_in_the_header,
                                  statuses_types_version,      tensors};

    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER_OF_HEADERS\n", argv[0]);
        return 2;
    }
    folder = argv[1];
    return unit_run("introspect", tests, sizeof tests / sizeof tests[0]);
}
