// How a depthwise pass is cut into blocks and bands. The kernels and `ofa_depthwise_scratch` share
// these sizes.
#pragma once
#include "ckernels.h"

/// The most outputs per row of a block of two rows: the block's 14 sums, a filter value and an
/// input value fill the sixteen registers of AVX2.
enum { OFA_BLOCK = 7 };

/// Returns whether the stride is 1, the kernel size 3, 5 or 7, and a block spans a whole row of the
/// map. Then the compiler knows which taps lie outside the map.
static inline int ofa_narrow(ofa_depthwise d) {
    return d.stride == 1 && d.out_width <= OFA_BLOCK &&
           (d.kernel == 3 || d.kernel == 5 || d.kernel == 7);
}

/// Returns the number of blocks in a row of `width` outputs; the blocks differ in width by at most
/// one.
static inline int32_t ofa_blocks(int32_t width) { return (width + OFA_BLOCK - 1) / OFA_BLOCK; }

// A band's input and output rows, with all channels, should take no more floats than this (512
// KiB): the computation of every chunk of channels runs over the whole band, which should stay in
// L2.
enum { OFA_BAND_FLOATS = 128 * 1024 };

/// Returns how many rows a band has if the map has `rows` rows: all rows, rounded up to an even
/// number, if these fit into OFA_BAND_FLOATS; else the largest even number that fits, but at least
/// 4. A row takes `row_floats` floats, and the band takes `more` floats in addition to its rows.
static inline int32_t ofa_band(int32_t rows, int64_t row_floats, int64_t more) {
    int64_t fit = (OFA_BAND_FLOATS - more) / row_floats / 2 * 2, all = (rows + 1) / 2 * 2;
    return (int32_t)(fit < 4 ? 4 : fit < all ? fit : all);
}

static inline int64_t ofa_packed_floats(ofa_depthwise d, int32_t lanes) {
    return (int64_t)(d.channels + lanes - 1) / lanes * lanes * d.kernel * d.kernel;
}

/// The forward pass computes `band` output rows at a time. The plane of one chunk's input has
/// `columns` columns, of which the first lies `first` columns left of the map. The output of a
/// band, with all channels, takes `out_floats`.
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

/// The gradient pass computes `band` input rows at a time. One chunk's output gradient (dy) and
/// input (x) have a plane each. A band's input gradient, with all channels, takes `out_floats`.
typedef struct {
    int32_t band;
    int32_t halo;  // extra rows and columns of the dy plane on each side of the band
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
    // A block of two rows may compute one row past the map; the sums of that row are discarded.
    p.dy_columns = wide + 2 * reach + 1;
    p.dy_rows = p.band / d.stride + 2 * reach + 2;
    p.x_columns = d.out_width * d.stride + d.kernel;
    p.x_rows = p.band + 2 * d.kernel;
    p.dy_floats = (int64_t)p.dy_columns * p.dy_rows * lanes;
    p.x_floats = (int64_t)p.x_columns * p.x_rows * lanes;
    p.out_floats = (p.band * in_row + 15) / 16 * 16;
    return p;
}

/// Returns whether `expand_depthwise` sums over pairs of columns (depthwise_pairs.h).
static inline int ofa_is_paired(ofa_depthwise d) {
    return d.stride == 1 && d.width % 2 == 0 && d.width > OFA_BLOCK &&
           (d.kernel == 5 || d.kernel == 7);
}

/// `expand_depthwise` computes `band` output rows of a panel at a time. Each of the panel's vectors
/// has a plane of `rows` x `columns` expanded pixels; the plane's first column lies `first` columns
/// left of the map.
typedef struct {
    int32_t band, first, columns, rows;
    int64_t plane_floats;
} ofa_expansion_plan;

enum { OFA_PANEL_VECTORS = 3 };  // the most vectors of a panel

static inline ofa_expansion_plan ofa_plan_expansion(ofa_depthwise d, int32_t lanes) {
    ofa_expansion_plan p;
    p.first = ofa_narrow(d) ? 0 : d.kernel / 2;
    p.columns = ofa_narrow(d) ? d.width : (d.out_width - 1) * d.stride + d.kernel;
    p.columns += ofa_is_paired(d) ? 1 : 0;  // one that the sums over pairs read in vain
    int32_t fit = OFA_BAND_FLOATS / (p.columns * lanes * OFA_PANEL_VECTORS);
    int32_t rows = (fit - d.kernel + d.stride) / d.stride / 2 * 2, all = (d.out_height + 1) / 2 * 2;
    p.band = rows < 2 ? 2 : rows < all ? rows : all;
    p.rows = (p.band - 1) * d.stride + d.kernel;
    p.plane_floats = (int64_t)p.rows * p.columns * lanes;
    return p;
}
