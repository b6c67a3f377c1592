// The expansion and the depthwise convolution of an inverted residual block as one pass, for
// networks with packed weights. The expanded map, the largest of the block, is never written to
// memory: the product of a panel of the expansion's weights (up to three vectors of channels) is
// stored, activated, in the zero-padded planes that the depthwise sums read (depthwise_pairs.h if
// `ofa_is_paired`, else depthwise_taps.h).
//
// If a panel's planes exceed OFA_BAND_FLOATS, the map is cut into bands of rows. The rows that two
// bands share are moved, not computed again. Threads may share a map's rows or its panels; only
// threads that share rows compute some rows twice.
#pragma once
#include "depthwise.h"
#include "depthwise_pairs.h"
#include "product.h"

/// The place of the next pixel in the planes of a panel.
typedef struct {
    float *plane;          // the first vector's plane
    int64_t plane_floats;  // from one vector's plane to the next
    int32_t at;            // floats from the start of a plane to the next pixel
    int32_t column, width; // the next pixel's column in the map; columns of the map
    int32_t gap;           // floats from the last pixel of a map row to the first of the next
} plane_cursor;

/// Writes the places of the next `count` pixels to `at`, in floats from the start of a plane.
INLINE void next_places(plane_cursor *to, int count, int32_t *at) {
    UNROLL
    for (int r = 0; r < count; r++) {
        at[r] = to->at;
        to->at += LANES;
        if (++to->column == to->width) {
            to->column = 0;
            to->at += to->gap;
        }
    }
}

#define EXPAND(NAME, ROWS, VECTORS, MULTIPLY)                                                    \
    static void NAME(const float *a, int32_t depth, const float *b, const V *shift,              \
                     int32_t activation, plane_cursor *to) {                                     \
        V acc[16][3];                                                                            \
        int32_t at[ROWS];                                                                        \
        MULTIPLY;                                                                                \
        next_places(to, ROWS, at);                                                               \
        WITH_ACTIVATION(activation, {                                                            \
            UNROLL                                                                               \
            for (int r = 0; r < ROWS; r++) {                                                     \
                UNROLL                                                                           \
                for (int v = 0; v < VECTORS; v++)                                                \
                    store(to->plane + v * to->plane_floats + at[r],                              \
                          activate(acc[r][v] + shift[v], ACT));                                  \
            }                                                                                    \
        })                                                                                       \
    }
#define EXPAND_TILE(ROWS, VECTORS)                                                               \
    EXPAND(expand_##ROWS##x##VECTORS, ROWS, VECTORS,                                             \
           multiply_tile(a, depth, 1, b, VECTORS * LANES, depth, ROWS, VECTORS, ALL_LANES,       \
                         (fetch){0, 0}, acc))
#define EXPAND_HALF(ROWS, VECTORS)                                                               \
    EXPAND(expand_half_##ROWS##x##VECTORS, ROWS, VECTORS,                                        \
           multiply_half(a, depth, b, depth, ROWS, VECTORS, (fetch){0, 0}, acc))

#if LANES == 16
EXPAND_HALF(8, 3)
EXPAND_HALF(12, 2)
EXPAND_TILE(8, 3)
EXPAND_TILE(4, 3)
EXPAND_TILE(1, 3)
EXPAND_TILE(12, 2)
EXPAND_TILE(4, 2)
EXPAND_TILE(1, 2)
EXPAND_TILE(12, 1)
EXPAND_TILE(4, 1)
EXPAND_TILE(1, 1)
#define EXPAND_3 expand_8x3
#define EXPAND_2 expand_12x2
#define EXPAND_1 expand_12x1
#else
EXPAND_TILE(4, 3)
EXPAND_TILE(1, 3)
EXPAND_TILE(6, 2)
EXPAND_TILE(4, 2)
EXPAND_TILE(1, 2)
EXPAND_TILE(8, 1)
EXPAND_TILE(4, 1)
EXPAND_TILE(1, 1)
#define EXPAND_3 expand_4x3
#define EXPAND_2 expand_6x2
#define EXPAND_1 expand_8x1
#define expand_half_8x3 expand_4x3
#define expand_half_12x2 expand_6x2
#endif

/// Multiplies `pixels` pixels of x by the panel of `wide` vectors at `column`, and stores the
/// activated products in the planes.
static void expand_pixels(const ofa_expansion *block, const float *x, int32_t pixels,
                          int32_t column, int32_t wide, plane_cursor *to) {
    const int32_t depth = block->inputs, activation = block->activation;
    const float *b = block->expand + (int64_t)depth * column;
    const int half = is_half(block->d.channels - column - (wide - 1) * LANES);
    V shift[3];
    for (int32_t v = 0; v < wide; v++) {
        const int32_t at = column + v * LANES;
        shift[v] = load_part(block->expand_shift + at, lanes_mask(block->d.channels - at));
    }
#define PLACE(F, N)                                               \
    {                                                             \
        F(x + (int64_t)p * depth, depth, b, shift, activation, to); \
        p += N;                                                   \
    }
    for (int32_t p = 0; p < pixels;) {
        const int32_t left = pixels - p;
        if (WIDEST == 3 && wide == 3) {
            if (left >= ROWS_3 && half)
                PLACE(expand_half_8x3, ROWS_3)
            else if (left >= ROWS_3)
                PLACE(EXPAND_3, ROWS_3)
            else if (left >= 4)
                PLACE(expand_4x3, 4)
            else
                PLACE(expand_1x3, 1)
        } else if (wide == 2) {
            if (left >= ROWS_2 && half)
                PLACE(expand_half_12x2, ROWS_2)
            else if (left >= ROWS_2)
                PLACE(EXPAND_2, ROWS_2)
            else if (left >= 4)
                PLACE(expand_4x2, 4)
            else
                PLACE(expand_1x2, 1)
        } else {
            if (left >= ROWS_1)
                PLACE(EXPAND_1, ROWS_1)
            else if (left >= 4)
                PLACE(expand_4x1, 4)
            else
                PLACE(expand_1x1, 1)
        }
    }
#undef PLACE
}

/// Copies `rows` rows of x, a map without an expansion, to the planes. The first pixel goes to
/// float `at` of a plane.
static void copy_rows(const ofa_expansion *block, const ofa_expansion_plan *plan, const float *x,
                      int32_t rows, int32_t column, int32_t wide, int64_t at, float *planes) {
    const int32_t channels = block->d.channels, width = block->d.width;
    for (int32_t v = 0; v < wide; v++) {
        const int32_t c = column + v * LANES;
        const M m = lanes_mask(channels - c);
        for (int32_t r = 0; r < rows; r++) {
            const float *from = x + (int64_t)r * width * channels + c;
            float *to = planes + v * plan->plane_floats + at + (int64_t)r * plan->columns * LANES;
            for (int32_t i = 0; i < width; i++)
                store(to + i * LANES, load_part(from + (int64_t)i * channels, m));
        }
    }
}

/// Fills rows `row` ..< `end` of a panel's planes, whose first row is row `start` of the map. Rows
/// outside the map become 0.
static void fill_expanded(const ofa_expansion *block, const ofa_expansion_plan *plan,
                          const float *x, int32_t start, int32_t row, int32_t end, int32_t column,
                          int32_t wide, float *planes) {
    const ofa_depthwise d = block->d;
    const int64_t plane_row = (int64_t)plan->columns * LANES;
    int32_t first = -start, stop = d.height - start;  // the map's rows in the plane
    first = first < row ? row : first > end ? end : first;
    stop = stop < first ? first : stop > end ? end : stop;
    for (int32_t v = 0; v < wide; v++) {
        float *plane = planes + v * plan->plane_floats;
        memset(plane + row * plane_row, 0, sizeof(float) * (size_t)((first - row) * plane_row));
        memset(plane + stop * plane_row, 0, sizeof(float) * (size_t)((end - stop) * plane_row));
    }
    const int64_t at = first * plane_row + plan->first * LANES;
    if (!block->inputs) {
        copy_rows(block, plan, x + (int64_t)(start + first) * d.width * d.channels, stop - first,
                  column, wide, at, planes);
        return;
    }
    plane_cursor to = {planes, plan->plane_floats, (int32_t)at, 0, d.width,
                       (plan->columns - d.width) * LANES};
    expand_pixels(block, x + (int64_t)(start + first) * d.width * block->inputs,
                  (stop - first) * d.width, column, wide, &to);
}

/// Computes rows `top` ..< `bottom` of a panel of `wide` vectors at `column`.
static void panel_depthwise(const ofa_expansion *block, const ofa_expansion_plan *plan,
                            const float *x, int32_t top, int32_t bottom, int32_t column,
                            int32_t wide, float *y, float *mean, float *planes) {
    const ofa_depthwise d = block->d;
    const int32_t taps = d.kernel * d.kernel, shared = d.kernel - d.stride;
    const int64_t plane_row = (int64_t)plan->columns * LANES,
                  out_row = (int64_t)d.out_width * d.channels;
    ofa_end end = {.shift = block->shift, .activation = block->activation};
    ofa_ahead none = {.calls = 0};
    V whole[3] = {{0}, {0}, {0}};
    for (int32_t row = top, filled = 0; row < bottom; row += plan->band) {
        const int32_t rows = bottom - row < plan->band ? bottom - row : plan->band;
        const int32_t needed = (rows - 1) * d.stride + d.kernel;
        if (filled)
            for (int32_t v = 0; v < wide; v++) {
                float *plane = planes + v * plan->plane_floats;
                memmove(plane, plane + plan->band * d.stride * plane_row,
                        sizeof(float) * (size_t)(shared * plane_row));
            }
        fill_expanded(block, plan, x, row * d.stride - d.kernel / 2, filled ? shared : 0, needed,
                      column, wide, planes);
        filled = 1;
        for (int32_t v = 0; v < wide; v++) {
            const int32_t c = column + v * LANES;
            const M m = lanes_mask(d.channels - c);
            const float *filter = block->filter + (int64_t)c * taps;
            if (ofa_is_paired(d)) {
                const pair_band band = {d, row, rows, block->activation,
                                        planes + v * plan->plane_floats, plane_row,
                                        y + row * out_row + c, load_part(block->shift + c, m), m};
                whole[v] += depthwise_pairs(&band, filter);
                continue;
            }
            const forward_band band = {d,
                                       &end,
                                       row,
                                       rows,
                                       plan->columns,
                                       ofa_blocks(d.out_width),
                                       0,
                                       out_row,
                                       planes + v * plan->plane_floats,
                                       y + row * out_row,
                                       &none,
                                       mean ? 1 : 0};
            chunk_outputs outputs = {load_part(block->shift + c, m), splat(0), splat(0), splat(0),
                                     m};
            whole[v] += forward_chunk(&band, filter, c, &outputs);
        }
    }
    for (int32_t v = 0; v < wide && mean; v++) {
        const int32_t c = column + v * LANES;
        store_part(mean + c, whole[v] * splat(1.0f / (float)(d.out_height * d.out_width)),
                   lanes_mask(d.channels - c));
    }
}

static void expand_depthwise(const ofa_expansion *block, const float *x, int32_t top,
                             int32_t bottom, int32_t first, int32_t end, float *y, float *mean,
                             float *scratch) {
    const ofa_depthwise d = block->d;
    const ofa_expansion_plan plan = ofa_plan_expansion(d, LANES);
    const int32_t vectors = (d.channels + LANES - 1) / LANES, last = (end + LANES - 1) / LANES;
    const int32_t right = plan.columns - plan.first - d.width;
    // The columns beside the map stay 0 for all panels.
    for (int32_t row = 0; row < OFA_PANEL_VECTORS * plan.rows; row++) {
        float *at = scratch + (int64_t)row * plan.columns * LANES;
        memset(at, 0, sizeof(float) * (size_t)(plan.first * LANES));
        memset(at + (plan.first + d.width) * LANES, 0, sizeof(float) * (size_t)(right * LANES));
    }
    for (int32_t v = first / LANES, wide; v < last; v += wide) {
        wide = panel_vectors(v, vectors);
        panel_depthwise(block, &plan, x, top, bottom, v * LANES, wide, y, mean, scratch);
    }
}
