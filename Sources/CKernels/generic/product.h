// Multiplies a block of rows, which is in cache, by a small matrix. Applies the epilogue (sums for
// a batch norm, or shift, activation and residual) while the result is in registers.
//
// A tile of ROWS x VECTORS accumulators stays in registers over the whole depth: per step, VECTORS
// loads of the packed matrix and ROWS broadcasts feed ROWS * VECTORS multiply-adds. The matrix is
// packed into panels of up to three vectors' width, so that loads are aligned and consecutive for
// any row stride of the supernet's weights.
//
// Callers do not let tiles store into a large map directly. They compute a block in scratch and
// copy the block in order (`write_out`), because direct stores are four times slower with 16 to 96
// channels and vectors of 512 bits. `ofa-bench kernels` times each instruction set; results.md has
// the figures.
#pragma once
#include "tile.h"

// The number of rows after which float partial sums are added to the double totals.
enum { SUM_ROWS = 96 };

// The width of the widest panel in vectors: two with AVX2, because a tile of 6 x 2 fills the
// sixteen registers.
enum { WIDEST = LANES == 8 ? 2 : 3 };

/// Returns the width in vectors of the panel that starts at vector `v` of `vectors`: the widest
/// that fits. But the last four vectors become two panels of width 2, not one of 3 and one of 1.
INLINE int32_t panel_vectors(int32_t v, int32_t vectors) {
    const int32_t left = vectors - v;
    return WIDEST == 3 && left == 4 ? 2 : left < WIDEST ? left : WIDEST;
}

/// Returns where the panel that starts at `column` begins in a packed matrix. A matrix of pairs of
/// rows keeps the places of its panels before they were paired.
INLINE int64_t panel_start(int32_t depth, int32_t column) {
#ifdef OFA_PAIRS
    return 2 * (int64_t)depth * column;
#else
    return (int64_t)depth * column;
#endif
}

static int64_t packed_floats(int32_t depth, int32_t columns) {
    return (int64_t)depth * ((columns + LANES - 1) / LANES * LANES);
}

typedef float Q __attribute__((vector_size(16)));
typedef float QU __attribute__((vector_size(16), aligned(4)));

/// Transposes four rows of four floats.
INLINE void turn_4x4(const float *from, int64_t from_row, float *to, int64_t to_row) {
    Q a = *(const QU *)from, b = *(const QU *)(from + from_row);
    Q c = *(const QU *)(from + 2 * from_row), d = *(const QU *)(from + 3 * from_row);
    Q ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
      AB = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    Q cd = __builtin_shufflevector(c, d, 0, 4, 1, 5),
      CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(QU *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(QU *)(to + to_row) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    *(QU *)(to + 2 * to_row) = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);
    *(QU *)(to + 3 * to_row) = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
}

static void pack(const float *w, int64_t depth_stride, int64_t column_stride, int32_t depth,
                 int32_t columns, const float *factor, int32_t first, int32_t end, float *packed) {
    const int32_t vectors = (columns + LANES - 1) / LANES;
    for (int32_t v = 0; v < vectors;) {
        const int32_t wide = panel_vectors(v, vectors), width = wide * LANES, start = v * LANES;
        float *to = packed + (int64_t)depth * start;
        v += wide;
        if (start < first || start >= end) continue;
        const int32_t live = columns - start < width ? columns - start : width;
        if (column_stride == 1) {
            for (int32_t k = 0; k < depth; k++)
                for (int32_t j = 0; j < wide; j++)
                    store(to + k * width + j * LANES,
                          load_part(w + k * depth_stride + start + j * LANES,
                                    lanes_mask(live - j * LANES)));
        } else {
            int32_t j = 0;
            for (; j + 4 <= live && depth_stride == 1; j += 4) {
                const float *from = w + (start + j) * column_stride;
                int32_t k = 0;
                for (; k + 4 <= depth; k += 4)
                    turn_4x4(from + k, column_stride, to + (int64_t)k * width + j, width);
                for (; k < depth; k++)
                    for (int32_t i = 0; i < 4; i++)
                        to[(int64_t)k * width + j + i] = from[i * column_stride + k];
            }
            for (; j < width; j++) {
                const float *from = w + (start + j) * column_stride;
                if (j < live)
                    for (int32_t k = 0; k < depth; k++)
                        to[(int64_t)k * width + j] = from[k * depth_stride];
                else
                    for (int32_t k = 0; k < depth; k++) to[(int64_t)k * width + j] = 0;
            }
        }
        if (factor) {
            for (int32_t j = 0; j < wide; j++) {
                V by = load_part(factor + start + j * LANES, lanes_mask(live - j * LANES));
                for (int32_t k = 0; k < depth; k++) {
                    float *at = to + (int64_t)k * width + j * LANES;
                    store(at, load(at) * by);
                }
            }
        }
    }
}

/// Runs `body` for each row `r` and vector `v` of a tile; the vector starts at column `at` and its
/// live lanes are `m`. The outer loop is over rows, so that stores run through memory in order:
/// with the outer loop over columns, stores are five times slower.
#define FOR_TILE(body)                                                                       \
    UNROLL                                                                                   \
    for (int r = 0; r < rows; r++) {                                                         \
        UNROLL                                                                               \
        for (int v = 0; v < vectors; v++) {                                                  \
            const int32_t at = column + v * LANES;                                           \
            const M m = lanes_of(v, vectors, last);                                          \
            body                                                                             \
        }                                                                                    \
    }

/// Applies the epilogue to a tile in registers and stores the tile. Each step has its own loop over
/// the tile, so that only the loop that activates is compiled for each activation; the other loops
/// are compiled once.
INLINE void finish_tile(V acc[16][3], int rows, int vectors, M last, int32_t column, float *c,
                        int64_t c_row, const ofa_end *end, const float *base,
                        const float *residual, V *s, V *q) {
    if (base) FOR_TILE({ acc[r][v] += load_part(base + r * c_row + at, m); })
    if (end->shift)
        WITH_ACTIVATION(end->activation, {
            FOR_TILE({ acc[r][v] = activate(acc[r][v] + load_part(end->shift + at, m), ACT); })
        })
    if (residual) FOR_TILE({ acc[r][v] += load_part(residual + r * c_row + at, m); })
    FOR_TILE({ store_part(c + r * c_row + at, acc[r][v], m); })
    if (end->sums) FOR_TILE({
            const V d = acc[r][v] - load_part(end->center + at, m);
            s[v] += d;
            q[v] += d * d;
        })
}

#define PRODUCT_TILE(ROWS, VECTORS)                                                                \
    static void product_##ROWS##x##VECTORS(const float *a, int64_t a_row, const float *b,          \
                                           int32_t depth, M last, int32_t column, float *c,        \
                                           int64_t c_row, const ofa_end *end, const float *base,   \
                                           const float *residual, fetch ahead, V *s, V *q) {       \
        V acc[16][3];                                                                              \
        multiply_tile(a, a_row, 1, b, VECTORS * LANES, depth, ROWS, VECTORS, ALL_LANES, ahead,     \
                      acc);                                                                        \
        finish_tile(acc, ROWS, VECTORS, last, column, c, c_row, end, base, residual, s, q);        \
    }

#if LANES == 16
enum { ROWS_3 = 8, ROWS_2 = 12, ROWS_1 = 12 };
PRODUCT_TILE(8, 3)
PRODUCT_TILE(4, 3)
PRODUCT_TILE(1, 3)
PRODUCT_TILE(12, 2)
PRODUCT_TILE(4, 2)
PRODUCT_TILE(1, 2)
PRODUCT_TILE(12, 1)
PRODUCT_TILE(4, 1)
PRODUCT_TILE(1, 1)
#define FULL_3 product_8x3
#define FULL_2 product_12x2
#define FULL_1 product_12x1
#define PRODUCT_HALF(ROWS, VECTORS)                                                                \
    static void product_half_##ROWS##x##VECTORS(                                                   \
        const float *a, int64_t a_row, const float *b, int32_t depth, M last, int32_t column,      \
        float *c, int64_t c_row, const ofa_end *end, const float *base, const float *residual,     \
        fetch ahead, V *s, V *q) {                                                                 \
        V acc[16][3];                                                                              \
        multiply_half(a, a_row, b, depth, ROWS, VECTORS, ahead, acc);                              \
        finish_tile(acc, ROWS, VECTORS, last, column, c, c_row, end, base, residual, s, q);        \
    }
PRODUCT_HALF(8, 3)
PRODUCT_HALF(12, 2)
#else
enum { ROWS_3 = 4, ROWS_2 = 6, ROWS_1 = 8 };
PRODUCT_TILE(4, 3)
PRODUCT_TILE(1, 3)
PRODUCT_TILE(6, 2)
PRODUCT_TILE(4, 2)
PRODUCT_TILE(1, 2)
PRODUCT_TILE(8, 1)
PRODUCT_TILE(4, 1)
PRODUCT_TILE(1, 1)
#define FULL_3 product_4x3
#define FULL_2 product_6x2
#define FULL_1 product_8x1
#define product_half_8x3 product_4x3
#define product_half_12x2 product_6x2
#endif

static void product(const float *a, int64_t a_row, int32_t rows, int32_t depth, const float *packed,
                    int32_t columns, float *c, int64_t c_row, const ofa_end *end,
                    ofa_ahead *ahead) {
    const int32_t vectors = (columns + LANES - 1) / LANES;
    const int32_t lines =
        lines_a_tile(ahead, (int64_t)((vectors + 2) / 3) * ((rows + ROWS_3 - 1) / ROWS_3));
    for (int32_t v = 0; v < vectors;) {
        const int32_t wide = panel_vectors(v, vectors), column = v * LANES;
        const float *b = packed + panel_start(depth, column);
        const int32_t live = columns - column - (wide - 1) * LANES;  // of the last vector
        const M last = lanes_mask(live);
        const int half = is_half(live);
        v += wide;
        for (int32_t r0 = 0; r0 < rows; r0 += SUM_ROWS) {
            const int32_t stop = rows - r0 < SUM_ROWS ? rows : r0 + SUM_ROWS;
            V s[3] = {{0}, {0}, {0}}, q[3] = {{0}, {0}, {0}};
            for (int32_t r = r0; r < stop;) {
                const float *from = a + r * a_row,
                            *base = end->base ? end->base + r * c_row : 0,
                            *plus = end->residual ? end->residual + r * c_row : 0;
                float *to = c + r * c_row;
                const int32_t left = stop - r;
                const fetch some = lines ? take_ahead(ahead, lines) : (fetch){0, 0};
#define TILE(F, N)                                                                 \
    {                                                                              \
        F(from, a_row, b, depth, last, column, to, c_row, end, base, plus, some, s, q); \
        r += N;                                                                    \
    }
                if (WIDEST == 3 && wide == 3) {
                    if (left >= ROWS_3 && half)
                        TILE(product_half_8x3, ROWS_3)
                    else if (left >= ROWS_3)
                        TILE(FULL_3, ROWS_3)
                    else if (left >= 4)
                        TILE(product_4x3, 4)
                    else
                        TILE(product_1x3, 1)
                } else if (wide == 2) {
                    if (left >= ROWS_2 && half)
                        TILE(product_half_12x2, ROWS_2)
                    else if (left >= ROWS_2)
                        TILE(FULL_2, ROWS_2)
                    else if (left >= 4)
                        TILE(product_4x2, 4)
                    else
                        TILE(product_1x2, 1)
                } else {
                    if (left >= ROWS_1)
                        TILE(FULL_1, ROWS_1)
                    else if (left >= 4)
                        TILE(product_4x1, 4)
                    else
                        TILE(product_1x1, 1)
                }
#undef TILE
            }
            if (end->sums)
                for (int32_t j = 0; j < wide; j++) {
                    add_to(end->sums + column + j * LANES, s[j], columns - column - j * LANES);
                    add_to(end->sums + columns + column + j * LANES, q[j],
                           columns - column - j * LANES);
                }
        }
    }
}

#define OUTER_TILE(ROWS, VECTORS)                                                                \
    static void outer_##ROWS##x##VECTORS(const float *a, int64_t a_row, const float *b,          \
                                         int64_t b_row, int32_t depth, M last, float *c, \
                                         int64_t c_row, fetch ahead) {                           \
        V acc[16][3];                                                                            \
        for (int r = 0; r < ROWS; r++) /* c is read last: by then it has been fetched */         \
            for (int v = 0; v < VECTORS; v += 64 / (4 * LANES))                                  \
                __builtin_prefetch(c + r * c_row + v * LANES, 1, 2);                             \
        multiply_tile(a, 1, a_row, b, b_row, depth, ROWS, VECTORS, last, ahead, acc);           \
        UNROLL                                                                                   \
        for (int r = 0; r < ROWS; r++) {                                                         \
            UNROLL                                                                               \
            for (int v = 0; v < VECTORS; v++) {                                                  \
                float *to = c + r * c_row + v * LANES;                                           \
                const M m = lanes_of(v, VECTORS, last);                                          \
                store_part(to, load_part(to, m) + acc[r][v], m);                   \
            }                                                                                    \
        }                                                                                        \
    }

#if LANES == 16
enum { OUTER_ROWS = 8 };
OUTER_TILE(8, 3)
OUTER_TILE(8, 2)
OUTER_TILE(8, 1)
#define OUTER_3 outer_8x3
#define OUTER_2 outer_8x2
#define OUTER_1 outer_8x1
#else
enum { OUTER_ROWS = 4 };  // not 6: numbers of channels are mostly multiples of eight
OUTER_TILE(4, 3)
OUTER_TILE(4, 2)
OUTER_TILE(4, 1)
#define OUTER_3 outer_4x3
#define OUTER_2 outer_4x2
#define OUTER_1 outer_4x1
#endif
OUTER_TILE(1, 3)
OUTER_TILE(1, 2)
OUTER_TILE(1, 1)

INLINE void outer_panel(const float *a, int64_t a_row, const float *b, int64_t b_row, int32_t n,
                        int32_t rows, int32_t column, int32_t wide, int full, float *c,
                        int64_t c_row, fetch ahead) {
    const M last = lanes_mask(n - column - (wide - 1) * LANES);
    b += column;
    c += column;
    if (WIDEST == 3 && wide == 3)
        (full ? OUTER_3 : outer_1x3)(a, a_row, b, b_row, rows, last, c, c_row, ahead);
    else if (wide == 2)
        (full ? OUTER_2 : outer_1x2)(a, a_row, b, b_row, rows, last, c, c_row, ahead);
    else
        (full ? OUTER_1 : outer_1x1)(a, a_row, b, b_row, rows, last, c, c_row, ahead);
}

static void outer_product(const float *a, int64_t a_row, int32_t m, const float *b, int64_t b_row,
                          int32_t n, int32_t rows, float *c, int64_t c_row, ofa_ahead *ahead) {
    const int32_t vectors = (n + LANES - 1) / LANES;
    const int32_t lines =
        lines_a_tile(ahead, (int64_t)((vectors + 2) / 3) * ((m + OUTER_ROWS - 1) / OUTER_ROWS));
    if (rows < 64) {
        // With few rows to sum, c is the largest operand, so its elements are visited in order.
        for (int32_t i = 0; i < m;) {
            const int full = m - i >= OUTER_ROWS;
            for (int32_t v = 0, wide; v < vectors; v += wide) {
                wide = panel_vectors(v, vectors);
                outer_panel(a + i, a_row, b, b_row, n, rows, v * LANES, wide, full, c + i * c_row,
                            c_row, lines ? take_ahead(ahead, lines) : (fetch){0, 0});
            }
            i += full ? OUTER_ROWS : 1;
        }
        return;
    }
    // With many rows to sum, a panel of b stays in L1 while all of a is read.
    for (int32_t v = 0, wide; v < vectors; v += wide) {
        wide = panel_vectors(v, vectors);
        for (int32_t i = 0; i < m;) {
            const int full = m - i >= OUTER_ROWS;
            outer_panel(a + i, a_row, b, b_row, n, rows, v * LANES, wide, full, c + i * c_row,
                        c_row, lines ? take_ahead(ahead, lines) : (fetch){0, 0});
            i += full ? OUTER_ROWS : 1;
        }
    }
}

static int32_t panel_end(int32_t columns, int32_t first) {
    const int32_t vectors = (columns + LANES - 1) / LANES, v = first / LANES;
    const int32_t end = first + panel_vectors(v, vectors) * LANES;
    return end < columns ? end : columns;
}
