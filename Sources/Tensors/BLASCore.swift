// Which kernels BLAS uses. OpenBLAS chooses them when the program starts, by the processor or by a variable that
// somebody set, perhaps to have the same bits on several machines; 256-bit kernels where there are 512-bit ones cost
// half of the speed (117 against 221 GFLOP/s on one thread, 1024³, OpenBLAS 0.3.21 on a Zen 5 server).

import CKernels
import COpenBLAS

/// The kernels of BLAS.
public enum BLASCore {
    /// The set in use, as OpenBLAS calls it, such as `Haswell`.
    public static var current: String { String(cString: openblas_get_corename()) }

    /// The variable that names the set to use.
    public static let variable = "OPENBLAS_CORETYPE"

    /// A faster set that this processor can run; nil where there is none.
    public static var better: String? {
        guard ["Haswell", "Zen"].contains(current), ofa_kernels_named("avx512") != nil else {
            return nil
        }
        return "SkylakeX"
    }
}
