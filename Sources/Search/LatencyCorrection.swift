// What whole networks take beside the sum of their parts. The correction is a scale, an amount a block and a fixed
// amount, so that a corrected table is a table again: sums over it are corrected latencies.
import Networks
import Tensors

/// A correction fitted on whole networks.
public struct LatencyCorrection: Codable, Hashable, Sendable {
    /// What every part's latency is multiplied with.
    public var scale: Double
    /// Milliseconds added for every block.
    public var perBlockMs: Double
    /// Milliseconds added once.
    public var fixedMs: Double

    /// One whole network beside its table.
    public struct Observation: Codable, Hashable, Sendable {
        /// The sum of its parts in milliseconds.
        public var tableMs: Double
        /// Its blocks, the first among them.
        public var blocks: Int
        /// What the whole network took, in milliseconds.
        public var wholeMs: Double

        /// Puts both together.
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

    /// The correction of least leave-one-out error among none, a scale, a scale with an amount a block, and a scale with
    /// a fixed amount; `isUsable` may refuse one.
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
            // A richer form has to earn its place: by a tenth, or it follows the noise.
            if error < 0.9 * best.error, isUsable(form.fit(observations)) { best = (error, form) }
        }
        return best.form.fit(observations)
    }

    /// Mean of |corrected / whole - 1| where each network is predicted by a correction that was chosen and fitted
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

    /// What is fitted.
    private enum Form: CaseIterable {
        case none, scale, scaleAndBlocks, scaleAndFixed

        /// Networks without which it is not tried.
        var rowsNeeded: Int { self == .none ? 0 : self == .scale ? 5 : 8 }

        /// Least squares of relative errors.
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
    /// The table whose sums are the corrected latencies of a space's networks: every part scaled, an amount added to
    /// every block, and the fixed amount to the stem. Entries stay as they are where there is no correction.
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

    /// Whether every part at these resolutions still takes some time when so corrected.
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
                    scale * entry.mean + (key.hasPrefix("expanded_conv-") ? perBlockMs : 0)
                    + (key.hasPrefix("Conv-") ? fixedMs : 0)
                entry.std *= scale
                return (key, entry)
            })
    }
}
