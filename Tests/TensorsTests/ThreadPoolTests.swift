// The engine's threads: everybody works, once, and the same number gives the same bits.
import Synchronization
import TestSupport
import Testing

@testable import Tensors

@Suite struct ThreadPoolTests {
    @Test("every thread runs the closure once, again and again", arguments: [1, 2, 3, 8])
    func runs(threads: Int) throws {
        let pool = try ThreadPool(threads: threads)
        let counts = (0..<threads).map { _ in Cell() }
        for _ in 0..<2000 { pool.run { counts[$0].value.add(1, ordering: .relaxed) } }
        #expect(counts.allSatisfy { $0.value.load(ordering: .relaxed) == 2000 })
    }

    private final class Cell: Sendable { let value = Atomic<Int>(0) }

    @Test(
        "every item runs once, by whichever thread, also between runs of all threads",
        arguments: [1, 2, 3, 8])
    func items(threads: Int) throws {
        let pool = try ThreadPool(threads: threads)
        let counts = (0..<17).map { _ in Cell() }, all = Cell()
        for round in 0..<2000 {
            let items = round % 18
            pool.runItems(items) { item, thread in
                #expect(thread < threads)
                counts[item].value.add(1, ordering: .relaxed)
            }
            if round % 5 == 0 { pool.run { _ in all.value.add(1, ordering: .relaxed) } }
        }
        for (item, count) in counts.enumerated() {
            let expected = (0..<2000).filter { $0 % 18 > item }.count
            #expect(count.value.load(ordering: .relaxed) == expected)
        }
        #expect(all.value.load(ordering: .relaxed) == 400 * threads)
    }

    @Test(
        "shares are disjoint, in order, and together everything", arguments: [1, 2, 3, 7],
        [0, 1, 2, 5, 64])
    func shares(threads: Int, count: Int) throws {
        let pool = try ThreadPool(threads: threads)
        let all = (0..<threads).flatMap { Array(pool.share(of: count, thread: $0)) }
        #expect(all == Array(0..<count))
    }

    @Test("a pool needs a sensible number of threads", arguments: [0, -1, 257])
    func bounds(threads: Int) {
        let error = #expect(throws: TensorError.self) { try ThreadPool(threads: threads) }
        #expect(error?.code == .invalidThreadCount)
    }

    /// A pass with sums over seven images.
    private func pass(threads: Int, _ set: InstructionSet) throws -> (
        output: [Float], sums: [Double]
    ) {
        let item = KernelCase(2, size: 14, channels: 20, outChannels: 24)
        let engine = try CPUEngine(threads: threads, instructionSet: set)
        let input = FeatureMap(
            item.values(7 * 196 * 20, draw: 0), images: 7, size: 14, channels: 20)
        let output = FeatureMap(images: 7, size: 14, channels: 24)
        let sums = engine.pointwise(
            input,
            weight: MatrixSlice(
                Tensor(item.values(480, draw: 1)), rows: 24, columns: 20, stride: 20),
            output: output, end: .statistics(center: Tensor(item.values(24, draw: 2))))
        return (output.tensor.values, engine.doubles(sums))
    }

    @Test(
        "the same number of threads gives the same bits, another number the same within rounding",
        arguments: sets)
    func bits(set: InstructionSet) throws {
        let alone = try pass(threads: 1, set)
        for threads in 1...4 {
            let first = try pass(threads: threads, set), second = try pass(threads: threads, set)
            #expect(first.output == second.output && first.sums == second.sums)
            // 1,372 rows of values below 20, whose squares are below 500.
            for (index, (one, other)) in zip(alone.sums, first.sums).enumerated() {
                #expect(abs(one - other) <= 1372 * 66 * unit * (index < 24 ? 21 : 500))
            }
        }
    }
}
