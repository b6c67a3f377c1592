// Multiplies sparse rows (such as the output of a ReLU) by a small dense matrix. First the nonzero
// values of every row are listed; then a block of the matrix stays in L1 while the lists of all
// rows are multiplied by it. Terms are summed in the order of `product` and only zeros are skipped,
// so for finite weights the results have the same bits as those of `product`.
//
// Times for 96 rows, 400 inputs and 400 outputs, AVX2, one thread, best of many runs: `product`
// takes 340 us, `sparse_product` 270 us if half of the inputs are zero, and 155 us if two thirds
// are.
//
// With AVX2, panels of 5 to 13 vectors and blocks of 40 to 100 rows were compared. Panels of 10
// vectors with blocks of 80 rows are the fastest; half of the other sizes are at most 15 % slower.
// Tiles of six rows by two vectors, over the union of the six rows' nonzeros, are a tenth faster
// for rows that share most zeros (a predictor's rows for neighbours of one network), but slower
// than `product` for other rows.
#pragma once
#include "product.h"

// A block of the matrix has 80 rows by 80 columns, 25 KiB (40 columns with four lanes). A
// multiply-add takes four cycles, so eight independent sums keep two units busy. The measured
// machines have one unit for 512 bits, which the five sums of a panel keep busy.
enum { SPARSE_BLOCK = 80, SPARSE_PANEL = LANES == 16 ? 5 : 10 };

static int64_t sparse_scratch(int32_t rows, int32_t depth) {
    const int64_t blocks = (depth + SPARSE_BLOCK - 1) / SPARSE_BLOCK;
    return rows * (2 * ((int64_t)depth + LANES) + blocks);
}

/// Lists the nonzero values among the `count` values of `a`, and for each its index times `step`;
/// the index of a[0] is `from`. Returns how many values are nonzero. In both lists, up to LANES
/// elements after the listed values are overwritten.
INLINE int32_t list_row(const float *a, int32_t count, int32_t from, int32_t step, float *values,
                        int32_t *places) {
    int32_t listed = 0;
#if LANES == 16
    const __m512i lanes =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int32_t k = 0; k < count; k += 16) {
        const M live = lanes_mask(count - k);
        const __m512 x = (__m512)load_part(a + k, live);
        const M some = _mm512_mask_cmp_ps_mask(live, x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        const __m512i at = _mm512_mullo_epi32(
            _mm512_add_epi32(_mm512_set1_epi32(from + k), lanes), _mm512_set1_epi32(step));
        _mm512_storeu_ps(values + listed, _mm512_maskz_compress_ps(some, x));
        _mm512_storeu_si512(places + listed, _mm512_maskz_compress_epi32(some, at));
        listed += __builtin_popcount(some);
    }
#else
    int32_t k = 0;
#if LANES == 8
    // For each outcome of four comparisons, the lanes that hold the nonzero values.
    static const int32_t order[16][4] = {
        {0}, {0},    {1},    {0, 1},    {2},    {0, 2},    {1, 2},    {0, 1, 2},
        {3}, {0, 3}, {1, 3}, {0, 1, 3}, {2, 3}, {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}};
    const __m128i next = _mm_set1_epi32(4 * step);
    __m128i at = _mm_mullo_epi32(
        _mm_add_epi32(_mm_set1_epi32(from), _mm_setr_epi32(0, 1, 2, 3)), _mm_set1_epi32(step));
    for (; k + 4 <= count; k += 4) {
        const __m128 x = _mm_loadu_ps(a + k);
        const int some = _mm_movemask_ps(_mm_cmp_ps(x, _mm_setzero_ps(), _CMP_NEQ_UQ));
        const __m128i first = _mm_loadu_si128((const __m128i *)order[some]);
        _mm_storeu_ps(values + listed, _mm_permutevar_ps(x, first));
        _mm_storeu_ps((float *)places + listed, _mm_permutevar_ps(_mm_castsi128_ps(at), first));
        listed += __builtin_popcount((unsigned)some);
        at = _mm_add_epi32(at, next);
    }
#endif
    for (; k < count; k++) {
        values[listed] = a[k];
        places[listed] = (from + k) * step;
        listed += a[k] != 0;
    }
#endif
    return listed;
}

/// Returns the width in vectors of the next panel if `left` full vectors remain. A panel of width 1
/// may be the partial vector at the end of a row.
INLINE int32_t panel_of(int32_t left) {
    return left >= SPARSE_PANEL ? SPARSE_PANEL : left >= 4 ? 4 : 1;
}

/// Loads or stores a vector; a null `live` means that all lanes are live.
INLINE V load_live(const float *p, const M *live) { return live ? load_part(p, *live) : load(p); }
INLINE void store_live(float *p, V v, const M *live) {
    if (live)
        store_part(p, v, *live);
    else
        store(p, v);
}

/// Multiplies `count` listed values of one row by a panel of a block of the matrix. The first block
/// sets `c`, and later blocks add to `c`. For the last block `shift` is not null; `shift` is added
/// and the sum is activated.
INLINE void sparse_row(const float *values, const int32_t *places, int32_t count, const float *w,
                       int vectors, const M *live, int first, const float *shift,
                       int32_t activation, float *c) {
    V acc[SPARSE_PANEL];
    UNROLL
    for (int v = 0; v < vectors; v++) acc[v] = first ? splat(0) : load_live(c + v * LANES, live);
    for (int32_t i = 0; i < count; i++) {
        const V x = splat(values[i]);
        const float *row = w + places[i];
        UNROLL
        for (int v = 0; v < vectors; v++) acc[v] += x * load_live(row + v * LANES, live);
    }
    UNROLL
    for (int v = 0; v < vectors; v++) {
        if (shift) acc[v] = activate(acc[v] + load_live(shift + v * LANES, live), activation);
        store_live(c + v * LANES, acc[v], live);
    }
}

static void sparse_product(const float *a, int64_t a_row, int32_t rows, int32_t depth,
                           const float *w, int32_t columns, const float *shift, int32_t activation,
                           float *c, int64_t c_row, float *scratch) {
    const int32_t blocks = (depth + SPARSE_BLOCK - 1) / SPARSE_BLOCK, room = depth + LANES;
    float *values = scratch;
    int32_t *places = (int32_t *)(scratch + (int64_t)rows * room);
    int32_t *ends = places + (int64_t)rows * room;
    for (int32_t r = 0; r < rows; r++) {
        int32_t listed = 0;
        for (int32_t b = 0; b < blocks; b++) {
            const int32_t k = b * SPARSE_BLOCK;
            const int32_t count = depth - k < SPARSE_BLOCK ? depth - k : SPARSE_BLOCK;
            const int64_t at = (int64_t)r * room + listed;
            listed += list_row(a + r * a_row + k, count, k, columns, values + at, places + at);
            ends[r * blocks + b] = listed;
        }
    }
    const int32_t vectors = (columns + LANES - 1) / LANES;
    for (int32_t b = 0; b < blocks; b++)
        for (int32_t v = 0, wide; v < vectors; v += wide) {
            const M live = lanes_mask(columns - v * LANES);
            wide = panel_of(columns / LANES - v);
            for (int32_t r = 0; r < rows; r++) {
                const int32_t from = b ? ends[r * blocks + b - 1] : 0;
                const int64_t at = (int64_t)r * room + from;
                const int32_t count = ends[r * blocks + b] - from;
                const float *add = b == blocks - 1 ? shift + v * LANES : 0;
                float *to = c + r * c_row + v * LANES;
#define ROW(N, LIVE)                                                                               \
    sparse_row(values + at, places + at, count, w + v * LANES, N, LIVE, b == 0, add, activation, to)
                if (wide == SPARSE_PANEL)
                    ROW(SPARSE_PANEL, 0);
                else if (wide == 4)
                    ROW(4, 0);
                else
                    ROW(1, &live);
#undef ROW
            }
        }
}

/// For the columns of one panel: sums the listed rows of w, two rows at a time, adds `shift` and
/// activates.
INLINE void listed_panel(const float *w, int64_t w_row, const int32_t *rows, int32_t count,
                         int vectors, const M *live, const float *shift, int32_t activation,
                         float *c) {
    V acc[SPARSE_PANEL];
    UNROLL
    for (int v = 0; v < vectors; v++) acc[v] = load_live(shift + v * LANES, live);
    int32_t i = 0;
    for (; i + 1 < count; i += 2) {
        const float *a = w + rows[i] * w_row, *b = w + rows[i + 1] * w_row;
        UNROLL
        for (int v = 0; v < vectors; v++)
            acc[v] += load_live(a + v * LANES, live) + load_live(b + v * LANES, live);
    }
    if (i < count) {
        const float *a = w + rows[i] * w_row;
        UNROLL
        for (int v = 0; v < vectors; v++) acc[v] += load_live(a + v * LANES, live);
    }
    UNROLL
    for (int v = 0; v < vectors; v++)
        store_live(c + v * LANES, activate(acc[v], activation), live);
}

static void sum_listed(const float *w, int32_t columns, const int32_t *rows, int32_t count,
                       const float *shift, int32_t activation, float *c) {
    for (int32_t j = 0, wide; j < columns; j += wide * LANES) {
        const int32_t left = (columns - j) / LANES;
        const M live = lanes_mask(columns - j);
        wide = panel_of(left);
#define PANEL(N, LIVE) \
    listed_panel(w + j, columns, rows, count, N, LIVE, shift + j, activation, c + j)
        if (wide == SPARSE_PANEL)
            PANEL(SPARSE_PANEL, 0);
        else if (wide == 4)
            PANEL(4, 0);
        else
            PANEL(1, &live);
#undef PANEL
    }
}
