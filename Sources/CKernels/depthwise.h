// Depthwise convolution and both of its gradients.
//
// For each image and chunk of LANES channels the input is first copied, normalised and activated on the way,
// into a zero-padded plane that stays in the nearest cache. Then every output is a sum over "taps" (an offset
// into the plane, a weight vector), and eight outputs are summed at once: one row of eight, or two of four,
// whichever wastes less at the map's width. The input gradient is the same sum over the padded gradient plane;
// stride 2 splits it into the four parities of the input position, each a dense sum of its own.
// Large maps are cut into bands of rows so that the planes stay small.
#pragma once
#include "elementwise.h"
#include "depthwise_plan.h"

/// Copies rows [row, row + rows) and columns [column, column + columns) of one image's chunk; zero outside.
INLINE void fill_affine(const float *x, int32_t height, int32_t width, int64_t channels, M m, V scale, V shift,
                        int32_t activation, int32_t row, int32_t rows, int32_t column, int32_t columns,
                        float *plane) {
    for (int32_t r = 0; r < rows; r++, plane += (int64_t)columns * LANES) {
        int32_t iy = row + r, left = -column > 0 ? -column : 0;
        int32_t right = width - column < columns ? width - column : columns;
        if (iy < 0 || iy >= height || right <= left) {
            memset(plane, 0, sizeof(float) * (size_t)columns * LANES);
            continue;
        }
        for (int32_t i = 0; i < left; i++) store(plane + i * LANES, splat(0));
        const float *from = x + ((int64_t)iy * width + column) * channels;
        for (int32_t i = left; i < right; i++)
            store(plane + i * LANES, activate(load_part(from + i * channels, m) * scale + shift, activation));
        for (int32_t i = right; i < columns; i++) store(plane + i * LANES, splat(0));
    }
}

INLINE void fill_gradient(const float *g, const float *y, int32_t height, int32_t width, int64_t channels, M m,
                          V a, V b, V k, int32_t row, int32_t rows, int32_t column, int32_t columns,
                          float *plane) {
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
            store(plane + i * LANES, a * load_part(g + at, m) + (b * load_part(y + at, m) + k));
        }
        for (int32_t i = right; i < columns; i++) store(plane + i * LANES, splat(0));
    }
}

/// acc[t] = sum over taps of plane[offset + t * step] * weight; two rows of four when `row_step` is not 0.
INLINE void sum_taps(const float *plane, const int32_t *offsets, const float *weights, int32_t taps, int32_t step,
                     int64_t row_step, int two_rows, V *acc) {
    for (int32_t t = 0; t < 8; t++) acc[t] = splat(0);
    for (int32_t i = 0; i < taps; i++) {
        const float *at = plane + offsets[i];
        V w = load(weights + i * LANES);
        if (two_rows) {
            for (int32_t t = 0; t < 4; t++) acc[t] += load(at + t * step) * w;
            for (int32_t t = 0; t < 4; t++) acc[4 + t] += load(at + row_step + t * step) * w;
        } else {
            for (int32_t t = 0; t < 8; t++) acc[t] += load(at + t * step) * w;
        }
    }
}

INLINE void sum_tile(const float *plane, const int32_t *offsets, const float *weights, int32_t taps,
                     int32_t stride, int64_t row_step, int32_t two_rows, V *acc) {
    if (stride == 1) {
        if (two_rows) sum_taps(plane, offsets, weights, taps, LANES, row_step, 1, acc);
        else sum_taps(plane, offsets, weights, taps, LANES, row_step, 0, acc);
    } else {
        if (two_rows) sum_taps(plane, offsets, weights, taps, 2 * LANES, row_step, 1, acc);
        else sum_taps(plane, offsets, weights, taps, 2 * LANES, row_step, 0, acc);
    }
}

INLINE int32_t tile_row(ofa_tiling tiling, int32_t t) { return tiling.rows == 2 ? t / 4 : 0; }
INLINE int32_t tile_column(ofa_tiling tiling, int32_t t) { return tiling.rows == 2 ? t % 4 : t; }

/// Lays the filter out as (chunk, tap, LANES).
static void pack_filter(const float *filter, int32_t taps, int32_t channels, float *packed) {
    FOR_CHUNKS(channels) for (int32_t t = 0; t < taps; t++, packed += LANES)
        store(packed, load_part(filter + (int64_t)t * channels + c, m));
}

static void depthwise(ofa_depthwise d, const float *x, ofa_affine map, const float *filter, float *y,
                      const float *center, double *sums, float *scratch) {
    const int32_t k = d.kernel, taps = k * k, pad = k / 2, channels = d.channels, stride = d.stride;
    const ofa_tiling tiling = ofa_tile(d.out_width, d.out_height);
    const int32_t columns = (tiling.columns - 1) * stride + k;
    const int32_t band = ofa_band(d.out_height, columns * stride * LANES);
    float *packed = scratch, *plane = scratch + ofa_packed_floats(d, LANES);
    pack_filter(filter, taps, channels, packed);
    int32_t offsets[49];
    for (int32_t t = 0; t < taps; t++) offsets[t] = ((t / k) * columns + t % k) * LANES;
    const int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    const int64_t in_image = (int64_t)d.height * d.width * channels;
    const int64_t out_image = (int64_t)d.out_height * d.out_width * channels;
    for (int32_t n = 0; n < d.images; n++) FOR_CHUNKS(channels) {
        const float *weights = packed + (int64_t)(c / LANES) * taps * LANES;
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V mid = sums ? load_part(center + c, m) : splat(0);
        for (int32_t top = 0; top < d.out_height; top += band) {
            V s = splat(0), q = splat(0);
            int32_t rows = d.out_height - top < band ? d.out_height - top : band;
            int32_t padded = (rows + tiling.rows - 1) / tiling.rows * tiling.rows;
            WITH_ACTIVATION(activation, {
                fill_affine(x + n * in_image + c, d.height, d.width, channels, m, scale, shift, ACT,
                            top * stride - pad, (padded - 1) * stride + k, -pad, columns, plane);
            })
            for (int32_t r = 0; r < rows; r += tiling.rows)
                for (int32_t o = 0; o < d.out_width; o += tiling.width) {
                    V acc[8];
                    sum_tile(plane + ((int64_t)r * columns + o) * stride * LANES, offsets, weights, taps, stride,
                             (int64_t)stride * columns * LANES, tiling.rows == 2, acc);
                    for (int32_t t = 0; t < 8; t++) {
                        int32_t oy = r + tile_row(tiling, t), ox = o + tile_column(tiling, t);
                        if (oy >= rows || ox >= d.out_width) continue;
                        int64_t at = n * out_image + ((int64_t)(top + oy) * d.out_width + ox) * channels + c;
                        store_part(y + at, acc[t], m);
                        V v = acc[t] - mid;
                        s += v;
                        q += v * v;
                    }
                }
            if (sums) {
                add_to(sums + c, s, channels - c);
                add_to(sums + channels + c, q, channels - c);
            }
        }
    }
}

/// total[ky, kx] += sum over rows and columns of dy * x(stride * row + ky, stride * column + kx), `together`
/// filter rows at a time so that the sums stay in registers.
INLINE void sum_filter(const float *dy, int64_t dy_row, const float *x, int64_t x_row, int32_t rows,
                       int32_t columns, int32_t stride, int32_t k, int32_t together, float *total) {
    for (int32_t ky = 0; ky < k; ky += together) {
        V acc[10];
        for (int32_t t = 0; t < together * k; t++) acc[t] = splat(0);
        for (int32_t r = 0; r < rows; r++) {
            const float *d = dy + r * dy_row, *from = x + ((int64_t)r * stride + ky) * x_row;
            for (int32_t o = 0; o < columns; o++, d += LANES, from += stride * LANES) {
                V v = load(d);
                for (int32_t j = 0; j < together; j++)
                    for (int32_t i = 0; i < k; i++) acc[j * k + i] += v * load(from + j * x_row + i * LANES);
            }
        }
        for (int32_t j = 0; j < together && ky + j < k; j++)
            for (int32_t i = 0; i < k; i++) {
                float *at = total + ((ky + j) * k + i) * LANES;
                store(at, load(at) + acc[j * k + i]);
            }
    }
}

/// Everything about one band of the input gradient that does not change between its tiles.
typedef struct {
    const float *plane;  // padded gradient of the output
    int32_t columns, row, column;  // the plane's width and the output position of its first element
    const float *weights;
    int32_t kernel, stride;
} gradient_plane;

/// The taps of the input positions with parity (py, px): offsets relative to output position (a, b).
INLINE int32_t parity_taps(const gradient_plane *p, int32_t py, int32_t px, int32_t *offsets, float *weights) {
    int32_t count = 0, pad = p->kernel / 2;
    for (int32_t ky = 0; ky < p->kernel; ky++) {
        if ((py + pad - ky) % p->stride) continue;
        for (int32_t kx = 0; kx < p->kernel; kx++) {
            if ((px + pad - kx) % p->stride) continue;
            int32_t dy = (py + pad - ky) / p->stride - p->row, dx = (px + pad - kx) / p->stride - p->column;
            offsets[count] = (dy * p->columns + dx) * LANES;
            store(weights + count * LANES, load(p->weights + (ky * p->kernel + kx) * LANES));
            count++;
        }
    }
    return count;
}

static void depthwise_gradient(ofa_depthwise d, const float *g, const float *y, ofa_norm_gradient norm,
                               const float *x, ofa_affine map, const float *filter, float *dx,
                               const float *center, double *sums, float *dfilter, float *scratch) {
    const int32_t k = d.kernel, taps = k * k, pad = k / 2, channels = d.channels, stride = d.stride;
    const int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    const ofa_gradient_plan plan = ofa_plan_gradient(d, LANES);
    const int64_t in_image = (int64_t)d.height * d.width * channels;
    const int64_t out_image = (int64_t)d.out_height * d.out_width * channels;
    float *packed = scratch, *total = packed + ofa_packed_floats(d, LANES);
    float *dy = total + ofa_packed_floats(d, LANES), *xs = dy + plan.dy_floats, *chosen = xs + plan.x_floats;
    pack_filter(filter, taps, channels, packed);
    memset(total, 0, sizeof(float) * (size_t)ofa_packed_floats(d, LANES));
    for (int32_t n = 0; n < d.images; n++) FOR_CHUNKS(channels) {
        const float *weights = packed + (int64_t)(c / LANES) * taps * LANES;
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V a = load_part(norm.a + c, m), b = load_part(norm.b + c, m), e = load_part(norm.c + c, m);
        V mid = sums ? load_part(center + c, m) : splat(0);
        const float *xc = x + n * in_image + c;
        float *dxc = dx + n * in_image + c;
        for (int32_t top = 0; top < d.height; top += plan.band) {
            int32_t rows = d.height - top < plan.band ? d.height - top : plan.band;
            V s = splat(0), q = splat(0);
            // Output rows that this band's gradient needs start at `first`; those whose filter gradient is
            // this band's to sum are the ones with stride * row in [top, top + rows).
            int32_t first = top / stride - plan.halo;
            fill_gradient(g + n * out_image + c, y + n * out_image + c, d.out_height, d.out_width, channels, m,
                          a, b, e, first, plan.dy_rows, -plan.halo, plan.dy_columns, dy);
            WITH_ACTIVATION(activation, {
                fill_affine(xc, d.height, d.width, channels, m, scale, shift, ACT, top - pad, plan.x_rows, -pad,
                            plan.x_columns, xs);
            })
            int32_t own = (top + stride - 1) / stride, end = (top + rows + stride - 1) / stride;
            if (end > d.out_height) end = d.out_height;
            const float *mine = dy + ((int64_t)(own - first) * plan.dy_columns + plan.halo) * LANES;
            const float *under = xs + (int64_t)(own * stride - top) * plan.x_columns * LANES;
            float *sum = total + (int64_t)(c / LANES) * taps * LANES;
            const int64_t dy_row = (int64_t)plan.dy_columns * LANES, x_row = (int64_t)plan.x_columns * LANES;
            if (k == 3) sum_filter(mine, dy_row, under, x_row, end - own, d.out_width, stride, 3, 3, sum);
            else if (k == 5) sum_filter(mine, dy_row, under, x_row, end - own, d.out_width, stride, 5, 2, sum);
            else sum_filter(mine, dy_row, under, x_row, end - own, d.out_width, stride, 7, 1, sum);

            gradient_plane p = {dy, plan.dy_columns, first, -plan.halo, weights, k, stride};
            for (int32_t py = 0; py < stride; py++) for (int32_t px = 0; px < stride; px++) {
                int32_t offsets[49], count = parity_taps(&p, py, px, offsets, chosen);
                int32_t a0 = top / stride;  // bands start on multiples of the stride
                int32_t high = (rows - py + stride - 1) / stride, wide = (d.width - px + stride - 1) / stride;
                ofa_tiling tiling = ofa_tile(wide, high);
                for (int32_t r = 0; r < high; r += tiling.rows) for (int32_t o = 0; o < wide; o += tiling.width) {
                    V acc[8];
                    sum_tile(dy + ((int64_t)(a0 + r) * plan.dy_columns + o) * LANES, offsets, chosen, count, 1,
                             dy_row, tiling.rows == 2, acc);
                    for (int32_t t = 0; t < 8; t++) {
                        int32_t ia = r + tile_row(tiling, t), ib = o + tile_column(tiling, t);
                        if (ia >= high || ib >= wide) continue;
                        int64_t at = ((int64_t)(top + ia * stride + py) * d.width + ib * stride + px) * channels;
                        V v = acc[t];
                        if (map.scale || sums) {
                            V from = load_part(xc + at, m);
                            WITH_ACTIVATION(activation, { v *= slope(from * scale + shift, ACT); })
                            s += v;
                            q += v * (from - mid);
                        }
                        store_part(dxc + at, v, m);
                    }
                }
            }
            if (sums) {
                add_to(sums + c, s, channels - c);
                add_to(sums + channels + c, q, channels - c);
            }
        }
    }
    FOR_CHUNKS(channels) for (int32_t t = 0; t < taps; t++) {
        float *at = dfilter + (int64_t)t * channels + c;
        store_part(at, load_part(at, m) + load(total + ((int64_t)(c / LANES) * taps + t) * LANES), m);
    }
}
