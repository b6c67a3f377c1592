// Memory of the engine: alignment, views, and the workspace that lends and takes back.
import Testing

@testable import Tensors

@Suite struct StorageTests {
    @Test("an array begins on 64 bytes and with zeros", arguments: [0, 1, 15, 1000])
    func storage(count: Int) {
        let storage = Storage(count: count)
        #expect(Int(bitPattern: storage.base) % 64 == 0)
        #expect(storage.all.values == [Float](repeating: 0, count: count))
    }

    @Test("a slice shows the same memory")
    func slices() {
        let tensor = Tensor([0, 1, 2, 3, 4])
        let slice = tensor.slice(1, 3)
        slice[0] = 9
        slice.slice(1, 2).fill(with: 7)
        #expect(tensor.values == [0, 9, 7, 7, 4])
        tensor.slice(0, 2).copy(from: tensor.slice(3, 2))
        #expect(tensor.values == [7, 4, 7, 7, 4])
    }

    @Test("a workspace lends aligned memory, takes it back to a mark, and remembers its peak")
    func workspace() throws {
        let workspace = Workspace(try CPUEngine(threads: 1))
        workspace.reset(room: 100)
        let first = workspace.take(3)
        let mark = workspace.mark
        let second = workspace.take(20)
        #expect(first.offset == 0 && second.offset == 16)
        #expect(workspace.peak == 48)
        workspace.rewind(to: mark)
        #expect(workspace.take(1).offset == 16)
        #expect(workspace.peak == 48)
        workspace.reset(room: 90)
        #expect(workspace.take(90).storage === first.storage)
        workspace.reset(room: 200)
        #expect(workspace.take(90).storage.count == 200)
    }

    @Test("maps lent one after the other do not overlap")
    func maps() throws {
        let workspace = Workspace(try CPUEngine(threads: 1))
        let (a, b) = (
            workspace.map(images: 2, size: 3, channels: 5),
            workspace.map(images: 1, size: 2, channels: 3)
        )
        a.tensor.fill(with: 1)
        b.tensor.fill(with: 2)
        #expect(a.tensor.values.allSatisfy { $0 == 1 })
        #expect(a.rows == 18 && a.pixels == 9 && b.tensor.count == 12)
    }
}
