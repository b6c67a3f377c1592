// The working memory of operators. Each operator declares here how much memory it needs, so that
// execution and memory planning agree.

import CKernels

/// Sizes of an engine's working memory. Operators grow the memory on demand; a training step allocates none if enough
/// was reserved before.
public struct EngineRoom: Equatable, Sendable {
    /// Floats of scratch per thread, for a block of rows of an operator's maps or a band of rows of a depthwise pass.
    var scratch = 0
    /// Floats of a packed matrix.
    var packed = 0
    /// Floats of reordered weights.
    var ordered = 0
    /// The most channels that an operator sums over.
    var channels = 0
    /// The largest number of images over which a loss is computed.
    var images = 0
    /// Floats of a thread's partial weight gradient.
    var partial = 0

    /// Starts with all sizes 0.
    public init() {}

    /// Grows each size to hold `other` too.
    public mutating func include(_ other: EngineRoom) {
        scratch = max(scratch, other.scratch)
        packed = max(packed, other.packed)
        ordered = max(ordered, other.ordered)
        channels = max(channels, other.channels)
        images = max(images, other.images)
        partial = max(partial, other.partial)
    }

    /// Returns whether each size of `other` is at most the same size of this value.
    func holds(_ other: EngineRoom) -> Bool {
        scratch >= other.scratch && packed >= other.packed && ordered >= other.ordered
            && channels >= other.channels && images >= other.images && partial >= other.partial
    }

    /// Returns the number of floats of a packed (depth, columns) matrix, whose rows are padded for the widest vectors.
    static func packedFloats(_ depth: Int, _ columns: Int) -> Int {
        depth * ((columns + 15) / 16 * 16)
    }

    /// Returns the memory for sums of `channels` channels and losses of `images` images.
    public static func sums(channels: Int, images: Int = 0) -> EngineRoom {
        var room = EngineRoom()
        (room.channels, room.images) = (channels, images)
        return room
    }

    /// Returns the memory for a pointwise convolution from `inputs` to `outputs` channels, in both
    /// directions if `gradient`; with 16-bit maps, a block also has copies in pairs.
    public static func pointwise(
        _ inputs: Int, _ outputs: Int, gradient: Bool = false, format: MapFormat = .float32
    ) -> EngineRoom {
        var room = EngineRoom.sums(channels: max(inputs, outputs))
        let floats = 2 * inputs + (format == .float32 ? outputs : 2 * outputs)
        room.scratch = CPUEngine.blockRows(floats) * floats
        room.packed = max(packedFloats(inputs, outputs), packedFloats(outputs, inputs))
        if gradient { room.partial = inputs * outputs }
        return room
    }

    /// Returns the memory for a depthwise pass, in both directions if `gradient`.
    static func depthwise(_ geometry: ofa_depthwise, gradient: Bool = false) -> EngineRoom {
        let channels = Int(geometry.channels)
        var room = EngineRoom.sums(channels: channels)
        room.scratch = Int(ofa_depthwise_scratch(geometry))
        if gradient { room.partial = channels * Int(geometry.kernel * geometry.kernel) }
        return room
    }

    /// Returns the memory for a dense layer over `count` rows, in both directions.
    public static func dense(_ inputs: Int, _ outputs: Int, count: Int) -> EngineRoom {
        var room = EngineRoom()
        room.packed = max(packedFloats(inputs, count), packedFloats(outputs, count))
        return room
    }

    /// Returns the memory for a dense convolution by im2col, in both directions if `gradient`.
    static func patches(_ blocks: ConvolutionBlocks, gradient: Bool = false) -> EngineRoom {
        let depth = blocks.inputs * blocks.kernel * blocks.kernel, floats = depth + blocks.outputs
        var room = EngineRoom.sums(channels: blocks.outputs)
        room.scratch = max(CPUEngine.blockRows(floats), blocks.outWidth) * floats
        room.packed = packedFloats(depth, blocks.outputs)
        room.ordered = depth * blocks.outputs
        if gradient { room.partial = depth * blocks.outputs }
        return room
    }

    /// Returns the memory for a dense convolution tap by tap, in both directions if `gradient`.
    static func convolution(_ blocks: ConvolutionBlocks, gradient: Bool = false) -> EngineRoom {
        let taps = blocks.kernel * blocks.kernel
        var room = EngineRoom.sums(channels: max(blocks.inputs, blocks.outputs))
        // The size is rounded up to whole megabytes: a narrower or smaller map is cut into blocks differently, and its
        // block may take a little more scratch.
        let floats = max(blocks.forward.floats, gradient ? blocks.backward.floats : 0)
        let megabyte = 1 << 18
        room.scratch = (floats + megabyte - 1) / megabyte * megabyte
        room.packed =
            taps
            * max(
                packedFloats(blocks.inputs, blocks.outputs),
                packedFloats(blocks.outputs, blocks.inputs))
        if gradient { room.partial = taps * blocks.inputs * blocks.outputs }
        return room
    }

    /// Returns the memory for a depthwise pass over maps of `size` x `size` pixels.
    public static func depthwise(
        size: Int, channels: Int, kernel: Int, stride: Int, gradient: Bool = false
    ) -> EngineRoom {
        let out = Int32((size - 1) / stride + 1)
        return depthwise(
            ofa_depthwise(
                images: 1, height: Int32(size), width: Int32(size), channels: Int32(channels),
                out_height: out, out_width: out, kernel: Int32(kernel), stride: Int32(stride)),
            gradient: gradient)
    }
}
