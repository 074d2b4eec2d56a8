/* SPDX-License-Identifier: MIT */
/*
 * What processor and build have in common: a level can be used if the one may
 * run it and the other has kernels for it.
 */
#ifndef ATTN_API_ISA_USE_H
#define ATTN_API_ISA_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Level number `index`, lowest first, usable or not; -1 past the last. */
int32_t attn__isa_use_at(size_t index);

bool attn__isa_use_can(int32_t isa);

#endif
