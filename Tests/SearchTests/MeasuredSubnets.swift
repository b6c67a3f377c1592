// What other authors measured, for tests of predictors.
import Foundation
import Networks
import TestSupport
import Testing

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
            let config = try SearchSpace.named("ofa-mbv3-w1.0").canonical(
                try JSONDecoder().decode(SubnetConfig.self, from: Data(json.utf8)))
            let last = try #require(line.split(separator: ",").last)
            let accuracy = try #require(Double(last))
            if sums[config] == nil { order.append(config) }
            let old = sums[config] ?? (0, 0)
            sums[config] = (old.sum + accuracy / 100, old.count + 1)
        }
    }
    return order.compactMap { config in sums[config].map { (config, $0.sum / $0.count) } }
}
