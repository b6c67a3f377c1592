// How a depthwise pass is cut into tiles and bands; plain integers, shared by kernels and scratch sizing.
#pragma once
#include "ckernels.h"

/// Eight outputs a tile: `rows` x `width` is 1 x 8 or 2 x 4; `columns` is the map's width rounded up.
typedef struct { int32_t rows, width, columns; } ofa_tiling;

static inline ofa_tiling ofa_tile(int32_t width, int32_t height) {
    int32_t one = (width + 7) / 8 * height, two = (width + 3) / 4 * ((height + 1) / 2);
    if (two < one) return (ofa_tiling){2, 4, (width + 3) / 4 * 4};
    return (ofa_tiling){1, 8, (width + 7) / 8 * 8};
}

// A plane may take this many floats, half of a small second-level cache, before it is cut into bands.
enum { OFA_PLANE_FLOATS = 32 * 1024 };

/// Rows of a band when one row of it costs `row_floats` of plane: even, at least 4, at most `rows` rounded up.
static inline int32_t ofa_band(int32_t rows, int32_t row_floats) {
    int32_t fit = OFA_PLANE_FLOATS / row_floats / 2 * 2, all = (rows + 1) / 2 * 2;
    return fit < 4 ? 4 : fit < all ? fit : all;
}

static inline int64_t ofa_packed_floats(ofa_depthwise d, int32_t lanes) {
    return (int64_t)(d.channels + lanes - 1) / lanes * lanes * d.kernel * d.kernel;
}

/// The planes of the gradient: `band` input rows at a time.
typedef struct {
    int32_t band, halo;  // halo: output rows and columns before the first that an input position needs
    int32_t dy_rows, dy_columns, x_rows, x_columns;
    int64_t dy_floats, x_floats;
} ofa_gradient_plan;

static inline ofa_gradient_plan ofa_plan_gradient(ofa_depthwise d, int32_t lanes) {
    ofa_gradient_plan p;
    int32_t pad = d.kernel / 2, reach = (pad + d.stride - 1) / d.stride;
    int32_t wide = (d.width + d.stride - 1) / d.stride;
    p.halo = reach;
    p.band = ofa_band(d.height, (d.width + 2 * pad) * lanes);
    // Tiles may run up to seven columns and one row past the map; those sums are thrown away.
    p.dy_columns = (wide + 7) / 8 * 8 + 2 * reach + 1;
    p.dy_rows = p.band / d.stride + 2 * reach + 2;
    p.x_columns = d.out_width * d.stride + d.kernel;
    p.x_rows = p.band + 2 * d.kernel;
    p.dy_floats = (int64_t)p.dy_columns * p.dy_rows * lanes;
    p.x_floats = (int64_t)p.x_columns * p.x_rows * lanes;
    return p;
}
