// The vector kernels for the plain target: four floats a vector, SSE2 on x86-64 and NEON on arm64.
#include <string.h>
#include "tables.h"
#define OFA_LANES 4
#include "depthwise.h"
const ofa_kernels ofa_kernels_vector4 = {
    "vector4", LANES, moments, affine, mean, gradient, gate_gradient, norm_gradient, depthwise,
    depthwise_gradient, sgd,
};
