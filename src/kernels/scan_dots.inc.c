/* SPDX-License-Identifier: MIT */
/*
 * Scores of tokens that read with tokens that wrote, as dot products of rows
 * where they lie: the blocks of row.inc.c. No row is turned around, and of a
 * triangle only what is right of the diagonal in a block of four is too much.
 */

/*
 * a_ij = sum_{c < d} x_ic y_jc for i < rows and j < n; `lower`, with rows = n:
 * for j <= i, and what is written besides is undefined.
 */
static void scan_dots(bool lower, const float *restrict x, int64_t ldx, int64_t rows,
                      const float *restrict y, int64_t ldy, int64_t n, int64_t d,
                      float *restrict a, int64_t lda)
{
    for (int64_t j = 0; j < n; j += 4) {
        const int64_t m = n - j < 4 ? n - j : 4, i = lower ? j : 0;
        qk_keys_f32(four_of_f32(y + j * ldy, ldy, m, 0), 0, m, d, x + i * ldx, ldx, rows - i,
                    a + i * lda + j, lda);
    }
}
