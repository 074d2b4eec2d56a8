/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the bytes are a .npy file. Whatever is accepted must describe
 * exactly the data that follow the header.
 */
#include "fuzz.h"
#include "npy.h"

#include <string.h>

/* True when the farthest element that shape and strides reach is in the data. */
static bool inside(const npy_header *h)
{
    uint64_t last = 0;
    for (int32_t i = 0; i < h->rank; i++) {
        if (h->shape[i] < 0 || h->stride[i] < 0)
            return false;
        if (h->shape[i] == 0)
            return h->data_bytes == 0;
        last += (uint64_t)(h->shape[i] - 1) * (uint64_t)h->stride[i];
    }
    return (last + 1) * npy_kind_bytes(h->kind) == h->data_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[NPY_ERROR_BYTES];
    npy_header h;
    if (npy_header_parse("input", data, size, size, &h, err) == 0) {
        if (h.kind < 0 || h.kind >= NPY_KINDS || h.rank < 0 || h.rank > NPY_MAX_RANK ||
            h.data_offset + h.data_bytes != size || !inside(&h))
            __builtin_trap();
    } else if (strlen(err) < 8 || strncmp(err, "input: ", 7) != 0) {
        __builtin_trap();
    }
    return 0;
}
