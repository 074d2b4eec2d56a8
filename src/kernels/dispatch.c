/* SPDX-License-Identifier: MIT */
/*
 * Joins the tables of the compiled instruction sets into one: empty slots are
 * taken from the next lower level. Only data is read here, so this is safe
 * before anything is known about the processor.
 */
#include "config.h"
#include "kernels/kernels.h"

#include <stddef.h>

#define ATTN__ISA(tag) extern const struct attn__kernels attn__kernels_##tag;
#include "kernels/isa_list.h"

static const struct attn__kernels *const tables[] = {
#define ATTN__ISA(tag) &attn__kernels_##tag,
#include "kernels/isa_list.h"
};

void attn__kernels_select(int32_t isa, struct attn__kernels *out)
{
    *out = (struct attn__kernels){ 0 };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const struct attn__kernels *t = tables[i];
        if (t->isa > isa)
            continue;
        if (!out->isa_name) {
            out->isa_name = t->isa_name;
            out->isa = t->isa;
            out->lanes = t->lanes;
        }
#define KERNEL(ret, name, args) \
        if (!out->name)         \
            out->name = t->name;
#include "kernels/kernels.def"
    }
}
