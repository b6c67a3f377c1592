// The kernel set that BLAS uses. OpenBLAS selects it at start-up, by the processor or
// OPENBLAS_CORETYPE; the exact bits of the elastic filters depend on it, so recipes record it.

import COpenBLAS

/// The kernels of BLAS.
public enum BLASCore {
    /// OpenBLAS's name of the set in use, such as `Haswell`.
    public static var current: String { String(cString: openblas_get_corename()) }
}

/// BLAS runs on the calling thread only. The engine divides work among its own threads, so results
/// do not depend on the number of processors.
enum BLASThreads {
    /// Evaluate before the first BLAS call.
    static let one: Void = openblas_set_num_threads(1)
}
