// KernelCase: one shape for kernel tests. Tests of results, of gradients and of engines use the same lists of shapes.
// Image sizes and numbers of channels are chosen so that some vectors, tiles and bands are only partly filled.
import Tensors

/// A shape for one operator: feature maps of `images` x `size` x `size` x `channels`, and the operator's settings.
public struct KernelCase: Sendable, CustomStringConvertible {
    /// The number of images in the batch; the height and width of each image.
    public let images, size: Int
    /// Channels of the input and of the output.
    public let channels, outChannels: Int
    /// Height and width of the filter; the stride. The padding is half the filter, rounded down.
    public let kernel, stride: Int
    /// Threads of the engine.
    public let threads: Int
    /// The activation that the operator applies to its input on reading.
    public let activation: Activation
    /// Whether the operator maps its input on reading (by scale, shift and activation).
    public let isMapped: Bool
    private let number: Int

    /// Takes the sizes; `number` varies threads, images, activation, mapping and random draws.
    public init(
        _ number: Int, images: Int? = nil, size: Int, channels: Int, outChannels: Int? = nil,
        kernel: Int = 1,
        stride: Int = 1
    ) {
        self.number = number
        self.size = size
        self.channels = channels
        self.outChannels = outChannels ?? channels
        self.kernel = kernel
        self.stride = stride
        threads = 1 + number % 3
        self.images = images ?? (size >= 57 ? 1 : 1 + number % 4)
        activation = [Activation.relu, .hSwish, .relu6, .identity][number / 3 % 4]
        isMapped = number % 7 != 6
    }

    /// Height and width of the output.
    public var outSize: Int { (size - 1) / stride + 1 }
    /// The number of positions (pixels) of all images in the input.
    public var rows: Int { images * size * size }
    /// The number of positions (pixels) of all images in the output.
    public var outRows: Int { images * outSize * outSize }

    /// Shape and settings.
    public var description: String {
        "\(images)x\(size)x\(size)x\(channels)→\(outChannels) k\(kernel) s\(stride) \(isMapped ? activation.rawValue : "plain")"
            + " \(threads) threads"
    }

    private static let sizes = [1, 3, 4, 5, 7, 10, 13, 14, 28, 57, 112]
    private static let widths = [1, 5, 8, 20, 24, 40]

    /// Every combination of image size, channels, filter and stride. The sizes include 1 to 7, the possible widths of a
    /// block of outputs, and 8, which needs two blocks.
    public static let depthwise: [KernelCase] = product([2, 6, 8] + sizes, widths).flatMap {
        size, width in product([3, 5, 7], [1, 2]).map { (size, width, $0, $1) }
    }.enumerated().map { KernelCase($0, size: $1.0, channels: $1.1, kernel: $1.2, stride: $1.3) }

    /// Every image size with every input width (channels); the output has the next width in `widths`.
    public static let pointwise: [KernelCase] = product(sizes, widths.indices).enumerated().map {
        KernelCase(
            $0, size: $1.0, channels: widths[$1.1], outChannels: widths[($1.1 + 1) % widths.count])
    }

    /// The first convolution of a network, for grey and colour images.
    public static let convolution: [KernelCase] = product(product(sizes, [1, 3]), [1, 2])
        .enumerated().map {
            KernelCase(
                $0, size: $1.0.0, channels: $1.0.1, outChannels: widths[$0 % widths.count],
                kernel: 3, stride: $1.1)
        }

    /// 3×3 convolutions inside a network, with both strides. Several small images share a block; a large image needs
    /// several blocks. Some numbers of channels fill vectors and tiles only partly.
    public static let denseConvolution: [KernelCase] = product(
        [1, 2, 3, 4, 7, 10, 13, 28, 57], [1, 2]
    )
    .enumerated().flatMap { place, shape in
        [(5, 24), (17, 8), (24, 40)].enumerated().map { index, width in
            KernelCase(
                3 * place + index, size: shape.0, channels: width.0, outChannels: width.1,
                kernel: 3, stride: shape.1)
        }
    }

    /// Every image size with every number of channels, for operators on one feature map.
    public static let elementwise: [KernelCase] = product(sizes, widths).enumerated().map {
        KernelCase($0, size: $1.0, channels: $1.1)
    }

    private static func product<A, B>(_ a: [A], _ b: some Sequence<B>) -> [(A, B)] {
        a.flatMap { x in b.map { (x, $0) } }
    }

    /// Returns `count` numbers in -1..<1, different for every `draw`.
    public func values(_ count: Int, draw: Int) -> [Float] {
        var stream = RandomStream(seed: 41, number, draw)
        return (0..<count).map { _ in 2 * stream.uniform() - 1 }
    }

    /// Returns factors of a channel map: ±(0.5...1.5).
    public func factors(_ channels: Int, draw: Int) -> [Float] {
        values(channels, draw: draw).map { $0 < 0 ? $0 - 0.5 : $0 + 0.5 }
    }

    /// Returns inputs (rows, channels). The mapped values stay at least 0.01 away from the kinks of activations (0, 6,
    /// ±3), so that rounding cannot move a value across a kink.
    public func inputs(rows: Int, scale: [Float], shift: [Float], draw: Int) -> [Float] {
        let channels = scale.count
        return values(rows * channels, draw: draw).enumerated().map { index, value in
            var mapped = 8 * value
            for kink in [Float(0), 6, -3, 3] where abs(mapped - kink) < 0.02 {
                mapped = kink + 0.05
            }
            return isMapped ? (mapped - shift[index % channels]) / scale[index % channels] : mapped
        }
    }
}
