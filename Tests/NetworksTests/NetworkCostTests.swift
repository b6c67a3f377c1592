// Counts against the published figures, to the last digit.
import Foundation
import Networks
import TestSupport
import Testing

@Suite struct NetworkCostTests {
    @Test("the largest and smallest networks have the published counts")
    func published() throws {
        let w10 = try SearchSpace.named("ofa-mbv3-w1.0")
        let w12 = try SearchSpace.named("ofa-mbv3-w1.2")
        let largest = try NetworkCost(w10, w10.largest)
        #expect(largest.parameters == 7_664_760)
        #expect(largest.macs == 566_170_656)
        var wide = try NetworkCost(w12, w12.largest)
        #expect(wide.parameters == 10_701_632)
        #expect(wide.macs == 843_101_040)
        var config = w10.smallest
        config.resolution = 224
        wide = try NetworkCost(w10, config)
        #expect(wide.parameters == 3_410_792)
        #expect(wide.macs == 121_278_672)
        config = w10.largest
        config.kernelSizes = config.kernelSizes.map { _ in 3 }
        config.expandRatios = config.expandRatios.map { _ in 3 }
        #expect(try NetworkCost(w10, config).macs == 226_193_808)
    }

    @Test(
        "memory is the largest convolution, and at a skip the block's input with it"
    )
    func memory() throws {
        // w1.0 at 224: the expansion of the first elastic block holds 16·112², 96·112² and 16·96
        // weights; the depthwise 7×7 after it holds 96·112², 96·56² and 96·49. Nothing else comes
        // near.
        let w10 = try SearchSpace.named("ofa-mbv3-w1.0")
        let depthwise = 96 * 112 * 112 + 96 * 56 * 56 + 96 * 49
        #expect(try NetworkCost(w10, w10.largest).peakActivationElements == depthwise)
        // fashion at 28: the skip of stage 1 holds its input of 16·14² beside a 7×7 depthwise of 96
        // channels.
        let fashion = 2 * 96 * 14 * 14 + 96 * 49 + 16 * 14 * 14
        #expect(
            try NetworkCost(.fashion, SearchSpace.fashion.largest).peakActivationElements == fashion
        )
    }

    @Test("flash folds a batch norm into one bias per channel")
    func flash() throws {
        let shape = try NetworkShape(.fashion, SearchSpace.fashion.smallest)
        let cost = NetworkCost(shape)
        let normalised =
            shape.convolutions.reduce(0) { $0 + $1.outWidth }
            + shape.blocks.reduce(0) {
                $0 + ($1.hasExpansion ? 2 : 1) * $1.middleWidth + $1.outWidth
            }
        #expect(cost.flashElements == cost.parameters - normalised)
    }

    @Test(
        "every measured subnet of the w1.0 supernet has its published parameters and MACs",
        .enabled(if: SharedFolders.published("dynas") != nil, "\(SharedFolders.publishedHint)"))
    func dynas() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        let folder = try #require(SharedFolders.published("dynas"))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        var rows = 0
        for name in names where name.hasSuffix(".csv") {
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            for line in text.split(whereSeparator: \.isNewline).dropFirst() {
                let row = try DynasRow(String(line))
                let cost = try NetworkCost(space, row.config)
                #expect(cost.parameters == row.parameters, "\(name): \(line)")
                #expect(cost.macs == row.macs, "\(name): \(line)")
                rows += 1
            }
        }
        #expect(rows == 1458)
    }
}

/// One line of the published tables: a quoted Python dictionary, date, parameters, latency, MACs,
/// accuracy.
private struct DynasRow {
    var config: SubnetConfig, parameters: Int, macs: Int

    init(_ line: String) throws {
        let parts = line.split(separator: "\"", omittingEmptySubsequences: true)
        let json = try #require(parts.first).replacing("'", with: "\"").replacing(
            "None", with: "null")
        config = try JSONDecoder().decode(SubnetConfig.self, from: Data(json.utf8))
        let fields = try #require(parts.last).split(separator: ",")
        parameters = try #require(Int(fields[1]))
        macs = try #require(Int(fields[3]))
    }
}
