// Copies a chunk of LANES channels into a zero-padded plane: either the input of a depthwise
// convolution, normalised and activated, or the gradient that arrives at the convolution's output.
#pragma once
#include "elementwise.h"

/// Fills a plane with rows [row, row + rows) and columns [column, column + columns) of one image's
/// chunk, normalised and activated; positions outside the map are 0. Rows of the plane that are
/// more than `near` rows outside the map are not written, because no tap reads them. `half` says
/// whether `x` has 16-bit values.
INLINE void fill_affine(const void *x, int half, int32_t height, int32_t width, int64_t channels,
                        M m, V scale, V shift, int32_t activation, int32_t row, int32_t rows,
                        int32_t near, int32_t column, int32_t columns, float *plane) {
    for (int32_t r = 0; r < rows; r++, plane += (int64_t)columns * LANES) {
        int32_t iy = row + r, left = -column > 0 ? -column : 0;
        int32_t right = width - column < columns ? width - column : columns;
        if (iy < -near || iy >= height + near) continue;
        if (iy < 0 || iy >= height || right <= left) {
            memset(plane, 0, sizeof(float) * (size_t)columns * LANES);
            continue;
        }
        for (int32_t i = 0; i < left; i++) store(plane + i * LANES, splat(0));
        const int64_t base = ((int64_t)iy * width + column) * channels;
        for (int32_t i = left; i < right; i++)
            store(plane + i * LANES,
                  activate(load_at(x, base + i * channels, m, half) * scale + shift, activation));
        for (int32_t i = right; i < columns; i++) store(plane + i * LANES, splat(0));
    }
}

/// Fills a plane with the gradient dy of an `ofa_upstream` (ckernels.h). The plane has the same
/// rows and columns as in `fill_affine`, and all its rows are written. `chunk`, `a`, `b` and `k`
/// hold this chunk's channels of the upstream's fields; `half` and `half_d` say whether `y` and `d`
/// have 16-bit values.
INLINE void fill_gradient(const void *d, const void *y, const upstream_chunk *chunk,
                          int32_t height, int32_t width, int64_t channels, M m, V a, V b, V k,
                          int32_t row, int32_t rows, int32_t column, int32_t columns, int kind,
                          int32_t activation, int half, int half_d, float *plane) {
    for (int32_t r = 0; r < rows; r++, plane += (int64_t)columns * LANES) {
        int32_t iy = row + r, left = -column > 0 ? -column : 0;
        int32_t right = width - column < columns ? width - column : columns;
        if (iy < 0 || iy >= height || right <= left) {
            memset(plane, 0, sizeof(float) * (size_t)columns * LANES);
            continue;
        }
        for (int32_t i = 0; i < left; i++) store(plane + i * LANES, splat(0));
        int64_t base = ((int64_t)iy * width + column) * channels;
        for (int32_t i = left; i < right; i++) {
            int64_t at = base + i * channels;
            V from = load_at(y, at, m, half);
            V g = upstream_value(d, at, from, chunk, m, kind, activation, half_d);
            store(plane + i * LANES, a * g + (b * from + k));
        }
        for (int32_t i = right; i < columns; i++) store(plane + i * LANES, splat(0));
    }
}
