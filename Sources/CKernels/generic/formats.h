// Reads and writes feature maps in either format of `ofa_map`. A bfloat16 is the upper half of a
// float, so widening is a shift; rounding adds half of the last kept digit, and ties go to even.
#pragma once
#include "ckernels.h"
#include "vector.h"

typedef uint16_t S __attribute__((vector_size(2 * LANES)));
typedef uint16_t SU __attribute__((vector_size(2 * LANES), aligned(2)));
typedef uint32_t U __attribute__((vector_size(4 * LANES)));
// Two vectors of floats, and their 16-bit values, which fill one vector.
typedef uint32_t U2 __attribute__((vector_size(8 * LANES)));
typedef uint32_t U2U __attribute__((vector_size(8 * LANES), aligned(4)));
typedef uint16_t S2 __attribute__((vector_size(4 * LANES)));

#if OFA_LANES == 16
INLINE S load_short(const uint16_t *p, M m) { return (S)_mm256_maskz_loadu_epi16(m, p); }
#else
// Not inlined into every loop: few rows have a last, partial vector.
static __attribute__((noinline)) S load_some_short(const uint16_t *p, M m) {
    S some = {0};
    for (int32_t i = 0; i < m; i++) some[i] = p[i];
    return some;
}
INLINE S load_short(const uint16_t *p, M m) {
    return __builtin_expect(m == LANES, 1) ? (S) * (const SU *)p : load_some_short(p, m);
}
#endif

/// Returns the live values from value `i` on of a map of 16-bit values if `half`, else of floats.
INLINE V load_at(const void *values, int64_t i, M m, int half) {
    if (!half) return load_part((const float *)values + i, m);
    const S some = load_short((const uint16_t *)values + i, m);
    return (V)(__builtin_convertvector(some, U) << 16);
}

/// Returns the map from its value `i` on.
INLINE ofa_map map_from(ofa_map map, int64_t i) {
    const int64_t size = map.format == OFA_BFLOAT16 ? 2 : 4;
    return (ofa_map){map.values ? (const char *)map.values + i * size : 0, map.format};
}

/// Returns the target from its value `i` on.
INLINE ofa_target target_from(ofa_target target, int64_t i) {
    const int64_t size = target.format == OFA_BFLOAT16 ? 2 : 4;
    return (ofa_target){(char *)target.values + i * size, target.format};
}

/// Returns how many floats take as much memory as `n` values of the map.
INLINE int64_t as_floats(ofa_map map, int64_t n) {
    return map.format == OFA_BFLOAT16 ? n / 2 : n;
}

/// Runs `body` with the constant NAME: whether `format` is that of 16-bit values.
#define WITH_FORMAT(format, NAME, body)  \
    if ((format) == OFA_BFLOAT16) {      \
        enum { NAME = 1 };               \
        body                             \
    } else {                             \
        enum { NAME = 0 };               \
        body                             \
    }

/// Returns the bfloat16 nearest to the float with these bits. NaN stays NaN.
INLINE uint16_t round_short(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Rounds n floats to 16 bits; `stream` says whether to use streaming stores.
INLINE void write_short(const float *from, int64_t n, int stream, uint16_t *to) {
    int64_t i = 0;
    for (; i < n && ((uintptr_t)(to + i) & (4 * LANES - 1)); i++) to[i] = round_short(from[i]);
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        const U2 bits = *(const U2U *)(from + i), upper = bits >> 16;
        const U2 rounded = (bits + 0x7fff + (upper & 1)) >> 16;
        // The bits of a NaN, without the sign, are above those of infinity.
        const U2 bad = (U2)((bits & 0x7fffffff) > (U2){0} + 0x7f800000);
        const S2 both =
            __builtin_convertvector((rounded & ~bad) | ((upper | 0x40) & bad), S2);
        if (stream)
            __builtin_nontemporal_store(both, (S2 *)(to + i));
        else
            *(S2 *)(to + i) = both;
    }
    for (; i < n; i++) to[i] = round_short(from[i]);
}
