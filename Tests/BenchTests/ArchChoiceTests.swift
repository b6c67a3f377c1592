// Which networks --arch names.
import Foundation
import Networks
import Testing

@testable import ofa_bench

@Suite struct ArchChoiceTests {
    private func read(
        _ text: String, resolution: Int? = nil, count: Int = 1, seed: UInt64 = 1
    ) throws -> [ArchChoice] {
        try ArchChoice.read(
            text, space: try SearchSpace.named("ofa-mbv3-w1.0"), resolution: resolution,
            count: count, seed: seed)
    }

    @Test(
        "named networks have the peer's genes",
        arguments: [("max", 7, 6, 4), ("mid", 5, 4, 3), ("min", 3, 3, 2)])
    func named(name: String, kernel: Int, expand: Int, depth: Int) throws {
        let choice = try read(name, resolution: 160)[0]
        #expect(choice.config.kernelSizes == Array(repeating: kernel, count: 20))
        #expect(choice.config.expandRatios == Array(repeating: Double(expand), count: 20))
        #expect(choice.config.depths == Array(repeating: depth, count: 5))
        #expect(choice.config.resolution == 160 && choice.name == name)
        #expect(try read(name)[0].config.resolution == 128)
    }

    @Test("random networks are decided by the seed, differ, and have the size asked for")
    func random() throws {
        let some = try read("random", resolution: 144, count: 6)
        #expect(some.map(\.config) == (try read("random", resolution: 144, count: 6)).map(\.config))
        #expect(Set(some.map(\.config)).count == 6)
        #expect(some.allSatisfy { $0.config.resolution == 144 })
        // The first of more are the same ones.
        #expect(try read("random", resolution: 144, count: 2)[1].config == some[1].config)
        #expect(try read("random", count: 1, seed: 2)[0].config != read("random")[0].config)
    }

    @Test("a network written out keeps its size, or takes the one asked for")
    func given() throws {
        let genes = try read("mid")[0].genes
        #expect(try read(genes)[0].config == read("mid")[0].config)
        #expect(try read(genes, resolution: 96)[0].config.resolution == 96)
        let sized = genes.dropLast() + #","r":224}"#
        #expect(try read(String(sized))[0].config.resolution == 224)
        #expect(throws: BenchError.self) { try read(String(sized), resolution: 128) }
    }

    @Test("several networks are named with commas")
    func several() throws {
        let found = try read("max,random,min", resolution: 96, count: 2)
        #expect(found.map(\.name) == ["max", "random 0", "random 1", "min"])
        #expect(found.allSatisfy { $0.config.resolution == 96 })
        #expect(throws: BenchError.self) { try read("max,") }
        #expect(throws: BenchError.self) { try read("max,large") }
    }

    @Test("what is no network is an error", arguments: ["large", "{", "[1]", "{}", #"{"ks":[3]}"#])
    func wrong(text: String) {
        #expect(throws: BenchError.self) { try read(text) }
    }

    @Test("genes outside the space are an error")
    func outside() throws {
        let genes = try read("mid")[0].genes.replacingOccurrences(of: "\"d\":[3", with: "\"d\":[9")
        #expect(throws: NetworkError.self) { try read(genes) }
    }
}
