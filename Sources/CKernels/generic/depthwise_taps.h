// Sums over the taps of a filter, a block of outputs at a time: the forward pass takes them over
// the padded input, the input gradient over the padded output gradient.
#pragma once
#include "depthwise_plan.h"
#include "vector.h"

// Outputs of a chunk after which float partial sums are added to the double totals.
enum { SUM_OUTPUTS = 192 };

/// Two rows of outputs: the plane, weights and filter rows that they are summed over.
typedef struct {
    const float *plane;    // the first tap of the first output
    const float *weights;  // (rows, across, LANES)
    int64_t row;           // floats of a row of the plane
    int32_t from, to;      // rows of the filter
    int32_t across;        // taps of such a row
    int32_t stride, narrow;
} tap_rows;

/// sums[t] = the sum over the taps of the first row's output t, sums[wide + t] the second row's.
/// `narrow` leaves out taps outside a map of `wide` columns; the plane then begins at its first.
INLINE void sum_block(const tap_rows *b, int32_t wide, int32_t across, int32_t step, int narrow,
                      V *sums) {
    V acc[2 * OFA_BLOCK];
    const int32_t pad = across / 2;
    for (int32_t t = 0; t < 2 * wide; t++) acc[t] = splat(0);
    const float *above = b->plane + b->from * b->row, *below = above + b->stride * b->row;
    const float *weights = b->weights + (int64_t)b->from * across * LANES;
    for (int32_t ky = b->from; ky < b->to; ky++, above += b->row, below += b->row)
        for (int32_t kx = 0; kx < across; kx++, weights += LANES) {
            const V w = load(weights);
            for (int32_t t = 0; t < wide; t++) {
                const int32_t column = narrow ? t + kx - pad : t * step + kx;
                if (narrow && (column < 0 || column >= wide)) continue;
                acc[t] += load(above + column * LANES) * w;
                acc[wide + t] += load(below + column * LANES) * w;
            }
        }
    for (int32_t t = 0; t < 2 * wide; t++) store((float *)(sums + t), acc[t]);
}

/// `sum_block` with the width, the stride and, on narrow maps, the kernel as constants.
static void sum_rows(const tap_rows *b, int32_t wide, V *to) {
#define SUM_WIDTH(n)                                                          \
    case n:                                                                   \
        if (b->narrow && b->across == 3) return sum_block(b, n, 3, 1, 1, to); \
        if (b->narrow && b->across == 5) return sum_block(b, n, 5, 1, 1, to); \
        if (b->narrow) return sum_block(b, n, 7, 1, 1, to);                   \
        if (b->stride == 1) return sum_block(b, n, b->across, 1, 0, to);      \
        return sum_block(b, n, b->across, 2, 0, to);
    switch (wide) {
        SUM_WIDTH(1)
        SUM_WIDTH(2)
        SUM_WIDTH(3)
        SUM_WIDTH(4)
        SUM_WIDTH(5)
        SUM_WIDTH(6)
        SUM_WIDTH(7)
    }
#undef SUM_WIDTH
}

/// Limits `from` and `to` to the filter rows (of `rows`) that touch a map of `height` rows for at
/// least one of `high` output rows; the first tap of the first of them lies on the map's row `top`.
INLINE void skip_rows_outside(tap_rows *b, int32_t top, int32_t high, int32_t height,
                              int32_t rows) {
    const int32_t last = top + (high - 1) * b->stride;
    b->from = last < 0 ? -last : 0;
    b->to = height - top < rows ? height - top : rows;
}

/// Lays the filter out as (chunk, tap, LANES).
static void pack_filter(const float *filter, const float *factor, int32_t taps, int32_t channels,
                        float *packed) {
    FOR_CHUNKS(channels) {
        V by = factor ? load_part(factor + c, m) : splat(1);
        for (int32_t t = 0; t < taps; t++, packed += LANES)
            store(packed, load_part(filter + (int64_t)t * channels + c, m) * by);
    }
}
