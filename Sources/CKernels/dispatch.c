// Picks a table of kernels that this processor can run. Computes the scratch size of depthwise
// passes, which is enough for every table. Defines `ofa_gate_totals`, which is the same for all
// tables.
#include <string.h>
#include "generic/depthwise_plan.h"
#include "isa/tables.h"

const ofa_kernels *ofa_kernels_best(void) {
#if defined(__x86_64__)
    const ofa_kernels *wide = ofa_kernels_named("avx512");
    if (!wide) wide = ofa_kernels_named("avx2");
    if (wide) return wide;
#endif
    return &ofa_kernels_vector4;
}

const ofa_kernels *ofa_kernels_named(const char *name) {
    if (!strcmp(name, "scalar")) return &ofa_kernels_scalar;
    if (!strcmp(name, "vector4")) return &ofa_kernels_vector4;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(name, "avx2")) return avx2 ? &ofa_kernels_avx2 : 0;
    if (!strcmp(name, "avx512"))
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
                   ? &ofa_kernels_avx512
                   : 0;
#endif
    return 0;
}

const ofa_pairs *ofa_pairs_named(const char *name) {
    if (!strcmp(name, "scalar")) return &ofa_pairs_scalar;
#if defined(__x86_64__)
    if (!strcmp(name, "avx512") && ofa_kernels_named(name) && __builtin_cpu_supports("avx512bf16"))
        return &ofa_pairs_avx512;
#endif
    return 0;
}

int64_t ofa_depthwise_scratch(ofa_depthwise d) {
    int64_t most = 0;
    for (int32_t lanes = 4; lanes <= 16; lanes *= 2) {
        int64_t packed = ofa_packed_floats(d, lanes);
        ofa_forward_plan f = ofa_plan_forward(d, lanes);
        int64_t forward = packed + f.plane_floats + f.out_floats;
        ofa_gradient_plan p = ofa_plan_gradient(d, lanes);
        int64_t backward = 2 * packed + p.dy_floats + p.x_floats + 49 * lanes + p.out_floats;
        if (forward > most) most = forward;
        if (backward > most) most = backward;
    }
    return most;
}

int64_t ofa_expansion_scratch(ofa_depthwise d) {
    int64_t most = (int64_t)d.height * d.width;
    for (int32_t lanes = 4; lanes <= 16; lanes *= 2) {
        int64_t floats = OFA_PANEL_VECTORS * ofa_plan_expansion(d, lanes).plane_floats;
        if (floats > most) most = floats;
    }
    return most;
}

ofa_bands ofa_depthwise_bands(ofa_depthwise d) {
    // The plans' `band` does not depend on the number of lanes.
    int32_t forward = ofa_plan_forward(d, 4).band, gradient = ofa_plan_gradient(d, 4).band;
    return (ofa_bands){(d.out_height + forward - 1) / forward,
                       (d.height + gradient - 1) / gradient};
}

void ofa_gate_totals(const float *parts, const float *gate, const float *mean_gradient,
                     int32_t images, int32_t channels, int64_t part, double *sums) {
    for (int32_t n = 0; n < images; n++)
        for (int32_t c = 0; c < channels; c++) {
            int64_t j = (int64_t)n * channels + c;
            double weight = gate[j], plus = mean_gradient[j];
            sums[c] += weight * parts[part + j] + plus * parts[3 * part + j];
            sums[channels + c] += weight * parts[2 * part + j] + plus * parts[4 * part + j];
        }
}
