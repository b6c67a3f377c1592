// Passes over maps of (rows, channels): means, normalisation with activation, and their gradients
// with sums; also functions over n floats. Passes are vectorised over channels. Most passes visit
// one block of rows after the other, and within a block one chunk of channels after the other.
#pragma once
#include "formats.h"

// The number of rows in a block. Float partial sums are added to the totals after each block.
enum { ROW_BLOCK = 64 };

/// Runs the next statement for each chunk of LANES channels, which starts at channel `c` and has
/// live lanes `m`.
#define FOR_CHUNKS(channels)                        \
    for (int32_t c = 0; c < (channels); c += LANES) \
        for (M m = lanes_mask((channels) - c), once_ = 1; once_; once_ = 0)

/// `half` and `half_residual` say whether `y` and `residual` have 16-bit values.
INLINE void affine_rows(const void *y, int32_t pixels, int32_t channels, ofa_affine map,
                        const float *gate, const void *residual, float *out, int32_t activation,
                        int gated, int added, int half, int half_residual) {
    FOR_CHUNKS(channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V weight = gated ? load_part(gate + c, m) : splat(1);
        for (int32_t p = 0; p < pixels; p++) {
            int64_t i = (int64_t)p * channels + c;
            V v = activate(load_at(y, i, m, half) * scale + shift, activation);
            if (gated) v *= weight;
            if (added) v += load_at(residual, i, m, half_residual);
            store_part(out + i, v, m);
        }
    }
}

/// Calls `affine_rows` with the activation, the steps and the formats as constants.
static void affine_block(ofa_map y, int32_t pixels, int32_t channels, ofa_affine map,
                         const float *gate, ofa_map residual, float *out) {
    const int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
#define ROWS(gated, added, half_residual)                                                         \
    affine_rows(y.values, pixels, channels, map, gate, residual.values, out, ACT, gated, added,   \
                HALF, half_residual)
    WITH_ACTIVATION(activation, {
        WITH_FORMAT(y.format, HALF, {
            if (!residual.values) {
                if (gate)
                    ROWS(1, 0, 0);
                else
                    ROWS(0, 0, 0);
            } else {
                WITH_FORMAT(residual.format, HALF_RESIDUAL, {
                    if (gate)
                        ROWS(1, 1, HALF_RESIDUAL);
                    else
                        ROWS(0, 1, HALF_RESIDUAL);
                })
            }
        })
    })
#undef ROWS
}

static void affine(ofa_map y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                   const float *gate, ofa_map residual, float *out) {
    // Without a gate, all rows are treated alike, so a block of rows may span images.
    if (!gate) {
        int64_t rows = (int64_t)images * pixels;
        for (int64_t r = 0; r < rows; r += ROW_BLOCK)
            affine_block(map_from(y, r * channels),
                         (int32_t)(rows - r < ROW_BLOCK ? rows - r : ROW_BLOCK), channels, map, 0,
                         map_from(residual, r * channels), out + r * channels);
        return;
    }
    for (int32_t n = 0; n < images; n++) {
        const int64_t i = (int64_t)n * pixels * channels;
        affine_block(map_from(y, i), pixels, channels, map, gate + (int64_t)n * channels,
                     map_from(residual, i), out + i);
    }
}

INLINE void mean_rows(const void *y, int32_t pixels, int32_t channels, ofa_affine map, float *out,
                      int32_t activation, int half) {
    FOR_CHUNKS(channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
        V total = splat(0);
        for (int32_t p0 = 0; p0 < pixels; p0 += ROW_BLOCK) {
            int32_t p1 = p0 + ROW_BLOCK < pixels ? p0 + ROW_BLOCK : pixels;
            V sum = splat(0);
            for (int32_t p = p0; p < p1; p++)
                sum += activate(
                    load_at(y, (int64_t)p * channels + c, m, half) * scale + shift, activation);
            total += sum;
        }
        store_part(out + c, total * splat(1.0f / (float)pixels), m);
    }
}

static void mean(ofa_map y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                 float *out) {
    int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    for (int32_t n = 0; n < images; n++)
        WITH_ACTIVATION(activation, {
            const ofa_map image = map_from(y, (int64_t)n * pixels * channels);
            WITH_FORMAT(y.format, HALF, {
                mean_rows(image.values, pixels, channels, map, out + (int64_t)n * channels, ACT,
                          HALF);
            })
        })
}

/// The fields of an `ofa_upstream` from which its gradient g (ckernels.h) is computed. PLAIN: d;
/// GATED: d, gate and mean_gradient; MEAN: mean_gradient. The compiler knows the kind, so inner
/// loops do not branch on the kind.
enum { UPSTREAM_PLAIN, UPSTREAM_GATED, UPSTREAM_MEAN };

INLINE int upstream_kind(const ofa_upstream *u) {
    if (!u->d.values) return UPSTREAM_MEAN;
    return u->gate || u->mean_gradient ? UPSTREAM_GATED : UPSTREAM_PLAIN;
}

/// Runs `body` with the activation and the kind of the upstream as the constants ACT and KIND, and
/// with the constants HALF and HALF_D: whether its y and its d have 16-bit values.
#define WITH_UPSTREAM(u, body)                                                 \
    WITH_ACTIVATION((u)->map.scale ? (u)->map.activation : OFA_ACT_IDENTITY, { \
        switch (upstream_kind(u)) {                                            \
            case UPSTREAM_PLAIN: {                                             \
                enum { KIND = UPSTREAM_PLAIN };                                \
                WITH_UPSTREAM_FORMATS(u, body)                                 \
            } break;                                                           \
            case UPSTREAM_GATED: {                                             \
                enum { KIND = UPSTREAM_GATED };                                \
                WITH_UPSTREAM_FORMATS(u, body)                                 \
            } break;                                                           \
            default: {                                                         \
                enum { KIND = UPSTREAM_MEAN };                                 \
                enum { HALF_D = 0 };                                           \
                WITH_FORMAT((u)->y.format, HALF, body)                         \
            } break;                                                           \
        }                                                                      \
    })

#define WITH_UPSTREAM_FORMATS(u, body)                      \
    if ((u)->y.format == OFA_BFLOAT16) {                    \
        enum { HALF = 1 };                                  \
        WITH_FORMAT((u)->d.format, HALF_D, body)            \
    } else {                                                \
        enum { HALF = 0 };                                  \
        enum { HALF_D = 0 };                                \
        body                                                \
    }

/// The values of an `ofa_upstream` that are constant over one image's chunk of channels.
typedef struct {
    V scale, shift, gate, mean_gradient;
} upstream_chunk;

INLINE upstream_chunk load_upstream(const ofa_upstream *u, int64_t image, int32_t channels,
                                    int32_t c, M m) {
    upstream_chunk k = {splat(1), splat(0), splat(1), splat(0)};
    if (u->map.scale) {
        k.scale = load_part(u->map.scale + c, m);
        k.shift = load_part(u->map.shift + c, m);
    }
    if (u->gate) k.gate = load_part(u->gate + image * channels + c, m);
    if (u->mean_gradient) k.mean_gradient = load_part(u->mean_gradient + image * channels + c, m);
    return k;
}

/// Returns the gradient g of an `ofa_upstream` (ckernels.h) for the elements from `i` on, whose raw
/// values are `y`; `half` says whether `d` has 16-bit values.
INLINE V upstream_value(const void *d, int64_t i, V y, const upstream_chunk *k, M m, int kind,
                        int32_t activation, int half) {
    V v = kind == UPSTREAM_MEAN ? k->mean_gradient : load_at(d, i, m, half);
    if (kind == UPSTREAM_GATED) v = v * k->gate + k->mean_gradient;
    return activation == OFA_ACT_IDENTITY ? v : v * slope(y * k->scale + k->shift, activation);
}

INLINE void gradient_sums_rows(const ofa_upstream *u, int64_t image, int64_t first, int32_t pixels,
                               int32_t channels, const float *center, double *sums, int kind,
                               int32_t activation, int half, int half_d) {
    FOR_CHUNKS(channels) {
        const upstream_chunk k = load_upstream(u, image, channels, c, m);
        V mid = load_part(center + c, m), s = splat(0), q = splat(0);
        for (int32_t p = 0; p < pixels; p++) {
            int64_t i = (first + p) * channels + c;
            V y = load_at(u->y.values, i, m, half);
            V g = upstream_value(u->d.values, i, y, &k, m, kind, activation, half_d);
            s += g;
            q += g * (y - mid);
        }
        add_to(sums + c, s, channels - c);
        add_to(sums + channels + c, q, channels - c);
    }
}

static void gradient_sums(const ofa_upstream *u, int32_t images, int32_t pixels, int32_t channels,
                          const float *center, double *sums) {
    if (!u->gate && !u->mean_gradient) {  // nothing depends on the image
        pixels *= images;
        images = 1;
    }
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p += ROW_BLOCK) {
            int32_t count = pixels - p < ROW_BLOCK ? pixels - p : ROW_BLOCK;
            WITH_UPSTREAM(u, {
                gradient_sums_rows(u, n, (int64_t)n * pixels + p, count, channels, center, sums,
                                   KIND, ACT, HALF, HALF_D);
            })
        }
}

INLINE void gate_sums_rows(const float *d, const void *y, int32_t pixels, int32_t channels,
                           ofa_affine map, const float *center, float *out, int64_t part,
                           int32_t activation, int half) {
    FOR_CHUNKS(channels) {
        V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
        V shift = map.scale ? load_part(map.shift + c, m) : splat(0),
          mid = load_part(center + c, m);
        V t[5] = {{0}, {0}, {0}, {0}, {0}};
        for (int32_t p = 0; p < pixels; p++) {
            int64_t i = (int64_t)p * channels + c;
            V from = load_at(y, i, m, half), up = load_part(d + i, m), z = from * scale + shift;
            V derivative = slope(z, activation), g = up * derivative, centred = from - mid;
            t[0] += up * activate(z, activation);
            t[1] += g;
            t[2] += g * centred;
            t[3] += derivative;
            t[4] += derivative * centred;
        }
        for (int32_t k = 0; k < 5; k++) {
            float *at = out + k * part + c;
            store_part(at, load_part(at, m) + t[k], m);
        }
    }
}

static void gate_sums(const float *d, ofa_map y, int32_t images, int32_t pixels, int32_t channels,
                      ofa_affine map, const float *center, float *out,
                      int64_t part) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p += ROW_BLOCK) {
            int32_t count = pixels - p < ROW_BLOCK ? pixels - p : ROW_BLOCK;
            int64_t i = ((int64_t)n * pixels + p) * channels;
            WITH_ACTIVATION(map.scale ? map.activation : OFA_ACT_IDENTITY, {
                const ofa_map from = map_from(y, i);
                WITH_FORMAT(y.format, HALF, {
                    gate_sums_rows(d + i, from.values, count, channels, map, center,
                                   out + (int64_t)n * channels, part, ACT, HALF);
                })
            })
        }
}

INLINE void norm_gradient_rows(const ofa_upstream *u, int64_t image, int64_t first, int32_t pixels,
                               int32_t channels, float *out, int kind, int32_t activation,
                               int half, int half_d) {
    FOR_CHUNKS(channels) {
        const upstream_chunk k = load_upstream(u, image, channels, c, m);
        V a = splat(1), b = splat(0), e = splat(0);
        if (u->norm.a) {
            a = load_part(u->norm.a + c, m);
            b = load_part(u->norm.b + c, m);
            e = load_part(u->norm.c + c, m);
        }
        for (int32_t p = 0; p < pixels; p++) {
            int64_t i = (first + p) * channels + c;
            V y = load_at(u->y.values, i, m, half);
            V g = upstream_value(u->d.values, i, y, &k, m, kind, activation, half_d);
            store_part(out + i, u->norm.a ? a * g + (b * y + e) : g, m);
        }
    }
}

static void norm_gradient(const ofa_upstream *u, int32_t images, int32_t pixels, int32_t channels,
                          float *out) {
    if (!u->gate && !u->mean_gradient) {
        pixels *= images;
        images = 1;
    }
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p += ROW_BLOCK) {
            int32_t count = pixels - p < ROW_BLOCK ? pixels - p : ROW_BLOCK;
            WITH_UPSTREAM(u, {
                norm_gradient_rows(u, n, (int64_t)n * pixels + p, count, channels, out, KIND, ACT,
                                   HALF, HALF_D);
            })
        }
}

static void max_plus_sums(const float *from, float value, int64_t n, float *to) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const V sum = load(from + i) + splat(value), old = load(to + i);
        store(to + i, pick(sum > old, sum, old));
    }
    for (; i < n; i++)
        if (from[i] + value > to[i]) to[i] = from[i] + value;
}

/// Writes n floats with streaming stores.
INLINE void stream_floats(const float *from, int64_t n, float *to) {
    int64_t i = 0;
    for (; i < n && ((uintptr_t)(to + i) & (4 * LANES - 1)); i++) to[i] = from[i];
    for (; i + LANES <= n; i += LANES) __builtin_nontemporal_store(load(from + i), (V *)(to + i));
    for (; i < n; i++) to[i] = from[i];
}

static void write_out(const float *from, int64_t n, int64_t all, ofa_target to) {
    const int stream = all > OFA_STREAM_FLOATS;
    if (to.format == OFA_BFLOAT16)
        write_short(from, n, stream, to.values);
    else if (stream)
        stream_floats(from, n, to.values);
    else
        memcpy(to.values, from, sizeof(float) * (size_t)n);
    if (!stream) return;
#if defined(__x86_64__)
    // The fence orders the streaming stores before the release operation by which the thread
    // reports that it has finished. The release operation alone does not order streaming stores.
    _mm_sfence();
#endif
}

/// Returns whether all n floats are finite. Compares bits as integers, because arithmetic on
/// denormal numbers may be slow: a float is finite exactly if its bits, without the sign, are below
/// those of infinity.
static int32_t all_finite(const float *x, int64_t n) {
    const I magnitude = (I){0} + 0x7fffffff;
    I most[4] = {{0}, {0}, {0}, {0}};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int k = 0; k < 4; k++)
            most[k] =
                __builtin_elementwise_max(most[k], (I)load(x + i + k * LANES) & magnitude);
    for (; i < n; i += LANES) {
        const M m = lanes_mask(n - i > LANES ? LANES : (int32_t)(n - i));
        most[0] = __builtin_elementwise_max(most[0], (I)load_part(x + i, m) & magnitude);
    }
    for (int k = 1; k < 4; k++) most[0] = __builtin_elementwise_max(most[0], most[k]);
    int32_t largest = 0;
    for (int k = 0; k < LANES; k++) largest = most[0][k] > largest ? most[0][k] : largest;
    return largest < 0x7f800000;
}

/// Returns the sum of squares. In double, neither the square of a finite float nor the sum
/// overflows.
static double sum_squares(const float *x, int64_t n) {
    D sums[2] = {{0}, {0}};
    for (int64_t i = 0; i < n; i += 2 * LANES) {
        for (int32_t k = 0; k < 2; k++) {
            const int64_t at = i + k * LANES, left = n - at;
            if (left <= 0) break;
            const V value = load_part(x + at, lanes_mask(left > LANES ? LANES : (int32_t)left));
            const D wide = __builtin_convertvector(value, D);
            sums[k] += wide * wide;
        }
    }
    double sum = 0;
    for (int k = 0; k < LANES; k++) sum += sums[0][k] + sums[1][k];
    return sum;
}

static void sgd(float *w, float *v, float *gradient, int64_t n, float rate, float momentum,
                float decay) {
    for (int64_t i = 0; i < n; i += LANES) {
        M m = lanes_mask(n - i > LANES ? LANES : (int32_t)(n - i));
        V weight = load_part(w + i, m), g = splat(decay) * weight + load_part(gradient + i, m);
        store_part(gradient + i, splat(0), m);
        V speed = splat(momentum) * load_part(v + i, m) + g;
        store_part(v + i, speed, m);
        store_part(w + i, weight - splat(rate) * (g + splat(momentum) * speed), m);
    }
}
