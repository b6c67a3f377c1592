// Computes maxima and means over windows, and the activated sum of two maps at the end of a
// bottleneck block, vectorised over channels. The loops are simple, because a network has few of
// these operators.
#pragma once
#include "elementwise.h"

/// One image's chunk of channels, and the size of the windows over this chunk.
typedef struct {
    const float *x;  // the chunk's first pixel
    V scale, shift;
    int32_t height, width, kernel;
    int64_t channels;
    M live;
} max_window;

INLINE max_window window_of(const ofa_depthwise *d, const float *x, ofa_affine map, int32_t n,
                            int32_t c, M m) {
    max_window w = {x + (int64_t)n * d->height * d->width * d->channels + c,
                    splat(1),
                    splat(0),
                    d->height,
                    d->width,
                    d->kernel,
                    d->channels,
                    m};
    if (map.scale) {
        w.scale = load_part(map.scale + c, m);
        w.shift = load_part(map.shift + c, m);
    }
    return w;
}

/// Returns the maximum of the window whose first pixel is (top, left). Sets `tap` to the position
/// within the window of the first maximum in row-major order; if the window contains NaN, to the
/// position of the last NaN.
INLINE V window_maximum(const max_window *w, int32_t top, int32_t left, int32_t activation,
                        I *tap) {
    V most = splat(-__builtin_inff());
    I best = (I){0} - 1;
    for (int32_t ky = 0; ky < w->kernel; ky++)
        for (int32_t kx = 0; kx < w->kernel; kx++) {
            const int32_t iy = top + ky, ix = left + kx;
            if (iy < 0 || iy >= w->height || ix < 0 || ix >= w->width) continue;
            const V raw = load_part(w->x + ((int64_t)iy * w->width + ix) * w->channels, w->live);
            const V v = activate(raw * w->scale + w->shift, activation);
            const I more = (v > most) | (v != v) | (best < 0);
            most = pick(more, v, most);
            best = (I)pick(more, (V)((I){0} + (ky * w->kernel + kx)), (V)best);
        }
    *tap = best;
    return most;
}

INLINE void max_pool_image(const ofa_depthwise *d, const float *x, ofa_affine map, int32_t n,
                           int32_t activation, float *out) {
    const int32_t pad = d->kernel / 2;
    for (int32_t oy = 0; oy < d->out_height; oy++) FOR_CHUNKS(d->channels) {
            const max_window w = window_of(d, x, map, n, c, m);
            float *to = out + (int64_t)oy * d->out_width * d->channels + c;
            I tap;
            for (int32_t ox = 0; ox < d->out_width; ox++)
                store_part(to + (int64_t)ox * d->channels,
                           window_maximum(&w, oy * d->stride - pad, ox * d->stride - pad,
                                          activation, &tap),
                           m);
        }
}

static void max_pool(ofa_depthwise d, const float *x, ofa_affine map, float *out) {
    const int64_t image = (int64_t)d.out_height * d.out_width * d.channels;
    for (int32_t n = 0; n < d.images; n++)
        WITH_ACTIVATION(map.scale ? map.activation : OFA_ACT_IDENTITY,
                        { max_pool_image(&d, x, map, n, ACT, out + n * image); })
}

INLINE void max_pool_gradient_image(const ofa_depthwise *d, const float *x, ofa_affine map,
                                    const float *dout, int32_t n, int32_t activation, float *dx) {
    const int32_t pad = d->kernel / 2;
    for (int32_t oy = 0; oy < d->out_height; oy++) FOR_CHUNKS(d->channels) {
            const max_window w = window_of(d, x, map, n, c, m);
            for (int32_t ox = 0; ox < d->out_width; ox++) {
                const int32_t top = oy * d->stride - pad, left = ox * d->stride - pad;
                I tap;
                window_maximum(&w, top, left, activation, &tap);
                const V g = load_part(
                    dout + ((int64_t)oy * d->out_width + ox) * d->channels + c, m);
                for (int32_t t = 0; t < d->kernel * d->kernel; t++) {
                    const int32_t iy = top + t / d->kernel, ix = left + t % d->kernel;
                    if (iy < 0 || iy >= d->height || ix < 0 || ix >= d->width) continue;
                    float *at = dx + ((int64_t)iy * d->width + ix) * d->channels + c;
                    const I mine = tap == (I){0} + t;
                    store_part(at, load_part(at, m) + pick(mine, g, splat(0)), m);
                }
            }
        }
}

static void max_pool_gradient(ofa_depthwise d, const float *x, ofa_affine map, const float *dout,
                              float *dx) {
    const int64_t from = (int64_t)d.out_height * d.out_width * d.channels;
    const int64_t to = (int64_t)d.height * d.width * d.channels;
    for (int32_t n = 0; n < d.images; n++) {
        memset(dx + n * to, 0, sizeof(float) * (size_t)to);
        WITH_ACTIVATION(map.scale ? map.activation : OFA_ACT_IDENTITY, {
            max_pool_gradient_image(&d, x, map, dout + n * from, n, ACT, dx + n * to);
        })
    }
}

/// A row of windows of size x size pixels; `rows` rows of each window lie inside the map, which is
/// `width` pixels wide.
typedef struct {
    int32_t rows, width, size;
    int64_t channels;
} mean_row;

/// Returns 1 / the number of pixels that window `ox` has inside the map; sets `columns` to the
/// number of the window's columns inside the map.
INLINE float window_share(const mean_row *w, int32_t ox, int32_t *columns) {
    const int32_t left = w->width - ox * w->size;
    *columns = left < w->size ? left : w->size;
    return 1.0f / (float)(w->rows * *columns);
}

INLINE void mean_pool_row(const float *x, const mean_row *w, int32_t wide, ofa_affine map,
                          int32_t activation, float *out) {
    FOR_CHUNKS((int32_t)w->channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        for (int32_t ox = 0; ox < wide; ox++) {
            int32_t columns;
            const float share = window_share(w, ox, &columns);
            V sum = splat(0);
            for (int32_t y = 0; y < w->rows; y++)
                for (int32_t i = 0; i < columns; i++) {
                    const int64_t pixel = (int64_t)y * w->width + ox * w->size + i;
                    sum += activate(load_part(x + pixel * w->channels + c, m) * scale + shift,
                                    activation);
                }
            store_part(out + ox * w->channels + c, sum * splat(share), m);
        }
    }
}

static void mean_pool(const float *x, int32_t images, int32_t height, int32_t width,
                      int32_t channels, int32_t size, ofa_affine map, float *out) {
    const int32_t high = (height + size - 1) / size, wide = (width + size - 1) / size;
    for (int32_t n = 0; n < images; n++)
        for (int32_t oy = 0; oy < high; oy++) {
            const int32_t left = height - oy * size;
            const mean_row w = {left < size ? left : size, width, size, channels};
            const float *from = x + ((int64_t)n * height + oy * size) * width * channels;
            float *to = out + ((int64_t)n * high + oy) * wide * channels;
            WITH_ACTIVATION(map.scale ? map.activation : OFA_ACT_IDENTITY,
                            { mean_pool_row(from, &w, wide, map, ACT, to); })
        }
}

static void mean_pool_gradient(const float *dout, int32_t images, int32_t height, int32_t width,
                               int32_t channels, int32_t size, int32_t accumulate, float *dx) {
    const int32_t high = (height + size - 1) / size, wide = (width + size - 1) / size;
    for (int32_t n = 0; n < images; n++)
        for (int32_t iy = 0; iy < height; iy++) {
            const int32_t oy = iy / size, left = height - oy * size;
            const mean_row w = {left < size ? left : size, width, size, channels};
            const float *from = dout + ((int64_t)n * high + oy) * wide * channels;
            float *to = dx + ((int64_t)n * height + iy) * width * channels;
            FOR_CHUNKS(channels)
            for (int32_t ox = 0; ox < wide; ox++) {
                int32_t columns;
                const float share = window_share(&w, ox, &columns);
                const V g = load_part(from + (int64_t)ox * channels + c, m) * splat(share);
                for (int32_t i = 0; i < columns; i++) {
                    float *at = to + (int64_t)(ox * size + i) * channels + c;
                    store_part(at, accumulate ? load_part(at, m) + g : g, m);
                }
            }
        }
}

/// One chunk's part of an `ofa_affine`.
typedef struct {
    V scale, shift;
} map_chunk;

INLINE map_chunk load_map(ofa_affine map, int32_t c, M m) {
    map_chunk k = {splat(1), splat(0)};
    if (map.scale) {
        k.scale = load_part(map.scale + c, m);
        k.shift = load_part(map.shift + c, m);
    }
    return k;
}

INLINE void sum_rows_activated(const float *a, ofa_affine a_map, const float *b, ofa_affine b_map,
                               int32_t rows, int32_t channels, int32_t activation, float *out) {
    FOR_CHUNKS(channels) {
        const map_chunk ka = load_map(a_map, c, m), kb = load_map(b_map, c, m);
        for (int32_t r = 0; r < rows; r++) {
            const int64_t i = (int64_t)r * channels + c;
            V va = load_part(a + i, m) * ka.scale + ka.shift;
            V vb = load_part(b + i, m) * kb.scale + kb.shift;
            if (a_map.scale) va = activate(va, a_map.activation);
            if (b_map.scale) vb = activate(vb, b_map.activation);
            store_part(out + i, activate(va + vb, activation), m);
        }
    }
}

static void sum_activated(const float *a, ofa_affine a_map, const float *b, ofa_affine b_map,
                          int64_t rows, int32_t channels, int32_t activation, float *out) {
    for (int64_t r = 0; r < rows; r += ROW_BLOCK) {
        const int32_t n = (int32_t)(rows - r < ROW_BLOCK ? rows - r : ROW_BLOCK);
        const int64_t at = r * channels;
        WITH_ACTIVATION(activation, {
            sum_rows_activated(a + at, a_map, b + at, b_map, n, channels, ACT, out + at);
        })
    }
}

INLINE void sum_rows_gradient(const float *d, const float *out, const ofa_sum_sides *sides,
                              int32_t rows, int32_t channels, int64_t at, int32_t activation,
                              float *g) {
    FOR_CHUNKS(channels) {
        V total = splat(0), products[2] = {{0}, {0}};
        const V mid[2] = {sides->raw[0] ? load_part(sides->center[0] + c, m) : splat(0),
                          sides->raw[1] ? load_part(sides->center[1] + c, m) : splat(0)};
        for (int32_t r = 0; r < rows; r++) {
            const int64_t i = at + (int64_t)r * channels + c;
            const V v = load_part(d + i, m) * slope(load_part(out + i, m), activation);
            store_part(g + i, v, m);
            total += v;
            for (int k = 0; k < 2; k++)
                if (sides->raw[k]) products[k] += v * (load_part(sides->raw[k] + i, m) - mid[k]);
        }
        for (int k = 0; k < 2; k++)
            if (sides->raw[k]) {
                add_to(sides->sums[k] + c, total, channels - c);
                add_to(sides->sums[k] + channels + c, products[k], channels - c);
            }
    }
}

static void sum_activated_gradient(const float *d, const float *out, int32_t activation,
                                   const ofa_sum_sides *sides, int64_t rows, int32_t channels,
                                   float *g) {
    for (int64_t r = 0; r < rows; r += ROW_BLOCK) {
        const int32_t n = (int32_t)(rows - r < ROW_BLOCK ? rows - r : ROW_BLOCK);
        WITH_ACTIVATION(activation, {
            sum_rows_gradient(d, out, sides, n, channels, r * channels, ACT, g);
        })
    }
}
