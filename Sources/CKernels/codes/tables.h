// The tables of kernels on codes that this build has.
#pragma once
#include "../include/codes.h"

extern const ofa_code_kernels ofa_code_scalar;
#if defined(__x86_64__)
extern const ofa_code_kernels ofa_code_avx2;
extern const ofa_code_kernels ofa_code_avx512;
#elif defined(__aarch64__)
extern const ofa_code_kernels ofa_code_neon;
#endif

/// The table of an instruction set, filled with the functions of the file that uses this macro.
#define CODE_TABLE(NAME)                                                                       \
    {                                                                                          \
        .name = NAME, .product = product, .sums = sums, .depthwise = depthwise, .map = map,    \
        .sum = sum_codes, .gate = gate_codes, .totals = total_codes, .quantise = quantise_floats \
    }
