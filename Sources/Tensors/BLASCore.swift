// The kernel set of OpenBLAS. OpenBLAS selects the set at start-up, by the processor or by
// OPENBLAS_CORETYPE. The exact bits of the elastic filters depend on the set, so recipes record its
// name.

import COpenBLAS

/// The kernel set that OpenBLAS has selected.
public enum BLASCore {
    /// OpenBLAS's name of the set, such as `Haswell`.
    public static var current: String { String(cString: openblas_get_corename()) }
}

/// Limits each BLAS call to the calling thread. The engine divides work among its own threads, so
/// results do not depend on the number of processors.
enum BLASThreads {
    /// Must be evaluated before the first BLAS call.
    static let one: Void = openblas_set_num_threads(1)
}
