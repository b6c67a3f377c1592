// Passes over (rows, channels): statistics, normalise-and-activate, and their gradients. Vectorised over
// channels; a block of rows stays in the first-level cache while every channel chunk of it is visited.
#pragma once
#include "vector.h"

// Rows visited before float partial sums are added to the double totals.
enum { ROW_BLOCK = 64 };

#define FOR_CHUNKS(channels)                                   \
    for (int32_t c = 0; c < (channels); c += LANES)            \
        for (M m = lanes_mask((channels) - c), once_ = 1; once_; once_ = 0)

static void moments(const float *y, int64_t rows, int32_t channels, const float *center, double *sums) {
    for (int64_t r0 = 0; r0 < rows; r0 += ROW_BLOCK) {
        int64_t r1 = r0 + ROW_BLOCK < rows ? r0 + ROW_BLOCK : rows;
        FOR_CHUNKS(channels) {
            V s = splat(0), q = splat(0), s2 = s, q2 = q, mid = load_part(center + c, m);
            int64_t r = r0;
            for (; r + 1 < r1; r += 2) {
                V v = load_part(y + r * channels + c, m) - mid;
                V w = load_part(y + (r + 1) * channels + c, m) - mid;
                s += v;
                q += v * v;
                s2 += w;
                q2 += w * w;
            }
            for (; r < r1; r++) {
                V v = load_part(y + r * channels + c, m) - mid;
                s += v;
                q += v * v;
            }
            add_to(sums + c, s + s2, channels - c);
            add_to(sums + channels + c, q + q2, channels - c);
        }
    }
}

INLINE void affine_rows(const float *y, int32_t pixels, int32_t channels, ofa_affine map, const float *gate,
                        const float *residual, float *out, int32_t activation, int gated, int added) {
    FOR_CHUNKS(channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V weight = gated ? load_part(gate + c, m) : splat(1);
        for (int32_t p = 0; p < pixels; p++) {
            int64_t i = (int64_t)p * channels + c;
            V v = activate(load_part(y + i, m) * scale + shift, activation);
            if (gated) v *= weight;
            if (added) v += load_part(residual + i, m);
            store_part(out + i, v, m);
        }
    }
}

static void affine(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                   const float *gate, const float *residual, float *out) {
    int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    if (!gate) {  // then images do not matter: blocks of rows that stay in cache
        int64_t rows = (int64_t)images * pixels;
        for (int64_t r = 0; r < rows; r += ROW_BLOCK) {
            int32_t n = (int32_t)(rows - r < ROW_BLOCK ? rows - r : ROW_BLOCK);
            const float *from = y + r * channels, *plus = residual ? residual + r * channels : 0;
            float *to = out + r * channels;
            WITH_ACTIVATION(activation, {
                if (plus) affine_rows(from, n, channels, map, 0, plus, to, ACT, 0, 1);
                else affine_rows(from, n, channels, map, 0, 0, to, ACT, 0, 0);
            })
        }
        return;
    }
    for (int32_t n = 0; n < images; n++) {
        int64_t i = (int64_t)n * pixels * channels;
        const float *g = gate + (int64_t)n * channels;
        WITH_ACTIVATION(activation, {
            if (residual) affine_rows(y + i, pixels, channels, map, g, residual + i, out + i, ACT, 1, 1);
            else affine_rows(y + i, pixels, channels, map, g, 0, out + i, ACT, 1, 0);
        })
    }
}

INLINE void mean_rows(const float *y, int32_t pixels, int32_t channels, ofa_affine map, float *out,
                      int32_t activation) {
    FOR_CHUNKS(channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V total = splat(0);
        for (int32_t p0 = 0; p0 < pixels; p0 += ROW_BLOCK) {
            int32_t p1 = p0 + ROW_BLOCK < pixels ? p0 + ROW_BLOCK : pixels;
            V sum = splat(0);
            for (int32_t p = p0; p < p1; p++)
                sum += activate(load_part(y + (int64_t)p * channels + c, m) * scale + shift, activation);
            total += sum;
        }
        store_part(out + c, total * splat(1.0f / (float)pixels), m);
    }
}

static void mean(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map, float *out) {
    int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    for (int32_t n = 0; n < images; n++)
        WITH_ACTIVATION(activation, {
            mean_rows(y + (int64_t)n * pixels * channels, pixels, channels, map, out + (int64_t)n * channels, ACT);
        })
}

INLINE void gradient_rows(const float *d, const float *y, int32_t pixels, int32_t channels, ofa_affine map,
                          const float *gate, const float *spread, const float *center, float *g, double *sums,
                          int32_t activation) {
    FOR_CHUNKS(channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V weight = gate ? load_part(gate + c, m) : splat(1);
        V plus = spread ? load_part(spread + c, m) : splat(0);
        V mid = sums ? load_part(center + c, m) : splat(0);
        V s = splat(0), q = splat(0);
        for (int32_t p = 0; p < pixels; p++) {
            int64_t i = (int64_t)p * channels + c;
            V from = load_part(y + i, m);
            V v = (d ? load_part(d + i, m) * weight + plus : plus) * slope(from * scale + shift, activation);
            store_part(g + i, v, m);
            s += v;
            q += v * (from - mid);
        }
        if (sums) {
            add_to(sums + c, s, channels - c);
            add_to(sums + channels + c, q, channels - c);
        }
    }
}

static void gradient(const float *d, const float *y, int32_t images, int32_t pixels, int32_t channels,
                     ofa_affine map, const float *gate, const float *spread, const float *center, float *g,
                     double *sums) {
    int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p += ROW_BLOCK) {
            int32_t count = pixels - p < ROW_BLOCK ? pixels - p : ROW_BLOCK;
            int64_t i = ((int64_t)n * pixels + p) * channels, j = (int64_t)n * channels;
            const float *from = d ? d + i : 0, *gn = gate ? gate + j : 0, *sn = spread ? spread + j : 0;
            WITH_ACTIVATION(activation, {
                gradient_rows(from, y + i, count, channels, map, gn, sn, center, g + i, sums, ACT);
            })
        }
}

INLINE void gate_gradient_rows(const float *d, const float *y, int32_t pixels, int32_t channels, ofa_affine map,
                               float *dgate, int32_t activation) {
    FOR_CHUNKS(channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V total = splat(0);
        for (int32_t p0 = 0; p0 < pixels; p0 += ROW_BLOCK) {
            int32_t p1 = p0 + ROW_BLOCK < pixels ? p0 + ROW_BLOCK : pixels;
            V sum = splat(0);
            for (int32_t p = p0; p < p1; p++) {
                int64_t i = (int64_t)p * channels + c;
                sum += load_part(d + i, m) * activate(load_part(y + i, m) * scale + shift, activation);
            }
            total += sum;
        }
        store_part(dgate + c, total, m);
    }
}

static void gate_gradient(const float *d, const float *y, int32_t images, int32_t pixels, int32_t channels,
                          ofa_affine map, float *dgate) {
    int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    for (int32_t n = 0; n < images; n++) {
        int64_t i = (int64_t)n * pixels * channels;
        WITH_ACTIVATION(activation, {
            gate_gradient_rows(d + i, y + i, pixels, channels, map, dgate + (int64_t)n * channels, ACT);
        })
    }
}

static void norm_gradient(const float *g, const float *y, int64_t rows, int32_t channels, ofa_norm_gradient map,
                          float *out) {
    for (int64_t r0 = 0; r0 < rows; r0 += ROW_BLOCK) {
        int64_t r1 = r0 + ROW_BLOCK < rows ? r0 + ROW_BLOCK : rows;
        FOR_CHUNKS(channels) {
            V a = load_part(map.a + c, m), b = load_part(map.b + c, m), k = load_part(map.c + c, m);
            for (int64_t r = r0; r < r1; r++) {
                int64_t i = r * channels + c;
                store_part(out + i, a * load_part(g + i, m) + (b * load_part(y + i, m) + k), m);
            }
        }
    }
}

static void sgd(float *w, float *v, float *const *gradients, int32_t parts, int64_t n, float rate,
                float momentum, float decay) {
    for (int64_t i = 0; i < n; i += LANES) {
        M m = lanes_mask(n - i > LANES ? LANES : (int32_t)(n - i));
        V weight = load_part(w + i, m), g = splat(decay) * weight;
        for (int32_t p = 0; p < parts; p++) {
            g += load_part(gradients[p] + i, m);
            store_part(gradients[p] + i, splat(0), m);
        }
        V speed = splat(momentum) * load_part(v + i, m) + g;
        store_part(v + i, speed, m);
        store_part(w + i, weight - splat(rate) * (g + splat(momentum) * speed), m);
    }
}
