// The reference of the kernels on codes: one loop per dimension. Also the kernels of processors
// without an instruction set of their own here.
#include "elementwise.h"
#include "tables.h"

static uint8_t ended(int32_t sum, int32_t column, const ofa_code_end *end) {
    uint8_t code = code_of((float)(sum + end->bias[column]) * end->factor[column], end->zero);
    return end->table ? end->table[code] : code;
}

static int32_t dot(const uint8_t *a, int32_t depth, const int8_t *packed, int32_t column) {
    int32_t quads = (depth + 3) / 4, sum = 0;
    const int8_t *w = packed + (int64_t)(column / OFA_CODE_BLOCK) * quads * OFA_CODE_BLOCK * 4 +
                      column % OFA_CODE_BLOCK * 4;
    for (int32_t k = 0; k < depth; k++) sum += a[k] * w[k / 4 * OFA_CODE_BLOCK * 4 + k % 4];
    return sum;
}

static void product(const uint8_t *a, int64_t a_row, int32_t rows, int32_t depth,
                    const int8_t *packed, int32_t columns, const ofa_code_end *end,
                    const ofa_code_place *to) {
    for (int32_t r = 0; r < rows; r++)
        for (int32_t j = 0; j < columns; j++) {
            uint8_t *c = to->c + (to->places ? to->places[r] : r * to->row) +
                         j / OFA_CODE_BLOCK * to->block;
            c[j % OFA_CODE_BLOCK] = ended(dot(a + r * a_row, depth, packed, j), j, end);
        }
}

static void sums(const uint8_t *a, int32_t depth, const int8_t *packed, int32_t columns,
                 const int32_t *bias, int32_t *out) {
    for (int32_t j = 0; j < columns; j++) out[j] = dot(a, depth, packed, j) + bias[j];
}

static void depthwise(const ofa_code_window *w, const uint8_t *plane, const int8_t *packed,
                      int32_t channels, const ofa_code_end *end, uint8_t *y, int64_t y_row) {
    int32_t quads = (w->kernel + 3) / 4;
    for (int32_t oy = 0; oy < w->out_height; oy++)
        for (int32_t ox = 0; ox < w->out_width; ox++)
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = 0;
                for (int32_t ky = 0; ky < w->kernel; ky++)
                    for (int32_t kx = 0; kx < w->kernel; kx++)
                        sum += plane[(oy * w->stride + ky) * w->row +
                                     (ox * w->stride + kx) * OFA_CODE_BLOCK + c] *
                               packed[((ky * quads + kx / 4) * OFA_CODE_BLOCK + c) * 4 + kx % 4];
                y[((int64_t)oy * w->out_width + ox) * y_row + c] = ended(sum, c, end);
            }
}

static void map(const uint8_t *x, int64_t n, const uint8_t *table, uint8_t *y) {
    for (int64_t i = 0; i < n; i++) y[i] = table[x[i]];
}

const ofa_code_kernels ofa_code_scalar = CODE_TABLE("scalar");
