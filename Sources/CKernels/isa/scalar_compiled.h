// The reference of the kernels that compiled networks use. Included by scalar.c, which defines
// `activate`. A packed matrix is a single panel.
#pragma once

static int32_t panel_end(int32_t columns, int32_t first) {
    (void)first;
    return columns;
}

static void gemv(const float *x, int32_t depth, const float *packed, int32_t columns,
                 const float *shift, int32_t activation, float *y) {
    for (int32_t j = 0; j < columns; j++) {
        double sum = 0;
        for (int32_t k = 0; k < depth; k++) sum += (double)x[k] * packed[(int64_t)k * columns + j];
        y[j] = activate((float)sum + (shift ? shift[j] : 0), activation);
    }
}

static void convolve(const float *x, const ofa_filter_rows *from, int32_t pixels,
                     const float *packed, int32_t columns, float *c, const ofa_end *end) {
    for (int32_t p = 0; p < pixels; p++)
        for (int32_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int32_t s = 0; s < from->count; s++)
                for (int32_t k = 0; k < from->depth; k++)
                    sum += (double)x[p * from->step + s * from->distance + k] *
                           packed[(int64_t)(s * from->depth + k) * columns + j];
            float value = (float)sum;
            if (end->shift) value = activate(value + end->shift[j], end->activation);
            if (end->residual) value += end->residual[(int64_t)p * columns + j];
            c[(int64_t)p * columns + j] = value;
        }
}

static int64_t packed_filter_floats(int32_t taps, int32_t channels) {
    return (int64_t)taps * channels;
}

static void pack_filter(const float *filter, const float *factor, int32_t taps, int32_t channels,
                        float *packed) {
    for (int32_t t = 0; t < taps; t++)
        for (int32_t c = 0; c < channels; c++)
            packed[(int64_t)t * channels + c] =
                filter[(int64_t)t * channels + c] * (factor ? factor[c] : 1);
}

/// Sets `map` (height, width) to channel `c` of the depthwise convolution's input.
static void expanded_channel(const ofa_expansion *block, const float *x, int32_t c, float *map) {
    const int32_t channels = block->d.channels;
    for (int32_t p = 0; p < block->d.height * block->d.width; p++) {
        if (!block->inputs) {
            map[p] = x[(int64_t)p * channels + c];
            continue;
        }
        double sum = 0;
        for (int32_t k = 0; k < block->inputs; k++)
            sum += (double)x[(int64_t)p * block->inputs + k] *
                   block->expand[(int64_t)k * channels + c];
        map[p] = activate((float)sum + block->expand_shift[c], block->activation);
    }
}

static void expand_depthwise(const ofa_expansion *block, const float *x, int32_t top,
                             int32_t bottom, int32_t first, int32_t end, float *y, float *mean,
                             float *scratch) {
    const ofa_depthwise d = block->d;
    const int32_t pad = d.kernel / 2, channels = d.channels;
    for (int32_t c = first; c < end; c++) {
        double whole = 0;
        expanded_channel(block, x, c, scratch);
        for (int32_t oy = top; oy < bottom; oy++)
            for (int32_t ox = 0; ox < d.out_width; ox++) {
                double sum = 0;
                for (int32_t t = 0; t < d.kernel * d.kernel; t++) {
                    int32_t iy = oy * d.stride + t / d.kernel - pad,
                            ix = ox * d.stride + t % d.kernel - pad;
                    if (iy < 0 || iy >= d.height || ix < 0 || ix >= d.width) continue;
                    sum += (double)scratch[iy * d.width + ix] *
                           block->filter[(int64_t)t * channels + c];
                }
                float value = activate((float)sum + block->shift[c], block->activation);
                y[((int64_t)oy * d.out_width + ox) * channels + c] = value;
                whole += value;
            }
        if (mean) mean[c] = (float)(whole / ((double)d.out_height * d.out_width));
    }
}
