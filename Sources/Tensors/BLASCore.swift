// Which kernels BLAS uses. OpenBLAS chooses them when the program starts, by the processor or by OPENBLAS_CORETYPE; the
// bits of the elastic filters depend on them, so a recipe names them.

import COpenBLAS

/// The kernels of BLAS.
public enum BLASCore {
    /// The set in use, as OpenBLAS calls it, such as `Haswell`.
    public static var current: String { String(cString: openblas_get_corename()) }
}

/// How many threads BLAS works on: one, the caller's. The engine cuts its work among its own, and
/// bits do not depend on the machine's processors.
enum BLASThreads {
    /// Touched before the first call.
    static let one: Void = openblas_set_num_threads(1)
}
