// The kernel set of OpenBLAS. OpenBLAS selects the set at start-up: the one that the variable OPENBLAS_CORETYPE names,
// or else the one for the processor. The exact bits of the elastic filters depend on the set, so recipes record its
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
    /// Evaluating this value sets the limit; code must do so before its first BLAS call.
    static let one: Void = openblas_set_num_threads(1)
}
