// The oracle: every kernel in its plainest form, one loop a dimension, sums in double (but for the filter
// gradient, which adds in place). The vector versions are tested against these; `OFA_ISA=scalar` runs the whole engine on them.
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

static float slope(float x, int32_t activation) {
    switch (activation) {
        case OFA_ACT_RELU: return x > 0 ? 1 : 0;
        case OFA_ACT_RELU6: return x > 0 && x < 6 ? 1 : 0;
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

static void moments(const float *y, int64_t rows, int32_t channels, const float *center, double *sums) {
    for (int64_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < channels; c++) {
            double v = (double)y[r * channels + c] - center[c];
            sums[c] += v;
            sums[channels + c] += v * v;
        }
}

static void affine(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                   const float *gate, const float *residual, float *out) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p++)
            for (int32_t c = 0; c < channels; c++) {
                int64_t i = ((int64_t)n * pixels + p) * channels + c;
                float v = mapped(y[i], map, c);
                if (gate) v *= gate[(int64_t)n * channels + c];
                out[i] = residual ? v + residual[i] : v;
            }
}

static void mean(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map, float *out) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t c = 0; c < channels; c++) {
            double sum = 0;
            for (int32_t p = 0; p < pixels; p++)
                sum += mapped(y[((int64_t)n * pixels + p) * channels + c], map, c);
            out[(int64_t)n * channels + c] = (float)(sum / pixels);
        }
}

static void gradient(const float *d, const float *y, int32_t images, int32_t pixels, int32_t channels,
                     ofa_affine map, const float *gate, const float *spread, const float *center, float *g,
                     double *sums) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t p = 0; p < pixels; p++)
            for (int32_t c = 0; c < channels; c++) {
                int64_t i = ((int64_t)n * pixels + p) * channels + c, j = (int64_t)n * channels + c;
                float v = (d ? d[i] * (gate ? gate[j] : 1) : 0) + (spread ? spread[j] : 0);
                v *= mapped_slope(y[i], map, c);
                g[i] = v;
                if (sums) {
                    sums[c] += v;
                    sums[channels + c] += (double)v * ((double)y[i] - center[c]);
                }
            }
}

static void gate_gradient(const float *d, const float *y, int32_t images, int32_t pixels, int32_t channels,
                          ofa_affine map, float *dgate) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t c = 0; c < channels; c++) {
            double sum = 0;
            for (int32_t p = 0; p < pixels; p++) {
                int64_t i = ((int64_t)n * pixels + p) * channels + c;
                sum += (double)d[i] * mapped(y[i], map, c);
            }
            dgate[(int64_t)n * channels + c] = (float)sum;
        }
}

static void norm_gradient(const float *g, const float *y, int64_t rows, int32_t channels, ofa_norm_gradient map,
                          float *out) {
    for (int64_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < channels; c++) {
            int64_t i = r * channels + c;
            out[i] = map.a[c] * g[i] + map.b[c] * y[i] + map.c[c];
        }
}

static void depthwise(ofa_depthwise d, const float *x, ofa_affine map, const float *filter, float *y,
                      const float *center, double *sums, float *scratch) {
    (void)scratch;
    int32_t pad = d.kernel / 2, channels = d.channels;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t oy = 0; oy < d.out_height; oy++)
            for (int32_t ox = 0; ox < d.out_width; ox++)
                for (int32_t c = 0; c < channels; c++) {
                    double sum = 0;
                    for (int32_t ky = 0; ky < d.kernel; ky++)
                        for (int32_t kx = 0; kx < d.kernel; kx++) {
                            int32_t iy = oy * d.stride + ky - pad, ix = ox * d.stride + kx - pad;
                            if (iy < 0 || iy >= d.height || ix < 0 || ix >= d.width) continue;
                            float v = x[(((int64_t)n * d.height + iy) * d.width + ix) * channels + c];
                            sum += (double)mapped(v, map, c) * filter[(ky * d.kernel + kx) * channels + c];
                        }
                    float v = (float)sum;
                    y[(((int64_t)n * d.out_height + oy) * d.out_width + ox) * channels + c] = v;
                    if (sums) {
                        double t = (double)v - center[c];
                        sums[c] += t;
                        sums[channels + c] += t * t;
                    }
                }
}

static void depthwise_gradient(ofa_depthwise d, const float *g, const float *y, ofa_norm_gradient norm,
                               const float *x, ofa_affine map, const float *filter, float *dx,
                               const float *center, double *sums, float *dfilter, float *scratch) {
    (void)scratch;
    int32_t pad = d.kernel / 2, channels = d.channels;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t iy = 0; iy < d.height; iy++)
            for (int32_t ix = 0; ix < d.width; ix++)
                for (int32_t c = 0; c < channels; c++) {
                    int64_t i = (((int64_t)n * d.height + iy) * d.width + ix) * channels + c;
                    double sum = 0;
                    float v = mapped(x[i], map, c);
                    for (int32_t ky = 0; ky < d.kernel; ky++)
                        for (int32_t kx = 0; kx < d.kernel; kx++) {
                            int32_t ty = iy + pad - ky, tx = ix + pad - kx;
                            if (ty < 0 || tx < 0 || ty % d.stride || tx % d.stride) continue;
                            int32_t oy = ty / d.stride, ox = tx / d.stride;
                            if (oy >= d.out_height || ox >= d.out_width) continue;
                            int64_t o = (((int64_t)n * d.out_height + oy) * d.out_width + ox) * channels + c;
                            float dy = norm.a[c] * g[o] + norm.b[c] * y[o] + norm.c[c];
                            int64_t t = (int64_t)(ky * d.kernel + kx) * channels + c;
                            sum += (double)dy * filter[t];
                            dfilter[t] += dy * v;
                        }
                    float r = (float)sum * mapped_slope(x[i], map, c);
                    dx[i] = r;
                    if (sums) {
                        sums[c] += r;
                        sums[channels + c] += (double)r * ((double)x[i] - center[c]);
                    }
                }
}

static void sgd(float *w, float *v, float *const *gradients, int32_t parts, int64_t n, float rate,
                float momentum, float decay) {
    for (int64_t i = 0; i < n; i++) {
        float g = decay * w[i];
        for (int32_t p = 0; p < parts; p++) {
            g += gradients[p][i];
            gradients[p][i] = 0;
        }
        v[i] = momentum * v[i] + g;
        w[i] -= rate * (g + momentum * v[i]);
    }
}

const ofa_kernels ofa_kernels_scalar = {
    "scalar", 1, moments, affine, mean, gradient, gate_gradient, norm_gradient, depthwise,
    depthwise_gradient, sgd,
};
