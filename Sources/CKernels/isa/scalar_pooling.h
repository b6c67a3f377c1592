// The reference versions of poolings and of activated sums of two maps; scalar.c includes this
// file.

static void max_pool(ofa_depthwise d, const float *x, ofa_affine map, float *out) {
    const int32_t pad = d.kernel / 2, channels = d.channels;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t oy = 0; oy < d.out_height; oy++)
            for (int32_t ox = 0; ox < d.out_width; ox++)
                for (int32_t c = 0; c < channels; c++) {
                    float most = -__builtin_inff();
                    for (int32_t ky = 0; ky < d.kernel; ky++)
                        for (int32_t kx = 0; kx < d.kernel; kx++) {
                            int32_t iy = oy * d.stride + ky - pad, ix = ox * d.stride + kx - pad;
                            if (iy < 0 || iy >= d.height || ix < 0 || ix >= d.width) continue;
                            int64_t i =
                                (((int64_t)n * d.height + iy) * d.width + ix) * channels + c;
                            float v = mapped(x[i], map, c);
                            if (v > most || v != v) most = v;
                        }
                    out[(((int64_t)n * d.out_height + oy) * d.out_width + ox) * channels + c] =
                        most;
                }
}

static void max_pool_gradient(ofa_depthwise d, const float *x, ofa_affine map, const float *dout,
                              float *dx) {
    const int32_t pad = d.kernel / 2, channels = d.channels;
    const int64_t all = (int64_t)d.images * d.height * d.width * channels;
    for (int64_t i = 0; i < all; i++) dx[i] = 0;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t oy = 0; oy < d.out_height; oy++)
            for (int32_t ox = 0; ox < d.out_width; ox++)
                for (int32_t c = 0; c < channels; c++) {
                    float most = -__builtin_inff();
                    int64_t best = -1;
                    for (int32_t ky = 0; ky < d.kernel; ky++)
                        for (int32_t kx = 0; kx < d.kernel; kx++) {
                            int32_t iy = oy * d.stride + ky - pad, ix = ox * d.stride + kx - pad;
                            if (iy < 0 || iy >= d.height || ix < 0 || ix >= d.width) continue;
                            int64_t i =
                                (((int64_t)n * d.height + iy) * d.width + ix) * channels + c;
                            float v = mapped(x[i], map, c);
                            if (best < 0 || v > most || v != v) {
                                most = v;
                                best = i;
                            }
                        }
                    dx[best] +=
                        dout[(((int64_t)n * d.out_height + oy) * d.out_width + ox) * channels + c];
                }
}

static void mean_pool(const float *x, int32_t images, int32_t height, int32_t width,
                      int32_t channels, int32_t size, ofa_affine map, float *out) {
    const int32_t high = (height + size - 1) / size, wide = (width + size - 1) / size;
    for (int32_t n = 0; n < images; n++)
        for (int32_t oy = 0; oy < high; oy++)
            for (int32_t ox = 0; ox < wide; ox++)
                for (int32_t c = 0; c < channels; c++) {
                    double sum = 0;
                    int32_t count = 0;
                    for (int32_t iy = oy * size; iy < (oy + 1) * size && iy < height; iy++)
                        for (int32_t ix = ox * size; ix < (ox + 1) * size && ix < width; ix++) {
                            int64_t i = (((int64_t)n * height + iy) * width + ix) * channels + c;
                            sum += mapped(x[i], map, c);
                            count++;
                        }
                    out[(((int64_t)n * high + oy) * wide + ox) * channels + c] =
                        (float)(sum / count);
                }
}

static void mean_pool_gradient(const float *dout, int32_t images, int32_t height, int32_t width,
                               int32_t channels, int32_t size, int32_t accumulate, float *dx) {
    const int32_t high = (height + size - 1) / size, wide = (width + size - 1) / size;
    for (int32_t n = 0; n < images; n++)
        for (int32_t iy = 0; iy < height; iy++)
            for (int32_t ix = 0; ix < width; ix++)
                for (int32_t c = 0; c < channels; c++) {
                    int32_t oy = iy / size, ox = ix / size;
                    int32_t rows = height - oy * size < size ? height - oy * size : size;
                    int32_t columns = width - ox * size < size ? width - ox * size : size;
                    int64_t i = (((int64_t)n * height + iy) * width + ix) * channels + c;
                    float g = dout[(((int64_t)n * high + oy) * wide + ox) * channels + c] /
                              (float)(rows * columns);
                    dx[i] = accumulate ? dx[i] + g : g;
                }
}

static void sum_activated(const float *a, ofa_affine a_map, const float *b, ofa_affine b_map,
                          int64_t rows, int32_t channels, int32_t activation, float *out) {
    for (int64_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < channels; c++) {
            int64_t i = r * channels + c;
            out[i] = activate(mapped(a[i], a_map, c) + mapped(b[i], b_map, c), activation);
        }
}

static void sum_activated_gradient(const float *d, const float *out, int32_t activation,
                                   const ofa_sum_sides *sides, int64_t rows, int32_t channels,
                                   float *g) {
    for (int64_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < channels; c++) {
            int64_t i = r * channels + c;
            float v = d[i] * slope(out[i], activation);
            g[i] = v;
            for (int32_t k = 0; k < 2; k++)
                if (sides->raw[k]) {
                    sides->sums[k][c] += v;
                    const double apart = (double)sides->raw[k][i] - sides->center[k][c];
                    sides->sums[k][channels + c] += (double)v * apart;
                }
        }
}
