// Corrects the sum of part latencies to whole-network latencies. The correction is a factor, a
// constant per block and a constant per network, so it can be folded into the table: sums over the
// corrected table are corrected latencies.
import Networks
import Tensors

/// A correction fitted on whole networks.
public struct LatencyCorrection: Codable, Hashable, Sendable {
    /// Factor of every part's latency.
    public var scale: Double
    /// Milliseconds added for every block.
    public var perBlockMs: Double
    /// Milliseconds added once.
    public var fixedMs: Double

    /// A whole network's measured latency next to the table's.
    public struct Observation: Codable, Hashable, Sendable {
        /// The sum of its parts in milliseconds.
        public var tableMs: Double
        /// Number of its blocks, the first block included.
        public var blocks: Int
        /// The measured latency of the whole network in milliseconds.
        public var wholeMs: Double

        public init(tableMs: Double, blocks: Int, wholeMs: Double) {
            self.tableMs = tableMs
            self.blocks = blocks
            self.wholeMs = wholeMs
        }
    }

    /// Changes nothing.
    public static let none = LatencyCorrection(scale: 1, perBlockMs: 0, fixedMs: 0)

    /// The corrected latency of a network in milliseconds.
    public func applied(_ tableMs: Double, blocks: Int) -> Double {
        scale * tableMs + perBlockMs * Double(blocks) + fixedMs
    }

    /// The correction of least leave-one-out error among: none; a factor; a factor and a constant
    /// per block; a factor and a constant per network. `isUsable` may reject one.
    public static func fit(
        _ observations: [Observation], isUsable: (LatencyCorrection) -> Bool = { _ in true }
    ) -> LatencyCorrection {
        var best = (error: meanError(observations) { _, one in one.tableMs }, form: Form.none)
        for form in Form.allCases where observations.count >= form.rowsNeeded {
            let error = meanError(observations) { place, one in
                var others = observations
                others.remove(at: place)
                return form.fit(others).applied(one.tableMs, blocks: one.blocks)
            }
            // A form with more parameters must be better by a tenth; otherwise it fits noise.
            if error < 0.9 * best.error, isUsable(form.fit(observations)) { best = (error, form) }
        }
        return best.form.fit(observations)
    }

    /// Mean |corrected / whole - 1|, each network predicted by a correction chosen and fitted
    /// without it.
    public static func heldOutError(_ observations: [Observation]) -> Double {
        meanError(observations) { place, one in
            var others = observations
            others.remove(at: place)
            return fit(others).applied(one.tableMs, blocks: one.blocks)
        }
    }

    private static func meanError(
        _ observations: [Observation], _ predicted: (Int, Observation) -> Double
    ) -> Double {
        guard !observations.isEmpty else { return 0 }
        let sum = observations.enumerated().reduce(0) { sum, each in
            sum + abs(predicted(each.offset, each.element) / each.element.wholeMs - 1)
        }
        return sum / Double(observations.count)
    }

    /// The forms of a correction.
    private enum Form: CaseIterable {
        case none, scale, scaleAndBlocks, scaleAndFixed

        /// The least number of networks to fit it on.
        var rowsNeeded: Int { self == .none ? 0 : self == .scale ? 5 : 8 }

        /// Fits by least squares on relative errors.
        func fit(_ observations: [Observation]) -> LatencyCorrection {
            guard self != .none else { return LatencyCorrection.none }
            let rows = observations.map { one -> [Double] in
                let first = one.tableMs / one.wholeMs
                switch self {
                case .none, .scale: return [first]
                case .scaleAndBlocks: return [first, Double(one.blocks) / one.wholeMs]
                case .scaleAndFixed: return [first, 1 / one.wholeMs]
                }
            }
            let width = rows.first?.count ?? 1
            var normal = [Double](repeating: 0, count: width * width)
            var right = [Double](repeating: 0, count: width)
            for row in rows {
                for i in 0..<width {
                    right[i] += row[i]
                    for j in 0..<width { normal[i * width + j] += row[i] * row[j] }
                }
            }
            let factor = CholeskyFactor(normal, size: width, penalty: 1e-9 * (normal.first ?? 1))
            let weights = factor.solve(right)
            return LatencyCorrection(
                scale: weights[0], perBlockMs: self == .scaleAndBlocks ? weights[1] : 0,
                fixedMs: self == .scaleAndFixed ? weights[1] : 0)
        }
    }
}

extension LatencyTable {
    /// The table whose sums are the corrected latencies of a space's networks: every part scaled,
    /// the block constant added to every block, the network constant to the stem. Image sizes
    /// without a correction keep their entries.
    public func corrected(for space: String) -> LatencyTable {
        LatencyTable(
            entries: Dictionary(
                uniqueKeysWithValues: entries.map { resolution, parts in
                    guard let correction = self[correctionOf: space, resolution] else {
                        return (resolution, parts)
                    }
                    return (resolution, correction.applied(parts))
                }))
    }

    /// Whether every part at these resolutions has a positive latency after the correction.
    func isPositive(with correction: LatencyCorrection, _ resolutions: [Int]) -> Bool {
        resolutions.allSatisfy { resolution in
            correction.applied(entries[resolution] ?? [:]).allSatisfy { $0.value.mean > 0 }
        }
    }
}

extension LatencyCorrection {
    /// Every part with its share of the corrected latency.
    fileprivate func applied(_ parts: [String: LatencyEntry]) -> [String: LatencyEntry] {
        Dictionary(
            uniqueKeysWithValues: parts.map { key, entry in
                var entry = entry
                entry.mean =
                    scale * entry.mean
                    + (LatencyKey.blockPrefixes.contains { key.hasPrefix($0) } ? perBlockMs : 0)
                    + (LatencyKey.stemPrefixes.contains { key.hasPrefix($0) } ? fixedMs : 0)
                entry.std *= scale
                return (key, entry)
            })
    }
}

extension LatencyKey {
    /// The prefixes of block keys, and of first layers' keys, in the tables of all families.
    fileprivate static let blockPrefixes = ["expanded_conv-", "bottleneck-"]
    fileprivate static let stemPrefixes = ["Conv-", "Conv_0-"]
}
