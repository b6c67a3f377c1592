// Spaces and samples that several tests share.
import Foundation
import Networks
import TestSupport
import Testing

/// A space small enough to enumerate: two stages, two kernels, two ratios, depth 1 or 2.
let tinySpace = SearchSpace(
    name: "tiny", inputChannels: 1, stem: .init(width: 8, stride: 2, activation: .hSwish),
    firstBlockWidth: 8,
    stages: [
        .init(width: 16, stride: 2, activation: .relu, squeezeExcite: false),
        .init(width: 24, stride: 1, activation: .hSwish, squeezeExcite: true),
    ],
    kernelSizes: [3, 5], expandRatios: [3, 6], depths: [1, 2], resolutions: [16, 24],
    finalExpandWidth: 64, featureMixWidth: 64, classes: 10, kernelTransform: true)

/// Every network of the tiny space, skipped layers at 0.
let tinyNetworks: [SubnetConfig] = {
    let genes = [3, 5].flatMap { kernel in [3, 6].map { (kernel, $0) } }
    var all: [SubnetConfig] = []
    var seen: Set<SubnetConfig> = []
    for resolution in tinySpace.resolutions {
        for code in 0..<4 * 4 * 4 * 4 * 4 {
            let layers = (0..<4).map { genes[code >> (2 * $0) & 3] }
            let config = SubnetConfig(
                kernelSizes: layers.map(\.0), expandRatios: layers.map(\.1),
                depths: [1 + code >> 8 & 1, 1 + code >> 9 & 1], resolution: resolution)
            if seen.insert(config).inserted { all.append(config.canonical) }
        }
    }
    return all
}()

/// The measured subnets of the w1.0 supernet with their ImageNet top-1, repeated measurements
/// averaged.
func measuredSubnets() throws -> [(config: SubnetConfig, accuracy: Double)] {
    let folder = try #require(SharedFolders.published("dynas"))
    var sums: [SubnetConfig: (sum: Double, count: Double)] = [:]
    var order: [SubnetConfig] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
        let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
        for line in text.split(whereSeparator: \.isNewline).dropFirst() {
            let parts = line.split(separator: "\"")
            let json = try #require(parts.first).replacing("'", with: "\"")
                .replacing("None", with: "null")
            let config = try JSONDecoder().decode(SubnetConfig.self, from: Data(json.utf8))
            let last = try #require(line.split(separator: ",").last)
            let accuracy = try #require(Double(last))
            if sums[config] == nil { order.append(config) }
            let old = sums[config] ?? (0, 0)
            sums[config] = (old.sum + accuracy / 100, old.count + 1)
        }
    }
    return order.compactMap { config in sums[config].map { (config, $0.sum / $0.count) } }
}
