// Engines agree: what one counts is what the other takes, for every operator.
import TestSupport
import Testing

@testable import Tensors

@Suite struct EngineTests {
    @Test(
        "the counting engine tells what every operator makes room for, at every shape",
        arguments: 1...3)
    func room(threads: Int) throws {
        for entry in OperatorTable.operators {
            for item in entry.cases where item.size < 57 {
                let engine = try CPUEngine(threads: threads, instructionSet: sets.last)
                let counting = CountingEngine()
                _ = entry.run(OperatorTable.Numbers(engine: engine, item: item))
                _ = entry.run(OperatorTable.Numbers(engine: counting, item: item))
                #expect(engine.room == counting.room, "\(entry.name) \(item)")
            }
        }
    }

    @Test("an engine whose room was reserved takes no more", arguments: 1...3)
    func reserved(threads: Int) throws {
        let engine = try CPUEngine(threads: threads, instructionSet: sets.last)
        let counting = CountingEngine()
        func all(_ engine: any Engine) {
            for entry in OperatorTable.operators {
                for item in entry.cases where item.size < 57 {
                    _ = entry.run(OperatorTable.Numbers(engine: engine, item: item))
                }
            }
        }
        all(counting)
        engine.reserve(counting.room)
        let before = engine.room
        all(engine)
        #expect(engine.room == before && before == counting.room)
    }

    @Test("a counted storage has a size and no memory")
    func counted() {
        let engine = CountingEngine(), storage = engine.storage(1 << 40)
        #expect(storage.count == 1 << 40 && engine.storedFloats == 1 << 40)
        let workspace = Workspace(engine)
        _ = workspace.take(1 << 33)
        let mark = workspace.mark
        _ = workspace.take(100)
        workspace.rewind(to: mark)
        _ = workspace.take(16)
        #expect(workspace.peak == 1 << 33 + 112)
    }

    @Test("a workspace grows where it has to, and is one piece from the next pass on")
    func growth() throws {
        let workspace = Workspace(try CPUEngine(threads: 1))
        let first = workspace.take(10), second = workspace.take(1000)
        #expect(first.storage !== second.storage && workspace.lent(first) && !workspace.lent(nil))
        workspace.reset()
        let again = workspace.take(10), last = workspace.take(1000)
        #expect(again.storage === last.storage && last.offset == 16)
        #expect(!workspace.lent(first))
        workspace.reset(room: 5000)
        #expect(workspace.take(5000).storage.count == 5000)
    }

    @Test("sums are good for the next three operators that take some, and no longer")
    func handles() throws {
        let engine = try CPUEngine(threads: 2), item = KernelCase(2, size: 4, channels: 5)
        func map(_ draw: Int) -> FeatureMap {
            FeatureMap(
                item.values(item.rows * 5, draw: draw), images: item.images, size: 4, channels: 5)
        }
        let center = Tensor([Float](repeating: 0, count: 5))
        let first = engine.gradientSums(Upstream(map(0), y: map(1)), center: center)
        let before = engine.doubles(first)
        for draw in 2..<5 {
            _ = engine.gradientSums(Upstream(map(draw), y: map(1)), center: center)
        }
        #expect(engine.doubles(first) == before)
    }
}
