// The sums of a tile of a product, in registers: `rows` rows of one matrix times `vectors` vectors
// of columns of the other. Numbers of rows and vectors are constants, so that the loops unroll.
#pragma once
#include "vector.h"

#define UNROLL _Pragma("clang loop unroll(full)")

// With OFA_PAIRS, an element of either factor is a pair of 16-bit values in the memory of a float,
// and a multiply-add adds two products (`ofa_pairs` in ckernels.h).
#ifdef OFA_PAIRS
INLINE V spread(const float *x) {
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return (V)_mm512_set1_epi32(pair);
}
INLINE V multiply_add(V sum, V x, V w) {
    return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
}
#else
INLINE V spread(const float *x) { return splat(*x); }
INLINE V multiply_add(V sum, V x, V w) { return sum + x * w; }
#endif

/// Returns the live lanes of vector `v` of a tile; only the tile's last vector can be partial.
INLINE M lanes_of(int v, int vectors, M last) { return v + 1 < vectors ? ALL_LANES : last; }

/// Adds one step to a tile: `rows` values of A times `vectors` vectors of the other factor.
INLINE void multiply_step(const float *a, int64_t row, const float *b, int rows, int vectors,
                          M last, V acc[16][3]) {
    V w[3];
    UNROLL
    for (int v = 0; v < vectors; v++) w[v] = load_part(b + v * LANES, lanes_of(v, vectors, last));
    UNROLL
    for (int r = 0; r < rows; r++) {
        V x = spread(a + r * row);
        UNROLL
        for (int v = 0; v < vectors; v++) acc[r][v] = multiply_add(acc[r][v], x, w[v]);
    }
}

/// Computes the sums of one tile: `rows` rows of A times a panel. The element of A in row `r` at
/// depth `k` is a[r * row + k * step]. Prefetches up to `ahead.lines` cache lines, one per step,
/// which arrive during the computation.
INLINE void multiply_tile(const float *a, int64_t row, int64_t step, const float *b, int64_t b_step,
                          int32_t depth, int rows, int vectors, M last, fetch ahead,
                          V acc[16][3]) {
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) acc[r][v] = splat(0);
    }
    const int32_t both = ahead.lines < depth ? ahead.lines : depth;
    int32_t k = 0;
    for (; k < both; k++, a += step, b += b_step) {
        __builtin_prefetch(ahead.from + (int64_t)k * 16, 0, 2);
        multiply_step(a, row, b, rows, vectors, last, acc);
    }
    for (; k < depth; k++, a += step, b += b_step)
        multiply_step(a, row, b, rows, vectors, last, acc);
}

/// Whether a tile whose last vector has `live` live lanes takes `multiply_half`.
INLINE int is_half(int32_t live) { return LANES == 16 && live <= 8; }

#if LANES == 16
typedef float H __attribute__((vector_size(32)));
typedef float HU __attribute__((vector_size(32), aligned(4)));

#ifdef OFA_PAIRS
INLINE H multiply_add_half(H sum, H x, H w) {
    return (H)_mm256_dpbf16_ps((__m256)sum, (__m256bh)x, (__m256bh)w);
}
#else
INLINE H multiply_add_half(H sum, H x, H w) { return sum + x * w; }
#endif

/// Adds one step to a tile whose last vector is the half vectors `half`.
INLINE void multiply_half_step(const float *a, int64_t row, const float *b, int rows, int vectors,
                               V acc[16][3], H *half) {
    V w[3];
    UNROLL
    for (int v = 0; v + 1 < vectors; v++) w[v] = load(b + v * LANES);
    const H last = *(const HU *)(b + (vectors - 1) * LANES);
    UNROLL
    for (int r = 0; r < rows; r++) {
        V x = spread(a + r * row);
        __asm__("" : "+v"(x));  // one load for both widths
        UNROLL
        for (int v = 0; v + 1 < vectors; v++) acc[r][v] = multiply_add(acc[r][v], x, w[v]);
        half[r] = multiply_add_half(
            half[r], __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7), last);
    }
}

/// Computes what `multiply_tile` computes for a packed panel, if at most half of the last vector is
/// live. That half is multiplied by vectors of 256 bits, which processors that execute 512 bits in
/// two steps finish in half the time: 1/1.18 of the tile's time with 24 or 40 columns.
INLINE void multiply_half(const float *a, int64_t row, const float *b, int32_t depth, int rows,
                          int vectors, fetch ahead, V acc[16][3]) {
    const int32_t b_step = vectors * LANES, both = ahead.lines < depth ? ahead.lines : depth;
    int32_t k = 0;
    H half[16];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) acc[r][v] = splat(0);
        half[r] = (H){0};
    }
    for (; k < both; k++, a++, b += b_step) {
        __builtin_prefetch(ahead.from + (int64_t)k * 16, 0, 2);
        multiply_half_step(a, row, b, rows, vectors, acc, half);
    }
    for (; k < depth; k++, a++, b += b_step)
        multiply_half_step(a, row, b, rows, vectors, acc, half);
    UNROLL
    for (int r = 0; r < rows; r++)
        acc[r][vectors - 1] = __builtin_shufflevector(half[r], (H){0}, 0, 1, 2, 3, 4, 5, 6, 7, 8,
                                                      9, 10, 11, 12, 13, 14, 15);
}
#endif
