// Measures three subnets of a supernet in training on held-out images: the largest, a middle one and the smallest.
// Nothing of the training changes: each subnet's batch-norm statistics are calibrated in a copy, and the draws depend
// only on the seed.

import Datasets
import Foundation
import Networks

/// The validation of a training: how the ends and the middle of what is trained do on held-out images.
public final class Validation {
    /// The subnets that are validated.
    public enum Member: String, Codable, Sendable, CaseIterable {
        case largest, middle, smallest
    }

    /// One subnet and its result.
    public struct Measured: Sendable {
        /// Which subnet.
        public let member: Member
        /// Its genes and image size.
        public let config: SubnetConfig
        /// Its result on the held-out images.
        public let result: Evaluator.Result
    }

    /// The subnets. One that is equal to an earlier one is left out.
    public let members: [(member: Member, config: SubnetConfig)]
    private let space: SearchSpace
    private let evaluator: Evaluator
    private let data: TrainingData
    private let heldOut: [Int]
    private let seed: UInt64

    /// The number of training images that calibrate a subnet.
    static let calibrationImages = 2000

    /// Prepares to validate `network`, a supernet of `space`, on the images `heldOut` of the source of `data`. The
    /// subnets are those of `domain`, the genes and image sizes that are trained. Errors: those of
    /// `SearchSpace.restricted(to:)`.
    public init(
        _ network: Network, of space: SearchSpace, domain: TrainedDomain, data: TrainingData,
        heldOut: [Int], seed: UInt64
    ) throws {
        self.space = space
        self.data = data
        self.heldOut = heldOut
        self.seed = seed
        // The evaluator's network shares the weights and has buffers and statistics of its own.
        evaluator = Evaluator(network.sharing(on: network.engine))
        let trained = try space.restricted(to: domain)
        var members: [(member: Member, config: SubnetConfig)] = []
        for (member, config) in [
            (Member.largest, trained.largest), (.middle, trained.middle),
            (.smallest, trained.smallest),
        ] where !members.contains(where: { $0.config == config }) {
            members.append((member, config))
        }
        self.members = members
    }

    /// Calibrates and measures each subnet with the network's current weights. `progress` is called often, with the share
    /// that is done; an error that it throws ends the validation. Errors: also `DatasetError` if a picture cannot be
    /// read.
    public func measure(progress: (Double) throws -> Void = { _ in }) throws -> [Measured] {
        try members.enumerated().map { place, member in
            func tell(_ part: Double) throws {
                try progress((Double(place) + part) / Double(members.count))
            }
            let shape = try NetworkShape(space, member.config)
            let calibrated = try evaluator.calibrate(
                [shape], data: data, count: Self.calibrationImages, seed: seed
            ) { try tell(0.5 * $0) }
            let result = try evaluator.measure(
                calibrated, loader: data.loader, images: heldOut
            ) { try tell(0.5 + 0.5 * $0) }[0]
            return Measured(member: member.member, config: member.config, result: result)
        }
    }
}
