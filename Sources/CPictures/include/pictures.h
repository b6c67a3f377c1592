// Pictures: their headers, their pixels, and the rows that are resampled while they are decoded.
//
// Nothing here takes memory: callers own every buffer; libjpeg and libpng take theirs, within
// `ofa_picture_limits`. The errors of both libraries leave them by longjmp, which ends inside the
// function that was called. A picture is read in one thread; any number of threads may read.
#pragma once
#include <stdint.h>

/// Why a picture was refused.
enum {
    OFA_PICTURE_FINE = 0,
    OFA_PICTURE_DAMAGED,      // the data contradict themselves or a checksum
    OFA_PICTURE_TRUNCATED,    // the data end early
    OFA_PICTURE_UNSUPPORTED,  // a variant of the format that is not read
    OFA_PICTURE_EMPTY,        // no pixels: a width or a height of 0
    OFA_PICTURE_TOO_LARGE,    // more pixels than `limits.pixels`
    OFA_PICTURE_MEMORY,       // the library would take more than `limits.memory` bytes
    OFA_PICTURE_SCANS,        // a JPEG with more scans than are read
    OFA_PICTURE_COMPONENTS,   // neither 1, 3 nor 4 colour components
    OFA_PICTURE_ROOM,         // the caller's buffer is too small
};

/// What was said about a picture. `text` and `warning` end with a zero byte.
typedef struct {
    int32_t fault;      // OFA_PICTURE_...
    int32_t warnings;   // how many; `warning` is the first
    char text[256];     // the error, in the library's words
    char warning[256];
} ofa_picture_notes;

/// Bounds that are checked before memory is taken.
typedef struct {
    int64_t pixels;  // the most pixels of a picture
    int64_t memory;  // the most bytes for a picture that cannot be decoded row by row
    int64_t scans;   // the most scans of a JPEG
} ofa_picture_limits;

/// What a picture's header says.
typedef struct {
    int32_t width, height;  // at least 1
    int32_t components;     // 1 grey, 3 colour, 4 CMYK; alpha and palette indices do not count
    int32_t is_whole;       // whether the caller provides memory for all pixels (interlaced PNG)
} ofa_picture_header;

/// The resampling of one axis: output x is the sum over t of weights[x * taps + t] *
/// input[first[x] + t]. `taps` of 0: the axis is copied.
typedef struct {
    int32_t count;           // output samples
    int32_t taps;            // weights of an output sample
    const int32_t *first;    // (count): the first input sample, counted within the part
    const int32_t *weights;  // (count, taps), in units of 2^-22
} ofa_axis;

/// A view: which part of a picture becomes which bytes or floats, and the memory for it.
typedef struct {
    int32_t x, y, width, height;  // the part that is read, in pixels of the picture
    int32_t channels;             // of the output: 1 grey, 3 colour
    int32_t is_mirrored;          // only where `across` is copied; its plan mirrors otherwise
    int32_t is_checked;           // read to the end, so that late damage is noticed
    ofa_axis across, down;
    float brightness, saturation;  // 1 changes nothing
    int32_t saturation_first;
    const float *scale, *offset;  // (channels), for `floats`
    uint8_t *bytes;               // (down.count, across.count, channels), or null
    float *floats;                // the same shape: byte * scale + offset; or null
    uint8_t *whole;  // (picture's height, width, components) if `is_whole`, else null
    uint8_t *row;    // (picture's width * 4 + 64): a decoded row
    uint8_t *part;   // (width * channels + 64): the part of it, in `channels`
    uint8_t *four;   // (4, width * 3 + 64): four rows of the part
    uint8_t *quad;   // (width * 16 + 64): the same, woven together
    uint8_t *ring;   // (down.taps + 3, across.count, channels): resampled rows
    uint8_t *line;   // (across.count * channels + 64): an output row, if `bytes` is null
    int32_t rows_in, rows_out;  // progress; 0 at the start
} ofa_picture_view;

/// The header of a JPEG of `count` bytes. Returns the fault.
int32_t ofa_jpeg_header(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                        ofa_picture_header *header, ofa_picture_notes *notes);
/// The header of a PNG of `count` bytes. Returns the fault.
int32_t ofa_png_header(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                       ofa_picture_header *header, ofa_picture_notes *notes);
/// Decodes a JPEG and writes its view. `header` is the one of these bytes. Returns the fault.
int32_t ofa_jpeg_view(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                      const ofa_picture_header *header, ofa_picture_view *view,
                      ofa_picture_notes *notes);
/// Decodes a PNG and writes its view. `header` is the one of these bytes. Returns the fault.
int32_t ofa_png_view(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                     const ofa_picture_header *header, ofa_picture_view *view,
                     ofa_picture_notes *notes);
/// Writes the view of `pixels`, which are (height, width, components) as `header` says.
void ofa_pixels_view(const uint8_t *pixels, const ofa_picture_header *header,
                     ofa_picture_view *view);

/// The text and the first warning of `notes`.
const char *ofa_notes_text(const ofa_picture_notes *notes);
const char *ofa_notes_warning(const ofa_picture_notes *notes);

/// Writes `pixels`, (height, width, channels of 1 or 3), as a PNG of at most `room` bytes into
/// `out`; `written` is their count. Returns the fault.
int32_t ofa_png_write(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                      uint8_t *out, int64_t room, int64_t *written, ofa_picture_notes *notes);
/// Writes `pixels` as a baseline JPEG without chroma subsampling; `quality` is 1 ... 100. Both
/// sides are at most 65,500. Returns the fault.
int32_t ofa_jpeg_write(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                       int32_t quality, uint8_t *out, int64_t room, int64_t *written,
                       ofa_picture_notes *notes);

/// The windows of outputs `from` ... `from + count - 1` of the m that n samples become: `first`
/// counts from the axis's start, `length` is at least 1. Mirrored: the last output comes first.
/// Returns the greatest length. n is at most 2^30, m at most 2^40.
int32_t ofa_axis_windows(int64_t n, int64_t m, int64_t from, int32_t count, int32_t mirrored,
                         int32_t *first, int32_t *length);
/// The weights of these windows, `taps` each, which is the greatest length and at most n. Moves
/// windows that would end behind the axis; the weights of samples that were none are 0.
void ofa_axis_weights(int64_t n, int64_t m, int64_t from, int32_t count, int32_t mirrored,
                      int32_t taps, int32_t *first, const int32_t *length, int32_t *weights);
