// Measures three subnets of a supernet in training on held-out images: the largest, a middle one and the smallest; or
// the only network that is in training. Nothing of the training changes: each network's batch-norm statistics are
// calibrated in a copy, and the draws depend only on the seed.

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

    /// The subnets, of which some may be equal.
    public let members: [(member: Member, config: SubnetConfig)]
    /// The subnets of `members`, each once.
    let configs: [SubnetConfig]
    private let space: SearchSpace
    private let network: Network
    /// The shape of the only network; nil for a supernet.
    private let alone: NetworkShape?
    private let data: TrainingData
    private let heldOut: [Int]
    private let seed: UInt64

    /// The number of training images that calibrate a subnet.
    public static let calibrationImages = 2000

    /// Returns the number of images of a calibration batch at an image size: 200 as elsewhere, but fewer above 64 pixels,
    /// so that a batch takes neither long nor much memory beside the training.
    static func calibrationBatch(_ resolution: Int) -> Int {
        min(200, max(25, 200 * 64 * 64 / (resolution * resolution)))
    }

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
        self.network = network
        alone = nil
        let trained = try space.restricted(to: domain)
        let members: [(member: Member, config: SubnetConfig)] = [
            (.largest, trained.largest), (.middle, trained.middle), (.smallest, trained.smallest),
        ]
        self.members = members
        configs = members.map(\.config).reduce(into: []) { distinct, config in
            if !distinct.contains(config) { distinct.append(config) }
        }
    }

    /// Prepares to validate `network`, an extracted network of `space` with the shape `shape` and the genes `config`, on
    /// the images `heldOut` of the source of `data`. It stands as the largest.
    public init(
        alone network: Network, _ shape: NetworkShape, _ config: SubnetConfig,
        of space: SearchSpace, data: TrainingData, heldOut: [Int], seed: UInt64
    ) {
        self.space = space
        self.data = data
        self.heldOut = heldOut
        self.seed = seed
        self.network = network
        alone = shape
        members = [(.largest, config)]
        configs = [config]
    }

    /// Calibrates and measures each subnet with the network's current weights; equal subnets are measured once.
    /// `progress` is called often, with the share that is done; an error that it throws ends the validation. Errors: also
    /// `DatasetError` if a picture cannot be read.
    public func measure(progress: (Double) throws -> Void = { _ in }) throws -> [Measured] {
        let results = try configs.enumerated().map { place, config in
            func tell(_ part: Double) throws {
                try progress((Double(place) + part) / Double(configs.count))
            }
            // This network shares the weights; its buffers and statistics last until the measurement ends.
            let evaluator = Evaluator(
                network.sharing(on: network.engine),
                calibrationBatch: Self.calibrationBatch(config.resolution))
            let shape = try alone ?? NetworkShape(space, config)
            let calibrated = try evaluator.calibrate(
                [shape], data: data, count: Self.calibrationImages, seed: seed
            ) { try tell(0.5 * $0) }
            return try evaluator.measure(
                calibrated, loader: data.loader, images: heldOut
            ) { try tell(0.5 + 0.5 * $0) }[0]
        }
        return members.compactMap { member in
            configs.firstIndex(of: member.config).map {
                Measured(member: member.member, config: member.config, result: results[$0])
            }
        }
    }
}
