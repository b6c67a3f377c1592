// What a definition may hold: every list, name and size that the engine could not run, tell apart or store is refused.
import Foundation
import TestSupport
import Testing

@testable import Networks

@Suite struct SearchSpaceCheckTests {
    private static func convolution(
        _ name: String, width: Int = 8, kernel: Int = 3, key: String? = nil
    ) -> LayerDefinition {
        .convolution(
            .init(
                name: name, width: .constant(width), kernel: kernel, activation: .relu,
                key: key ?? name))
    }
    private static func space(_ layers: [LayerDefinition], resolution: Int = 32) -> SearchSpace {
        SearchSpace(
            name: "x", inputChannels: 3, classes: 5, resolutions: [resolution],
            layers: [convolution("stem")] + layers + [
                .meanPooling(.init(key: nil)), .dense(.classifier()),
            ])
    }
    private static func stage(
        ratios: [Double], depths: [Int] = [1], isElastic: Bool = true, width: Int = 16
    ) -> LayerDefinition {
        .invertedResiduals(
            .init(
                width: .constant(width), stride: 1, activation: .relu, kernelSizes: [3],
                expandRatios: ratios, depths: depths, isElastic: isElastic))
    }

    @Test("every published space holds")
    func published() throws {
        for space in SearchSpace.published + SearchSpace.tinyFamilies { try space.check() }
    }

    @Test("what makes no network, or not the network that it says, is refused with its field")
    func refused() throws {
        try Self.space([Self.stage(ratios: [1])]).check()
        for (space, field, word) in [
            // A supernet's block has an expansion or has none.
            (Self.space([Self.stage(ratios: [1, 3])]), "layers[1].expand_ratios", "its one ratio"),
            (
                Self.space([Self.stage(ratios: [3], depths: [2], isElastic: false)]),
                "layers[1].elastic", "choices"
            ),
            (
                Self.space([Self.stage(ratios: [2, 3], isElastic: false)]), "layers[1].elastic",
                "choices"
            ),
            (
                Self.space([Self.convolution("stem", key: "other")]), "layers",
                "two parameters stem."
            ),
            (Self.space([Self.convolution("a", kernel: 1, key: "stem")]), "layers[1].key", "stem"),
            (
                Self.space([Self.stage(ratios: [16], width: 65_536)]), "layers[1].expand_ratios",
                "1048576"
            ),
            (
                Self.space([Self.convolution("wide", width: 65_536)], resolution: 4096), "layers",
                "at most"
            ),
            (
                Self.space(
                    (0..<60).map { Self.convolution("c\($0)", width: 16_384, key: "c\($0)") }),
                "layers", "parameters"
            ),
        ] {
            let error = #expect(throws: NetworkError.self) { try space.check() }
            #expect(
                error?.code == .invalidSpace && error?.field == field,
                "\(field): \(error?.reason ?? "")")
            #expect(error?.reason.contains(word) == true, "\(field): \(error?.reason ?? "")")
        }
    }

    @Test(
        "stored definitions with numbers out of bounds are refused before anything is made of them",
        arguments: [
            ("\"places\":1", "\"places\":-1"), ("\"places\":1", "\"places\":9223372036854775807"),
            ("\"depths\":[1]", "\"depths\":[0,9223372036854775807]"),
            ("\"width\":16", "\"width\":{\"gene\":9223372036854775807,\"choices\":[8]}"),
            ("\"width\":16", "\"width\":{\"gene\":1000000000000,\"choices\":[8]}"),
            ("\"width\":16", "\"width\":{\"gene\":0,\"choices\":[]}"),
        ])
    func stored(part: String, instead: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(
            decoding: try encoder.encode(Self.space([Self.stage(ratios: [3])])), as: UTF8.self)
        try #require(text.contains(part))
        let changed = Data(text.replacingOccurrences(of: part, with: instead).utf8)
        let error = #expect(throws: NetworkError.self) {
            try JSONDecoder().decode(SearchSpace.self, from: changed)
        }
        #expect(error?.code == .invalidSpace)
    }

    @Test("a supernet restricted to depths at which a stem's optional layer is skipped skips it")
    func optionalLayer() throws {
        let space = try SearchSpace.named("ofa-resnet50")
        var domain = TrainedDomain(space)
        domain.depths = [0, 1]
        let small = try space.restricted(to: domain)
        #expect(space.stages[0].depths == [0, 2] && small.stages[0].depths == [0])
        for config in [small.smallest, small.largest] {
            try space.validate(config)
            #expect(domain.outside(config, in: space) == nil)
            let (own, whole) = (try NetworkShape(small, config), try NetworkShape(space, config))
            #expect(own == whole)
            #expect(try NetworkCost(small, config) == NetworkCost(space, config))
        }
        let text = try JSONEncoder().encode(small)
        #expect(try JSONDecoder().decode(SearchSpace.self, from: text) == small)
        #expect(
            try !String(decoding: JSONEncoder().encode(space), as: UTF8.self).contains("runsAt"))
    }

    @Test("a variant of a coupled space with other widths or classes has no parent")
    func parent() throws {
        let space = try SearchSpace.named("compofa-mbv3-w1.2")
        var change = SpaceChange()
        change.resolutions = [160]
        #expect(space.changed(change, name: "a").coupling?.parent == "ofa-mbv3-w1.2")
        change.width = 0.5
        #expect(space.changed(change, name: "a").coupling?.parent == "")
    }
}
