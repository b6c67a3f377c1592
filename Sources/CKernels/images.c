// Pixels: crops of stored images as normalised floats, and the patches of a dense convolution.
#include <math.h>
#include <string.h>
#include "ckernels.h"

void ofa_patches(const float *x, int32_t height, int32_t width, int32_t channels, int32_t kernel, int32_t stride,
                 int32_t row, int32_t rows, int32_t out_width, float *out) {
    int32_t pad = kernel / 2;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t ox = 0; ox < out_width; ox++)
            for (int32_t c = 0; c < channels; c++)
                for (int32_t ky = 0; ky < kernel; ky++)
                    for (int32_t kx = 0; kx < kernel; kx++) {
                        int32_t iy = (row + r) * stride + ky - pad, ix = ox * stride + kx - pad;
                        int inside = iy >= 0 && iy < height && ix >= 0 && ix < width;
                        *out++ = inside ? x[((int64_t)iy * width + ix) * channels + c] : 0;
                    }
}

static float pixel(const uint8_t *image, int32_t height, int32_t width, int32_t channels, int32_t y, int32_t x,
                   int32_t c, float scale, float offset) {
    if (y < 0 || y >= height || x < 0 || x >= width) return offset;
    return image[((int64_t)y * width + x) * channels + c] * scale + offset;
}

void ofa_crops(const uint8_t *images, int32_t height, int32_t width, int32_t channels, const ofa_crop *crops,
               int32_t count, int32_t size, const float *scale, const float *offset, float *out) {
    for (int32_t i = 0; i < count; i++) {
        const ofa_crop crop = crops[i];
        const uint8_t *image = images + (int64_t)crop.index * height * width * channels;
        for (int32_t oy = 0; oy < size; oy++) {
            float sy = crop.top + crop.step_y * oy, fy = floorf(sy), wy = sy - fy;
            for (int32_t ox = 0; ox < size; ox++) {
                float sx = crop.left + crop.step_x * ox, fx = floorf(sx), wx = sx - fx;
                int32_t y = (int32_t)fy, x = (int32_t)fx;
                for (int32_t c = 0; c < channels; c++) {
                    float p = pixel(image, height, width, channels, y, x, c, scale[c], offset[c]);
                    if (wx > 0 || wy > 0) {
                        float q = pixel(image, height, width, channels, y, x + 1, c, scale[c], offset[c]);
                        float u = pixel(image, height, width, channels, y + 1, x, c, scale[c], offset[c]);
                        float v =
                            pixel(image, height, width, channels, y + 1, x + 1, c, scale[c], offset[c]);
                        p = (p * (1 - wx) + q * wx) * (1 - wy) + (u * (1 - wx) + v * wx) * wy;
                    }
                    *out++ = p;
                }
            }
        }
    }
}
