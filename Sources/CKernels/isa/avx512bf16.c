// Products of pairs of 16-bit values with the instructions of AVX-512 BF16: an instruction adds the
// products of sixteen pairs to sixteen floats, twice the products of a multiply-add of floats.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "tables.h"
#pragma clang attribute push(                                                                  \
    __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma"))), apply_to = \
        function)
#define OFA_LANES 16
#define OFA_PAIRS
#include "../generic/elementwise.h"
#include "../generic/pairs.h"
const ofa_pairs ofa_pairs_avx512 = PAIR_TABLE("avx512");
#pragma clang attribute pop
#endif
