// The tables of kernels that this build has; dispatch.c picks one of them.
#pragma once
#include "ckernels.h"

extern const ofa_kernels ofa_kernels_scalar;
extern const ofa_kernels ofa_kernels_vector4;
extern const ofa_pairs ofa_pairs_scalar;
#if defined(__x86_64__)
extern const ofa_pairs ofa_pairs_avx512;
extern const ofa_kernels ofa_kernels_avx2;
extern const ofa_kernels ofa_kernels_avx512;
#endif

/// The table of an instruction set, filled with the functions of the file that uses this macro.
#define KERNEL_TABLE(NAME, WIDTH)                    \
    {                                                \
        .name = NAME,                                \
        .lanes = WIDTH,                              \
        .affine = affine,                            \
        .mean = mean,                                \
        .gradient_sums = gradient_sums,              \
        .gate_sums = gate_sums,                      \
        .norm_gradient = norm_gradient,              \
        .depthwise = depthwise,                      \
        .depthwise_gradient = depthwise_gradient,    \
        .max_pool = max_pool,                        \
        .max_pool_gradient = max_pool_gradient,      \
        .mean_pool = mean_pool,                      \
        .mean_pool_gradient = mean_pool_gradient,    \
        .sum_activated = sum_activated,              \
        .sum_activated_gradient = sum_activated_gradient, \
        .packed_floats = packed_floats,              \
        .pack = pack,                                \
        .product = product,                          \
        .panel_end = panel_end,                      \
        .gemv = gemv,                                \
        .convolve = convolve,                        \
        .packed_filter_floats = packed_filter_floats, \
        .pack_filter = pack_filter,                  \
        .expand_depthwise = expand_depthwise,        \
        .outer_product = outer_product,              \
        .sparse_scratch = sparse_scratch,            \
        .sparse_product = sparse_product,            \
        .sum_listed = sum_listed,                    \
        .max_plus = max_plus_sums,                   \
        .write_out = write_out,                      \
        .all_finite = all_finite,                    \
        .sum_squares = sum_squares,                  \
        .sgd = sgd,                                  \
        .multiply_adds = multiply_adds,              \
        .sum_floats = sum_floats,                    \
    }

/// The table of an instruction set's products of pairs.
#define PAIR_TABLE(NAME)                \
    {                                   \
        .name = NAME,                   \
        .pair_matrix = pair_matrix,     \
        .pair_rows = pair_rows,         \
        .product = product,             \
        .outer_product = outer_product, \
    }
