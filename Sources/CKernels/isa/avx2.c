// The vector kernels for AVX2 with fused multiply-add: eight floats per vector.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "tables.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define OFA_LANES 8
#include "../generic/convolve.h"
#include "../generic/depthwise.h"
#include "../generic/depthwise_gradient.h"
#include "../generic/expand_depthwise.h"
#include "../generic/gemv.h"
#include "../generic/pooling.h"
#include "../generic/product.h"
#include "../generic/rates.h"
#include "../generic/sparse.h"
const ofa_kernels ofa_kernels_avx2 = KERNEL_TABLE("avx2", LANES);
#pragma clang attribute pop
#endif
