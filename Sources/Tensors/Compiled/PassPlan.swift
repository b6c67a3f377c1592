// What the passes of one compiled network have in common, and the memory that passes use in turn.

import CKernels

/// Packed weights, and operators that have no place for their maps yet.
final class PassPlan {
    /// Height, width and channels of an image.
    let inputShape: (height: Int, width: Int, channels: Int)
    /// The packed weights.
    let weights: Storage
    /// The map that the last operator writes, and its floats for one image.
    let output: (number: Int, floats: Int)
    /// The part of the network to which each operator belongs.
    let labels: [String]
    /// Whether an operator is the last of a part that a clock times.
    let endsPart: [Bool]
    private let maps: MemoryPlan
    private let makers: [(PassBinding) -> any CompiledStep]
    private let scratch: (floats: Int, floatsPerImage: Int)

    init(
        inputShape: (height: Int, width: Int, channels: Int), weights: Storage, maps: MemoryPlan,
        output: (number: Int, floats: Int), makers: [(PassBinding) -> any CompiledStep],
        labels: [String], endsPart: [Bool], scratch: (floats: Int, floatsPerImage: Int)
    ) {
        self.inputShape = inputShape
        self.weights = weights
        self.maps = maps
        self.output = output
        self.makers = makers
        self.labels = labels
        self.endsPart = endsPart
        self.scratch = scratch
    }

    /// The offset of every map for `images` images, and the floats of all maps.
    func placed(images: Int) -> (offsets: [Int], floats: Int) { maps.placed(images: images) }

    /// Floats of scratch memory that a thread needs for `images` images.
    func scratchFloats(images: Int) -> Int {
        max(scratch.floats, images * scratch.floatsPerImage)
    }

    /// Returns the operators of a pass with the memory of `binding`.
    func steps(_ binding: PassBinding) -> [any CompiledStep] { makers.map { $0(binding) } }
}

/// The arrays of one pass, from which the operators of a plan make their steps.
struct PassBinding {
    /// The number of images of a pass.
    let images: Int
    /// The array of the images, of the packed weights, and of all other maps.
    let input, weights, maps: PassMemory
    /// The offset of every map among the maps.
    let offsets: [Int]
    /// The number that stands for the input.
    static let inputNumber = -1

    func place(map number: Int) -> PassPlace {
        number == Self.inputNumber
            ? PassPlace(memory: input, offset: 0)
            : PassPlace(memory: maps, offset: offsets[number])
    }

    func weight(_ offset: Int) -> PassPlace { PassPlace(memory: weights, offset: offset) }
}

/// Memory for the maps of passes that run one after the other on one engine. Each pass overwrites the results of the
/// pass before it.
public final class PassRoom {
    /// The memory of the maps, and the address of its first float.
    private(set) var maps = Storage(count: 0)
    let place: PassMemory
    /// Working memory of each thread.
    private(set) var scratch: [Storage] = []

    /// Makes a room without memory; passes enlarge it.
    public init() { place = PassMemory(maps.base) }

    /// Enlarges the room to `floats` floats of maps, and `scratchFloats` floats for each of `threads` threads. Results of
    /// earlier passes are lost.
    func reserve(_ floats: Int, scratchFloats: Int, threads: Int) {
        if maps.count < floats {
            maps = Storage(count: floats)
            place.base = maps.base
        }
        for thread in scratch.indices where scratch[thread].count < scratchFloats {
            scratch[thread] = Storage(count: scratchFloats)
        }
        while scratch.count < threads { scratch.append(Storage(count: scratchFloats)) }
    }
}
