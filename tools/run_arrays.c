/* SPDX-License-Identifier: MIT */
/*
 * .npy files and tensors by role.
 */
#include "run_arrays.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Two numberings of the same types; bf16 has no .npy type of its own and is
 * written as the 16-bit words it is. */
static const struct {
    int32_t kind;
    int32_t dtype;
} types[] = {
    {NPY_F4, ATTN_DTYPE_F32}, {NPY_F8, ATTN_DTYPE_F64},  {NPY_F2, ATTN_DTYPE_F16},
    {NPY_I4, ATTN_DTYPE_I32}, {NPY_I8, ATTN_DTYPE_I64},  {NPY_U1, ATTN_DTYPE_U8},
    {NPY_B1, ATTN_DTYPE_BOOL}, {NPY_U2, ATTN_DTYPE_BF16}, {NPY_V2, ATTN_DTYPE_BF16},
};

static bool has_layout(int32_t role)
{
    return role == ATTN_ROLE_Q || role == ATTN_ROLE_K || role == ATTN_ROLE_V ||
           role == ATTN_ROLE_OUT;
}

/* [B,N,H,D] and [B,H,N,D] differ by a swap that undoes itself. */
static void swap_layout(int64_t a[4])
{
    int64_t n = a[1];
    a[1] = a[2];
    a[2] = n;
}

int run_load(run_arrays *r, size_t i)
{
    run_slot *s = &r->slots.slot[i];
    char err[NPY_ERROR_BYTES];
    if (npy_read(s->path, &r->array[i], err))
        return tool_failed("--%s: %s", attn_role_name(s->role), err);

    const npy_header *h = &r->array[i].header;
    size_t t = 0;
    while (types[t].kind != h->kind)
        t++;
    if (types[t].dtype == ATTN_DTYPE_BF16 && !r->bf16)
        return tool_failed("%s: the element type is '%s'; say --dtype bf16 if these are bfloat16",
                           s->path, npy_kind_descr(h->kind));
    attn_tensor *v = &s->view;
    v->data = r->array[i].data;
    v->dtype = types[t].dtype;
    v->rank = h->rank;
    memcpy(v->shape, h->shape, sizeof v->shape);
    memcpy(v->stride, h->stride, sizeof v->stride);
    if (has_layout(s->role)) {
        if (h->rank != 4)
            return tool_failed("%s: %s has rank %" PRId32 ", expected 4: %s", s->path,
                               attn_role_name(s->role), h->rank,
                               r->bnhd ? "[B,N,H,D]" : "[B,H,N,D]");
        if (r->bnhd) {
            swap_layout(v->shape);
            swap_layout(v->stride);
        }
    }
    return 0;
}

int run_allocate(run_arrays *r, size_t i)
{
    run_slot *s = &r->slots.slot[i];
    bool swap = r->bnhd && has_layout(s->role);
    int64_t shape[ATTN_TENSOR_MAX_RANK], count = 1;
    int32_t dtype = s->view.dtype, rank = s->view.rank;
    size_t bytes;
    memcpy(shape, s->view.shape, sizeof shape);
    if (swap)
        swap_layout(shape);
    for (int32_t n = 0; n < rank; n++)
        if (__builtin_mul_overflow(count, shape[n], &count))
            return tool_failed("--%s would be larger than 2^63 elements", attn_role_name(s->role));
    if (__builtin_mul_overflow((size_t)count, attn_dtype_size(dtype), &bytes) ||
        !(r->memory[i] = calloc(bytes ? bytes : 1, 1)))
        return tool_failed("no memory for --%s: %" PRId64 " elements of %s",
                           attn_role_name(s->role), count, attn_dtype_name(dtype));
    int32_t status = attn_tensor_init(&s->view, r->memory[i], dtype, rank, shape);
    if (status != ATTN_OK)
        return tool_library(status);
    if (swap) {
        swap_layout(s->view.shape);
        swap_layout(s->view.stride);
    }
    return 0;
}

int run_file_shape(const run_arrays *r, size_t i, int64_t shape[ATTN_TENSOR_MAX_RANK])
{
    const run_slot *s = &r->slots.slot[i];
    size_t t = 0;
    while (types[t].dtype != s->view.dtype)
        t++;
    memcpy(shape, s->view.shape, sizeof s->view.shape);
    if (r->bnhd && has_layout(s->role))
        swap_layout(shape);
    return types[t].kind;
}

size_t run_role_options(tool_option *options, bool outputs)
{
    size_t n = 0;
    int32_t role;
    for (size_t i = 0; (role = attn_role_at(i)) != 0 && n < RUN_MAX_SLOTS; i++)
        if (outputs || !attn_role_is_output(role))
            options[n++] = (tool_option){attn_role_name(role), "FILE", NULL, NULL};
    return n;
}

int run_fill_slots(run_slots *slots, const tool_option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t role;
        if (options[i].value && attn_role_find(options[i].name, &role) == ATTN_OK)
            slots->slot[slots->n++] = (run_slot){.role = role, .path = options[i].value};
    }
    for (size_t i = 0; i < slots->n; i++)
        for (size_t j = i + 1; j < slots->n; j++)
            if (attn_role_is_output(slots->slot[i].role) &&
                attn_role_is_output(slots->slot[j].role) &&
                strcmp(slots->slot[i].path, slots->slot[j].path) == 0)
                return tool_usage("--%s and --%s are the same file, %s",
                                  attn_role_name(slots->slot[i].role),
                                  attn_role_name(slots->slot[j].role), slots->slot[i].path);
    return 0;
}

void run_release(run_arrays *r)
{
    for (size_t i = 0; i < r->slots.n; i++) {
        npy_array_free(&r->array[i]);
        free(r->memory[i]);
    }
}
