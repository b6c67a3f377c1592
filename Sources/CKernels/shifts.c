// Copies pixels of a map into the consecutive rows that a product reads, and copies gradients back
// to the pixels of a map. A dense convolution is computed as a sum over its taps: each tap adds the
// product of the shifted map and the tap's weights.
#include <string.h>
#include "ckernels.h"

void ofa_shifted(const float *x, int32_t first, int32_t height, int32_t width, int32_t channels,
                 int32_t top, int32_t left, int32_t step, int32_t rows, int32_t columns,
                 float *out) {
    // Columns begin ..< end lie inside the map.
    int32_t begin = left < 0 ? (-left + step - 1) / step : 0;
    int32_t end = left >= width ? 0 : (width - left + step - 1) / step;
    if (begin > columns) begin = columns;
    if (end > columns) end = columns;
    if (end < begin) end = begin;
    const size_t pixel = sizeof(float) * (size_t)channels;
    for (int32_t r = 0; r < rows; r++, out += (int64_t)columns * channels) {
        const int32_t y = top + r * step;
        if (y < 0 || y >= height) {
            memset(out, 0, pixel * (size_t)columns);
            continue;
        }
        const float *from = x + ((int64_t)(y - first) * width + left) * channels;
        memset(out, 0, pixel * (size_t)begin);
        if (step == 1)
            memcpy(out + (int64_t)begin * channels, from + (int64_t)begin * channels,
                   pixel * (size_t)(end - begin));
        else
            for (int32_t i = begin; i < end; i++)
                memcpy(out + (int64_t)i * channels, from + (int64_t)i * step * channels, pixel);
        memset(out + (int64_t)end * channels, 0, pixel * (size_t)(columns - end));
    }
}

void ofa_unshifted(const float *from, int32_t width, int32_t channels, int32_t top, int32_t left,
                    int32_t step, int32_t rows, int32_t columns, float *map) {
    const size_t pixel = sizeof(float) * (size_t)channels;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t i = 0; i < columns; i++, from += channels)
            memcpy(map + ((int64_t)(top + r * step) * width + left + i * step) * channels, from,
                   pixel);
}
