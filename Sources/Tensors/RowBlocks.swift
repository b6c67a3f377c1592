// How the rows of a map are cut into blocks that stay in cache, and the prologue of a block.

import CKernels

extension Backend {
    /// A block of whole images, or a part of one.
    static func split(_ rows: Int, pixels: Int) -> (images: Int32, pixels: Int32) {
        rows % pixels == 0 ? (Int32(rows / pixels), Int32(pixels)) : (1, Int32(rows))
    }

    /// Cuts the rows of `images` into blocks. A block may span images (rows are alike); with `perImage`, it is a part
    /// of one image or several whole ones, because each image has its own gate. `next` is how many rows the block
    /// after this one has, which follows it in memory.
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

    /// The block itself where it is read as it is, else what is read, in scratch; `at` is its place in its map.
    @inline(__always)
    func prepared(
        _ from: UnsafeMutablePointer<Float>, rows: Int, pixels: Int, channels: Int, map: ChannelMap,
        gate: UnsafeMutablePointer<Float>?, plus: MappedMap?, at: Int,
        scratch: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        if map.scale == nil && gate == nil && plus == nil { return UnsafePointer(from) }
        let (images, pixels) = gate == nil ? (1, Int32(rows)) : Self.split(rows, pixels: pixels)
        var added: UnsafeMutablePointer<Float>?
        if let plus {
            added = plus.values.tensor.pointer + at
            if plus.map.scale != nil {
                kernels.affine(
                    added, 1, Int32(rows), Int32(channels), plus.map.affine, nil, nil, scratch)
                added = scratch
            }
        }
        kernels.affine(from, images, pixels, Int32(channels), map.affine, gate, added, scratch)
        return UnsafePointer(scratch)
    }
}
