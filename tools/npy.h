/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing NumPy's .npy files (format versions 1.0, 2.0, 3.0),
 * little-endian, rank 0 to 8. A file is hostile input: every size in its
 * header is checked against the size of the file before memory is asked for.
 * Nothing here depends on libattn.
 */
#ifndef ATTN_TOOLS_NPY_H
#define ATTN_TOOLS_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { NPY_MAX_RANK = 8, NPY_ERROR_BYTES = 512 };

/* X(NAME, descr, bytes of an element) */
#define NPY_KIND_LIST(X) \
    X(F2, "<f2", 2)      \
    X(F4, "<f4", 4)      \
    X(F8, "<f8", 8)      \
    X(I4, "<i4", 4)      \
    X(I8, "<i8", 8)      \
    X(U1, "|u1", 1)      \
    X(B1, "|b1", 1)      \
    X(U2, "<u2", 2)      \
    X(V2, "|V2", 2)

enum npy_kind {
#define X(name, descr, bytes) NPY_##name,
    NPY_KIND_LIST(X)
#undef X
    NPY_KINDS
};

/* What a header says. Strides count elements; Fortran order shows in them
 * only, so the data are never rearranged. */
typedef struct npy_header {
    int32_t kind;
    int32_t rank;
    int64_t shape[NPY_MAX_RANK];
    int64_t stride[NPY_MAX_RANK];
    bool fortran;
    size_t data_offset;
    size_t data_bytes;
} npy_header;

typedef struct npy_array {
    npy_header header;
    void *data; /* malloc'd; NULL when data_bytes is 0 */
} npy_array;

size_t npy_kind_bytes(int32_t kind);
const char *npy_kind_descr(int32_t kind);

/*
 * Parse the start of a file. `head` holds the first `head_bytes` bytes of a
 * file of `file_bytes` bytes; `name` is put in front of the message. Returns
 * 0, or -1 with a message in err[NPY_ERROR_BYTES].
 */
int npy_header_parse(const char *name, const void *head, size_t head_bytes,
                     uint64_t file_bytes, npy_header *out, char *err);

/* Read a whole file; free the result with npy_array_free. */
int npy_read(const char *path, npy_array *out, char *err);
void npy_array_free(npy_array *array);

/* Write a C-ordered array. -1 when the stream refused it (see errno). */
int npy_write(FILE *file, int32_t kind, int32_t rank, const int64_t *shape,
              const void *data);

#endif
