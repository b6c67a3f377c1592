// The engine that computes operators on the CPU. Operators work on feature maps and divide the images of a map among
// threads. Each operator is a single pass over memory where possible. The files CPUEngine+… contain the operators by
// kind.

import CKernels
import COpenBLAS
import Foundation

/// Runs operators with one instruction set on a fixed number of threads. Only one thread at a time may use an engine.
public final class CPUEngine: Engine {
    /// The instruction set in use.
    public let instructionSet: InstructionSet
    /// The number of threads; results depend on this number in the last bits.
    public var threads: Int { pool.threads }

    /// Records the times of operators; nil costs nothing.
    public var profile: OperatorProfile?

    let pool: ThreadPool
    private let table: UnsafePointer<ofa_kernels>
    /// The products of 16-bit values; nil if the instruction set has none.
    let pairs: UnsafePointer<ofa_pairs>?
    /// Scratch memory of each thread: it holds a block of rows of feature maps, or a band of rows of a depthwise pass.
    private(set) var scratch: [Storage]
    /// `packed` holds the packed weights of the current product; `ordered` holds the reordered filters of an im2col
    /// convolution.
    private(set) var packed = Storage(count: 0)
    private(set) var ordered = Storage(count: 0)
    /// Partial weight gradients, one per thread.
    private(set) var partials: [Storage]
    private let slots: SumSlots
    private(set) var room = EngineRoom()
    /// For each image of a batch: the hard loss, the soft loss, and 1 if the top-1 prediction is correct, else 0.
    private(set) var losses = UnsafeMutableBufferPointer<(Double, Double, Int)>(
        start: nil, count: 0)

    /// Starts an engine of `threads` threads; without `instructionSet`, it uses the set that OFA_ISA names, or else the
    /// widest. Errors: `TensorError` `invalidThreadCount`, `unsupportedInstructionSet`.
    public init(threads: Int, instructionSet: InstructionSet? = nil) throws {
        let set = try instructionSet ?? InstructionSet.fromEnvironment()
        self.instructionSet = set
        table = set.table
        pairs = set.pairs
        pool = try ThreadPool(threads: threads)
        scratch = (0..<threads).map { _ in Storage(count: Self.blockFloats) }
        partials = (0..<threads).map { _ in Storage(count: 0) }
        slots = SumSlots(threads: threads)
        // The pool's threads call BLAS, each for its own work, so BLAS itself uses one thread per
        // call.
        BLASThreads.one
    }

    /// Makes a single-threaded engine; starts no threads.
    private init(alone set: InstructionSet, _ pool: ThreadPool) {
        instructionSet = set
        table = set.table
        pairs = set.pairs
        self.pool = pool
        scratch = [Storage(count: Self.blockFloats)]
        partials = [Storage(count: 0)]
        slots = SumSlots(threads: 1)
    }

    /// One single-threaded engine for each thread of this engine.
    public var lanes: [any Engine] {
        (0..<threads).map { _ in CPUEngine(alone: instructionSet, .callers) }
    }

    /// Runs `body(0) … body(threads - 1)` at the same time on this engine's threads; returns when all calls have ended.
    public func onEachLane(_ body: (_ lane: Int) -> Void) { pool.run(body) }

    deinit { losses.deallocate() }

    @inline(__always)
    var kernels: ofa_kernels { table.pointee }

    /// The number of floats in a block of rows, which should fit in the second-level cache: 256 KB.
    static let blockFloats = 64 * 1024

    /// Returns the number of rows per block if each row takes `floats` floats: a multiple of 16, at least 96, at most
    /// 2,048.
    static func blockRows(_ floats: Int) -> Int {
        min(2048, max(96, blockFloats / floats / 16 * 16))
    }

    /// Grows the working memory to the sizes of `other`; allocates only if `other` exceeds the current sizes. Existing
    /// sums stay valid.
    public func reserve(_ other: EngineRoom) {
        if room.holds(other) { return }
        room.include(other)
        for thread in 0..<threads {
            if scratch[thread].count < room.scratch {
                scratch[thread] = Storage(count: room.scratch)
            }
            if partials[thread].count < room.partial {
                partials[thread] = Storage(count: room.partial)
            }
        }
        if packed.count < room.packed { packed = Storage(count: room.packed) }
        if ordered.count < room.ordered { ordered = Storage(count: room.ordered) }
        slots.reserve(room.channels)
        if losses.count < room.images {
            losses.deallocate()
            losses = .allocate(capacity: room.images)
            losses.initialize(repeating: (0, 0, 0))
        }
    }

    /// Packs a matrix for `product`; the threads divide the columns of a large matrix. Given `pairs`, packs for the
    /// product of `pairs`.
    func pack(
        _ from: UnsafePointer<Float>, depthStride: Int, columnStride: Int, depth: Int,
        columns: Int, factor: UnsafePointer<Float>?, pairs: UnsafePointer<ofa_pairs>? = nil
    ) {
        let kernels = self.kernels, to = packed.base
        // Packing a few thousand numbers takes less time than waking a thread.
        let parts = depth * columns < 4096 ? 1 : threads
        func part(_ index: Int) {
            let first = Int32(columns * index / parts), end = Int32(columns * (index + 1) / parts)
            kernels.pack(
                from, Int64(depthStride), Int64(columnStride), Int32(depth), Int32(columns), factor,
                first, end, to)
            pairs?.pointee.pair_matrix(to, Int32(depth), Int32(columns), first, end)
        }
        timed("pack", floats: 2 * depth * columns) {
            if parts == 1 { part(0) } else { pool.run(part) }
        }
    }

    /// Divides `images` images among the threads. Runs `body` on each thread that has a share, with the share and the
    /// thread's own zeroed array of two sums per channel; then adds up the arrays of all threads in thread order.
    /// Returns the handle of the result.
    func withSums(
        _ name: StaticString, flops: @autoclosure () -> Int = 0,
        floats: @autoclosure () -> Int, channels: Int, images: Int,
        _ body: (_ thread: Int, _ images: Range<Int>, UnsafeMutablePointer<Double>) -> Void
    ) -> ChannelSums {
        reserve(.sums(channels: channels))
        let found = slots.take(channels), slots = self.slots
        timed(name, flops: flops(), floats: floats()) {
            pool.run { thread in
                let sums = slots.array(found, thread: thread)
                sums.update(repeating: 0, count: 2 * channels)
                let mine = pool.share(of: images, thread: thread)
                if !mine.isEmpty { body(thread, mine, sums) }
            }
            let total = slots.array(found, thread: 0)
            for thread in 1..<threads {
                let other = slots.array(found, thread: thread)
                for c in 0..<2 * channels { total[c] += other[c] }
            }
        }
        return found
    }

    /// Returns the sums of a handle: the first sum of every channel, then the second of every
    /// channel.
    func values(_ sums: ChannelSums) -> UnsafePointer<Double> { slots.values(sums) }

    /// Divides `images` images among the threads, and runs `body` on each thread that has a share, with the share.
    func forEachShare(
        _ name: StaticString, flops: @autoclosure () -> Int = 0,
        floats: @autoclosure () -> Int, _ images: Int,
        _ body: (_ thread: Int, _ images: Range<Int>) -> Void
    ) {
        timed(name, flops: flops(), floats: floats()) {
            pool.run { thread in
                let mine = pool.share(of: images, thread: thread)
                if !mine.isEmpty { body(thread, mine) }
            }
        }
    }
}

/// A per-channel map and an activation that an operator applies while it reads x: act(x * scale +
/// shift).
public struct ChannelMap {
    /// Factors and offsets, one per channel; both are nil for the identity.
    public let scale, shift: Tensor?
    /// The activation applied after the map.
    public let activation: Activation

    /// Takes the first channels of `scale` and `shift`.
    public init(scale: Tensor, shift: Tensor, activation: Activation) {
        self.scale = scale
        self.shift = shift
        self.activation = activation
    }

    private init() {
        scale = nil
        shift = nil
        activation = .identity
    }

    /// The identity map.
    public static var identity: ChannelMap { ChannelMap() }

    var affine: ofa_affine {
        ofa_affine(
            scale: scale.map { UnsafePointer($0.pointer) },
            shift: shift.map { UnsafePointer($0.pointer) },
            activation: activation.code)
    }
}

/// The gradient of a batch norm's input y as a function per channel: dy = a * g + b * y + c, where g is the gradient of
/// the norm's output.
public struct NormGradient {
    /// One value per channel each.
    public let a, b, c: Tensor

    /// Takes the first channels of `a`, `b` and `c`.
    public init(a: Tensor, b: Tensor, c: Tensor) {
        self.a = a
        self.b = b
        self.c = c
    }

    var map: ofa_norm_gradient {
        ofa_norm_gradient(
            a: UnsafePointer(a.pointer), b: UnsafePointer(b.pointer), c: UnsafePointer(c.pointer))
    }
}

/// A view of the first `rows` rows and `columns` columns of a matrix that has `stride` floats per row.
public struct MatrixSlice {
    /// The whole matrix; its first element is also the first element of the slice.
    public let tensor: Tensor
    /// The size of the slice, and the distance between rows in floats.
    public let rows, columns, stride: Int

    /// Takes the first rows and columns of the matrix in `tensor`.
    public init(_ tensor: Tensor, rows: Int, columns: Int, stride: Int) {
        precondition(
            columns <= stride && (rows == 0 || (rows - 1) * stride + columns <= tensor.count),
            "matrix slice \(rows) x \(columns) (stride \(stride)) lies outside \(tensor.count) floats"
        )
        self.tensor = tensor
        self.rows = rows
        self.columns = columns
        self.stride = stride
    }
}

/// Computes c = op(a) · op(b) + beta * c, row-major, on the calling thread; op transposes a if `transposeA`, b if
/// `transposeB`.
@inline(__always)
func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, _ beta: Float,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int
) {
    cblas_sgemm(
        CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans,
        transposeB ? CblasTrans : CblasNoTrans,
        blasint(m), blasint(n), blasint(k), 1, a, blasint(lda), b, blasint(ldb), beta, c,
        blasint(ldc))
}
