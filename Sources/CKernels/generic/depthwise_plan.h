// How a depthwise pass is cut into blocks and bands: integers that kernels and scratch sizes share.
#pragma once
#include "ckernels.h"

/// Outputs of a row that are summed together, in two rows of the map at once: what the registers of
/// AVX2 hold beside a filter value.
enum { OFA_BLOCK = 7 };

/// Whether a block is a whole row of a map of stride 1, so that it is known which taps lie outside.
static inline int ofa_narrow(ofa_depthwise d) {
    return d.stride == 1 && d.out_width <= OFA_BLOCK &&
           (d.kernel == 3 || d.kernel == 5 || d.kernel == 7);
}

/// Blocks of a row of `width` outputs; they differ in width by one at most.
static inline int32_t ofa_blocks(int32_t width) { return (width + OFA_BLOCK - 1) / OFA_BLOCK; }

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

/// The forward pass: `band` output rows at a time; one chunk's plane of input from `first` columns
/// before the map's on, and the band of output.
typedef struct {
    int32_t band, first, columns;
    int64_t plane_floats, out_floats;
} ofa_forward_plan;

static inline ofa_forward_plan ofa_plan_forward(ofa_depthwise d, int32_t lanes) {
    ofa_forward_plan p;
    p.first = ofa_narrow(d) ? 0 : d.kernel / 2;
    p.columns = ofa_narrow(d) ? d.width : (d.out_width - 1) * d.stride + d.kernel;
    int64_t in_row = (int64_t)d.width * d.channels, out_row = (int64_t)d.out_width * d.channels;
    p.band = ofa_band(d.out_height, in_row * d.stride + out_row, in_row * (d.kernel - d.stride));
    p.plane_floats = (int64_t)(p.band * d.stride + d.kernel) * p.columns * lanes;
    p.out_floats = (p.band * out_row + 15) / 16 * 16;
    return p;
}

/// The gradient: `band` input rows at a time; planes of output gradient and input, and the band of
/// input gradient.
typedef struct {
    int32_t band;
    int32_t halo;  // output rows and columns needed before an input position's own
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
    // Blocks may run one row past the map; those sums are thrown away.
    p.dy_columns = wide + 2 * reach + 1;
    p.dy_rows = p.band / d.stride + 2 * reach + 2;
    p.x_columns = d.out_width * d.stride + d.kernel;
    p.x_rows = p.band + 2 * d.kernel;
    p.dy_floats = (int64_t)p.dy_columns * p.dy_rows * lanes;
    p.x_floats = (int64_t)p.x_columns * p.x_rows * lanes;
    p.out_floats = (p.band * in_row + 15) / 16 * 16;
    return p;
}
