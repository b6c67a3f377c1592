// The published families: counts, parameters, MACs and names, to the last digit.
import Networks
import Testing

/// One row of a family's published figures.
private struct Row: Sendable {
    let name: String
    let config: SubnetConfig
    let parameters: Int
    /// MACs by image size.
    let macs: [Int: Int]
}

@Suite struct FamilyTests {
    private static func proxyless(_ ks: [Int], _ e: [Double], _ d: [Int]) -> SubnetConfig {
        SubnetConfig(kernelSizes: ks, expandRatios: e, depths: d, resolution: 224)
    }

    private static func proxyless(_ k: Int, _ e: Double, _ d: Int) -> SubnetConfig {
        proxyless(
            Array(repeating: k, count: 21), Array(repeating: e, count: 21),
            Array(repeating: d, count: 5) + [1])
    }

    private static let proxylessRows = [
        Row(
            name: "largest", config: proxyless(7, 6, 4), parameters: 7_942_056,
            macs: [
                224: 1_004_908_032, 192: 738_741_248, 160: 513_523_200, 128: 329_253_888,
            ]),
        Row(
            name: "D3 E4 K5", config: proxyless(5, 4, 3), parameters: 5_053_864,
            macs: [224: 486_974_112]),
        Row(
            name: "D4 E3 K3", config: proxyless(3, 3, 4), parameters: 4_879_776,
            macs: [224: 444_605_184]),
        Row(
            name: "smallest", config: proxyless(3, 3, 2), parameters: 3_718_832,
            macs: [224: 265_526_256]),
        Row(
            name: "mixed",
            config: proxyless(
                [7, 5, 7, 5, 7, 7, 7, 7, 3, 5, 3, 7, 3, 3, 3, 5, 5, 3, 5, 7, 3],
                [6, 3, 3, 6, 3, 4, 4, 3, 4, 3, 3, 3, 6, 6, 4, 3, 3, 3, 3, 3, 3],
                [2, 2, 3, 3, 2, 1]), parameters: 4_158_600,
            macs: [224: 414_211_856, 176: 265_971_712]),
    ]

    private static func resNet(_ d: [Int], _ e: [Double], _ w: [Int]) -> SubnetConfig {
        SubnetConfig(kernelSizes: [], expandRatios: e, depths: d, widths: w, resolution: 224)
    }

    private static func resNet(_ d: Int, _ e: Double, _ w: Int) -> SubnetConfig {
        resNet(
            Array(repeating: d, count: 5), Array(repeating: e, count: 18),
            Array(repeating: w, count: 6))
    }

    private static let resNetRows = [
        Row(
            name: "largest", config: resNet(2, 0.35, 2), parameters: 48_105_992,
            macs: [
                224: 7_491_643_904, 192: 5_504_608_256, 160: 3_823_270_400, 128: 2_447_630_336,
            ]),
        Row(
            name: "d2 e0.25 w2", config: resNet(2, 0.25, 2), parameters: 30_109_256,
            macs: [224: 4_765_556_736]),
        Row(
            name: "d1 e0.25 w1", config: resNet(1, 0.25, 1), parameters: 15_860_768,
            macs: [224: 2_485_163_840]),
        Row(
            name: "d2,0 e0.2 w2",
            config: resNet(
                [2, 0, 0, 0, 0], Array(repeating: 0.2, count: 18), Array(repeating: 2, count: 6)),
            parameters: 14_419_912, macs: [224: 2_368_555_136]),
        Row(
            name: "smallest", config: resNet(0, 0.2, 0), parameters: 6_539_280,
            macs: [224: 962_192_128]),
        Row(
            name: "mixed",
            config: resNet(
                [2, 2, 1, 2, 2],
                [
                    0.35, 0.35, 0.2, 0.25, 0.2, 0.35, 0.2, 0.2, 0.2, 0.25, 0.25, 0.2, 0.25, 0.35,
                    0.2, 0.35, 0.2, 0.2,
                ], [2, 0, 1, 1, 0, 1]), parameters: 17_487_544,
            macs: [224: 2_784_272_384, 176: 1_785_951_488]),
    ]

    @Test("ProxylessNAS and ResNet50 have the published parameters and MACs, odd sizes too")
    func costs() throws {
        for (name, rows) in [
            ("ofa-proxyless-w1.3", Self.proxylessRows), ("ofa-resnet50", Self.resNetRows),
        ] {
            let space = try SearchSpace.named(name)
            for row in rows {
                for (size, macs) in row.macs {
                    var config = row.config
                    config.resolution = size
                    let cost = try NetworkCost(space, config)
                    #expect(cost.parameters == row.parameters, "\(name) \(row.name)")
                    #expect(cost.macs == macs, "\(name) \(row.name) at \(size)")
                }
            }
        }
    }

    @Test("the ends of a family are its largest and smallest network")
    func ends() throws {
        for (name, rows) in [
            ("ofa-proxyless-w1.3", Self.proxylessRows), ("ofa-resnet50", Self.resNetRows),
        ] {
            let space = try SearchSpace.named(name)
            let largest = try #require(rows.first { $0.name == "largest" })
            let smallest = try #require(rows.first { $0.name == "smallest" })
            var config = space.smallest
            config.resolution = 224
            #expect(space.canonical(largest.config) == space.largest)
            #expect(space.canonical(smallest.config) == config)
        }
    }

    @Test("architectures are counted exactly, equal widths once")
    func counts() throws {
        let proxyless = try SearchSpace.named("ofa-proxyless-w1.3")
        #expect(try proxyless.architectureCount == "195827899433152372659")
        #expect(try proxyless.genotypeCount == "195827899433152372659")
        let resNet = try SearchSpace.named("ofa-resnet50")
        #expect(try resNet.genotypeCount == "2458914796962")
        #expect(try resNet.architectureCount == "1639276531308")
    }

    @Test("the supernets' parameters are the largest network's and the transforms'")
    func supernets() throws {
        func count(_ name: String) throws -> Int {
            let layout = try Weights.layout(supernetOf: try SearchSpace.named(name))
            return layout.parameters.reduce(0) { $0 + $1.count }
        }
        #expect(try count("ofa-proxyless-w1.3") == 7_956_882)
        #expect(try count("ofa-resnet50") == 48_105_992)
        #expect(try count("ofa-mbv3-w1.0") == 7_678_880)
    }

    @Test(
        "depths and widths that mean the same read as one network; what the reference fails on is refused"
    )
    func aliases() throws {
        let proxyless = try SearchSpace.named("ofa-proxyless-w1.3")
        var config = Self.proxyless(7, 6, 4)
        config.depths[5] = 3
        try proxyless.validate(config)
        #expect(proxyless.canonical(config) == proxyless.largest)
        config.depths[5] = 0
        #expect(throws: NetworkError.self) { try proxyless.validate(config) }

        let resNet = try SearchSpace.named("ofa-resnet50")
        var small = Self.resNet(0, 0.2, 0)
        let canonical = resNet.canonical(small)
        small.depths[0] = 1
        small.widths[0] = 1
        try resNet.validate(small)
        #expect(resNet.canonical(small) == canonical)
        #expect(
            try NetworkShape(resNet, small).layers.count
                == NetworkShape(resNet, canonical).layers.count)
        small.expandRatios[0] = 0.3
        let error = #expect(throws: NetworkError.self) { try resNet.validate(small) }
        #expect(error?.message == "e[0] is 0.3; space ofa-resnet50 allows 0.2, 0.25, 0.35")
    }

    @Test("latency keys are those of the published tables")
    func keys() throws {
        let space = try SearchSpace.named("ofa-proxyless-w1.3")
        let keys = try NetworkShape(space, space.largest).latencyKeys.map(\.description)
        #expect(
            keys[1]
                == "expanded_conv-input:112x112x40-output:112x112x24-expand:1-kernel:3-stride:1-idskip:0"
        )
        #expect(keys[keys.count - 2] == "Conv_1-input:7x7x416-output:7x7x1664")
        #expect(keys.last == "Logits-input:7x7x1664-output:1000")
        #expect(keys.count == 2 + 21 + 2)
    }

    @Test("a ResNet50's middle widths are those of the reference")
    func middleWidths() throws {
        let space = try SearchSpace.named("ofa-resnet50")
        let expected: [Int: [Int]] = [
            168: [32, 40, 56], 208: [40, 56, 72], 256: [48, 64, 88], 336: [64, 88, 120],
            408: [80, 104, 144], 512: [104, 128, 176], 664: [136, 168, 232],
            816: [160, 208, 288], 1024: [208, 256, 360], 1328: [264, 336, 464],
            1640: [328, 408, 576], 2048: [408, 512, 720],
        ]
        var seen: [Int: [Int]] = [:]
        for width in 0..<3 {
            for ratio in [0.2, 0.25, 0.35] {
                let shape = try NetworkShape(space, Self.resNet(2, ratio, width))
                for case .bottleneck(let block) in shape.layers where block.hasDownsample {
                    seen[block.outWidth, default: []].append(block.middleWidth)
                }
            }
        }
        #expect(seen == expected)
    }
}
