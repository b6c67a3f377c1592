// Packing, copies and pooling of codes, which are the same for all instruction sets, and the choice
// of a table.
#include <string.h>
#include "tables.h"

const ofa_code_kernels *ofa_code_kernels_named(const char *name) {
    if (!strcmp(name, "scalar")) return &ofa_code_scalar;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(name, "avx2")) return avx2 ? &ofa_code_avx2 : 0;
    if (!strcmp(name, "avx512"))
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni")
                   ? &ofa_code_avx512
                   : 0;
#elif defined(__aarch64__)
    if (!strcmp(name, "vector4")) return &ofa_code_neon;
#endif
    return 0;
}

int64_t ofa_code_packed(int32_t depth, int32_t columns) {
    int64_t blocks = (columns + OFA_CODE_BLOCK - 1) / OFA_CODE_BLOCK, quads = (depth + 3) / 4;
    return blocks * quads * OFA_CODE_BLOCK * 4;
}

void ofa_code_pack(const int8_t *w, int32_t depth, int32_t columns, int8_t *packed,
                   int32_t *shift) {
    int32_t quads = (depth + 3) / 4;
    memset(packed, 0, (size_t)ofa_code_packed(depth, columns));
    for (int32_t j = 0; j < columns; j++) {
        int8_t *to = packed + (int64_t)(j / OFA_CODE_BLOCK) * quads * OFA_CODE_BLOCK * 4 +
                     j % OFA_CODE_BLOCK * 4;
        int32_t sum = 0;
        for (int32_t k = 0; k < depth; k++) {
            int8_t value = w[(int64_t)j * depth + k];
            to[k / 4 * OFA_CODE_BLOCK * 4 + k % 4] = value;
            sum += value;
        }
        if (shift) shift[j] = sum;
    }
}

int64_t ofa_code_packed_filter(int32_t kernel) {
    return (int64_t)kernel * ((kernel + 3) / 4) * OFA_CODE_BLOCK * 4;
}

void ofa_code_pack_filter(const int8_t *w, int32_t kernel, int32_t channels, int8_t *packed) {
    int32_t quads = (kernel + 3) / 4;
    memset(packed, 0, (size_t)ofa_code_packed_filter(kernel));
    for (int32_t c = 0; c < channels; c++)
        for (int32_t ky = 0; ky < kernel; ky++)
            for (int32_t kx = 0; kx < kernel; kx++)
                packed[((ky * quads + kx / 4) * OFA_CODE_BLOCK + c) * 4 + kx % 4] =
                    w[(c * kernel + ky) * kernel + kx];
}

void ofa_code_plane(const uint8_t *x, int32_t height, int32_t width, int32_t all, int32_t first,
                    int32_t channels, int32_t pad, uint8_t zero, int64_t row, uint8_t *plane) {
    memset(plane, zero, (size_t)(row * (height + 2 * pad)));
    for (int32_t y = 0; y < height; y++) {
        uint8_t *to = plane + (y + pad) * row + pad * OFA_CODE_BLOCK;
        const uint8_t *from = x + (int64_t)y * width * all + first;
        if (channels == OFA_CODE_BLOCK) {
            for (int32_t i = 0; i < width; i++)
                memcpy(to + i * OFA_CODE_BLOCK, from + (int64_t)i * all, OFA_CODE_BLOCK);
        } else {
            for (int32_t i = 0; i < width; i++)
                memcpy(to + i * OFA_CODE_BLOCK, from + (int64_t)i * all, (size_t)channels);
        }
    }
}

/// Copies one row of a patch: `count` bytes of kernel * channels, of which `before` and `after` lie
/// outside the image. May write, and read, 16 bytes if the row has fewer.
static inline void patch_row(const uint8_t *from, size_t before, size_t count, size_t after,
                             uint8_t zero, uint8_t *to) {
    if (before + after == 0) {
        if (count <= 16) memcpy(to, from, 16);
        else memcpy(to, from, count);
        return;
    }
    memset(to, zero, count);
    if (before + after < count) memcpy(to + before, from + before, count - before - after);
}

void ofa_code_patches(const uint8_t *x, int32_t height, int32_t width, int32_t channels,
                      int32_t kernel, int32_t stride, int32_t row, int32_t out_width,
                      uint8_t zero, int64_t patch, uint8_t *out) {
    const int32_t pad = kernel / 2;
    const size_t count = (size_t)kernel * (size_t)channels;
    // Patches follow each other, so what a row writes beyond its end is overwritten, or is beyond
    // the depth, where weights are 0.
    for (int32_t ox = 0; ox < out_width; ox++) {
        int32_t left = ox * stride - pad, right = left + kernel - width;
        size_t before = left < 0 ? (size_t)(-left < kernel ? -left : kernel) : 0;
        size_t after = right > 0 ? (size_t)(right < kernel ? right : kernel) : 0;
        for (int32_t ky = 0; ky < kernel; ky++) {
            int32_t iy = row * stride + ky - pad;
            uint8_t *to = out + ox * patch + ky * (int64_t)count;
            if (iy < 0 || iy >= height) memset(to, zero, count);
            else
                patch_row(x + ((int64_t)iy * width + left) * channels, before * (size_t)channels,
                          count, after * (size_t)channels, zero, to);
        }
    }
}

void ofa_code_max_pool(const uint8_t *x, int32_t size, int32_t channels, int32_t kernel,
                       int32_t stride, int32_t pad, int32_t out, uint8_t *y) {
    memset(y, 0, (size_t)out * (size_t)out * (size_t)channels);
    for (int32_t oy = 0; oy < out; oy++)
        for (int32_t ox = 0; ox < out; ox++, y += channels)
            for (int32_t ky = 0; ky < kernel; ky++)
                for (int32_t kx = 0; kx < kernel; kx++) {
                    int32_t iy = oy * stride + ky - pad, ix = ox * stride + kx - pad;
                    if (iy < 0 || iy >= size || ix < 0 || ix >= size) continue;
                    const uint8_t *from = x + ((int64_t)iy * size + ix) * channels;
                    for (int32_t c = 0; c < channels; c++)
                        if (from[c] > y[c]) y[c] = from[c];
                }
}

void ofa_code_border(int32_t size, int32_t pad, uint8_t zero, int64_t row, uint8_t *plane) {
    size_t side = (size_t)pad * OFA_CODE_BLOCK;
    memset(plane, zero, (size_t)(row * pad));
    memset(plane + row * (pad + size), zero, (size_t)(row * pad));
    for (int32_t y = 0; y < size; y++) {
        uint8_t *from = plane + (y + pad) * row;
        memset(from, zero, side);
        memset(from + side + (int64_t)size * OFA_CODE_BLOCK, zero, side);
    }
}

const ofa_code_kernels *ofa_code_kernels_scalar(void) { return &ofa_code_scalar; }
