// Decodes JPEG with libjpeg's defaults (accurate DCT, interpolated chroma). So the pixels equal
// those of other programs that use these defaults.
//
// If a file ends early, the library only warns and paints the missing pixels grey; here an early
// end is a fault. If a view needs only a part of the picture and `is_checked` is 0, the decoder
// skips most work for the rows above the part and for the columns beside the part, and does not
// read the rows below the part.
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "rows.h"

/// The limit of pixels times scans, which limits the work to some seconds. Programs usually write
/// about ten scans; ten scans of the largest allowed picture are below the limit.
static const int64_t most_work = (int64_t)1 << 31;

/// A JPEG being read.
typedef struct {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    const ofa_picture_limits *limits;
    ofa_picture_notes *notes;
    jmp_buf escape;
} reader;

/// Returns the fault for an error code of the library.
static int32_t fault_of(int code) {
    switch (code) {
        case JERR_BAD_PRECISION:
        case JERR_SOF_UNSUPPORTED:
        case JERR_ARITH_NOTIMPL:
        case JERR_CONVERSION_NOTIMPL:
        case JERR_FRACT_SAMPLE_NOTIMPL:
        case JERR_CCIR601_NOTIMPL: return OFA_PICTURE_UNSUPPORTED;
        case JERR_EMPTY_IMAGE: return OFA_PICTURE_EMPTY;
        case JERR_IMAGE_TOO_BIG:
        case JERR_WIDTH_OVERFLOW: return OFA_PICTURE_TOO_LARGE;
        case JERR_INPUT_EMPTY:
        case JERR_INPUT_EOF: return OFA_PICTURE_TRUNCATED;
        case JERR_NO_BACKING_STORE:
        case JERR_OUT_OF_MEMORY: return OFA_PICTURE_MEMORY;
        default: return OFA_PICTURE_DAMAGED;
    }
}

static void leave(reader *r, int32_t fault, const char *text) {
    ofa_note_fault(r->notes, fault, text);
    longjmp(r->escape, 1);
}

static void on_error(j_common_ptr jpeg) {
    char text[JMSG_LENGTH_MAX];
    const int code = jpeg->err->msg_code, value = jpeg->err->msg_parm.i[0];
    jpeg->err->format_message(jpeg, text);
    if (code == JERR_SOF_UNSUPPORTED && value == 0xc3) snprintf(text, sizeof text, "lossless");
    if (code == JERR_BAD_PRECISION) snprintf(text, sizeof text, "%d bits per sample", value);
    leave(jpeg->client_data, fault_of(code), text);
}

static void on_message(j_common_ptr jpeg, int level) {
    if (level >= 0) return;  // a trace message
    reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->num_warnings++;
    if (r->notes->warnings == 0 || jpeg->err->msg_code == JWRN_JPEG_EOF)
        jpeg->err->format_message(jpeg, text);
    if (jpeg->err->msg_code == JWRN_JPEG_EOF) leave(r, OFA_PICTURE_TRUNCATED, text);
    ofa_note_warning(r->notes, text);
}

static void print_nothing(j_common_ptr jpeg) { (void)jpeg; }

/// Refuses files with too many scans. The library calls this function for each row of blocks.
static void on_progress(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    const int64_t scans = r->jpeg.input_scan_number;
    const int64_t pixels = (int64_t)r->jpeg.image_width * r->jpeg.image_height;
    if (scans > r->limits->scans || scans * pixels > most_work)
        leave(r, OFA_PICTURE_SCANS, "too many scans");
}

static void prepare(reader *r, const ofa_picture_limits *limits, ofa_picture_notes *notes) {
    memset(r, 0, sizeof *r);
    r->limits = limits;
    r->notes = notes;
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = print_nothing;
    r->progress.progress_monitor = on_progress;
    r->jpeg.client_data = r;
}

/// Reads the header and checks it.
static void begin(reader *r, const uint8_t *bytes, int64_t count) {
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.progress = &r->progress;
    r->jpeg.mem->max_memory_to_use = (long)r->limits->memory;
    jpeg_mem_src(&r->jpeg, bytes, (unsigned long)count);
    jpeg_read_header(&r->jpeg, TRUE);
    const int components = r->jpeg.num_components;
    char text[64];
    if ((int64_t)r->jpeg.image_width * r->jpeg.image_height > r->limits->pixels) {
        snprintf(text, sizeof text, "%ux%u", r->jpeg.image_width, r->jpeg.image_height);
        leave(r, OFA_PICTURE_TOO_LARGE, text);
    }
    if (r->jpeg.data_precision != 8) {
        snprintf(text, sizeof text, "%d bits per sample", r->jpeg.data_precision);
        leave(r, OFA_PICTURE_UNSUPPORTED, text);
    }
    if (components != 1 && components != 3 && components != 4) {
        snprintf(text, sizeof text, "%d", components);
        leave(r, OFA_PICTURE_COMPONENTS, text);
    }
    // If the coefficients come in several scans, the library holds all of them in memory.
    if (!jpeg_has_multiple_scans(&r->jpeg)) return;
    int64_t coefficients = 0;
    for (int c = 0; c < components; c++) {
        const jpeg_component_info *part = &r->jpeg.comp_info[c];
        coefficients += (int64_t)part->width_in_blocks * part->height_in_blocks * DCTSIZE2;
    }
    if (coefficients * (int64_t)sizeof(JCOEF) > r->limits->memory)
        leave(r, OFA_PICTURE_MEMORY, "several scans");
}

int32_t ofa_jpeg_header(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                        ofa_picture_header *header, ofa_picture_notes *notes) {
    reader r;
    prepare(&r, limits, notes);
    if (setjmp(r.escape) == 0) {
        begin(&r, bytes, count);
        header->width = (int32_t)r.jpeg.image_width;
        header->height = (int32_t)r.jpeg.image_height;
        header->components = r.jpeg.num_components;
        header->is_whole = 0;
    }
    jpeg_destroy_decompress(&r.jpeg);
    return notes->fault;
}

/// Restricts decoding to the columns of the view's part and a margin. Returns the first decoded
/// column.
static int32_t narrow(reader *r, const ofa_picture_view *view) {
    // The margin on each side is one block, because interpolated chroma needs neighbouring pixels.
    const int32_t margin = 8 * r->jpeg.max_h_samp_factor;
    const int32_t width = (int32_t)r->jpeg.output_width;
    const int32_t from = view->x > margin ? view->x - margin : 0;
    const int32_t end = view->x + view->width;
    const int32_t to = width - end > margin ? end + margin : width;
    if (from < margin && width - to < margin) return 0;
    JDIMENSION first = (JDIMENSION)from, columns = (JDIMENSION)(to - from);
    jpeg_crop_scanline(&r->jpeg, &first, &columns);
    return (int32_t)first;
}

/// Returns an address in `view.row` that is no multiple of 16. If a row is aligned to 16 bytes,
/// libjpeg-turbo writes it past the cache (jdcolext: movntdq); in measurements, reading such a row
/// took as long as all resampling.
static uint8_t *unaligned(const ofa_picture_view *view) {
    return view->row + (16 - ((uintptr_t)view->row & 15)) + 4;
}

static void read_rows(reader *r, ofa_picture_view *view) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const int components = jpeg->num_components;
    jpeg->out_color_space = components == 1   ? JCS_GRAYSCALE
                            : components == 3 ? JCS_RGB
                                              : JCS_CMYK;
    jpeg_start_decompress(jpeg);
    int32_t first = 0, row = 0;
    if (!view->is_checked) {
        first = narrow(r, view);
        if (view->y > 0) jpeg_skip_scanlines(jpeg, (JDIMENSION)view->y);
        row = view->y;
    }
    JSAMPROW to = unaligned(view);
    const int32_t end = view->is_checked ? (int32_t)jpeg->output_height : view->y + view->height;
    for (; row < end; row++) {
        if (jpeg_read_scanlines(jpeg, &to, 1) != 1)
            leave(r, OFA_PICTURE_TRUNCATED, "a row is missing");
        if (row >= view->y && row < view->y + view->height)
            ofa_view_take(view, components, to + (int64_t)(view->x - first) * components);
    }
    if (view->is_checked) jpeg_finish_decompress(jpeg);
}

int32_t ofa_jpeg_view(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                      const ofa_picture_header *header, ofa_picture_view *view,
                      ofa_picture_notes *notes) {
    reader r;
    prepare(&r, limits, notes);
    if (setjmp(r.escape) == 0) {
        begin(&r, bytes, count);
        // The caller's buffers fit `header`. If the bytes have changed after `header` was read,
        // decoding must not overrun these buffers.
        if ((int32_t)r.jpeg.image_width != header->width ||
            (int32_t)r.jpeg.image_height != header->height ||
            r.jpeg.num_components != header->components)
            leave(&r, OFA_PICTURE_ROOM, "the header is another picture's");
        read_rows(&r, view);
    }
    jpeg_destroy_decompress(&r.jpeg);
    return notes->fault;
}
