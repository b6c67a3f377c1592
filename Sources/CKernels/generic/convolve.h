// A dense convolution without patches: the taps of a filter row lie one after the other in a row of
// the zero-padded map, so a filter row is a product, whose rows overlap in memory. The products of
// all filter rows are summed in registers.
#pragma once
#include "product.h"

#define CONVOLVE_TILE(ROWS, VECTORS)                                                             \
    static void convolve_##ROWS##x##VECTORS(const float *a, const ofa_filter_rows *from,         \
                                            const float *b, M last, int32_t column, float *c,    \
                                            int64_t c_row, const ofa_end *end,                   \
                                            const float *residual) {                             \
        V acc[16][3];                                                                            \
        UNROLL                                                                                   \
        for (int r = 0; r < ROWS; r++) {                                                         \
            UNROLL                                                                               \
            for (int v = 0; v < VECTORS; v++) acc[r][v] = splat(0);                              \
        }                                                                                        \
        for (int32_t s = 0; s < from->count; s++)                                                \
            for (int32_t k = 0; k < from->depth; k++, b += VECTORS * LANES)                      \
                multiply_step(a + s * from->distance + k, from->step, b, ROWS, VECTORS,          \
                              ALL_LANES, acc);                                                   \
        finish_tile(acc, ROWS, VECTORS, last, column, c, c_row, end, 0, residual, 0, 0);         \
    }

#if LANES == 16
CONVOLVE_TILE(8, 3)
CONVOLVE_TILE(4, 3)
CONVOLVE_TILE(1, 3)
CONVOLVE_TILE(12, 2)
CONVOLVE_TILE(4, 2)
CONVOLVE_TILE(1, 2)
CONVOLVE_TILE(12, 1)
CONVOLVE_TILE(4, 1)
CONVOLVE_TILE(1, 1)
#define CONVOLVE_3 convolve_8x3
#define CONVOLVE_2 convolve_12x2
#define CONVOLVE_1 convolve_12x1
#else
CONVOLVE_TILE(4, 3)
CONVOLVE_TILE(1, 3)
CONVOLVE_TILE(6, 2)
CONVOLVE_TILE(4, 2)
CONVOLVE_TILE(1, 2)
CONVOLVE_TILE(8, 1)
CONVOLVE_TILE(4, 1)
CONVOLVE_TILE(1, 1)
#define CONVOLVE_3 convolve_4x3
#define CONVOLVE_2 convolve_6x2
#define CONVOLVE_1 convolve_8x1
#endif

static void convolve(const float *x, const ofa_filter_rows *from, int32_t pixels,
                     const float *packed, int32_t columns, float *c, const ofa_end *end) {
    const int32_t vectors = (columns + LANES - 1) / LANES;
    for (int32_t v = 0, wide; v < vectors; v += wide) {
        const int32_t column = v * LANES;
        const float *b = packed + (int64_t)from->count * from->depth * column;
        wide = panel_vectors(v, vectors);
        const M last = lanes_mask(columns - column - (wide - 1) * LANES);
        for (int32_t p = 0; p < pixels;) {
            const float *a = x + (int64_t)p * from->step,
                        *plus = end->residual ? end->residual + (int64_t)p * columns : 0;
            float *to = c + (int64_t)p * columns;
            const int32_t left = pixels - p;
#define TILE(F, N)                                              \
    {                                                           \
        F(a, from, b, last, column, to, columns, end, plus);    \
        p += N;                                                 \
    }
            if (WIDEST == 3 && wide == 3) {
                if (left >= ROWS_3)
                    TILE(CONVOLVE_3, ROWS_3)
                else if (left >= 4)
                    TILE(convolve_4x3, 4)
                else
                    TILE(convolve_1x3, 1)
            } else if (wide == 2) {
                if (left >= ROWS_2)
                    TILE(CONVOLVE_2, ROWS_2)
                else if (left >= 4)
                    TILE(convolve_4x2, 4)
                else
                    TILE(convolve_1x2, 1)
            } else {
                if (left >= ROWS_1)
                    TILE(CONVOLVE_1, ROWS_1)
                else if (left >= 4)
                    TILE(convolve_4x1, 4)
                else
                    TILE(convolve_1x1, 1)
            }
#undef TILE
        }
    }
}
