/* SPDX-License-Identifier: MIT */
/* Temporary file, fsync-free: atomic for readers, not a promise about power. */
#include "outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is at the path may only be replaced if it is a plain file. */
static char *resolve(const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return errno == ENOENT ? strdup(path) : NULL;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = ENOTSUP;
        return NULL;
    }
    return realpath(path, NULL);
}

int outfile_open(outfile *out, const char *path)
{
    static const char suffix[] = ".XXXXXX";
    memset(out, 0, sizeof *out);
    out->path = resolve(path);
    if (!out->path)
        return -1;
    size_t n = strlen(out->path);
    char *temp = malloc(n + sizeof suffix);
    if (!temp)
        return -1;
    memcpy(temp, out->path, n);
    memcpy(temp + n, suffix, sizeof suffix);
    int fd = mkstemp(temp);
    if (fd < 0) {
        free(temp);
        return -1;
    }
    out->temp = temp;
    /* mkstemp makes a private file; give it the mode a plain open would. */
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) == 0)
        out->file = fdopen(fd, "wb");
    if (!out->file) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return 0;
}

int outfile_finish(outfile *out)
{
    FILE *f = out->file;
    out->file = NULL;
    return fclose(f);
}

int outfile_commit(outfile *out)
{
    if (rename(out->temp, out->path))
        return -1;
    free(out->temp);
    out->temp = NULL;
    return 0;
}

void outfile_release(outfile *out)
{
    if (out->file)
        fclose(out->file);
    if (out->temp) {
        unlink(out->temp);
        free(out->temp);
    }
    free(out->path);
    memset(out, 0, sizeof *out);
}
