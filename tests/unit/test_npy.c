/* SPDX-License-Identifier: MIT */
/*
 * Tests of tools/npy.c: what NumPy writes is read, what is written is read
 * back, and a table of hostile files is refused with a message that says why.
 */
#include "npy.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Puts header text (padded by nothing) and `data_bytes` counting bytes
 * together as a file of the given version; returns its size. */
static size_t make_file(unsigned char *buf, int major, const char *text, long lie,
                        size_t data_bytes)
{
    size_t len = strlen(text);
    size_t says = lie >= 0 ? (size_t)lie : len;
    size_t n = 0;
    memcpy(buf, "\x93NUMPY", 6);
    buf[6] = (unsigned char)major;
    buf[7] = 0;
    n = 8;
    for (int i = 0; i < (major == 1 ? 2 : 4); i++)
        buf[n++] = (unsigned char)(says >> (8 * i));
    memcpy(buf + n, text, len);
    n += len;
    for (size_t i = 0; i < data_bytes; i++)
        buf[n++] = (unsigned char)i;
    return n;
}

/* Parses a heap copy of exactly n bytes, so that a sanitizer or valgrind sees
 * any read past the end. */
static int parse_exact(const unsigned char *bytes, size_t n, npy_header *h, char *err)
{
    unsigned char *copy = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, n);
    int rc = npy_header_parse("file.npy", copy, n, n, h, err);
    free(copy);
    return rc;
}

static char path[64];

static void temp_file(const void *bytes, size_t n)
{
    strcpy(path, "test_npy_XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static const struct good {
    int major;
    const char *text;
    size_t data_bytes;
    int32_t kind, rank;
    int64_t shape[8], stride[8];
} goods[] = {
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24, NPY_F4, 2,
     {2, 3}, {3, 1}},
    {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 4), }\n", 96, NPY_F4, 3,
     {2, 3, 4}, {1, 2, 6}},
    {2, "{'shape': (5,), 'fortran_order': False, 'descr': \"<f8\"}", 40, NPY_F8, 1, {5}, {1}},
    {3, "{'descr':'<f2','fortran_order':False,'shape':()}", 2, NPY_F2, 0, {0}, {0}},
    {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (0,), }", 0, NPY_I4, 1, {0}, {1}},
    {1, "{'descr': '<i8', 'fortran_order': False, 'shape': (4, 0, 3), }", 0, NPY_I8, 3,
     {4, 0, 3}, {3, 3, 1}},
    {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }", 7, NPY_U1, 1, {7}, {1}},
    {1, "{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", 1, NPY_B1, 1, {1}, {1}},
    {1, "{'descr': '<u2', 'fortran_order': False, 'shape': (3,), }", 6, NPY_U2, 1, {3}, {1}},
    {1, "{'descr': '|V2', 'fortran_order': False, 'shape': (3,), }", 6, NPY_V2, 1, {3}, {1}},
    {1, "{'descr': '|u1', 'fortran_order': True, 'shape': (1,2,1,2,1,2,1,2)}", 16, NPY_U1, 8,
     {1, 2, 1, 2, 1, 2, 1, 2}, {1, 1, 2, 2, 4, 4, 8, 8}},
};

START_TEST(reads_what_numpy_writes)
{
    const struct good *g = &goods[_i];
    unsigned char bytes[512];
    char err[NPY_ERROR_BYTES] = "";
    npy_array a;
    size_t n = make_file(bytes, g->major, g->text, -1, g->data_bytes);
    temp_file(bytes, n);
    int rc = npy_read(path, &a, err);
    unlink(path);
    ck_assert_msg(rc == 0, "%s", err);
    ck_assert_int_eq(a.header.kind, g->kind);
    ck_assert_int_eq(a.header.rank, g->rank);
    for (int32_t i = 0; i < g->rank; i++) {
        ck_assert_int_eq(a.header.shape[i], g->shape[i]);
        ck_assert_int_eq(a.header.stride[i], g->stride[i]);
    }
    ck_assert_uint_eq(a.header.data_bytes, g->data_bytes);
    for (size_t i = 0; i < g->data_bytes; i++)
        ck_assert_int_eq(((unsigned char *)a.data)[i], (int)i);
    npy_array_free(&a);
}
END_TEST

#define F4(shape) "{'descr': '<f4', 'fortran_order': False, 'shape': " shape ", }\n"

static const struct hostile {
    const char *what;
    int major;
    const char *text;
    long lie; /* header length to claim; -1: the true one */
    size_t data_bytes;
    const char *message;
} hostiles[] = {
    {"data missing", 1, F4("(2, 3)"), -1, 23, "needs 24 bytes of data, the file has 23"},
    {"no data at all", 1, F4("(2, 3)"), -1, 0, "needs 24 bytes of data, the file has 0"},
    {"data left over", 1, F4("(2, 3)"), -1, 25, "needs 24 bytes of data, the file has 25"},
    {"huge extent", 1, F4("(4000000000000000000,)"), -1, 8, "more than 2^63 - 1 bytes"},
    {"large extent", 1, F4("(1000000000000,)"), -1, 8, "needs 4000000000000 bytes"},
    {"extent overflows", 1, F4("(9223372036854775808,)"), -1, 8, "more than 2^63 - 1"},
    {"very long number", 1, F4("(99999999999999999999999999999999,)"), -1, 8, "more than 2^63"},
    {"product overflows", 1, F4("(4294967296, 4294967296)"), -1, 8, "product of the shape"},
    {"product hidden by 0", 1, F4("(0, 4294967296, 4294967296)"), -1, 0, "product of the shape"},
    {"negative extent", 1, F4("(-1, 4)"), -1, 8, "'-1, 4"},
    {"extent of letters", 1, F4("(a,)"), -1, 8, "expected a number"},
    {"nine dimensions", 1, F4("(1,1,1,1,1,1,1,1,1)"), -1, 4, "more than the 8 dimensions"},
    {"shape without comma", 1, F4("(3)"), -1, 12, "expected a tuple (3,)"},
    {"shape without bracket", 1, F4("3"), -1, 12, "before the shape, expected '('"},
    {"shape not closed", 1, F4("(3, 4"), -1, 48, "'}?', expected a number"},
    {"two commas", 1, F4("(3,,4)"), -1, 48, "expected a number"},
    {"big-endian", 1, "{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", -1, 4,
     "'>f4' is big-endian, expected little-endian"},
    {"unknown type", 1, "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", -1, 8,
     "'<c8', expected one of <f2 <f4"},
    {"object type", 1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", -1, 8,
     "'|O', expected one of"},
    {"structure", 1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", -1, 4,
     "is a structure"},
    {"long type", 1, "{'descr': '<f4444444444444444444444444', 'fortran_order': False}", -1, 4,
     "too long or without its closing quote"},
    {"open quote", 1, "{'descr': '<f4", -1, 4, "closing quote"},
    {"order is a number", 1, "{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", -1, 4,
     "fortran_order is '1, "},
    {"key missing", 1, "{'descr': '<f4', 'shape': (1,)}", -1, 4, "no key 'fortran_order'"},
    {"key twice", 1, "{'descr': '<f4', 'descr': '<f4'}", -1, 4, "the key 'descr' twice"},
    {"unknown key", 1, "{'dtype': '<f4'}", -1, 4, "the key 'dtype', expected"},
    {"no dictionary", 1, "import os; os.system('rm')", -1, 4,
     "'import os; os.system('rm' at its start"},
    {"empty header", 1, "", -1, 4, "the end of the header"},
    {"unfinished dictionary", 1, "{'descr': '<f4', ", -1, 0, "where a key was expected"},
    {"no comma", 1, "{'descr': '<f4' 'shape': (1,)}", -1, 4, "expected ','"},
    {"text after it", 1, F4("(1,)") "x = 1", -1, 4, "after its dictionary"},
    {"length beyond the file", 1, F4("(1,)"), 9000, 4, "says it is 9000 bytes long"},
    {"length too small", 1, F4("(1,)"), 20, 4, "the header has"},
    {"length of 0", 1, F4("(1,)"), 0, 4, "the end of the header"},
    {"length of 4 GB", 2, F4("(1,)"), 0xffffffffL, 4, "expected at most 10000"},
    {"length of 64 KB", 1, F4("(1,)"), 0xffff, 4, "expected at most 10000"},
    {"version 0", 0, F4("(1,)"), -1, 4, "version is 0.0"},
    {"version 4", 4, F4("(1,)"), -1, 4, "version is 4.0"},
    {"control bytes", 1, "{'des\x01r': '<f4'}", -1, 4, "unprintable"},
};

START_TEST(refuses_hostile_files)
{
    const struct hostile *t = &hostiles[_i];
    unsigned char bytes[512];
    char err[NPY_ERROR_BYTES] = "";
    npy_header h;
    size_t n = make_file(bytes, t->major, t->text, t->lie, t->data_bytes);
    int rc = parse_exact(bytes, n, &h, err);
    ck_assert_msg(rc == -1, "%s: was accepted", t->what);
    ck_assert_msg(strstr(err, t->message) != NULL, "%s: message is \"%s\"", t->what, err);
    ck_assert_msg(strncmp(err, "file.npy: ", 10) == 0, "%s: message is \"%s\"", t->what, err);
}
END_TEST

START_TEST(refuses_every_truncation)
{
    unsigned char bytes[512];
    char err[NPY_ERROR_BYTES];
    npy_header h;
    for (int major = 1; major <= 3; major++) {
        size_t n = make_file(bytes, major, F4("(2, 3)"), -1, 24);
        ck_assert_int_eq(parse_exact(bytes, n, &h, err), 0);
        for (size_t cut = 0; cut < n; cut++)
            ck_assert_int_eq(parse_exact(bytes, cut, &h, err), -1);
    }
}
END_TEST

START_TEST(refuses_other_files)
{
    char err[NPY_ERROR_BYTES];
    npy_array a;
    ck_assert_int_eq(npy_read("no/such/file.npy", &a, err), -1);
    ck_assert_str_eq(err, "no/such/file.npy: cannot be opened: No such file or directory");
    ck_assert_int_eq(npy_read(".", &a, err), -1);
    ck_assert_ptr_nonnull(strstr(err, "not a regular file"));
    ck_assert_int_eq(npy_read("/dev/zero", &a, err), -1);
    ck_assert_ptr_nonnull(strstr(err, "not a regular file"));
    temp_file("", 0);
    ck_assert_int_eq(npy_read(path, &a, err), -1);
    ck_assert_ptr_nonnull(strstr(err, "has 0 bytes, expected a .npy file"));
    unlink(path);
    temp_file("PK\003\004 not an array", 17);
    ck_assert_int_eq(npy_read(path, &a, err), -1);
    ck_assert_ptr_nonnull(strstr(err, "does not begin with the mark"));
    unlink(path);
}
END_TEST

START_TEST(writes_what_it_reads)
{
    static const int64_t dims[8] = {2, 1, 3, 1, 2, 1, 1, 2};
    unsigned char data[24 * 8];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 37);
    int32_t kind = _i / 9, rank = _i % 9;
    char err[NPY_ERROR_BYTES] = "";
    npy_array a;

    temp_file("", 0);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(npy_write(f, kind, rank, dims, data), 0);
    ck_assert_int_eq(fclose(f), 0);
    int rc = npy_read(path, &a, err);
    unlink(path);
    ck_assert_msg(rc == 0, "%s", err);
    ck_assert_int_eq(a.header.kind, kind);
    ck_assert_int_eq(a.header.rank, rank);
    ck_assert_uint_eq(a.header.data_offset % 64, 0);
    ck_assert_mem_eq(a.header.shape, dims, (size_t)rank * sizeof dims[0]);
    ck_assert_mem_eq(a.data, data, a.header.data_bytes);
    npy_array_free(&a);
}
END_TEST

/* More data than the first read of the file brings in. */
START_TEST(reads_large_data)
{
    enum { N = 100003 };
    int64_t shape = N;
    int32_t *data = malloc(N * sizeof *data);
    char err[NPY_ERROR_BYTES] = "";
    npy_array a;
    ck_assert_ptr_nonnull(data);
    for (int32_t i = 0; i < N; i++)
        data[i] = i;
    temp_file("", 0);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(npy_write(f, NPY_I4, 1, &shape, data), 0);
    ck_assert_int_eq(fclose(f), 0);
    int rc = npy_read(path, &a, err);
    unlink(path);
    ck_assert_msg(rc == 0, "%s", err);
    ck_assert_mem_eq(a.data, data, N * sizeof *data);
    npy_array_free(&a);
    free(data);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("npy");
    TCase *tc = tcase_create("npy");
    tcase_add_loop_test(tc, reads_what_numpy_writes, 0, sizeof goods / sizeof goods[0]);
    tcase_add_loop_test(tc, refuses_hostile_files, 0, sizeof hostiles / sizeof hostiles[0]);
    tcase_add_test(tc, refuses_every_truncation);
    tcase_add_test(tc, refuses_other_files);
    tcase_add_loop_test(tc, writes_what_it_reads, 0, NPY_KINDS * 9);
    tcase_add_test(tc, reads_large_data);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
