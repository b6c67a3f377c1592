// The vector kernels for AVX-512 (F, VL, DQ, BW): sixteen floats per vector, with mask registers
// for the last channels.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "tables.h"
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), apply_to = function)
#define OFA_LANES 16
#include "../generic/convolve.h"
#include "../generic/depthwise.h"
#include "../generic/depthwise_gradient.h"
#include "../generic/expand_depthwise.h"
#include "../generic/gemv.h"
#include "../generic/pooling.h"
#include "../generic/product.h"
#include "../generic/rates.h"
#include "../generic/sparse.h"
const ofa_kernels ofa_kernels_avx512 = KERNEL_TABLE("avx512", LANES);
#pragma clang attribute pop
#endif
