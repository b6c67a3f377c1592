// The reference for products of pairs of 16-bit values, with sums in double. Tests compare the
// vector versions with these functions; unlike them, it does not treat denormal numbers as zeros.
#include <string.h>
#include "tables.h"

static uint16_t rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t upper = bits >> 16, rest = bits & 0xffff;
    if (value != value) return (uint16_t)(upper | 0x40);
    return (uint16_t)(upper + (rest > 0x8000 || (rest == 0x8000 && upper % 2)));
}

static float pair_of(float first, float second) {
    uint32_t bits = rounded(first) | (uint32_t)rounded(second) << 16;
    float pair;
    memcpy(&pair, &bits, sizeof pair);
    return pair;
}

// Returns the product of the first values of two pairs plus that of their second values.
static double product_of(const float *a, const float *b) {
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    double sum = 0;
    for (int shift = 16; shift >= 0; shift -= 16) {
        uint32_t left = x << shift & 0xffff0000, right = y << shift & 0xffff0000;
        float u, w;
        memcpy(&u, &left, sizeof u);
        memcpy(&w, &right, sizeof w);
        sum += (double)u * w;
    }
    return sum;
}

static void pair_matrix(float *packed, int32_t depth, int32_t columns, int32_t first, int32_t end) {
    for (int32_t j = first; j < end && j < columns; j++)
        for (int32_t k = 0; k < depth / 2; k++)
            packed[(int64_t)k * columns + j] = pair_of(packed[(int64_t)2 * k * columns + j],
                                                       packed[(int64_t)(2 * k + 1) * columns + j]);
}

static void pair_rows(const float *from, int32_t rows, int32_t channels, float *across,
                      float *down) {
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < channels; c++) {
            const float *at = from + (int64_t)r * channels + c;
            if (across && c % 2 == 0)
                across[((int64_t)r * channels + c) / 2] = pair_of(at[0], at[1]);
            if (down && r % 2 == 0)
                down[(int64_t)r / 2 * channels + c] =
                    pair_of(at[0], r + 1 < rows ? at[channels] : 0);
        }
}

static void product(const float *a, int64_t a_row, int32_t rows, int32_t depth, const float *packed,
                    int32_t columns, float *c, int64_t c_row, const ofa_end *end,
                    ofa_ahead *ahead) {
    (void)ahead;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int32_t k = 0; k < depth; k++)
                sum += product_of(a + r * a_row + k, packed + (int64_t)k * columns + j);
            float value = (float)sum;
            if (end->residual) value += end->residual[r * c_row + j];
            c[r * c_row + j] = value;
            if (end->sums) {
                double d = (double)value - end->center[j];
                end->sums[j] += d;
                end->sums[columns + j] += d * d;
            }
        }
}

static void outer_product(const float *a, int64_t a_row, int32_t m, const float *b, int64_t b_row,
                          int32_t n, int32_t rows, float *c, int64_t c_row, ofa_ahead *ahead) {
    (void)ahead;
    for (int32_t i = 0; i < m; i++)
        for (int32_t j = 0; j < n; j++) {
            double sum = 0;
            for (int32_t r = 0; r < rows; r++)
                sum += product_of(a + r * a_row + i, b + r * b_row + j);
            c[i * c_row + j] += (float)sum;
        }
}

const ofa_pairs ofa_pairs_scalar = PAIR_TABLE("scalar");
