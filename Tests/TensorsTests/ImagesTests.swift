// Crops of stored bytes against a plain bilinear interpolation.
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
        try bytes.withUnsafeBufferPointer {
            try Backend(threads: threads).gather(
                crops, from: $0, height: height, width: width, scale: scale, offset: offset,
                output: output)
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
}
