// Operators of the elastic kernel, which derives smaller depthwise filters from larger ones by
// cropping the centre and multiplying by a learned matrix (Cai et al., ICLR 2020, section 3.3).
// Depthwise filters are small (47,040 numbers for 960 channels of 7 x 7), so the operators run on
// the caller's thread.

extension CPUEngine {
    /// Copies the centre of `filters` (channels, from * from) to `output` (channels, to * to).
    public func cropFilters(_ filters: Tensor, channels: Int, from: Int, to: Int, output: Tensor) {
        let border = (from - to) / 2
        for c in 0..<channels {
            for y in 0..<to {
                (output.pointer + (c * to + y) * to).update(
                    from: filters.pointer + (c * from + y + border) * from + border, count: to)
            }
        }
    }

    /// Copies `centre` (channels, to * to) into the middle of `output` (channels, from * from), and sets the rest of
    /// `output` to 0.
    public func padFilters(_ centre: Tensor, channels: Int, from: Int, to: Int, output: Tensor) {
        let border = (from - to) / 2
        output.slice(0, channels * from * from).fill(with: 0)
        for c in 0..<channels {
            for y in 0..<to {
                (output.pointer + (c * from + y + border) * from + border).update(
                    from: centre.pointer + (c * to + y) * to, count: to)
            }
        }
    }

    /// Copies `input` (rows, columns) to `output` (columns, rows), transposed.
    public func transpose(_ input: Tensor, rows: Int, columns: Int, output: Tensor) {
        let from = input.pointer, to = output.pointer
        for r in 0..<rows { for c in 0..<columns { to[c * rows + r] = from[r * columns + c] } }
    }

    /// Adds `b` to `a`, value by value; `b` may be longer than `a`.
    public func add(_ b: Tensor, to a: Tensor) {
        precondition(a.count <= b.count, "add: \(b.count) values to \(a.count)")
        let from = b.pointer, to = a.pointer
        for i in 0..<a.count { to[i] += from[i] }
    }

    /// Multiplies `values` by `factors`, value by value.
    public func scale(_ values: Tensor, by factors: Tensor) {
        precondition(
            values.count == factors.count, "scale: \(factors.count) factors for \(values.count)")
        let to = values.pointer, by = factors.pointer
        for i in 0..<values.count { to[i] *= by[i] }
    }

    /// Multiplies `values` by `factor`.
    public func scale(_ values: Tensor, by factor: Float) {
        let to = values.pointer
        for i in 0..<values.count { to[i] *= factor }
    }
}
