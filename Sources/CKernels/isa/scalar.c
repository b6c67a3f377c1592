// The reference: every kernel in its simplest form, with one loop per dimension and sums in double
// (but `dfilter` and the mean of `depthwise` are summed in float). Tests compare the vector
// versions with these functions; `OFA_ISA=scalar` runs the whole engine on these functions.
#include <string.h>
#include "tables.h"

static float activate(float x, int32_t activation) {
    switch (activation) {
        case OFA_ACT_RELU: return x < 0 ? 0 : x;
        case OFA_ACT_RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
        case OFA_ACT_HSWISH: {
            float t = x + 3;
            t = t < 0 ? 0 : t > 6 ? 6 : t;
            return x * t / 6;
        }
        default: return x;
    }
}

// Returns NaN for NaN, except for the identity, so that a bad value shows in the gradient as well.
static float slope(float x, int32_t activation) {
    switch (activation) {
        case OFA_ACT_RELU: return x > 0 ? 1 : x <= 0 ? 0 : x;
        case OFA_ACT_RELU6: return x <= 0 || x >= 6 ? 0 : x < 6 ? 1 : x;
        case OFA_ACT_HSWISH: return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
        default: return 1;
    }
}

static float mapped(float x, ofa_affine m, int32_t c) {
    return m.scale ? activate(x * m.scale[c] + m.shift[c], m.activation) : x;
}

static float mapped_slope(float x, ofa_affine m, int32_t c) {
    return m.scale ? slope(x * m.scale[c] + m.shift[c], m.activation) : 1;
}

// A bfloat16 is the upper half of a float.
static float value_at(ofa_map map, int64_t i) {
    if (map.format != OFA_BFLOAT16) return ((const float *)map.values)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)map.values)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Rounds to the nearest bfloat16, ties to even: of two neighbours at equal distance, the one whose
// last digit is 0. NaN stays NaN.
static void put_at(ofa_target to, int64_t i, float value) {
    if (to.format != OFA_BFLOAT16) {
        ((float *)to.values)[i] = value;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t upper = bits >> 16, rest = bits & 0xffff;
    if (value != value)
        upper |= 0x40;
    else if (rest > 0x8000 || (rest == 0x8000 && upper % 2))
        upper++;
    ((uint16_t *)to.values)[i] = (uint16_t)upper;
}

static void affine(ofa_map y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                   const float *gate, ofa_map residual, float *out) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p++)
            for (int32_t c = 0; c < channels; c++) {
                int64_t i = ((int64_t)n * pixels + p) * channels + c;
                float v = mapped(value_at(y, i), map, c);
                if (gate) v *= gate[(int64_t)n * channels + c];
                out[i] = residual.values ? v + value_at(residual, i) : v;
            }
}

static void mean(ofa_map y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                 float *out) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t c = 0; c < channels; c++) {
            double sum = 0;
            for (int32_t p = 0; p < pixels; p++)
                sum += mapped(value_at(y, ((int64_t)n * pixels + p) * channels + c), map, c);
            out[(int64_t)n * channels + c] = (float)(sum / pixels);
        }
}

static float upstream_g(const ofa_upstream *u, int64_t i, int64_t image, int32_t channels,
                        int32_t c) {
    int64_t j = image * channels + c;
    float added = u->mean_gradient ? u->mean_gradient[j] : 0;
    float v = (u->d.values ? value_at(u->d, i) * (u->gate ? u->gate[j] : 1) : 0) + added;
    return v * mapped_slope(value_at(u->y, i), u->map, c);
}

static float upstream_dy(const ofa_upstream *u, int64_t i, int64_t image, int32_t channels,
                         int32_t c) {
    float g = upstream_g(u, i, image, channels, c);
    return u->norm.a ? u->norm.a[c] * g + u->norm.b[c] * value_at(u->y, i) + u->norm.c[c] : g;
}

static void gradient_sums(const ofa_upstream *u, int32_t images, int32_t pixels, int32_t channels,
                          const float *center, double *sums) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p++)
            for (int32_t c = 0; c < channels; c++) {
                int64_t i = ((int64_t)n * pixels + p) * channels + c;
                double g = upstream_g(u, i, n, channels, c);
                sums[c] += g;
                sums[channels + c] += g * ((double)value_at(u->y, i) - center[c]);
            }
}

static void gate_sums(const float *d, ofa_map y, int32_t images, int32_t pixels, int32_t channels,
                      ofa_affine map, const float *center, float *out,
                      int64_t part) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t c = 0; c < channels; c++) {
            double t[5] = {0};
            for (int32_t p = 0; p < pixels; p++) {
                int64_t i = ((int64_t)n * pixels + p) * channels + c;
                float from = value_at(y, i);
                double derivative = mapped_slope(from, map, c), centred = (double)from - center[c];
                t[0] += (double)d[i] * mapped(from, map, c);
                t[1] += d[i] * derivative;
                t[2] += d[i] * derivative * centred;
                t[3] += derivative;
                t[4] += derivative * centred;
            }
            for (int32_t k = 0; k < 5; k++)
                out[k * part + (int64_t)n * channels + c] += (float)t[k];
        }
}

static void norm_gradient(const ofa_upstream *u, int32_t images, int32_t pixels, int32_t channels,
                          float *out) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p++)
            for (int32_t c = 0; c < channels; c++) {
                int64_t i = ((int64_t)n * pixels + p) * channels + c;
                out[i] = upstream_dy(u, i, n, channels, c);
            }
}

static void depthwise(ofa_depthwise d, ofa_map x, ofa_affine map, const float *filter,
                      const float *factor, ofa_target y, const ofa_end *end, float *scratch) {
    (void)scratch;
    int32_t pad = d.kernel / 2, channels = d.channels;
    for (int32_t n = 0; n < d.images; n++) {
        if (end->mean)
            for (int32_t c = 0; c < channels; c++) end->mean[(int64_t)n * channels + c] = 0;
        for (int32_t oy = 0; oy < d.out_height; oy++)
            for (int32_t ox = 0; ox < d.out_width; ox++)
                for (int32_t c = 0; c < channels; c++) {
                    double sum = 0;
                    for (int32_t ky = 0; ky < d.kernel; ky++)
                        for (int32_t kx = 0; kx < d.kernel; kx++) {
                            int32_t iy = oy * d.stride + ky - pad, ix = ox * d.stride + kx - pad;
                            if (iy < 0 || iy >= d.height || ix < 0 || ix >= d.width) continue;
                            int64_t i =
                                (((int64_t)n * d.height + iy) * d.width + ix) * channels + c;
                            float v = value_at(x, i);
                            sum += (double)mapped(v, map, c) *
                                   filter[(ky * d.kernel + kx) * channels + c];
                        }
                    float v = (float)(sum * (factor ? factor[c] : 1));
                    if (end->shift) v = activate(v + end->shift[c], end->activation);
                    put_at(y,
                           (((int64_t)n * d.out_height + oy) * d.out_width + ox) * channels + c, v);
                    if (end->mean)
                        end->mean[(int64_t)n * channels + c] +=
                            v / (float)(d.out_height * d.out_width);
                    if (end->sums) {
                        double t = (double)v - end->center[c];
                        end->sums[c] += t;
                        end->sums[channels + c] += t * t;
                    }
                }
    }
}

static void depthwise_gradient(ofa_depthwise d, const ofa_upstream *u, ofa_map x, ofa_affine map,
                               const float *filter, ofa_map add, ofa_target dx,
                               const float *center, double *sums, float *dfilter, float *scratch) {
    (void)scratch;
    int32_t pad = d.kernel / 2, channels = d.channels;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t iy = 0; iy < d.height; iy++)
            for (int32_t ix = 0; ix < d.width; ix++)
                for (int32_t c = 0; c < channels; c++) {
                    int64_t i = (((int64_t)n * d.height + iy) * d.width + ix) * channels + c;
                    double sum = 0;
                    float from = value_at(x, i), v = mapped(from, map, c);
                    for (int32_t ky = 0; ky < d.kernel; ky++)
                        for (int32_t kx = 0; kx < d.kernel; kx++) {
                            int32_t ty = iy + pad - ky, tx = ix + pad - kx;
                            if (ty < 0 || tx < 0 || ty % d.stride || tx % d.stride) continue;
                            int32_t oy = ty / d.stride, ox = tx / d.stride;
                            if (oy >= d.out_height || ox >= d.out_width) continue;
                            int64_t o =
                                (((int64_t)n * d.out_height + oy) * d.out_width + ox) * channels +
                                c;
                            float dy = upstream_dy(u, o, n, channels, c);
                            int64_t t = (int64_t)(ky * d.kernel + kx) * channels + c;
                            sum += (double)dy * filter[t];
                            dfilter[t] += dy * v;
                        }
                    float r = (float)(sum + (add.values ? value_at(add, i) : 0)) *
                              mapped_slope(from, map, c);
                    put_at(dx, i, r);
                    if (sums) {
                        sums[c] += r;
                        sums[channels + c] += (double)r * ((double)from - center[c]);
                    }
                }
}

#include "scalar_pooling.h"

static int64_t packed_floats(int32_t depth, int32_t columns) { return (int64_t)depth * columns; }

static void pack(const float *w, int64_t depth_stride, int64_t column_stride, int32_t depth,
                 int32_t columns, const float *factor, int32_t first, int32_t end, float *packed) {
    for (int32_t j = first; j < end && j < columns; j++)
        for (int32_t k = 0; k < depth; k++)
            packed[(int64_t)k * columns + j] =
                w[k * depth_stride + j * column_stride] * (factor ? factor[j] : 1);
}

static void product(const float *a, int64_t a_row, int32_t rows, int32_t depth, const float *packed,
                    int32_t columns, float *c, int64_t c_row, const ofa_end *end,
                    ofa_ahead *ahead) {
    (void)ahead;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int32_t k = 0; k < depth; k++)
                sum += (double)a[r * a_row + k] * packed[(int64_t)k * columns + j];
            float value = (float)(end->base ? sum + end->base[r * c_row + j] : sum);
            if (end->shift) value = activate(value + end->shift[j], end->activation);
            if (end->residual) value += end->residual[r * c_row + j];
            c[r * c_row + j] = value;
            if (end->sums) {
                double d = (double)value - end->center[j];
                end->sums[j] += d;
                end->sums[columns + j] += d * d;
            }
        }
}

#include "scalar_compiled.h"

static void outer_product(const float *a, int64_t a_row, int32_t m, const float *b, int64_t b_row,
                          int32_t n, int32_t rows, float *c, int64_t c_row, ofa_ahead *ahead) {
    (void)ahead;
    for (int32_t i = 0; i < m; i++)
        for (int32_t j = 0; j < n; j++) {
            double sum = 0;
            for (int32_t r = 0; r < rows; r++) sum += (double)a[r * a_row + i] * b[r * b_row + j];
            c[i * c_row + j] += (float)sum;
        }
}

static int64_t sparse_scratch(int32_t rows, int32_t depth) {
    (void)rows, (void)depth;
    return 1;
}

static void sparse_product(const float *a, int64_t a_row, int32_t rows, int32_t depth,
                           const float *w, int32_t columns, const float *shift, int32_t activation,
                           float *c, int64_t c_row, float *scratch) {
    (void)scratch;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int32_t k = 0; k < depth; k++)
                sum += (double)a[r * a_row + k] * w[(int64_t)k * columns + j];
            c[r * c_row + j] = activate((float)sum + shift[j], activation);
        }
}

static void sum_listed(const float *w, int32_t columns, const int32_t *rows, int32_t count,
                       const float *shift, int32_t activation, float *c) {
    for (int32_t j = 0; j < columns; j++) {
        double sum = shift[j];
        for (int32_t i = 0; i < count; i++) sum += w[(int64_t)rows[i] * columns + j];
        c[j] = activate((float)sum, activation);
    }
}

static void max_plus_sums(const float *from, float value, int64_t n, float *to) {
    for (int64_t i = 0; i < n; i++)
        if (from[i] + value > to[i]) to[i] = from[i] + value;
}

static void write_out(const float *from, int64_t n, int64_t all, ofa_target to) {
    (void)all;
    for (int64_t i = 0; i < n; i++) put_at(to, i, from[i]);
}

static int32_t all_finite(const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (x[i] - x[i] != 0) return 0;
    return 1;
}

static double sum_squares(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum;
}

static void sgd(float *w, float *v, float *gradient, int64_t n, float rate, float momentum,
                float decay) {
    for (int64_t i = 0; i < n; i++) {
        float g = decay * w[i] + gradient[i];
        gradient[i] = 0;
        v[i] = momentum * v[i] + g;
        w[i] -= rate * (g + momentum * v[i]);
    }
}

static int64_t multiply_adds(int64_t rounds, float *result) {
    float value = 0.5f;
    for (int64_t round = 0; round < rounds; round++) value = value * 0.75f + 0.25f;
    *result = value;
    return 1;
}

static float sum_floats(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return (float)sum;
}

const ofa_kernels ofa_kernels_scalar = KERNEL_TABLE("scalar", 1);
