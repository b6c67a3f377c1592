// Supernets read from PyTorch files give the reference's logits.

import Foundation
import Interchange
import Networks
import Tensors
import TestSupport
import Testing

@Suite(
    .enabled(
        if: SharedFolders.checkpoints != nil && !SharedFolders.fixtures.isEmpty,
        Comment(rawValue: SharedFolders.checkpointsHint)))
struct ImportedSupernetTests {
    @Test(
        "a supernet read from a PyTorch file gives the fixture's logits",
        arguments: [
            "today.pth", "published.pth", "legacy.pth", "parallel.pth", "dynamic.pth", "static.pth",
            "training.pth",
        ])
    func logits(name: String) throws {
        let fixture = try #require(ParityFixture.all.first { $0.name == "mbv3-w0.25" })
        let path = try #require(SharedFolders.checkpoints).appending(path: name)
        let file = try #require(try TensorFile.read([UInt8](try Data(contentsOf: path))))
        let network = try Network(
            supernet: try SupernetFile(file, space: fixture.space).weights, of: fixture.space,
            engine: try CPUEngine(threads: 2))
        for item in fixture.cases("infer") {
            let shape = try fixture.shape(try #require(item.arch), try #require(item.resolution))
            let logits = network.forward(
                try fixture.images("infer.\(item.id).input"), shape, mode: .running)
            let error = relativeError(logits.values, try fixture.values("infer.\(item.id).logits"))
            #expect(error <= fixture.tolerance.logits, "\(name), infer \(item.id)")
        }
    }
}
