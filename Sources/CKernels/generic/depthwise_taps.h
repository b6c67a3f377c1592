// Sums over the taps of a filter for one block of outputs at a time. The forward pass sums over the
// plane of the input, the input gradient over the plane of the output gradient.
#pragma once
#include "depthwise_plan.h"
#include "vector.h"

// Float partial sums are added to the double totals after at least this many outputs of a chunk,
// and at the end of a band.
enum { SUM_OUTPUTS = 192 };

/// The plane and the filter rows from which two rows of outputs are summed.
typedef struct {
    const float *plane;    // at the first tap of the first output
    const float *weights;  // (filter rows, across, LANES)
    int64_t row;           // floats of a row of the plane
    int32_t from, to;      // filter rows from ..< to are summed
    int32_t across;        // taps in a filter row
    int32_t stride, narrow;
} tap_rows;

/// Sums a block: sums[t] is output t of the first row, and sums[wide + t] that of the second. If
/// `narrow`, the block spans a map of `wide` columns: taps outside the map are skipped, and
/// `b->plane` points to the map's first column instead of the first tap.
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

#if LANES == 16
#define UNROLL_TAPS _Pragma("clang loop unroll(full)")

/// Adds the products of one input row: with the filter row `above` to the sums of the first output
/// row, with `below` to those of the second; a null filter row is skipped.
INLINE void sum_row_once(const float *row, int32_t wide, int32_t across, const float *above,
                         const float *below, V *acc) {
    V x[2 * OFA_BLOCK - 1];
    UNROLL_TAPS
    for (int32_t c = 0; c < wide + across - 1; c++) x[c] = load(row + c * LANES);
    UNROLL_TAPS
    for (int32_t kx = 0; kx < across; kx++) {
        const V upper = above ? load(above + kx * LANES) : splat(0);
        const V lower = below ? load(below + kx * LANES) : splat(0);
        UNROLL_TAPS
        for (int32_t t = 0; t < wide; t++) {
            if (above) acc[t] += x[t + kx] * upper;
            if (below) acc[wide + t] += x[t + kx] * lower;
        }
    }
}

/// Computes what `sum_block` computes with stride 1, but loads each input once for both output rows
/// and all taps of a filter row: one load for every three to four multiply-adds instead of one for
/// each. Sums and inputs fill the 32 registers of AVX-512; a kernel of 7 takes 1/1.18 of the time.
INLINE void sum_block_once(const tap_rows *b, int32_t wide, int32_t across, V *sums) {
    const int64_t filter_row = (int64_t)across * LANES;
    const float *row = b->plane + b->from * b->row, *weights = b->weights + b->from * filter_row;
    V acc[2 * OFA_BLOCK];
    UNROLL_TAPS
    for (int32_t t = 0; t < 2 * wide; t++) acc[t] = splat(0);
    if (b->from < b->to) {
        sum_row_once(row, wide, across, weights, 0, acc);
        for (int32_t ky = b->from + 1; ky < b->to; ky++) {
            row += b->row;
            weights += filter_row;
            sum_row_once(row, wide, across, weights, weights - filter_row, acc);
        }
        sum_row_once(row + b->row, wide, across, 0, weights, acc);
    }
    UNROLL_TAPS
    for (int32_t t = 0; t < 2 * wide; t++) store((float *)(sums + t), acc[t]);
}

/// Adds the products of one input row as `sum_row_once` does, for stride 2: first those of the even
/// columns, then those of the odd ones, because the inputs of both do not fit beside the sums.
INLINE void sum_halves_once(const float *row, int32_t wide, int32_t across, const float *above,
                            const float *below, V *acc) {
    UNROLL_TAPS
    for (int32_t odd = 0; odd < 2; odd++) {
        const int32_t taps = (across + 1 - odd) / 2;
        V x[OFA_BLOCK + 3];
        UNROLL_TAPS
        for (int32_t c = 0; c < wide + taps - 1; c++) x[c] = load(row + (2 * c + odd) * LANES);
        UNROLL_TAPS
        for (int32_t k = 0; k < taps; k++) {
            const V upper = above ? load(above + (2 * k + odd) * LANES) : splat(0);
            const V lower = below ? load(below + (2 * k + odd) * LANES) : splat(0);
            UNROLL_TAPS
            for (int32_t t = 0; t < wide; t++) {
                if (above) acc[t] += x[t + k] * upper;
                if (below) acc[wide + t] += x[t + k] * lower;
            }
        }
    }
}

/// Computes what `sum_block` computes with stride 2, but loads each input once for both output
/// rows; a row's sum runs over the even taps first. Kernels of 7, 5 and 3 take 1/1.22, 1/1.27 and
/// 1/1.36 of the time.
INLINE void sum_block_halves(const tap_rows *b, int32_t wide, int32_t across, V *sums) {
    const int64_t filter_row = (int64_t)across * LANES;
    const float *row = b->plane + b->from * b->row, *weights = b->weights + b->from * filter_row;
    V acc[2 * OFA_BLOCK];
    UNROLL_TAPS
    for (int32_t t = 0; t < 2 * wide; t++) acc[t] = splat(0);
    for (int32_t ky = b->from; ky < b->to + 2; ky++, row += b->row, weights += filter_row) {
        if (ky < b->from + 2) {
            if (ky < b->to) sum_halves_once(row, wide, across, weights, 0, acc);
        } else if (ky < b->to) {
            sum_halves_once(row, wide, across, weights, weights - 2 * filter_row, acc);
        } else {
            sum_halves_once(row, wide, across, 0, weights - 2 * filter_row, acc);
        }
    }
    UNROLL_TAPS
    for (int32_t t = 0; t < 2 * wide; t++) store((float *)(sums + t), acc[t]);
}

#define SUM_ONCE(n)                                                              \
    if (n > 3 && b->stride == 1 && !b->narrow) {                                 \
        if (b->across == 3) return sum_block_once(b, n, 3, to);                  \
        if (b->across == 5) return sum_block_once(b, n, 5, to);                  \
        if (b->across == 7) return sum_block_once(b, n, 7, to);                  \
    } else if (n > 3 && b->stride == 2) {                                        \
        if (b->across == 3) return sum_block_halves(b, n, 3, to);                \
        if (b->across == 5) return sum_block_halves(b, n, 5, to);                \
        if (b->across == 7) return sum_block_halves(b, n, 7, to);                \
    }
#else
#define SUM_ONCE(n)
#endif

/// Calls `sum_block` with the width, the stride and, on narrow maps, `across` as constants.
static void sum_rows(const tap_rows *b, int32_t wide, V *to) {
#define SUM_WIDTH(n)                                                          \
    case n:                                                                   \
        SUM_ONCE(n)                                                           \
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

/// Sets `from` and `to` so that rows from ..< to of the `rows` filter rows are those that lie
/// inside the map for at least one of the `high` output rows. The map has `height` rows; the first
/// filter row of the first output row lies on map row `top`.
INLINE void skip_rows_outside(tap_rows *b, int32_t top, int32_t high, int32_t height,
                              int32_t rows) {
    const int32_t last = top + (high - 1) * b->stride;
    b->from = last < 0 ? -last : 0;
    b->to = height - top < rows ? height - top : rows;
}

static int64_t packed_filter_floats(int32_t taps, int32_t channels) {
    return (int64_t)(channels + LANES - 1) / LANES * LANES * taps;
}

/// Packs the filter as (chunk, tap, LANES), times `factor` unless that is null.
static void pack_filter(const float *filter, const float *factor, int32_t taps, int32_t channels,
                        float *packed) {
    FOR_CHUNKS(channels) {
        V by = factor ? load_part(factor + c, m) : splat(1);
        for (int32_t t = 0; t < taps; t++, packed += LANES)
            store(packed, load_part(filter + (int64_t)t * channels + c, m) * by);
    }
}
