// A pass whose operators, weights and memory were fixed before it runs. `PassBuilder` makes it; CompiledSteps.swift has
// the operators, PassPlan.swift what passes share.

import CKernels

/// Operators with packed weights and fixed buffers, for one number of images. A pass allocates nothing, and the same
/// number of threads gives the same bits. Only one thread at a time may run it, and not while another pass runs on the
/// same engine or in the same room.
public final class CompiledPass {
    /// The engine whose threads share the work.
    public let engine: CPUEngine
    /// The number of images of a pass.
    public let images: Int
    /// The clock that times the parts of every pass; nil for no timing.
    public var clock: PassClock?
    /// Bytes of the maps.
    public let mapBytes: Int
    private let plan: PassPlan
    private let room: PassRoom
    private let input: PassMemory
    private let steps: [any CompiledStep]
    private let outputOffset: Int

    /// Places the operators of `plan` for `images` images in `room`.
    init(_ plan: PassPlan, images: Int, engine: CPUEngine, room: PassRoom) {
        self.plan = plan
        self.images = images
        self.engine = engine
        self.room = room
        let (offsets, floats) = plan.placed(images: images)
        room.reserve(
            floats, scratchFloats: plan.scratchFloats(images: images), threads: engine.threads)
        input = PassMemory(room.place.base)
        steps = plan.steps(
            PassBinding(
                images: images, input: input, weights: PassMemory(plan.weights.base),
                maps: room.place, offsets: offsets))
        outputOffset = offsets[plan.output.number]
        mapBytes = 4 * floats
    }

    /// Returns a pass with the same weights over `images` images on `engine`, which must have as many threads as this
    /// pass's engine and the same instruction set.
    public func sharing(images: Int, on engine: CPUEngine, room: PassRoom = PassRoom())
        -> CompiledPass
    {
        precondition(
            engine.threads == self.engine.threads
                && engine.instructionSet.table == self.engine.instructionSet.table,
            "passes share weights on engines of equal instruction sets and numbers of threads")
        return CompiledPass(plan, images: images, engine: engine, room: room)
    }

    /// Bytes of the packed weights.
    public var weightBytes: Int { 4 * plan.weights.count }
    /// Height, width and channels of an image.
    public var inputShape: (height: Int, width: Int, channels: Int) { plan.inputShape }
    /// The results of the last pass.
    public var output: Tensor {
        Tensor(storage: room.maps, offset: outputOffset, count: images * plan.output.floats)
    }

    /// Runs the pass over `batch`, which must have the pass's number and size of images. Returns `output`, which is
    /// valid until the next pass in the same room.
    public func run(_ batch: FeatureMap) -> Tensor {
        read(batch)
        if let clock {
            clock.begin()
            for index in steps.indices {
                run(steps[index])
                if plan.endsPart[index] { clock.mark() }
            }
        } else {
            for index in steps.indices { run(steps[index]) }
        }
        return output
    }

    /// Runs the pass as `run` does, and marks on `clock` when each operator of `costs` ends.
    public func profiled(_ batch: FeatureMap, _ clock: PassClock) -> Tensor {
        read(batch)
        clock.begin()
        for index in steps.indices {
            run(steps[index])
            clock.mark()
        }
        return output
    }

    /// The cost of every operator, in the order in which they run.
    public var costs: [StepCost] {
        zip(plan.labels, steps).map { label, step in
            StepCost(
                place: label, name: "\(step.name)", macs: step.macs,
                weightBytes: 4 * step.weightFloats, mapBytes: 4 * step.mapFloats,
                isShared: step.items > 1 && engine.threads > 1)
        }
    }

    private func read(_ batch: FeatureMap) {
        precondition(
            batch.images == images && batch.height == inputShape.height
                && batch.width == inputShape.width && batch.channels == inputShape.channels,
            "this pass takes \(images) images of \(inputShape), not \(batch.images) of"
                + " \(batch.height)x\(batch.width)x\(batch.channels)")
        input.base = batch.tensor.pointer
    }

    @inline(__always)
    private func run(_ step: any CompiledStep) {
        let scratch = room.scratch
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

/// What one operator of a compiled pass computes and moves.
public struct StepCost: Sendable, Equatable {
    /// The part of the network, such as `blocks.3`, and the operator.
    public let place, name: String
    /// Multiply-adds of a pass.
    public let macs: Int
    /// Bytes of weights, and of maps, that the operator reads or writes, each counted once: lower bounds.
    public let weightBytes, mapBytes: Int
    /// Whether several threads share the work.
    public let isShared: Bool

    /// Takes the figures of an operator.
    public init(
        place: String, name: String, macs: Int, weightBytes: Int, mapBytes: Int, isShared: Bool
    ) {
        (self.place, self.name, self.macs) = (place, name, macs)
        (self.weightBytes, self.mapBytes, self.isShared) = (weightBytes, mapBytes, isShared)
    }
}

/// One operator of a compiled pass.
protocol CompiledStep: AnyObject {
    /// The operator's name in profiles.
    var name: StaticString { get }
    /// The number of parts into which the work is cut. The parts may run at the same time.
    var items: Int { get }
    /// Multiply-adds of the step; floats of weights that it reads, and of maps that it reads and writes, each counted
    /// once.
    var macs: Int { get }
    var weightFloats: Int { get }
    var mapFloats: Int { get }
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
