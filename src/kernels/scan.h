/* SPDX-License-Identifier: MIT */
/* How scan_rows (scan_mm.inc.c) uses the triangle. */
#ifndef ATTN__KERNELS_SCAN_H
#define ATTN__KERNELS_SCAN_H

enum { ATTN__SCAN_DENSE, ATTN__SCAN_LOWER, ATTN__SCAN_LESS, ATTN__SCAN_SOLVE };

#endif
