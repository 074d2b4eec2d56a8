/* SPDX-License-Identifier: MIT */
/*
 * An image through one vision block with Mixture-of-Head attention: patches,
 * embedding, layer norm, routed attention, projection. The weights are random
 * but fixed. Writes a picture of which patches each head computed.
 *
 *     moh_vision IMAGE PICTURE       IMAGE: PPM or PGM of 8 bits (P6, P5)
 *     moh_vision --make IMAGE W H    writes a test image
 *
 * README.md beside this file says more.
 */
#include <attn/attn.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATCH = 8, PIXELS = PATCH * PATCH * 3 };
enum { HEADS = 8, SHARED = 2, ACTIVE = 3, D = 16, CHANNELS = HEADS * D };
enum { MAX_SIDE = 1024, PANELS_A_ROW = 3, GAP = 4 };

struct image {
    int width, height;
    unsigned char *rgb; /* [height][width][3] */
};

static int failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int failed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("moh_vision: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 1;
}

/* ---- images ---- */

static int image_alloc(struct image *im, int width, int height)
{
    im->width = width;
    im->height = height;
    im->rgb = calloc((size_t)width * (size_t)height, 3);
    return im->rgb ? 0 : failed("no memory for an image of %d x %d", width, height);
}

/* The next number of a header, behind blanks and comments; -1: none. */
static int header_number(FILE *f)
{
    int c = fgetc(f), n = 0;
    while (c == '#' || isspace(c)) {
        while (c == '#' && c != EOF)
            do
                c = fgetc(f);
            while (c != '\n' && c != EOF);
        c = fgetc(f);
    }
    if (!isdigit(c))
        return -1;
    for (; isdigit(c); c = fgetc(f))
        if ((n = 10 * n + c - '0') > 1 << 20)
            return -1;
    return n; /* the one blank behind it has been read */
}

static int image_read(const char *path, struct image *im)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return failed("%s: %s", path, strerror(errno));
    int p = fgetc(f), kind = fgetc(f), rc = 0;
    int width = header_number(f), height = header_number(f), most = header_number(f);
    if (p != 'P' || (kind != '5' && kind != '6') || most != 255)
        rc = failed("%s: expected PPM or PGM of 8 bits (P6 or P5, 255)", path);
    else if (width < PATCH || height < PATCH || width > MAX_SIDE || height > MAX_SIDE)
        rc = failed("%s: %d x %d pixels, expected %d to %d a side", path, width, height,
                    (int)PATCH, (int)MAX_SIDE);
    if (rc == 0)
        rc = image_alloc(im, width, height);
    size_t n = rc == 0 ? (size_t)width * (size_t)height : 0, each = kind == '6' ? 3 : 1;
    if (rc == 0 && fread(im->rgb, each, n, f) != n)
        rc = failed("%s: the file ends within its %zu pixels", path, n);
    for (size_t i = n; each == 1 && i-- > 0;) /* grey becomes colour in place */
        memset(im->rgb + 3 * i, im->rgb[i], 3);
    fclose(f);
    return rc;
}

static int image_write(const char *path, const struct image *im)
{
    FILE *f = fopen(path, "wb");
    size_t n = (size_t)im->width * (size_t)im->height;
    if (!f)
        return failed("%s: %s", path, strerror(errno));
    int bad = fprintf(f, "P6\n%d %d\n255\n", im->width, im->height) < 0 ||
              fwrite(im->rgb, 3, n, f) != n;
    if (fclose(f) || bad)
        return failed("%s cannot be written: %s", path, strerror(errno));
    return 0;
}

/* A sky, a sun, hills with stripes and a chequered field. */
static int image_make(const char *path, int width, int height)
{
    struct image im;
    if (width < PATCH || height < PATCH || width > MAX_SIDE || height > MAX_SIDE)
        return failed("--make: %d x %d pixels, expected %d to %d a side", width, height,
                      (int)PATCH, (int)MAX_SIDE);
    int rc = image_alloc(&im, width, height);
    for (int i = 0; rc == 0 && i < width * height; i++) {
        double x = (i % width + 0.5) / width, y = (i / width + 0.5) / height;
        double hill = 0.6 + 0.12 * sin(9 * x), sun = hypot((x - 0.75) * width / height, y - 0.25);
        double c[3] = {90 + 80 * y, 140 + 60 * y, 230 - 20 * y};
        if (sun < 0.14) {
            c[0] = 250;
            c[1] = 220 - 300 * sun;
            c[2] = 60;
        } else if (y > 0.8) {
            int dark = ((int)(x * 16) + (int)(y * 24)) % 2;
            c[0] = dark ? 60 : 200;
            c[1] = dark ? 50 : 190;
            c[2] = dark ? 40 : 160;
        } else if (y > hill) {
            c[0] = 40;
            c[1] = 110 + 50 * sin(40 * (x + y));
            c[2] = 50;
        }
        for (int k = 0; k < 3; k++)
            im.rgb[3 * i + k] = (unsigned char)c[k];
    }
    rc = rc ? rc : image_write(path, &im);
    free(im.rgb);
    return rc;
}

/* ---- the block ---- */

static uint32_t seed = 20241; /* every run has the same weights */

static float weight(int fan_in)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (double)(seed >> 8) * 0x1p-24 - 0.5;
    }
    return (float)(sum * sqrt(3.0 / fan_in)); /* of variance 1 / fan_in */
}

/* out[n][m] = a[n][k] w[m][k]^T, with new weights. */
static void project(const float *a, int64_t n, int k, float *w, int m, float *out)
{
    for (int i = 0; i < m * k; i++)
        w[i] = weight(k);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < m; c++) {
            float sum = 0;
            for (int e = 0; e < k; e++)
                sum += a[i * k + e] * w[c * k + e];
            out[i * m + c] = sum;
        }
}

static void layer_norm(const float *x, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++, x += CHANNELS, y += CHANNELS) {
        double mean = 0, squares = 0;
        for (int c = 0; c < CHANNELS; c++)
            mean += x[c] / (double)CHANNELS;
        for (int c = 0; c < CHANNELS; c++)
            squares += (x[c] - mean) * (x[c] - mean);
        for (int c = 0; c < CHANNELS; c++)
            y[c] = (float)((x[c] - mean) / sqrt(squares / CHANNELS + 1e-6));
    }
}

struct block {
    int columns, rows; /* patches */
    int64_t n;
    float *pixels;                    /* [n][PIXELS] */
    float *x, *norm, *q, *k, *v, *out; /* [n][CHANNELS] */
    float *lse;                       /* [HEADS][n] */
    float *w;                         /* the weights at work */
    float router[HEADS - SHARED][CHANNELS], shared[SHARED][CHANNELS], mix[2][CHANNELS];
    float loss;
    int64_t counts[4];
};

static int block_alloc(struct block *b, const struct image *im)
{
    memset(b, 0, sizeof *b);
    b->columns = im->width / PATCH;
    b->rows = im->height / PATCH;
    b->n = (int64_t)b->columns * b->rows;
    size_t n = (size_t)b->n;
    float **const arrays[] = {&b->x, &b->norm, &b->q, &b->k, &b->v, &b->out};
    int missing = !(b->pixels = calloc(n * PIXELS, sizeof(float)));
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        missing |= !(*arrays[i] = calloc(n * CHANNELS, sizeof(float)));
    missing |= !(b->lse = calloc(n * HEADS, sizeof(float)));
    missing |= !(b->w = calloc((size_t)PIXELS * CHANNELS, sizeof(float)));
    return missing ? failed("no memory for %" PRId64 " patches", b->n) : 0;
}

static void block_free(struct block *b)
{
    float *const arrays[] = {b->pixels, b->x, b->norm, b->q, b->k, b->v, b->out, b->lse, b->w};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        free(arrays[i]);
}

/* Patches to rows of CHANNELS numbers, with their places in waves. */
static void embed(struct block *b, const struct image *im)
{
    for (int64_t i = 0; i < b->n; i++)
        for (int p = 0; p < PIXELS; p++) {
            int64_t x = i % b->columns * PATCH + p / 3 % PATCH;
            int64_t y = i / b->columns * PATCH + p / 3 / PATCH;
            b->pixels[i * PIXELS + p] =
                (float)im->rgb[3 * (y * im->width + x) + p % 3] / 127.5f - 1;
        }
    project(b->pixels, b->n, PIXELS, b->w, CHANNELS, b->x);
    for (int64_t i = 0; i < b->n; i++)
        for (int c = 0; c < CHANNELS; c++) {
            double at = c % 2 ? (double)(i % b->columns) : (double)(i / b->columns);
            b->x[i * CHANNELS + c] += 0.3f * (float)sin(at / pow(100, c / (double)CHANNELS) + c);
        }
}

static int library_failed(const char *what)
{
    char text[512];
    attn_last_error(text, sizeof text);
    return failed("%s: %s", what, text);
}

/* Rows of the block are [n][HEADS][D]: heads are a matter of strides. */
static attn_tensor heads_of(float *data, int64_t n)
{
    return (attn_tensor){.data = data, .dtype = ATTN_DTYPE_F32, .rank = 4,
                         .shape = {1, HEADS, n, D}, .stride = {0, D, CHANNELS, 1}};
}

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, int64_t a, int64_t b, int64_t c)
{
    const int64_t shape[] = {a, b, c};
    attn_tensor t;
    attn_tensor_init(&t, data, dtype, rank, shape);
    return t;
}

/* Router, gates and attention: one plan. */
static int attend(struct block *b)
{
    char problem[200];
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    snprintf(problem, sizeof problem,
             "moh h=%d n=%" PRId64 " d=%d moh_shared=%d moh_active=%d want=counts,aux_loss",
             (int)HEADS, b->n, (int)D, (int)SHARED, (int)ACTIVE);
    attn_tensor q = heads_of(b->q, b->n), k = heads_of(b->k, b->n), v = heads_of(b->v, b->n);
    attn_tensor out = heads_of(b->out, b->n);
    attn_tensor lse = dense(b->lse, ATTN_DTYPE_F32, 3, 1, HEADS, b->n);
    attn_tensor tokens = dense(b->norm, ATTN_DTYPE_F32, 3, 1, b->n, CHANNELS);
    attn_tensor router = dense(b->router, ATTN_DTYPE_F32, 2, HEADS - SHARED, CHANNELS, 0);
    attn_tensor shared = dense(b->shared, ATTN_DTYPE_F32, 2, SHARED, CHANNELS, 0);
    attn_tensor mix = dense(b->mix, ATTN_DTYPE_F32, 2, 2, CHANNELS, 0);
    attn_tensor loss = dense(&b->loss, ATTN_DTYPE_F32, 1, 1, 0, 0);
    attn_tensor counts = dense(b->counts, ATTN_DTYPE_I64, 1, 4, 0, 0);
    const attn_arg args[] = {
        {ATTN_ROLE_Q, 0, &q},
        {ATTN_ROLE_K, 0, &k},
        {ATTN_ROLE_V, 0, &v},
        {ATTN_ROLE_ROUTER_X, 0, &tokens},
        {ATTN_ROLE_ROUTER_W, 0, &router},
        {ATTN_ROLE_ROUTER_SHARED_W, 0, &shared},
        {ATTN_ROLE_ROUTER_MIX_W, 0, &mix},
        {ATTN_ROLE_OUT, 0, &out},
        {ATTN_ROLE_LSE, 0, &lse},
        {ATTN_ROLE_AUX_LOSS, 0, &loss},
        {ATTN_ROLE_COUNTS, 0, &counts},
    };
    int32_t status = attn_ctx_create(NULL, &ctx);
    if (status == ATTN_OK)
        status = attn_desc_parse(ctx, problem, &desc);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    if (status == ATTN_OK)
        status = attn_plan_execute(plan, args, sizeof args / sizeof args[0], NULL, 0);
    int rc = status == ATTN_OK ? 0 : library_failed(problem);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    return rc;
}

static int run(struct block *b, const struct image *im)
{
    float *const rows[] = {b->q, b->k, b->v};
    embed(b, im);
    layer_norm(b->x, b->n, b->norm);
    for (int i = 0; i < 3; i++)
        project(b->norm, b->n, CHANNELS, b->w, CHANNELS, rows[i]);
    for (int i = 0; i < HEADS - SHARED; i++)
        for (int c = 0; c < CHANNELS; c++)
            b->router[i][c] = 2 * weight(CHANNELS);
    for (int c = 0; c < CHANNELS; c++) {
        for (int i = 0; i < SHARED; i++)
            b->shared[i][c] = weight(CHANNELS);
        for (int i = 0; i < 2; i++)
            b->mix[i][c] = weight(CHANNELS);
    }
    int rc = attend(b);
    if (rc == 0) { /* the block's end: projection and residual */
        project(b->out, b->n, CHANNELS, b->w, CHANNELS, b->norm);
        for (int64_t i = 0; i < b->n * CHANNELS; i++)
            b->x[i] += b->norm[i];
    }
    return rc;
}

/* ---- the picture ---- */

/* lse of a row that was not computed is -inf. */
static int is_active(const struct block *b, int head, int64_t patch)
{
    return b->lse[head * b->n + patch] > -INFINITY;
}

/* Panel 0: the image; panel 1 + h: what head h computed as it is, the rest dark. */
static void paint(const struct block *b, const struct image *im, int panel, struct image *to)
{
    int width = b->columns * PATCH, height = b->rows * PATCH;
    int x0 = GAP + panel % PANELS_A_ROW * (width + GAP);
    int y0 = GAP + panel / PANELS_A_ROW * (height + GAP);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int64_t patch = (int64_t)(y / PATCH) * b->columns + x / PATCH;
            int on = panel == 0 || is_active(b, panel - 1, patch);
            const unsigned char *from = im->rgb + 3 * ((size_t)y * (size_t)im->width + (size_t)x);
            unsigned char *at =
                to->rgb + 3 * ((size_t)(y0 + y) * (size_t)to->width + (size_t)(x0 + x));
            for (int c = 0; c < 3; c++)
                at[c] = on ? from[c] : (unsigned char)(from[c] / 6);
        }
}

static int draw(const struct block *b, const struct image *im, const char *path)
{
    struct image to;
    int panels = HEADS + 1, down = (panels + PANELS_A_ROW - 1) / PANELS_A_ROW;
    int rc = image_alloc(&to, PANELS_A_ROW * (b->columns * PATCH + GAP) + GAP,
                         down * (b->rows * PATCH + GAP) + GAP);
    if (rc == 0) {
        memset(to.rgb, 255, 3 * (size_t)to.width * (size_t)to.height);
        for (int panel = 0; panel < panels; panel++)
            paint(b, im, panel, &to);
        rc = image_write(path, &to);
    }
    free(to.rgb);
    return rc;
}

static void tell(const struct block *b)
{
    double norm = 0;
    for (int64_t i = 0; i < b->n * CHANNELS; i++)
        norm += (double)b->x[i] * (double)b->x[i] / (double)(b->n * CHANNELS);
    printf("%d x %d patches, %d of %d heads each\n", b->columns, b->rows, SHARED + ACTIVE,
           (int)HEADS);
    for (int h = 0; h < HEADS; h++) {
        int64_t used = 0;
        for (int64_t i = 0; i < b->n; i++)
            used += is_active(b, h, i);
        printf("head %d, %s: %5.1f %% of the patches\n", h, h < SHARED ? "shared" : "routed",
               100.0 * (double)used / (double)b->n);
    }
    printf("pairs done: %" PRId64 " of %" PRId64 "; balance loss %.3f (%d: balanced); "
           "output of size %.3f\n",
           b->counts[0], b->counts[1], (double)b->loss, (int)ACTIVE, sqrt(norm));
}

int main(int argc, char **argv)
{
    struct image im = {0};
    struct block b;
    if (argc == 5 && strcmp(argv[1], "--make") == 0)
        return image_make(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc != 3)
        return failed("usage: moh_vision IMAGE PICTURE, or moh_vision --make IMAGE WIDTH HEIGHT");
    int rc = image_read(argv[1], &im);
    if (rc == 0) {
        rc = block_alloc(&b, &im);
        rc = rc ? rc : run(&b, &im);
        rc = rc ? rc : draw(&b, &im, argv[2]);
        if (rc == 0)
            tell(&b);
        block_free(&b);
    }
    free(im.rgb);
    return rc;
}
