/* SPDX-License-Identifier: MIT */
/* Small helpers around calls of the library. */
#ifndef ATTN_BENCH_LIBRARY_H
#define ATTN_BENCH_LIBRARY_H

#include <attn/attn.h>

#include "bench_options.h"

/* Prints WHAT and the library's last error; returns BENCH_FAILED. */
int bench_library_failed(const char *what);

/* A context as the options say. NULL after a message. */
attn_ctx *bench_context(const bench_options *options, int64_t threads);

/* The canonical problem string, to be freed; NULL without memory. */
char *bench_desc_text(const attn_desc *desc);

#endif
