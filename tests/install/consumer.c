/* SPDX-License-Identifier: MIT */
/*
 * A program that found libattn through pkg-config: two heads, two queries and
 * three keys, causal, with an answer that can be worked out on paper.
 *
 * Query i is e_i times a weight w, the keys are e_0, e_1, e_0, the values
 * (1, 10), (2, 20), (3, 30). Queries stand at the end of the keys, so query 0
 * sees keys 0 and 1 and query 1 sees all three; scores are w where key and
 * query point the same way, else 0.
 */
#include <attn/attn.h>

#include <math.h>
#include <stdio.h>

enum { HEADS = 2, QUERIES = 2, KEYS = 3, WIDTH = 2 };

static int fail(const char *what)
{
    char message[512];
    attn_last_error(message, sizeof message);
    fprintf(stderr, "consumer: %s: %s\n", what, message);
    return 1;
}

int main(void)
{
    static const float k[HEADS][KEYS][WIDTH] = {{{1, 0}, {0, 1}, {1, 0}},
                                                {{1, 0}, {0, 1}, {1, 0}}};
    static const float v[HEADS][KEYS][WIDTH] = {{{1, 10}, {2, 20}, {3, 30}},
                                                {{1, 10}, {2, 20}, {3, 30}}};
    static const double weight[HEADS] = {1, 3};
    float q[HEADS][QUERIES][WIDTH] = {{{0}}}, out[HEADS][QUERIES][WIDTH];
    const int64_t q_shape[] = {1, HEADS, QUERIES, WIDTH}, k_shape[] = {1, HEADS, KEYS, WIDTH};
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    attn_tensor tq, tk, tv, to;

    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < QUERIES; i++)
            q[h][i][i] = (float)weight[h];

    if (attn_version() != ATTN_VERSION)
        return fail("the library is not that of the header");
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK)
        return fail("attn_ctx_create");
    if (attn_desc_parse(ctx, "softmax h=2 q=2 k=3 d=2 causal scale=1", &desc) != ATTN_OK)
        return fail("attn_desc_parse");
    if (attn_plan_create(ctx, desc, &plan) != ATTN_OK)
        return fail("attn_plan_create");
    if (attn_tensor_init(&tq, q, ATTN_DTYPE_F32, 4, q_shape) != ATTN_OK ||
        attn_tensor_init(&tk, (void *)k, ATTN_DTYPE_F32, 4, k_shape) != ATTN_OK ||
        attn_tensor_init(&tv, (void *)v, ATTN_DTYPE_F32, 4, k_shape) != ATTN_OK ||
        attn_tensor_init(&to, out, ATTN_DTYPE_F32, 4, q_shape) != ATTN_OK)
        return fail("attn_tensor_init");
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},
                             {ATTN_ROLE_K, 0, &tk},
                             {ATTN_ROLE_V, 0, &tv},
                             {ATTN_ROLE_OUT, 0, &to}};
    if (attn_plan_execute(plan, args, 4, NULL, 0) != ATTN_OK)
        return fail("attn_plan_execute");
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);

    for (int h = 0; h < HEADS; h++) {
        const double e = exp(weight[h]);
        const double want[QUERIES] = {(e * 1 + 2) / (e + 1), (1 + e * 2 + 3) / (e + 2)};
        for (int i = 0; i < QUERIES; i++) {
            for (int c = 0; c < WIDTH; c++) {
                const double expected = c == 0 ? want[i] : 10 * want[i];
                if (!(fabs(out[h][i][c] - expected) < 1e-5 * expected)) {
                    fprintf(stderr, "consumer: out[%d][%d][%d] is %.9g, expected %.9g\n", h, i, c,
                            (double)out[h][i][c], expected);
                    return 1;
                }
            }
        }
    }
    printf("consumer.c: right, with libattn %s\n", attn_version_text());
    return 0;
}
