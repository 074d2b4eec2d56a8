/* SPDX-License-Identifier: MIT */
/*
 * `attn run`: reads .npy files, computes, writes .npy files. Every role of
 * the library is an option of its own name, so a new role needs no line here.
 */
#include "npy.h"
#include "outfile.h"
#include "run_problem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_HELP, OPT_DTYPE, OPT_LAYOUT, OPT_WISDOM, OPT_THREADS, OPT_ISA, FIXED_OPTIONS };

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

struct run {
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    bool bf16; /* 16-bit words are bf16 */
    bool bnhd; /* files of Q, K, V and OUT are [B,N,H,D] */
    run_slots slots;
    npy_array array[RUN_MAX_SLOTS];
    void *memory[RUN_MAX_SLOTS]; /* of outputs */
    outfile file[RUN_MAX_SLOTS];
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

static int load_input(struct run *r, size_t i)
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

/* Memory for an output, in the order of its file. */
static int make_output(struct run *r, size_t i)
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

static int write_output(struct run *r, size_t i)
{
    const run_slot *s = &r->slots.slot[i];
    int64_t shape[ATTN_TENSOR_MAX_RANK];
    size_t t = 0;
    while (types[t].dtype != s->view.dtype)
        t++;
    memcpy(shape, s->view.shape, sizeof shape);
    if (r->bnhd && has_layout(s->role))
        swap_layout(shape);
    if (outfile_open(&r->file[i], s->path) ||
        npy_write(r->file[i].file, types[t].kind, s->view.rank, shape, s->view.data) ||
        outfile_finish(&r->file[i]))
        return tool_failed("--%s: %s cannot be written: %s", attn_role_name(s->role), s->path,
                           strerror(errno));
    return 0;
}

/* All files are complete before the first gets its name. */
static int write_outputs(struct run *r)
{
    int rc = 0;
    for (size_t i = 0; i < r->slots.n && rc == 0; i++)
        if (attn_role_is_output(r->slots.slot[i].role))
            rc = write_output(r, i);
    for (size_t i = 0; i < r->slots.n && rc == 0; i++)
        if (r->file[i].temp && outfile_commit(&r->file[i]))
            rc = tool_failed("%s cannot be put in place: %s", r->slots.slot[i].path,
                             strerror(errno));
    return rc;
}

/* Which of the files that sizes are taken from is not there; 0: none. */
static int32_t missing_size(struct run *r)
{
    static const int32_t sizes[] = {ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (!run_find(&r->slots, sizes[i]))
            return sizes[i];
    return 0;
}

static int plan(struct run *r)
{
    int32_t status = attn_plan_create(r->ctx, r->desc, &r->plan), role, required;
    if (status == ATTN_ERR_UNSET && missing_size(r))
        return tool_usage("--%s FILE is needed, or the sizes in PROBLEM",
                          attn_role_name(missing_size(r)));
    if (status != ATTN_OK)
        return tool_library(status);
    for (size_t i = 0; (role = attn_plan_role_at(r->plan, i, &required)) != 0; i++)
        if (required && !run_find(&r->slots, role))
            return tool_usage("--%s FILE is needed", attn_role_name(role));
    return 0;
}

static int execute(struct run *r)
{
    attn_arg args[RUN_MAX_SLOTS];
    for (size_t i = 0; i < r->slots.n; i++)
        args[i] = (attn_arg){r->slots.slot[i].role, 0, &r->slots.slot[i].view};
    int32_t status = attn_plan_execute(r->plan, args, r->slots.n, NULL, 0);
    return status == ATTN_OK ? 0 : tool_library(status);
}

static int compute(struct run *r, const char *problem)
{
    int rc = 0;
    int32_t status = attn_desc_parse(r->ctx, problem, &r->desc);
    if (status != ATTN_OK)
        return tool_library(status);
    for (size_t i = 0; i < r->slots.n && rc == 0; i++)
        if (!attn_role_is_output(r->slots.slot[i].role))
            rc = load_input(r, i);
    if (rc == 0)
        rc = run_complete(r->desc, &r->slots);
    if (rc == 0)
        rc = plan(r);
    if (rc == 0)
        rc = run_shape_outputs(r->plan, &r->slots);
    for (size_t i = 0; i < r->slots.n && rc == 0; i++)
        if (attn_role_is_output(r->slots.slot[i].role))
            rc = make_output(r, i);
    if (rc == 0)
        rc = execute(r);
    if (rc == 0)
        rc = write_outputs(r);
    return rc;
}

static void release(struct run *r)
{
    for (size_t i = 0; i < r->slots.n; i++) {
        npy_array_free(&r->array[i]);
        free(r->memory[i]);
        outfile_release(&r->file[i]);
    }
    attn_plan_destroy(r->plan);
    attn_desc_destroy(r->desc);
    attn_ctx_destroy(r->ctx);
}

/* One slot for each role that was given. */
static int fill_slots(struct run *r, const tool_option *options)
{
    for (size_t i = 0; attn_role_at(i) != 0 && i < RUN_MAX_SLOTS; i++)
        if (options[i].value)
            r->slots.slot[r->slots.n++] =
                (run_slot){.role = attn_role_at(i), .path = options[i].value};
    for (size_t i = 0; i < r->slots.n; i++)
        for (size_t j = i + 1; j < r->slots.n; j++)
            if (attn_role_is_output(r->slots.slot[i].role) &&
                attn_role_is_output(r->slots.slot[j].role) &&
                strcmp(r->slots.slot[i].path, r->slots.slot[j].path) == 0)
                return tool_usage("--%s and --%s are the same file, %s",
                                  attn_role_name(r->slots.slot[i].role),
                                  attn_role_name(r->slots.slot[j].role), r->slots.slot[i].path);
    return 0;
}

static void print_help(const tool_option *fixed)
{
    printf("usage: attn run PROBLEM --q FILE --k FILE --v FILE --out FILE ...\n\n"
           "PROBLEM is a problem string such as \"softmax causal window=1023,0\". What it leaves\n"
           "out of b, h, q, k, d, dtype and kv_dtype is taken from --q, --k and --v where the\n"
           "mechanism has them; h=HQ/HK/HV and d=D/DV count as given when their first number\n"
           "is. What the roles below need (bias, mask, packed, want=probs) is added to it.\n\n");
    tool_print_options(fixed, FIXED_OPTIONS);
    printf("\nFiles are .npy: f2 f4 f8, i4 i8, u1, bool, in C or Fortran order. One for\n"
           "each role ('-' for '_' is fine):\n\n");
    for (int outputs = 0; outputs < 2; outputs++) {
        printf(outputs ? "\n  written:" : "  read:   ");
        for (size_t i = 0; attn_role_at(i) != 0; i++)
            if (attn_role_is_output(attn_role_at(i)) == outputs)
                printf(" --%s", attn_role_name(attn_role_at(i)));
    }
    printf("\n\nOutput files appear whole or not at all.\n");
}

int cmd_run(int argc, char **argv)
{
    const tool_option fixed[FIXED_OPTIONS] = {
        [OPT_HELP] = {"help", NULL, "print this", NULL},
        [OPT_DTYPE] = {"dtype", "bf16", "u2 and V2 files hold bfloat16; so will the output (u2)",
                       NULL},
        [OPT_LAYOUT] = {"layout", "bhnd|bnhd", "order of q, k, v and out in files (bhnd)", NULL},
        [OPT_WISDOM] = {"wisdom", "FILE", "what attn wisdom has found out", NULL},
        [OPT_THREADS] = {"threads", "N", "threads (1); 0: all CPUs this process may use", NULL},
        [OPT_ISA] = {"isa", "NAME", "highest instruction set: c sse2 avx2 avx512 ...", NULL},
    };
    tool_option options[FIXED_OPTIONS + RUN_MAX_SLOTS];
    size_t n = FIXED_OPTIONS;
    memcpy(options, fixed, sizeof fixed);
    for (size_t i = 0; attn_role_at(i) != 0 && i < RUN_MAX_SLOTS; i++)
        options[n++] = (tool_option){attn_role_name(attn_role_at(i)), "FILE", NULL, NULL};

    struct run r = {.bf16 = false};
    char *problem = NULL;
    int rc = tool_parse("run", argc, argv, options, n, &problem);
    if (rc != 0)
        return rc;
    const char *dtype = options[OPT_DTYPE].value, *layout = options[OPT_LAYOUT].value;
    r.bf16 = dtype != NULL;
    r.bnhd = layout && strcmp(layout, "bnhd") == 0;
    if (options[OPT_HELP].value)
        print_help(fixed);
    else if (!problem)
        rc = tool_usage("a problem is needed, such as \"softmax causal\" (attn run --help)");
    else if (dtype && strcmp(dtype, "bf16") != 0)
        rc = tool_usage("--dtype is '%s', expected bf16 (other types are told by the files)",
                        dtype);
    else if (layout && !r.bnhd && strcmp(layout, "bhnd") != 0)
        rc = tool_usage("--layout is '%s', expected bhnd or bnhd", layout);
    else if ((rc = fill_slots(&r, options + FIXED_OPTIONS)) == 0 &&
             (rc = tool_context(options[OPT_THREADS].value, options[OPT_ISA].value, &r.ctx)) == 0 &&
             (rc = tool_wisdom(r.ctx, options[OPT_WISDOM].value)) == 0)
        rc = compute(&r, problem);
    release(&r);
    free(problem);
    return rc;
}
