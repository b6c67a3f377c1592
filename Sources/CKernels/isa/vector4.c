// The vector kernels for the default target, with four floats per vector: SSE2 or NEON.
#include <string.h>
#include "tables.h"
#define OFA_LANES 4
#include "../generic/convolve.h"
#include "../generic/depthwise.h"
#include "../generic/depthwise_gradient.h"
#include "../generic/expand_depthwise.h"
#include "../generic/gemv.h"
#include "../generic/pooling.h"
#include "../generic/product.h"
#include "../generic/rates.h"
#include "../generic/sparse.h"
const ofa_kernels ofa_kernels_vector4 = KERNEL_TABLE("vector4", LANES);
