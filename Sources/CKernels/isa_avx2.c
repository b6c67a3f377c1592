// The vector kernels for AVX2 with fused multiply-add: eight floats a vector.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "tables.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define OFA_LANES 8
#include "depthwise.h"
#include "product.h"
#include "sparse.h"
const ofa_kernels ofa_kernels_avx2 = {
    "avx2",        LANES,          affine,
    mean,          gradient_sums,  gate_sums,
    norm_gradient, depthwise,      depthwise_gradient,
    packed_floats, pack,           product,
    outer_product, sparse_scratch, sparse_product,
    sum_listed,    raise_sums,     write_out,
    sgd,
};
#pragma clang attribute pop
#endif
