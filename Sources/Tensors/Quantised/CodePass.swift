// A pass over maps of eight-bit codes whose operators, weights and memory were fixed before it runs. `CodePassBuilder`
// makes it; CodeSteps.swift has the operators. It gives the codes that Networks/Quantised defines, to the bit.

import CKernels

/// Operators on codes with packed weights and fixed buffers, for one number of images. A pass allocates nothing. Only
/// one thread at a time may run it, and not while another pass runs on the same engine.
public final class CodePass {
    /// The engine whose threads share the work.
    public let engine: CPUEngine
    /// The number of images of a pass.
    public let images: Int
    /// Bytes of the packed weights, and of the maps.
    public let weightBytes, mapBytes: Int
    /// The logits of the last pass, (images, classes).
    public let output: Tensor
    private let source: CodeSource
    private let steps: [any CodeStep]
    private let labels: [String]
    private let scratch: [CodeMemory]
    /// The arrays in which the steps' pointers lie.
    private let memory: [CodeMemory]

    init(
        engine: CPUEngine, images: Int, output: Tensor, source: CodeSource,
        steps: [any CodeStep], labels: [String], scratchBytes: Int, weights: CodeMemory,
        maps: CodeMemory
    ) {
        self.engine = engine
        self.images = images
        self.output = output
        self.source = source
        self.steps = steps
        self.labels = labels
        scratch = (0..<engine.threads).map { _ in CodeMemory(scratchBytes) }
        memory = [weights, maps]
        (weightBytes, mapBytes) = (weights.count, maps.count)
    }

    /// Runs the pass over `batch`, which must have the pass's number and size of images. Returns `output`, which is
    /// valid until the next pass.
    public func run(_ batch: FeatureMap) -> Tensor {
        precondition(
            batch.images == images && batch.tensor.count == source.count,
            "this pass takes \(images) images, \(source.count) numbers, not \(batch.images) images,"
                + " \(batch.tensor.count) numbers")
        source.base = UnsafePointer(batch.tensor.pointer)
        for index in steps.indices {
            let step = steps[index]
            guard engine.profile != nil else {
                run(step)
                continue
            }
            engine.profile?.place = labels[index]
            engine.timed(step.name, flops: 2 * step.macs, floats: step.bytes / 4) { run(step) }
        }
        return output
    }

    @inline(__always)
    private func run(_ step: any CodeStep) {
        engine.pool.runItems(step.items) { item, thread in
            step.run(item, scratch[thread].base)
        }
    }
}

/// An array of bytes aligned to 64 bytes, zero at the start and freed with this object.
final class CodeMemory {
    let base: UnsafeMutablePointer<UInt8>
    let count: Int

    init(_ count: Int) {
        self.count = count
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 64)
        base = raw.bindMemory(to: UInt8.self, capacity: max(count, 1))
        base.initialize(repeating: 0, count: max(count, 1))
    }

    deinit { base.deallocate() }
}

/// The images of a pass, whose address is known when it runs.
final class CodeSource {
    var base: UnsafePointer<Float>?
    let count: Int

    init(count: Int) { self.count = count }
}

/// One operator of a pass over codes.
protocol CodeStep: AnyObject {
    /// The operator's name in profiles.
    var name: StaticString { get }
    /// The number of parts into which the work is cut. The parts may run at the same time.
    var items: Int { get }
    /// Multiply-adds of the step; bytes that it reads and writes, each counted once.
    var macs: Int { get }
    var bytes: Int { get }
    /// Runs part `item`. `scratch` is memory of the calling thread.
    func run(_ item: Int, _ scratch: UnsafeMutablePointer<UInt8>)
}

extension InstructionSet {
    /// The kernels on codes of this set, or of the next narrower set that has them.
    var codes: UnsafePointer<ofa_code_kernels> {
        let wide = description == "avx512" ? ["avx512", "avx2"] : [description]
        for name in wide {
            if let table = ofa_code_kernels_named(name) { return table }
        }
        return ofa_code_kernels_scalar()
    }
}
