// Value noise for drawn pictures: random numbers on a square lattice that repeats, and smooth interpolation between
// them. The code uses only + - * /, whose results IEEE 754 defines to the last bit, so the values are the same on every
// machine.
import Tensors

/// Random numbers in 0...1 on a square lattice that repeats in both directions.
struct NoiseTile {
    /// The number of lattice points along one side; a power of two.
    static let side = 64
    private var values = [Float](repeating: 0, count: Self.side * Self.side)

    /// Draws new numbers for all lattice points.
    mutating func draw(_ stream: inout RandomStream) {
        for place in stride(from: 0, to: values.count, by: 8) {
            let word = stream.next()
            for byte in 0..<8 {
                values[place + byte] =
                    Float(UInt8(truncatingIfNeeded: word >> UInt64(8 * byte))) / 255
            }
        }
    }

    /// Returns the noise, in 0...1, at the point (x, y), whose coordinates are in lattice units from 0 to 2^20.
    func value(_ x: Float, _ y: Float) -> Float {
        let column = Int32(x), row = Int32(y)
        let across = Self.eased(x - Float(column)), down = Self.eased(y - Float(row))
        let left = Int(column) & (Self.side - 1), right = (left + 1) & (Self.side - 1)
        let above = (Int(row) & (Self.side - 1)) * Self.side
        let below = ((Int(row) + 1) & (Self.side - 1)) * Self.side
        let top = values[above + left] + (values[above + right] - values[above + left]) * across
        let bottom = values[below + left] + (values[below + right] - values[below + left]) * across
        return top + (bottom - top) * down
    }

    /// Writes the noise at height `y` to `line`, one value for each column of lattice points.
    func line(_ y: Float, to line: inout [Float]) {
        let row = Int32(y)
        let down = Self.eased(y - Float(row))
        let above = (Int(row) & (Self.side - 1)) * Self.side
        let below = ((Int(row) + 1) & (Self.side - 1)) * Self.side
        for column in 0..<Self.side {
            let top = values[above + column]
            line[column] = top + (values[below + column] - top) * down
        }
    }

    /// Returns a weight that grows from 0 to 1 with `share`, and whose slope is 0 at both ends.
    static func eased(_ share: Float) -> Float { share * share * (3 - 2 * share) }
}

/// Noise of one scale, added to a picture row by row. Values that depend only on the column are computed once.
struct NoiseLayer {
    private let cell: Float
    private let originY: Float
    private let strength: Float
    private var columns: [Int32] = []
    private var shares: [Float] = []
    private var line = [Float](repeating: 0, count: NoiseTile.side)

    /// Prepares noise for `width` columns. Its lattice points are `cell` pixels apart, and its values are multiplied by
    /// `strength`.
    init(cell: Float, strength: Float, width: Int, _ stream: inout RandomStream) {
        self.cell = cell
        self.strength = strength
        let originX = Float(NoiseTile.side) * stream.uniform()
        originY = Float(NoiseTile.side) * stream.uniform()
        columns.reserveCapacity(width)
        shares.reserveCapacity(width)
        for x in 0..<width {
            let place = originX + Float(x) / cell
            columns.append(Int32(place))
            shares.append(NoiseTile.eased(place - Float(Int32(place))))
        }
    }

    /// Adds the noise of row `y` to `mix`.
    mutating func add(row y: Int, of tile: NoiseTile, to mix: inout [Float]) {
        tile.line(originY + Float(y) / cell, to: &line)
        for x in 0..<columns.count {
            let left = Int(columns[x]) & (NoiseTile.side - 1)
            let value = line[left]
            let next = line[(left + 1) & (NoiseTile.side - 1)]
            mix[x] += strength * (value + (next - value) * shares[x])
        }
    }
}
