/* SPDX-License-Identifier: MIT */
/*
 * `attn run`: reads .npy files, computes, writes .npy files. Every role of
 * the library is an option of its own name, so a new role needs no line here.
 */
#include "npy.h"
#include "outfile.h"
#include "run_arrays.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_HELP, OPT_DTYPE, OPT_LAYOUT, OPT_WISDOM, OPT_THREADS, OPT_ISA, FIXED_OPTIONS };

struct run {
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    run_arrays arrays;
    outfile file[RUN_MAX_SLOTS];
};

static int write_output(struct run *r, size_t i)
{
    const run_slot *s = &r->arrays.slots.slot[i];
    int64_t shape[ATTN_TENSOR_MAX_RANK];
    int kind = run_file_shape(&r->arrays, i, shape);
    if (outfile_open(&r->file[i], s->path) ||
        npy_write(r->file[i].file, kind, s->view.rank, shape, s->view.data) ||
        outfile_finish(&r->file[i]))
        return tool_failed("--%s: %s cannot be written: %s", attn_role_name(s->role), s->path,
                           strerror(errno));
    return 0;
}

/* All files are complete before the first gets its name. */
static int write_outputs(struct run *r)
{
    int rc = 0;
    for (size_t i = 0; i < r->arrays.slots.n && rc == 0; i++)
        if (attn_role_is_output(r->arrays.slots.slot[i].role))
            rc = write_output(r, i);
    for (size_t i = 0; i < r->arrays.slots.n && rc == 0; i++)
        if (r->file[i].temp && outfile_commit(&r->file[i]))
            rc = tool_failed("%s cannot be put in place: %s", r->arrays.slots.slot[i].path,
                             strerror(errno));
    return rc;
}

/* Which of the files that sizes are taken from is not there; 0: none. */
static int32_t missing_size(struct run *r)
{
    static const int32_t sizes[] = {ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (!run_find(&r->arrays.slots, sizes[i]))
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
        if (required && !run_find(&r->arrays.slots, role))
            return tool_usage("--%s FILE is needed", attn_role_name(role));
    return 0;
}

static int execute(struct run *r)
{
    attn_arg args[RUN_MAX_SLOTS];
    for (size_t i = 0; i < r->arrays.slots.n; i++)
        args[i] = (attn_arg){r->arrays.slots.slot[i].role, 0, &r->arrays.slots.slot[i].view};
    int32_t status = attn_plan_execute(r->plan, args, r->arrays.slots.n, NULL, 0);
    return status == ATTN_OK ? 0 : tool_library(status);
}

static int compute(struct run *r, const char *problem)
{
    int rc = 0;
    int32_t status = attn_desc_parse(r->ctx, problem, &r->desc);
    if (status != ATTN_OK)
        return tool_library(status);
    for (size_t i = 0; i < r->arrays.slots.n && rc == 0; i++)
        if (!attn_role_is_output(r->arrays.slots.slot[i].role))
            rc = run_load(&r->arrays, i);
    if (rc == 0)
        rc = run_complete(r->desc, &r->arrays.slots);
    if (rc == 0)
        rc = plan(r);
    if (rc == 0)
        rc = run_shape_outputs(r->plan, &r->arrays.slots);
    for (size_t i = 0; i < r->arrays.slots.n && rc == 0; i++)
        if (attn_role_is_output(r->arrays.slots.slot[i].role))
            rc = run_allocate(&r->arrays, i);
    if (rc == 0)
        rc = execute(r);
    if (rc == 0)
        rc = write_outputs(r);
    return rc;
}

static void release(struct run *r)
{
    for (size_t i = 0; i < r->arrays.slots.n; i++)
        outfile_release(&r->file[i]);
    run_release(&r->arrays);
    attn_plan_destroy(r->plan);
    attn_desc_destroy(r->desc);
    attn_ctx_destroy(r->ctx);
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
    memcpy(options, fixed, sizeof fixed);
    size_t n = FIXED_OPTIONS + run_role_options(options + FIXED_OPTIONS, true);

    struct run r = {.ctx = NULL};
    char *problem = NULL;
    int rc = tool_parse("run", argc, argv, options, n, &problem);
    if (rc != 0)
        return rc;
    const char *dtype = options[OPT_DTYPE].value, *layout = options[OPT_LAYOUT].value;
    r.arrays.bf16 = dtype != NULL;
    r.arrays.bnhd = layout && strcmp(layout, "bnhd") == 0;
    if (options[OPT_HELP].value)
        print_help(fixed);
    else if (!problem)
        rc = tool_usage("a problem is needed, such as \"softmax causal\" (attn run --help)");
    else if (dtype && strcmp(dtype, "bf16") != 0)
        rc = tool_usage("--dtype is '%s', expected bf16 (other types are told by the files)",
                        dtype);
    else if (layout && !r.arrays.bnhd && strcmp(layout, "bhnd") != 0)
        rc = tool_usage("--layout is '%s', expected bhnd or bnhd", layout);
    else if ((rc = run_fill_slots(&r.arrays.slots, options + FIXED_OPTIONS,
                                  n - FIXED_OPTIONS)) == 0 &&
             (rc = tool_context(options[OPT_THREADS].value, options[OPT_ISA].value, &r.ctx)) == 0 &&
             (rc = tool_wisdom(r.ctx, options[OPT_WISDOM].value)) == 0)
        rc = compute(&r, problem);
    release(&r);
    free(problem);
    return rc;
}
