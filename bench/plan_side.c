/* SPDX-License-Identifier: MIT */
/* Plans that take turns. */
#include "plan_side.h"

#include "bench_library.h"

int bench_plan_side_make(attn_ctx *ctx, const bench_options *options, const char *problem,
                         const attn_desc *desc, bench_plan_side *side)
{
    side->problem = problem;
    int rc = bench_size_read(desc, 0, &side->size);
    if (rc == 0 && attn_plan_create(ctx, desc, &side->plan) != ATTN_OK)
        rc = bench_library_failed(problem);
    return rc == 0 ? bench_data_make(side->plan, &side->size, options->seed, options->huge,
                                     &side->data)
                   : rc;
}

int bench_plan_side_parse(attn_ctx *ctx, const bench_options *options, const char *problem,
                          bench_plan_side *side)
{
    attn_desc *desc;
    if (attn_desc_parse(ctx, problem, &desc) != ATTN_OK)
        return bench_library_failed(problem);
    int rc = bench_plan_side_make(ctx, options, problem, desc, side);
    attn_desc_destroy(desc);
    return rc;
}

int bench_plan_side_run(void *side)
{
    bench_plan_side *s = side;
    const bench_data *d = &s->data;
    const attn_arg *args = d->args[s->turn++ % d->copies];
    if (attn_plan_execute(s->plan, args, d->n_args, NULL, 0) != ATTN_OK)
        return bench_library_failed(s->problem);
    return 0;
}

void bench_plan_side_free(bench_plan_side *side)
{
    attn_plan_destroy(side->plan);
    bench_data_free(&side->data);
}
