// Vectors of OFA_LANES floats of one instruction set, with partial loads and stores. vector4.c,
// avx2.c and avx512.c define OFA_LANES before they include this file; every function here is
// inlined.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define LANES OFA_LANES

typedef float V __attribute__((vector_size(4 * LANES)));
typedef float VU __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t I __attribute__((vector_size(4 * LANES)));
typedef double D __attribute__((vector_size(8 * LANES)));

// x - 0 is x for every x, also -0, so the compiler reduces `splat` to a broadcast.
INLINE V splat(float x) { return x - (V){0}; }
INLINE V pick(I condition, V yes, V no) { return (V)((condition & (I)yes) | (~condition & (I)no)); }
INLINE V load(const float *p) { return *(const VU *)p; }
INLINE void store(float *p, V v) { *(VU *)p = v; }

#if OFA_LANES == 16
typedef __mmask16 M;
#define ALL_LANES ((M)0xffff)
INLINE M lanes_mask(int32_t n) { return n >= 16 ? (M)0xffff : (M)((1u << n) - 1); }
INLINE V load_part(const float *p, M m) { return (V)_mm512_maskz_loadu_ps(m, p); }
INLINE void store_part(float *p, V v, M m) { _mm512_mask_storeu_ps(p, m, (__m512)v); }
#else
typedef int32_t M;  // how many lanes are live
#define ALL_LANES LANES
INLINE M lanes_mask(int32_t n) { return n >= LANES ? LANES : n; }
// `load_some` and `store_some` load and store the partial vector at the end of a row. Both are
// short, because they are inlined into every load or store of an unrolled tile.
#if OFA_LANES == 8
INLINE __m256i live_lanes(M m) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(m), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE V load_some(const float *p, M m) { return (V)_mm256_maskload_ps(p, live_lanes(m)); }
INLINE void store_some(float *p, V v, M m) { _mm256_maskstore_ps(p, live_lanes(m), (__m256)v); }
#else
INLINE V load_some(const float *p, M m) {
    return (V){p[0], m > 1 ? p[1] : 0, m > 2 ? p[2] : 0, 0};
}
INLINE void store_some(float *p, V v, M m) {
    p[0] = v[0];
    if (m > 1) p[1] = v[1];
    if (m > 2) p[2] = v[2];
}
#endif
INLINE V load_part(const float *p, M m) {
    return __builtin_expect(m == LANES, 1) ? load(p) : load_some(p, m);
}
INLINE void store_part(float *p, V v, M m) {
    if (__builtin_expect(m == LANES, 1))
        store(p, v);
    else
        store_some(p, v, m);
}
#endif

/// Adds the first n lanes of v, or all lanes if n is larger, to `sums`.
INLINE void add_to(double *sums, V v, int32_t n) {
    for (int32_t i = 0; i < (n < LANES ? n : LANES); i++) sums[i] += (double)v[i];
}

/// Returns how many 64-byte lines a tile should prefetch if the call computes `tiles` tiles.
/// Subtracts one from `ahead->calls`.
INLINE int32_t lines_a_tile(ofa_ahead *ahead, int64_t tiles) {
    if (!ahead || ahead->calls <= 0) return 0;
    int64_t floats = 0;
    for (int32_t i = 0; i < OFA_AHEAD; i++) floats += ahead->floats[i];
    return (int32_t)((floats / 16 / ahead->calls-- + tiles - 1) / tiles);
}

/// Consecutive lines of 64 bytes to prefetch.
typedef struct {
    const float *from;
    int32_t lines;
} fetch;

/// Returns the next lines of `ahead` to prefetch, at most `lines`, all of one array, and removes
/// these lines from `ahead`.
INLINE fetch take_ahead(ofa_ahead *ahead, int32_t lines) {
    for (int32_t i = 0; i < OFA_AHEAD && lines > 0; i++)
        if (ahead->floats[i] > 0) {
            const int64_t left = (ahead->floats[i] + 15) / 16;
            fetch some = {ahead->at[i], left < lines ? (int32_t)left : lines};
            ahead->at[i] += 16 * some.lines;
            ahead->floats[i] -= 16 * some.lines;
            return some;
        }
    return (fetch){0, 0};
}

/// Prefetches up to `lines` lines of `ahead`.
INLINE void fetch_ahead(ofa_ahead *ahead, int32_t lines) {
    for (fetch some; (some = take_ahead(ahead, lines)).lines > 0; lines -= some.lines)
        for (int32_t i = 0; i < some.lines; i++)
            __builtin_prefetch(some.from + (int64_t)i * 16, 0, 2);
}

/// Returns act(x). NaN stays NaN: every comparison with NaN is false, and then `pick` keeps the
/// value.
INLINE V activate(V x, int32_t activation) {
    const V zero = splat(0), six = splat(6);
    switch (activation) {
        case OFA_ACT_RELU: return pick(x < zero, zero, x);
        case OFA_ACT_RELU6: x = pick(x < zero, zero, x); return pick(x > six, six, x);
        case OFA_ACT_HSWISH: {
            V t = x + splat(3);
            t = pick(t < zero, zero, t);
            t = pick(t > six, six, t);
            return x * t * splat(1.0f / 6);
        }
        default: return x;
    }
}

/// Returns act'(x); at the kinks, the value that PyTorch's automatic differentiation gives (for
/// hSwish, of x * relu6(x + 3) / 6). NaN gives NaN, except for the identity, so that a bad value
/// shows in the gradient as well. The code relies on comparisons with NaN being false.
INLINE V slope(V x, int32_t activation) {
    const V zero = splat(0), one = splat(1);
    switch (activation) {
        case OFA_ACT_RELU: return pick(x > zero, one, pick(x <= zero, zero, x));
        case OFA_ACT_RELU6: {
            I inside = (x > zero) & (x < splat(6)), outside = (x <= zero) | (x >= splat(6));
            return pick(inside, one, pick(outside, zero, x));
        }
        case OFA_ACT_HSWISH: {
            V inner = x * splat(1.0f / 3) + splat(0.5f);
            inner = pick(x <= splat(-3), zero, inner);
            return pick(x >= splat(3), one, inner);
        }
        default: return one;
    }
}

/// Runs `body` with the activation as the constant `ACT`, so that inner loops do not branch on the
/// activation.
#define WITH_ACTIVATION(activation, body)    \
    switch (activation) {                    \
        case OFA_ACT_RELU: {                 \
            enum { ACT = OFA_ACT_RELU };     \
            body                             \
        } break;                             \
        case OFA_ACT_RELU6: {                \
            enum { ACT = OFA_ACT_RELU6 };    \
            body                             \
        } break;                             \
        case OFA_ACT_HSWISH: {               \
            enum { ACT = OFA_ACT_HSWISH };   \
            body                             \
        } break;                             \
        default: {                           \
            enum { ACT = OFA_ACT_IDENTITY }; \
            body                             \
        } break;                             \
    }
