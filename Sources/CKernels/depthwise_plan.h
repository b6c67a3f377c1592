// How a depthwise pass is cut into tiles and bands; plain integers, shared by kernels and scratch
// sizing.
#pragma once
#include "ckernels.h"

/// Eight outputs a tile: `rows` x `width` is 1 x 8 or 2 x 4; `columns` is the map's width rounded
/// up.
typedef struct {
    int32_t rows, width, columns;
} ofa_tiling;

static inline ofa_tiling ofa_tile(int32_t width, int32_t height) {
    int32_t one = (width + 7) / 8 * height, two = (width + 3) / 4 * ((height + 1) / 2);
    if (two < one) return (ofa_tiling){2, 4, (width + 3) / 4 * 4};
    return (ofa_tiling){1, 8, (width + 7) / 8 * 8};
}

// A band of rows, input and output with all channels, should take no more than this many floats: it
// is read once for each chunk of channels and has to stay in a second-level cache.
enum { OFA_BAND_FLOATS = 128 * 1024 };

/// Rows of a band, even and at least 4, when each costs `row_floats` and the band `more` on top.
static inline int32_t ofa_band(int32_t rows, int64_t row_floats, int64_t more) {
    int64_t fit = (OFA_BAND_FLOATS - more) / row_floats / 2 * 2, all = (rows + 1) / 2 * 2;
    return (int32_t)(fit < 4 ? 4 : fit < all ? fit : all);
}

static inline int64_t ofa_packed_floats(ofa_depthwise d, int32_t lanes) {
    return (int64_t)(d.channels + lanes - 1) / lanes * lanes * d.kernel * d.kernel;
}

/// The forward pass: `band` output rows at a time; one chunk's plane of input, and the band of
/// output.
typedef struct {
    ofa_tiling tiling;
    int32_t band, columns;
    int64_t plane_floats, out_floats;
} ofa_forward_plan;

static inline ofa_forward_plan ofa_plan_forward(ofa_depthwise d, int32_t lanes) {
    ofa_forward_plan p;
    p.tiling = ofa_tile(d.out_width, d.out_height);
    p.columns = (p.tiling.columns - 1) * d.stride + d.kernel;
    int64_t in_row = (int64_t)d.width * d.channels, out_row = (int64_t)d.out_width * d.channels;
    p.band = ofa_band(d.out_height, in_row * d.stride + out_row, in_row * (d.kernel - d.stride));
    p.plane_floats = (int64_t)(p.band * d.stride + d.kernel) * p.columns * lanes;
    p.out_floats = (p.band * out_row + 15) / 16 * 16;
    return p;
}

/// The gradient: `band` input rows at a time; planes of output gradient and input, and the band of
/// input gradient.
typedef struct {
    int32_t band,
        halo;  // halo: output rows and columns before the first that an input position needs
    int32_t dy_rows, dy_columns, x_rows, x_columns;
    int64_t dy_floats, x_floats, out_floats;
} ofa_gradient_plan;

static inline ofa_gradient_plan ofa_plan_gradient(ofa_depthwise d, int32_t lanes) {
    ofa_gradient_plan p;
    int32_t pad = d.kernel / 2, reach = (pad + d.stride - 1) / d.stride;
    int32_t wide = (d.width + d.stride - 1) / d.stride;
    int64_t in_row = (int64_t)d.width * d.channels, out_row = (int64_t)d.out_width * d.channels;
    p.halo = reach;
    p.band = ofa_band(d.height, 2 * in_row + 2 * out_row / d.stride,
                      in_row * (d.kernel - 1) + 4 * reach * out_row);
    // Tiles may run up to seven columns and one row past the map; those sums are thrown away.
    p.dy_columns = (wide + 7) / 8 * 8 + 2 * reach + 1;
    p.dy_rows = p.band / d.stride + 2 * reach + 2;
    p.x_columns = d.out_width * d.stride + d.kernel;
    p.x_rows = p.band + 2 * d.kernel;
    p.dy_floats = (int64_t)p.dy_columns * p.dy_rows * lanes;
    p.x_floats = (int64_t)p.x_columns * p.x_rows * lanes;
    p.out_floats = (p.band * in_row + 15) / 16 * 16;
    return p;
}
