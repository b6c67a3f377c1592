// The bit shuffle and its inverse, one source for all instruction sets.
//
// A 32 x 32 matrix of bits is transposed by halves, in five steps of masks and shifts (Warren,
// Hacker's Delight, 7-3). Eight matrices at a time occupy the lanes of vectors of eight words,
// which the compiler maps to the registers of each instruction set; 8 x 8 transpositions of words
// bring the elements of a matrix into one lane.
//
// Shuffling and reversing in GB/s, one thread of an AMD EPYC (Zen 5), chunks of 1 MiB:
//   four matrices in SIMD4<UInt32>, in Swift   3.2   2.7
//   this, SSE2                                 4.7   4.6
//   this, AVX2                                12.0   9.6
//   this, AVX-512                             14.0  13.4
#include <string.h>

#include "blobs.h"

#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

enum { BLOCK = 2048, LANES = 8 };

/// The same row of eight matrices; each lane belongs to one matrix.
typedef uint32_t row __attribute__((vector_size(4 * LANES), aligned(4)));

/// Divides the matrices into squares of 2 · size rows and columns, and exchanges the upper right
/// and the lower left quarter of each square.
INLINE void exchange(row *r, int size, uint32_t low_half) {
    for (int i = 0; i < 32; i = (i + size + 1) & ~size) {
        row upper = r[i], lower = r[i + size];
        row difference = ((upper >> size) ^ lower) & low_half;
        r[i + size] = lower ^ difference;
        r[i] = upper ^ (difference << size);
    }
}

/// Transposes eight 32 x 32 bit matrices; bit 0 is the first column.
INLINE void transpose_bits(row *r) {
    exchange(r, 16, 0x0000ffff);
    exchange(r, 8, 0x00ff00ff);
    exchange(r, 4, 0x0f0f0f0f);
    exchange(r, 2, 0x33333333);
    exchange(r, 1, 0x55555555);
}

/// Transposes an 8 x 8 matrix of words.
INLINE void transpose_words(row *r) {
    row s[8], t[8];
    for (int i = 0; i < 8; i += 2) {
        s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int j = i; j < i + 2; j++) {
            t[j] = __builtin_shufflevector(s[j], s[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            t[j + 2] = __builtin_shufflevector(s[j], s[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    for (int j = 0; j < 4; j++) {
        r[j] = __builtin_shufflevector(t[j], t[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[j + 4] = __builtin_shufflevector(t[j], t[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/// Reads eight matrices of 32 elements each.
INLINE void read_elements(row *r, const uint8_t *in) {
    for (int e = 0; e < 32; e += LANES) {
        row words[LANES];
        for (int j = 0; j < LANES; j++) memcpy(&words[j], in + (j * 32 + e) * 4, 4 * LANES);
        transpose_words(words);
        for (int j = 0; j < LANES; j++) r[e + j] = words[j];
    }
}

/// Writes eight matrices of 32 elements each.
INLINE void write_elements(row *r, uint8_t *out) {
    for (int e = 0; e < 32; e += LANES) {
        transpose_words(r + e);
        for (int j = 0; j < LANES; j++) memcpy(out + (j * 32 + e) * 4, &r[e + j], 4 * LANES);
    }
}

/// Transposes the matrix whose row i is the word at in + i * in_stride, into words at out + i *
/// out_stride; strides are in bytes.
INLINE void transpose_one(const uint8_t *in, int64_t in_stride, uint8_t *out, int64_t out_stride) {
    row r[32];
    for (int i = 0; i < 32; i++) {
        uint32_t word;
        memcpy(&word, in + i * in_stride, 4);
        r[i] = (row){word};
    }
    transpose_bits(r);
    for (int i = 0; i < 32; i++) {
        uint32_t word = r[i][0];
        memcpy(out + i * out_stride, &word, 4);
    }
}

/// The number of matrices of the block that begins at byte `start`.
INLINE int64_t matrices_at(int64_t start, int64_t bytes) {
    int64_t left = (bytes - start) / 4;
    return (left < BLOCK ? left : BLOCK) / 32;
}

CLONES void ofa_bit_shuffle(const uint8_t *in, int64_t bytes, uint8_t *out) {
    for (int64_t start = 0; start < bytes; start += 4 * BLOCK) {
        const uint8_t *elements = in + start;
        uint8_t *planes = out + start;
        int64_t count = matrices_at(start, bytes), m = 0;
        for (; m + LANES <= count; m += LANES) {
            row r[32];
            read_elements(r, elements + m * 128);
            transpose_bits(r);
            for (int p = 0; p < 32; p++) memcpy(planes + (p * count + m) * 4, &r[p], 4 * LANES);
        }
        for (; m < count; m++) transpose_one(elements + m * 128, 4, planes + m * 4, count * 4);
        if (count < BLOCK / 32) {
            memcpy(planes + count * 128, elements + count * 128, bytes - start - count * 128);
        }
    }
}

CLONES void ofa_bit_unshuffle(const uint8_t *in, int64_t bytes, uint8_t *out) {
    for (int64_t start = 0; start < bytes; start += 4 * BLOCK) {
        const uint8_t *planes = in + start;
        uint8_t *elements = out + start;
        int64_t count = matrices_at(start, bytes), m = 0;
        for (; m + LANES <= count; m += LANES) {
            row r[32];
            for (int p = 0; p < 32; p++) memcpy(&r[p], planes + (p * count + m) * 4, 4 * LANES);
            transpose_bits(r);
            write_elements(r, elements + m * 128);
        }
        for (; m < count; m++) transpose_one(planes + m * 4, count * 4, elements + m * 128, 4);
        if (count < BLOCK / 32) {
            memcpy(elements + count * 128, planes + count * 128, bytes - start - count * 128);
        }
    }
}
