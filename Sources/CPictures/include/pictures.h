// Reads the headers of JPEG and PNG pictures, decodes pixels, and resamples rows as they are
// decoded.
//
// The functions here allocate no memory: callers own every buffer. Only libjpeg and libpng allocate
// memory, in limited amounts. On errors, both libraries leave by longjmp; the functions here catch
// the jump and return a fault. Each call works on the calling thread; several threads may call at
// the same time.
#pragma once
#include <stdint.h>

/// The result of a call: success, or the reason why the picture was refused.
enum {
    OFA_PICTURE_FINE = 0,
    OFA_PICTURE_DAMAGED,      // the data contradict themselves or a checksum
    OFA_PICTURE_TRUNCATED,    // the data end early
    OFA_PICTURE_UNSUPPORTED,  // a variant of the format that is not supported
    OFA_PICTURE_EMPTY,        // no pixels: a width or a height of 0
    OFA_PICTURE_TOO_LARGE,    // more pixels than `limits.pixels`, or too long a side
    OFA_PICTURE_MEMORY,       // decoding needs more than `limits.memory` bytes
    OFA_PICTURE_SCANS,        // a JPEG with too many scans
    OFA_PICTURE_COMPONENTS,   // neither 1, 3 nor 4 colour components
    OFA_PICTURE_ROOM,         // the caller's buffer is too small, or was made for another header
};

/// The fault and the warnings of a picture. `text` and `warning` end with a zero byte.
typedef struct {
    int32_t fault;      // OFA_PICTURE_...
    int32_t warnings;   // the number of warnings; `warning` is the first one
    char text[256];     // the error, often in the library's words
    char warning[256];
} ofa_picture_notes;

/// Limits of a picture. `pixels` and `memory` are checked before memory is allocated.
typedef struct {
    int64_t pixels;  // the most pixels of a picture
    int64_t memory;  // the most bytes of memory, for pictures that are not decoded row by row
    int64_t scans;   // the most scans of a JPEG
} ofa_picture_limits;

/// What a picture's header says.
typedef struct {
    int32_t width, height;  // at least 1
    int32_t components;     // 1 grey, 3 RGB (also with a palette), 4 CMYK; alpha is not counted
    int32_t is_whole;       // whether the caller must provide `view.whole` (interlaced PNG)
} ofa_picture_header;

/// The resampling of one axis. Output x is the sum over t of weights[x * taps + t] * input[first[x]
/// + t]. If `taps` is 0, the axis is copied.
typedef struct {
    int32_t count;           // the number of output samples
    int32_t taps;            // the number of weights of each output sample
    const int32_t *first;    // (count): the first input sample, counted in the view's part
    const int32_t *weights;  // (count, taps), in units of 2^-22
} ofa_axis;

/// A view: which part of a picture is read, how the part is resampled and coloured, the memory for
/// the output, and working memory.
typedef struct {
    int32_t x, y, width, height;  // the part of the picture that is read, in pixels
    int32_t channels;             // channels of the output: 1 grey, 3 RGB
    int32_t is_mirrored;          // used if `across.taps` is 0; otherwise `across` mirrors
    int32_t is_checked;           // whether to read to the file's end, to find all damage
    ofa_axis across, down;
    float brightness, saturation;  // factors; 1 changes nothing
    int32_t saturation_first;
    const float *scale, *offset;  // (channels), for `floats`
    uint8_t *bytes;               // (down.count, across.count, channels), or null
    float *floats;                // the same shape: byte * scale + offset; or null
    uint8_t *whole;  // (picture's height, width, components) if the header's `is_whole`, else null
    uint8_t *row;    // (picture's width * 4 + 64): a decoded row
    uint8_t *part;   // (width * 3 + 64): the view's part of that row, converted to `channels`
    uint8_t *four;   // (4, width * 3 + 64): four rows of the view's part
    uint8_t *quad;   // (width * 16 + 64): the rows of `four`, interleaved by `ofa_weave`
    uint8_t *ring;   // (down.taps + 3, across.count, channels): ring buffer of resampled rows
    uint8_t *line;   // (across.count * channels + 64): working memory for one output row
    int32_t rows_in, rows_out;  // the numbers of rows taken and written so far; 0 at the start
} ofa_picture_view;

/// Reads the header of a JPEG of `count` bytes. Returns the fault, 0 if there is none.
int32_t ofa_jpeg_header(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                        ofa_picture_header *header, ofa_picture_notes *notes);
/// Reads the header of a PNG of `count` bytes. Returns the fault, 0 if there is none.
int32_t ofa_png_header(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                       ofa_picture_header *header, ofa_picture_notes *notes);
/// Decodes a JPEG and writes the output of `view`. `header` is what `ofa_jpeg_header` read from the
/// same bytes. Returns the fault, 0 if there is none.
int32_t ofa_jpeg_view(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                      const ofa_picture_header *header, ofa_picture_view *view,
                      ofa_picture_notes *notes);
/// Decodes a PNG and writes the output of `view`. `header` is what `ofa_png_header` read from the
/// same bytes. Returns the fault, 0 if there is none.
int32_t ofa_png_view(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                     const ofa_picture_header *header, ofa_picture_view *view,
                     ofa_picture_notes *notes);
/// Writes the output of `view`, made from decoded `pixels`. Their shape is (height, width,
/// components) as `header` says.
void ofa_pixels_view(const uint8_t *pixels, const ofa_picture_header *header,
                     ofa_picture_view *view);

/// These two functions return the text of the fault and of the first warning in `notes`.
const char *ofa_notes_text(const ofa_picture_notes *notes);
const char *ofa_notes_warning(const ofa_picture_notes *notes);

/// Encodes `pixels` of shape (height, width, channels), 1 or 3 channels, as a PNG into `out`, which
/// has `room` bytes. Sets `written` to the size of the PNG. Returns the fault, 0 if there is none.
int32_t ofa_png_write(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                      uint8_t *out, int64_t room, int64_t *written, ofa_picture_notes *notes);
/// Encodes `pixels`, as `ofa_png_write` does, as a baseline JPEG without chroma subsampling.
/// `quality` is 1 ... 100; width and height are at most 65,500. Returns the fault, 0 if there is
/// none.
int32_t ofa_jpeg_write(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                       int32_t quality, uint8_t *out, int64_t room, int64_t *written,
                       ofa_picture_notes *notes);

/// For an axis of n samples that is resampled to m outputs: finds the window of samples from which
/// each output is computed, for `count` outputs from output `from` on. `first` is the index of a
/// window's first sample, `length` the number of its samples, at least 1. If `mirrored`, the last
/// output comes first. Returns the greatest length. n is at most 2^30, m at most 2^40.
int32_t ofa_axis_windows(int64_t n, int64_t m, int64_t from, int32_t count, int32_t mirrored,
                         int32_t *first, int32_t *length);
/// Computes the weights of the windows that `ofa_axis_windows` found; `taps` is the greatest
/// length, which that function returned. Every window gets `taps` weights: samples outside the
/// found window have weight 0. A window that would then end after sample n - 1 is moved back by
/// changing `first`.
void ofa_axis_weights(int64_t n, int64_t m, int64_t from, int32_t count, int32_t mirrored,
                      int32_t taps, int32_t *first, const int32_t *length, int32_t *weights);
