// Crops of stored bytes against a plain bilinear interpolation.
import CKernels
import Foundation
import TestSupport
import Testing

@testable import Tensors

@Suite struct ImagesTests {
    private func gather(
        _ crops: [Crop], _ bytes: [UInt8], height: Int, width: Int, channels: Int, size: Int,
        threads: Int = 1,
        scale: [Float], offset: [Float]
    ) throws -> [Float] {
        let output = FeatureMap(images: crops.count, size: size, channels: channels)
        let engine = try CPUEngine(threads: threads)
        bytes.withUnsafeBufferPointer {
            let images = StoredImages(
                $0, height: height, width: width, scale: scale, offset: offset)
            engine.onEachLane { lane in
                let mine = crops.count * lane / threads..<crops.count * (lane + 1) / threads
                images.write(
                    crops[mine], to: output, first: mine.lowerBound,
                    scratch: Storage(count: images.scratchFloats(size: size)).all)
            }
        }
        return output.tensor.values
    }

    @Test("a whole image at its own size is its bytes", arguments: [1, 2, 3])
    func identity(threads: Int) throws {
        let bytes = (0..<3 * 4 * 4 * 2).map { UInt8($0 * 2) }
        let crops = [2, 0, 1].map { Crop(index: $0, top: 0, left: 0, stepY: 1, stepX: 1) }
        let got = try gather(
            crops, bytes, height: 4, width: 4, channels: 2, size: 4, threads: threads,
            scale: [2, 0.5], offset: [1, -1])
        let expected = [2, 0, 1].flatMap { (image: Int) -> [Float] in
            (0..<32).map { place in
                let byte = Float(bytes[image * 32 + place])
                return place % 2 == 0 ? 2 * byte + 1 : 0.5 * byte - 1
            }
        }
        #expect(got == expected)
    }

    @Test("a negative step mirrors, and outside the image a byte is 0")
    func mirror() throws {
        let bytes: [UInt8] = [1, 2, 3, 4]
        let mirrored = try gather(
            [Crop(index: 0, top: 0, left: 1, stepY: 1, stepX: -1)], bytes, height: 2, width: 2,
            channels: 1, size: 2,
            scale: [1], offset: [0])
        #expect(mirrored == [2, 1, 4, 3])
        let moved = try gather(
            [Crop(index: 0, top: -1, left: 1, stepY: 1, stepX: 1)], bytes, height: 2, width: 2,
            channels: 1, size: 2,
            scale: [1], offset: [-7])
        #expect(moved == [-7, -7, 2 - 7, -7])
    }

    @Test("any part at any size is the bilinear interpolation of its four neighbours")
    func bilinear() throws {
        let (height, width, channels) = (9, 7, 3), item = KernelCase(5, size: 1, channels: 3)
        let bytes = item.values(2 * height * width * channels, draw: 0).map {
            UInt8(($0 + 1) * 127)
        }
        let scale: [Float] = [0.02, 0.01, 0.03], offset: [Float] = [-1, 0.5, 0]
        for size in [1, 3, 5, 12] {
            let draws = item.values(4 * 6, draw: size)
            let crops = (0..<6).map { n in
                Crop(
                    index: n % 2, top: 4 * draws[4 * n], left: 4 * draws[4 * n + 1],
                    stepY: 1 + draws[4 * n + 2],
                    stepX: 2 * draws[4 * n + 3])
            }
            let got = try gather(
                crops, bytes, height: height, width: width, channels: channels, size: size,
                threads: 2, scale: scale,
                offset: offset)
            var expected: [Float] = []
            for crop in crops {
                for oy in 0..<size {
                    for ox in 0..<size {
                        for c in 0..<channels {
                            let y = Double(crop.top) + Double(crop.stepY) * Double(oy)
                            let x = Double(crop.left) + Double(crop.stepX) * Double(ox)
                            var sum = 0.0
                            for iy in [Int(floor(y)), Int(floor(y)) + 1] {
                                for ix in [Int(floor(x)), Int(floor(x)) + 1] {
                                    let inside =
                                        (0..<height).contains(iy) && (0..<width).contains(ix)
                                    let byte =
                                        inside
                                        ? Double(
                                            bytes[
                                                ((crop.index * height + iy) * width + ix) * channels
                                                    + c]) : 0
                                    sum +=
                                        (1 - abs(y - Double(iy))) * (1 - abs(x - Double(ix))) * byte
                                }
                            }
                            expected.append(Float(sum * Double(scale[c]) + Double(offset[c])))
                        }
                    }
                }
            }
            // A coordinate below 40 is off by 40 roundings, a weight with it, and a byte moves by up to 255 * scale.
            let bounds = [Double](repeating: 2 * 40 * unit * 255 * 0.03 * 4, count: expected.count)
            #expect(firstBeyond(got, expected, bounds: bounds) == nil, "size \(size)")
        }
    }

    @Test(
        "crops have the bits of the naive loop: pixel on pixel, mirrored, moved, enlarged, reduced",
        arguments: [1, 2, 3, 4], [(1, 1), (28, 28), (9, 31), (40, 17)])
    func oracle(channels: Int, layout: (height: Int, width: Int)) throws {
        let (height, width) = layout
        var stream = RandomStream(seed: 3, channels, height, width)
        let bytes = (0..<3 * height * width * channels).map { _ in
            UInt8(truncatingIfNeeded: stream.next())
        }
        let scale = (0..<channels).map { _ in 0.001 + 0.03 * stream.uniform() }
        let offset = (0..<channels).map { _ in 4 * stream.uniform() - 2 }
        for size in [1, 5, 16, 28, 33] {
            let crops = (0..<24).map { number -> Crop in
                func draw(_ low: Float, _ high: Float) -> Float {
                    low + (high - low) * stream.uniform()
                }
                if number % 2 == 0 {
                    let mirrored = number % 4 == 0
                    let left = draw(-4, 5).rounded() + (mirrored ? Float(size - 1) : 0)
                    return Crop(
                        index: number % 3, top: draw(-4, 5).rounded(), left: left, stepY: 1,
                        stepX: mirrored ? -1 : 1)
                }
                return Crop(
                    index: number % 3, top: draw(-1, 1) * Float(height),
                    left: draw(-1, 1) * Float(width), stepY: draw(-1, 3), stepX: draw(-3, 3))
            }
            let got = try gather(
                crops, bytes, height: height, width: width, channels: channels, size: size,
                threads: 2, scale: scale, offset: offset)
            var expected = [Float](repeating: .nan, count: got.count)
            let list = crops.map(\.view.crop)
            ofa_crops(
                bytes, Int32(height), Int32(width), Int32(channels), list, Int32(list.count),
                Int32(size), scale, offset, &expected)
            #expect(got == expected, "size \(size)")
        }
    }

    /// What a crop's colours make of one pixel, in double precision.
    private func coloured(_ pixel: [Double], _ crop: Crop) -> [Double] {
        func clamp(_ x: Double) -> Double { min(max(x, 0), 255) }
        func brighter(_ p: [Double]) -> [Double] { p.map { clamp($0 * Double(crop.brightness)) } }
        func saturated(_ p: [Double]) -> [Double] {
            guard p.count == 3 else { return p }
            let grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2], kept = Double(crop.saturation)
            return p.map { clamp(kept * $0 + (1 - kept) * grey) }
        }
        return crop.isSaturationFirst ? brighter(saturated(pixel)) : saturated(brighter(pixel))
    }

    @Test(
        "colours change before bytes are mapped, in the order asked for, and stay within a byte",
        arguments: [1, 2, 3])
    func colours(channels: Int) throws {
        var stream = RandomStream(seed: 8, channels)
        let size = 6, scale = [Float](repeating: 0.5, count: channels)
        let offset = (0..<channels).map { Float($0) - 3 }
        let bytes = (0..<4 * size * size * channels).map { _ in
            UInt8(truncatingIfNeeded: stream.next())
        }
        // The last one changes nothing: the factors of the batch alternate with plain bytes.
        let changes: [(Float, Float, Bool)] = [
            (1.5, 1, false), (0.5, 0, true), (1.3, 1.5, false), (1, 1, false), (1.3, 1.5, true),
            (1, 0.2, false),
        ]
        let crops = changes.enumerated().map { number, change in
            var crop = Crop(index: number % 4, top: 0, left: 0, stepY: 1, stepX: 1)
            (crop.brightness, crop.saturation, crop.isSaturationFirst) = change
            return crop
        }
        let got = try gather(
            crops, bytes, height: size, width: size, channels: channels, size: size, threads: 2,
            scale: scale, offset: offset)
        let each = size * size * channels
        var expected: [Float] = []
        for crop in crops {
            for pixel in stride(from: crop.index * each, to: (crop.index + 1) * each, by: channels)
            {
                let values = coloured(bytes[pixel..<pixel + channels].map { Double($0) }, crop)
                for (c, value) in values.enumerated() {
                    expected.append(Float(value * Double(scale[c]) + Double(offset[c])))
                }
            }
        }
        // Ten roundings of values below 2 * 255, which the slopes (at most 1.5 and 2.5) enlarge; then the map.
        let bound = 10 * unit * 2 * 255 * 2.5 * 1.5
        let bounds = [Double](repeating: bound, count: expected.count)
        #expect(firstBeyond(got, expected, bounds: bounds) == nil)
    }
}
