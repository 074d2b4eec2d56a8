/* SPDX-License-Identifier: MIT */
/*
 * .npy files: a small strict parser of the header's Python dictionary, the
 * size checks, and plain reads and writes around them.
 */
#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the .npy reader copies little-endian data as they are"
#endif

/* A header of rank 8 needs some 250 bytes; NumPy itself refuses more than
 * 10000 unless told to trust the file. */
enum { HEADER_LIMIT = 10000, PREFIX_LIMIT = 12 };

static const struct {
    const char *descr;
    size_t bytes;
} kinds[NPY_KINDS] = {
#define X(name, descr, bytes) [NPY_##name] = {descr, bytes},
    NPY_KIND_LIST(X)
#undef X
};

/* The text still to be parsed. */
struct cursor {
    const char *name;
    const char *at;
    const char *end;
    char *err;
};

__attribute__((format(printf, 3, 4))) static int fail(const char *name, char *err, const char *fmt,
                                                      ...)
{
    va_list ap;
    /* A long path must not push the explanation out of the buffer. */
    int n = snprintf(err, NPY_ERROR_BYTES, "%.200s: ", name);
    if (n < 0)
        n = 0;
    va_start(ap, fmt);
    vsnprintf(err + n, NPY_ERROR_BYTES - (size_t)n, fmt, ap);
    va_end(ap);
    return -1;
}

/* A printable excerpt of what stands at the cursor, for messages. */
static const char *excerpt(const struct cursor *c, char buf[28])
{
    size_t n = 0;
    for (const char *p = c->at; p < c->end && n < 24; p++, n++)
        buf[n] = (*p >= 0x20 && *p < 0x7f) ? *p : '?';
    buf[n] = 0;
    return n ? buf : "the end of the header";
}

size_t npy_kind_bytes(int32_t kind)
{
    return kinds[kind].bytes;
}

const char *npy_kind_descr(int32_t kind)
{
    return kinds[kind].descr;
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, char ch)
{
    skip_space(c);
    if (c->at == c->end || *c->at != ch)
        return false;
    c->at++;
    return true;
}

static int expect(struct cursor *c, char ch, const char *where)
{
    char buf[28];
    if (take(c, ch))
        return 0;
    return fail(c->name, c->err, "the header has '%s' %s, expected '%c'", excerpt(c, buf), where,
                ch);
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes, of less than `len` bytes. */
static int parse_quoted(struct cursor *c, char *out, size_t len, const char *what)
{
    char buf[28];
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return fail(c->name, c->err, "the header has '%s' where %s was expected", excerpt(c, buf),
                    what);
    char quote = *c->at;
    const char *start = c->at + 1;
    size_t left = (size_t)(c->end - start);
    const char *stop = memchr(start, quote, left < len ? left : len);
    if (!stop)
        return fail(c->name, c->err, "the header has %s, too long or without its closing quote: %s",
                    what, excerpt(c, buf));
    size_t n = (size_t)(stop - start);
    for (size_t i = 0; i < n; i++)
        if (start[i] < 0x20 || start[i] == 0x7f || (start[i] & 0x80))
            return fail(c->name, c->err, "the header has an unprintable byte in %s", what);
    memcpy(out, start, n);
    out[n] = 0;
    c->at = stop + 1;
    return 0;
}

static int parse_descr(struct cursor *c, npy_header *h)
{
    char descr[24];
    skip_space(c);
    if (c->at < c->end && *c->at == '[')
        return fail(c->name, c->err,
                    "the element type is a structure, expected one number per element");
    if (parse_quoted(c, descr, sizeof descr, "an element type (descr)"))
        return -1;
    for (int32_t k = 0; k < NPY_KINDS; k++)
        if (strcmp(descr, kinds[k].descr) == 0) {
            h->kind = k;
            return 0;
        }
    if (descr[0] == '>')
        return fail(c->name, c->err, "the element type '%s' is big-endian, expected little-endian",
                    descr);
    return fail(c->name, c->err, "the element type is '%s', expected one of"
#define X(name, d, bytes) " " d
                NPY_KIND_LIST(X)
#undef X
                , descr);
}

static int parse_fortran(struct cursor *c, npy_header *h)
{
    char buf[28];
    if (take_word(c, "True"))
        h->fortran = true;
    else if (take_word(c, "False"))
        h->fortran = false;
    else
        return fail(c->name, c->err, "fortran_order is '%s', expected True or False",
                    excerpt(c, buf));
    return 0;
}

static int parse_dim(struct cursor *c, int64_t *out)
{
    char buf[28];
    int64_t v = 0;
    skip_space(c);
    if (c->at == c->end || *c->at < '0' || *c->at > '9')
        return fail(c->name, c->err, "the shape has '%s', expected a number that is not negative",
                    excerpt(c, buf));
    for (const char *p = c->at; p < c->end && *p >= '0' && *p <= '9'; p++) {
        int64_t digit = *p - '0';
        if (v > (INT64_MAX - digit) / 10)
            return fail(c->name, c->err, "the shape has '%s', more than 2^63 - 1", excerpt(c, buf));
        v = v * 10 + digit;
    }
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    *out = v;
    return 0;
}

static int parse_shape(struct cursor *c, npy_header *h)
{
    bool comma = true;
    if (expect(c, '(', "before the shape"))
        return -1;
    while (!take(c, ')')) {
        if (!comma)
            return expect(c, ',', "in the shape");
        if (h->rank == NPY_MAX_RANK)
            return fail(c->name, c->err, "the array has more than the %d dimensions allowed",
                        NPY_MAX_RANK);
        if (parse_dim(c, &h->shape[h->rank]))
            return -1;
        h->rank++;
        comma = take(c, ',');
    }
    /* "(3)" is a number in Python; a tuple of one needs its comma. */
    if (h->rank == 1 && !comma)
        return fail(c->name, c->err,
                    "the shape is a number in parentheses, expected a tuple (%" PRId64 ",)",
                    h->shape[0]);
    return 0;
}

static int parse_dict(struct cursor *c, npy_header *h)
{
    static const struct {
        const char *key;
        int (*parse)(struct cursor *, npy_header *);
    } fields[] = {
        {"descr", parse_descr}, {"fortran_order", parse_fortran}, {"shape", parse_shape}};
    enum { FIELDS = sizeof fields / sizeof fields[0] };
    bool seen[FIELDS] = {false};
    bool comma = true;
    char buf[28];

    if (expect(c, '{', "at its start"))
        return -1;
    while (!take(c, '}')) {
        char key[24];
        size_t f = 0;
        if (!comma)
            return expect(c, ',', "between two entries");
        if (parse_quoted(c, key, sizeof key, "a key"))
            return -1;
        while (f < FIELDS && strcmp(key, fields[f].key) != 0)
            f++;
        if (f == FIELDS)
            return fail(c->name, c->err,
                        "the header has the key '%s', expected descr, fortran_order and shape",
                        key);
        if (seen[f])
            return fail(c->name, c->err, "the header has the key '%s' twice", key);
        seen[f] = true;
        if (expect(c, ':', "after a key") || fields[f].parse(c, h))
            return -1;
        comma = take(c, ',');
    }
    for (size_t f = 0; f < FIELDS; f++)
        if (!seen[f])
            return fail(c->name, c->err, "the header has no key '%s'", fields[f].key);
    skip_space(c);
    if (c->at < c->end)
        return fail(c->name, c->err, "the header has '%s' after its dictionary, expected spaces",
                    excerpt(c, buf));
    return 0;
}

/* Strides, and the number of bytes: the product of all dimensions other than
 * zero must fit too, because strides are made of such products. */
static int measure(const char *name, npy_header *h, char *err)
{
    int64_t count = (int64_t)kinds[h->kind].bytes;
    bool empty = false;
    for (int32_t n = 0; n < h->rank; n++) {
        int32_t i = h->fortran ? n : h->rank - 1 - n;
        h->stride[i] = count / (int64_t)kinds[h->kind].bytes;
        if (h->shape[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(count, h->shape[i], &count))
            return fail(name, err, "the product of the shape is more than 2^63 - 1 bytes "
                        "(dimension %" PRId32 " is %" PRId64 ")", i, h->shape[i]);
    }
    if ((uint64_t)count > SIZE_MAX)
        return fail(name, err,
                    "the array needs %" PRId64 " bytes, more than this machine addresses", count);
    h->data_bytes = empty ? 0 : (size_t)count;
    return 0;
}

int npy_header_parse(const char *name, const void *head, size_t head_bytes, uint64_t file_bytes,
                     npy_header *out, char *err)
{
    const unsigned char *p = head;
    npy_header h = {.kind = 0};

    if (head_bytes < 10)
        return fail(name, err, "the file has %zu bytes, expected a .npy file (10 or more)",
                    head_bytes);
    if (memcmp(p, "\x93NUMPY", 6) != 0)
        return fail(name, err, "the file does not begin with the mark of a .npy file (\\x93NUMPY)");
    if (p[6] < 1 || p[6] > 3 || p[7] != 0)
        return fail(name, err, "the format version is %d.%d, expected 1.0, 2.0 or 3.0", p[6], p[7]);
    size_t prefix = p[6] == 1 ? 10 : 12;
    if (head_bytes < prefix)
        return fail(name, err, "the file ends inside the length of its header");
    uint32_t text = (uint32_t)p[8] | (uint32_t)p[9] << 8;
    if (prefix == 12)
        text |= (uint32_t)p[10] << 16 | (uint32_t)p[11] << 24;
    if (text > HEADER_LIMIT)
        return fail(name, err, "the header says it is %" PRIu32 " bytes long, expected at most %d",
                    text, HEADER_LIMIT);
    if (text > head_bytes - prefix)
        return fail(name, err,
                    "the header says it is %" PRIu32 " bytes long, the file has only %zu more",
                    text, head_bytes - prefix);

    struct cursor c = {name, (const char *)p + prefix, (const char *)p + prefix + text, err};
    if (parse_dict(&c, &h) || measure(name, &h, err))
        return -1;
    h.data_offset = prefix + text;
    uint64_t have = file_bytes - h.data_offset;
    if (have != h.data_bytes)
        return fail(name, err, "the shape needs %zu bytes of data, the file has %" PRIu64,
                    h.data_bytes, have);
    *out = h;
    return 0;
}

/* Read exactly n bytes; a file that shrinks meanwhile is an error. */
static int read_all(int fd, const char *name, void *buf, size_t n, char *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = read(fd, (char *)buf + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(name, err, "cannot be read: %s", strerror(errno));
        if (got == 0)
            return fail(name, err, "the file ended after %zu of %zu bytes", done, n);
        done += (size_t)got;
    }
    return 0;
}

static int read_fd(int fd, const char *path, npy_array *out, char *err)
{
    char head[PREFIX_LIMIT + HEADER_LIMIT];
    struct stat st;
    npy_header h;

    if (fstat(fd, &st))
        return fail(path, err, "cannot be examined: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(path, err, "is not a regular file");
    uint64_t size = (uint64_t)st.st_size;
    size_t n = size < sizeof head ? (size_t)size : sizeof head;
    if (read_all(fd, path, head, n, err) || npy_header_parse(path, head, n, size, &h, err))
        return -1;

    void *data = NULL;
    if (h.data_bytes > 0) {
        size_t early = n - h.data_offset;
        data = malloc(h.data_bytes);
        if (!data)
            return fail(path, err, "no memory for the %zu bytes of its data", h.data_bytes);
        memcpy(data, head + h.data_offset, early);
        if (read_all(fd, path, (char *)data + early, h.data_bytes - early, err)) {
            free(data);
            return -1;
        }
    }
    out->header = h;
    out->data = data;
    return 0;
}

int npy_read(const char *path, npy_array *out, char *err)
{
    /* O_NONBLOCK so that a FIFO is refused instead of waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(path, err, "cannot be opened: %s", strerror(errno));
    int rc = read_fd(fd, path, out, err);
    close(fd);
    return rc;
}

void npy_array_free(npy_array *array)
{
    free(array->data);
    array->data = NULL;
}

int npy_write(FILE *file, int32_t kind, int32_t rank, const int64_t *shape, const void *data)
{
    enum { ALIGN = 64, PREFIX = 10, TEXT = 320 };
    char text[TEXT];
    size_t count = 1;
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                     kinds[kind].descr);
    for (int32_t i = 0; i < rank; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, "%" PRId64 "%s", shape[i],
                      i + 1 < rank ? ", " : rank == 1 ? "," : "");
        count *= (size_t)shape[i];
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    while ((PREFIX + n + 1) % ALIGN != 0)
        text[n++] = ' ';
    text[n++] = '\n';

    unsigned char prefix[PREFIX] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    prefix[8] = (unsigned char)(n & 0xff);
    prefix[9] = (unsigned char)(n >> 8);
    if (fwrite(prefix, 1, PREFIX, file) != PREFIX || fwrite(text, 1, (size_t)n, file) != (size_t)n)
        return -1;
    if (count > 0 && fwrite(data, kinds[kind].bytes, count, file) != count)
        return -1;
    return 0;
}
