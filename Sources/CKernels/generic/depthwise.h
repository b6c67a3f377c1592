// Forward depthwise convolution. depthwise_gradient.h computes both gradients by the same scheme.
//
// Each image is cut into bands of rows (depthwise_plan.h), and each band is computed in chunks of
// LANES channels:
//   1. The chunk's input is normalised, activated and copied into a zero-padded plane.
//   2. The outputs are summed in blocks of two rows and up to seven columns (`sum_block`). The
//      blocks of a row differ in width by at most one.
//   3. The epilogue is applied to each block, which is then stored.
// A band's input and output, with all channels, should fit in L2, because the computation of every
// chunk runs over the whole band. Each block prefetches a part of the next band's input.
//
// Taps on padding are skipped. A filter row is skipped if it lies outside the map for both output
// rows of the block. Filter columns are skipped only if a block spans a whole row (`ofa_narrow`);
// the input plane then has no column padding. With kernel 7, 3/5 of the taps are skipped on a map
// of 4 x 4 pixels, and 2/5 on 7 x 7.
//
// If the call has more than OFA_STREAM_FLOATS outputs, or if they are rounded to 16 bits, each band
// is computed in scratch and then written by `write_out`.
//
// The input gradient is computed by the same sums, over the padded plane of output gradients. With
// stride 2, the input positions are split into four sets by the parity of their row and column. The
// gradients of each set are sums with stride 1 over some of the taps.
//
// Compared with blocks of 1 x 8 or 2 x 4 outputs that skip no taps, `depthwise` is 1.5 times as
// fast (geometric mean; 0.9 to 2.1) and `depthwise_gradient` 1.3 times (1.05 to 1.7). Measured with
// AVX2 and one thread, as the best of five alternated runs, on 24 maps: 21 of 3 to 112 pixels with
// stride 1, and three with stride 2.
#pragma once
#include "depthwise_planes.h"
#include "depthwise_taps.h"

/// The epilogue of one chunk's outputs, and the sums of these outputs.
typedef struct {
    V add, mid;  // the shift of the epilogue; the center of its sums
    V s, q;      // sums of value - mid, and of its square
    M live;
} chunk_outputs;

/// Applies the epilogue to `high` rows of `wide` outputs and writes the outputs. `summed` says
/// which sums of `to` are updated: 0 none; 1 `s`, for the mean; 2 `s` and `q`.
INLINE void write_block(const V *acc, int32_t high, int32_t wide, int64_t row, int64_t channels,
                        float *out, int shifted, int32_t activation, int summed,
                        chunk_outputs *to) {
    for (int32_t r = 0; r < high; r++, out += row)
        for (int32_t t = 0; t < wide; t++) {
            V value = load((const float *)(acc + r * wide + t));
            if (shifted) value = activate(value + to->add, activation);
            store_part(out + t * channels, value, to->live);
            if (!summed) continue;
            V v = value - to->mid;
            to->s += v;
            if (summed == 2) to->q += v * v;
        }
}

/// A band of output rows of one image, and the values that its chunks share.
typedef struct {
    ofa_depthwise d;
    const ofa_end *end;
    int32_t top, rows;  // the band's first output row and number of rows
    int32_t columns;    // columns of the padded plane
    int32_t blocks;     // blocks in a row of outputs
    int32_t lines;      // cache lines that each block prefetches
    int64_t out_row;
    const float *plane;
    float *out;
    ofa_ahead *ahead;
    int summed;  // as in write_block
} forward_band;

/// Computes and writes one chunk's outputs of a band from the padded plane. Returns the sum of
/// output - outputs->mid, or 0 if no sums are wanted.
INLINE V forward_chunk(const forward_band *b, const float *weights, int32_t c,
                       chunk_outputs *outputs) {
    const ofa_end *end = b->end;
    const int32_t k = b->d.kernel, pad = k / 2, stride = b->d.stride, channels = b->d.channels;
    V whole = splat(0);
    for (int32_t r = 0, since = 0; r < b->rows; r += 2) {
        const int32_t high = b->rows - r < 2 ? 1 : 2;
        tap_rows pair = {0, weights, (int64_t)b->columns * LANES, 0, 0, k, stride,
                         ofa_narrow(b->d)};
        skip_rows_outside(&pair, (b->top + r) * stride - pad, high, b->d.height, k);
        since += b->d.out_width * high;
        for (int32_t block = 0; block < b->blocks; block++) {
            const int32_t o = b->d.out_width * block / b->blocks,
                          wide = b->d.out_width * (block + 1) / b->blocks - o;
            V acc[2 * OFA_BLOCK];
            fetch_ahead(b->ahead, b->lines);
            pair.plane = b->plane + ((int64_t)r * b->columns + o) * stride * LANES;
            sum_rows(&pair, wide, acc);
            float *out = b->out + r * b->out_row + (int64_t)o * channels + c;
            if (end->shift)
                WITH_ACTIVATION(end->activation, {
                    write_block(acc, high, wide, b->out_row, channels, out, 1, ACT, b->summed,
                                outputs);
                })
            else
                write_block(acc, high, wide, b->out_row, channels, out, 0, OFA_ACT_IDENTITY,
                            b->summed, outputs);
        }
        if (since < SUM_OUTPUTS && r + 2 < b->rows) continue;
        if (end->sums) {
            add_to(end->sums + c, outputs->s, channels - c);
            add_to(end->sums + channels + c, outputs->q, channels - c);
        }
        whole += outputs->s;
        outputs->s = outputs->q = splat(0);
        since = 0;
    }
    return whole;
}

static void depthwise(ofa_depthwise d, ofa_map x, ofa_affine map, const float *filter,
                      const float *factor, ofa_target y, const ofa_end *end, float *scratch) {
    const int32_t k = d.kernel, taps = k * k, pad = k / 2, channels = d.channels, stride = d.stride;
    const ofa_forward_plan plan = ofa_plan_forward(d, LANES);
    const int32_t blocks = ofa_blocks(d.out_width);
    float *packed = scratch, *plane = packed + ofa_packed_floats(d, LANES),
          *through = plane + plan.plane_floats;
    pack_filter(filter, factor, taps, channels, packed);
    const int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    const int64_t in_row = (int64_t)d.width * channels, in_image = d.height * in_row;
    const int64_t out_row = (int64_t)d.out_width * channels, out_image = d.out_height * out_row;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t top = 0; top < d.out_height; top += plan.band) {
            const int32_t rows = d.out_height - top < plan.band ? d.out_height - top : plan.band;
            const int32_t padded = (rows + 1) / 2 * 2;
            const int32_t tiles = padded / 2 * blocks * ((channels + LANES - 1) / LANES);
            // The input rows that follow the rows of this band belong to the next band or to the
            // next image.
            int64_t used = n * in_image + ((int64_t)(top + rows - 1) * stride - pad + k) * in_row;
            int64_t after = d.images * in_image - used, next = plan.band * stride * in_row;
            ofa_ahead ahead = {{map_from(x, used).values},
                               {as_floats(x, after < next ? after : next)},
                               1};
            const int32_t lines = lines_a_tile(&ahead, tiles);
            const ofa_target to = target_from(y, n * out_image + top * out_row);
            const int direct =
                y.format == OFA_FLOAT32 && d.images * out_image <= OFA_STREAM_FLOATS;
            float *out = direct ? to.values : through;
            const ofa_map image = map_from(x, n * in_image);
            const forward_band band = {d,      end,   top,     rows, plan.columns,
                                       blocks, lines, out_row, plane, out, &ahead,
                                       end->sums ? 2 : end->mean ? 1 : 0};
            FOR_CHUNKS(channels) {
                V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
                V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
                chunk_outputs outputs = {end->shift ? load_part(end->shift + c, m) : splat(0),
                                         end->sums ? load_part(end->center + c, m) : splat(0),
                                         splat(0), splat(0), m};
                WITH_ACTIVATION(activation, {
                    WITH_FORMAT(x.format, HALF, {
                        fill_affine(map_from(image, c).values, HALF, d.height, d.width, channels, m,
                                    scale, shift, ACT, top * stride - pad,
                                    (padded - 1) * stride + k, stride, -plan.first, plan.columns,
                                    plane);
                    })
                })
                const V whole = forward_chunk(
                    &band, packed + (int64_t)(c / LANES) * taps * LANES, c, &outputs);
                if (end->mean) {  // `mid` is 0 without `end->sums`, so `whole` is the plain sum
                    float *mean = end->mean + (int64_t)n * channels + c;
                    V part = whole * splat(1.0f / (float)(d.out_height * d.out_width));
                    store_part(mean, top ? load_part(mean, m) + part : part, m);
                }
            }
            if (!direct) write_out(out, rows * out_row, d.images * out_image, to);
        }
}
