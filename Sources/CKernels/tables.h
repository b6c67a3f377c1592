// The tables that this build has; dispatch.c picks among them.
#pragma once
#include "ckernels.h"

extern const ofa_kernels ofa_kernels_scalar;
extern const ofa_kernels ofa_kernels_vector4;
#if defined(__x86_64__)
extern const ofa_kernels ofa_kernels_avx2;
extern const ofa_kernels ofa_kernels_avx512;
#endif
