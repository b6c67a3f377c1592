// The parameters of `evaluate`: which networks of a supernet are measured on the test images, to compare ways of
// training.

import Foundation
import Intake
import Networks

extension StageParameters {
    /// Measures networks of a supernet on the test images.
    public struct Evaluate: Codable, Sendable, Equatable {
        /// A network with the name under which it is compared.
        public struct Network: Codable, Sendable, Equatable {
            /// The name, as in the pipeline file.
            public var name: String
            /// The genes.
            public var arch: SubnetConfig
        }

        /// The way of training that the supernet is an example of. Stages of the same arm with different seeds are
        /// repetitions; those with the same seed measure different networks.
        public var arm: String
        /// The networks; empty with `architecture`.
        public var networks: [Network]
        /// The number of training images for batch-norm calibration.
        public var calibrationImages: Int
        /// Whether networks that the supernet was not trained for are measured too; nil for no.
        public var untrained: Bool?
        /// The search stage or the search result whose network is measured, under its device's name; nil for `networks`.
        public var architecture: String?
    }

    /// Reads the parameters of an `evaluate` stage; `stage` is its name.
    static func readEvaluate(_ entry: YAMLReader, stage: String, space: SearchSpace) throws
        -> Evaluate
    {
        let architecture = try entry.text("architecture"), given = try entry.texts("networks")
        guard architecture == nil || given == nil else {
            throw entry.error(
                "architecture", "stands beside networks, and either says what is measured",
                remedy: "leave one out")
        }
        let names = given ?? (architecture == nil ? ["largest", "smallest"] : [])
        guard architecture != nil || !names.isEmpty else {
            throw entry.error("networks", "has no network")
        }
        return Evaluate(
            arm: try entry.text("arm") ?? stage,
            networks: try names.map { name in
                do {
                    return Evaluate.Network(name: name, arch: try network(name, of: space))
                } catch let error as any Remedied {
                    throw entry.error(
                        "networks", "holds '\(Shown.excerpt(name))': \(error.reason)",
                        remedy: error.remedy)
                }
            },
            calibrationImages: try entry.integer("calibration_images", in: 1...1_000_000) ?? 2000,
            untrained: try entry.flag("untrained") == true ? true : nil,
            architecture: architecture)
    }

    /// Returns the network that `name` describes: `largest`, `smallest`, or genes that hold for every layer and stage,
    /// such as `k5-e4-d2-r28`; missing genes are the largest. A stage without a gene's value takes the nearest, as in a
    /// phase of training. Errors: `InputFault`, and those of `SearchSpace.restricted(to:)`.
    static func network(_ name: String, of space: SearchSpace) throws -> SubnetConfig {
        if let end = Materialised(rawValue: name) {
            return space.canonical(end == .largest ? space.largest : space.smallest)
        }
        var domain = TrainedDomain(
            kernelSizes: space.kernelSizes.suffix(1), expandRatios: space.expandRatios.suffix(1),
            depths: space.depths.suffix(1), widths: TrainedDomain(space).widths,
            resolutions: space.resolutions.suffix(1))
        var genes = Set<Character>()
        for part in name.split(separator: "-", omittingEmptySubsequences: false) {
            guard let gene = part.first, let value = Double(part.dropFirst()), value.isFinite,
                genes.insert(gene).inserted
            else { throw InputFault("it is no network", remedy: form) }
            let whole = Int(exactly: value) ?? -1
            func known<Value: Equatable>(_ value: Value, _ all: [Value]) throws -> [Value] {
                guard all.contains(value) else {
                    throw InputFault("\(part) is no gene of space \(space.name)", remedy: form)
                }
                return [value]
            }
            switch gene {
            case "k": domain.kernelSizes = try known(whole, space.kernelSizes)
            case "e": domain.expandRatios = try known(value, space.expandRatios)
            case "d": domain.depths = try known(whole, space.depths)
            case "r": domain.resolutions = try known(whole, space.resolutions)
            default: throw InputFault("it is no network", remedy: form)
            }
        }
        let open = try space.restricted(to: domain)
        return space.canonical(open.largest)
    }

    private static let form =
        "write largest, smallest, or genes for all layers, such as k5-e4-d2: kernel size, expand ratio, depth, resolution"
}
