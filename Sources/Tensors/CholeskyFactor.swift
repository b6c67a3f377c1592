// Solves linear equations whose matrix is symmetric and positive definite, for ridge regression and kriging. OpenBLAS
// does this on the calling thread, so results do not depend on the number of threads.

import COpenBLAS
import Foundation

/// The lower triangular factor L of a symmetric positive definite matrix A = L·Lᵀ.
public struct CholeskyFactor: Sendable {
    private let size: Int
    private var lower: [Double]

    /// Factors the lower triangle of `matrix` (size × size, row-major) with `penalty` added to its diagonal. If the sum
    /// is not positive definite, because of rounding or equal columns, tries again with at least ten times the penalty,
    /// up to 19 times. Values of `matrix` that are not finite propagate.
    public init(_ matrix: [Double], size: Int, penalty: Double) {
        precondition(matrix.count == size * size, "\(matrix.count) values in \(size)×\(size)")
        self.size = size
        lower = matrix
        guard size > 0 else { return }
        let largest = (0..<size).reduce(0) { max($0, abs(matrix[$1 * size + $1])) }
        var added = penalty
        for attempt in 0..<20 {
            if attempt > 0 {
                lower = matrix
                added = max(10 * added, 1e-15 * largest, 1e-12)
            }
            for i in 0..<size { lower[i * size + i] += added }
            if factor() { return }
        }
    }

    /// Replaces the lower triangle by its factor; returns false if a pivot is not positive. LAPACK is column-major, so
    /// for LAPACK the row-major lower triangle is an upper triangle.
    private mutating func factor() -> Bool {
        BLASThreads.one
        var order = blasint(size), info: blasint = 0
        lower.withUnsafeMutableBufferPointer {
            dpotrf_("U", &order, $0.baseAddress, &order, &info)
        }
        return info == 0
    }

    /// Half of the logarithm of the determinant of A.
    public var logRootDeterminant: Double {
        (0..<size).reduce(0) { $0 + log(lower[$1 * size + $1]) }
    }

    /// Returns the solution x of L·x = `right`.
    public func forward(_ right: [Double]) -> [Double] { solve(right, CblasNoTrans) }

    /// Returns the solution x of Lᵀ·x = `right`.
    public func backward(_ right: [Double]) -> [Double] { solve(right, CblasTrans) }

    /// Returns the solution x of A·x = `right`.
    public func solve(_ right: [Double]) -> [Double] { backward(forward(right)) }

    private func solve(_ right: [Double], _ transposed: CBLAS_TRANSPOSE) -> [Double] {
        precondition(right.count == size, "\(right.count) values for a matrix of \(size) rows")
        guard size > 0 else { return right }
        BLASThreads.one
        var result = right
        result.withUnsafeMutableBufferPointer {
            cblas_dtrsv(
                CblasRowMajor, CblasLower, transposed, CblasNonUnit, blasint(size), lower,
                blasint(size), $0.baseAddress, 1)
        }
        return result
    }

    /// Returns the solutions of L·x = b for `count` right-hand sides b, stored consecutively in
    /// `right`.
    public func forward(_ right: [Double], count: Int) -> [Double] {
        precondition(right.count == count * size, "\(right.count) values in \(count)×\(size)")
        guard !right.isEmpty else { return right }
        BLASThreads.one
        var result = right
        // The rows of B are the right-hand sides, and the rows of X are the solutions: X·Lᵀ = B.
        result.withUnsafeMutableBufferPointer {
            cblas_dtrsm(
                CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, blasint(count),
                blasint(size), 1, lower, blasint(size), $0.baseAddress, blasint(size))
        }
        return result
    }
}

/// Returns the lower triangle of Xᵀ·X, row-major (width × width); X has `count` rows of `width`
/// values.
public func gramMatrix(_ rows: [Double], count: Int, width: Int) -> [Double] {
    precondition(rows.count == count * width, "\(rows.count) values in \(count)×\(width)")
    var result = [Double](repeating: 0, count: width * width)
    guard !rows.isEmpty else { return result }
    BLASThreads.one
    result.withUnsafeMutableBufferPointer {
        cblas_dsyrk(
            CblasRowMajor, CblasLower, CblasTrans, blasint(width), blasint(count), 1, rows,
            blasint(width), 0, $0.baseAddress, blasint(width))
    }
    return result
}
