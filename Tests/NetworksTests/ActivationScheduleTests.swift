// Peak activation memory, against a simulation that knows nothing of formulas: operators, maps and when each is freed.
import Networks
import Tensors
import TestSupport
import Testing

/// One operator: the maps it reads, and the one it writes, which may be one of those it reads.
private struct Operation {
    var reads: [Int]
    var writes: Int
}

/// A network as operators over numbered maps.
private struct Program {
    private(set) var sizes: [Int] = []
    private(set) var operations: [Operation] = []

    private mutating func map(_ size: Int, _ width: Int) -> Int {
        sizes.append(size * size * width)
        return sizes.count - 1
    }

    private mutating func run(_ reads: [Int], _ writes: Int) -> Int {
        operations.append(Operation(reads: reads, writes: writes))
        return writes
    }

    init(_ shape: NetworkShape) {
        var last = map(shape.resolution, shape.inputChannels)
        for layer in shape.layers { last = add(layer, last) }
    }

    private mutating func add(_ layer: Layer, _ input: Int) -> Int {
        var last = input
        switch layer {
        case .convolution, .maxPooling, .meanPooling, .dense:
            last = run([last], map(layer.outSize, layer.outWidth))
        case .residualConvolution(let conv):
            last = run([last], map(conv.size, conv.width))
            last = run([last, input], last)
        case .invertedResidual(let block):
            if block.hasExpansion { last = run([last], map(block.inSize, block.middleWidth)) }
            last = run([last], map(block.outSize, block.middleWidth))
            if let hidden = block.seHidden {
                let pooled = run([last], map(1, block.middleWidth))
                let reduced = run([pooled], map(1, hidden))
                let gate = run([reduced], map(1, block.middleWidth))
                last = run([last, gate], last)
            }
            last = run([last], map(block.outSize, block.outWidth))
            if block.hasSkip { last = run([last, input], last) }
        case .bottleneck(let block):
            var side = input
            if block.hasDownsample {
                if block.stride > 1 { side = run([input], map(block.outSize, block.inWidth)) }
                side = run([side], map(block.outSize, block.outWidth))
            }
            last = run([input], map(block.inSize, block.middleWidth))
            last = run([last], map(block.outSize, block.middleWidth))
            last = run([last], map(block.outSize, block.outWidth))
            last = run([last, side], last)
        }
        return last
    }

    /// The most elements in memory at any moment of an order of the operators: a map is there from when it is written
    /// (the image from the start) to when nobody will read it any more.
    func peak(_ order: [Int]) -> Int {
        var written: Set<Int> = [0]
        var most = 0
        for (moment, number) in order.enumerated() {
            written.insert(operations[number].writes)
            let now = written.filter { map in
                order[moment...].contains {
                    operations[$0].reads.contains(map) || operations[$0].writes == map
                }
            }
            most = max(most, now.reduce(0) { $0 + sizes[$1] })
        }
        return most
    }

    /// Elements read and written.
    var moved: Int {
        operations.reduce(0) { sum, one in
            sum + sizes[one.writes] + one.reads.reduce(0) { $0 + sizes[$1] }
        }
    }

    /// Every order in which each operator finds what it reads as the program means it, up to `limit` of them.
    func orders(limit: Int) -> [[Int]] {
        // An operator comes after whoever wrote what it reads, and, where it writes in place, after whoever reads it
        // before.
        var after = [Set<Int>](repeating: [], count: operations.count)
        for (number, one) in operations.enumerated() {
            for (other, before) in operations.prefix(number).enumerated() {
                let needs =
                    one.reads.contains(before.writes) || one.writes == before.writes
                    || before.reads.contains(one.writes)
                if needs { after[number].insert(other) }
            }
        }
        var found: [[Int]] = []
        func extend(_ order: [Int], _ done: Set<Int>) {
            guard found.count < limit else { return }
            if order.count == operations.count { return found.append(order) }
            for number in operations.indices
            where !done.contains(number) && after[number].isSubset(of: done) {
                extend(order + [number], done.union([number]))
            }
        }
        extend([], [])
        return found
    }
}

@Suite struct ActivationScheduleTests {
    private static let spaces = [
        SearchSpace.fashion.name, "ofa-mbv3-w1.0", "ofa-mbv3-w1.2", "ofa-proxyless-w1.3",
        "ofa-resnet50",
    ]

    @Test("the greatest sum of live activations is that of a simulation", arguments: spaces)
    func simulated(name: String) throws {
        let space = try SearchSpace.named(name)
        var stream = RandomStream(seed: 7)
        let drawn = (0..<20).map { _ in space.sample(using: &stream) }
        for config in drawn + [space.largest, space.smallest] {
            let shape = try NetworkShape(space, config)
            let program = Program(shape)
            let cost = NetworkCost(shape)
            let order = Array(program.operations.indices)
            #expect(cost.liveActivationElements == program.peak(order), "\(config)")
            #expect(cost.movedActivationElements == program.moved, "\(config)")
        }
    }

    @Test("no other order of the operators exists, so none needs less")
    func forced() throws {
        let space = SearchSpace.tiny()
        let program = Program(try NetworkShape(space, space.largest))
        #expect(program.orders(limit: 2) == [Array(program.operations.indices)])
    }

    @Test("a block by hand: input, expanded map and filtered map of the fashion space's largest")
    func byHand() throws {
        // The depthwise convolution of stage 1's second layer holds 96 channels at 14² twice, and its skip of 16.
        let cost = try NetworkCost(.fashion, SearchSpace.fashion.largest)
        #expect(cost.liveActivationElements == 2 * 96 * 14 * 14 + 16 * 14 * 14)
    }
}
