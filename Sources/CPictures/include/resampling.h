// The inner loops that process decoded rows. They use integer arithmetic, or floating point without
// fused multiply-add, so every processor gives the same bits.
#pragma once
#include "pictures.h"

/// Resamples one row. `row` is (pixels, channels), and one more byte after its end must be
/// readable. `out` is (axis.count, channels).
void ofa_resample_across(const uint8_t *row, int32_t channels, const ofa_axis *axis, uint8_t *out);
/// Interleaves four rows of three channels, which start `stride` bytes apart, into `quad` of shape
/// (pixels, 4 rows, 4 bytes). May read up to 16 bytes after the end of a row, and write up to three
/// pixels after the end of `quad`.
void ofa_weave(const uint8_t *rows, int64_t stride, int32_t pixels, uint8_t *quad);
/// Resamples the four rows that `ofa_weave` interleaved in `quad`. Each of the four rows in `out`
/// is (axis.count, 3).
void ofa_resample_quad(const uint8_t *quad, const ofa_axis *axis, uint8_t *const out[4]);
/// Writes an output row of `count` bytes: the weighted sum of `taps` consecutive rows of `ring`,
/// from row `slot` on. `ring` has `rows` rows of `count` bytes; after its last row comes row 0.
void ofa_resample_down(const uint8_t *ring, int32_t rows, int32_t slot, const int32_t *weights,
                       int32_t taps, int32_t count, uint8_t *out);
/// Changes brightness and saturation of a row of `pixels` pixels in place. After each of the two
/// changes, values are clipped to 0...255 and truncated to whole numbers.
void ofa_colour_bytes(uint8_t *row, int32_t pixels, int32_t channels, float brightness,
                      float saturation, int32_t saturation_first);
/// For each byte of a row, of channel c: out = byte * scale[c] + offset[c].
void ofa_normalise(const uint8_t *row, int32_t pixels, int32_t channels, const float *scale,
                   const float *offset, float *out);
/// Adds bytes to `sums` and their squares to `squares`, which have one element per channel. `bytes`
/// are whole pixels, `count` bytes in all; `channels` is 1 ... 4.
void ofa_byte_sums(const uint8_t *bytes, int64_t count, int32_t channels, int64_t *sums,
                   int64_t *squares);
/// Converts RGB pixels to grey: (19595 R + 38470 G + 7471 B + 32768) >> 16. `out` may be `rgb`.
void ofa_grey(const uint8_t *rgb, int32_t pixels, uint8_t *out);
/// Converts CMYK pixels, as libjpeg gives them, to RGB. `out` must not overlap `cmyk`.
void ofa_cmyk_to_rgb(const uint8_t *cmyk, int32_t pixels, uint8_t *out);
/// Resamples `pixels` of shape (height, width, channels) to (down.count, across.count, channels)
/// with naive loops, for tests of the fast functions. `between` is working memory of shape (height,
/// across.count, channels).
void ofa_resample_naive(const uint8_t *pixels, int32_t height, int32_t width, int32_t channels,
                        const ofa_axis *across, const ofa_axis *down, uint8_t *between,
                        uint8_t *out);
