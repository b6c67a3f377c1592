// The vector kernels for the plain target: four floats a vector, SSE2 on x86-64 and NEON on arm64.
#include <string.h>
#include "tables.h"
#define OFA_LANES 4
#include "../generic/depthwise.h"
#include "../generic/depthwise_gradient.h"
#include "../generic/pooling.h"
#include "../generic/product.h"
#include "../generic/sparse.h"
const ofa_kernels ofa_kernels_vector4 = KERNEL_TABLE("vector4", LANES);
