// Value noise for drawn pictures: a square of random numbers that repeats, interpolated smoothly.
// Only + - * and comparisons are used, so the values are the same on every machine.
import Tensors

/// Random numbers 0...1 on a square lattice that repeats.
struct NoiseTile {
    /// The lattice points of a side, a power of two.
    static let side = 64
    private var values = [Float](repeating: 0, count: Self.side * Self.side)

    /// Draws new numbers.
    mutating func draw(_ stream: inout RandomStream) {
        for place in stride(from: 0, to: values.count, by: 8) {
            let word = stream.next()
            for byte in 0..<8 {
                values[place + byte] =
                    Float(UInt8(truncatingIfNeeded: word >> UInt64(8 * byte))) / 255
            }
        }
    }

    /// The noise at a place, 0...1; `x` and `y` are lattice units from 0 to 2^20.
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

    /// Writes the lattice's values on the horizontal line `y` to `line`, one a column.
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

    /// A weight 0...1 whose slope is 0 at both ends.
    static func eased(_ share: Float) -> Float { share * share * (3 - 2 * share) }
}

/// One scale of noise over the rows of a picture: what depends on the column only is computed once.
struct NoiseLayer {
    private let cell: Float
    private let originY: Float
    private let strength: Float
    private var columns: [Int32] = []
    private var shares: [Float] = []
    private var line = [Float](repeating: 0, count: NoiseTile.side)

    /// Noise that changes over `cell` pixels, of `width` columns, weighted by `strength`.
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
