// Cuts the rows of a map into blocks that should stay in cache, and applies the prologue to a
// block.

import CKernels

extension CPUEngine {
    /// Splits `rows` rows into whole images of `pixels` pixels; if that is not possible, returns the rows as one part
    /// of an image.
    static func split(_ rows: Int, pixels: Int) -> (images: Int32, pixels: Int32) {
        rows % pixels == 0 ? (Int32(rows / pixels), Int32(pixels)) : (1, Int32(rows))
    }

    /// Cuts the rows of `images` into blocks and calls `body` for each block. Without `perImage`, a block may begin or
    /// end inside an image. With `perImage`, for work that differs by image such as a gate, each block is a part of one
    /// image or several whole images. `next` is the approximate number of rows of the next block, which follows in
    /// memory; 0 for the last block.
    @inline(__always)
    func eachBlock(
        _ images: Range<Int>, pixels: Int, floats: Int, perImage: Bool,
        _ body: (_ image: Int, _ first: Int, _ rows: Int, _ next: Int) -> Void
    ) {
        let most = Self.blockRows(floats)
        if perImage && most < pixels {
            let pieces = (pixels + most - 1) / most
            for image in images {
                for piece in 0..<pieces {
                    let first = pixels * piece / pieces, end = pixels * (piece + 1) / pieces
                    let isLast = piece == pieces - 1 && image == images.upperBound - 1
                    body(image, first, end - first, isLast ? 0 : pixels / pieces)
                }
            }
            return
        }
        let rows = images.count * pixels, step = perImage ? most / pixels * pixels : most
        for first in stride(from: 0, to: rows, by: step) {
            let count = min(step, rows - first), next = min(step, rows - first - count)
            let image = perImage ? first / pixels : 0
            body(images.lowerBound + image, first - image * pixels, count, next)
        }
    }

    /// Prepares the rows x of a block of `input`, from value number `at` on: act(x * scale + shift) * gate + plus.
    /// Returns the rows themselves if they are floats and there is no map, gate or `plus`, else `scratch` with the
    /// result.
    @inline(__always)
    func prepared(
        _ input: FeatureMap, at: Int, rows: Int, map: ChannelMap,
        gate: UnsafeMutablePointer<Float>?, plus: MappedMap?,
        scratch: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        if map.scale == nil && gate == nil && plus == nil && input.format == .float32 {
            return UnsafePointer(input.tensor.pointer + at)
        }
        let channels = Int32(input.channels)
        let (images, pixels) =
            gate == nil ? (1, Int32(rows)) : Self.split(rows, pixels: input.pixels)
        var added = ofa_map()
        if let plus {
            added = plus.values.source(at: at)
            if plus.map.scale != nil {
                kernels.affine(
                    added, 1, Int32(rows), channels, plus.map.affine, nil, ofa_map(), scratch)
                added = ofa_map(scratch)
            }
        }
        kernels.affine(
            input.source(at: at), images, pixels, channels, map.affine, gate, added, scratch)
        return UnsafePointer(scratch)
    }
}
