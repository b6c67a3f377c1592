// A pass whose operators, weights and memory were fixed before it runs. `PassBuilder` makes it; CompiledSteps.swift has
// the operators.

import CKernels

/// Operators with packed weights and fixed buffers, for one number of images. A pass allocates nothing, and the same
/// number of threads gives the same bits. Only one thread at a time may run it, and not while another pass runs on the
/// same engine.
public final class CompiledPass {
    /// The engine whose threads share the work.
    public let engine: CPUEngine
    /// The number of images of a pass.
    public let images: Int
    /// Bytes of the packed weights, and of the maps.
    public let weightBytes, mapBytes: Int
    /// Height, width and channels of an image.
    public let inputShape: (height: Int, width: Int, channels: Int)
    /// The results of the last pass.
    public let output: Tensor
    private let input: PassMemory
    private let steps: [any CompiledStep]
    private let labels: [String]
    private let scratch: [Storage]
    /// The arrays in which the steps' pointers lie.
    private let memory: [Storage]

    init(
        engine: CPUEngine, images: Int, inputShape: (height: Int, width: Int, channels: Int),
        input: PassMemory, output: Tensor, steps: [any CompiledStep], labels: [String],
        scratchFloats: Int, weights: Storage, maps: Storage
    ) {
        self.engine = engine
        self.images = images
        self.inputShape = inputShape
        self.input = input
        self.output = output
        self.steps = steps
        self.labels = labels
        scratch = (0..<engine.threads).map { _ in Storage(count: scratchFloats) }
        memory = [weights, maps]
        (weightBytes, mapBytes) = (4 * weights.count, 4 * maps.count)
    }

    /// Runs the pass over `batch`, which must have the pass's number and size of images. Returns `output`, which is
    /// valid until the next pass.
    public func run(_ batch: FeatureMap) -> Tensor {
        precondition(
            batch.images == images && batch.height == inputShape.height
                && batch.width == inputShape.width && batch.channels == inputShape.channels,
            "this pass takes \(images) images of \(inputShape), not \(batch.images) of"
                + " \(batch.height)x\(batch.width)x\(batch.channels)")
        input.base = batch.tensor.pointer
        for index in steps.indices {
            let step = steps[index]
            guard engine.profile != nil else {
                run(step)
                continue
            }
            engine.profile?.place = labels[index]
            engine.timed(step.name, flops: 2 * step.macs, floats: step.floats) { run(step) }
        }
        return output
    }

    @inline(__always)
    private func run(_ step: any CompiledStep) {
        engine.pool.runItems(step.items) { item, thread in
            step.run(item, scratch[thread].base)
        }
    }
}

/// An array whose address is known when a pass runs.
final class PassMemory {
    var base: UnsafeMutablePointer<Float>

    init(_ base: UnsafeMutablePointer<Float>) { self.base = base }
}

/// A place in a `PassMemory`.
struct PassPlace {
    let memory: PassMemory
    let offset: Int

    @inline(__always)
    var pointer: UnsafeMutablePointer<Float> { memory.base + offset }
}

/// One operator of a compiled pass.
protocol CompiledStep: AnyObject {
    /// The operator's name in profiles.
    var name: StaticString { get }
    /// The number of parts into which the work is cut. The parts may run at the same time.
    var items: Int { get }
    /// Multiply-adds of the step; floats that it reads and writes, each counted once.
    var macs: Int { get }
    var floats: Int { get }
    /// Runs part `item`. `scratch` is memory of the calling thread.
    func run(_ item: Int, _ scratch: UnsafeMutablePointer<Float>)
}

/// How a step's work is cut into parts for the threads.
enum StepCut {
    /// Steps with fewer multiply-adds run on the calling thread: they take less time than it takes to share them.
    static let soloMacs = 250_000
    /// Dense layers with fewer weights run on the calling thread.
    static let soloWeights = 100_000

    /// Returns part `index` of `parts` of 0 ..< `count`; the parts begin at multiples of `step`.
    static func range(_ index: Int, of parts: Int, _ count: Int, step: Int) -> Range<Int> {
        let last = index + 1 == parts ? count : count * (index + 1) / parts / step * step
        return count * index / parts / step * step..<last
    }

    /// Returns the first columns of the panels of a packed matrix, and after them the number of columns.
    static func panels(_ columns: Int, _ kernels: ofa_kernels) -> [Int] {
        var starts = [0]
        while let last = starts.last, last < columns {
            starts.append(Int(kernels.panel_end(Int32(columns), Int32(last))))
        }
        return starts
    }

    /// Returns the boundaries of at most `parts` ranges of whole panels, of nearly equal numbers of columns.
    static func panels(_ columns: Int, parts: Int, _ kernels: ofa_kernels) -> [Int] {
        let starts = panels(columns, kernels)
        guard parts > 1 else { return [0, columns] }
        var cuts = [0]
        for part in 1..<parts {
            let wanted = columns * part / parts
            let nearest = starts.min { abs($0 - wanted) < abs($1 - wanted) } ?? columns
            if nearest > (cuts.last ?? 0) && nearest < columns { cuts.append(nearest) }
        }
        return cuts + [columns]
    }
}
