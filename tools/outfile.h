/* SPDX-License-Identifier: MIT */
/*
 * Output files that appear whole or not at all: each is written under a
 * temporary name beside its place and renamed when all are finished.
 */
#ifndef ATTN_TOOLS_OUTFILE_H
#define ATTN_TOOLS_OUTFILE_H

#include <stdio.h>

typedef struct outfile {
    char *path; /* where it shall appear; a symbolic link is followed */
    char *temp; /* NULL before open and once renamed or removed */
    FILE *file; /* NULL once finished */
} outfile;

/* Each returns 0, or -1 with errno set. */
int outfile_open(outfile *out, const char *path);
int outfile_finish(outfile *out); /* everything is written: flush and close */
int outfile_commit(outfile *out); /* give it its name */

/* Frees `out`, and removes the file if it was not committed. A zeroed struct
 * is fine. */
void outfile_release(outfile *out);

#endif
