// Corrects sums of part latencies so that they match the latencies of whole networks. The correction is a factor, a
// constant per block and a constant per network. Therefore the correction can be applied to each entry of a table: sums
// of corrected entries are corrected latencies.
import Networks
import Tensors

/// A correction of sums of part latencies, fitted on whole networks.
public struct LatencyCorrection: Codable, Hashable, Sendable {
    /// Factor of every part's latency.
    public var scale: Double
    /// Milliseconds added for every block.
    public var perBlockMs: Double
    /// Milliseconds added once per network.
    public var fixedMs: Double

    /// A network's measured latency, and the latency of its parts in a table.
    public struct Observation: Codable, Hashable, Sendable {
        /// The sum of the table's entries for the network's parts in milliseconds.
        public var tableMs: Double
        /// Number of the network's blocks, the first block included.
        public var blocks: Int
        /// The measured latency of the whole network in milliseconds.
        public var wholeMs: Double

        public init(tableMs: Double, blocks: Int, wholeMs: Double) {
            self.tableMs = tableMs
            self.blocks = blocks
            self.wholeMs = wholeMs
        }
    }

    /// The correction that changes nothing.
    public static let none = LatencyCorrection(scale: 1, perBlockMs: 0, fixedMs: 0)

    /// Returns the corrected latency in milliseconds of a network with `blocks` blocks whose parts sum to `tableMs`.
    public func applied(_ tableMs: Double, blocks: Int) -> Double {
        scale * tableMs + perBlockMs * Double(blocks) + fixedMs
    }

    /// Fits a correction of one of these forms: none; a factor; a factor and a constant per block; a factor and a
    /// constant per network. A form replaces an earlier form only if its leave-one-out error is more than a tenth
    /// lower and `isUsable` accepts the fitted correction.
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
            // An improvement of less than a tenth may come from fitting noise.
            if error < 0.9 * best.error, isUsable(form.fit(observations)) { best = (error, form) }
        }
        return best.form.fit(observations)
    }

    /// Returns the mean of |corrected / measured - 1|, where each network is predicted by a correction that was chosen
    /// and fitted without that network.
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

        /// The least number of networks to fit a correction of this form on.
        var rowsNeeded: Int { self == .none ? 0 : self == .scale ? 5 : 8 }

        /// Fits a correction of this form by least squares on relative errors.
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
    /// Returns this table corrected, so that the entries of a network of `space` sum to the network's corrected
    /// latency: `scale` times each entry, plus `perBlockMs` for blocks and `fixedMs` for the first layer. `name` is the
    /// space's name in the table's corrections. Entries at image sizes without a correction are unchanged.
    ///
    /// Errors: `malformed` if a corrected entry is negative or not finite.
    public func corrected(for space: SearchSpace, named name: String) throws -> LatencyTable {
        var corrected = entries
        for (resolution, parts) in entries where space.resolutions.contains(resolution) {
            guard let correction = self[correctionOf: name, resolution] else { continue }
            corrected[resolution] = try correction.applied(
                parts, PartRoles(space, resolution: resolution))
        }
        for (resolution, parts) in corrected {
            if let fault = parts.first(where: { !($0.value.mean >= 0 && $0.value.mean.isFinite) }) {
                throw DeviceError(
                    .malformed,
                    "the table's correction for space \(space.name) makes part \(fault.key) take"
                        + " \(fault.value.mean) ms at size \(resolution)",
                    remedy: "measure the table anew, or remove its corrections")
            }
        }
        return LatencyTable(entries: corrected)
    }

    /// Returns whether every part has a positive latency after `correction`, at the image sizes of `roles`.
    func isPositive(with correction: LatencyCorrection, _ roles: [Int: PartRoles]) -> Bool {
        roles.allSatisfy { resolution, roles in
            correction.applied(entries[resolution] ?? [:], roles).allSatisfy { $0.value.mean > 0 }
        }
    }
}

/// The keys of the parts that get a constant in a correction: the blocks and first layers of a space's networks at one
/// image size.
struct PartRoles {
    /// The keys of blocks, and those of parts that begin a network.
    private(set) var blocks: Set<String> = [], first: Set<String> = []

    /// Collects the keys at `resolution`. Errors: those of `NetworkShape.init`.
    init(_ space: SearchSpace, resolution: Int) throws {
        for config in try space.coveringConfigs(resolution: resolution) {
            let keys = try NetworkShape(space.uncoupled, config).latencyKeys
            if let key = keys.first { first.insert(key.description) }
            for key in keys where key.layers.contains(where: { $0.blockNumber != nil }) {
                blocks.insert(key.description)
            }
        }
    }
}

extension LatencyCorrection {
    /// Returns `parts`, the entries of one image size, corrected.
    fileprivate func applied(
        _ parts: [String: LatencyEntry], _ roles: PartRoles
    ) -> [String: LatencyEntry] {
        Dictionary(
            uniqueKeysWithValues: parts.map { key, entry in
                var entry = entry
                entry.mean =
                    scale * entry.mean + (roles.blocks.contains(key) ? perBlockMs : 0)
                    + (roles.first.contains(key) ? fixedMs : 0)
                entry.std *= scale
                return (key, entry)
            })
    }
}
