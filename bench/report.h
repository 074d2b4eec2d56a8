/* SPDX-License-Identifier: MIT */
/* Ways to show the rows. */
#ifndef ATTN_BENCH_REPORT_H
#define ATTN_BENCH_REPORT_H

#include <stdio.h>

#include "bench_rows.h"
#include "limits.h"

/* What was measured as limits, in a few lines. */
void bench_table_limits(FILE *f, const bench_limits *limits);

/* The line of column names; a row (again: of the same problem as the one
 * before); what the marks mean. */
void bench_table_head(FILE *f);
void bench_table_row(FILE *f, const bench_row *row, bool again);
void bench_table_foot(FILE *f, const bench_rows *rows);

/* Which problem is being measured, on a terminal only; NULL wipes it. */
void bench_table_progress(size_t done, size_t of, const char *problem);

/*
 * One array of one object a row; `choice`: with the members chosen and
 * of_best. path "-" is stdout. 0 or BENCH_FAILED after a message.
 */
int bench_json_write(const char *path, const bench_rows *rows, bool choice);

/* Bars of of_peak and of_bandwidth for every row. 0 or BENCH_FAILED. */
int bench_svg_write(const char *path, const bench_rows *rows);

#endif
