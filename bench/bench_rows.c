/* SPDX-License-Identifier: MIT */
/* A growing array. */
#include "bench_rows.h"

#include <stdlib.h>

#include "bench_options.h"

int bench_rows_add(bench_rows *rows, const bench_row *row)
{
    if (rows->n == rows->room) {
        size_t room = rows->room ? 2 * rows->room : 64;
        bench_row *more = realloc(rows->row, room * sizeof *more);
        if (!more) {
            free(row->problem);
            return bench_failed("no memory for rows");
        }
        rows->row = more;
        rows->room = room;
    }
    rows->row[rows->n++] = *row;
    return 0;
}

void bench_rows_free(bench_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        free(rows->row[i].problem);
    free(rows->row);
}
