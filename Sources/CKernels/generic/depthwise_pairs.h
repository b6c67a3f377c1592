// Depthwise sums of stride 1 over pairs of columns: for each filter row and two outputs, 11 and 8
// products in place of 14 and 10 (kernels 7 and 5). It is the fast FIR algorithm with two phases
// (Mou and Duhamel, 1991). With E(p) and O(p) the even and the odd pixel of pair p of a map row,
// S(p) = E(p) + O(p), and the filter's taps e at even distances and o at odd ones:
//   P(m) = sum of e(j) E(m + j),  Q(m) = sum of o(j) O(m + j)
//   R(m) = sum of (e(j) + o(j - 1)) S(m + j)
//   output 2m = P(m) + Q(m),  output 2m + 1 = R(m) - P(m) - Q(m + 1)
// The sums differ from direct ones by rounding. From an infinite pixel, outputs of odd columns
// become NaN, also where direct sums give an infinity, and also one output beside those whose
// window contains the pixel.
//
// The planes are those of the direct sums. S is added again for each filter row, on processors
// with adders beside their multipliers at no cost.
//
// One thread on EPYC (Zen 4): the beginning of a block of 56 x 56 pixels, 24 to 144 channels, takes
// 1/1.12 of the time of direct sums with kernel 7 and 1/1.08 with kernel 5 (AVX-512), 1/1.19 and
// 1/1.12 with AVX2; of 14 x 14, 80 to 480 channels, kernel 7, 1/1.08. Kernel 3 gains 1/1.00 to
// 1/1.04, which does not pay for its code. results.md has the figures.
#pragma once
#include "depthwise_plan.h"
#include "vector.h"

#define UNROLL_PAIRS _Pragma("clang loop unroll(full)")

// The most pairs of a block. Three sums for each pair, the taps of a phase and a pixel fit the
// registers; with kernel 7, all but one of sixteen.
enum { PAIRS = LANES == 16 ? 7 : 4, MOST_TAPS = 4 };

/// Where the taps of a filter row are: the number of each phase's taps, and the pair, counted from
/// the output's, that the first one reads.
typedef struct {
    int32_t even, odd, sum;
    int32_t even_from, odd_from;  // `sum` begins where `even` does
} pair_taps;

INLINE pair_taps taps_of_pairs(int32_t kernel) {
    const int32_t pad = kernel / 2, half = pad / 2, side = (pad + 1) / 2;
    return (pair_taps){2 * half + 1, 2 * side, (kernel + 1) / 2, -half, -side};
}

/// Computes, from a filter's packed taps of one chunk, those of each phase: for each filter row
/// `even`, `odd` and `sum` vectors of `taps_of_pairs`.
static void pair_filter(const float *filter, int32_t kernel, float *to) {
    const pair_taps taps = taps_of_pairs(kernel);
    const int32_t odd = (kernel / 2) % 2;  // whether the first tap is at an odd distance
    for (int32_t y = 0; y < kernel; y++, filter += kernel * LANES) {
        for (int32_t i = 0; i < taps.even; i++, to += LANES)
            store(to, load(filter + (2 * i + odd) * LANES));
        for (int32_t i = 0; i < taps.odd; i++, to += LANES)
            store(to, load(filter + (2 * i + 1 - odd) * LANES));
        for (int32_t i = 0; i < taps.sum; i++, to += LANES) {
            const int32_t first = 2 * i + odd - 1;
            const V a = first < 0 ? splat(0) : load(filter + first * LANES);
            store(to, first + 1 < kernel ? a + load(filter + (first + 1) * LANES) : a);
        }
    }
}

/// Adds to each of `wide` sums the products of `count` taps with the values of one phase, from the
/// pixel `x` on; with `both`, with the sums of each pair.
INLINE void add_phase(const float *x, int both, const float *taps, int32_t count, int32_t wide,
                      V *sums) {
    V w[MOST_TAPS];
    UNROLL_PAIRS
    for (int32_t j = 0; j < count; j++) w[j] = load(taps + j * LANES);
    UNROLL_PAIRS
    for (int32_t i = 0; i < wide + count - 1; i++) {
        V value = load(x + i * 2 * LANES);
        if (both) value += load(x + (i * 2 + 1) * LANES);
        UNROLL_PAIRS
        for (int32_t j = 0; j < count; j++)
            if (i >= j && i - j < wide) sums[i - j] += value * w[j];
    }
}

/// A row of outputs of one chunk: what its blocks share.
typedef struct {
    const float *plane;    // pair 0 of the map, in the row that the first filter row reads
    const float *filter;   // the first filter row's taps, by `pair_filter`
    int64_t row;           // floats of a row of the plane
    int32_t rows;          // filter rows
    int32_t activation;
    V add;                 // the shift
    M live;
    int64_t channels;
} pair_row;

/// Computes and stores `wide` pairs of outputs from pair `first` on. `right` is Q of the pair after
/// the last, and becomes that of `first`. Returns the sum of the outputs.
INLINE V sum_pairs(const pair_row *b, int32_t kernel, int32_t first, int32_t wide, float *out,
                   V *right) {
    const pair_taps taps = taps_of_pairs(kernel);
    V p[PAIRS], q[PAIRS], r[PAIRS], total = splat(0);
    const float *even = b->plane + (first + taps.even_from) * 2 * LANES;
    const float *odd = b->plane + (first + taps.odd_from) * 2 * LANES + LANES;
    const float *w = b->filter;
    UNROLL_PAIRS
    for (int32_t i = 0; i < wide; i++) p[i] = q[i] = r[i] = splat(0);
    for (int32_t y = 0; y < b->rows; y++, even += b->row, odd += b->row) {
        add_phase(even, 0, w, taps.even, wide, p);
        add_phase(odd, 0, w + taps.even * LANES, taps.odd, wide, q);
        add_phase(even, 1, w + (taps.even + taps.odd) * LANES, taps.sum, wide, r);
        w += (taps.even + taps.odd + taps.sum) * LANES;
    }
    const V after = *right;
    *right = q[0];
    WITH_ACTIVATION(b->activation, {
        UNROLL_PAIRS
        for (int32_t i = 0; i < wide; i++) {
            const V next = i + 1 < wide ? q[i + 1] : after;
            const V left = activate(p[i] + q[i] + b->add, ACT);
            const V other = activate(r[i] - p[i] - next + b->add, ACT);
            store_part(out + 2 * i * b->channels, left, b->live);
            store_part(out + (2 * i + 1) * b->channels, other, b->live);
            total += left + other;
        }
    })
    return total;
}

/// Returns Q of the pair after the last.
INLINE V last_odd(const pair_row *b, int32_t kernel, int32_t pairs) {
    const pair_taps taps = taps_of_pairs(kernel);
    const float *x = b->plane + (pairs + taps.odd_from) * 2 * LANES + LANES;
    const float *w = b->filter + taps.even * LANES;
    V sums[2] = {splat(0), splat(0)};
    for (int32_t y = 0; y < b->rows; y++, x += b->row) {
        UNROLL_PAIRS
        for (int32_t j = 0; j < taps.odd; j++)
            sums[j % 2] += load(x + j * 2 * LANES) * load(w + j * LANES);
        w += (taps.even + taps.odd + taps.sum) * LANES;
    }
    return sums[0] + sums[1];
}

/// Computes a row of `pairs` pairs of outputs from right to left, because each block needs a sum of
/// the block to its right. Returns the sum of the outputs.
INLINE V sum_row_of_pairs(const pair_row *b, int32_t kernel, int32_t pairs, float *out) {
    V right = last_odd(b, kernel, pairs), total = splat(0);
    const int32_t blocks = (pairs + PAIRS - 1) / PAIRS;
    for (int32_t block = blocks - 1; block >= 0; block--) {
        const int32_t first = pairs * block / blocks,
                      wide = pairs * (block + 1) / blocks - first;
        float *to = out + 2 * first * b->channels;
#define PAIR_WIDTH(n) \
    case n: total += sum_pairs(b, kernel, first, n, to, &right); break;
        switch (wide) {
#if LANES == 16
            PAIR_WIDTH(4)
            PAIR_WIDTH(5)
            PAIR_WIDTH(6)
            PAIR_WIDTH(7)
#else
            PAIR_WIDTH(2)
            PAIR_WIDTH(3)
            PAIR_WIDTH(4)
#endif
        }
#undef PAIR_WIDTH
    }
    return total;
}

/// The rows `top` ..< `top` + `rows` of one chunk's outputs. `out` is the chunk's first output in
/// row `top`; `plane` begins with what its first filter row reads, `row` floats a row.
typedef struct {
    ofa_depthwise d;
    int32_t top, rows, activation;
    const float *plane;
    int64_t row;
    float *out;
    V shift;
    M live;
} pair_band;

/// Computes and stores the rows of a band from `filter`, a chunk of a packed filter. Returns the
/// sum of the outputs.
static V depthwise_pairs(const pair_band *b, const float *filter) {
    const int32_t k = b->d.kernel, pad = k / 2, pairs = b->d.width / 2;
    const pair_taps taps = taps_of_pairs(k);
    const int32_t filter_row = (taps.even + taps.odd + taps.sum) * LANES;
    float phases[77 * LANES] __attribute__((aligned(64)));
    V total = splat(0);
    pair_filter(filter, k, phases);
    for (int32_t r = 0; r < b->rows; r++) {
        // Filter rows outside the map are skipped.
        const int32_t y = b->top + r, from = y < pad ? pad - y : 0,
                      end = b->d.height + pad - y < k ? b->d.height + pad - y : k;
        const pair_row row = {
            b->plane + (r + from) * b->row + pad * LANES,
            phases + from * filter_row,
            b->row,
            end - from,
            b->activation,
            b->shift,
            b->live,
            b->d.channels};
        float *out = b->out + (int64_t)r * b->d.out_width * b->d.channels;
        switch (k) {
            case 5: total += sum_row_of_pairs(&row, 5, pairs, out); break;
            default: total += sum_row_of_pairs(&row, 7, pairs, out); break;
        }
    }
    return total;
}
