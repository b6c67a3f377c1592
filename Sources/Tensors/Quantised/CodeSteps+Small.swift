// The operators of a pass over codes that have no weights.

import CKernels

/// The codes of the pass's images.
final class CodeInputStep: CodeStep {
    let name: StaticString = "quantise"
    private let table: UnsafePointer<ofa_code_kernels>
    private let source: CodeSource
    private let output: UnsafeMutablePointer<UInt8>
    private let quantisation: Quantisation
    let items = 1, macs = 0

    init(
        _ source: CodeSource, _ quantisation: Quantisation,
        table: UnsafePointer<ofa_code_kernels>, output: UnsafeMutablePointer<UInt8>
    ) {
        (self.source, self.quantisation) = (source, quantisation)
        (self.table, self.output) = (table, output)
    }

    var bytes: Int { 5 * source.count }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<UInt8>) {
        guard let base = source.base else { return }
        table.pointee.quantise(
            base, Int64(source.count), quantisation.scale, Int32(quantisation.zero), output)
    }
}

/// An operator that handles images one by one.
final class CodeMapStep: CodeStep {
    /// What is computed from x, a map of size · size · channels codes, for one image.
    enum Operation {
        /// table[x].
        case table(UnsafePointer<UInt8>)
        /// The sum of x and another map.
        case sum(UnsafeMutablePointer<UInt8>, CodeSum)
        /// The product of x and a map of 1×1, by channel.
        case gate(UnsafeMutablePointer<UInt8>, CodeProduct)
        /// The mean over the image, of codes of one meaning to codes of another.
        case mean(Quantisation, Quantisation)
        /// The mean over windows without stride between them.
        case windowMean(size: Int, Quantisation, Quantisation)
        /// The maximum over windows.
        case maximum(CodeWindows)
    }

    private let operation: Operation
    private let table: UnsafePointer<ofa_code_kernels>
    private let input, output: UnsafeMutablePointer<UInt8>
    private let images, size, channels, outSize: Int

    init(
        _ operation: Operation, images: Int, size: Int, channels: Int, outSize: Int,
        table: UnsafePointer<ofa_code_kernels>, input: UnsafeMutablePointer<UInt8>,
        output: UnsafeMutablePointer<UInt8>
    ) {
        (self.operation, self.table, self.input, self.output) = (operation, table, input, output)
        (self.images, self.size, self.channels, self.outSize) = (images, size, channels, outSize)
    }

    /// Bytes of scratch that a step needs.
    static func scratch(channels: Int) -> Int { 4 * channels }

    var name: StaticString {
        switch operation {
        case .table: "activate"
        case .sum: "sum"
        case .gate: "gate"
        case .mean, .windowMean: "mean"
        case .maximum: "maxPooling"
        }
    }
    // A map of one image is small; images share the threads.
    var items: Int { images }
    var macs: Int { 0 }
    var bytes: Int { images * channels * (size * size + outSize * outSize) }

    func run(_ image: Int, _ scratch: UnsafeMutablePointer<UInt8>) {
        let count = size * size * channels
        let x = input + image * count, y = output + image * outSize * outSize * channels
        switch operation {
        case .table(let values): table.pointee.map(x, Int64(count), values, y)
        case .sum(let other, let sum):
            table.pointee.sum(
                x, other + image * count, Int64(count), sum.base, sum.first, sum.second, y)
        case .gate(let gate, let product):
            table.pointee.gate(
                x, gate + image * channels, Int32(size * size), Int32(channels),
                Int32(product.first), Int32(product.second), product.factor, Int32(product.zero),
                y)
        case .mean(let from, let to): mean(x, from, to, scratch, y)
        case .windowMean(let side, let from, let to): windowMean(x, side, from, to, y)
        case .maximum(let windows):
            ofa_code_max_pool(
                x, Int32(size), Int32(channels), Int32(windows.kernel), Int32(windows.stride),
                Int32(windows.padding), Int32(windows.out), y)
        }
    }

    private func mean(
        _ x: UnsafePointer<UInt8>, _ from: Quantisation, _ to: Quantisation,
        _ scratch: UnsafeMutablePointer<UInt8>, _ y: UnsafeMutablePointer<UInt8>
    ) {
        let pixels = size * size, factor = from.scale / (to.scale * Float(pixels))
        UnsafeMutableRawPointer(scratch).withMemoryRebound(to: Int32.self, capacity: channels) {
            sums in
            table.pointee.totals(x, Int32(pixels), Int32(channels), sums)
            let zeros = Int32(pixels) * Int32(from.zero)
            for c in 0..<channels { y[c] = to.code(sums[c] - zeros, times: factor) }
        }
    }

    private func windowMean(
        _ x: UnsafePointer<UInt8>, _ side: Int, _ from: Quantisation, _ to: Quantisation,
        _ y: UnsafeMutablePointer<UInt8>
    ) {
        for oy in 0..<outSize {
            for ox in 0..<outSize {
                let rows = oy * side..<min((oy + 1) * side, size)
                let columns = ox * side..<min((ox + 1) * side, size)
                let pixels = rows.count * columns.count
                let factor = from.scale / (to.scale * Float(pixels))
                for c in 0..<channels {
                    var sum: Int32 = 0
                    for row in rows {
                        for column in columns {
                            sum += from.offset(x[(row * size + column) * channels + c])
                        }
                    }
                    y[(oy * outSize + ox) * channels + c] = to.code(sum, times: factor)
                }
            }
        }
    }
}
