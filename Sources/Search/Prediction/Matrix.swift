// Matrix products for predictors.

/// A dense matrix of floats in row-major order.
struct Matrix: Sendable, Hashable {
    /// Number of rows.
    let rows: Int
    /// Number of columns.
    let columns: Int
    /// The values, rows one after the other.
    var values: [Float]

    /// Makes a matrix of zeros.
    init(rows: Int, columns: Int) {
        self.init(rows: rows, columns: columns, values: Array(repeating: 0, count: rows * columns))
    }

    /// Makes a matrix of `values`, of which there must be `rows` × `columns`.
    init(rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns, "\(values.count) values in \(rows)×\(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    /// The matrix with rows and columns exchanged.
    var transposed: Matrix {
        var result = Matrix(rows: columns, columns: rows)
        for row in 0..<rows {
            for column in 0..<columns {
                result.values[column * rows + row] = values[row * columns + column]
            }
        }
        return result
    }
}

/// Returns the product `a`·`b`; `a` must have as many columns as `b` has rows.
///
/// Zeros of `a` are skipped, because one-hot features and rectified units are mostly zero. BLAS is not used: in BLAS a
/// row of the result could depend on the other rows, so a prediction would depend on its batch.
func matrixMultiply(_ a: Matrix, _ b: Matrix) -> Matrix {
    precondition(a.columns == b.rows, "\(a.rows)×\(a.columns) times \(b.rows)×\(b.columns)")
    var result = Matrix(rows: a.rows, columns: b.columns)
    for row in 0..<a.rows {
        let start = row * b.columns
        for inner in 0..<a.columns {
            let factor = a.values[row * a.columns + inner]
            if factor == 0 { continue }
            let from = inner * b.columns
            for column in 0..<b.columns {
                result.values[start &+ column] += factor * b.values[from &+ column]
            }
        }
    }
    return result
}
