// The vector kernels for the plain target: four floats a vector, SSE2 on x86-64 and NEON on arm64.
#include <string.h>
#include "tables.h"
#define OFA_LANES 4
#include "depthwise.h"
#include "product.h"
#include "sparse.h"
const ofa_kernels ofa_kernels_vector4 = {
    "vector4",          LANES,          affine,         mean,
    gradient_sums,      gate_sums,      norm_gradient,  depthwise,
    depthwise_gradient, packed_floats,  pack,           product,
    outer_product,      sparse_scratch, sparse_product, sum_listed,
    raise_sums,         write_out,      sgd,
};
